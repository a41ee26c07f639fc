/** The 3D view: a plain globe, a fixed sun and the camera. Nothing in it asks a server outside our own. */
import {
  BoundingSphere,
  Cartesian2,
  Cartesian3,
  Cartographic,
  CesiumWidget,
  Color,
  Credit,
  CreditDisplay,
  DirectionalLight,
  HeadingPitchRange,
  Ion,
  Math as CesiumMath,
  Matrix4,
  Rectangle,
  RequestScheduler,
  Transforms,
} from "cesium";
import type { BBox } from "../api/api";
import type { CameraState } from "../page/urlState";

export interface SceneOptions {
  /** Keep the drawing buffer, for screenshots. */
  screenshot: boolean;
  /** Fewer pixels and no antialiasing, for software rendering. */
  lite: boolean;
}

const GROUND = Color.fromCssColorString("#dfe3de");
const SKY = Color.fromCssColorString("#c9dbe8");
const UNDERGROUND_ALPHA = 0.25;
const HOME_PITCH = -35;
const HOME_HEADING = 20;
const FLIGHT_SECONDS = 1.2;
/** Width of a field of view of 60° at distance 1. */
const FIELD_WIDTH = 2 * Math.tan(Math.PI / 6);
/** How much wider than high the ground looks at the usual pitch. */
const FLATTENING = 1.5;

export function hasWebGL(): boolean {
  return document.createElement("canvas").getContext("webgl2") !== null;
}

export function createScene(container: HTMLElement, options: SceneOptions): CesiumWidget {
  // The engine ships with a token for a hosted service; without it no such request is possible.
  CreditDisplay.cesiumCredit = new Credit("CesiumJS");
  Ion.defaultAccessToken = undefined as unknown as string;
  // One server, HTTP/1.1 or 2: let the browser queue beyond Cesium's default of 18.
  RequestScheduler.maximumRequestsPerServer = 24;
  const widget = new CesiumWidget(container, {
    baseLayer: false,
    skyBox: false,
    skyAtmosphere: false,
    scene3DOnly: true,
    showRenderLoopErrors: false,
    requestRenderMode: true,
    maximumRenderTimeChange: Infinity,
    msaaSamples: options.lite ? 1 : 4,
    creditContainer: document.createElement("div"),
    contextOptions: { webgl: { preserveDrawingBuffer: options.screenshot } },
  });
  const { scene } = widget;
  scene.backgroundColor = SKY;
  scene.fog.enabled = false;
  if (scene.sun) scene.sun.show = false;
  if (scene.moon) scene.moon.show = false;
  scene.highDynamicRange = false;
  const { globe } = scene;
  globe.baseColor = GROUND;
  globe.undergroundColor = Color.fromCssColorString("#8d8a84");
  globe.showGroundAtmosphere = false;
  globe.enableLighting = false;
  // Without this the engine paints what is below ground over it.
  globe.depthTestAgainstTerrain = true;
  scene.screenSpaceCameraController.minimumZoomDistance = 5;
  return widget;
}

/** Puts the sun south-east of the city at 50°, whatever the hour. */
export function lightCity(widget: CesiumWidget, box: BBox): void {
  const frame = Transforms.eastNorthUpToFixedFrame(centre(box, 0));
  const towards = new Cartesian3(-0.45, 0.55, -0.75);
  const direction = Matrix4.multiplyByPointAsVector(frame, towards, new Cartesian3());
  Cartesian3.normalize(direction, direction);
  widget.scene.light = new DirectionalLight({ direction, intensity: 2.0 });
}

/** Lets one see pipes: a see-through ground and a camera that may go below it. */
export function setUnderground(widget: CesiumWidget, on: boolean): void {
  const { globe, screenSpaceCameraController } = widget.scene;
  globe.translucency.enabled = on;
  globe.translucency.frontFaceAlpha = on ? UNDERGROUND_ALPHA : 1;
  // The inside of the globe and the skirts of its tiles would show as shards below the city.
  globe.translucency.backFaceAlpha = on ? 0 : 1;
  globe.showSkirts = !on;
  screenSpaceCameraController.enableCollisionDetection = !on;
  widget.scene.requestRender();
}

function centre(box: BBox, height: number): Cartesian3 {
  return Cartesian3.fromDegrees((box[0] + box[2]) / 2, (box[1] + box[3]) / 2, height);
}

