/** What a link to the viewer carries: camera, visible layers, selected code, colours, tools. Kept in the hash, so it never reaches a log. */
import { formatTools, parseTools, type ToolState } from "./toolState";
import { isNetworkTheme, isTheme, type NetworkThemeId, type ThemeId } from "../style/theme";

export interface CameraState {
  /** Degrees, WGS 84. */
  longitude: number;
  latitude: number;
  /** Metres above the ellipsoid. */
  height: number;
  /** Degrees: heading clockwise from north, pitch negative downwards. */
  heading: number;
  pitch: number;
}

export interface ViewState extends ToolState {
  camera?: CameraState;
  /** Undefined: the default layers. Empty: none. */
  layers?: string[];
  selected?: { code: string; layer?: string };
  underground: boolean;
  /** The flat map; undefined: whatever suits the screen. */
  mode?: "2d" | "3d";
  /** Attribute that colours the buildings, and the classes of it that are hidden. */
  theme?: ThemeId;
  /** Day of the state of the register on show, YYYY-MM-DD; undefined: as it stands. */
  day?: string;
  hidden?: string[];
  /** The same for the lines of the networks. */
  networkTheme?: NetworkThemeId;
  hiddenLines?: string[];
}

const MAX_CODE_LENGTH = 200;

export function formatHash(state: ViewState): string {
  const parts: string[] = [];
  if (state.camera) {
    const { longitude, latitude, height, heading, pitch } = state.camera;
    const numbers = [longitude.toFixed(6), latitude.toFixed(6), height.toFixed(1), heading.toFixed(1), pitch.toFixed(1)];
    parts.push(`c=${numbers.join(",")}`);
  }
  if (state.layers) parts.push(`l=${state.layers.map(encodeURIComponent).join(",")}`);
  if (state.selected) {
    parts.push(`s=${encodeURIComponent(state.selected.code)}`);
    if (state.selected.layer) parts.push(`sl=${encodeURIComponent(state.selected.layer)}`);
  }
  if (state.underground) parts.push("u=1");
  if (state.mode) parts.push(`m=${state.mode}`);
  if (state.day) parts.push(`d=${state.day}`);
  if (state.theme) parts.push(`t=${state.theme}`);
  if (state.hidden && state.hidden.length > 0) parts.push(`f=${state.hidden.map(encodeURIComponent).join(",")}`);
  if (state.networkTheme && state.networkTheme !== "kind") parts.push(`nt=${state.networkTheme}`);
  if (state.hiddenLines && state.hiddenLines.length > 0) parts.push(`nf=${state.hiddenLines.map(encodeURIComponent).join(",")}`);
  parts.push(...formatTools(state));
  return `#${parts.join("&")}`;
}

/** Reads a hash; parts that make no sense are left out, since links are edited and cut by hand. */
export function parseHash(hash: string): ViewState {
  const fields = new Map<string, string>();
  for (const part of hash.replace(/^#/, "").split("&")) {
    const at = part.indexOf("=");
    if (at > 0) fields.set(part.slice(0, at), part.slice(at + 1));
  }
  const state: ViewState = { underground: fields.get("u") === "1", ...parseTools(fields) };
  const camera = parseCamera(fields.get("c"));
  if (camera) state.camera = camera;
  const layers = fields.get("l");
  if (layers !== undefined) state.layers = layers.split(",").map(decode).filter((id) => id !== "");
  const mode = fields.get("m");
  if (mode === "2d" || mode === "3d") state.mode = mode;
  const day = fields.get("d");
  if (day && /^\d{4}-\d{2}-\d{2}$/.test(day)) state.day = day;
  const theme = fields.get("t");
  if (isTheme(theme)) state.theme = theme;
  const ids = (name: string): string[] => (fields.get(name) ?? "").split(",").map(decode).filter((id) => id !== "");
  const networkTheme = fields.get("nt");
  if (isNetworkTheme(networkTheme)) state.networkTheme = networkTheme;
  const hiddenLines = ids("nf");
  if (hiddenLines.length > 0) state.hiddenLines = hiddenLines;
  const hidden = ids("f");
  if (hidden.length > 0) state.hidden = hidden;
  const code = decode(fields.get("s") ?? "").slice(0, MAX_CODE_LENGTH);
  if (code) {
    const layer = decode(fields.get("sl") ?? "");
    state.selected = layer ? { code, layer } : { code };
  }
  return state;
}

function parseCamera(text: string | undefined): CameraState | undefined {
  const numbers = (text ?? "").split(",").map((part) => (part.trim() === "" ? NaN : Number(part)));
  if (numbers.length !== 5 || !numbers.every(Number.isFinite)) return undefined;
  const [longitude, latitude, height, heading, pitch] = numbers as [number, number, number, number, number];
  if (Math.abs(longitude) > 180 || Math.abs(latitude) > 90 || Math.abs(pitch) > 90) return undefined;
  if (Math.abs(height) > 1e8) return undefined;
  return { longitude, latitude, height, heading, pitch };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
