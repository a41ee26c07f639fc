import { expect, test } from "vitest";
import * as cesium from "cesium";
import { coarseTile, octEncoded } from "../src/layers/coarseTile";
import { firstLevel } from "../src/layers/firstLevel";

test("the widest terrain tiles that are asked for are at most twice as wide as the terrain", () => {
  // Tiles of the geographic grid of quantized-mesh are 180° / 2^level wide.
  for (const width of [0.0313, 0.5, 3, 90]) {
    const level = firstLevel([100, 20, 100 + width, 20 + width / 2]);
    expect(180 / 2 ** level).toBeLessThanOrEqual(2 * width);
    expect(level === 0 || 180 / 2 ** (level - 1) > 2 * width).toBe(true);
  }
});

test("terrain without a box, or of the whole earth, begins at level 0", () => {
  expect(firstLevel(undefined)).toBe(0);
  expect(firstLevel([-180, -90, 180, 90])).toBe(0);
  expect(firstLevel([1, 1, 1, 1])).toBe(0);
});

test("normals are encoded as the engine reads them", () => {
  const { AttributeCompression } = cesium as unknown as { AttributeCompression: { octDecode(a: number, b: number, into: cesium.Cartesian3): cesium.Cartesian3 } };
  for (const [x, y, z] of [[0, 0, 1], [0, 0, -1], [0.6, -0.8, 0], [-0.36, 0.48, 0.8], [0.48, 0.64, -0.6]] as const) {
    const read = AttributeCompression.octDecode(...octEncoded(x, y, z), new cesium.Cartesian3());
    // A byte per axis: under a degree.
    expect(cesium.Cartesian3.angleBetween(read, new cesium.Cartesian3(x, y, z))).toBeLessThan(0.0175);
  }
});

test("a tile without data of the server lies at the height asked for", () => {
  const rectangle = cesium.Rectangle.fromDegrees(112.5, 28.125, 118.125, 33.75);
  const tile = coarseTile(rectangle, 12.5);
  for (const [x, y] of [[112.5, 28.125], [114.39, 30.51], [118.125, 33.75]] as const) {
    const [longitude, latitude] = [cesium.Math.toRadians(x), cesium.Math.toRadians(y)];
    expect(tile.interpolateHeight(rectangle, longitude, latitude)).toBeCloseTo(12.5, 6);
  }
});
