/** What a tool may ask of the page: the scene, the layers, the way to a place or a feature. */
import type { CesiumWidget } from "cesium";
import type { BBox, LayerList } from "../api/api";
import type { Layers } from "../layers/layers";

/** Takes a click on the view instead of the selection; canvas pixels. */
export type ClickTaker = (x: number, y: number) => void;

export interface Stage {
  readonly widget: CesiumWidget;
  readonly layers: Layers;
  readonly list: LayerList;
  /** Typical ground height, metres above the ellipsoid. */
  ground: () => number;
  /** Selects a feature and goes to it. */
  go: (collection: string, code: string) => void;
  /** Shows a part of the ground. */
  look: (box: BBox) => void;
  /**
   * Gives the clicks on the view to a tool. The answer gives them back to the selection,
   * unless another tool has taken them since.
   */
  takeClicks: (taker: ClickTaker) => () => void;
}
