/** The tools of the analysis tab, one below the other, each folded until it is wanted. */
import { h } from "../page/dom";
import { onLanguage, t, type Key } from "../i18n/i18n";
import type { ToolState } from "../page/toolState";
import type { Stage } from "../scene/stage";
import { AreaTool } from "./areaTool";
import { CompareTool } from "./compareTool";
import { MeasureTool } from "./measureTool";
import { NetworkTool } from "./networkTool";
import { SunTool } from "./sunTool";

export interface Hooks {
  /** Takes the CQL2 text of a drawn area; undefined: no area. */
  filter: (filter: string | undefined) => void;
  /** Instant on show; undefined: now. */
  instant: () => string | undefined;
  /** Longitude and latitude of the middle of the city. */
  middle: () => [number, number];
  /** Called when what a link carries of the tools has changed. */
  changed: () => void;
  /** Part of the page that holds the view. */
  view: HTMLElement;
}

interface Tool {
  element: HTMLElement;
  translate(): void;
  stop(): void;
}

export class AnalysisPanel {
  readonly element = h("div", { "data-testid": "analysis" });
  readonly network: NetworkTool;
  private readonly area: AreaTool;
  private readonly sun: SunTool;
  private readonly tools: [string, Key, Tool][];
  private readonly folds = new Map<string, HTMLDetailsElement>();

  constructor(stage: Stage, hooks: Hooks) {
    this.network = new NetworkTool(stage);
    this.area = new AreaTool(stage, hooks.filter, hooks.changed);
    this.sun = new SunTool(stage, hooks.middle, hooks.changed);
    this.tools = [
      ["network", "network.title", this.network],
      ["area", "area.title", this.area],
      ["measure", "measure.title", new MeasureTool(stage)],
      ["sun", "sun.title", this.sun],
      ["compare", "compare.title", new CompareTool(stage, hooks.view, hooks.instant)],
    ];
    for (const [id, , tool] of this.tools) {
      const fold = h("details", { class: "fold", name: "analysis" }, h("summary", { "data-testid": `fold-${id}` }), tool.element);
      // A folded tool leaves nothing on the view that nobody could take away.
      fold.addEventListener("toggle", () => {
        if (!fold.open) tool.stop();
      });
      this.folds.set(id, fold);
      this.element.append(fold);
    }
    this.translate();
    onLanguage(() => {
      this.translate();
      for (const [, , tool] of this.tools) tool.translate();
    });
  }

  /** Unfolds a tool. */
  open(id: string): void {
    const fold = this.folds.get(id);
    if (fold) fold.open = true;
  }

  get state(): ToolState {
    const [area, sun] = [this.area.state, this.sun.state];
    return { ...(area ? { area } : {}), ...(sun ? { sun } : {}) };
  }

  /** Takes up the tools of a link; what it does not name ends. */
  restore({ area, sun }: ToolState): void {
    if (!area && this.area.state) this.area.stop();
    if (!sun && this.sun.state) this.sun.stop();
    if (area) {
      this.open("area");
      this.area.restore(area);
    } else if (sun) {
      this.open("sun");
      this.sun.restore(sun);
    }
  }

  private translate(): void {
    for (const [id, key] of this.tools) this.folds.get(id)?.querySelector("summary")?.replaceChildren(t(key));
  }
}
