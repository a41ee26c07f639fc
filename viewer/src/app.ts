/** Wires the 3D view to the page: layers, picking, search, links. */
import { ScreenSpaceEventHandler, ScreenSpaceEventType, type CesiumWidget } from "cesium";
import { onToken } from "./api/token";
import { bounds, reason, readItem, readLayers, union, type BBox, type Item, type LayerList } from "./api/api";
import { BUILDINGS, Colouring, NETWORKS } from "./style/colouring";
import type { NetworkThemeId, ThemeId } from "./style/theme";
import { bindKeys, drawControls } from "./scene/controls";
import { language, onLanguage, pick, t, type Key } from "./i18n/i18n";
import { button, h } from "./page/dom";
import { BimTool } from "./bim/bimTool";
import { SectionTool } from "./underground/sectionTool";
import { AnalysisPanel } from "./analysis/analysisPanel";
import type { Layer, Picked } from "./layers/layer";
import { Layers } from "./layers/layers";
import type { ClickTaker, Stage } from "./scene/stage";
import type { Notices } from "./page/notices";
import { Panel } from "./selection/panel";
import * as scene from "./scene/scene";
import { collectionsFor, findByCode } from "./search/search";
import { SearchBox } from "./search/searchBox";
import { endOfDay } from "./layers/moment";
import type { Shell } from "./page/shell";
import { exposeForTests } from "./testHandle";
import { groundHeight } from "./scene/ground";
import { drawTree } from "./layers/tree";
import { networkKind } from "./style/style";
import { DataPage } from "./data/dataPage";
import type { MapPicked } from "./map2d/map2d";
import { Toolbar } from "./page/toolbar";
import { watchTroubles } from "./page/messages";
import { View } from "./view";
import { formatHash, parseHash, type ViewState } from "./page/urlState";

const FEATURE_RADIUS_M = 80;
const HASH_DELAY_MS = 300;

export class App {
  readonly layers: Layers;
  readonly panel: Panel;
  readonly analysis: AnalysisPanel;
  readonly bim: BimTool;
  readonly view: View;
  readonly data: DataPage;
  private readonly toolbar: Toolbar;
  private readonly section: SectionTool;
  private clickTaker: ClickTaker | undefined;
  private selected: { code: string; layer: string | undefined } | undefined;
  private underground = false;
  private day: string | undefined;
  private ground: number;
  private readonly cityBox: BBox | undefined;
  private readonly colouring: Colouring<ThemeId>;
  private readonly networkColouring: Colouring<NetworkThemeId>;
  private hashTimer: number | undefined;
  private drawing = false;
  /** Layers that the link names and the server does not have. */
  missing: string[] = [];

