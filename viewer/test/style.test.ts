import { expect, test } from "vitest";
import { baseColour, NETWORKS, networkColour, SELECTED, UNKNOWN_USE, useColour } from "../src/style/style";

const KINDS = ["water", "rainwater", "sewage", "gas", "heat", "power", "lighting", "telecom", "road", "tunnel"];

/** Hue in degrees of a #rrggbb colour. */
function hue(css: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(css.slice(at, at + 2), 16) / 255) as [number, number, number];
  const [high, low] = [Math.max(r, g, b), Math.min(r, g, b)];
  const span = high - low;
  const turn = high === r ? ((g - b) / span + 6) % 6 : high === g ? (b - r) / span + 2 : (r - g) / span + 4;
  return turn * 60;
}

const within = (value: number, low: number, high: number): boolean => value >= low && value <= high;

test("each network kind of the platform has its own colour and both titles", () => {
  const colours = KINDS.map((kind) => networkColour(`networks/${kind}`));
  expect(new Set(colours).size).toBe(KINDS.length);
  for (const kind of KINDS) expect(NETWORKS[kind]?.title.en && NETWORKS[kind]?.title.zh).toBeTruthy();
});

test("network hues follow CJJ 61: water blue, drainage brown, gas pink, power red, telecom green", () => {
  expect(within(hue(networkColour("networks/water")), 200, 240)).toBe(true);
  expect(within(hue(networkColour("networks/sewage")), 15, 40)).toBe(true);
  expect(within(hue(networkColour("networks/rainwater")), 15, 40)).toBe(true);
  expect(within(hue(networkColour("networks/gas")), 300, 345)).toBe(true);
  expect(within((hue(networkColour("networks/power")) + 15) % 360, 0, 30)).toBe(true);
  expect(within(hue(networkColour("networks/telecom")), 100, 150)).toBe(true);
});

test("uses of different vocabularies share a colour", () => {
  expect(useColour("住宅")).toBe(useColour("residential"));
  expect(useColour("Apartments")).toBe(useColour("residential"));
  expect(useColour("school")).toBe(useColour("教育"));
});

test("an unknown use keeps its colour; a missing one is grey", () => {
  expect(useColour("lighthouse-keeping")).toBe(useColour("lighthouse-keeping"));
  expect(useColour("")).toBe(UNKNOWN_USE);
  expect(useColour(undefined)).toBe(UNKNOWN_USE);
});

test("the selection stands out from every class", () => {
  const classes = [...KINDS.map((kind) => networkColour(kind)), useColour("residential"), UNKNOWN_USE];
  expect(classes).not.toContain(SELECTED);
});

test("BIM keeps the colours of the model", () => {
  expect(baseColour("bim", "bim/M1")).toBe("#ffffff");
});
