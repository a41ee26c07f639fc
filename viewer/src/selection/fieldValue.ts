/** Titles of coded values. Pure. */
import type { Field } from "../api/api";
import type { Localised } from "../i18n/i18n";

/** Title of a coded value from the schema (`oneOf` with `const` and `title`), if it has one. */
export function valueTitle(field: Field | undefined, value: unknown): Localised | string | undefined {
  return field?.oneOf?.find((option) => option.const === value)?.title;
}
