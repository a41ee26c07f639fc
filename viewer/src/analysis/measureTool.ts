/** Measuring on the view: length, height difference, area. */
import { button, h } from "../page/dom";
import { language, t, type Key } from "../i18n/i18n";
import { Drawing } from "../scene/drawing";
import type { Stage } from "../scene/stage";
import { crossesItself, lineLength, ringArea } from "./geodesy";
import { drawButtons } from "./drawButtons";

type Kind = "distance" | "height" | "area";
const KINDS: readonly [Kind, Key][] = [["distance", "measure.distance"], ["height", "measure.height"], ["area", "measure.area"]];

function number(value: number, digits: number): string {
  return value.toLocaleString(language(), { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export class MeasureTool {
  readonly element = h("section", { class: "tool", "data-testid": "measure" });
  private drawing: Drawing | undefined;
  private readonly answer = h("p", { class: "answer", role: "status", "data-testid": "measure-result" });
  private readonly guide = h("div", {});

  constructor(private readonly stage: Stage) {
    this.translate();
  }

  translate(): void {
    const buttons = KINDS.map(([kind, key]) =>
      button(t(key), { "data-testid": `measure-${kind}` }, () => this.start(kind), t(key)),
    );
    this.element.replaceChildren(h("p", { class: "buttons" }, ...buttons), this.guide, this.answer);
  }

  stop(): void {
    this.drawing?.remove();
    this.drawing = undefined;
    this.guide.replaceChildren();
    this.answer.textContent = "";
  }

  private start(kind: Kind): void {
    this.stop();
    const drawing = new Drawing(this.stage, kind === "area" ? "area" : "line", (now) => this.say(kind, now));
    this.drawing = drawing;
    this.guide.replaceChildren(...drawButtons(drawing, () => this.stop()));
  }

  private say(kind: Kind, drawing: Drawing): void {
    const { points } = drawing;
    if (kind === "height" && points.length === 2 && !drawing.isDone) return drawing.finish();
    if (points.length < 2) {
      this.answer.textContent = "";
      if (points.length === 0 && drawing.isDone) this.stop();
      return;
    }
    if (kind === "area") {
      if (points.length < 3) return;
      const area = ringArea(points);
      const [first] = points;
      const around = first ? lineLength([...points, first]).horizontal : 0;
      this.answer.textContent = crossesItself(points)
        ? t("measure.crossing")
        : t("measure.areaIs", { area: number(area, 1), hectares: number(area / 10_000, 3), around: number(around, 1) });
      return;
    }
    const { horizontal, slant } = lineLength(points);
    const rise = (points.at(-1)?.[2] ?? 0) - (points[0]?.[2] ?? 0);
    this.answer.textContent = t(kind === "height" ? "measure.heightIs" : "measure.distanceIs", {
      horizontal: number(horizontal, 2), slant: number(slant, 2), rise: number(rise, 2),
    });
  }
}
