/** The layer tree: one switch per layer of the server, grouped by kind. */
import { reason, type LayerKind } from "../api/api";
import { button, h, icon } from "../page/dom";
import { language, pick, t } from "../i18n/i18n";
import type { Layer } from "./layer";
import { colourMark } from "../style/legend";
import { networkColour } from "../style/style";

export interface TreeActions {
  toggle(layer: Layer, on: boolean): void;
  flyTo(layer: Layer): void;
}

const KINDS: readonly LayerKind[] = ["buildings", "bim", "network", "citymodel", "pointcloud", "terrain"];

/** Rebuilding drops the focus, so keyboard users would lose their place: it is put back by id. */
function keepFocus(root: HTMLElement, redraw: () => void): void {
  const active = document.activeElement;
  const id = active && root.contains(active) ? active.id : "";
  redraw();
  if (id) document.getElementById(id)?.focus();
}

export function drawTree(root: HTMLElement, layers: readonly Layer[], listed: boolean, actions: TreeActions): void {
  keepFocus(root, () => {
    root.replaceChildren();
    if (listed && layers.length === 0) {
      root.append(h("p", { class: "hint" }, t("layer.none"), h("br"), h("code", {}, t("layer.noneHint"))));
    }
    for (const kind of KINDS) {
      const members = layers.filter(({ info }) => info.kind === kind);
      if (members.length === 0) continue;
      const title = t(`group.${kind}`);
      const rows = members.map((layer) => row(layer, actions));
      root.append(h("fieldset", { "data-testid": `group-${kind}` }, h("legend", {}, title), ...rows));
    }
  });
}

function row(layer: Layer, actions: TreeActions): HTMLElement {
  const { info } = layer;
  const name = pick(info.title) || info.id;
  const id = `layer-${info.id}`;
  const box = h("input", { type: "checkbox", id, checked: layer.visible, "data-testid": `toggle-${info.id}` });
  box.addEventListener("change", () => actions.toggle(layer, box.checked));
  const mark = info.kind === "network" ? colourMark(networkColour(info.id)) : undefined;
  const label = h("label", { for: id }, mark, name);
  if (info.synthetic) label.append(h("span", { class: "badge" }, t("layer.synthetic")));
  const go = button(
    t("layer.flyTo", { name }),
    { class: "icon", id: `fly-${info.id}`, "data-testid": `fly-${info.id}` },
    () => actions.flyTo(layer),
    icon("target"),
  );
  const state = describe(layer);
  const failed = layer.visible && (layer.status === "failed" || layer.failedTiles > 0);
  const details = h("div", { class: failed ? "detail bad" : "detail", "data-testid": `status-${info.id}` }, state);
  if (layer.visible && layer.status === "failed") {
    details.append(
      " ",
      button(t("layer.retry"), { class: "link", id: `retry-${info.id}` }, () => actions.toggle(layer, true), t("layer.retry")),
    );
  }
  const note = pick(info.note ?? undefined);
  const count = info.n_features?.toLocaleString(language());
  const size = count === undefined ? undefined : h("span", { class: "hint", title: t("layer.features", { n: count }) }, count);
  return h(
    "div",
    { class: "layer", "data-status": layer.status },
    h("div", { class: "layer-line" }, box, label, size, go),
    details,
    note && layer.visible ? h("div", { class: "detail" }, note) : undefined,
  );
}

function describe(layer: Layer): string {
  if (!layer.visible) return "";
  if (layer.status === "failed") return t("layer.failed", { reason: reason(layer.error) });
  if (layer.failedTiles > 0) return t("layer.tilesFailed", { n: layer.failedTiles });
  if (layer.pendingTiles > 0) return t("layer.pending", { n: layer.pendingTiles });
  return layer.status === "loading" ? t("layer.loading") : "";
}
