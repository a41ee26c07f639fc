/** The 3D layers: loading, visibility, colours, selection. A layer that fails leaves the others alone. */
import {
  Cartesian2,
  Cesium3DTileColorBlendMode,
  Cesium3DTileFeature,
  Cesium3DTileset,
  Cesium3DTileStyle,
  Color,
  Resource,
  ShadowMode,
  SplitDirection,
  type CesiumWidget,
  type StyleExpression,
} from "cesium";
import { serviceRoot, serviceUrl, type LayerInfo } from "../api/api";
import { bearer } from "../api/token";
import { t } from "../i18n/i18n";
import { isBlock, Layer, skyLight, standsFor, text, type Picked } from "./layer";
import { baseColour, BLOCK, SELECTED } from "../style/style";
import { tilesAt } from "./moment";
import { preparePoints } from "./points";
import { Terrain } from "./terrain";
import { classColour, classOf, type NetworkThemeId, type ThemeId } from "../style/theme";
import { whenShown } from "../scene/tilesReady";

/** Tiles in memory of one layer: 320 MiB at most, also in a city of a million buildings. */
const CACHE_BYTES = 192 * 1024 * 1024;
const CACHE_OVERFLOW_BYTES = 128 * 1024 * 1024;

export class Layers {
  readonly all: Layer[];
  readonly terrain: Terrain;
  private selected: { layer: string | undefined; code: string } | undefined;
  private hidden = new Set<string>();
  private instant: string | undefined;
  private theme: ThemeId = "use";
  private hiddenClasses: ReadonlySet<string> = new Set();
  private networkTheme: NetworkThemeId = "kind";
  private hiddenLines: ReadonlySet<string> = new Set();
  private readonly colours = new Map<string, Color>();
  private filter: string | undefined;
  private replacing = true;
  private paused = false;
  private highlight: ReadonlyMap<string, ReadonlyMap<string, string>> = new Map();
  private comparison: { instant: string; tileset: Cesium3DTileset | undefined } | undefined;
  private split = SplitDirection.NONE;
  private readonly attached = new Set<(tileset: Cesium3DTileset) => void>();

  constructor(
    private readonly widget: CesiumWidget,
    infos: LayerInfo[],
    private readonly onChange: () => void,
  ) {
    this.all = infos.map((info) => new Layer(info));
    this.terrain = new Terrain(widget, () => this.changed());
  }

  find(id: string | undefined): Layer | undefined {
    return this.all.find((layer) => layer.info.id === id);
  }

  /** Shows or hides a layer; resolves when the tiles for the present view are there or the layer has failed. */
  async setVisible(layer: Layer, on: boolean): Promise<void> {
    layer.visible = on;
    if (layer.info.kind === "terrain" && !on) this.terrain.hide(layer);
    if (layer.tileset) layer.tileset.show = on;
    if (this.comparison?.tileset && layer.info.kind === "buildings") this.comparison.tileset.show = on;
    this.updateHidden();
    this.changed();
    if (on && !this.paused && this.isDue(layer)) await this.load(layer);
  }

  /** While paused nothing is loaded; afterwards what is switched on is. */
  async setPaused(on: boolean): Promise<void> {
    this.paused = on;
    if (on) return;
    await Promise.all(this.all.filter((layer) => layer.visible && this.isDue(layer)).map((layer) => this.load(layer)));
  }

  /** Whether a layer has neither come nor is on its way. */
  private isDue(layer: Layer): boolean {
    return !layer.tileset && layer.status !== "loading" && !(layer.info.kind === "terrain" && layer.status === "ready");
  }

  /** Takes up layers that were published after the page was opened. */
  add(infos: readonly LayerInfo[]): void {
    for (const info of infos) if (!this.find(info.id)) this.all.push(new Layer(info));
    this.changed();
  }

  select(code: string | undefined, layer?: string): void {
    this.selected = code === undefined ? undefined : { code, layer };
    this.restyle();
  }

  /** Shows the buildings as they stood at an instant; undefined: as they stand. */
  async setMoment(instant: string | undefined): Promise<void> {
    if (instant === this.instant) return;
    this.instant = instant;
    await this.reloadBuildings();
  }

  /** Shows only the buildings that a CQL2 filter selects; undefined: all of them. */
  async setFilter(filter: string | undefined): Promise<void> {
    if (filter === this.filter) return;
    this.filter = filter;
    await this.reloadBuildings();
  }

  /** Asks again for everything on show: another token may see more or less. */
  async reload(): Promise<void> {
    await this.reloadLayers(() => true);
  }

