/** The ground: the terrain tiles of the server where they are on show, else a plain at one height. */
import {
  CesiumTerrainProvider,
  CustomHeightmapTerrainProvider,
  Resource,
  type CesiumWidget,
  type TerrainProvider,
} from "cesium";
import { serviceRoot, serviceUrl, type LayerInfo } from "../api/api";
import { bearer } from "../api/token";
import { t } from "../i18n/i18n";
import { whenGround } from "../scene/tilesReady";
import { coarseTile } from "./coarseTile";
import { firstLevel } from "./firstLevel";
import type { Layer } from "./layer";

const PLAIN_SIDE = 8;
/** Pixels that the ground may be off before finer tiles are asked for. Without pictures on it, more than the engine's own 2 is not seen. */
const ERROR_PX = 8;
/** A plain is the same on every level; only the roundness of the earth asks for some. */
const PLAIN_ERROR_PX = 32;
/** Light on slopes, stronger than the engine's own: cities are flat. */
const RELIEF = { strength: 2, shade: -0.5 };

export class Terrain {
  private height = 0;
  private provider: TerrainProvider | undefined;

  constructor(
    private readonly widget: CesiumWidget,
    private readonly changed: () => void,
  ) {}

  /** Whether terrain of the server is the ground. */
  get isShown(): boolean {
    return this.provider !== undefined;
  }

  /** Height of the plain, metres above the ellipsoid; seen while no terrain is on show. */
  setPlain(height: number): void {
    this.height = height;
    if (!this.provider) this.flatten();
  }

  hide(layer: Layer): void {
    layer.status = "idle";
    if (!this.provider) return;
    this.provider = undefined;
    this.flatten();
  }

  /** Resolves when the ground of the present view is there. */
  async load(layer: Layer): Promise<void> {
    layer.status = "loading";
    layer.error = undefined;
    layer.failedTiles = 0;
    this.changed();
    try {
      const provider = await open(layer.info, () => layer.info.ground_height_m ?? this.height);
      // Switched off while it was loading.
      if (!layer.visible) return;
      provider.errorEvent.addEventListener(() => {
        layer.failedTiles += 1;
        this.changed();
      });
      this.provider = provider;
      const { scene } = this.widget;
      scene.globe.maximumScreenSpaceError = ERROR_PX;
      scene.globe.enableLighting = true;
      scene.globe.lambertDiffuseMultiplier = RELIEF.strength;
      scene.globe.vertexShadowDarkness = RELIEF.shade;
      scene.terrainProvider = provider;
      await whenGround(scene, () => this.provider === provider);
      layer.status = "ready";
    } catch (error) {
      layer.status = "failed";
      layer.error = error;
    }
    this.changed();
  }

  private flatten(): void {
    const { scene } = this.widget;
    scene.globe.maximumScreenSpaceError = PLAIN_ERROR_PX;
    scene.globe.enableLighting = false;
    scene.terrainProvider = new CustomHeightmapTerrainProvider({
      width: PLAIN_SIDE,
      height: PLAIN_SIDE,
      callback: () => new Float32Array(PLAIN_SIDE * PLAIN_SIDE).fill(this.height),
    });
    scene.requestRender();
  }
}

async function open(info: LayerInfo, typical: () => number): Promise<CesiumTerrainProvider> {
  const url = serviceUrl(info.href);
  if (url.origin !== serviceRoot().origin) throw new Error(t("error.foreignTiles", { host: url.host }));
  const folder = new URL("./", url).href;
  const provider = await CesiumTerrainProvider.fromUrl(new Resource({ url: folder, headers: bearer() }), { requestVertexNormals: true });
  // Without its description the engine takes a terrain for one of another format, and all of its tiles fail.
  if (!provider.hasVertexNormals) throw new Error(t("error.terrain"));
  const first = firstLevel(info.bbox ?? undefined);
  const isAvailable = provider.getTileDataAvailable.bind(provider);
  const request = provider.requestTileGeometry.bind(provider);
  // A city is a speck on the upper levels: a dozen requests, one after the other, for ground that nobody sees. The
  // tiles must be there all the same: the engine stops at a tile whose four children have no data of their own.
  provider.getTileDataAvailable = (x, y, level) => level < first || isAvailable(x, y, level);
  provider.requestTileGeometry = (x, y, level, wanted) =>
    level < first ? Promise.resolve(coarseTile(provider.tilingScheme.tileXYToRectangle(x, y, level), typical())) : request(x, y, level, wanted);
  return provider;
}
