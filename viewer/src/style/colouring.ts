/** The chosen attribute, its classes and their counts; tells the layers and the legend. */
import { readCount, readSchema, type LayerInfo, type Schema } from "../api/api";
import { language, t } from "../i18n/i18n";
import { drawLegend } from "./legend";
import { classesOf, type ThemeClass, type ThemeId } from "./theme";

export interface Painted {
  setTheme(theme: ThemeId, hidden: ReadonlySet<string>, classes: readonly ThemeClass[]): void;
}

export class Colouring {
  private theme: ThemeId = "use";
  private hidden = new Set<string>();
  private classes: ThemeClass[] = [];
  private counts = new Map<string, number>();
  private turn = 0;
  private instant: string | undefined;
  private filter: string | undefined;
  private isSeen = false;
  /** Whether the counts do not tell about the present classes. */
  private isStale = true;

  /** `buildings` is undefined where the server has no such layer; then there is no legend. */
  constructor(
    private readonly root: HTMLElement,
    private readonly layers: Painted,
    private readonly buildings: LayerInfo | undefined,
    private readonly onChange: () => void,
  ) {
    root.hidden = true;
    // One request per class: they wait until somebody looks.
    new IntersectionObserver((entries) => {
      this.isSeen = entries.at(-1)?.isIntersecting ?? false;
      if (this.isSeen && this.isStale) void this.count();
    }).observe(root);
  }

  get state(): { theme: ThemeId; hidden: string[] } {
    return { theme: this.theme, hidden: [...this.hidden] };
  }

  /** Takes up the state of a link. */
  restore(theme: ThemeId, hidden: readonly string[]): void {
    this.theme = theme;
    this.hidden = new Set(hidden);
    this.layers.setTheme(theme, this.hidden, this.classes);
    void this.refresh();
  }

  /** Counts at an instant; undefined: now. */
  setMoment(instant: string | undefined): void {
    if (instant === this.instant) return;
    this.instant = instant;
    void this.refresh();
  }

  /** Counts only what a CQL2 filter selects too; undefined: all. */
  setFilter(filter: string | undefined): void {
    if (filter === this.filter) return;
    this.filter = filter;
    void this.refresh();
  }

  /** Reads titles and counts again: another attribute or language. */
  async refresh(): Promise<void> {
    const { buildings } = this;
    if (!buildings) return;
    this.turn += 1;
    const mine = this.turn;
    const { theme } = this;
    // The legend has its own words for the usual values.
    const schema = await readSchema(buildings.collection, language()).catch((): Schema => ({}));
    if (mine !== this.turn) return;
    this.classes = classesOf(theme, schema[theme], t("legend.unknown"));
    this.counts = new Map();
    this.isStale = true;
    this.layers.setTheme(theme, new Set(this.hidden), this.classes);
    this.draw();
    if (this.isSeen) await this.count();
  }

  private async count(): Promise<void> {
    const { buildings } = this;
    if (!buildings) return;
    const mine = this.turn;
    this.isStale = false;
    await Promise.all(
      this.classes.map(async ({ id, filter }) => {
        // An uncounted class keeps its row; the colours matter more.
        const count = await readCount(buildings.collection, this.filter ? `(${filter}) AND ${this.filter}` : filter, this.instant).catch(() => undefined);
        if (mine === this.turn && count !== undefined) this.counts.set(id, count);
      }),
    );
    if (mine === this.turn) this.draw();
  }

  private draw(): void {
    const { theme, classes, hidden, counts } = this;
    drawLegend(this.root, { theme, classes, hidden, counts }, {
      choose: (next) => {
        this.theme = next;
        this.hidden.clear();
        this.apply();
        void this.refresh();
      },
      toggle: (id, on) => {
        if (on) this.hidden.delete(id);
        else this.hidden.add(id);
        this.apply();
        this.draw();
      },
      showAll: () => {
        this.hidden.clear();
        this.apply();
        this.draw();
      },
    });
  }

  private apply(): void {
    this.layers.setTheme(this.theme, new Set(this.hidden), this.classes);
    this.onChange();
  }
}
