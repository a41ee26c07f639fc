import { expect, test } from "vitest";
import { endOfDay, tilesAt } from "../src/layers/moment";

const NOW = new Date("2026-06-01T12:00:00");

test("a past day ends at its last second where the user is", () => {
  const instant = endOfDay("2026-05-01", NOW) as string;
  expect(new Date(instant).getTime()).toBe(new Date(2026, 4, 1, 23, 59, 59).getTime());
  expect(instant.endsWith("Z")).toBe(true);
});

test("today, the future and nonsense mean the present state", () => {
  for (const day of ["2026-06-01", "2030-01-01", "2026-13-45", "yesterday", "", undefined]) expect(endOfDay(day, NOW)).toBeUndefined();
});

test("past states come from the tiles made on request", () => {
  expect(tilesAt("3dtiles/buildings/tileset.json", undefined)).toBe("3dtiles/buildings/tileset.json");
  expect(tilesAt("3dtiles/buildings/tileset.json", "2026-05-01T15:59:59Z")).toBe(
    "3dtiles/buildings/live/tileset.json?datetime=2026-05-01T15%3A59%3A59Z",
  );
});
