/** The 2D mode: MapLibre on the vector tiles of the server, with the layers, colours and selection of the 3D view. */
import "./map2d.css";
import { Map as MapLibre, setWorkerUrl, type MapGeoJSONFeature, type SourceSpecification } from "maplibre-gl";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url";
import { serviceUrl, type BBox, type LayerInfo } from "../api/api";
import { bearer } from "../api/token";
import type { NetworkThemeId, ThemeClass, ThemeId } from "../style/theme";
import { networkColour } from "../style/style";
import { Chosen, type Choice } from "./chosen";
import { colourExpression, hiddenFilter, mapLayers, selectedLayers } from "./style";

/** Width of the earth at the equator on a map of zoom 0, 512 pixels [m per pixel]. */
const METRES_PER_PIXEL = 78_271.517;
const NEAR_PX = 6;
const MAX_TILE_ZOOM = 18;

export interface MapPicked {
  layer: string;
  collection: string;
  code: string;
}

export interface MapHooks {
  pick: (picked: MapPicked | undefined) => void;
  moved: () => void;
  /** Takes how many of all chosen buildings could be drawn, or why none could. */
  chosen: (drawn: number, matched: number, error?: unknown) => void;
}

export class Map2d {
  readonly map: MapLibre;
  /** Resolves when style and first tiles are there. */
  readonly ready: Promise<void>;
  private selected: string | undefined;
  private readonly chosen: Chosen | undefined;

  constructor(
    root: HTMLElement,
    private readonly infos: readonly LayerInfo[],
    hooks: MapHooks,
    label: string,
  ) {
    setWorkerUrl(workerUrl);
    this.map = new MapLibre({
      container: root,
      attributionControl: false,
      maplibreLogo: false,
      canvasContextAttributes: { preserveDrawingBuffer: true },
      style: { version: 8, sources: this.sources(), layers: [{ id: "ground", type: "background", paint: { "background-color": "#eef0ec" } }, ...this.layers()] },
      transformRequest: (url) => ({ url, headers: bearer() }),
      maxZoom: 22,
      fadeDuration: 0,
    });
    this.map.getCanvas().setAttribute("aria-label", label);
    this.ready = new Promise((resolve) => void this.map.once("idle", () => resolve()));
    this.map.on("click", ({ point }) => {
      const box: [[number, number], [number, number]] = [[point.x - NEAR_PX, point.y - NEAR_PX], [point.x + NEAR_PX, point.y + NEAR_PX]];
      const exact = this.picked(this.map.queryRenderedFeatures(point));
      hooks.pick(exact ?? this.picked(this.map.queryRenderedFeatures(box)));
    });
    this.map.on("moveend", hooks.moved);
    const buildings = infos.find(({ kind }) => kind === "buildings");
    this.chosen = buildings && new Chosen(this.map, buildings.collection, () => this.box, hooks.chosen);
  }

  private get collections(): string[] {
    return [...new Set(this.infos.flatMap((info) => mapLayers(info).map((layer) => ("source" in layer ? layer.source : "")).filter(Boolean)))];
  }

  private sources(): Record<string, SourceSpecification> {
    const source = (id: string): SourceSpecification => ({
      type: "vector",
      // The braces are MapLibre's own: an encoded address would hide them.
      tiles: [`${serviceUrl(`collections/${encodeURIComponent(id)}/tiles/xyz/`).href}{z}/{x}/{y}`],
      maxzoom: MAX_TILE_ZOOM,
    });
    return Object.fromEntries(this.collections.map((id) => [id, source(id)]));
  }

  private layers(): ReturnType<typeof mapLayers> {
    const drawn = this.infos.flatMap((info) => mapLayers(info).map((layer) => ({ ...layer, layout: { visibility: "none" as const } }))) as ReturnType<typeof mapLayers>;
    const marks = this.collections.flatMap(selectedLayers).map((layer) => ({ ...layer, layout: { visibility: "none" as const } })) as ReturnType<typeof mapLayers>;
    return [...drawn, ...marks];
  }

  private picked(features: readonly MapGeoJSONFeature[]): MapPicked | undefined {
    for (const { layer, properties } of features) {
      const id = layer.id.slice(0, layer.id.lastIndexOf(":"));
      const code: unknown = properties["code"];
      if (typeof code === "string" && this.infos.some((info) => info.id === id)) return { layer: id, collection: layer.source.replace(/@chosen$/, ""), code };
    }
    return undefined;
  }

