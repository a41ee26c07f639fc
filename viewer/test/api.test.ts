import { afterEach, expect, test, vi } from "vitest";
import { ApiError, bounds, itemPath, readItem, serviceUrl, union } from "../src/api/api";
import { collectionsFor, findByCode } from "../src/search/search";

const root = new URL("https://city.example/cim/");
const answer = (status: number, body: unknown = {}): Response => new Response(JSON.stringify(body), { status });

afterEach(() => vi.unstubAllGlobals());

function serve(reply: (path: string) => Response): string[] {
  const asked: string[] = [];
  vi.stubGlobal("document", { baseURI: "https://city.example/cim/viewer/" });
  vi.stubGlobal("fetch", (request: Request) => {
    const path = new URL(request.url).pathname;
    asked.push(path);
    return Promise.resolve(reply(path));
  });
  return asked;
}

test("addresses of the server stay below the path a proxy gives it", () => {
  expect(serviceUrl("/3dtiles/buildings/tileset.json", root).href).toBe("https://city.example/cim/3dtiles/buildings/tileset.json");
  expect(serviceUrl("3dtiles/x/tileset.json", root).href).toBe("https://city.example/cim/3dtiles/x/tileset.json");
  expect(serviceUrl("/cim/3dtiles/x/tileset.json", root).href).toBe("https://city.example/cim/3dtiles/x/tileset.json");
  expect(serviceUrl("//elsewhere.example/t.json", root).host).toBe("elsewhere.example");
});

test("a code with special characters is one segment of the path", () => {
  expect(itemPath("bim-elements", "a/b?c#$")).toBe("collections/bim-elements/items/a%2Fb%3Fc%23%24");
});

test("bounds of every geometry type are taken from its positions", () => {
  expect(bounds({ type: "Point", coordinates: [1, 2, 50] })).toEqual([1, 2, 1, 2]);
  expect(bounds({ type: "MultiPolygon", coordinates: [[[[0, 0], [2, 1], [1, 3], [0, 0]]]] })).toEqual([0, 0, 2, 3]);
  const parts = [{ type: "Point", coordinates: [5, 5] }, { type: "LineString", coordinates: [[-1, 0], [0, 9]] }];
  expect(bounds({ type: "GeometryCollection", geometries: parts })).toEqual([-1, 0, 5, 9]);
  expect(bounds({ type: "Polygon", coordinates: [] })).toBeUndefined();
  expect(bounds(null)).toBeUndefined();
});

test("boxes that are missing do not spoil the union", () => {
  expect(union([undefined, [0, 0, 1, 1], [-1, 2, 0, 3]])).toEqual([-1, 0, 1, 3]);
  expect(union([])).toBeUndefined();
});

test("no such item differs from a server that refuses", async () => {
  serve(() => answer(404));
  expect(await readItem("buildings", "x", "en")).toBeUndefined();
  serve(() => answer(503));
  await expect(readItem("buildings", "x", "en")).rejects.toMatchObject({ status: 503 });
});

test("a code of 27 characters is looked up among the buildings only", () => {
  const layers = [{ kind: "network", collection: "water-lines" }, { kind: "buildings", collection: "buildings" }];
  expect(collectionsFor("x".repeat(27), layers)).toEqual(["buildings"]);
  expect(collectionsFor("x".repeat(27), [])).toEqual(["buildings"]);
  expect(collectionsFor("WA-1", layers)).toEqual(["water-lines", "water-points", "buildings"]);
});

test("a hit counts although another collection fails, a failure without a hit is not called 'not found'", async () => {
  const page = { type: "FeatureCollection", features: [{ geometry: null, properties: { code: "A" } }] };
  const empty = { type: "FeatureCollection", features: [] };
  serve((path) => (path.includes("/gas-lines/") ? answer(500) : answer(200, page)));
  expect((await findByCode("A", ["gas-lines", "water-lines"]))?.collection).toBe("water-lines");
  serve((path) => (path.includes("/gas-lines/") ? answer(500) : answer(200, empty)));
  await expect(findByCode("A", ["gas-lines", "water-lines"])).rejects.toBeInstanceOf(ApiError);
  serve(() => answer(200, empty));
  expect(await findByCode("A", ["gas-lines", "water-lines"])).toBeUndefined();
});
