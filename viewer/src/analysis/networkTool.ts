/** Tracing a network and isolating a burst, by the server's processes: lit up on the view, listed, exported. */
import {
  ArcType,
  Cartesian3,
  Color,
  ColorGeometryInstanceAttribute,
  GeometryInstance,
  PolylineColorAppearance,
  PolylineGeometry,
  Primitive,
} from "cesium";
import { execute } from "../api/processes";
import { bounds, codeOf, quoted, readItems, readSchema, reason, union, type Item, type Schema } from "../api/api";
import { button, h } from "../page/dom";
import { language, pick, t, type Key } from "../i18n/i18n";
import type { Stage } from "../scene/stage";
import { valueTitle } from "../selection/fieldValue";
import { exportButtons, resultTable, type Column, type Row } from "./table";

export type Question = "connected" | "upstream" | "downstream" | "isolate";
export const QUESTIONS: readonly Question[] = ["upstream", "downstream", "connected", "isolate"];

/** Codes by the part they play, in the order they are listed and painted (later parts over earlier ones). */
type Parts = Map<Part, string[]>;
const COLOURS = { found: "#00c2ff", dry: "#ff8a00", off: "#c05cff", shut: "#7a8790", close: "#e3001b", start: "#ffe600" } as const;
type Part = keyof typeof COLOURS;

interface Traced {
  from: string;
  n_points: number;
  n_lines: number;
  length_m: number;
  points: string[];
  lines: string[];
}

interface Isolated {
  burst: string;
  close: string[];
  already_shut: string[];
  unusable: string[];
  has_source_inside: boolean;
  dry_lines: string[];
  cut_off_lines: string[];
  out_of_service_points: string[];
  length_m: number;
  customers: number;
  served: string[];
}

/** Codes asked for in one request; with 22 letters each, well below the longest address the server reads. */
const CODES_AT_ONCE = 300;
/** Parts drawn and listed with their attributes; the export reads all. */
const PARTS_READ = 3000;
/** Requests under way at once. */
const AT_ONCE = 4;
const LINE_PX = 5;

export class NetworkTool {
  readonly element = h("section", { class: "tool", "data-testid": "network" });
  private turn = 0;
  private lit: Primitive | undefined;
  private start: { kind: string; code: string } | undefined;
  private last: { kind: string; question: Question; code: string } | undefined;
  private readonly result = h("div", { "aria-live": "polite", "data-testid": "network-result" });

  constructor(private readonly stage: Stage) {
    this.translate();
  }

  /** The selected part of a network, from which to ask; undefined where something else is selected. */
  offer(kind: string | undefined, code?: string): void {
    this.start = kind && code ? { kind, code } : undefined;
    this.draw();
  }

  translate(): void {
    this.draw();
    if (this.last) void this.ask(this.last.question, this.last);
  }

  stop(): void {
    this.turn += 1;
    this.last = undefined;
    this.result.replaceChildren();
    this.light(new Map(), new Map());
    this.stage.layers.setHighlight(new Map());
  }

  private draw(): void {
    const { start } = this;
    const rows = start
      ? [
          h("p", {}, t("network.from"), " ", h("code", { "data-testid": "network-start" }, start.code)),
          h(
            "p", { class: "buttons" },
            ...QUESTIONS.map((one) => button(t(`network.${one}`), { "data-testid": `network-${one}` }, () => void this.ask(one, start), t(`network.${one}`))),
          ),
        ]
      : [h("p", { class: "hint" }, t("network.choose"))];
    this.element.replaceChildren(...rows, this.result);
  }

