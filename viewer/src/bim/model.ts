/** Storeys and elements of a BIM model, from the OGC API. */
import { codeOf, quoted, readItems, type Item } from "../api/api";
import { disciplineOf, type Discipline } from "./disciplines";

export interface Storey {
  code: string;
  name: string;
  elevation: number;
}

export interface Element {
  code: string;
  name: string;
  ifcClass: string;
  discipline: Discipline;
  /** Position of the storey from below; -1 where the model has no storeys. */
  storey: number;
}

export interface Model {
  storeys: Storey[];
  elements: Map<string, Element>;
  /** Elements of the model beyond those that were read. */
  unread: number;
}

const PAGE = 10_000;
const MOST = 100_000;
/** An element may begin a little below the storey it stands on. */
const SLACK_M = 0.5;

export async function readModel(modelCode: string): Promise<Model> {
  const filter = `model_code = ${quoted(modelCode)}`;
  const [{ items: found }, { items, matched }] = await Promise.all([
    readItems("bim-storeys", { filter, limit: 1000, skipGeometry: true }),
    readElements(filter),
  ]);
  const storeys = found.map(storeyOf).sort((a, b) => a.elevation - b.elevation);
  const elements = new Map(items.map((item) => [codeOf(item), elementOf(item, storeys)]));
  return { storeys, elements, unread: Math.max(0, matched - items.length) };
}

async function readElements(filter: string): Promise<{ items: Item[]; matched: number }> {
  const properties = ["name", "ifc_class", "storey_code", "base_m"];
  const items: Item[] = [];
  for (;;) {
    const page = await readItems("bim-elements", { filter, properties, limit: PAGE, offset: items.length, skipGeometry: true });
    items.push(...page.items);
    const matched = page.matched ?? items.length;
    if (page.items.length < PAGE || items.length >= Math.min(MOST, matched)) return { items, matched };
  }
}

function word(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function storeyOf(item: Item): Storey {
  const elevation = item.properties["elevation_m"];
  return { code: codeOf(item), name: word(item.properties["name"]) || codeOf(item), elevation: typeof elevation === "number" ? elevation : 0 };
}

function elementOf(item: Item, storeys: readonly Storey[]): Element {
  const ifcClass = word(item.properties["ifc_class"]);
  return {
    code: codeOf(item), name: word(item.properties["name"]), ifcClass, discipline: disciplineOf(ifcClass),
    storey: storeyIndex(word(item.properties["storey_code"]), item.properties["base_m"], storeys),
  };
}

/** The storey that holds an element; for one that no storey holds (furniture of a space), the storey it stands on. */
export function storeyIndex(storeyCode: string, base: unknown, storeys: readonly Storey[]): number {
  const held = storeys.findIndex(({ code }) => code === storeyCode);
  if (held >= 0 || typeof base !== "number") return held;
  const on = storeys.findLastIndex(({ elevation }) => elevation <= base + SLACK_M);
  return on >= 0 ? on : Math.min(0, storeys.length - 1);
}
