/** What of the tools a link carries: a drawn area, a section, sun and hour. Pure. */

/** Longitude, latitude [degrees], metres above the ellipsoid. */
export type Place = [number, number, number];

export interface AreaState {
  ring: Place[];
  /** Whether only the buildings of the area are shown. */
  only: boolean;
}

export interface SectionState {
  kind: "plane" | "box";
  at: Place;
  /** Degrees clockwise from north; metres. */
  heading: number;
  shift: number;
  size: number;
}

export interface SunState {
  /** YYYY-MM-DD. */
  day: string;
  /** Of the clocks of the place, 0 to 24. */
  hour: number;
}

export interface ToolState {
  area?: AreaState;
  section?: SectionState;
  sun?: SunState;
}

const MOST_POINTS = 200;

export function formatTools({ area, section, sun }: ToolState): string[] {
  const parts: string[] = [];
  if (area && area.ring.length <= MOST_POINTS) parts.push(`a=${area.ring.map(place).join(";")}`, ...(area.only ? ["ao=1"] : []));
  if (section) parts.push(`x=${section.kind};${place(section.at)};${section.heading};${section.shift};${section.size}`);
  if (sun) parts.push(`sun=${sun.day};${sun.hour}`);
  return parts;
}

/** Reads the fields of a link; what makes no sense is left out. */
export function parseTools(fields: ReadonlyMap<string, string>): ToolState {
  const state: ToolState = {};
  const ring = (fields.get("a") ?? "").split(";").map(placeOf);
  if (ring.length >= 3 && ring.length <= MOST_POINTS && ring.every((one) => one !== undefined)) state.area = { ring, only: fields.get("ao") === "1" };
  const [kind, at, ...rest] = (fields.get("x") ?? "").split(";");
  const where = placeOf(at ?? "");
  const [heading, shift, size] = rest.map(numberOf);
  if ((kind === "plane" || kind === "box") && where && heading !== undefined && shift !== undefined && size !== undefined && size > 0) {
    state.section = { kind, at: where, heading, shift, size };
  }
  const [day, clock] = (fields.get("sun") ?? "").split(";");
  const hour = numberOf(clock ?? "");
  if (day && /^\d{4}-\d{2}-\d{2}$/.test(day) && !Number.isNaN(Date.parse(day)) && hour !== undefined && hour >= 0 && hour < 24) state.sun = { day, hour };
  return state;
}

function place([x, y, z]: Place): string {
  return `${x.toFixed(6)},${y.toFixed(6)},${z.toFixed(1)}`;
}

function placeOf(text: string): Place | undefined {
  const [x, y, z, more] = text.split(",").map(numberOf);
  if (x === undefined || y === undefined || z === undefined || more !== undefined) return undefined;
  return Math.abs(x) <= 180 && Math.abs(y) <= 90 && Math.abs(z) < 1e5 ? [x, y, z] : undefined;
}

function numberOf(text: string): number | undefined {
  const value = text.trim() === "" ? NaN : Number(text);
  return Number.isFinite(value) ? value : undefined;
}
