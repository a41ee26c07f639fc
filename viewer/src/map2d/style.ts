/** MapLibre layers of the 2D mode, in the colours of the 3D view. Pure. */
import type { ExpressionSpecification, FilterSpecification, LayerSpecification } from "maplibre-gl";
import type { LayerInfo } from "../api/api";
import { networkColour, SELECTED } from "../style/style";
import { classColour, NONE, numbersOf, type ThemeClass, type AnyTheme } from "../style/theme";

/** The map layers that draw one layer of the server; ids begin with the layer's id and a colon. */
export function mapLayers(info: LayerInfo): LayerSpecification[] {
  const { id, collection } = info;
  if (info.kind === "buildings") {
    const source = { source: collection, "source-layer": collection };
    return [
      { id: `${id}:fill`, type: "fill", ...source, paint: { "fill-color": "#cccccc" } },
      { id: `${id}:edge`, type: "line", ...source, minzoom: 15, paint: { "line-color": "#00000055", "line-width": 0.7 } },
    ];
  }
  if (info.kind === "network") {
    const points = collection.replace(/-lines$/, "-points");
    const colour = networkColour(id);
    return [
      { id: `${id}:line`, type: "line", source: collection, "source-layer": collection, paint: { "line-color": colour, "line-width": 2 } },
      { id: `${id}:point`, type: "circle", source: points, "source-layer": points, minzoom: 16, paint: { "circle-color": colour, "circle-radius": 3.5, "circle-stroke-color": "#fff", "circle-stroke-width": 1 } },
    ];
  }
  if (info.kind === "bim") {
    const filter: FilterSpecification = ["==", ["get", "model_code"], id.replace(/^bim\//, "")];
    return [{ id: `${id}:fill`, type: "fill", source: collection, "source-layer": collection, filter, paint: { "fill-color": "#8d99ae", "fill-opacity": 0.6, "fill-outline-color": "#16242f" } }];
  }
  return [];
}

/** What marks the selected feature of a collection. */
export function selectedLayers(collection: string): LayerSpecification[] {
  const source = { source: collection, "source-layer": collection, filter: ["==", ["get", "code"], ""] as FilterSpecification };
  return [
    { id: `selected:${collection}:line`, type: "line", ...source, paint: { "line-color": SELECTED, "line-width": 5 } },
    { id: `selected:${collection}:edge`, type: "line", ...source, paint: { "line-color": "#16242f", "line-width": 1.5 } },
    ...(collection.endsWith("-points")
      ? [{ id: `selected:${collection}:point`, type: "circle", ...source, paint: { "circle-color": SELECTED, "circle-radius": 8, "circle-stroke-color": "#16242f", "circle-stroke-width": 1.5 } } satisfies LayerSpecification]
      : []),
  ];
}

/** Class of a building as an expression, the same as `classOf`. */
export function classExpression(theme: AnyTheme): ExpressionSpecification {
  const numbers = numbersOf(theme);
  const value: ExpressionSpecification = ["get", theme];
  if (!numbers) return ["coalesce", value, NONE];
  const steps = numbers.steps.flatMap((step, index): [number, string] => [step, String(index + 1)]);
  return ["case", ["==", ["typeof", value], "number"], ["step", ["to-number", value], "0", ...steps], NONE] as ExpressionSpecification;
}

export function colourExpression(theme: AnyTheme, classes: readonly ThemeClass[]): ExpressionSpecification | string {
  const pairs = classes.flatMap(({ id, colour }) => [id, colour]);
  return pairs.length === 0 ? classColour(theme, NONE) : (["match", classExpression(theme), ...pairs, classColour(theme, NONE)] as unknown as ExpressionSpecification);
}

export function hiddenFilter(theme: AnyTheme, hidden: ReadonlySet<string>): FilterSpecification | null {
  return hidden.size === 0 ? null : ["!", ["in", classExpression(theme), ["literal", [...hidden]]]];
}
