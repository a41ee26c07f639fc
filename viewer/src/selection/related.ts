/** What hangs on a feature: its building, addresses, units, earlier states, the codes it came from and became. */
import { readHistory, readOfBuilding, type Item, type Lineage } from "../api/api";
import { button, h } from "../page/dom";
import { language, t } from "../i18n/i18n";

export type Go = (collection: string, code: string) => void;

const LISTED = 5;

/** Sections for the panel; each is left out where there is nothing to say or the server does not answer. */
export async function relatedSections(collection: string, code: string, properties: Record<string, unknown>, go: Go): Promise<HTMLElement[]> {
  const building = properties["building_code"];
  const model = properties["model_code"];
  const sections = await Promise.all([
    typeof building === "string" && building !== "" ? Promise.resolve(buildingLink(building, go)) : undefined,
    typeof model === "string" && collection !== "bim-models" ? Promise.resolve(modelLink(model, go)) : undefined,
    collection === "buildings" ? membersOf("addresses", code, t("panel.addresses"), ["full_text", "address"], go) : undefined,
    collection === "buildings" ? membersOf("units", code, t("panel.units"), ["name", "code"], go) : undefined,
    // What has no version has no history, and models keep theirs as models: asking for it would be answered by an error.
    properties["version"] === undefined || collection.startsWith("bim-") ? undefined : historyOf(collection, code, go),
  ].map((section) => Promise.resolve(section).catch(() => undefined)));
  return sections.filter((section): section is HTMLElement => section !== undefined);
}

function buildingLink(code: string, go: Go): HTMLElement {
  return h("p", {}, button(t("panel.gone"), { class: "link", "data-testid": "go-building" }, () => go("buildings", code), t("panel.gone")));
}

function modelLink(code: string, go: Go): HTMLElement {
  return h("p", {}, button(t("panel.model"), { class: "link", "data-testid": "go-model" }, () => go("bim-models", code), t("panel.model")));
}

async function membersOf(collection: string, code: string, title: string, names: readonly string[], go: Go): Promise<HTMLElement | undefined> {
  const { items, matched } = await readOfBuilding(collection, code, LISTED);
  if (items.length === 0) return undefined;
  const rows = items.map((item) => {
    const id = String(item.id ?? item.properties["code"]);
    return h("li", {}, button(id, { class: "link" }, () => go(collection, id), text(item, names) ?? id));
  });
  const more = matched > items.length ? h("p", { class: "hint" }, t("panel.more", { n: matched.toLocaleString(language()) })) : undefined;
  return section(title, `${collection}-of`, h("ul", {}, ...rows), more);
}

async function historyOf(collection: string, code: string, go: Go): Promise<HTMLElement | undefined> {
  const found = await readHistory(collection, code);
  if (!found || (found.versions.length < 2 && found.lineage.length === 0)) return undefined;
  const rows = [...found.versions].sort((a, b) => Number(b.properties["version"]) - Number(a.properties["version"])).map(versionRow);
  return section(t("panel.history"), "history", h("ol", {}, ...rows, ...found.lineage.map((row) => lineageRow(row, code, go))));
}

function versionRow({ properties }: Item): HTMLElement {
  const until = properties["valid_to"];
  const ends = typeof until === "string" ? t("panel.until", { date: day(until) }) : t("panel.current");
  const words = [properties["operation"], properties["reason"]].filter((word): word is string => typeof word === "string" && word !== "");
  return h("li", {}, `${day(String(properties["valid_from"]))} – ${ends}`, h("br"), h("span", { class: "hint" }, words.join(": ")));
}

function lineageRow({ parent_code: parent, child_code: child, operation }: Lineage, code: string, go: Go): HTMLElement | undefined {
  const other = parent === code ? child : parent;
  if (!other) return undefined;
  const words = t(parent === code ? "panel.to" : "panel.from", { code: other });
  return h("li", {}, button(words, { class: "link" }, () => go("buildings", other), words), " ", h("span", { class: "hint" }, operation ?? ""));
}

function section(title: string, id: string, ...content: (HTMLElement | undefined)[]): HTMLElement {
  return h("section", { class: "related", "data-testid": id }, h("h3", {}, title), ...content);
}

function text(item: Item, names: readonly string[]): string | undefined {
  return names.map((name) => item.properties[name]).find((value): value is string => typeof value === "string" && value !== "");
}

function day(moment: string): string {
  const date = new Date(moment);
  return Number.isNaN(date.getTime()) ? moment : date.toLocaleDateString(language());
}
