/** Legend of the buildings: choice of the attribute, one row per class with its number, a click hides or shows the class. */
import { h } from "../page/dom";
import { language, t } from "../i18n/i18n";
import { THEMES, TITLES, isTheme, type ThemeClass, type ThemeId } from "./theme";

export interface LegendState {
  theme: ThemeId;
  classes: readonly ThemeClass[];
  /** Ids of the classes that are not drawn. */
  hidden: ReadonlySet<string>;
  /** Buildings per class in the register; a class that is not there has not been counted. */
  counts: ReadonlyMap<string, number>;
}

export interface LegendActions {
  choose: (theme: ThemeId) => void;
  toggle: (id: string, on: boolean) => void;
  showAll: () => void;
}

export function drawLegend(root: HTMLElement, state: LegendState, actions: LegendActions): void {
  const active = document.activeElement;
  const focused = active && root.contains(active) ? active.id : "";
  const choice = h("select", { id: "theme", "data-testid": "theme" });
  for (const id of THEMES) choice.append(h("option", { value: id }, t(TITLES[id])));
  choice.value = state.theme;
  choice.addEventListener("change", () => isTheme(choice.value) && actions.choose(choice.value));
  const most = Math.max(1, ...state.counts.values());
  const rows = state.classes
    // A class without any building says nothing; an uncounted one is kept.
    .filter(({ id }) => state.counts.get(id) !== 0)
    .map((entry) => row(entry, state, most, actions));
  const total = state.classes.reduce((sum, { id }) => sum + (state.hidden.has(id) ? 0 : (state.counts.get(id) ?? 0)), 0);
  const counted = state.counts.size === state.classes.length;
  root.replaceChildren(
    h("div", { class: "theme" }, h("label", { for: "theme" }, t("theme.label")), choice),
    h("ul", { class: "classes" }, ...rows),
    h(
      "p", { class: "hint", role: "status", "data-testid": "shown-count" },
      counted ? t("theme.shown", { n: total.toLocaleString(language()) }) : "",
    ),
  );
  if (state.hidden.size > 0) {
    const all = h("button", { type: "button", class: "link", id: "show-all", "data-testid": "show-all" }, t("theme.showAll"));
    all.addEventListener("click", actions.showAll);
    root.append(all);
  }
  root.hidden = false;
  if (focused) document.getElementById(focused)?.focus();
}

function row(entry: ThemeClass, state: LegendState, most: number, actions: LegendActions): HTMLElement {
  const id = `class-${entry.id}`;
  const box = h("input", { type: "checkbox", id, checked: !state.hidden.has(entry.id), "data-testid": id });
  box.addEventListener("change", () => actions.toggle(entry.id, box.checked));
  const count = state.counts.get(entry.id);
  const bar = h("span", { class: "bar-fill", "aria-hidden": "true" });
  bar.style.width = `${(100 * (count ?? 0)) / most}%`;
  bar.style.backgroundColor = entry.colour;
  return h(
    "li", {},
    box,
    h("label", { for: id }, colourMark(entry.colour), entry.title),
    h("span", { class: "hint", "data-testid": `count-${entry.id}` }, count === undefined ? "" : count.toLocaleString(language())),
    h("span", { class: "bar-track" }, bar),
  );
}

export function colourMark(colour: string): HTMLElement {
  const mark = h("span", { class: "swatch", "aria-hidden": "true" });
  mark.style.backgroundColor = colour;
  return mark;
}
