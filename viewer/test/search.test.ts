import { expect, test } from "vitest";
import { parsePosition } from "../src/search/search";

test("positions are read longitude first, with the usual separators", () => {
  expect(parsePosition("114.39, 30.51")).toEqual([114.39, 30.51]);
  expect(parsePosition("114.39 30.51")).toEqual([114.39, 30.51]);
  expect(parsePosition("114.39，30.51")).toEqual([114.39, 30.51]);
  expect(parsePosition("-70.5;-33.4")).toEqual([-70.5, -33.4]);
});

test("latitude first is understood where only one number can be a latitude", () => {
  expect(parsePosition("30.51, 114.39")).toEqual([114.39, 30.51]);
});

test("other texts are no positions", () => {
  for (const text of ["114.39", "珞喻路 10号", "200, 300", "1,2,3", "", "420111002007202600000100010"]) expect(parsePosition(text)).toBeUndefined();
});
