/** Buttons of the whole page: data, flat map, picture, link. */
import { onLanguage, t, type Key } from "../i18n/i18n";
import { button, h, icon } from "./dom";

export interface ToolbarActions {
  data: () => void;
  mode: () => void;
  picture: () => Promise<void>;
}

const SAID_MS = 4000;

export class Toolbar {
  readonly element = h("div", { class: "toolbar", role: "toolbar" });
  private readonly said = h("output", { class: "said", role: "status", "data-testid": "toolbar-status", hidden: true });
  private flat = false;
  private timer: number | undefined;

  constructor(private readonly actions: ToolbarActions) {
    this.draw();
    onLanguage(() => this.draw());
  }

  /** Shows which of the two modes the button leads to. */
  setFlat(flat: boolean): void {
    this.flat = flat;
    this.draw();
  }

  private draw(): void {
    const focused = document.activeElement?.getAttribute("data-testid");
    const make = (key: Key, id: string, action: () => void, content: Node | string): HTMLElement =>
      button(t(key), { class: typeof content === "string" ? undefined : "icon", "data-testid": id }, action, content);
    this.element.setAttribute("aria-label", t("toolbar.title"));
    this.element.replaceChildren(
      make("toolbar.data", "data", this.actions.data, icon("table")),
      make(this.flat ? "toolbar.to3d" : "toolbar.to2d", "mode", this.actions.mode, this.flat ? "3D" : "2D"),
      make("toolbar.picture", "picture", () => void this.picture(), icon("camera")),
      make("toolbar.link", "copy-link", () => void this.link(), icon("link")),
      this.said,
    );
    if (focused) this.element.querySelector<HTMLElement>(`[data-testid="${CSS.escape(focused)}"]`)?.focus();
  }

  private async picture(): Promise<void> {
    try {
      await this.actions.picture();
      this.say(t("toolbar.saved"));
    } catch (error) {
      this.say(t("toolbar.notSaved", { reason: String(error) }));
    }
  }

  private async link(): Promise<void> {
    // The address is brought up to date a moment after the last movement.
    await new Promise((resolve) => window.setTimeout(resolve, 400));
    try {
      await navigator.clipboard.writeText(location.href);
      this.say(t("toolbar.copied"));
    } catch {
      const field = h("input", { value: location.href, readonly: true, "aria-label": t("toolbar.link") });
      this.say(t("toolbar.copyByHand"));
      this.said.append(field);
      field.select();
      window.clearTimeout(this.timer);
    }
  }

  private say(text: string): void {
    this.said.textContent = text;
    this.said.hidden = false;
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => (this.said.hidden = true), SAID_MS);
  }
}
