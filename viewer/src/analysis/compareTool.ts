/** Two states of the register beside each other, with a line to drag between them. */
import { SplitDirection } from "cesium";
import { readCount } from "../api/api";
import { h } from "../page/dom";
import { language, t } from "../i18n/i18n";
import { endOfDay } from "../layers/moment";
import type { Stage } from "../scene/stage";

export class CompareTool {
  readonly element = h("section", { class: "tool", "data-testid": "compare" });
  private day: string | undefined;
  private turn = 0;
  private readonly answer = h("p", { class: "answer", role: "status", "data-testid": "compare-result" });
  private readonly swipe = h("input", { type: "range", class: "swipe", min: "0", max: "100", step: "1", value: "50", hidden: true, "data-testid": "swipe" });
  private readonly edge = h("div", { class: "swipe-edge", hidden: true });

  /** `left` is the instant on show on the left side. */
  constructor(
    private readonly stage: Stage,
    view: HTMLElement,
    private readonly left: () => string | undefined,
  ) {
    view.append(this.edge, this.swipe);
    this.swipe.addEventListener("input", () => this.split(Number(this.swipe.value) / 100));
    this.translate();
  }

  translate(): void {
    const day = h("input", { type: "date", id: "compare-day", value: this.day ?? "", "data-testid": "compare-day" });
    day.addEventListener("change", () => void this.compare(day.value || undefined));
    this.swipe.setAttribute("aria-label", t("compare.swipe"));
    this.element.replaceChildren(
      h("p", { class: "hint" }, t("compare.hint")),
      h("div", { class: "layer-line" }, h("label", { for: "compare-day" }, t("compare.day")), day),
      this.answer,
    );
  }

  stop(): void {
    void this.compare(undefined);
    this.translate();
  }

  private async compare(day: string | undefined): Promise<void> {
    this.turn += 1;
    const mine = this.turn;
    const instant = endOfDay(day);
    this.day = instant === undefined ? undefined : day;
    const on = instant !== undefined;
    this.swipe.hidden = !on;
    this.edge.hidden = !on;
    this.answer.textContent = day && !on ? t("compare.future") : "";
    this.split(Number(this.swipe.value) / 100);
    await this.stage.layers.setComparison(instant, on ? SplitDirection.LEFT : SplitDirection.NONE);
    if (!on || mine !== this.turn) return;
    const [here, there] = await Promise.all([readCount("buildings", "code IS NOT NULL", this.left()), readCount("buildings", "code IS NOT NULL", instant)].map((one) => one.catch(() => undefined)));
    if (mine !== this.turn || here === undefined || there === undefined) return;
    const count = (value: number): string => value.toLocaleString(language());
    this.answer.textContent = t("compare.is", { left: count(here), right: count(there), day: day ?? "" });
  }

  private split(part: number): void {
    this.stage.widget.scene.splitPosition = part;
    this.edge.style.left = `${part * 100}%`;
    this.stage.widget.scene.requestRender();
  }
}