  setVisible(id: string, on: boolean): void {
    this.whenStyled(() => {
      for (const { id: layer } of this.map.getStyle().layers) {
        if (layer.startsWith(`${id}:`)) this.map.setLayoutProperty(layer, "visibility", on ? "visible" : "none");
      }
      if (this.selected !== undefined) this.select(this.selected);
    });
  }

  setTheme(theme: ThemeId, classes: readonly ThemeClass[], hidden: ReadonlySet<string>): void {
    this.whenStyled(() => {
      for (const { id, kind } of this.infos) {
        if (kind !== "buildings") continue;
        this.map.setPaintProperty(`${id}:fill`, "fill-color", colourExpression(theme, classes));
        for (const part of ["fill", "edge"]) this.map.setFilter(`${id}:${part}`, hiddenFilter(theme, hidden));
      }
    });
  }

  /** Shows the buildings of an instant or of a CQL2 filter; neither: all, as they stand. */
  setChoice(choice: Choice): void {
    this.whenStyled(() => void this.chosen?.set(choice));
  }

  /** Colours lines of the networks. */
  setNetworkTheme(theme: NetworkThemeId, classes: readonly ThemeClass[], hidden: ReadonlySet<string>): void {
    this.whenStyled(() => {
      for (const { id, kind } of this.infos) {
        if (kind !== "network") continue;
        this.map.setPaintProperty(`${id}:line`, "line-color", theme === "kind" ? networkColour(id) : colourExpression(theme, classes));
        this.map.setFilter(`${id}:line`, theme === "kind" ? null : hiddenFilter(theme, hidden));
      }
    });
  }

  select(code: string | undefined): void {
    this.selected = code;
    this.whenStyled(() => {
      const drawn = this.map.getStyle().layers;
      const sources = new Set(drawn.filter((layer) => !layer.id.startsWith("selected:") && layer.layout?.visibility === "visible").map((layer) => ("source" in layer ? layer.source : "")));
      for (const layer of drawn) {
        if (!layer.id.startsWith("selected:") || !("source" in layer)) continue;
        // A hidden layer asks for no tiles: only the collections on show are marked.
        this.map.setLayoutProperty(layer.id, "visibility", this.selected !== undefined && sources.has(layer.source) ? "visible" : "none");
        this.map.setFilter(layer.id, ["==", ["get", "code"], this.selected ?? ""]);
      }
    });
  }

  show(box: BBox, padding: { left: number; right: number; bottom: number }, fly: boolean): void {
    const around = { top: 40, left: padding.left + 40, right: padding.right + 40, bottom: padding.bottom + 40 };
    this.map.fitBounds(box, { padding: around, maxZoom: 18, duration: fly ? 700 : 0 });
  }

  /** What the map shows. */
  get box(): BBox {
    const bounds = this.map.getBounds();
    return [bounds.getWest(), bounds.getSouth(), bounds.getEast(), bounds.getNorth()];
  }

  /** Middle of the map and the height above ground from which a camera sees as much. */
  get view(): { longitude: number; latitude: number; height: number } {
    const { lng, lat } = this.map.getCenter();
    const metres = (METRES_PER_PIXEL * Math.cos((lat * Math.PI) / 180)) / 2 ** this.map.getZoom();
    const { clientWidth, clientHeight } = this.map.getCanvas();
    return { longitude: lng, latitude: lat, height: (metres * Math.max(clientWidth, clientHeight)) / 2 / Math.tan(Math.PI / 6) };
  }

  set view({ longitude, latitude, height }: { longitude: number; latitude: number; height: number }) {
    const { clientWidth, clientHeight } = this.map.getCanvas();
    const metres = (2 * height * Math.tan(Math.PI / 6)) / Math.max(clientWidth, clientHeight, 1);
    const zoom = Math.log2((METRES_PER_PIXEL * Math.cos((latitude * Math.PI) / 180)) / metres);
    this.map.jumpTo({ center: [longitude, latitude], zoom });
  }

  resize(): void {
    this.map.resize();
  }

  private whenStyled(work: () => void): void {
    if (this.map.isStyleLoaded() || this.map.getLayer("ground")) work();
    else void this.map.once("styledata", work);
  }
}
