/** Colouring buildings by one attribute: classes, their colours, titles and filters. Pure: knows nothing of the 3D engine. */
import type { Field } from "../api/api";
import { valueTitle } from "../selection/fieldValue";
import { pick, type Key, type Localised } from "../i18n/i18n";
import { UNKNOWN_USE, useColour, useTitle } from "./style";

export type ThemeId = "use" | "structure" | "height_m" | "storeys_above" | "year_built" | "safety_grade";

export interface ThemeClass {
  id: string;
  colour: string;
  title: string;
  /** CQL2 text that selects the class in the register. */
  filter: string;
}

export interface Numbers {
  /** Lower bounds of the classes after the first one. */
  steps: readonly number[];
  colours: readonly string[];
}

/** Class of buildings whose attribute is not recorded. */
export const NONE = "none";
export const THEMES: readonly ThemeId[] = ["use", "structure", "height_m", "storeys_above", "year_built", "safety_grade"];
export const TITLES: Record<ThemeId, Key> = {
  use: "theme.use",
  structure: "theme.structure",
  height_m: "theme.height",
  storeys_above: "theme.storeys",
  year_built: "theme.year",
  safety_grade: "theme.grade",
};

const STRUCTURES: Record<string, string> = {
  MAS: "#c77d4f", RC: "#7f93a8", SRC: "#5d6f96", STL: "#4f9fb8", TMB: "#9c7a3c", ETH: "#b8a15a", MIX: "#8f7fb5", CAV: "#6f8a5a", OTH: "#c8c3b8",
};
const GRADES: Record<string, string> = { A: "#4c9f5b", B: "#d9c14a", C: "#e2853b", D: "#c8352b" };
/** 24 m and 100 m are where GB 50016 begins high-rise and super high-rise; storeys after GB 50352; decades as the census asks for them. */
const NUMBERS: Partial<Record<ThemeId, Numbers>> = {
  height_m: { steps: [10, 24, 50, 100], colours: ["#fde8c0", "#f6bb75", "#e98450", "#c4473f", "#7d1d3f"] },
  storeys_above: { steps: [4, 7, 10, 34], colours: ["#e3eef7", "#a9cde6", "#62a5d1", "#2a76b4", "#123f7c"] },
  year_built: { steps: [1980, 1990, 2000, 2010, 2020], colours: ["#5a3a7d", "#7c5ba6", "#8f8fc6", "#8ec1cf", "#a8dcae", "#e6f2a2"] },
};

/** Steps and colours of a theme of numbers; undefined for coded values. */
export function numbersOf(theme: ThemeId): Numbers | undefined {
  return NUMBERS[theme];
}

export function isTheme(text: string | undefined): text is ThemeId {
  return text !== undefined && (THEMES as readonly string[]).includes(text);
}

/** Class of a value: the value itself, or the position of its range; `none` where nothing is recorded. */
export function classOf(theme: ThemeId, value: unknown): string {
  const numbers = NUMBERS[theme];
  if (!numbers) return typeof value === "string" && value !== "" ? value : NONE;
  if (typeof value !== "number" || !Number.isFinite(value)) return NONE;
  const at = numbers.steps.findIndex((step) => value < step);
  return String(at < 0 ? numbers.steps.length : at);
}

export function classColour(theme: ThemeId, id: string): string {
  if (id === NONE) return UNKNOWN_USE;
  const numbers = NUMBERS[theme];
  if (numbers) return numbers.colours[Number(id)] ?? UNKNOWN_USE;
  if (theme === "use") return useColour(id);
  return (theme === "structure" ? STRUCTURES : GRADES)[id] ?? UNKNOWN_USE;
}

/** All classes of a theme in reading order, the unrecorded last; coded values are those of the collection's schema. */
export function classesOf(theme: ThemeId, field: Field | undefined, unknown: string): ThemeClass[] {
  const none = { id: NONE, colour: UNKNOWN_USE, title: unknown, filter: `${theme} IS NULL` };
  const numbers = NUMBERS[theme];
  if (numbers) {
    const ranges = numbers.colours.map((colour, index) => {
      const low = numbers.steps[index - 1];
      const high = numbers.steps[index];
      const parts = [low === undefined ? undefined : `${theme} >= ${low}`, high === undefined ? undefined : `${theme} < ${high}`];
      return { id: String(index), colour, title: rangeTitle(theme, low, high), filter: parts.filter(Boolean).join(" AND ") };
    });
    return [...ranges, none];
  }
  const values = field?.oneOf?.map((option) => String(option.const)) ?? (theme === "use" ? [] : Object.keys(theme === "structure" ? STRUCTURES : GRADES));
  const coded = values.map((id) => ({ id, colour: classColour(theme, id), title: valueText(theme, field, id), filter: `${theme} = '${id}'` }));
  return [...coded, none];
}

function valueText(theme: ThemeId, field: Field | undefined, id: string): string {
  const title: Localised | string | undefined = valueTitle(field, id);
  return pick(title ?? (theme === "use" ? useTitle(id) : id));
}

function rangeTitle(theme: ThemeId, low: number | undefined, high: number | undefined): string {
  const unit = theme === "height_m" ? " m" : "";
  // Whole numbers read better with both ends; heights are continuous.
  const last = high === undefined ? undefined : theme === "height_m" ? high : high - 1;
  if (low === undefined) return `${theme === "height_m" ? "< " : "≤ "}${last}${unit}`;
  return last === undefined ? `≥ ${low}${unit}` : `${low} – ${last}${unit}`;
}