  constructor(
    readonly widget: CesiumWidget,
    private readonly shell: Shell,
    private readonly list: LayerList,
  ) {
    this.layers = new Layers(widget, list.layers, () => this.draw());
    this.panel = new Panel(
      shell.panel,
      () => this.clearSelection(),
      (collection, code) => void this.selectIn(collection, code),
      (feature) => this.actionsOn(feature.collection),
      () => void this.layers.reload(),
    );
    this.view = new View(widget, shell, list, this.layers, {
      pick: (picked) => this.pickOnMap(picked),
      moved: () => this.saveHash(),
      chosen: (drawn, matched, error) => this.sayChosen(drawn, matched, error),
      changed: (flat) => {
        this.toolbar.setFlat(flat);
        this.saveHash();
      },
    });
    this.toolbar = new Toolbar({
      data: () => this.data.open(),
      mode: () => void this.view.setFlat(!this.view.isFlat),
      picture: () => this.view.picture(shell.attribution.textContent ?? "", `${pick(list.city.name) || "city"}.png`),
    });
    this.data = new DataPage({ show: (collection) => this.showCollection(collection), showModel: (code) => this.showModel(code) });
    document.body.append(this.data.element);
    const buildings = list.layers.find(({ kind }) => kind === "buildings");
    this.colouring = new Colouring(shell.legend, BUILDINGS, (...theme) => this.view.setTheme(...theme), buildings ? [buildings.collection] : [], () => this.saveHash());
    this.networkColouring = new Colouring(shell.networkLegend, NETWORKS, (...theme) => this.view.setNetworkTheme(...theme), [], () => this.saveHash());
    this.ground = list.city.ground_height_m ?? 0;
    const boxes: (BBox | undefined)[] = [union([list.city.bbox]), union(list.layers.filter(({ kind }) => kind === "buildings").map(({ bbox }) => bbox)), union(list.layers.map(({ bbox }) => bbox))];
    this.cityBox = boxes.find((box) => box !== undefined && !scene.isWholeEarth(box));
    this.analysis = new AnalysisPanel(this.stage(), {
      filter: (filter) => {
        this.colouring.setFilter(filter);
        this.view.choose({ filter });
        void this.layers.setFilter(filter);
      },
      instant: () => endOfDay(this.day),
      changed: () => this.saveHash(),
      middle: () => (this.cityBox ? [(this.cityBox[0] + this.cityBox[2]) / 2, (this.cityBox[1] + this.cityBox[3]) / 2] : [0, 0]),
      view: shell.map,
    });
    shell.analysis.append(this.analysis.element);
    this.bim = new BimTool(this.stage(), { show: (layer) => this.flyToLayer(layer) });
    shell.models.append(this.bim.element);
    this.section = new SectionTool(this.stage(), () => this.saveHash());
    shell.depth.append(this.section.element);
    this.bind();
  }

  /** Buttons of the panel for a feature of a collection. */
  private actionsOn(collection: string): HTMLElement[] {
    const isNetwork = this.list.layers.some(({ kind, collection: lines }) => kind === "network" && lines === collection.replace(/-points$/, "-lines"));
    if (!isNetwork) return [];
    const ask = button(t("network.ask"), { "data-testid": "network-ask" }, () => this.openTool("network"), t("network.ask"));
    return [h("p", { class: "buttons" }, ask)];
  }

  /** Brings a tool of the analysis tab to the front. */
  openTool(id: string): void {
    this.shell.reveal();
    this.shell.tabs.open("analysis");
    this.analysis.open(id);
  }

  private stage(): Stage {
    return {
      widget: this.widget,
      layers: this.layers,
      list: this.list,
      ground: () => this.level,
      go: (collection, code) => void this.selectIn(collection, code),
      look: (box) => this.view.show(box, this.level, FEATURE_RADIUS_M, true),
      takeClicks: (taker) => {
        this.clickTaker = taker;
        return () => {
          if (this.clickTaker === taker) this.clickTaker = undefined;
        };
      },
    };
  }

  /** Restores the view of the link, or opens on the city; resolves when the first tiles are on screen. */
  async open(state: ViewState): Promise<void> {
    if (this.cityBox) scene.lightCity(this.widget, this.cityBox);
    if (this.list.city.ground_height_m !== undefined) this.layers.terrain.setPlain(this.ground);
    // A link to a place in 3D stays one on a phone.
    const mode = state.mode ?? (state.camera ? "3d" : View.suits());
    if (mode === "2d") await this.layers.setPaused(true);
    if (state.camera) this.view.apply(state.camera);
    else this.home(false);
    this.setUnderground(state.underground);
    this.colouring.restore(state.theme ?? "use", state.hidden ?? []);
    this.networkColouring.restore(state.networkTheme ?? "kind", state.hiddenLines ?? []);
    await this.showDay(state.day);
    const isWanted = (layer: Layer): boolean => state.layers?.includes(layer.info.id) ?? (layer.info.kind === "buildings" || layer.info.kind === "terrain");
    const shown = this.layers.all.map((layer) => this.show(layer, isWanted(layer)));
    this.missing = (state.layers ?? []).filter((id) => !this.layers.find(id));
    this.section.restore(state.section);
    this.analysis.restore(state);
    await this.view.setFlat(mode === "2d");
    // The flat map is framed by its own panels, not by where a camera stood.
    if (mode === "2d" && !state.camera) this.home(false);
    if (!state.selected) this.clearSelection();
    if (state.selected) shown.push(this.selectCode(state.selected.code, state.selected.layer, !state.camera).then(() => undefined));
    await Promise.all(shown);
  }