  async ask(question: Question, { kind, code }: { kind: string; code: string }): Promise<void> {
    this.turn += 1;
    const mine = this.turn;
    this.last = { kind, question, code };
    this.result.replaceChildren(h("p", { class: "hint" }, t("network.asking")));
    const processId = question === "isolate" ? "network-isolation" : "network-trace";
    const inputs = question === "isolate" ? { kind, code } : { kind, code, direction: question };
    try {
      const { result } = await execute(processId, inputs);
      if (mine !== this.turn) return;
      const parts = question === "isolate" ? partsOfIsolation(result as Isolated) : partsOfTrace(result as Traced);
      this.paint(kind, parts);
      const [items, schema] = await Promise.all([readParts(kind, [...parts.values()].flat().slice(0, PARTS_READ)), readSchema(`${kind}-lines`, language()).catch((): Schema => ({}))]);
      if (mine !== this.turn) return;
      this.show({ kind, question, code }, parts, items, schema, question === "isolate" ? isolationText(result as Isolated) : traceText(result as Traced));
    } catch (error) {
      if (mine === this.turn) this.result.replaceChildren(h("p", { class: "bad", role: "alert" }, t("network.failed", { reason: reason(error) })));
    }
  }

  private paint(kind: string, parts: Parts): void {
    const colours = new Map<string, string>();
    for (const [part, codes] of parts) for (const code of codes) colours.set(code, COLOURS[part]);
    this.stage.layers.setHighlight(new Map([[`networks/${kind}`, colours]]));
  }

  /** Thick lines over everything: tubes of their true width are thin threads from afar. */
  private light(parts: Parts, items: Map<string, Item>): void {
    const { scene } = this.stage.widget;
    if (this.lit) scene.primitives.remove(this.lit);
    this.lit = undefined;
    // Heights of the items are above the city's vertical datum, those of the scene above the ellipsoid.
    const geoid = this.stage.list.city.geoid_separation_m ?? 0;
    const geometryInstances: GeometryInstance[] = [];
    for (const [part, codes] of parts) {
      const color = ColorGeometryInstanceAttribute.fromColor(Color.fromCssColorString(COLOURS[part]).withAlpha(0.85));
      for (const code of codes) {
        const geometry = items.get(code)?.geometry;
        if (geometry?.type !== "LineString") continue;
        const positions = (geometry.coordinates as number[][]).map(([x, y, z]) => Cartesian3.fromDegrees(x ?? 0, y ?? 0, (z ?? 0) + geoid));
        geometryInstances.push(new GeometryInstance({
          geometry: new PolylineGeometry({ positions, width: LINE_PX, arcType: ArcType.NONE, vertexFormat: PolylineColorAppearance.VERTEX_FORMAT }),
          attributes: { color },
        }));
      }
    }
    if (geometryInstances.length > 0) {
      const appearance = new PolylineColorAppearance({ translucent: true, renderState: { depthTest: { enabled: false } } });
      this.lit = scene.primitives.add(new Primitive({ geometryInstances, appearance, asynchronous: false, allowPicking: false })) as Primitive;
    }
    scene.requestRender();
  }

  private show(asked: { kind: string; question: Question; code: string }, parts: Parts, items: Map<string, Item>, schema: Schema, text: string): void {
    const { kind, question, code } = asked;
    const columns: Column[] = [
      { name: "code", title: t("panel.code") },
      { name: "part", title: t("network.part") },
      ...(["type_code", "diameter_mm", "material", "length_m"] as const).map((name) => ({
        name, title: pick(schema[name]?.title) || name, numeric: name.endsWith("m"),
      })),
    ];
    const rows = [...parts].flatMap(([part, codes]) => codes.map((one): Row => {
      const properties = items.get(one)?.properties ?? {};
      const row: Row = { code: one, part: t(`network.part.${part}`) };
      for (const { name } of columns.slice(2)) {
        const value = properties[name];
        const title = valueTitle(schema[name], value);
        row[name] = title ? pick(title) : typeof value === "string" || typeof value === "number" ? value : null;
      }
      return row;
    }));
    this.light(parts, items);
    const box = union([...items.values()].map((item) => bounds(item.geometry)));
    const caption = `${t(`network.${question}`)}: ${code}`;
    const geojson = async (): Promise<unknown> => {
      const roles = new Map([...parts].flatMap(([part, codes]) => codes.map((one) => [one, part] as const)));
      const all = await readParts(kind, [...roles.keys()]);
      const features = [...all].map(([one, item]) => ({ ...item, properties: { ...item.properties, part: roles.get(one) } }));
      return { type: "FeatureCollection", features };
    };
    this.result.replaceChildren(
      h("p", { class: "answer", "data-testid": "network-answer" }, text),
      legend(parts),
      h(
        "p", { class: "buttons" },
        box ? button(t("network.look"), {}, () => this.stage.look(box), t("network.look")) : undefined,
        button(t("network.clear"), { "data-testid": "network-clear" }, () => this.stop(), t("network.clear")),
      ),
      exportButtons(`${kind}-${question}-${code}`, columns, rows, geojson),
      resultTable(caption, columns, rows, (row) => this.stage.go(collectionOf(kind, String(row["code"]), items), String(row["code"]))),
    );
    if (box) this.stage.look(box);
  }
}

