/** Drawing lines and areas on the view, with the mouse or by keyboard at the cross in the middle. */
import {
  ArcType,
  Cartesian2,
  Cartesian3,
  Cartographic,
  Color,
  Math as CesiumMath,
  type CesiumWidget,
  type Entity,
} from "cesium";
import type { Position } from "../analysis/geodesy";
import type { Stage } from "./stage";

const INK = Color.fromCssColorString("#d0257a");
const NEAR_PX = 12;

export type Shape = "line" | "area";

/** Place under a point of the canvas: on a building where there is one, else on the ground. */
export function placeAt(widget: CesiumWidget, x: number, y: number): Position | undefined {
  const { scene } = widget;
  const window = new Cartesian2(x, y);
  const onThing: unknown = scene.pick(window);
  const ray = widget.camera.getPickRay(window);
  const found = (onThing === undefined || !scene.pickPositionSupported ? undefined : scene.pickPosition(window)) ?? (ray && scene.globe.pick(ray, scene));
  if (!found) return undefined;
  const { longitude, latitude, height } = Cartographic.fromCartesian(found);
  return [CesiumMath.toDegrees(longitude), CesiumMath.toDegrees(latitude), height];
}

/** One shape being drawn. A click near the first point of an area, or Enter, ends it; Backspace takes a point back; Escape gives up. */
export class Drawing {
  readonly points: Position[] = [];
  isDone = false;
  private entities: Entity[] = [];
  private readonly giveBackClicks: () => void;
  private readonly keys = (event: KeyboardEvent): void => this.key(event);

  constructor(
    private readonly stage: Stage,
    private readonly shape: Shape,
    private readonly onChange: (drawing: Drawing) => void,
  ) {
    this.giveBackClicks = stage.takeClicks((x, y) => this.click(x, y));
    document.addEventListener("keydown", this.keys);
    this.paint();
    stage.widget.canvas.style.cursor = "crosshair";
  }

  /** Adds the place in the middle of the view: drawing without a mouse. */
  addMiddle(): void {
    const { clientWidth, clientHeight } = this.stage.widget.canvas;
    this.add(clientWidth / 2, clientHeight / 2);
  }

  finish(): void {
    if (this.isDone) return;
    this.isDone = true;
    this.stop();
    this.onChange(this);
  }

  /** Takes a shape that was drawn before, and ends. */
  restore(points: readonly Position[]): void {
    this.points.push(...points);
    this.paint();
    this.finish();
  }

  /** Takes the shape off the view. */
  remove(): void {
    this.isDone = true;
    this.stop();
    for (const entity of this.entities) this.stage.widget.entities.remove(entity);
    this.entities = [];
    this.stage.widget.scene.requestRender();
  }

  private stop(): void {
    this.giveBackClicks();
    document.removeEventListener("keydown", this.keys);
    this.stage.widget.canvas.style.cursor = "";
  }

  private click(x: number, y: number): void {
    const [first] = this.points;
    if (this.shape === "area" && first && this.points.length >= 3) {
      const at = this.stage.widget.scene.cartesianToCanvasCoordinates(Cartesian3.fromDegrees(...first));
      if (at && Math.hypot(at.x - x, at.y - y) < NEAR_PX) return this.finish();
    }
    this.add(x, y);
  }

  private add(x: number, y: number): void {
    const place = placeAt(this.stage.widget, x, y);
    if (!place || this.isDone) return;
    this.points.push(place);
    this.changed();
  }

  private key(event: KeyboardEvent): void {
    const typing = event.target instanceof HTMLElement && ["INPUT", "SELECT", "TEXTAREA", "BUTTON"].includes(event.target.tagName);
    if (event.key === "Escape") {
      this.points.length = 0;
      this.remove();
      this.onChange(this);
    } else if (!typing && event.key === "Enter") this.finish();
    else if (!typing && event.key === "Backspace") {
      this.points.pop();
      this.changed();
    }
  }

  private changed(): void {
    this.paint();
    this.onChange(this);
  }

  private paint(): void {
    const { entities, scene } = this.stage.widget;
    for (const entity of this.entities) entities.remove(entity);
    const at = this.points.map(([x, y, z]) => Cartesian3.fromDegrees(x, y, z + 0.3));
    const closed = this.shape === "area" && at.length > 2 && at[0] ? [...at, at[0]] : at;
    this.entities = at.map((position) =>
      entities.add({ position, point: { pixelSize: 9, color: INK, outlineColor: Color.WHITE, outlineWidth: 2, disableDepthTestDistance: Infinity } }),
    );
    if (closed.length > 1) {
      this.entities.push(entities.add({ polyline: { positions: closed, width: 3, material: INK, depthFailMaterial: INK.withAlpha(0.6), arcType: ArcType.NONE } }));
    }
    scene.requestRender();
  }
}