  home(fly = true): void {
    if (this.cityBox) this.view.show(this.cityBox, this.ground, 200, fly);
  }

  setUnderground(on: boolean): void {
    this.underground = on;
    this.shell.underground.checked = on;
    scene.setUnderground(this.widget, on);
    this.section.setUnderground(on);
    this.saveHash();
  }

  /** Shows the register as it stood at the end of a day (YYYY-MM-DD); today or no day: as it stands. */
  async showDay(day: string | undefined): Promise<void> {
    const instant = endOfDay(day);
    this.day = instant === undefined ? undefined : day;
    this.shell.day.value = this.day ?? "";
    this.colouring.setMoment(instant);
    this.saveHash();
    this.view.choose({ instant });
    await this.layers.setMoment(instant);
  }

  /** On the flat map a choice is a page of features: what it leaves out, or why there is none, is said. */
  private sayChosen(drawn: number, matched: number, error?: unknown): void {
    const { chosen } = this.shell;
    chosen.hidden = error === undefined && drawn >= matched;
    const count = (value: number): string => value.toLocaleString(language());
    chosen.textContent = chosen.hidden ? "" : error === undefined ? t("map.part", { n: count(drawn), all: count(matched) }) : t("map.failed", { reason: reason(error) });
  }

  async show(layer: Layer, on: boolean): Promise<void> {
    const loading = this.layers.setVisible(layer, on);
    this.view.setVisible(layer.info.id, on);
    this.networkColouring.setCollections(this.layers.all.filter(({ visible, info }) => visible && info.kind === "network").map(({ info }) => info.collection));
    this.saveHash();
    await loading;
    if (on && this.list.city.ground_height_m === undefined && this.isGrounded(layer)) this.settleGround(layer);
  }

  /** Selects by code, as a link or a search does. Gives a word for the user where that was not possible. */
  async selectCode(code: string, layerId?: string, fly = true): Promise<[Key, Record<string, string>] | undefined> {
    const infos = this.list.layers.filter(({ id }) => layerId === undefined || id === layerId);
    const found = await findByCode(code, collectionsFor(code, infos.length > 0 ? infos : this.list.layers));
    return found ? this.selectItem(found.collection, code, found.item, layerId, fly) : ["search.notFound", { code }];
  }

  /** Selects a feature of a collection, also of one that no layer draws. */
  async selectIn(collection: string, code: string): Promise<[Key, Record<string, string>] | undefined> {
    const item = await readItem(collection, code, language());
    return item ? this.selectItem(collection, code, item) : ["search.notFound", { code }];
  }

  flyToPosition(longitude: number, latitude: number): void {
    this.view.show([longitude, latitude, longitude, latitude], this.level, FEATURE_RADIUS_M, true);
  }

  private selectItem(
    collection: string, code: string, item: Item, layerId?: string, fly = true,
  ): [Key, Record<string, string>] | undefined {
    const layer = this.layerFor(collection, item, layerId);
    this.setSelection(code, layer?.info.id);
    if (layer && !layer.visible) void this.switchOn(layer);
    void this.panel.show({ code, collection, codeProperty: layer?.codeProperty ?? "code" }, item);
    const box = bounds(item.geometry);
    if (!box) return ["search.noGeometry", { code }];
    if (fly) this.flyToFeature(box, item);
    return undefined;
  }

  selectPicked(picked: Picked | undefined): void {
    const layer = this.layers.find(picked?.layer);
    if (!picked || !layer) return this.clearSelection();
    this.setSelection(picked.code, picked.layer);
    const { codeProperty, info } = layer;
    const shown = { code: picked.code, codeProperty, tile: picked.properties };
    // The tiles of a network hold its lines and its points.
    const points = info.kind === "network" ? info.collection.replace(/-lines$/, "-points") : undefined;
    if (picked.collection) void this.panel.show({ ...shown, codeProperty: "code", collection: picked.collection });
    else void this.panel.show({ ...shown, collection: info.collection, ...(points ? { other: points } : {}) });
  }