function legend(parts: Parts): HTMLElement {
  const rows = [...parts].filter(([, codes]) => codes.length > 0).map(([part, codes]) => {
    const swatch = h("span", { class: "swatch", "aria-hidden": "true" });
    swatch.style.backgroundColor = COLOURS[part];
    return h("li", {}, swatch, " ", t(`network.part.${part}`), " ", h("span", { class: "hint" }, codes.length.toLocaleString(language())));
  });
  return h("ul", { class: "plain" }, ...rows);
}

function partsOfTrace({ from, points, lines }: Traced): Parts {
  const found = [...lines, ...points].filter((code) => code !== from);
  return new Map<Part, string[]>([["found", found], ["start", [from]]]);
}

function partsOfIsolation(found: Isolated): Parts {
  const close = new Set([...found.close, ...found.already_shut, found.burst]);
  const dry = [...found.dry_lines, ...found.out_of_service_points].filter((code) => !close.has(code));
  return new Map<Part, string[]>([
    ["close", found.close], ["shut", found.already_shut], ["start", [found.burst]], ["dry", dry], ["off", found.cut_off_lines.filter((code) => !found.dry_lines.includes(code))],
  ]);
}

function traceText(found: Traced): string {
  const key: Key = found.n_lines === 0 ? "network.nothing" : "network.traced";
  const count = (value: number): string => value.toLocaleString(language(), { maximumFractionDigits: 1 });
  return t(key, { lines: count(found.n_lines), points: count(found.n_points), length: count(found.length_m) });
}

function isolationText(found: Isolated): string {
  const count = (value: number): string => value.toLocaleString(language(), { maximumFractionDigits: 1 });
  const text = t("network.isolated", { valves: count(found.close.length), length: count(found.length_m), customers: count(found.customers) });
  return found.has_source_inside ? `${text} ${t("network.sourceInside")}` : text;
}

function collectionOf(kind: string, code: string, items: Map<string, Item>): string {
  const line = items.get(code)?.properties["start_node"] !== undefined;
  return `${kind}-${line ? "lines" : "points"}`;
}

/** Lines and points of a network by code, in as few requests as the longest address allows. */
async function readParts(kind: string, codes: readonly string[]): Promise<Map<string, Item>> {
  const found = new Map<string, Item>();
  const asked: [string, string][] = [];
  for (let at = 0; at < codes.length; at += CODES_AT_ONCE) {
    const filter = `code IN (${codes.slice(at, at + CODES_AT_ONCE).map(quoted).join(", ")})`;
    asked.push([`${kind}-lines`, filter], [`${kind}-points`, filter]);
  }
  for (let at = 0; at < asked.length; at += AT_ONCE) {
    const some = asked.slice(at, at + AT_ONCE);
    const pages = await Promise.all(some.map(([id, filter]) => readItems(id, { filter, limit: CODES_AT_ONCE })));
    for (const { items } of pages) for (const item of items) found.set(codeOf(item), item);
  }
  return found;
}
