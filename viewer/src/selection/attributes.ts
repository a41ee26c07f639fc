/** Turns attributes into titled, ordered lines of text. Pure. */
import type { Schema } from "../api/api";
import { pick, t, type Language } from "../i18n/i18n";
import { valueTitle } from "./fieldValue";
import { useTitle } from "../style/style";

export interface Line {
  name: string;
  title: string;
  text: string;
  hint?: string;
}

/** Lines for all attributes that have a value; the order of the schema first, then the rest as they came. */
export function attributeLines(
  properties: Record<string, unknown>,
  schema: Schema,
  language: Language,
  skip: readonly string[],
): Line[] {
  const known = Object.keys(schema).sort((a, b) => sequence(schema, a) - sequence(schema, b));
  const names = [...known, ...Object.keys(properties).filter((name) => !(name in schema))];
  const lines: Line[] = [];
  for (const name of names) {
    const value = properties[name];
    if (skip.includes(name) || value === null || value === undefined || value === "") continue;
    const field = schema[name];
    const coded = valueTitle(field, value) ?? (name === "use" && typeof value === "string" ? useTitle(value) : undefined);
    const unit = field?.["x-ogc-unit"];
    const text = coded === undefined ? valueText(value, language) : pick(coded);
    const line: Line = {
      name,
      title: pick(field?.title) || name.replace(/_/g, " "),
      text: unit && typeof value === "number" ? `${text} ${unitText(unit)}`.trim() : text,
    };
    if (field?.description) line.hint = field.description;
    lines.push(line);
  }
  return lines;
}

function sequence(schema: Schema, name: string): number {
  return schema[name]?.["x-ogc-propertySeq"] ?? Number.MAX_SAFE_INTEGER;
}

/** UCUM and common codes as people write them. */
function unitText(unit: string): string {
  const written: Record<string, string> = { "1": "", m2: "m²", m3: "m³", "m^2": "m²", "m^3": "m³", deg: "°", Cel: "°C" };
  return written[unit] ?? unit;
}

/** Any value as text. Numbers without grouping: a year is not 1,998. */
export function valueText(value: unknown, language: Language): string {
  if (typeof value === "number") {
    return new Intl.NumberFormat(language, { useGrouping: false, maximumFractionDigits: 3 }).format(value).replace(/^-0$/, "0");
  }
  if (typeof value === "boolean") return value ? t("panel.yes") : t("panel.no");
  if (Array.isArray(value)) return value.map((part) => valueText(part, language)).join(", ");
  return typeof value === "string" ? value : JSON.stringify(value);
}
