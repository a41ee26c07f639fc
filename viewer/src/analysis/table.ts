/** A table of a result with its export: the first rows on the page, all of them in the file. */
import { button, h } from "../page/dom";
import { language, t } from "../i18n/i18n";

export interface Column {
  name: string;
  title: string;
  numeric?: boolean;
}

export type Row = Record<string, string | number | null>;

/** Rows on the page at a time. */
const PAGE = 100;

/** `open` is called with the row whose first cell is chosen; without it the cell is plain text. */
export function resultTable(caption: string, columns: readonly Column[], rows: readonly Row[], open?: (row: Row) => void): HTMLElement {
  const body = h("tbody", {});
  const root = h("div", { class: "table-box", tabindex: "0", role: "region", "aria-label": caption });
  const more = h("p", { class: "hint", role: "status", "data-testid": "table-more" });
  let shown = 0;
  const append = (): void => {
    const next = rows.slice(shown, shown + PAGE);
    body.append(...next.map((row) => line(row, columns, open)));
    shown += next.length;
    more.replaceChildren();
    if (shown < rows.length) {
      more.append(
        t("table.more", { shown: shown.toLocaleString(language()), n: rows.length.toLocaleString(language()) }), " ",
        button(t("table.next"), { class: "link" }, append, t("table.next")),
      );
    }
  };
  append();
  const head = h("tr", {}, ...columns.map(({ title }) => h("th", { scope: "col" }, title)));
  root.append(h("table", { "data-testid": "result-table" }, h("caption", {}, caption), h("thead", {}, head), body));
  return h("div", {}, root, more);
}

function line(row: Row, columns: readonly Column[], open: ((row: Row) => void) | undefined): HTMLElement {
  return h(
    "tr", {},
    ...columns.map(({ name, numeric }, index) => {
      const value = row[name];
      const text = typeof value === "number" ? value.toLocaleString(language(), { maximumFractionDigits: 2 }) : (value ?? "");
      const content = index === 0 && open ? button(text, { class: "link" }, () => open(row), text) : text;
      return h("td", { class: numeric ? "number" : undefined }, content);
    }),
  );
}

/** CSV after RFC 4180 with a byte order mark, so that spreadsheets read the Chinese in it. */
export function csvOf(columns: readonly Column[], rows: readonly Row[]): string {
  const cell = (value: string | number | null | undefined): string => {
    const text = value === null || value === undefined ? "" : String(value);
    // A leading = + - @ would be run as a formula by spreadsheets.
    const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const lines = [columns.map(({ name }) => name), ...rows.map((row) => columns.map(({ name }) => row[name]))];
  return `\ufeff${lines.map((cells) => cells.map(cell).join(",")).join("\r\n")}\r\n`;
}

/** Hands a file to the browser's downloads. */
export function download(name: string, content: string | Blob, type: string): void {
  const url = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  const link = h("a", { href: url, download: name, hidden: true });
  document.body.append(link);
  link.click();
  link.remove();
  window.setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** The buttons that export a result. */
export function exportButtons(name: string, columns: readonly Column[], rows: readonly Row[], geojson?: () => Promise<unknown>): HTMLElement {
  const csv = button(t("export.csv"), { "data-testid": "export-csv" }, () => download(`${name}.csv`, csvOf(columns, rows), "text/csv"), t("export.csv"));
  const box = h("p", { class: "buttons" }, csv);
  if (geojson) {
    const make = button(t("export.geojson"), { "data-testid": "export-geojson" }, () => {
      make.disabled = true;
      void geojson()
        .then((found) => download(`${name}.geojson`, JSON.stringify(found), "application/geo+json"))
        .finally(() => (make.disabled = false));
    }, t("export.geojson"));
    box.append(make);
  }
  return box;
}
