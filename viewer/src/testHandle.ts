/** Handle for automated tests and for people at the browser console. */
import type { CesiumWidget } from "cesium";
import type { App } from "./app";
import { reason } from "./api/api";
import { language } from "./i18n/i18n";
import type { Layer, Picked } from "./layers/layer";
import type { Notices } from "./page/notices";

export interface LayerState {
  visible: boolean;
  status: string;
  error: string | undefined;
  failedTiles: number;
  features: number;
  triangles: number;
}

export interface CimViewer {
  viewer: CesiumWidget;
  ready: Promise<void>;
  layers: Layer[];
  pickAt(x: number, y: number): Picked | undefined;
  selectCode(code: string): Promise<boolean>;
  /** Does what a click on a building of this code does. */
  pick(code: string): void;
  /** Looks straight down from a height above the ground, metres. */
  stand(longitude: number, latitude: number, height: number): void;
  /** Shows the whole city at once, without a flight. */
  home(): void;
  /** The flat map, once it was shown. */
  map(): unknown;
  state(): Record<string, unknown> & { layers: Record<string, LayerState> };
}

declare global {
  interface Window {
    cimViewer?: CimViewer;
  }
}

interface Statistics {
  statistics?: { numberOfFeaturesSelected: number; numberOfTrianglesSelected: number };
}

export function exposeForTests(app: App, ready: Promise<void>, notices: Notices): void {
  window.cimViewer = {
    viewer: app.widget,
    ready,
    layers: app.layers.all,
    pickAt: (x, y) => app.layers.pickAt(x, y),
    pick: (code) => {
      const layer = app.layers.all.find(({ info }) => info.kind === "buildings");
      if (layer) app.selectPicked({ layer: layer.info.id, code, properties: {} });
    },
    stand: (longitude, latitude, height) => app.view.apply({ longitude, latitude, height, heading: 0, pitch: -55 }),
    home: () => app.home(false),
    map: () => app.view.map2d,
    selectCode: async (code) => (await app.selectCode(code)) === undefined,
    state: () => {
      const { camera, selected, underground } = app.viewState();
      const layers = Object.fromEntries(app.layers.all.map((layer) => [layer.info.id, describe(layer)]));
      return { language: language(), camera, selected, underground, layers, messages: notices.keys };
    },
  };
}

function describe(layer: Layer): LayerState {
  const counts = (layer.tileset as unknown as Statistics | undefined)?.statistics;
  return {
    visible: layer.visible,
    status: layer.status,
    error: layer.error === undefined ? undefined : reason(layer.error),
    failedTiles: layer.failedTiles,
    features: counts?.numberOfFeaturesSelected ?? 0,
    triangles: counts?.numberOfTrianglesSelected ?? 0,
  };
}
