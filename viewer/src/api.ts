/** Reads the server: OGC API collections, items and schemas, and the list of 3D layers. */
import { t, type Language, type Localised } from "./i18n";

/** Corners west, south, east, north; degrees, CRS84. */
export type BBox = [number, number, number, number];
export type LayerKind = "buildings" | "bim" | "network";

export interface LayerInfo {
  id: string;
  title: Localised;
  href: string;
  kind: LayerKind;
  /** OGC API collection with the attributes. */
  collection: string;
  code_property?: string;
  n_features?: number;
  bbox?: BBox;
  synthetic?: boolean;
  note?: Localised | null;
  /** Codes of the plain buildings that a BIM model stands in for. */
  replaces?: string[];
}

export interface City {
  name?: Localised;
  bbox?: BBox;
  notices?: Localised[];
  /** Typical ground height, metres above the ellipsoid. */
  ground_height_m?: number;
}

export interface LayerList {
  layers: LayerInfo[];
  city: City;
  /** False while or where the server did not give the list: then no layers does not mean that there are none. */
  complete: boolean;
}

export interface Item {
  id?: string | number;
  geometry: Geometry | null;
  properties: Record<string, unknown>;
}

export interface Geometry {
  type: string;
  coordinates?: unknown;
  geometries?: Geometry[];
}

export interface Field {
  title?: Localised | string;
  description?: string;
  "x-ogc-unit"?: string;
  "x-ogc-propertySeq"?: number;
  format?: string;
  oneOf?: { const?: unknown; title?: Localised | string }[];
}
export type Schema = Record<string, Field>;

/** A request the server did not answer as hoped. `status` is undefined where no answer came at all. */
export class ApiError extends Error {
  constructor(
    readonly url: string,
    readonly status?: number,
  ) {
    super(status === undefined ? `no answer from ${url}` : `HTTP ${status} from ${url}`);
  }
}

/** Why a request failed, for people. */
export function reason(error: unknown): string {
  if (error instanceof SyntaxError) return t("error.notJson");
  const status = error instanceof ApiError ? error.status : (error as { statusCode?: number } | undefined)?.statusCode;
  if (status === 404) return t("error.missing");
  if (status === 401 || status === 403) return t("error.denied", { status });
  if (status !== undefined) return t("error.http", { status });
  if (error instanceof ApiError) return t("error.network");
  return error instanceof Error && error.message ? error.message : String(error);
}

const TIMEOUT_MS = 30_000;
/** The viewer is served at `<service root>/viewer/`. */
export const serviceRoot = (): URL => new URL("../", document.baseURI);

/** Address below the service root; a leading slash in `path` means that root, not the host (proxies add prefixes). */
export function serviceUrl(path: string, root: URL = serviceRoot()): URL {
  if (path.startsWith("/") && !path.startsWith("//") && !path.startsWith(root.pathname)) {
    return new URL(path.slice(1), root);
  }
  return new URL(path, root);
}

export function itemPath(collection: string, code: string): string {
  return `collections/${encodeURIComponent(collection)}/items/${encodeURIComponent(code)}`;
}

