/** A drawn area: statistics of its buildings, and the view cut down to them. */
import { execute } from "../api/processes";
import { readCount, readSchema, reason, type Schema } from "../api/api";
import { button, h } from "../page/dom";
import { language, pick, t } from "../i18n/i18n";
import { barChart } from "../page/chart";
import { Drawing } from "../scene/drawing";
import type { Stage } from "../scene/stage";
import { valueTitle } from "../selection/fieldValue";
import { SPARE_COLOURS, useColour } from "../style/style";
import type { AreaState } from "../page/toolState";
import { drawButtons } from "./drawButtons";
import { closedRing, crossesItself, touching, type Position } from "./geodesy";
import { exportButtons, resultTable, type Column, type Row } from "./table";

const GROUPS = ["use", "structure", "decade", "safety_grade", "status"] as const;
type Group = (typeof GROUPS)[number];

interface Total {
  n: number;
  footprint_area_m2: number | null;
  floor_area_m2: number | null;
  highest_m: number | null;
}

/** Answer of the process building-statistics. */
interface Statistics {
  total: Total;
  groups: (Total & Record<string, string | number | null>)[];
}

export class AreaTool {
  readonly element = h("section", { class: "tool", "data-testid": "area" });
  private drawing: Drawing | undefined;
  private group: Group = "use";
  private filtered = false;
  private turn = 0;
  private readonly guide = h("div", {});
  private readonly result = h("div", { "aria-live": "polite", "data-testid": "area-result" });

  /** `onFilter` takes the CQL2 text of the area, or undefined for all buildings. */
  constructor(
    private readonly stage: Stage,
    private readonly onFilter: (filter: string | undefined) => void,
    private readonly changed: () => void = () => undefined,
  ) {
    this.translate();
  }

  translate(): void {
    const group = h("select", { id: "area-group", "data-testid": "area-group" });
    for (const id of GROUPS) group.append(h("option", { value: id }, t(`area.by.${id}`)));
    group.value = this.group;
    group.addEventListener("change", () => {
      this.group = group.value as Group;
      void this.count();
    });
    const only = h("input", { type: "checkbox", id: "area-only", checked: this.filtered, "data-testid": "area-only" });
    only.addEventListener("change", () => {
      this.filtered = only.checked;
      this.filter();
    });
    this.element.replaceChildren(
      h("p", { class: "buttons" }, button(t("area.draw"), { "data-testid": "area-draw" }, () => this.start(), t("area.draw"))),
      h("div", { class: "layer-line" }, h("label", { for: "area-group" }, t("area.group")), group),
      h("div", { class: "layer-line" }, only, h("label", { for: "area-only" }, t("area.only"))),
      this.guide,
      this.result,
    );
    if (this.ring) void this.count();
  }

  get state(): AreaState | undefined {
    return this.ring && { ring: [...this.ring], only: this.filtered };
  }

  /** Takes up the area of a link. */
  restore({ ring, only }: AreaState): void {
    this.filtered = only;
    this.start();
    this.drawing?.restore(ring);
    this.translate();
  }

  stop(): void {
    this.turn += 1;
    this.drawing?.remove();
    this.drawing = undefined;
    this.guide.replaceChildren();
    this.result.replaceChildren();
    this.filter();
  }

  private get ring(): Position[] | undefined {
    const { drawing } = this;
    return drawing?.isDone && drawing.points.length > 2 && !crossesItself(drawing.points) ? drawing.points : undefined;
  }

  private start(): void {
    this.stop();
    const drawing = new Drawing(this.stage, "area", (now) => this.drawn(now));
    this.drawing = drawing;
    this.guide.replaceChildren(...drawButtons(drawing, () => this.stop()));
  }

  private drawn(drawing: Drawing): void {
    if (!drawing.isDone) return;
    if (drawing.points.length === 0) return this.stop();
    if (drawing.points.length < 3 || crossesItself(drawing.points)) {
      const key = drawing.points.length < 3 ? "area.few" : "measure.crossing";
      this.result.replaceChildren(h("p", { class: "bad" }, t(key)));
      return;
    }
    this.filter();
    void this.count();
  }

  private filter(): void {
    this.onFilter(this.filtered && this.ring ? touching(this.ring) : undefined);
    this.changed();
  }

  private async count(): Promise<void> {
    const { ring, group } = this;
    if (!ring) return;
    this.turn += 1;
    const mine = this.turn;
    this.result.replaceChildren(h("p", { class: "hint" }, t("area.counting")));
    const inputs = { polygon: { type: "Polygon", coordinates: [closedRing(ring)] }, group_by: [group] };
    try {
      const [found, schema, touched] = await Promise.all([
        execute("building-statistics", inputs),
        readSchema("buildings", language()).catch((): Schema => ({})),
        readCount("buildings", touching(ring)).catch(() => undefined),
      ]);
      if (mine === this.turn) this.show(found as unknown as Statistics, schema, touched);
    } catch (error) {
      if (mine === this.turn) this.result.replaceChildren(h("p", { class: "bad", role: "alert" }, t("area.failed", { reason: reason(error) })));
    }
  }

  private show({ total, groups }: Statistics, schema: Schema, touched: number | undefined): void {
    const { group } = this;
    if (total.n === 0) {
      this.result.replaceChildren(h("p", { "data-testid": "area-none" }, t("area.none")));
      return;
    }
    const columns: Column[] = [
      { name: group, title: t(`area.by.${group}`) },
      { name: "n", title: t("area.n"), numeric: true },
      { name: "footprint_area_m2", title: t("area.footprint"), numeric: true },
      { name: "floor_area_m2", title: t("area.floor"), numeric: true },
      { name: "highest_m", title: t("area.highest"), numeric: true },
    ];
    const rows = groups.map((one): Row => {
      const code = one[group];
      const title = code === null || code === undefined ? t("legend.unknown") : pick(valueTitle(schema[group], code)) || String(code);
      return { [group]: title, n: one.n, footprint_area_m2: one.footprint_area_m2, floor_area_m2: one.floor_area_m2, highest_m: one.highest_m };
    });
    const bars = groups.map((one, index) => ({
      label: String(rows[index]?.[group] ?? ""),
      value: one.n,
      colour: group === "use" ? useColour(one[group] as string | undefined) : (SPARE_COLOURS[index % SPARE_COLOURS.length] ?? "#888"),
    }));
    const format = (value: number | null): string => (value ?? 0).toLocaleString(language(), { maximumFractionDigits: 0 });
    this.result.replaceChildren(
      h(
        "p", { class: "answer", "data-testid": "area-total" },
        t("area.total", { n: format(total.n), footprint: format(total.footprint_area_m2), floor: format(total.floor_area_m2) }),
      ),
      touched !== undefined && touched !== total.n ? h("p", { class: "hint" }, t("area.touching", { n: format(touched) })) : h("span", {}),
      barChart(t("area.n"), bars, language()),
      resultTable(t("area.title"), columns, rows),
      exportButtons("building-statistics", columns, rows),
    );
  }
}
