/** The panel of one feature: code, attributes of the register, link to the OGC API item. */
import { findItem, itemPath, readCollectionTitles, readItem, readSchema, reason, serviceUrl, type Item, type Schema } from "../api/api";
import { attributeLines } from "./attributes";
import { button, h, icon } from "../page/dom";
import { language, onLanguage, t } from "../i18n/i18n";
import { Editor, mayEdit } from "./editor";
import { relatedSections, type Go } from "./related";

export interface Shown {
  code: string;
  collection: string;
  /** Name of the attribute that holds the code. */
  codeProperty: string;
  /** Collection to ask where the first one does not know the code. */
  other?: string;
  /** Attributes of the tile, shown where the register cannot be asked. */
  tile?: Record<string, unknown>;
}

export class Panel {
  private shown: Shown | undefined;
  private turn = 0;

  constructor(
    private readonly root: HTMLElement,
    private readonly onClose: () => void,
    private readonly go: Go,
    /** What else can be done with a feature. */
    private readonly actions: (feature: Shown) => HTMLElement[],
    /** Called after a change is stored. */
    private readonly onSaved: () => void,
  ) {
    root.hidden = true;
    root.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.onClose();
    });
    onLanguage(() => this.shown && void this.show(this.shown));
  }

  hide(): void {
    this.shown = undefined;
    this.turn += 1;
    this.root.hidden = true;
    this.root.replaceChildren();
  }

  /** Fills the panel; an answer that comes after the next selection is dropped. */
  async show(asked: Shown, known?: Item): Promise<void> {
    this.shown = asked;
    this.turn += 1;
    const mine = this.turn;
    const spoken = language();
    const feature = known ? asked : await this.resolved(asked);
    if (mine !== this.turn) return;
    const heading = h("h2", {}, feature.collection);
    const body = h("div", { class: "attributes", "data-testid": "attributes", "aria-live": "polite" }, t("panel.loading"));
    this.draw(feature, heading, body);
    const [title, schema, item] = await Promise.all([
      readCollectionTitles(spoken).then((titles) => titles.get(feature.collection), () => undefined),
      // Without a schema the attribute names stand in for titles; the attributes matter more.
      readSchema(feature.collection, spoken).catch((): Schema => ({})),
      known ?? readItem(feature.collection, feature.code, spoken).catch((error: unknown) => reason(error)),
    ]);
    if (mine !== this.turn) return;
    if (title) heading.textContent = title;
    const failure = typeof item === "string" ? item : item ? undefined : t("panel.notInRegister", { collection: title ?? feature.collection });
    const properties = typeof item === "object" ? item.properties : (feature.tile ?? {});
    const lines = attributeLines(properties, schema, spoken, [feature.codeProperty]);
    body.replaceChildren();
    if (failure) body.append(h("p", { class: "bad", role: "status" }, t("panel.fromTile", { reason: failure })));
    if (lines.length === 0) body.append(h("p", { class: "hint" }, t("panel.empty")));
    const list = h("dl", {});
    for (const { name, title: label, text, hint } of lines) {
      list.append(h("dt", { title: hint }, label), h("dd", { "data-name": name }, text));
    }
    body.append(list, ...this.actions(feature));
    if (typeof item !== "object") return;
    if (await mayEdit(feature.collection, feature.code)) {
      if (mine !== this.turn) return;
      const edit = button(t("edit.edit"), { "data-testid": "edit" }, () => this.edit(feature, item, schema, body), t("edit.edit"));
      body.append(h("p", { class: "buttons" }, edit));
    }
    const sections = await relatedSections(feature.collection, feature.code, item.properties, this.go);
    if (mine === this.turn) body.append(...sections);
  }

  /** The collection that knows a feature of the view, where the tiles hold two of them. */
  private async resolved(asked: Shown): Promise<Shown> {
    const { other, ...first } = asked;
    if (!other) return asked;
    // Codes of points have an N where lines have an L; it saves a request, nothing hangs on it.
    const order = /-N\d+$/.test(asked.code) ? [other, asked.collection] : [asked.collection, other];
    for (const collection of order) {
      const found = await findItem(collection, asked.code).catch(() => undefined);
      if (found) return { ...first, collection };
    }
    return first;
  }

  private edit(feature: Shown, item: Item, schema: Schema, body: HTMLElement): void {
    const editor = new Editor(feature.collection, feature.code, item, schema, (saved) => {
      if (saved) this.onSaved();
      void this.show(feature);
    });
    body.replaceChildren(editor.element);
    editor.element.querySelector<HTMLElement>("input, select")?.focus();
  }

  private draw(feature: Shown, heading: HTMLElement, body: HTMLElement): void {
    const { root } = this;
    const copied = h("span", { class: "hint", role: "status" });
    const copy = button(t("panel.copy"), { class: "icon", "data-testid": "copy-code" }, () => {
      // The clipboard exists on secure origins only.
      const writing = navigator.clipboard?.writeText(feature.code) ?? Promise.reject(new Error("no clipboard"));
      writing.then(
        () => (copied.textContent = t("panel.copied")),
        () => (copied.textContent = t("panel.copyFailed")),
      );
    }, icon("copy"));
    const url = serviceUrl(itemPath(feature.collection, feature.code));
    url.searchParams.set("lang", language());
    const link = h("a", { href: url.href, target: "_blank", rel: "noopener", "data-testid": "item-link" }, `${t("panel.item")} ↗`);
    const close = button(t("app.close"), { class: "icon", "data-testid": "close-panel" }, this.onClose, icon("close"));
    root.setAttribute("aria-label", t("panel.title"));
    root.replaceChildren(
      h("header", {}, heading, close),
      h("div", { class: "code" }, h("span", { class: "hint" }, t("panel.code")), h("code", { "data-testid": "code" }, feature.code), copy),
      copied,
      h("p", {}, link),
      body,
    );
    root.hidden = false;
  }
}
