/** One 3D layer: its state, its light and what a feature of it is called. */
import { Cartesian2, Cartesian3, ImageBasedLighting, type Cesium3DTileFeature, type Cesium3DTileset } from "cesium";
import type { LayerInfo } from "../api/api";

export type Status = "idle" | "loading" | "ready" | "failed";

export interface Picked {
  layer: string;
  code: string;
  properties: Record<string, unknown>;
  /** Of what the code is, where it is not a feature of the layer's own collection: of the model or storey that a block stands for. */
  collection?: string;
}

const FLAT = { lighting: new Cartesian3(0.42, 0.435, 0.46), none: new Cartesian3() };

/** Even light from the sky, so that walls away from the sun are not black. */
export function skyLight(): ImageBasedLighting {
  const coefficients = [FLAT.lighting, ...Array.from({ length: 8 }, () => FLAT.none)];
  const light = new ImageBasedLighting();
  light.sphericalHarmonicCoefficients = coefficients;
  light.imageBasedLightingFactor = new Cartesian2(1, 0);
  return light;
}

/** Whether a feature is a block of the far view, which stands for many buildings. */
export function isBlock(layer: Layer, feature: Cesium3DTileFeature): boolean {
  const code: unknown = feature.getProperty(layer.codeProperty);
  return code === undefined || code === null || code === "";
}

/** What a block of the far view of a BIM model stands for: a storey, else the model; undefined for any other feature. */
export function standsFor(layer: Layer, feature: Cesium3DTileFeature): { code: string; collection: string } | undefined {
  if (layer.info.kind !== "bim" || !isBlock(layer, feature)) return undefined;
  for (const [name, collection] of [["storey_code", "bim-storeys"], ["model_code", "bim-models"]] as const) {
    const code: unknown = feature.getProperty(name);
    if (typeof code === "string" && code !== "") return { code, collection };
  }
  return undefined;
}

/** A code as text. */
export function text(code: unknown): string {
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
  /** Whether a feature is left out, for reasons of a tool (storey, discipline). */
  isLeftOut: ((feature: Cesium3DTileFeature) => boolean) | undefined;

  constructor(readonly info: LayerInfo) {}

  get codeProperty(): string {
    return this.info.code_property ?? "code";
  }
}