  /** Shows the buildings of a second instant on the other side of the split; undefined ends the comparison. */
  async setComparison(instant: string | undefined, side: SplitDirection): Promise<void> {
    const { scene } = this.widget;
    if (this.comparison?.tileset) scene.primitives.remove(this.comparison.tileset);
    this.comparison = instant === undefined ? undefined : { instant, tileset: undefined };
    this.split = side;
    const layer = this.all.find(({ info }) => info.kind === "buildings");
    if (layer?.tileset) layer.tileset.splitDirection = side;
    scene.requestRender();
    const { comparison } = this;
    if (!comparison || !layer) return;
    const tileset = await this.open(tilesAt(layer.info.href, comparison.instant, this.filter));
    if (this.comparison !== comparison) return tileset.destroy();
    comparison.tileset = tileset;
    this.prepare(layer, tileset);
    tileset.splitDirection = side === SplitDirection.LEFT ? SplitDirection.RIGHT : SplitDirection.LEFT;
    tileset.show = layer.visible;
    scene.primitives.add(tileset);
    scene.requestRender();
  }

  /** Paints features by layer and code over all other colours; an empty map ends it. */
  setHighlight(colours: ReadonlyMap<string, ReadonlyMap<string, string>>): void {
    this.highlight = colours;
    this.restyle();
  }

  /** Evaluates colours and visibility of all features anew. */
  restyle(): void {
    for (const { tileset } of this.all) tileset?.makeStyleDirty();
    this.comparison?.tileset?.makeStyleDirty();
    this.widget.scene.requestRender();
  }

  /** Calls `prepare` for every tileset on the view, now and later (clipping planes and the like). */
  onTileset(prepare: (tileset: Cesium3DTileset) => void): void {
    this.attached.add(prepare);
    for (const { tileset } of this.all) if (tileset) prepare(tileset);
  }

  private reloadBuildings(): Promise<void> {
    return this.reloadLayers(({ info }) => info.kind === "buildings");
  }

  private async reloadLayers(isWanted: (layer: Layer) => boolean): Promise<void> {
    await Promise.all(
      this.all.filter(isWanted).map(async (layer) => {
        if (layer.tileset) this.widget.scene.primitives.remove(layer.tileset);
        layer.tileset = undefined;
        layer.status = "idle";
        layer.pendingTiles = 0;
        if (layer.visible && !this.paused) await this.load(layer);
      }),
    );
  }

  /** Colours the buildings by an attribute and leaves out some of its classes. */
  setTheme(theme: ThemeId, hiddenClasses: ReadonlySet<string>): void {
    this.theme = theme;
    this.hiddenClasses = hiddenClasses;
    this.restyle();
  }

  /** Colours the lines of the networks by an attribute and leaves out some of its classes; their points keep the colour of the network. */
  setNetworkTheme(theme: NetworkThemeId, hiddenLines: ReadonlySet<string>): void {
    this.networkTheme = theme;
    this.hiddenLines = hiddenLines;
    this.restyle();
  }

  /** Feature under a point of the canvas (CSS pixels from its upper left corner). */
  pickAt(x: number, y: number): Picked | undefined {
    const object: unknown = this.widget.scene.pick(new Cartesian2(x, y));
    if (!(object instanceof Cesium3DTileFeature)) return undefined;
    const { tileset: picked } = object;
    const layer = this.all.find(({ info, tileset }) => tileset === picked || (info.kind === "buildings" && picked === this.comparison?.tileset));
    const code: unknown = layer && object.getProperty(layer.codeProperty);
    if (!layer) return undefined;
    const block = standsFor(layer, object);
    if (!block && (code === undefined || code === null || code === "")) return undefined;
    const properties: Record<string, unknown> = {};
    for (const name of object.getPropertyIds()) properties[name] = object.getProperty(name);
    return block ? { layer: layer.info.id, properties, ...block } : { layer: layer.info.id, code: text(code), properties };
  }

  private async load(layer: Layer): Promise<void> {
    if (layer.info.kind === "terrain") return this.terrain.load(layer);
    const { instant, filter } = this;
    const isBuildings = layer.info.kind === "buildings";
    const href = isBuildings ? tilesAt(layer.info.href, instant, filter) : layer.info.href;
    // Another day or area was chosen while this one was loading.
    const isStale = (): boolean => isBuildings && (instant !== this.instant || filter !== this.filter);
    layer.status = "loading";
    layer.error = undefined;
    layer.failedTiles = 0;
    this.changed();
    try {
      const tileset = await this.open(href);
      if (isStale()) return tileset.destroy();
      this.attach(layer, tileset);
      await whenShown(tileset, this.widget.scene, () => layer.visible && layer.tileset === tileset);
      if (isStale()) return;
      layer.status = "ready";
    } catch (error) {
      if (isStale()) return;
      layer.status = "failed";
      layer.error = error;
    }
    this.changed();
  }

  private open(href: string): Promise<Cesium3DTileset> {
    const url = serviceUrl(href);
    if (url.origin !== serviceRoot().origin) throw new Error(t("error.foreignTiles", { host: url.host }));
    return Cesium3DTileset.fromUrl(new Resource({ url: url.href, headers: bearer() }), {
      environmentMapOptions: { enabled: false },
      enableCollision: false,
      cullRequestsWhileMoving: true,
      cacheBytes: CACHE_BYTES,
      maximumCacheOverflowBytes: CACHE_OVERFLOW_BYTES,
    });
  }

