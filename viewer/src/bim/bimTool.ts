/** Looking into a BIM model: storeys, disciplines, elements, and the plain block it stands for. */
import type { Cesium3DTileFeature } from "cesium";
import { reason } from "../api/api";
import { button, h } from "../page/dom";
import { language, onLanguage, pick, t } from "../i18n/i18n";
import { text, type Layer } from "../layers/layer";
import type { Stage } from "../scene/stage";
import { DISCIPLINE_TITLES, DISCIPLINES, type Discipline } from "./disciplines";
import { elementTree } from "./elementTree";
import { Explosion } from "./explode";
import { readModel, type Model } from "./model";

type Mode = "all" | "below" | "only";
const MODES: readonly Mode[] = ["all", "below", "only"];
const PREFIX = "bim/";
/** Metres that storeys can be pulled apart. */
const WIDEST_GAP = 15;

export interface BimHooks {
  /** Shows a model's layer and goes to it. */
  show: (layer: Layer) => void;
}

export class BimTool {
  readonly element = h("section", { class: "tool", "data-testid": "bim" });
  private layer: Layer | undefined;
  private model: Model | undefined;
  private failure: string | undefined;
  private mode: Mode = "all";
  private storey = 0;
  private hidden = new Set<Discipline>();
  private isolated: string | undefined;
  private selected: string | undefined;
  private turn = 0;
  private gap = 0;
  private explosion: { of: Layer["tileset"]; by: Explosion } | undefined;

  constructor(
    private readonly stage: Stage,
    private readonly hooks: BimHooks,
  ) {
    this.draw();
    onLanguage(() => this.draw());
  }

  private get layers(): Layer[] {
    return this.stage.layers.all.filter(({ info }) => info.kind === "bim");
  }

  /** The selected element, which can be isolated; undefined where something else is selected. */
  offer(layerId: string | undefined, code?: string): void {
    const layer = this.layers.find(({ info }) => info.id === layerId);
    this.selected = layer ? code : undefined;
    if (layer && layer !== this.layer) void this.choose(layer);
    else this.drawIsolate();
  }

  private async choose(layer: Layer | undefined, show = false): Promise<void> {
    if (this.layer) this.layer.isLeftOut = undefined;
    this.layer = layer;
    this.model = undefined;
    this.failure = undefined;
    this.mode = "all";
    this.hidden.clear();
    this.isolated = undefined;
    this.gap = 0;
    this.explode();
    this.turn += 1;
    const mine = this.turn;
    this.stage.layers.restyle();
    this.draw();
    if (!layer) return;
    if (show) this.hooks.show(layer);
    try {
      const model = await readModel(layer.info.id.slice(PREFIX.length));
      if (mine !== this.turn) return;
      this.model = model;
      this.storey = Math.max(0, model.storeys.length - 1);
    } catch (error) {
      if (mine !== this.turn) return;
      this.failure = reason(error);
    }
    this.apply();
    this.draw();
  }

  private apply(): void {
    const { layer, model, mode, storey, hidden, isolated } = this;
    if (!layer) return;
    const free = mode === "all" && hidden.size === 0 && isolated === undefined;
    layer.isLeftOut = free || !model ? undefined : (feature: Cesium3DTileFeature): boolean => {
      const code = text(feature.getProperty(layer.codeProperty));
      if (isolated !== undefined) return code !== isolated;
      const element = model.elements.get(code);
      if (!element) return false;
      return hidden.has(element.discipline) || (mode === "below" && element.storey > storey) || (mode === "only" && element.storey !== storey);
    };
    this.stage.layers.restyle();
  }

  /** Pulls the storeys of the chosen model apart; a gap of zero puts them back. */
  private explode(): void {
    const tileset = this.model && this.layer?.tileset;
    if (this.explosion && this.explosion.of !== tileset) {
      if (!this.explosion.of?.isDestroyed()) this.explosion.by.end();
      this.explosion = undefined;
    }
    if (tileset && this.model && (this.gap > 0 || this.explosion)) {
      this.explosion ??= { of: tileset, by: new Explosion(tileset) };
      this.explosion.by.set(this.gap, new Map(this.model.storeys.map(({ code }, rank) => [code, rank])));
    }
    this.stage.widget.scene.requestRender();
  }

  /** Draws the tool anew: other models may have been published. */
  draw(): void {
    const { layers, layer, model } = this;
    if (layers.length === 0) {
      this.element.replaceChildren(h("p", { class: "hint" }, t("bim.none")));
      return;
    }
    const choice = h("select", { id: "bim-model", "data-testid": "bim-model" }, h("option", { value: "" }, t("bim.choose")));
    for (const { info } of layers) choice.append(h("option", { value: info.id }, pick(info.title) || info.id));
    choice.value = layer?.info.id ?? "";
    choice.addEventListener("change", () => void this.choose(layers.find(({ info }) => info.id === choice.value), true));
    const head = h("div", { class: "layer-line" }, h("label", { for: "bim-model" }, t("bim.model")), choice);
    const body: (HTMLElement | undefined)[] = [];
    if (this.failure) body.push(h("p", { class: "bad", role: "alert" }, t("bim.failed", { reason: this.failure })));
    else if (layer && !model) body.push(h("p", { class: "hint", role: "status" }, t("bim.reading")));
    if (layer && model) body.push(this.replacing(layer), this.alone(), ...this.storeys(model), this.disciplines(model), this.isolate, elementTree(model, (code) => this.stage.go("bim-elements", code)));
    if (model && model.unread > 0) body.push(h("p", { class: "hint" }, t("bim.more", { n: model.unread.toLocaleString(language()) })));
    this.element.replaceChildren(head, ...body.filter((one): one is HTMLElement => one !== undefined));
    this.drawIsolate();
  }

