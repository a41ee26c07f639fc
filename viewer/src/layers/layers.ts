/** The 3D layers: loading, visibility, colours, selection. A layer that fails leaves the others alone. */
import {
  Cartesian2,
  Cartesian3,
  Cesium3DTileColorBlendMode,
  Cesium3DTileFeature,
  Cesium3DTileset,
  Cesium3DTileStyle,
  Color,
  ImageBasedLighting,
  type CesiumWidget,
  type StyleExpression,
} from "cesium";
import { serviceRoot, serviceUrl, type LayerInfo } from "../api/api";
import { t } from "../i18n/i18n";
import { baseColour, BLOCK, SELECTED } from "../style/style";
import { tilesAt } from "./moment";
import { classColour, classOf, type ThemeId } from "../style/theme";
import { whenShown } from "../scene/tilesReady";

export type Status = "idle" | "loading" | "ready" | "failed";

export interface Picked {
  layer: string;
  code: string;
  properties: Record<string, unknown>;
}

const FLAT = { lighting: new Cartesian3(0.42, 0.435, 0.46), none: new Cartesian3() };

function skyLight(): ImageBasedLighting {
  const coefficients = [FLAT.lighting, ...Array.from({ length: 8 }, () => FLAT.none)];
  const light = new ImageBasedLighting();
  light.sphericalHarmonicCoefficients = coefficients;
  light.imageBasedLightingFactor = new Cartesian2(1, 0);
  return light;
}

function isBlock(layer: Layer, feature: Cesium3DTileFeature): boolean {
  const code: unknown = feature.getProperty(layer.codeProperty);
  return code === undefined || code === null || code === "";
}

function text(code: unknown): string {
  return typeof code === "string" ? code : JSON.stringify(code);
}

export class Layer {
  status: Status = "idle";
  visible = false;
  /** Why loading failed. */
  error: unknown;
  failedTiles = 0;
  pendingTiles = 0;
  tileset: Cesium3DTileset | undefined;

  constructor(readonly info: LayerInfo) {}

  get codeProperty(): string {
    return this.info.code_property ?? "code";
  }
}

export class Layers {
  readonly all: Layer[];
  private selected: { layer: string | undefined; code: string } | undefined;
  private hidden = new Set<string>();
  private instant: string | undefined;
  private theme: ThemeId = "use";
  private hiddenClasses: ReadonlySet<string> = new Set();
  private readonly colours = new Map<string, Color>();

  constructor(
    private readonly widget: CesiumWidget,
    infos: LayerInfo[],
    private readonly onChange: () => void,
  ) {
    this.all = infos.map((info) => new Layer(info));
  }

  find(id: string | undefined): Layer | undefined {
    return this.all.find((layer) => layer.info.id === id);
  }

  /** Shows or hides a layer; resolves when the tiles for the present view are there or the layer has failed. */
  async setVisible(layer: Layer, on: boolean): Promise<void> {
    layer.visible = on;
    if (layer.tileset) layer.tileset.show = on;
    this.updateHidden();
    this.changed();
    if (on && !layer.tileset && layer.status !== "loading") await this.load(layer);
  }

  select(code: string | undefined, layer?: string): void {
    this.selected = code === undefined ? undefined : { code, layer };
    for (const { tileset } of this.all) tileset?.makeStyleDirty();
    this.widget.scene.requestRender();
  }

  /** Shows the buildings as they stood at an instant; undefined: as they stand. */
  async setMoment(instant: string | undefined): Promise<void> {
    if (instant === this.instant) return;
    this.instant = instant;
    await Promise.all(
      this.all
        .filter(({ info }) => info.kind === "buildings")
        .map(async (layer) => {
          if (layer.tileset) this.widget.scene.primitives.remove(layer.tileset);
          layer.tileset = undefined;
          layer.status = "idle";
          layer.pendingTiles = 0;
          if (layer.visible) await this.load(layer);
        }),
    );
  }

  /** Colours the buildings by an attribute and leaves out some of its classes. */
  setTheme(theme: ThemeId, hiddenClasses: ReadonlySet<string>): void {
    this.theme = theme;
    this.hiddenClasses = hiddenClasses;
    for (const { tileset, info } of this.all) if (info.kind === "buildings") tileset?.makeStyleDirty();
    this.widget.scene.requestRender();
  }

  /** Feature under a point of the canvas (CSS pixels from its upper left corner). */
  pickAt(x: number, y: number): Picked | undefined {
    const object: unknown = this.widget.scene.pick(new Cartesian2(x, y));
    if (!(object instanceof Cesium3DTileFeature)) return undefined;
    const layer = this.all.find(({ tileset }) => tileset === object.tileset);
    const code: unknown = layer && object.getProperty(layer.codeProperty);
    if (!layer || code === undefined || code === null || code === "") return undefined;
    const properties: Record<string, unknown> = {};
    for (const name of object.getPropertyIds()) properties[name] = object.getProperty(name);
    return { layer: layer.info.id, code: text(code), properties };
  }

  private async load(layer: Layer): Promise<void> {
    const { instant } = this;
    const href = layer.info.kind === "buildings" ? tilesAt(layer.info.href, instant) : layer.info.href;
    // Another day was chosen while this one was loading.
    const isStale = (): boolean => layer.info.kind === "buildings" && instant !== this.instant;
    layer.status = "loading";
    layer.error = undefined;
    layer.failedTiles = 0;
    this.changed();
    try {
      const url = serviceUrl(href);
      if (url.origin !== serviceRoot().origin) throw new Error(t("error.foreignTiles", { host: url.host }));
      const tileset = await Cesium3DTileset.fromUrl(url.href, {
        environmentMapOptions: { enabled: false },
        enableCollision: false,
        cullRequestsWhileMoving: true,
      });
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

  private attach(layer: Layer, tileset: Cesium3DTileset): void {
    layer.tileset = tileset;
    tileset.show = layer.visible;
    tileset.imageBasedLighting = skyLight();
    // BIM keeps its own materials; blocks and pipes are drawn in the colour of their class.
    tileset.colorBlendMode =
      layer.info.kind === "bim" ? Cesium3DTileColorBlendMode.HIGHLIGHT : Cesium3DTileColorBlendMode.REPLACE;
    tileset.style = this.makeStyle(layer);
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

  /** The style as functions, not expression text: values of the data never become code. */
  private makeStyle(layer: Layer): Cesium3DTileStyle {
    const { kind, id } = layer.info;
    const style = new Cesium3DTileStyle();
    const colour = (feature: Cesium3DTileFeature | undefined, result: Color): Color => {
      if (feature && this.selected && this.isSelected(layer, feature)) return Color.clone(this.colour(SELECTED), result);
      const css = kind !== "buildings" || !feature ? baseColour(kind, id) : this.buildingColour(layer, feature);
      return Color.clone(this.colour(css), result);
    };
    const show = (feature: Cesium3DTileFeature | undefined): boolean => {
      // A block of the far view stands for buildings of several classes.
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
    return this.codeOf(layer, feature) === selected.code;
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

  private classIn(feature: Cesium3DTileFeature): string {
    return classOf(this.theme, feature.getProperty(this.theme));
  }

  /** A BIM model on show takes the place of the plain blocks it names. */
  private updateHidden(): void {
    const shown = this.all.filter(({ visible, info }) => visible && info.kind === "bim");
    this.hidden = new Set(shown.flatMap(({ info }) => info.replaces ?? []));
    for (const { tileset, info } of this.all) if (info.kind === "buildings") tileset?.makeStyleDirty();
  }

  private changed(): void {
    this.onChange();
    this.widget.scene.requestRender();
  }
}
