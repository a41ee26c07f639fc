/** Legend of the building uses met in the tiles on show; networks carry their colour in the layer tree. */
import type { Field } from "./api";
import { h } from "./dom";
import { pick, t, type Localised } from "./i18n";
import type { Layer } from "./layers";
import { UNKNOWN_USE, useColour, useTitle } from "./style";

/** Title of a coded value from the schema (`oneOf` with `const` and `title`), if it has one. */
export function valueTitle(field: Field | undefined, value: unknown): Localised | string | undefined {
  return field?.oneOf?.find((option) => option.const === value)?.title;
}

export function drawLegend(root: HTMLElement, layers: readonly Layer[], useField: Field | undefined): void {
  root.replaceChildren();
  const shown = layers.filter((layer) => layer.visible && layer.status !== "failed");
  const uses = new Set(shown.flatMap((layer) => [...layer.uses]));
  const byTitle = new Map<string, string>();
  for (const use of uses) if (use) byTitle.set(pick(valueTitle(useField, use) ?? useTitle(use)), useColour(use));
  const rows = [...byTitle].sort(([a], [b]) => a.localeCompare(b)).map(([title, colour]) => swatch(title, colour));
  if (uses.has("")) rows.push(swatch(t("legend.unknown"), UNKNOWN_USE));
  root.hidden = rows.length === 0;
  if (rows.length > 0) root.append(h("h3", {}, t("legend.use")), h("ul", {}, ...rows));
}

function swatch(title: string, colour: string): HTMLElement {
  return h("li", {}, colourMark(colour), title);
}

export function colourMark(colour: string): HTMLElement {
  const mark = h("span", { class: "swatch", "aria-hidden": "true" });
  mark.style.backgroundColor = colour;
  return mark;
}