  private replacing(layer: Layer): HTMLElement | undefined {
    if (!layer.info.replaces?.length) return undefined;
    const box = h("input", { type: "checkbox", id: "bim-replace", checked: this.stage.layers.isReplacing, "data-testid": "bim-replace" });
    box.addEventListener("change", () => this.stage.layers.setReplacing(box.checked));
    return h("div", { class: "layer-line" }, box, h("label", { for: "bim-replace" }, t("bim.replace")));
  }

  /** Buildings around a model stand in the way of the look into it. */
  private alone(): HTMLElement {
    const buildings = this.stage.layers.all.filter(({ info }) => info.kind === "buildings");
    const box = h("input", { type: "checkbox", id: "bim-alone", checked: buildings.every(({ visible }) => !visible), "data-testid": "bim-alone" });
    box.addEventListener("change", () => buildings.forEach((layer) => void this.stage.layers.setVisible(layer, !box.checked)));
    return h("div", { class: "layer-line" }, box, h("label", { for: "bim-alone" }, t("bim.alone")));
  }

  private storeys({ storeys }: Model): HTMLElement[] {
    if (storeys.length === 0) return [];
    const mode = h("select", { id: "bim-mode", "data-testid": "bim-mode" });
    for (const id of MODES) mode.append(h("option", { value: id }, t(`bim.${id}`)));
    mode.value = this.mode;
    const range = h("input", {
      type: "range", id: "bim-storey", min: "0", max: String(storeys.length - 1), step: "1", value: String(this.storey), "data-testid": "bim-storey",
    });
    const name = h("output", { for: "bim-storey", "data-testid": "bim-storey-name" });
    const say = (): void => {
      const at = storeys[this.storey];
      const spoken = at ? `${at.name} (${at.elevation.toLocaleString(language(), { maximumFractionDigits: 2 })} m)` : "";
      name.textContent = spoken;
      range.setAttribute("aria-valuetext", spoken);
    };
    mode.addEventListener("change", () => {
      this.mode = mode.value as Mode;
      this.apply();
    });
    range.addEventListener("input", () => {
      this.storey = Number(range.value);
      // Moving the slider says that a storey is wanted.
      if (this.mode === "all") this.mode = "below";
      mode.value = this.mode;
      say();
      this.apply();
    });
    say();
    const gap = h("input", {
      type: "range", id: "bim-gap", min: "0", max: String(WIDEST_GAP), step: "0.5", value: String(this.gap), "data-testid": "bim-gap",
    });
    const metres = h("output", { class: "hint", for: "bim-gap" }, `${this.gap} m`);
    gap.addEventListener("input", () => {
      this.gap = Number(gap.value);
      metres.textContent = `${this.gap} m`;
      this.explode();
    });
    return [
      h("div", { class: "layer-line" }, h("label", { for: "bim-mode" }, t("bim.storeys")), mode),
      h("div", { class: "layer-line" }, h("label", { for: "bim-storey" }, t("bim.storey")), range),
      name,
      h("div", { class: "layer-line" }, h("label", { for: "bim-gap" }, t("bim.explode")), gap, metres),
    ];
  }

  private disciplines(model: Model): HTMLElement {
    const counts = new Map<Discipline, number>();
    for (const { discipline } of model.elements.values()) counts.set(discipline, (counts.get(discipline) ?? 0) + 1);
    const rows = DISCIPLINES.filter((id) => counts.has(id)).map((id) => {
      const box = h("input", { type: "checkbox", id: `discipline-${id}`, checked: !this.hidden.has(id), "data-testid": `discipline-${id}` });
      box.addEventListener("change", () => {
        if (box.checked) this.hidden.delete(id);
        else this.hidden.add(id);
        this.apply();
      });
      const count = h("span", { class: "hint" }, (counts.get(id) ?? 0).toLocaleString(language()));
      return h("div", { class: "layer-line" }, box, h("label", { for: `discipline-${id}` }, t(DISCIPLINE_TITLES[id])), count);
    });
    return h("fieldset", {}, h("legend", {}, t("bim.disciplines")), ...rows);
  }

  private readonly isolate = h("p", { class: "buttons" });

  private drawIsolate(): void {
    const { isolated, selected } = this;
    this.isolate.replaceChildren();
    if (isolated !== undefined) {
      this.isolate.append(button(t("bim.unisolate"), { "data-testid": "bim-unisolate" }, () => this.only(undefined), t("bim.unisolate")));
    } else if (selected !== undefined && this.model?.elements.has(selected)) {
      this.isolate.append(button(t("bim.isolate"), { "data-testid": "bim-isolate" }, () => this.only(selected), t("bim.isolate")));
    }
  }

  private only(code: string | undefined): void {
    this.isolated = code;
    this.apply();
    this.drawIsolate();
  }
}
