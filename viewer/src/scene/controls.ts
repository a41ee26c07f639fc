/** Camera buttons and keys, so that the view can be moved without a mouse. */
import { Math as CesiumMath, type CesiumWidget } from "cesium";
import { button, icon } from "../page/dom";
import { t } from "../i18n/i18n";

const STEP = 0.15;

function move(widget: CesiumWidget, action: (step: number) => void): void {
  const height = Math.max(30, Math.abs(widget.camera.positionCartographic.height));
  action(height * STEP);
  widget.scene.requestRender();
}

/** Turns the camera to the north and keeps its place. */
function northUp(widget: CesiumWidget): void {
  const { camera } = widget;
  camera.setView({ orientation: { heading: 0, pitch: camera.pitch, roll: 0 } });
  widget.scene.requestRender();
}

export function drawControls(root: HTMLElement, widget: CesiumWidget, home: () => void): void {
  const { camera } = widget;
  root.setAttribute("aria-label", t("app.controls"));
  root.replaceChildren(
    button(t("view.home"), { class: "icon", "data-testid": "home" }, home, icon("home")),
    button(t("view.zoomIn"), { class: "icon", "data-testid": "zoom-in" }, () => move(widget, (step) => camera.zoomIn(step * 2)), icon("plus")),
    button(t("view.zoomOut"), { class: "icon", "data-testid": "zoom-out" }, () => move(widget, (step) => camera.zoomOut(step * 2)), icon("minus")),
    button(t("view.north"), { class: "icon", "data-testid": "north" }, () => northUp(widget), icon("north")),
  );
}

/** Keys on the focused canvas: arrows move along the ground, + and − zoom, Home shows the city. */
export function bindKeys(widget: CesiumWidget, home: () => void): void {
  const { camera, canvas } = widget;
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "application");
  const alongGround = (turn: number) => (step: number): void => {
    const angle = camera.heading + turn;
    const { longitude, latitude, height } = camera.positionCartographic;
    const radians = step / 6_378_137;
    camera.setView({
      destination: widget.scene.globe.ellipsoid.cartographicToCartesian({
        longitude: longitude + (radians * Math.sin(angle)) / Math.cos(latitude),
        latitude: latitude + radians * Math.cos(angle),
        height,
      } as typeof camera.positionCartographic),
      orientation: { heading: camera.heading, pitch: camera.pitch, roll: 0 },
    });
  };
  const actions: Record<string, (step: number) => void> = {
    ArrowUp: alongGround(0),
    ArrowRight: alongGround(CesiumMath.PI_OVER_TWO),
    ArrowDown: alongGround(CesiumMath.PI),
    ArrowLeft: alongGround(-CesiumMath.PI_OVER_TWO),
    "+": (step) => camera.zoomIn(step),
    "=": (step) => camera.zoomIn(step),
    "-": (step) => camera.zoomOut(step),
    Home: home,
  };
  canvas.addEventListener("keydown", (event) => {
    const action = actions[event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    move(widget, action);
  });
}
