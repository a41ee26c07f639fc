/** Editing the attributes of a feature with a token; the server checks, its words are shown. */
import { itemPath, reason, type Field, type Item, type Schema } from "../api/api";
import { send } from "../api/client";
import { token } from "../api/token";
import { button, h } from "../page/dom";
import { pick, t } from "../i18n/i18n";

type Control = HTMLInputElement | HTMLSelectElement;

/** Attributes that an edit may set, in the order of the schema. */
export function editable(schema: Schema): [string, Field][] {
  return Object.entries(schema)
    .filter(([, field]) => !field.readOnly && !field["x-ogc-role"])
    .sort(([, a], [, b]) => (a["x-ogc-propertySeq"] ?? 0) - (b["x-ogc-propertySeq"] ?? 0));
}

/** The changed members, as a JSON merge patch of the feature (RFC 7396); null takes a value away. */
export function patchOf(before: Record<string, unknown>, after: ReadonlyMap<string, unknown>): Record<string, unknown> {
  return Object.fromEntries([...after].filter(([name, value]) => (before[name] ?? null) !== value));
}

/** Whether the token may change this feature; without a token nobody is asked. */
export async function mayEdit(collection: string, code: string): Promise<boolean> {
  if (!token()) return false;
  try {
    const answer = await send(itemPath(collection, code), { method: "OPTIONS" });
    return (answer.headers.get("Allow") ?? "").includes("PATCH");
  } catch {
    return false;
  }
}

export class Editor {
  readonly element = h("form", { class: "grid edit", "data-testid": "edit-form" });
  private readonly controls = new Map<string, Control>();
  private readonly status = h("p", { role: "alert", class: "bad", "data-testid": "edit-error" });

  constructor(
    private readonly collection: string,
    private readonly code: string,
    private readonly item: Item,
    private readonly schema: Schema,
    /** Called after the change is stored, or given up. */
    private readonly done: (saved: boolean) => void,
  ) {
    for (const [name, field] of editable(schema)) {
      const control = controlOf(name, field, item.properties[name]);
      this.controls.set(name, control);
      this.element.append(h("label", { for: control.id }, pick(field.title) || name), control);
    }
    const why = h("input", { id: "edit-reason", maxlength: "500", autocomplete: "off", "data-testid": "edit-reason" });
    const save = h("button", { type: "submit", "data-testid": "edit-save" }, t("edit.save"));
    this.element.append(
      h("label", { for: "edit-reason" }, t("edit.reason")), why, h("span", {}),
      h("span", { class: "buttons" }, save, button(t("edit.cancel"), { "data-testid": "edit-cancel" }, () => this.done(false), t("edit.cancel"))),
      this.status,
    );
    // The server's rules decide; the browser's own would hide its words.
    this.element.noValidate = true;
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      save.disabled = true;
      void this.save(why.value.trim()).finally(() => (save.disabled = false));
    });
  }

  private async save(why: string): Promise<void> {
    const after = new Map([...this.controls].map(([name, control]) => [name, valueOf(control, this.schema[name] ?? {})]));
    const properties = patchOf(this.item.properties, after);
    this.status.textContent = "";
    if (Object.keys(properties).length === 0) return this.done(false);
    try {
      const headers: Record<string, string> = { "Content-Type": "application/merge-patch+json" };
      // What somebody else changed meanwhile is not overwritten: the state that was read is named.
      const read = await send(itemPath(this.collection, this.code));
      const tag = read.headers.get("ETag");
      const now = (await read.json()) as Item;
      if (now.properties["version"] !== this.item.properties["version"]) throw new Error(t("edit.changed"));
      if (tag) headers["If-Match"] = tag;
      if (why) headers["Cim-Reason"] = encodeURIComponent(why);
      await send(itemPath(this.collection, this.code), { method: "PATCH", headers, body: JSON.stringify({ properties }) });
      this.done(true);
    } catch (error) {
      this.status.textContent = t("edit.failed", { reason: reason(error) });
    }
  }
}

function controlOf(name: string, field: Field, value: unknown): Control {
  const id = `edit-${name}`;
  if (field.oneOf) {
    const select = h("select", { id, "data-testid": id }, h("option", { value: "" }, ""));
    for (const { const: coded, title } of field.oneOf) select.append(h("option", { value: String(coded) }, pick(title) || String(coded)));
    select.value = typeof value === "string" ? value : "";
    return select;
  }
  const type = field.format === "date" ? "date" : "text";
  const mode = field.type === "number" ? "decimal" : field.type === "integer" ? "numeric" : undefined;
  const text = value === null || value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value);
  return h("input", { id, type, inputmode: mode, value: text, autocomplete: "off", "data-testid": id });
}

/** What was entered; a number that is none goes to the server as it is, whose message names the place. */
function valueOf(control: Control, field: Field): unknown {
  const text = control.value.trim();
  if (text === "") return null;
  if (field.type === "boolean") return text === "true" ? true : text === "false" ? false : text;
  const number = Number(text);
  return (field.type === "number" || field.type === "integer") && Number.isFinite(number) ? number : text;
}
