/** The chosen attribute, its classes and their counts; tells the layers and the legend. */
import { readCount, readItems, readSchema, type Schema } from "../api/api";
import { execute } from "../api/processes";
import { language, t } from "../i18n/i18n";
import { drawLegend, type LegendWords } from "./legend";
import { classesOf, NETWORK_THEMES, NONE, THEMES, type AnyTheme, type NetworkThemeId, type ThemeClass, type ThemeId } from "./theme";

/** Pause before classes are counted: who leafs through the attributes does not wait for counts of the ones before. */
const PAUSE_MS = 250;
/** Attributes whose classes the server counts in one request, and the process that does. */
const GROUPED = { collection: "buildings", process: "building-statistics", themes: ["use", "structure", "safety_grade"] } as const;

/** Features that are looked at for words which no schema lists. */
const SAMPLE = 1000;

export type Paint<T extends AnyTheme> = (theme: T, hidden: ReadonlySet<string>, classes: readonly ThemeClass[]) => void;

export const BUILDINGS: LegendWords<ThemeId> = { prefix: "", themes: THEMES, label: "theme.label", shown: "theme.shown" };
export const NETWORKS: LegendWords<NetworkThemeId> = { prefix: "network-", themes: NETWORK_THEMES, label: "theme.networks", shown: "theme.lines" };

export class Colouring<T extends AnyTheme> {
  private theme: T;
  private hidden = new Set<string>();
  private classes: ThemeClass[] = [];
  private counts = new Map<string, number>();
  private turn = 0;
  private instant: string | undefined;
  private filter: string | undefined;
  /** In sight, or changed by the user. */
  private isWanted = false;
  /** Whether the counts do not tell about the present classes. */
  private isStale = true;
  private statuses: string[] = [];

  /** Without `collections` there is nothing to colour, and no legend. */
  constructor(
    private readonly root: HTMLElement,
    private readonly words: LegendWords<T>,
    private readonly paint: Paint<T>,
    private collections: readonly string[],
    private readonly onChange: () => void,
  ) {
    this.theme = words.themes[0] as T;
    root.hidden = true;
    // One request per class: the first ones wait until somebody looks.
    new IntersectionObserver((entries) => {
      if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
      this.isWanted = true;
      if (this.isStale) void this.count();
    }).observe(root);
  }

  get state(): { theme: T; hidden: string[] } {
    return { theme: this.theme, hidden: [...this.hidden] };
  }

  /** Takes up the state of a link. */
  restore(theme: T, hidden: readonly string[]): void {
    this.theme = theme;
    this.hidden = new Set(hidden);
    this.paint(theme, this.hidden, this.classes);
    void this.refresh();
  }

  /** Colours the features of these collections from now on. */
  setCollections(collections: readonly string[]): void {
    if (collections.join() === this.collections.join()) return;
    this.collections = collections;
    if (collections.length === 0) this.root.hidden = true;
    void this.refresh();
  }

  /** Counts at an instant; undefined: now. */
  setMoment(instant: string | undefined): void {
    if (instant === this.instant) return;
    this.instant = instant;
    this.isWanted = true;
    void this.refresh();
  }

  /** Counts only what a CQL2 filter selects too; undefined: all. */
  setFilter(filter: string | undefined): void {
    if (filter === this.filter) return;
    this.filter = filter;
    this.isWanted = true;
    void this.refresh();
  }

  /** Reads titles and counts again: another attribute or language. */
  async refresh(): Promise<void> {
    const [first] = this.collections;
    this.turn += 1;
    if (first === undefined) return;
    const mine = this.turn;
    const { theme } = this;
    // The legend has its own words for the usual values.
    const [schema, found] = await Promise.all([readSchema(first, language()).catch((): Schema => ({})), this.found(theme)]);
    if (mine !== this.turn) return;
    this.classes = classesOf(theme, schema[theme], t("legend.unknown"), found);
    this.statuses = schema["status"]?.oneOf?.map((option) => String(option.const)) ?? [];
    this.counts = new Map();
    this.isStale = true;
    this.paint(theme, new Set(this.hidden), this.classes);
    this.draw();
    if (this.isWanted) await this.count();
  }

  /** Words that features use for an attribute whose schema lists none. */
  private async found(theme: T): Promise<string[]> {
    if (theme !== "material") return [];
    const pages = await Promise.all(
      this.collections.map((one) => readItems(one, { properties: [theme], limit: SAMPLE, skipGeometry: true }).catch(() => undefined)),
    );
    const words = pages.flatMap((page) => page?.items.map(({ properties }) => properties[theme]) ?? []);
    return [...new Set(words.filter((word): word is string => typeof word === "string" && word !== ""))].sort();
  }

  private async count(): Promise<void> {
    const mine = this.turn;
    this.isStale = false;
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    if (mine !== this.turn) return;
    const grouped = await this.grouped();
    if (mine !== this.turn) return;
    if (grouped) {
      this.counts = grouped;
      return this.draw();
    }
    await Promise.all(
      this.classes.map(async ({ id, filter }) => {
        const asked = this.filter ? `(${filter}) AND ${this.filter}` : filter;
        // An uncounted class keeps its row; the colours matter more.
        const counts = await Promise.all(this.collections.map((one) => readCount(one, asked, this.instant).catch(() => undefined)));
        if (mine === this.turn && counts.every((one) => one !== undefined)) this.counts.set(id, counts.reduce((sum, one) => sum + one, 0));
      }),
    );
    if (mine === this.turn) this.draw();
  }

  /** Counts of all classes by one request; undefined where the server cannot. */
  private async grouped(): Promise<Map<string, number> | undefined> {
    const { theme, statuses, collections, instant, filter } = this;
    if (instant || filter || statuses.length === 0 || collections.join() !== GROUPED.collection) return undefined;
    if (!(GROUPED.themes as readonly string[]).includes(theme)) return undefined;
    try {
      const { groups } = (await execute(GROUPED.process, { group_by: [theme], status: statuses })) as { groups: Record<string, unknown>[] };
      const found = new Map(groups.map(({ [theme]: value, n }) => [typeof value === "string" ? value : NONE, Number(n)]));
      return new Map(this.classes.map(({ id }) => [id, found.get(id) ?? 0]));
    } catch {
      // A token that may read but not run processes; the classes are counted one by one.
      return undefined;
    }
  }

  private draw(): void {
    const { words, theme, classes, hidden, counts } = this;
    drawLegend(this.root, { words, theme, classes, hidden, counts }, {
      choose: (next) => {
        this.theme = next;
        this.isWanted = true;
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
    this.paint(this.theme, new Set(this.hidden), this.classes);
    this.onChange();
  }
}