  private attach(layer: Layer, tileset: Cesium3DTileset): void {
    layer.tileset = tileset;
    tileset.show = layer.visible;
    this.prepare(layer, tileset);
    if (layer.info.kind === "buildings") tileset.splitDirection = this.split;
    tileset.tileFailed.addEventListener(() => {
      layer.failedTiles += 1;
      this.changed();
    });
    tileset.loadProgress.addEventListener((pending: number, processing: number) => {
      layer.pendingTiles = pending + processing;
      this.changed();
    });
    this.widget.scene.primitives.add(tileset);
  }

  private prepare(layer: Layer, tileset: Cesium3DTileset): void {
    tileset.imageBasedLighting = skyLight();
    tileset.shadows = ShadowMode.ENABLED;
    // Models and scans keep their own colours; blocks and pipes are drawn in the colour of their class.
    tileset.colorBlendMode =
      layer.info.kind === "buildings" || layer.info.kind === "network" ? Cesium3DTileColorBlendMode.REPLACE : Cesium3DTileColorBlendMode.HIGHLIGHT;
    if (layer.info.kind === "pointcloud") preparePoints(tileset);
    tileset.style = this.makeStyle(layer);
    this.attached.forEach((prepare) => prepare(tileset));
  }

  /** The style as functions, not expression text: values of the data never become code. */
  private makeStyle(layer: Layer): Cesium3DTileStyle {
    const { kind, id } = layer.info;
    const style = new Cesium3DTileStyle();
    const colour = (feature: Cesium3DTileFeature | undefined, result: Color): Color => {
      if (feature && this.selected && this.isSelected(layer, feature)) return Color.clone(this.colour(SELECTED), result);
      const lit = feature && this.highlight.get(id)?.get(this.codeOf(layer, feature));
      if (lit) return Color.clone(this.colour(lit), result);
      const css = !feature ? baseColour(kind, id) : kind === "buildings" ? this.buildingColour(layer, feature) : this.lineColour(layer, feature);
      return Color.clone(this.colour(css), result);
    };
    const show = (feature: Cesium3DTileFeature | undefined): boolean => {
      // A block of the far view stands for buildings of several classes.
      if (feature && layer.isLeftOut?.(feature)) return false;
      if (feature && this.isLine(layer, feature)) return !this.hiddenLines.has(this.lineClass(feature));
      if (!feature || kind !== "buildings" || isBlock(layer, feature)) return true;
      if (this.hiddenClasses.size > 0 && this.hiddenClasses.has(this.classIn(feature))) return false;
      return this.hidden.size === 0 || !this.hidden.has(this.codeOf(layer, feature));
    };
    style.color = { evaluateColor: colour, evaluate: colour };
    style.show = { evaluate: show } as unknown as StyleExpression;
    return style;
  }

  private isSelected(layer: Layer, feature: Cesium3DTileFeature): boolean {
    const { selected } = this;
    if (!selected || (selected.layer !== undefined && selected.layer !== layer.info.id)) return false;
    return (standsFor(layer, feature)?.code ?? this.codeOf(layer, feature)) === selected.code;
  }

  private codeOf(layer: Layer, feature: Cesium3DTileFeature): string {
    return text(feature.getProperty(layer.codeProperty));
  }

  private colour(css: string): Color {
    let colour = this.colours.get(css);
    if (!colour) {
      colour = Color.fromCssColorString(css);
      this.colours.set(css, colour);
    }
    return colour;
  }

  private buildingColour(layer: Layer, feature: Cesium3DTileFeature): string {
    // Blocks carry a height; of everything else they say nothing.
    if (isBlock(layer, feature) && this.theme !== "height_m") return BLOCK;
    return classColour(this.theme, this.classIn(feature));
  }

  /** Whether a feature is one of those that the attribute of the networks colours. */
  private isLine(layer: Layer, feature: Cesium3DTileFeature): boolean {
    return layer.info.kind === "network" && this.networkTheme !== "kind" && feature.getProperty("part") === "line";
  }

  private lineClass(feature: Cesium3DTileFeature): string {
    return classOf(this.networkTheme, feature.getProperty(this.networkTheme));
  }

  private lineColour(layer: Layer, feature: Cesium3DTileFeature): string {
    const { kind, id } = layer.info;
    return this.isLine(layer, feature) ? classColour(this.networkTheme, this.lineClass(feature)) : baseColour(kind, id);
  }

  private classIn(feature: Cesium3DTileFeature): string {
    return classOf(this.theme, feature.getProperty(this.theme));
  }

  get isReplacing(): boolean {
    return this.replacing;
  }

  /** Whether BIM models take the place of the plain blocks they name. */
  setReplacing(on: boolean): void {
    this.replacing = on;
    this.updateHidden();
  }

  /** A BIM model on show takes the place of the plain blocks it names. */
  private updateHidden(): void {
    const shown = !this.replacing ? [] : this.all.filter(({ visible, info }) => visible && info.kind === "bim");
    this.hidden = new Set(shown.flatMap(({ info }) => info.replaces ?? []));
    this.restyle();
  }

  private changed(): void {
    this.onChange();
    this.widget.scene.requestRender();
  }
}
