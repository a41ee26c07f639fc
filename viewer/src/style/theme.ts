/** Colouring buildings or networks by one attribute: classes, their colours, titles and filters. Pure: knows nothing of the 3D engine. */
import { quoted, type Field } from "../api/api";
import { valueTitle } from "../selection/fieldValue";
import { pick, type Key, type Localised } from "../i18n/i18n";
import { materialOf, spareColour, UNKNOWN_USE, useColour, useTitle } from "./style";

export type ThemeId = "use" | "structure" | "height_m" | "storeys_above" | "year_built" | "safety_grade";

/** What colours the lines of networks; `kind` is the colour of the network itself, without classes. */
export type NetworkThemeId = "kind" | "material" | "diameter_mm" | "year_laid";
export type AnyTheme = ThemeId | NetworkThemeId;

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
export const NETWORK_THEMES: readonly NetworkThemeId[] = ["kind", "material", "diameter_mm", "year_laid"];
export const TITLES: Record<AnyTheme, Key> = {
  use: "theme.use",
  structure: "theme.structure",
  height_m: "theme.height",
  storeys_above: "theme.storeys",
  year_built: "theme.year",
  safety_grade: "theme.grade",
  kind: "theme.kind",
  material: "theme.material",
  diameter_mm: "theme.diameter",
  year_laid: "theme.laid",
};

const STRUCTURES: Record<string, string> = {
  MAS: "#c77d4f", RC: "#7f93a8", SRC: "#5d6f96", STL: "#4f9fb8", TMB: "#9c7a3c", ETH: "#b8a15a", MIX: "#8f7fb5", CAV: "#6f8a5a", OTH: "#c8c3b8",
};
const GRADES: Record<string, string> = { A: "#4c9f5b", B: "#d9c14a", C: "#e2853b", D: "#c8352b" };
/** 24 m and 100 m are where GB 50016 begins high-rise and super high-rise; storeys after GB 50352; decades as the census asks for them. */
const NUMBERS: Partial<Record<AnyTheme, Numbers>> = {
  height_m: { steps: [10, 24, 50, 100], colours: ["#fde8c0", "#f6bb75", "#e98450", "#c4473f", "#7d1d3f"] },
  storeys_above: { steps: [4, 7, 10, 34], colours: ["#e3eef7", "#a9cde6", "#62a5d1", "#2a76b4", "#123f7c"] },
  year_built: { steps: [1980, 1990, 2000, 2010, 2020], colours: ["#5a3a7d", "#7c5ba6", "#8f8fc6", "#8ec1cf", "#a8dcae", "#e6f2a2"] },
  diameter_mm: { steps: [100, 200, 300, 500, 800], colours: ["#c9e7a0", "#7fcdbb", "#41a6c4", "#2c6fb5", "#253494", "#54166b"] },
  year_laid: { steps: [1980, 1990, 2000, 2010, 2020], colours: ["#7a0f2b", "#c2352f", "#ef7d3b", "#f4b94f", "#a7d56e", "#35a35b"] },
};
const UNITS: Partial<Record<AnyTheme, string>> = { height_m: " m", diameter_mm: " mm" };

/** Steps and colours of a theme of numbers; undefined for coded values. */
export function numbersOf(theme: AnyTheme): Numbers | undefined {
  return NUMBERS[theme];
}

export function isTheme(text: string | undefined): text is ThemeId {
  return text !== undefined && (THEMES as readonly string[]).includes(text);
}

export function isNetworkTheme(text: string | undefined): text is NetworkThemeId {
  return text !== undefined && (NETWORK_THEMES as readonly string[]).includes(text);
}

/** Class of a value: the value itself, or the position of its range; `none` where nothing is recorded. */
export function classOf(theme: AnyTheme, value: unknown): string {
  const numbers = NUMBERS[theme];
  if (!numbers) return typeof value === "string" && value !== "" ? value : NONE;
  if (typeof value !== "number" || !Number.isFinite(value)) return NONE;
  const at = numbers.steps.findIndex((step) => value < step);
  return String(at < 0 ? numbers.steps.length : at);
}

export function classColour(theme: AnyTheme, id: string): string {
  if (id === NONE) return UNKNOWN_USE;
  const numbers = NUMBERS[theme];
  if (numbers) return numbers.colours[Number(id)] ?? UNKNOWN_USE;
  if (theme === "use") return useColour(id);
  if (theme === "material") return materialOf(id)?.colour ?? spareColour(id);
  return (theme === "structure" ? STRUCTURES : GRADES)[id] ?? UNKNOWN_USE;
}

/** All classes of a theme in reading order, the unrecorded last; coded values are those of the collection's schema, or `found` where it lists none. */
export function classesOf(theme: AnyTheme, field: Field | undefined, unknown: string, found: readonly string[] = []): ThemeClass[] {
  if (theme === "kind") return [];
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
  const values = field?.oneOf?.map((option) => String(option.const)) ?? (theme === "material" ? found : theme === "use" ? [] : Object.keys(theme === "structure" ? STRUCTURES : GRADES));
  const coded = values.map((id) => ({ id, colour: classColour(theme, id), title: valueText(theme, field, id), filter: `${theme} = ${quoted(id)}` }));
  return [...coded, none];
}

function valueText(theme: AnyTheme, field: Field | undefined, id: string): string {
  const title: Localised | string | undefined = valueTitle(field, id);
  return pick(title ?? (theme === "use" ? useTitle(id) : (theme === "material" && materialOf(id)?.title) || id));
}

function rangeTitle(theme: AnyTheme, low: number | undefined, high: number | undefined): string {
  const unit = UNITS[theme] ?? "";
  // Whole numbers read better with both ends; what has a unit is continuous.
  const last = high === undefined ? undefined : unit ? high : high - 1;
  if (low === undefined) return `${unit ? "< " : "≤ "}${last}${unit}`;
  return last === undefined ? `≥ ${low}${unit}` : `${low} – ${last}${unit}`;
}
