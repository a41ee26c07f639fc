import { expect, test } from "vitest";
import { attributeLines, valueText } from "../src/selection/attributes";

const schema = {
  year_built: { title: "Year built", "x-ogc-propertySeq": 2 },
  height_m: { title: { en: "Height", zh: "高度" }, "x-ogc-unit": "m", "x-ogc-propertySeq": 1 },
  footprint_area_m2: { title: "Footprint", "x-ogc-unit": "m2", "x-ogc-propertySeq": 3 },
  status: { title: "Status", "x-ogc-propertySeq": 4, oneOf: [{ const: "in_use", title: "in use" }] },
};

test("lines follow the schema, with titles, units and titles of coded values; empty values are left out", () => {
  const values = { extra: "x", status: "in_use", footprint_area_m2: 812.34567, height_m: 18.6, year_built: 1998, name: null, code: "C" };
  const lines = attributeLines(values, schema, "en", ["code"]).map(({ title, text }) => [title, text]);
  expect(lines).toEqual([
    ["Height", "18.6 m"],
    ["Year built", "1998"],
    ["Footprint", "812.346 m²"],
    ["Status", "in use"],
    ["extra", "x"],
  ]);
});

test("markup in the data stays text", () => {
  expect(valueText("<img src=x onerror=alert(1)>", "en")).toBe("<img src=x onerror=alert(1)>");
});

test("zero and false are values", () => {
  const lines = attributeLines({ storeys_below: 0, listed: false }, {}, "en", []);
  expect(lines.map(({ text }) => text)).toEqual(["0", "no"]);
});