  private pickOnMap(picked: MapPicked | undefined): void {
    if (!picked) return this.clearSelection();
    this.setSelection(picked.code, picked.layer);
    void this.panel.show({ code: picked.code, codeProperty: this.layers.find(picked.layer)?.codeProperty ?? "code", collection: picked.collection });
  }

  /** Shows the layer that draws a collection, where there is one. */
  private showCollection(collection: string): void {
    const lines = collection.replace(/-points$/, "-lines");
    const layer = this.layers.all.find(({ info }) => info.collection === lines);
    if (layer) this.flyToLayer(layer);
  }

  /** Shows a model that was loaded after the page was opened. */
  private async showModel(code: string): Promise<void> {
    const { layers } = await readLayers();
    this.layers.add(layers);
    this.bim.draw();
    const layer = this.layers.find(`bim/${code}`);
    if (layer) this.flyToLayer(layer);
    // Without tiles yet, the place and the attributes are there already.
    await this.selectIn("bim-models", code);
  }

  clearSelection(): void {
    this.selected = undefined;
    this.analysis.network.offer(undefined);
    this.bim.offer(undefined);
    this.view.select(undefined);
    this.panel.hide();
    this.saveHash();
  }

  viewState(): ViewState {
    const state: ViewState = {
      camera: this.view.camera(),
      mode: this.view.isFlat ? "2d" : "3d",
      layers: this.layers.all.filter(({ visible }) => visible).map(({ info }) => info.id),
      underground: this.underground,
      ...this.colouring.state,
      ...this.analysis.state,
    };
    const { theme, hidden } = this.networkColouring.state;
    state.networkTheme = theme;
    state.hiddenLines = hidden;
    const section = this.section.state;
    if (section) state.section = section;
    if (this.day) state.day = this.day;
    if (this.selected) {
      const { code, layer } = this.selected;
      state.selected = layer ? { code, layer } : { code };
    }
    return state;
  }

  private bind(): void {
    const { widget, shell } = this;
    const search = new SearchBox({
      code: (code) => this.selectCode(code),
      item: (collection, code) => this.selectIn(collection, code),
      position: (longitude, latitude) => {
        this.flyToPosition(longitude, latitude);
        return undefined;
      },
    });
    shell.bar.insertBefore(search.element, shell.bar.lastChild);
    shell.bar.insertBefore(this.toolbar.element, shell.bar.lastChild);
    onToken((refusedNow) => {
      if (!refusedNow) void this.layers.reload();
    });
    shell.underground.addEventListener("change", () => this.setUnderground(shell.underground.checked));
    shell.day.addEventListener("change", () => void this.showDay(shell.day.value));
    bindKeys(widget, () => this.home());
    new ScreenSpaceEventHandler(widget.canvas).setInputAction(
      ({ position: { x, y } }: ScreenSpaceEventHandler.PositionedEvent) => (this.clickTaker ? this.clickTaker(x, y) : this.selectPicked(this.layers.pickAt(x, y))),
      ScreenSpaceEventType.LEFT_CLICK,
    );
    widget.camera.moveEnd.addEventListener(() => this.saveHash());
    onLanguage(() => this.translate());
    this.translate();
  }

  private translate(): void {
    this.shell.translate();
    drawControls(this.shell.controls, this.widget, () => this.home());
    this.draw();
    void this.colouring.refresh();
    void this.networkColouring.refresh();
  }

  /** Redraws the tree at most once per frame; tiles report progress far more often. */
  private draw(): void {
    if (this.drawing) return;
    this.drawing = true;
    requestAnimationFrame(() => {
      this.drawing = false;
      drawTree(this.shell.tree, this.layers.all, this.list.complete, {
        toggle: (layer, on) => void (on ? this.switchOn(layer) : this.show(layer, false)),
        flyTo: (layer) => this.flyToLayer(layer),
      });
    });
  }

