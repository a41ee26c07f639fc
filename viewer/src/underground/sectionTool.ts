/** Looking below ground: a section plane or box through everything on the view, and the depth under the pointer. */
import {
  Cartesian3,
  Cartographic,
  ClippingPlane,
  ClippingPlaneCollection,
  Color,
  Math as CesiumMath,
  Matrix4,
  ScreenSpaceEventHandler,
  ScreenSpaceEventType,
  Transforms,
  type Cesium3DTileset,
} from "cesium";
import { h } from "../page/dom";
import { language, onLanguage, t } from "../i18n/i18n";
import type { SectionState } from "../page/toolState";
import { placeAt } from "../scene/drawing";
import { heightAt } from "../scene/ground";
import type { Stage } from "../scene/stage";

type Kind = "none" | "plane" | "box";
const KINDS: readonly Kind[] = ["none", "plane", "box"];
const EDGE = Color.fromCssColorString("#d0257a");
const READ_EVERY_MS = 120;
/** What a plane reaches to either side of where it was set, and the depth of a box, metres. */
const REACH_M = 300;
const DEPTH_M = 40;

/** One line of the tool: label, slider, its value. */
interface Slider {
  id: "heading" | "shift" | "size";
  min: number;
  max: number;
  unit: string;
}
const SLIDERS: readonly Slider[] = [
  { id: "heading", min: 0, max: 359, unit: "°" },
  { id: "shift", min: -REACH_M, max: REACH_M, unit: " m" },
  { id: "size", min: 10, max: 600, unit: " m" },
];

export class SectionTool {
  readonly element = h("div", { class: "tool" });
  private kind: Kind = "none";
  private readonly values = { heading: 0, shift: 0, size: 150 };
  private frame: Matrix4 | undefined;
  private readonly depth = h("p", { class: "answer", role: "status", "data-testid": "depth" });
  private isUnderground = false;
  private readAt = 0;

  constructor(
    private readonly stage: Stage,
    private readonly changed: () => void,
  ) {
    stage.layers.onTileset((tileset) => this.clip(tileset));
    new ScreenSpaceEventHandler(stage.widget.canvas).setInputAction(
      ({ endPosition }: ScreenSpaceEventHandler.MotionEvent) => this.read(endPosition.x, endPosition.y),
      ScreenSpaceEventType.MOUSE_MOVE,
    );
    this.draw();
    onLanguage(() => this.draw());
  }

  get state(): SectionState | undefined {
    const { kind, frame, values } = this;
    if (kind === "none" || !frame) return undefined;
    const { longitude, latitude, height } = Cartographic.fromCartesian(Matrix4.getTranslation(frame, new Cartesian3()));
    return { kind, at: [CesiumMath.toDegrees(longitude), CesiumMath.toDegrees(latitude), height], ...values };
  }

  /** Takes up the section of a link; undefined ends it. */
  restore(state: SectionState | undefined): void {
    if (!state && !this.frame) return;
    this.kind = state?.kind ?? "none";
    this.frame = state && Transforms.eastNorthUpToFixedFrame(Cartesian3.fromDegrees(...state.at));
    if (state) Object.assign(this.values, { heading: state.heading, shift: state.shift, size: state.size });
    this.draw();
    this.apply();
  }

  /** Depths are read in the underground view only. */
  setUnderground(on: boolean): void {
    this.isUnderground = on;
    this.depth.textContent = on ? t("depth.hint") : "";
  }

  private draw(): void {
    const kind = h("select", { id: "section-kind", "data-testid": "section-kind" });
    for (const id of KINDS) kind.append(h("option", { value: id }, t(`section.${id}`)));
    kind.value = this.kind;
    kind.addEventListener("change", () => {
      this.kind = kind.value as Kind;
      // A section is set where one looks when it is switched on.
      this.frame = this.kind === "none" ? undefined : this.middleFrame();
      this.draw();
      this.apply();
    });
    const wanted = SLIDERS.filter(({ id }) => this.kind !== "none" && (this.kind === "box") === (id === "size") || (this.kind !== "none" && id === "heading"));
    this.element.replaceChildren(
      h("div", { class: "layer-line" }, h("label", { for: "section-kind" }, t("section.title")), kind),
      ...wanted.map((slider) => this.slider(slider)),
      this.depth,
    );
    this.setUnderground(this.isUnderground);
  }

