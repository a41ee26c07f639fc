/** Sun and shadows at a day and an hour. */
import { Cartesian3, DirectionalLight, ShadowMode, type Light, type ShadowMap } from "cesium";
import { h } from "../page/dom";
import { language, t } from "../i18n/i18n";
import type { SunState } from "../page/toolState";
import type { Stage } from "../scene/stage";
import { momentOf, sunAt, zoneHours } from "./sun";

/** Light on the ground that a low sun still leaves bright enough to tell its shadows. */
const GROUND = { strength: 0.9, shade: 0.3 };
const STEP_HOURS = 0.25;
/** Metres from the eye to where shadows end. */
const REACH_M = 4000;

/** Long shadows over a whole city need more bias than the engine's own, or walls shade themselves in stripes. */
function quieten(shadowMap: ShadowMap): void {
  const { _primitiveBias: bias } = shadowMap as unknown as { _primitiveBias: { depthBias: number; normalShadingSmooth: number } };
  bias.depthBias = 0.0006;
  bias.normalShadingSmooth = 0.2;
}

export class SunTool {
  readonly element = h("section", { class: "tool", "data-testid": "sun" });
  private on = false;
  private day = new Date().toISOString().slice(0, 10);
  private hour = 10;
  private usual: { light: Light; strength: number; shade: number } | undefined;
  private readonly answer = h("p", { class: "answer", role: "status", "data-testid": "sun-result" });

  constructor(
    private readonly stage: Stage,
    private readonly place: () => [number, number],
    private readonly changed: () => void = () => undefined,
  ) {
    this.translate();
  }

  translate(): void {
    const on = h("input", { type: "checkbox", id: "sun-on", checked: this.on, "data-testid": "sun-on" });
    on.addEventListener("change", () => {
      this.on = on.checked;
      this.apply();
      this.changed();
    });
    const day = h("input", { type: "date", id: "sun-day", value: this.day, "data-testid": "sun-day" });
    day.addEventListener("change", () => {
      if (day.value) this.day = day.value;
      this.apply();
      this.changed();
    });
    const hour = h("input", { type: "range", id: "sun-hour", min: "0", max: "23.75", step: String(STEP_HOURS), value: String(this.hour), "data-testid": "sun-hour" });
    hour.addEventListener("input", () => {
      this.hour = Number(hour.value);
      this.apply();
      this.changed();
    });
    this.element.replaceChildren(
      h("div", { class: "layer-line" }, on, h("label", { for: "sun-on" }, t("sun.on"))),
      h("div", { class: "layer-line" }, h("label", { for: "sun-day" }, t("sun.day")), day),
      h("div", { class: "layer-line" }, h("label", { for: "sun-hour" }, t("sun.hour")), hour),
      this.answer,
    );
    this.apply();
  }

  get state(): SunState | undefined {
    return this.on ? { day: this.day, hour: this.hour } : undefined;
  }

  /** Takes up the sun of a link. */
  restore({ day, hour }: SunState): void {
    this.on = true;
    this.day = day;
    this.hour = hour;
    this.translate();
  }

  stop(): void {
    this.on = false;
    this.changed();
    this.translate();
  }

  private apply(): void {
    const { scene } = this.stage.widget;
    const { shadowMap, globe } = scene;
    if (!this.on) {
      this.answer.textContent = "";
      if (this.usual) {
        scene.light = this.usual.light;
        globe.lambertDiffuseMultiplier = this.usual.strength;
        globe.vertexShadowDarkness = this.usual.shade;
      }
      this.usual = undefined;
      shadowMap.enabled = false;
      globe.shadows = ShadowMode.DISABLED;
      scene.requestRender();
      return;
    }
    const [longitude, latitude] = this.place();
    const zone = zoneHours(longitude, latitude);
    const { azimuth, altitude, towards } = sunAt(momentOf(this.day, this.hour, zone), longitude, latitude);
    this.usual ??= { light: scene.light, strength: globe.lambertDiffuseMultiplier, shade: globe.vertexShadowDarkness };
    globe.lambertDiffuseMultiplier = GROUND.strength;
    globe.vertexShadowDarkness = GROUND.shade;
    const isUp = altitude > 0;
    scene.light = new DirectionalLight({ direction: Cartesian3.negate(towards, new Cartesian3()), intensity: isUp ? 2.2 : 0.05 });
    shadowMap.enabled = isUp;
    shadowMap.size = 2048;
    shadowMap.softShadows = true;
    shadowMap.darkness = 0.45;
    shadowMap.maximumDistance = REACH_M;
    quieten(shadowMap);
    globe.shadows = ShadowMode.RECEIVE_ONLY;
    const minutes = Math.round((this.hour % 1) * 60);
    const clock = `${String(Math.floor(this.hour)).padStart(2, "0")}:${String(minutes).padStart(2, "0")} UTC${zone < 0 ? "−" : "+"}${Math.abs(zone)}`;
    const degrees = (value: number): string => value.toLocaleString(language(), { minimumFractionDigits: 1, maximumFractionDigits: 1 });
    this.answer.textContent = isUp
      ? t("sun.is", { clock, azimuth: degrees(azimuth), altitude: degrees(altitude), shadow: degrees(1 / Math.tan((altitude * Math.PI) / 180)) })
      : t("sun.down", { clock });
    scene.requestRender();
  }
}