/** Borders of the view that panels cover, CSS pixels. */
export interface Insets {
  left: number;
  right: number;
  bottom: number;
}

/** Shows a box of the ground obliquely; `height` is that of the ground in metres above the ellipsoid. */
export function showBox(widget: CesiumWidget, box: BBox, height: number, minRadius: number, insets: Insets, fly: boolean): void {
  const middle = centre(box, height);
  const corner = Cartesian3.fromDegrees(box[0], box[1], height);
  showSphere(widget, new BoundingSphere(middle, Math.max(Cartesian3.distance(middle, corner), minRadius)), insets, fly);
}

/** Shows a sphere in the part of the view that no panel covers. */
export function showSphere(widget: CesiumWidget, sphere: BoundingSphere, insets: Insets, fly: boolean): void {
  const { clientWidth: width, clientHeight: height } = widget.scene.canvas;
  const free = Math.max(100, Math.min(width - insets.left - insets.right, (height - insets.bottom) * FLATTENING));
  // The wider side of the canvas spans the field of view of 60°.
  const span = Math.max(width, height);
  const range = Math.max(60, (sphere.radius * 2 * span) / free / FIELD_WIDTH);
  const metresPerPixel = (range * FIELD_WIDTH) / span;
  const right = ((insets.right - insets.left) / 2) * metresPerPixel;
  const back = ((insets.bottom / 2) * metresPerPixel) / Math.sin(CesiumMath.toRadians(-HOME_PITCH));
  const heading = CesiumMath.toRadians(HOME_HEADING);
  const east = right * Math.cos(heading) - back * Math.sin(heading);
  const north = -right * Math.sin(heading) - back * Math.cos(heading);
  const frame = Transforms.eastNorthUpToFixedFrame(sphere.center);
  const target = Matrix4.multiplyByPoint(frame, new Cartesian3(east, north, 0), new Cartesian3());
  const offset = new HeadingPitchRange(heading, CesiumMath.toRadians(HOME_PITCH), range);
  const aim = new BoundingSphere(target, sphere.radius);
  if (fly) {
    widget.camera.flyToBoundingSphere(aim, { offset, duration: FLIGHT_SECONDS });
  } else {
    // A flight goes on over a view that is set meanwhile.
    widget.camera.cancelFlight();
    widget.camera.viewBoundingSphere(aim, offset);
    widget.camera.lookAtTransform(Matrix4.IDENTITY);
  }
  widget.scene.requestRender();
}

/** Place in the middle of the view and its distance; undefined where the middle is sky. */
export function lookedAt(widget: CesiumWidget): { longitude: number; latitude: number; height: number } | undefined {
  const { camera, scene, canvas } = widget;
  const ray = camera.getPickRay(new Cartesian2(canvas.clientWidth / 2, canvas.clientHeight / 2));
  const place = ray && (scene.globe.pick(ray, scene) ?? camera.pickEllipsoid(new Cartesian2(canvas.clientWidth / 2, canvas.clientHeight / 2)));
  if (!place) return undefined;
  const { longitude, latitude } = Cartographic.fromCartesian(place);
  return { longitude: CesiumMath.toDegrees(longitude), latitude: CesiumMath.toDegrees(latitude), height: Cartesian3.distance(place, camera.positionWC) };
}

export function readCamera(widget: CesiumWidget): CameraState {
  const { positionCartographic: at, heading, pitch } = widget.camera;
  return {
    longitude: CesiumMath.toDegrees(at.longitude),
    latitude: CesiumMath.toDegrees(at.latitude),
    height: at.height,
    heading: CesiumMath.toDegrees(heading) % 360,
    pitch: CesiumMath.toDegrees(pitch),
  };
}

export function applyCamera(widget: CesiumWidget, state: CameraState): void {
  widget.camera.cancelFlight();
  widget.camera.setView({
    destination: Cartesian3.fromDegrees(state.longitude, state.latitude, state.height),
    orientation: {
      heading: CesiumMath.toRadians(state.heading),
      pitch: CesiumMath.toRadians(state.pitch),
      roll: 0,
    },
  });
  widget.scene.requestRender();
}

/** The whole earth is never a city: guards against a layer without bounds. */
export function isWholeEarth(box: BBox): boolean {
  return Rectangle.fromDegrees(...box).width > CesiumMath.PI;
}
