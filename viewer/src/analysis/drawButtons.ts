/** How to draw, and the buttons that do it without a mouse. */
import { button, h } from "../page/dom";
import { t } from "../i18n/i18n";
import type { Drawing } from "../scene/drawing";

export function drawButtons(drawing: Drawing, onClear: () => void): HTMLElement[] {
  return [
    h("p", { class: "hint" }, t("draw.hint")),
    h(
      "p", { class: "buttons" },
      button(t("draw.middle"), { "data-testid": "draw-middle" }, () => drawing.addMiddle(), t("draw.middle")),
      button(t("draw.finish"), { "data-testid": "draw-finish" }, () => drawing.finish(), t("draw.finish")),
      button(t("draw.clear"), { "data-testid": "draw-clear" }, onClear, t("draw.clear")),
    ),
  ];
}
