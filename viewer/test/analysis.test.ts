import { expect, test } from "vitest";
import { closedRing, crossesItself, lineLength, metresPerDegree, ringArea, touching, type Position } from "../src/analysis/geodesy";
import { csvOf } from "../src/analysis/table";
import { disciplineOf } from "../src/bim/disciplines";
import { storeyIndex } from "../src/bim/model";
import { tilesAt } from "../src/layers/moment";

test("a degree has its length on WGS 84", () => {
  // Snyder, Map Projections (USGS 1395), table 4, interpolated at the equator: 110 574 m northwards, 111 320 m eastwards.
  const [east, north] = metresPerDegree(0);
  expect(east).toBeCloseTo(111_319.5, 0);
  expect(north).toBeCloseTo(110_574.3, 0);
});

test("lengths count the slope, areas do not", () => {
  const [east, north] = metresPerDegree(30);
  const right: Position[] = [[114, 30, 0], [114 + 30 / east, 30, 40]];
  expect(lineLength(right).horizontal).toBeCloseTo(30, 3);
  expect(lineLength(right).slant).toBeCloseTo(50, 3);
  const square: Position[] = [[114, 30, 0], [114 + 100 / east, 30, 9], [114 + 100 / east, 30 + 100 / north, 0], [114, 30 + 100 / north, 5]];
  expect(ringArea(square)).toBeCloseTo(10_000, -1);
  expect(ringArea(square.slice(0, 2))).toBe(0);
});

test("rings are closed and counter-clockwise in filters", () => {
  const clockwise: Position[] = [[0, 0, 0], [0, 1, 0], [1, 1, 0], [1, 0, 0]];
  expect(closedRing(clockwise)).toEqual([[1, 0], [1, 1], [0, 1], [0, 0], [1, 0]]);
  expect(touching(clockwise)).toBe("S_INTERSECTS(geometry, POLYGON((1 0, 1 1, 0 1, 0 0, 1 0)))");
});

test("a bow tie crosses itself, a square does not", () => {
  expect(crossesItself([[0, 0, 0], [1, 1, 0], [1, 0, 0], [0, 1, 0]])).toBe(true);
  expect(crossesItself([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])).toBe(false);
});

test("cells of a CSV file are quoted, and none is a formula", () => {
  const columns = [{ name: "a", title: "A" }, { name: "b", title: "B", numeric: true }];
  expect(csvOf(columns, [{ a: 'x "y", z', b: -1.5 }, { a: "=1+1", b: null }])).toBe('\ufeffa,b\r\n"x ""y"", z",-1.5\r\n\'=1+1,\r\n');
});

test("classes of IFC belong to disciplines", () => {
  const cases = { IfcBeam: "structure", IfcWallStandardCase: "architecture", IfcFurnishingElement: "furnishing", IfcDuctSegment: "hvac", IfcPipeSegment: "plumbing", IfcCableSegment: "electrical", IfcProxy: "other" };
  for (const [ifcClass, discipline] of Object.entries(cases)) expect(disciplineOf(ifcClass)).toBe(discipline);
});

test("an element without storey belongs to the one it stands on", () => {
  const storeys = [{ code: "f", name: "", elevation: -1.2 }, { code: "g", name: "", elevation: 0 }, { code: "h", name: "", elevation: 3 }];
  expect(storeyIndex("h", 0, storeys)).toBe(2);
  expect(storeyIndex("", 0.9, storeys)).toBe(1);
  expect(storeyIndex("", 2.8, storeys)).toBe(2);
  expect(storeyIndex("", -9, storeys)).toBe(0);
  expect(storeyIndex("", 1, [])).toBe(-1);
});

test("a selection of the buildings is asked for as live tiles, also where the tiles are live already", () => {
  expect(tilesAt("3dtiles/buildings/tileset.json", undefined)).toBe("3dtiles/buildings/tileset.json");
  expect(tilesAt("3dtiles/buildings/live/tileset.json", undefined, "height_m > 3")).toBe("3dtiles/buildings/live/tileset.json?filter=height_m+%3E+3");
});
