/** The catalogue of data sets: what is there, how much, how good, how old. */
import { answer, client } from "../api/client";
import { reason, serviceUrl } from "../api/api";
import type { components } from "../api/schema";
import { h } from "../page/dom";
import { language, onLanguage, pick, t, type Key } from "../i18n/i18n";

type Entry = components["schemas"]["record"];

/** The most records one answer may hold. */
const PAGE = 1000;

export class Catalogue {
  readonly element = h("section", { "data-testid": "catalogue" });
  private records: Entry[] | undefined;
  private failure: string | undefined;
  private wanted = "";

  constructor(private readonly show: (collection: string) => void) {
    onLanguage(() => this.draw());
  }

  /** Reads the records anew; they are asked for when the page is opened. */
  async read(): Promise<void> {
    this.failure = undefined;
    this.draw();
    try {
      const records: Entry[] = [];
      for (;;) {
        const { features, numberMatched } = await answer(client.GET("/records", { params: { query: { f: "json", limit: PAGE, offset: records.length } } }));
        records.push(...features);
        if (features.length < PAGE || records.length >= (numberMatched ?? 0)) break;
      }
      this.records = records;
    } catch (error) {
      this.failure = reason(error);
    }
    this.draw();
  }

  private draw(): void {
    const search = h("input", { type: "search", id: "catalogue-search", value: this.wanted, "data-testid": "catalogue-search" });
    const tables = h("div", {});
    const fill = (): void => {
      const found = (this.records ?? []).filter((one) => matches(one, this.wanted));
      const series = found.filter(({ properties }) => properties.type === "dataset-series");
      const sets = found.filter(({ properties }) => properties.type !== "dataset-series");
      tables.replaceChildren(
        found.length === 0 && this.records ? h("p", { role: "status", "data-testid": "catalogue-none" }, t("catalogue.none", { text: this.wanted })) : "",
        series.length > 0 ? this.collections(series) : "",
        sets.length > 0 ? datasets(sets) : "",
      );
    };
    search.addEventListener("input", () => {
      this.wanted = search.value;
      fill();
    });
    fill();
    this.element.replaceChildren(
      h("div", { class: "layer-line" }, h("label", { for: "catalogue-search" }, t("catalogue.search")), search),
      this.failure ? h("p", { class: "bad", role: "alert" }, t("catalogue.failed", { reason: this.failure })) : "",
      !this.records && !this.failure ? h("p", { class: "hint", role: "status" }, t("catalogue.reading")) : "",
      tables,
    );
  }

  private collections(series: Entry[]): HTMLElement {
    const rows = series.map(({ id, properties: one }) => {
      const name = h("button", { type: "button", class: "link" }, title(one));
      name.addEventListener("click", () => this.show(id));
      return [name, count(one.count), one.standard ?? "", synthetic(one), date(one.updated), itemLink(`collections/${encodeURIComponent(id)}`, id)];
    });
    return table("catalogue.collections", ["catalogue.name", "catalogue.count", "catalogue.standard", "catalogue.synthetic", "catalogue.updated", "catalogue.open"], rows, "catalogue-collections", [1]);
  }
}

function datasets(sets: Entry[]): HTMLElement {
  const rows = sets.map(({ id, properties: one }) => {
    const { quality } = one;
    const share = quality?.acceptedShare;
    return [
      title(one), count(quality?.read), count(quality?.accepted), count(quality?.unchanged), count(quality?.rejected),
      typeof share === "number" ? share.toLocaleString(language(), { style: "percent", maximumFractionDigits: 1 }) : "",
      one.license ?? "", date(one.updated), itemLink(`records/${id.split("/").map(encodeURIComponent).join("/")}`, id),
    ];
  });
  const heads: Key[] = [
    "catalogue.name", "catalogue.read", "catalogue.accepted", "catalogue.unchanged", "catalogue.rejected", "catalogue.share", "catalogue.license", "catalogue.updated", "catalogue.open",
  ];
  return table("catalogue.datasets", heads, rows, "catalogue-datasets", [1, 2, 3, 4, 5]);
}

function table(caption: Key, heads: readonly Key[], rows: (string | HTMLElement)[][], id: string, numeric: readonly number[]): HTMLElement {
  const body = rows.map((cells) => h("tr", {}, ...cells.map((cell, index) => h("td", { class: numeric.includes(index) ? "number" : undefined }, cell))));
  const head = h("thead", {}, h("tr", {}, ...heads.map((key) => h("th", { scope: "col" }, t(key)))));
  return h(
    "div", { class: "table-box tall", tabindex: "0", role: "region", "aria-label": t(caption) },
    h("table", { "data-testid": id }, h("caption", {}, t(caption)), head, h("tbody", {}, ...body)),
  );
}

function title(properties: Entry["properties"]): string {
  return pick(properties.titles) || properties.title;
}

function count(value: number | undefined): string {
  return value === undefined ? "" : value.toLocaleString(language());
}

function date(moment: string | undefined): string {
  return moment ? new Date(moment).toLocaleDateString(language()) : "";
}

function synthetic(properties: Entry["properties"]): string {
  return properties.synthetic ? t("layer.synthetic") : "";
}

function itemLink(path: string, name: string): HTMLElement {
  return h("a", { href: serviceUrl(path).href, target: "_blank", rel: "noopener", "aria-label": `API ↗ ${name}` }, "API ↗");
}

function matches({ id, properties }: Entry, wanted: string): boolean {
  const text = [id, properties.title, properties.titles?.en, properties.titles?.zh, properties.standard, ...(properties.keywords ?? [])].join(" ").toLowerCase();
  return wanted.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}
