/** Reads the server: OGC API collections, items and schemas, and the list of 3D layers. */
import type { Language, Localised } from "../i18n/i18n";
import { ApiError, answer, client } from "./client";
import type { components } from "./schema";

export { ApiError, reason, serviceRoot, serviceUrl } from "./client";

type Schemas = components["schemas"];
/** Corners west, south, east, north; degrees, CRS84. */
export type BBox = [number, number, number, number];
export type LayerKind = Schemas["layer3d"]["kind"];
export type LayerInfo = Schemas["layer3d"];
export type City = Schemas["city3d"];
export type Item = Schemas["feature"] & { properties: Record<string, unknown> };
export type Geometry = Schemas["geometry"];
/** Titles come in one language from the server, in two from lists of our own. */
export type Field = Omit<Schemas["attribute"], "title" | "oneOf"> & {
  title?: Localised | string;
  oneOf?: { const?: unknown; title?: Localised | string }[];
};
export type Schema = Record<string, Field>;
export type Lineage = Schemas["lineage"];

export interface LayerList {
  layers: LayerInfo[];
  city: City;
  /** False while or where the server did not give the list: then no layers does not mean that there are none. */
  complete: boolean;
}

export function itemPath(collection: string, code: string): string {
  return `collections/${encodeURIComponent(collection)}/items/${encodeURIComponent(code)}`;
}

export async function readLayers(): Promise<LayerList> {
  const found = await answer(client.GET("/3dtiles", {}));
  return { layers: found.layers, city: found.city, complete: true };
}

const collections = new Map<Language, Promise<Map<string, string>>>();

/** Titles of all collections by id. */
export function readCollectionTitles(lang: Language): Promise<Map<string, string>> {
  return remember(collections, lang, async () => {
    const found = await answer(client.GET("/collections", { params: { query: { f: "json", lang } } }));
    return new Map(found.collections.map(({ id, title }) => [id, title ?? id]));
  });
}

const schemas = new Map<string, Promise<Schema>>();

export function readSchema(collection: string, lang: Language): Promise<Schema> {
  return remember(schemas, `${lang} ${collection}`, async () => {
    const params = { path: { collectionId: collection }, query: { f: "json" as const, lang } };
    return (await answer(client.GET("/collections/{collectionId}/schema", { params }))).properties;
  });
}

/** One feature by code; undefined where the collection has none. */
export function readItem(collection: string, code: string, lang: Language): Promise<Item | undefined> {
  const params = { path: { collectionId: collection, featureId: code }, query: { f: "json" as const, lang } };
  return unless([404], undefined, () => answer(client.GET("/collections/{collectionId}/items/{featureId}", { params })) as Promise<Item>);
}

/** One feature by code, asked as a selection: where no feature has the code, that is no failure of a request. */
export async function findItem(collection: string, code: string): Promise<Item | undefined> {
  return (await readItems(collection, { filter: `code = ${quoted(code)}`, limit: 1 })).items[0];
}

export interface Wanted {
  q?: string;
  filter?: string;
  bbox?: number[];
  datetime?: string;
  limit?: number;
  offset?: number;
  sortby?: string[];
  properties?: string[];
  skipGeometry?: boolean;
}

export interface Page {
  items: Item[];
  /** All that match; undefined where the server did not count. */
  matched: number | undefined;
}

/** One page of features; raises what the server says against it. */
export async function readItems(collection: string, query: Wanted): Promise<Page> {
  const params = { path: { collectionId: collection }, query: { f: "json" as const, ...query } };
  const found = await answer(client.GET("/collections/{collectionId}/items", { params }));
  return { items: found.features, matched: found.numberMatched };
}

/** Features of a collection whose words match; none where there is no such collection. */
export async function readMatches(collection: string, text: string, limit: number): Promise<Item[]> {
  const none: Page = { items: [], matched: 0 };
  return (await unless([404], none, () => readItems(collection, { q: text, limit, skipGeometry: true }))).items;
}

/** All states of a feature, the newest first as the server gives them; undefined where the server keeps none. */
export function readHistory(collection: string, code: string): Promise<{ versions: Item[]; lineage: Lineage[] } | undefined> {
  return unless([400, 404], undefined, async () => {
    const params = { path: { collectionId: collection, featureId: code } };
    const found = await answer(client.GET("/collections/{collectionId}/items/{featureId}/history", { params }));
    return { versions: found.features, lineage: found.lineage };
  });
}

/** Features of a collection that refer to a building, and how many there are; none where there is no such collection. */
export async function readOfBuilding(collection: string, code: string, limit: number): Promise<{ items: Item[]; matched: number }> {
  const none: Page = { items: [], matched: 0 };
  const filter = `building_code = ${quoted(code)}`;
  const { items, matched } = await unless([400, 404], none, () => readItems(collection, { filter, limit, skipGeometry: true }));
  return { items, matched: matched ?? items.length };
}

/** How many features of a collection a CQL2 filter selects; undefined where the server does not count exactly. */
export async function readCount(collection: string, filter: string, instant?: string): Promise<number | undefined> {
  const query: Wanted = { filter, limit: 1, skipGeometry: true };
  if (instant) query.datetime = instant;
  return (await readItems(collection, query)).matched;
}

/** A text as CQL2 writes it. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

async function unless<T>(statuses: readonly number[], otherwise: T, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof ApiError && error.status !== undefined && statuses.includes(error.status)) return otherwise;
    throw error;
  }
}

/** Code of a feature. */
export function codeOf(item: Item): string {
  const code = item.id ?? item.properties["code"];
  return typeof code === "string" ? code : typeof code === "number" ? String(code) : "";
}

/** Bounds of a geometry in CRS84; undefined for an empty one. */
export function bounds(geometry: Geometry | null | undefined): BBox | undefined {
  const box: BBox = [Infinity, Infinity, -Infinity, -Infinity];
  const visit = (node: unknown): void => {
    if (!Array.isArray(node)) return;
    const [x, y] = node as unknown[];
    if (typeof x === "number" && typeof y === "number") {
      box[0] = Math.min(box[0], x);
      box[1] = Math.min(box[1], y);
      box[2] = Math.max(box[2], x);
      box[3] = Math.max(box[3], y);
    } else node.forEach(visit);
  };
  const walk = (part: Geometry): void => {
    visit(part.coordinates);
    part.geometries?.forEach(walk);
  };
  if (geometry) walk(geometry);
  return Number.isFinite(box[0]) ? box : undefined;
}

export function union(boxes: readonly (readonly number[] | null | undefined)[]): BBox | undefined {
  const given = boxes.filter((box): box is BBox => box?.length === 4 && box.every(Number.isFinite));
  if (given.length === 0) return undefined;
  return [
    Math.min(...given.map((b) => b[0])),
    Math.min(...given.map((b) => b[1])),
    Math.max(...given.map((b) => b[2])),
    Math.max(...given.map((b) => b[3])),
  ];
}

/** Keeps answers, but not failures: the next call asks again. */
function remember<K, V>(store: Map<K, Promise<V>>, key: K, load: () => Promise<V>): Promise<V> {
  const known = store.get(key);
  if (known) return known;
  const loading = load();
  store.set(key, loading);
  loading.catch(() => store.delete(key));
  return loading;
}
