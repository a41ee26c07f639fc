/** Wires the 3D view to the page: layers, picking, search, links. */
import { ScreenSpaceEventHandler, ScreenSpaceEventType, type CesiumWidget } from "cesium";
import { bounds, readItem, union, type BBox, type Item, type LayerList } from "./api/api";
import { Colouring } from "./style/colouring";
import { bindKeys, drawControls } from "./scene/controls";
import { language, onLanguage, type Key } from "./i18n/i18n";
import { Layers, type Layer, type Picked } from "./layers/layers";
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
import { formatHash, parseHash, type ViewState } from "./page/urlState";

const FEATURE_RADIUS_M = 80;
const PHONE_WIDTH = 700;
const HASH_DELAY_MS = 300;

export class App {
  readonly layers: Layers;
  readonly panel: Panel;
  private selected: { code: string; layer: string | undefined } | undefined;
  private underground = false;
  private day: string | undefined;
  private ground: number;
  private readonly cityBox: BBox | undefined;
  private readonly colouring: Colouring;
  private hashTimer: number | undefined;
  private drawing = false;

  constructor(
    readonly widget: CesiumWidget,
    private readonly shell: Shell,
    private readonly list: LayerList,
  ) {
    this.layers = new Layers(widget, list.layers, () => this.draw());
    this.panel = new Panel(shell.panel, () => this.clearSelection(), (collection, code) => void this.selectIn(collection, code));
    const buildings = list.layers.find(({ kind }) => kind === "buildings");
    this.colouring = new Colouring(shell.legend, this.layers, buildings, () => this.saveHash());
    this.ground = list.city.ground_height_m ?? 0;
    const boxes: (BBox | undefined)[] = [union([list.city.bbox]), union(list.layers.filter(({ kind }) => kind === "buildings").map(({ bbox }) => bbox)), union(list.layers.map(({ bbox }) => bbox))];
    this.cityBox = boxes.find((box) => box !== undefined && !scene.isWholeEarth(box));
    this.bind();
  }

  /** Restores the view of the link, or opens on the city; resolves when the first tiles are on screen. */
  async open(state: ViewState): Promise<void> {
    if (this.cityBox) scene.lightCity(this.widget, this.cityBox);
    if (this.list.city.ground_height_m !== undefined) scene.setGroundHeight(this.widget, this.ground);
    if (state.camera) scene.applyCamera(this.widget, state.camera);
    else this.home(false);
    this.setUnderground(state.underground);
    this.colouring.restore(state.theme ?? "use", state.hidden ?? []);
    await this.showDay(state.day);
    const isWanted = (layer: Layer): boolean => state.layers?.includes(layer.info.id) ?? layer.info.kind === "buildings";
    const shown = this.layers.all.map((layer) => this.show(layer, isWanted(layer)));
    if (!state.selected) this.clearSelection();
    if (state.selected) shown.push(this.selectCode(state.selected.code, state.selected.layer, !state.camera).then(() => undefined));
    await Promise.all(shown);
  }

  home(fly = true): void {
    if (this.cityBox) scene.showBox(this.widget, this.cityBox, this.ground, 200, this.insets(), fly);
  }

  setUnderground(on: boolean): void {
    this.underground = on;
    this.shell.underground.checked = on;
    scene.setUnderground(this.widget, on);
    this.saveHash();
  }

  /** Shows the register as it stood at the end of a day (YYYY-MM-DD); today or no day: as it stands. */
  async showDay(day: string | undefined): Promise<void> {
    const instant = endOfDay(day);
    this.day = instant === undefined ? undefined : day;
    this.shell.day.value = this.day ?? "";
    this.colouring.setMoment(instant);
    this.saveHash();
    await this.layers.setMoment(instant);
  }

  async show(layer: Layer, on: boolean): Promise<void> {
    const loading = this.layers.setVisible(layer, on);
    this.saveHash();
    await loading;
    if (on && layer.info.kind === "buildings" && this.list.city.ground_height_m === undefined) this.settleGround(layer);
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
    scene.showBox(this.widget, [longitude, latitude, longitude, latitude], this.ground, FEATURE_RADIUS_M, this.insets(), true);
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
    void this.panel.show({ code: picked.code, collection: info.collection, codeProperty, tile: picked.properties });
  }

  clearSelection(): void {
    this.selected = undefined;
    this.layers.select(undefined);
    this.panel.hide();
    this.saveHash();
  }

  viewState(): ViewState {
    const state: ViewState = {
      camera: scene.readCamera(this.widget),
      layers: this.layers.all.filter(({ visible }) => visible).map(({ info }) => info.id),
      underground: this.underground,
      ...this.colouring.state,
    };
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
    shell.underground.addEventListener("change", () => this.setUnderground(shell.underground.checked));
    shell.day.addEventListener("change", () => void this.showDay(shell.day.value));
    bindKeys(widget, () => this.home());
    new ScreenSpaceEventHandler(widget.canvas).setInputAction(
      ({ position }: ScreenSpaceEventHandler.PositionedEvent) => this.selectPicked(this.layers.pickAt(position.x, position.y)),
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
    this.layers.select(code, layer);
    this.shell.uncover();
    this.saveHash();
  }

  /** The layer that draws an item: the one asked for, else the one of the collection (for BIM: of the item's model). */
  private layerFor(collection: string, item: Item, layerId: string | undefined): Layer | undefined {
    const layers = this.layers.all.filter(({ info }) => info.collection === collection);
    const model: unknown = item.properties["model_code"] ?? item.properties["model"];
    return (
      layers.find(({ info }) => info.id === layerId) ??
      layers.find(({ info }) => typeof model === "string" && info.id === `bim/${model}`) ??
      (layers.length === 1 ? layers[0] : undefined)
    );
  }

  private flyToFeature(box: BBox, item: Item): void {
    const height: unknown = item.properties["height_m"];
    const middle = this.ground + (typeof height === "number" ? height / 2 : 0);
    scene.showBox(this.widget, box, middle, Math.max(FEATURE_RADIUS_M, typeof height === "number" ? height : 0), this.insets(), true);
  }

  private flyToLayer(layer: Layer): void {
    const sphere = layer.tileset?.boundingSphere;
    const box = union([layer.info.bbox]);
    if (sphere) scene.showSphere(this.widget, sphere, this.insets(), true);
    else if (box) scene.showBox(this.widget, box, this.ground, FEATURE_RADIUS_M, this.insets(), true);
    if (!layer.visible) void this.switchOn(layer);
  }

  /** What the open panels cover of the view. */
  private insets(): scene.Insets {
    const view = this.shell.map.getBoundingClientRect();
    const [side, panel] = [this.shell.side, this.shell.panel].map((element) => element.getBoundingClientRect()) as [DOMRect, DOMRect];
    const wide = view.width > PHONE_WIDTH;
    return {
      left: wide && side.width > 0 ? side.right - view.left : 0,
      right: wide && panel.width > 0 ? view.right - panel.left : 0,
      // The sheet grows while attributes arrive, up to half of the height.
      bottom: !wide && panel.height > 0 ? view.height / 2 : 0,
    };
  }

  private settleGround(layer: Layer): void {
    const height = layer.tileset && groundHeight(layer.tileset);
    if (height === undefined || Math.abs(height - this.ground) < 0.5) return;
    this.ground = height;
    scene.setGroundHeight(this.widget, height);
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
  const ready = app.open(parseHash(location.hash));
  exposeForTests(app, ready, notices);
  window.addEventListener("hashchange", () => void app.open(parseHash(location.hash)));
  await ready;
}