async function getJson<T>(path: string, language?: Language): Promise<T> {
  const url = serviceUrl(path);
  url.searchParams.set("f", "json");
  if (language) url.searchParams.set("lang", language);
  let response: Response;
  try {
    response = await fetch(url, {
      headers: { Accept: "application/geo+json, application/schema+json, application/json" },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch {
    throw new ApiError(url.pathname);
  }
  if (!response.ok) throw new ApiError(url.pathname, response.status);
  return (await response.json()) as T;
}

export async function readLayers(): Promise<LayerList> {
  const answer = await getJson<Partial<LayerList>>("3dtiles/");
  return { layers: answer.layers ?? [], city: answer.city ?? {}, complete: true };
}

const collections = new Map<Language, Promise<Map<string, string>>>();

/** Titles of all collections by id. */
export function readCollectionTitles(language: Language): Promise<Map<string, string>> {
  return remember(collections, language, async () => {
    const answer = await getJson<{ collections?: { id: string; title?: string }[] }>("collections", language);
    return new Map((answer.collections ?? []).map(({ id, title }) => [id, title ?? id]));
  });
}

const schemas = new Map<string, Promise<Schema>>();

export function readSchema(collection: string, language: Language): Promise<Schema> {
  return remember(schemas, `${language} ${collection}`, async () => {
    const path = `collections/${encodeURIComponent(collection)}/schema`;
    return (await getJson<{ properties?: Schema }>(path, language)).properties ?? {};
  });
}

/** One feature by code; undefined where the collection has none. */
export async function readItem(collection: string, code: string, language: Language): Promise<Item | undefined> {
  try {
    return await getJson<Item>(itemPath(collection, code), language);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined;
    throw error;
  }
}

/** Features of a collection whose words match; none where there is no such collection. */
export async function readMatches(collection: string, text: string, limit: number): Promise<Item[]> {
  const url = new URLSearchParams({ q: text, limit: String(limit), skipGeometry: "true" });
  try {
    return (await getJson<{ features?: Item[] }>(`collections/${encodeURIComponent(collection)}/items?${url.toString()}`)).features ?? [];
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return [];
    throw error;
  }
}

export interface Version {
  properties: Record<string, unknown>;
}

export interface Lineage {
  parent_code?: string;
  child_code?: string;
  operation?: string;
}

/** All states of a feature, the newest first as the server gives them; undefined where the server keeps none. */
export async function readHistory(collection: string, code: string): Promise<{ versions: Version[]; lineage: Lineage[] } | undefined> {
  try {
    const answer = await getJson<{ features?: Version[]; lineage?: Lineage[] }>(`${itemPath(collection, code)}/history`);
    return { versions: answer.features ?? [], lineage: answer.lineage ?? [] };
  } catch (error) {
    if (error instanceof ApiError && (error.status === 404 || error.status === 400)) return undefined;
    throw error;
  }
}

/** Features of a collection that refer to a building, and how many there are; none where there is no such collection. */
export async function readOfBuilding(collection: string, code: string, limit: number): Promise<{ items: Item[]; matched: number }> {
  const url = new URLSearchParams({ building_code: code, limit: String(limit), skipGeometry: "true" });
  try {
    const answer = await getJson<{ features?: Item[]; numberMatched?: number }>(`collections/${encodeURIComponent(collection)}/items?${url.toString()}`);
    const items = answer.features ?? [];
    return { items, matched: answer.numberMatched ?? items.length };
  } catch (error) {
    if (error instanceof ApiError && (error.status === 404 || error.status === 400)) return { items: [], matched: 0 };
    throw error;
  }
}

/** How many features of a collection a CQL2 filter selects; undefined where the server does not count exactly. */
export async function readCount(collection: string, filter: string, instant?: string): Promise<number | undefined> {
  const url = new URLSearchParams({ filter, "filter-lang": "cql2-text", limit: "1", skipGeometry: "true" });
  if (instant) url.set("datetime", instant);
  const answer = await getJson<{ numberMatched?: number }>(`collections/${encodeURIComponent(collection)}/items?${url.toString()}`);
  return typeof answer.numberMatched === "number" ? answer.numberMatched : undefined;
}

/** Bounds of a geometry in CRS84; undefined for an empty one. */
export function bounds(geometry: Geometry | null | undefined): BBox | undefined {
  const box: BBox = [Infinity, Infinity, -Infinity, -Infinity];
  const visit = (node: unknown): void => {
    if (!Array.isArray(node)) return;
    const [x, y] = node as unknown[];
    if (typeof x === "number" && typeof y === "number") {
      box[0] = Math.min(box[0], x);
      box[1] = Math.min(box[1], y);
      box[2] = Math.max(box[2], x);
      box[3] = Math.max(box[3], y);
    } else node.forEach(visit);
  };
  const walk = (part: Geometry): void => {
    visit(part.coordinates);
    part.geometries?.forEach(walk);
  };
  if (geometry) walk(geometry);
  return Number.isFinite(box[0]) ? box : undefined;
}

export function union(boxes: readonly (BBox | undefined)[]): BBox | undefined {
  const given = boxes.filter((box): box is BBox => box !== undefined && box.length === 4 && box.every(Number.isFinite));
  if (given.length === 0) return undefined;
  return [
    Math.min(...given.map((b) => b[0])),
    Math.min(...given.map((b) => b[1])),
    Math.max(...given.map((b) => b[2])),
    Math.max(...given.map((b) => b[3])),
  ];
}

/** Keeps answers, but not failures: the next call asks again. */
function remember<K, V>(store: Map<K, Promise<V>>, key: K, load: () => Promise<V>): Promise<V> {
  const known = store.get(key);
  if (known) return known;
  const loading = load();
  store.set(key, loading);
  loading.catch(() => store.delete(key));
  return loading;
}
