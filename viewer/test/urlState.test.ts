import { expect, test } from "vitest";
import { formatHash, parseHash, type ViewState } from "../src/page/urlState";

const full: ViewState = {
  camera: { longitude: 114.401235, latitude: 30.506789, height: 812.5, heading: 20.5, pitch: -35.1 },
  layers: ["buildings", "bim/M 1", "networks/water", "odd,name&x=1"],
  selected: { code: "0xScRe4drECQ4DMSqUjd6$_建", layer: "bim/M 1" },
  underground: true,
};

test("a link gives back the view it was made from", () => {
  expect(parseHash(formatHash(full))).toEqual(full);
});

test("no visible layer differs from the default layers", () => {
  expect(parseHash(formatHash({ layers: [], underground: false })).layers).toEqual([]);
  expect(parseHash(formatHash({ underground: false })).layers).toBeUndefined();
});

test("an empty hash opens the default view", () => {
  expect(parseHash("")).toEqual({ underground: false });
  expect(parseHash("#")).toEqual({ underground: false });
});

test.each(["#c=1,2,3", "#c=a,b,c,d,e", "#c=,,,,", "#c=200,0,100,0,-30", "#c=0,0,1e99,0,-30", "#c=0,0,100,0,-95"])(
  "a camera that makes no sense is left out: %s",
  (hash) => expect(parseHash(hash).camera).toBeUndefined(),
);

test("a badly escaped code does not stop the viewer", () => {
  expect(parseHash("#s=%E0%A4%A").selected?.code).toBe("%E0%A4%A");
});

test("colours of networks survive the link; unknown ones are left out", () => {
  const state = { underground: false, networkTheme: "material" as const, hiddenLines: ["PE", "it's"] };
  expect(parseHash(formatHash(state))).toMatchObject(state);
  expect(parseHash("#nt=colour").networkTheme).toBeUndefined();
});

test("area, section and sun survive the link", () => {
  const state: ViewState = {
    underground: false,
    area: { ring: [[114.39, 30.5, 12.5], [114.4, 30.5, 13], [114.4, 30.51, 12]], only: true },
    section: { kind: "box", at: [114.395, 30.505, 17.3], heading: 45, shift: 0, size: 120 },
    sun: { day: "2024-06-21", hour: 9.25 },
  };
  expect(parseHash(formatHash(state))).toEqual(state);
});

test.each(["#a=1,2,3;4,5,6", "#a=1,2,3;4,5,6;x,y,z", "#x=wall;1,2,3;0;0;50", "#x=box;1,2,3;0;0;-5", "#sun=2024-13-45;9", "#sun=2024-06-21;25"])(
  "a tool that makes no sense is left out: %s",
  (hash) => expect(parseHash(hash)).toEqual({ underground: false }),
);
