import { expect, test } from "vitest";
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
