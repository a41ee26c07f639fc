/** The tools of the analysis tab, one below the other, each folded until it is wanted. */
import { h } from "../page/dom";
import { onLanguage, t, type Key } from "../i18n/i18n";
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
  private readonly tools: [string, Key, Tool][];
  private readonly folds = new Map<string, HTMLDetailsElement>();

  constructor(stage: Stage, hooks: Hooks) {
    this.network = new NetworkTool(stage);
    this.tools = [
      ["network", "network.title", this.network],
      ["area", "area.title", new AreaTool(stage, hooks.filter)],
      ["measure", "measure.title", new MeasureTool(stage)],
      ["sun", "sun.title", new SunTool(stage, hooks.middle)],
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

  private translate(): void {
    for (const [id, key] of this.tools) this.folds.get(id)?.querySelector("summary")?.replaceChildren(t(key));
  }
}
