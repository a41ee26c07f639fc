/** The page around the 3D view. Drawn at once, before the engine is loaded. */
import { serviceUrl } from "../api/api";
import { h, icon } from "./dom";
import { drawTabs, type Tabs } from "./tabs";
import { language, onLanguage, setLanguage, t, type Language } from "../i18n/i18n";

export interface Shell {
  title: HTMLElement;
  bar: HTMLElement;
  map: HTMLElement;
  tree: HTMLElement;
  legend: HTMLElement;
  networkLegend: HTMLElement;
  /** Says what of a choice of buildings the flat map cannot draw. */
  chosen: HTMLElement;
  side: HTMLElement;
  underground: HTMLInputElement;
  /** Place of the section tool. */
  depth: HTMLElement;
  day: HTMLInputElement;
  panel: HTMLElement;
  banner: HTMLElement;
  alerts: HTMLElement;
  attribution: HTMLElement;
  controls: HTMLElement;
  tabs: Tabs;
  /** Places of the tools in the side panel. */
  analysis: HTMLElement;
  models: HTMLElement;
  /** Opens the side panel. */
  reveal(): void;
  /** Closes the layer drawer where it covers the view (phones). */
  uncover(): void;
  /** Puts the words of the current language in place; called again after each change of language. */
  translate(): void;
}

const LANGUAGES: readonly [Language, string][] = [["en", "English"], ["zh", "中文"]];

export function drawShell(root: HTMLElement): Shell {
  const title = h("h1", {});
  const languages = h("select", { id: "language", "data-testid": "language" });
  for (const [id, name] of LANGUAGES) languages.append(h("option", { value: id, lang: id === "zh" ? "zh-Hans" : "en" }, name));
  languages.addEventListener("change", () => setLanguage(languages.value as Language));
  const menu = h("button", { type: "button", class: "menu", "aria-controls": "side", "data-testid": "menu" });
  const bar = h("header", { class: "bar" }, menu, title, languages);
  const banner = h("section", { class: "banner", "data-testid": "notices", hidden: true });
  const alerts = h("section", { class: "alerts", role: "alert", "data-testid": "alerts", hidden: true });
  const map = h("div", { class: "map", "data-testid": "map" }, h("p", { class: "starting" }));
  const tree = h("div", { "data-testid": "layers" });
  const underground = h("input", { type: "checkbox", id: "underground", "data-testid": "underground" });
  const undergroundLabel = h("label", { for: "underground" });
  const depth = h("div", { "data-testid": "section" });
  const day = h("input", { type: "date", id: "day", "data-testid": "day" });
  const dayLabel = h("label", { for: "day" });
  const legend = h("section", { class: "legend", "data-testid": "legend", hidden: true });
  const chosen = h("p", { class: "hint", role: "status", "data-testid": "chosen-status", hidden: true });
  const networkLegend = h("section", { class: "legend", "data-testid": "network-legend", hidden: true });
  const collections = h("a", { target: "_blank", rel: "noopener" });
  const layers = h(
    "div", {}, tree,
    h("div", { class: "layer" }, h("div", { class: "layer-line" }, underground, undergroundLabel)),
    depth,
    h("div", { class: "layer" }, h("div", { class: "layer-line" }, dayLabel, day), chosen),
    legend, networkLegend, h("p", { class: "links" }, collections),
  );
  const analysis = h("div", {});
  const models = h("div", {});
  const tabs = drawTabs([
    { id: "layers", title: "app.layers", content: layers },
    { id: "analysis", title: "app.analysis", content: analysis },
    { id: "models", title: "app.models", content: models },
  ]);
  const side = h("nav", { class: "side", id: "side" }, tabs.element);
  const panel = h("aside", { class: "panel", "data-testid": "panel", hidden: true });
  const controls = h("div", { class: "controls", role: "group" });
  const attribution = h("footer", { class: "attribution", "data-testid": "attribution" });
  root.replaceChildren(bar, banner, alerts, h("main", {}, map, side, panel, controls, attribution));

  const setOpen = (open: boolean): void => {
    side.classList.toggle("closed", !open);
    menu.setAttribute("aria-expanded", String(open));
  };
  menu.addEventListener("click", () => setOpen(side.classList.contains("closed")));
  const phone = matchMedia("(max-width: 700px)");
  setOpen(!phone.matches);
  const uncover = (): void => {
    if (phone.matches) setOpen(false);
  };

  const translate = (): void => {
    languages.value = language();
    languages.setAttribute("aria-label", t("app.language"));
    menu.replaceChildren(icon("menu"), h("span", {}, t("app.panel")));
    side.setAttribute("aria-label", t("app.panel"));
    undergroundLabel.textContent = t("view.underground");
    dayLabel.textContent = t("view.day");
    dayLabel.title = t("view.dayHint");
    undergroundLabel.title = t("view.undergroundHint");
    legend.setAttribute("aria-label", t("legend.title"));
    networkLegend.setAttribute("aria-label", t("theme.networks"));
    collections.textContent = `${t("app.collections")} ↗`;
    const url = serviceUrl("collections");
    url.searchParams.set("lang", language());
    collections.href = url.href;
    const starting = map.querySelector(".starting");
    if (starting) starting.textContent = t("app.starting");
    map.querySelector("canvas")?.setAttribute("aria-label", t("app.map"));
  };
  translate();
  onLanguage(translate);
  return { title, bar, map, tree, legend, networkLegend, chosen, side, underground, day, panel, banner, alerts, attribution, controls, tabs, analysis, models, depth, reveal: () => setOpen(true), uncover, translate };
}
