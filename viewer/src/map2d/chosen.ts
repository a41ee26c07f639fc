/** Buildings of another day or of an area on the flat map: asked as features, for vector tiles hold the register as it stands. */
import type { GeoJSONSource, GeoJSONSourceSpecification, LayerSpecification, Map as MapLibre } from "maplibre-gl";
import { readItems, type BBox } from "../api/api";
import { THEMES } from "../style/theme";

const MOST = 10_000;
const WAIT_MS = 250;

export interface Choice {
  instant: string | undefined;
  filter: string | undefined;
}

/** Swaps the source of the layers of one collection between its vector tiles and the chosen features of the present view. */
export class Chosen {
  private choice: Choice = { instant: undefined, filter: undefined };
  private turn = 0;
  private timer: number | undefined;

  constructor(
    private readonly map: MapLibre,
    private readonly collection: string,
    private readonly view: () => BBox,
    /** Takes how many of all that match could be drawn, or why none could. */
    private readonly said: (drawn: number, matched: number, error?: unknown) => void,
  ) {
    map.on("moveend", () => {
      window.clearTimeout(this.timer);
      this.timer = window.setTimeout(() => void this.load(), WAIT_MS);
    });
  }

  private get source(): string {
    return `${this.collection}@chosen`;
  }

  private get isOn(): boolean {
    return this.choice.instant !== undefined || this.choice.filter !== undefined;
  }

  async set(choice: Choice): Promise<void> {
    if (choice.instant === this.choice.instant && choice.filter === this.choice.filter) return;
    this.choice = choice;
    this.turn += 1;
    if (this.isOn && !this.map.getSource(this.source)) this.map.addSource(this.source, { type: "geojson", data: collection([]) } as unknown as GeoJSONSourceSpecification);
    this.swap(this.isOn);
    if (this.isOn) await this.load();
    else this.said(0, 0);
  }

  /** Layers keep id, place and paint; the engine has no way to change a source in place. */
  private swap(chosen: boolean): void {
    const { layers } = this.map.getStyle();
    layers.forEach((layer, at) => {
      if (!("source" in layer) || layer.source !== (chosen ? this.collection : this.source)) return;
      const next: Record<string, unknown> = { ...layer, source: chosen ? this.source : this.collection };
      if (chosen) delete next["source-layer"];
      else next["source-layer"] = this.collection;
      this.map.removeLayer(layer.id);
      this.map.addLayer(next as unknown as LayerSpecification, layers[at + 1]?.id);
    });
  }

  private async load(): Promise<void> {
    if (!this.isOn) return;
    this.turn += 1;
    const mine = this.turn;
    const { instant, filter } = this.choice;
    try {
      const { items, matched } = await readItems(this.collection, {
        bbox: this.view(), limit: MOST, properties: ["code", ...THEMES], ...(instant ? { datetime: instant } : {}), ...(filter ? { filter } : {}),
      });
      if (mine !== this.turn) return;
      const features = items.map((item) => ({ type: "Feature", geometry: item.geometry, properties: { ...item.properties, code: item.id } }));
      await this.map.getSource<GeoJSONSource>(this.source)?.setData(collection(features));
      this.said(items.length, matched ?? items.length);
    } catch (error) {
      if (mine === this.turn) this.said(0, 0, error);
    }
  }
}

function collection(features: readonly unknown[]): unknown {
  return { type: "FeatureCollection", features };
}