  /** The first network on show opens the ground: its pipes would be out of sight. */
  private switchOn(layer: Layer): Promise<void> {
    const networks = this.layers.all.filter(({ visible, info }) => visible && info.kind === "network");
    if (layer.info.kind === "network" && networks.length === 0) this.setUnderground(true);
    return this.show(layer, true);
  }

  private setSelection(code: string, layer: string | undefined): void {
    this.selected = { code, layer };
    this.analysis.network.offer(layer?.startsWith("networks/") ? networkKind(layer) : undefined, code);
    this.bim.offer(layer, code);
    this.view.select(code, layer);
    this.shell.uncover();
    this.saveHash();
  }

  /** The layer that draws an item: the one asked for, else the one of the collection (for BIM: of the item's model). */
  private layerFor(collection: string, item: Item, layerId: string | undefined): Layer | undefined {
    const layers = this.layers.all.filter(({ info }) => info.collection === collection.replace(/-points$/, "-lines"));
    const model: unknown = item.properties["model_code"] ?? item.properties["model"];
    return (
      layers.find(({ info }) => info.id === layerId) ??
      layers.find(({ info }) => typeof model === "string" && info.id === `bim/${model}`) ??
      (layers.length === 1 ? layers[0] : undefined)
    );
  }

  private flyToFeature(box: BBox, item: Item): void {
    const height: unknown = item.properties["height_m"];
    const [elevation, geoid]: unknown[] = [item.properties["ground_elevation_m"], this.list.city.geoid_separation_m];
    const ground = typeof elevation === "number" && typeof geoid === "number" ? elevation + geoid : this.level;
    const middle = ground + (typeof height === "number" ? height / 2 : 0);
    this.view.show(box, middle, Math.max(FEATURE_RADIUS_M, typeof height === "number" ? height : 0), true);
  }

  private flyToLayer(layer: Layer): void {
    this.view.showLayer(layer.tileset?.boundingSphere, layer.info.bbox, this.ground, FEATURE_RADIUS_M);
    if (!layer.visible) void this.switchOn(layer);
  }

  /** Typical height of the ground on show. The engine knows the height of a place only while it is in view. */
  private get level(): number {
    const terrain = this.layers.terrain.isShown ? this.layers.all.find(({ info }) => info.kind === "terrain") : undefined;
    return terrain?.info.ground_height_m ?? this.ground;
  }

  /** Whether a layer tells where the plain lies: the buildings, or what stands without them. */
  private isGrounded({ info: { kind } }: Layer): boolean {
    const alone = !this.layers.all.some(({ visible, info }) => visible && info.kind === "buildings");
    return kind === "buildings" || (alone && (kind === "citymodel" || kind === "pointcloud"));
  }

  private settleGround(layer: Layer): void {
    const height = layer.tileset && groundHeight(layer.tileset);
    if (height === undefined || Math.abs(height - this.ground) < 0.5) return;
    this.ground = height;
    this.layers.terrain.setPlain(height);
  }

  private saveHash(): void {
    window.clearTimeout(this.hashTimer);
    this.hashTimer = window.setTimeout(() => {
      history.replaceState(null, "", location.pathname + location.search + formatHash(this.viewState()));
    }, HASH_DELAY_MS);
  }
}

export async function startApp(shell: Shell, notices: Notices, list: LayerList): Promise<void> {
  shell.map.replaceChildren();
  if (!scene.hasWebGL()) {
    notices.alert("error.webgl");
    return;
  }
  const query = new URLSearchParams(location.search);
  const widget = scene.createScene(shell.map, { screenshot: query.get("screenshot") === "1", lite: query.get("lite") === "1" });
  widget.scene.renderError.addEventListener((_scene: unknown, error: unknown) => {
    notices.alert("error.scene", { reason: String(error).slice(0, 300) });
    document.body.dataset["state"] = "error";
  });
  const app = new App(widget, shell, list);
  watchTroubles(notices);
  const ready = app.open(parseHash(location.hash));
  exposeForTests(app, ready, notices);
  window.addEventListener("hashchange", () => void app.open(parseHash(location.hash)));
  await ready;
  if (app.missing.length > 0) notices.alert("error.missingLayer", { layers: app.missing.join(", ") });
}
