import { expect, test } from "vitest";
import { classColour, classesOf, classOf, isTheme, NONE, THEMES } from "../src/style/theme";

test("each theme has distinct colours and a class for what is not recorded", () => {
  for (const theme of THEMES) {
    const classes = classesOf(theme, undefined, "not recorded");
    const colours = classes.map(({ colour }) => colour);
    expect(new Set(colours).size).toBe(colours.length);
    expect(classes.at(-1)).toMatchObject({ id: NONE, filter: `${theme} IS NULL` });
    for (const { id, colour } of classes) expect(classColour(theme, id)).toBe(colour);
  }
});

test("heights fall into the classes of GB 50016: 24 m is high-rise, 100 m super high-rise", () => {
  expect(classOf("height_m", 23.9)).not.toBe(classOf("height_m", 24));
  expect(classOf("height_m", 99.9)).not.toBe(classOf("height_m", 100));
  expect(classOf("height_m", 24)).toBe(classOf("height_m", 49.9));
  expect(classOf("height_m", undefined)).toBe(NONE);
  expect(classOf("height_m", NaN)).toBe(NONE);
});

test("filters of ranges leave no gap and no overlap", () => {
  const filters = classesOf("year_built", undefined, "").map(({ filter }) => filter);
  expect(filters).toEqual([
    "year_built < 1980", "year_built >= 1980 AND year_built < 1990", "year_built >= 1990 AND year_built < 2000",
    "year_built >= 2000 AND year_built < 2010", "year_built >= 2010 AND year_built < 2020", "year_built >= 2020", "year_built IS NULL",
  ]);
});

test("coded values take their titles from the schema", () => {
  const field = { oneOf: [{ const: "RC", title: "钢筋混凝土" }, { const: "MAS", title: "砌体" }] };
  expect(classesOf("structure", field, "未登记").map(({ id, title }) => [id, title])).toEqual([
    ["RC", "钢筋混凝土"], ["MAS", "砌体"], [NONE, "未登记"],
  ]);
});

test("a link with an unknown attribute is ignored", () => {
  expect(isTheme("use")).toBe(true);
  expect(isTheme("constructor")).toBe(false);
  expect(isTheme(undefined)).toBe(false);
});

test("networks are coloured by what is recorded; words outside of any list come from the register", () => {
  const classes = classesOf("material", undefined, "not recorded", ["DCI", "it's new"]);
  expect(classes.map(({ id, title }) => [id, title])).toEqual([["DCI", "Ductile iron"], ["it's new", "it's new"], [NONE, "not recorded"]]);
  // CQL2 text doubles a quote within a string (OGC 21-065r2, character literals).
  expect(classes.map(({ filter }) => filter)).toEqual(["material = 'DCI'", "material = 'it''s new'", "material IS NULL"]);
  expect(classOf("diameter_mm", 300)).toBe(classOf("diameter_mm", 499));
  expect(classOf("diameter_mm", 299)).not.toBe(classOf("diameter_mm", 300));
  expect(classesOf("kind", undefined, "")).toEqual([]);
});