  private slider({ id, min, max, unit }: Slider): HTMLElement {
    const range = h("input", { type: "range", id: `section-${id}`, min: String(min), max: String(max), value: String(this.values[id]), "data-testid": `section-${id}` });
    const output = h("output", { class: "hint", for: `section-${id}` }, `${this.values[id]}${unit}`);
    range.addEventListener("input", () => {
      this.values[id] = Number(range.value);
      output.textContent = `${this.values[id]}${unit}`;
      this.apply();
    });
    return h("div", { class: "layer-line" }, h("label", { for: `section-${id}` }, t(`section.${id}`)), range, output);
  }

  private middleFrame(): Matrix4 {
    const { widget } = this.stage;
    const place = placeAt(widget, widget.canvas.clientWidth / 2, widget.canvas.clientHeight / 2);
    const { longitude, latitude } = widget.camera.positionCartographic;
    const [x, y] = place ?? [CesiumMath.toDegrees(longitude), CesiumMath.toDegrees(latitude)];
    return Transforms.eastNorthUpToFixedFrame(Cartesian3.fromDegrees(x, y, heightAt(widget.scene, x, y, this.stage.ground())));
  }

  /** Planes in the frame of the section; what lies behind one of them is cut away. */
  private planes(): ClippingPlane[] {
    const angle = CesiumMath.toRadians(this.values.heading);
    const along = new Cartesian3(Math.sin(angle), Math.cos(angle), 0);
    if (this.kind === "plane") return [new ClippingPlane(along, -this.values.shift)];
    const across = new Cartesian3(along.y, -along.x, 0);
    const half = this.values.size / 2;
    const sides = [along, across].flatMap((axis) => [new ClippingPlane(axis, half), new ClippingPlane(Cartesian3.negate(axis, new Cartesian3()), half)]);
    return [...sides, new ClippingPlane(Cartesian3.UNIT_Z, DEPTH_M)];
  }

  private apply(): void {
    const { globe } = this.stage.widget.scene;
    globe.clippingPlanes ??= new ClippingPlaneCollection();
    this.set(globe.clippingPlanes, this.frame);
    for (const { tileset } of this.stage.layers.all) if (tileset) this.clip(tileset);
    this.stage.widget.scene.requestRender();
    this.changed();
  }

  private clip(tileset: Cesium3DTileset): void {
    // Never set means never cut: nothing to take back.
    if (!this.frame && !(tileset.clippingPlanes as ClippingPlaneCollection | undefined)) return;
    tileset.clippingPlanes ??= new ClippingPlaneCollection();
    // The engine takes the planes of a tileset relative to a frame of its own.
    const { clippingPlanesOriginMatrix: origin } = tileset as unknown as { clippingPlanesOriginMatrix: Matrix4 };
    this.set(tileset.clippingPlanes, this.frame && Matrix4.multiply(Matrix4.inverse(origin, new Matrix4()), this.frame, new Matrix4()));
  }

  /** Changes planes in place: a collection that is replaced is destroyed while frames under way still draw with it. */
  private set(collection: ClippingPlaneCollection, frame: Matrix4 | undefined): void {
    collection.enabled = frame !== undefined;
    if (!frame) return;
    collection.removeAll();
    for (const plane of this.planes()) collection.add(plane);
    collection.modelMatrix = frame;
    collection.unionClippingRegions = true;
    collection.edgeWidth = 1.5;
    collection.edgeColor = EDGE;
  }

  private read(x: number, y: number): void {
    const now = performance.now();
    if (!this.isUnderground || now - this.readAt < READ_EVERY_MS) return;
    this.readAt = now;
    const place = placeAt(this.stage.widget, x, y);
    if (!place) return;
    const ground = heightAt(this.stage.widget.scene, place[0], place[1], this.stage.ground());
    const below = ground - place[2];
    const text = Math.abs(below).toLocaleString(language(), { minimumFractionDigits: 2, maximumFractionDigits: 2 });
    this.depth.textContent = t(below >= 0 ? "depth.below" : "depth.above", { m: text });
  }
}
