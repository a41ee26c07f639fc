/** The search field: suggestions while typing (WAI-ARIA combobox with a list), codes and positions on Enter. */
import { reason } from "../api/api";
import { h } from "../page/dom";
import { onLanguage, t, type Key } from "../i18n/i18n";
import { parsePosition, suggest, type Suggestion } from "./search";

export type Answer = [Key, Record<string, string>] | undefined;

export interface SearchActions {
  /** Each resolves to a word for the user, or undefined when all is well. */
  code(code: string): Promise<Answer>;
  item(collection: string, code: string): Promise<Answer>;
  position(longitude: number, latitude: number): Answer;
}

const DELAY_MS = 180;
const MIN_LETTERS = 2;

export class SearchBox {
  readonly element: HTMLFormElement;
  private readonly status = h("output", { class: "search-status", for: "search", role: "status", "data-testid": "search-status" });
  private readonly list = h("ul", { class: "suggestions", id: "suggestions", role: "listbox", "data-testid": "suggestions", hidden: true });
  private readonly input = h("input", {
    type: "search", id: "search", name: "code", autocomplete: "off", spellcheck: "false", maxlength: "200", "data-testid": "search",
    role: "combobox", "aria-expanded": "false", "aria-controls": "suggestions", "aria-autocomplete": "list",
  });
  private readonly submit = h("button", { type: "submit", "data-testid": "search-go" });
  private found: Suggestion[] = [];
  private chosen = -1;
  private timer: number | undefined;
  private turn = 0;

  constructor(private readonly actions: SearchActions) {
    this.element = h("form", { role: "search", class: "search" }, this.input, this.submit, this.status, this.list);
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.run();
    });
    this.input.addEventListener("input", () => this.later());
    this.input.addEventListener("keydown", (event) => this.key(event));
    // A click on a suggestion takes the focus away first.
    this.input.addEventListener("blur", () => window.setTimeout(() => this.close(), 200));
    this.translate();
    onLanguage(() => this.translate());
  }

  private later(): void {
    window.clearTimeout(this.timer);
    this.status.textContent = "";
    this.turn += 1;
    const text = this.input.value.trim();
    // Codes and positions need no suggestion.
    if (text.length < MIN_LETTERS || /^[0-9]{12,}[0-9X]?$/i.test(text) || parsePosition(text)) return this.close();
    this.timer = window.setTimeout(() => void this.offer(text, this.turn), DELAY_MS);
  }

  private async offer(text: string, turn: number): Promise<void> {
    // A failing suggestion says nothing: Enter searches, and says why it fails.
    const found = await suggest(text).catch((): Suggestion[] => []);
    if (turn === this.turn) this.show(found);
  }

  private show(found: Suggestion[]): void {
    this.found = found;
    this.chosen = -1;
    const options = found.map((one, index) => {
      const option = h(
        "li", { role: "option", id: `suggestion-${index}`, "aria-selected": "false", "data-code": one.code },
        h("span", {}, one.text), h("span", { class: "hint" }, one.detail),
      );
      option.addEventListener("click", () => void this.take(one));
      return option;
    });
    this.list.replaceChildren(...options);
    this.list.hidden = found.length === 0;
    this.input.setAttribute("aria-expanded", String(found.length > 0));
    this.mark();
  }

  private close(): void {
    this.show([]);
  }

  private key(event: KeyboardEvent): void {
    if (event.key === "Escape") this.close();
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step === 0 || this.found.length === 0) return;
    event.preventDefault();
    this.chosen = (this.chosen + step + this.found.length) % this.found.length;
    this.mark();
  }

  private mark(): void {
    for (const [index, option] of [...this.list.children].entries()) option.setAttribute("aria-selected", String(index === this.chosen));
    if (this.chosen < 0) this.input.removeAttribute("aria-activedescendant");
    else this.input.setAttribute("aria-activedescendant", `suggestion-${this.chosen}`);
  }

  private async take(one: Suggestion): Promise<void> {
    this.input.value = one.text;
    this.close();
    await this.answer(() => this.actions.item(one.collection, one.code));
  }

  private async run(): Promise<void> {
    const text = this.input.value.trim();
    if (text === "") return;
    window.clearTimeout(this.timer);
    this.turn += 1;
    const marked = this.found[this.chosen];
    if (marked) return this.take(marked);
    this.close();
    const position = parsePosition(text);
    if (position) return this.answer(() => Promise.resolve(this.actions.position(...position)));
    await this.answer(async () => {
      const message = await this.actions.code(text);
      if (message?.[0] !== "search.notFound") return message;
      // No code: words then. One hit is gone to, several are offered.
      const found = await suggest(text);
      if (found.length === 1 && found[0]) return this.actions.item(found[0].collection, found[0].code);
      this.show(found);
      return found.length === 0 ? ["search.nothing", { text }] : undefined;
    });
  }

  private async answer(ask: () => Promise<Answer>): Promise<void> {
    this.status.textContent = t("search.searching");
    this.submit.disabled = true;
    try {
      const message = await ask();
      this.status.textContent = message ? t(...message) : "";
    } catch (error) {
      this.status.textContent = t("search.failed", { reason: reason(error) });
    }
    this.submit.disabled = false;
  }

  private translate(): void {
    this.input.setAttribute("aria-label", t("search.label"));
    this.input.placeholder = t("search.placeholder");
    this.submit.textContent = t("search.go");
    this.list.setAttribute("aria-label", t("search.suggestions"));
    this.status.textContent = "";
  }
}
