/** What is looked at: the 3D scene or the flat map. Places, colours and visibility go to the one on show. */
import type { BoundingSphere, CesiumWidget } from "cesium";
import { union, type BBox, type LayerList } from "./api/api";
import { t } from "./i18n/i18n";
import { h } from "./page/dom";
import type { Layers } from "./layers/layers";
import type { Choice } from "./map2d/chosen";
import type { Map2d, MapPicked } from "./map2d/map2d";
import type { Shell } from "./page/shell";
import { saveView } from "./page/snapshot";
import type { CameraState } from "./page/urlState";
import * as scene from "./scene/scene";
import type { NetworkThemeId, ThemeClass, ThemeId } from "./style/theme";

const PHONE_WIDTH = 700;
/** Half the width of what a place is shown with on the flat map, degrees; about 80 m. */
const NEAR_DEGREES = 0.0008;

export interface ViewHooks {
  pick: (picked: MapPicked | undefined) => void;
  moved: () => void;
  /** Takes how many of all chosen buildings the flat map could draw, or why none could. */
  chosen: (drawn: number, matched: number, error?: unknown) => void;
  /** Called when the mode has changed. */
  changed: (flat: boolean) => void;
}

export class View {
  private flat = false;
  private map: Map2d | undefined;
  private theme: [ThemeId, ReadonlySet<string>, readonly ThemeClass[]] | undefined;
  private networkTheme: [NetworkThemeId, ReadonlySet<string>, readonly ThemeClass[]] | undefined;
  private choice: Choice = { instant: undefined, filter: undefined };
  private selected: string | undefined;
  private readonly root: HTMLElement;

  constructor(
    private readonly widget: CesiumWidget,
    private readonly shell: Shell,
    private readonly list: LayerList,
    private readonly layers: Layers,
    private readonly hooks: ViewHooks,
  ) {
    this.root = h("div", { class: "map2d", "data-testid": "map2d", hidden: true });
    shell.map.append(this.root);
  }

  /** The flat map, once it was shown. */
  get map2d(): unknown {
    return this.map?.map;
  }

  get isFlat(): boolean {
    return this.flat;
  }

  /** Phones get the flat map: it needs a fraction of the data and of the battery. */
  static suits(): "2d" | "3d" {
    return window.innerWidth <= PHONE_WIDTH ? "2d" : "3d";
  }

  async setFlat(on: boolean): Promise<void> {
    if (on === this.flat) return;
    const camera = this.camera();
    const middle = (!this.flat && scene.lookedAt(this.widget)) || camera;
    const box = this.map?.box;
    this.flat = on;
    this.root.hidden = !on;
    this.widget.useDefaultRenderLoop = !on;
    document.body.dataset["mode"] = on ? "2d" : "3d";
    this.hooks.changed(on);
    if (on) {
      const map = await this.open();
      map.resize();
      map.view = middle;
      this.layers.all.forEach(({ info, visible }) => map.setVisible(info.id, visible));
      if (this.theme) map.setTheme(this.theme[0], this.theme[2], this.theme[1]);
      if (this.networkTheme) map.setNetworkTheme(this.networkTheme[0], this.networkTheme[2], this.networkTheme[1]);
      map.setChoice(this.choice);
      map.select(this.selected);
      await this.layers.setPaused(true);
      await map.ready;
    } else {
      if (box) this.show(box, 0, 50, false);
      await this.layers.setPaused(false);
    }
  }

  private async open(): Promise<Map2d> {
    if (!this.map) {
      const { Map2d } = await import("./map2d/map2d");
      this.map = new Map2d(this.root, this.list.layers, { pick: this.hooks.pick, moved: this.hooks.moved, chosen: this.hooks.chosen }, t("app.map2d"));
    }
    return this.map;
  }

  setTheme(theme: ThemeId, hidden: ReadonlySet<string>, classes: readonly ThemeClass[]): void {
    this.theme = [theme, hidden, classes];
    this.layers.setTheme(theme, hidden);
    if (this.flat) this.map?.setTheme(theme, classes, hidden);
  }

  /** Shows the buildings of another instant, or those that a CQL2 filter selects, on the flat map too. */
  choose(choice: Partial<Choice>): void {
    this.choice = { ...this.choice, ...choice };
    if (this.flat) this.map?.setChoice(this.choice);
  }

  setNetworkTheme(theme: NetworkThemeId, hidden: ReadonlySet<string>, classes: readonly ThemeClass[]): void {
    this.networkTheme = [theme, hidden, classes];
    this.layers.setNetworkTheme(theme, hidden);
    if (this.flat) this.map?.setNetworkTheme(theme, classes, hidden);
  }

  setVisible(id: string, on: boolean): void {
    if (this.flat) this.map?.setVisible(id, on);
  }

  select(code: string | undefined, layer?: string): void {
    this.selected = code;
    this.layers.select(code, layer);
    if (this.flat) this.map?.select(code);
  }

  /** Shows a part of the ground; `height` is that of the ground in metres above the ellipsoid. */
  show(box: BBox, height: number, minRadius: number, fly: boolean): void {
    if (!this.flat) return scene.showBox(this.widget, box, height, minRadius, this.insets(), fly);
    const wide: BBox = [box[0] - NEAR_DEGREES, box[1] - NEAR_DEGREES, box[2] + NEAR_DEGREES, box[3] + NEAR_DEGREES];
    this.map?.show(box[2] - box[0] + box[3] - box[1] < 2 * NEAR_DEGREES ? wide : box, this.insets(), fly);
  }

  /** Shows a layer: by the sphere of its tiles in 3D, by its box on the flat map. */
  showLayer(sphere: BoundingSphere | undefined, box: readonly number[] | null | undefined, height: number, minRadius: number): void {
    const known = union([box]);
    if (sphere && !this.flat) scene.showSphere(this.widget, sphere, this.insets(), true);
    else if (known) this.show(known, height, minRadius, true);
  }

  camera(): CameraState {
    if (this.flat && this.map) return { ...this.map.view, heading: 0, pitch: -90 };
    return scene.readCamera(this.widget);
  }

  apply(camera: CameraState): void {
    if (this.flat && this.map) this.map.view = camera;
    else scene.applyCamera(this.widget, camera);
  }

  /** Saves what is on show as a picture. */
  async picture(words: string, name: string): Promise<void> {
    if (this.flat && this.map) return saveView(this.map.map.getCanvas(), words, name);
    // Without a kept buffer the pixels are gone after the frame: draw and copy in one go.
    this.widget.scene.requestRender();
    this.widget.scene.render(this.widget.clock.currentTime);
    return saveView(this.widget.canvas, words, name);
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
}
