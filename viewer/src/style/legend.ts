/** Legend of the buildings or of the networks: choice of the attribute, one row per class with its number, a click hides or shows the class. */
import { h } from "../page/dom";
import { language, t, type Key } from "../i18n/i18n";
import { TITLES, type AnyTheme, type ThemeClass } from "./theme";

export interface LegendWords<T extends AnyTheme> {
  /** Begins the ids of its controls. */
  prefix: string;
  themes: readonly T[];
  label: Key;
  /** Says how many are shown. */
  shown: Key;
}

export interface LegendState<T extends AnyTheme> {
  words: LegendWords<T>;
  theme: T;
  classes: readonly ThemeClass[];
  /** Ids of the classes that are not drawn. */
  hidden: ReadonlySet<string>;
  /** Features per class in the register; a class that is not there has not been counted. */
  counts: ReadonlyMap<string, number>;
}

export interface LegendActions<T extends AnyTheme> {
  choose: (theme: T) => void;
  toggle: (id: string, on: boolean) => void;
  showAll: () => void;
}

export function drawLegend<T extends AnyTheme>(root: HTMLElement, state: LegendState<T>, actions: LegendActions<T>): void {
  const { prefix, themes, label, shown } = state.words;
  const own = `${prefix}theme`;
  const active = document.activeElement;
  const focused = active && root.contains(active) ? active.id : "";
  const choice = h("select", { id: own, "data-testid": own });
  for (const id of themes) choice.append(h("option", { value: id }, t(TITLES[id])));
  choice.value = state.theme;
  choice.addEventListener("change", () => {
    const chosen = themes.find((id) => id === choice.value);
    if (chosen) actions.choose(chosen);
  });
  const most = Math.max(1, ...state.counts.values());
  const rows = state.classes
    // A class without any feature says nothing; an uncounted one is kept.
    .filter(({ id }) => state.counts.get(id) !== 0)
    .map((entry) => row(entry, state, most, actions));
  const total = state.classes.reduce((sum, { id }) => sum + (state.hidden.has(id) ? 0 : (state.counts.get(id) ?? 0)), 0);
  const counted = state.counts.size === state.classes.length;
  root.replaceChildren(
    h("div", { class: "theme" }, h("label", { for: own }, t(label)), choice),
    h("ul", { class: "classes" }, ...rows),
    h(
      "p", { class: "hint", role: "status", "data-testid": `${prefix}shown-count` },
      counted && state.classes.length > 0 ? t(shown, { n: total.toLocaleString(language()) }) : "",
    ),
  );
  if (state.hidden.size > 0) {
    const all = h("button", { type: "button", class: "link", id: `${prefix}show-all`, "data-testid": `${prefix}show-all` }, t("theme.showAll"));
    all.addEventListener("click", actions.showAll);
    root.append(all);
  }
  root.hidden = false;
  if (focused) document.getElementById(focused)?.focus();
}

function row<T extends AnyTheme>(entry: ThemeClass, state: LegendState<T>, most: number, actions: LegendActions<T>): HTMLElement {
  const { prefix } = state.words;
  const id = `${prefix}class-${entry.id}`;
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
    h("span", { class: "hint", "data-testid": `${prefix}count-${entry.id}` }, count === undefined ? "" : count.toLocaleString(language())),
    h("span", { class: "bar-track" }, bar),
  );
}

export function colourMark(colour: string): HTMLElement {
  const mark = h("span", { class: "swatch", "aria-hidden": "true" });
  mark.style.backgroundColor = colour;
  return mark;
}
