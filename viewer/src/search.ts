/** Search by code: which collection holds it, and where it lies. */
import { readItem, reason, type Item } from "./api";
import { h } from "./dom";
import { language, onLanguage, t, type Key } from "./i18n";

export interface Found {
  collection: string;
  item: Item;
}

const BUILDING_CODE_LENGTH = 27;

/**
 * Collections to ask for a code, most likely first. A code of 27 characters is a building's, so the other
 * collections are asked only for other lengths.
 */
export function collectionsFor(code: string, layers: readonly { kind: string; collection: string }[]): string[] {
  const wanted = code.length === BUILDING_CODE_LENGTH ? layers.filter(({ kind }) => kind === "buildings") : layers;
  const ids = [...new Set(wanted.map(({ collection }) => collection).filter(Boolean))];
  return ids.length > 0 || code.length !== BUILDING_CODE_LENGTH ? ids : ["buildings"];
}

/**
 * The first collection that knows the code. A failing collection does not hide a hit in another one; without a hit
 * the failure is raised, since "not found" would be a lie.
 */
export async function findByCode(code: string, collections: readonly string[]): Promise<Found | undefined> {
  const answers = await Promise.allSettled(collections.map((id) => readItem(id, code, language())));
  for (const [index, answer] of answers.entries()) {
    const collection = collections[index];
    if (answer.status === "fulfilled" && answer.value && collection) return { collection, item: answer.value };
  }
  const failed = answers.find((answer) => answer.status === "rejected");
  if (failed) throw failed.reason;
  return undefined;
}

export class SearchBox {
  readonly element: HTMLFormElement;
  private readonly status: HTMLElement;
  private readonly input: HTMLInputElement;
  private readonly submit: HTMLButtonElement;

  /** `onCode` resolves to a word for the user, or undefined when all is well. */
  constructor(onCode: (code: string) => Promise<[Key, Record<string, string>] | undefined>) {
    this.input = h("input", {
      type: "search", id: "search", name: "code", autocomplete: "off", spellcheck: "false", maxlength: "200", "data-testid": "search",
    });
    this.submit = h("button", { type: "submit", "data-testid": "search-go" });
    this.status = h("output", { class: "search-status", for: "search", role: "status", "data-testid": "search-status" });
    this.element = h("form", { role: "search", class: "search" }, this.input, this.submit, this.status);
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.run(onCode);
    });
    this.translate();
    onLanguage(() => this.translate());
  }

  private async run(onCode: (code: string) => Promise<[Key, Record<string, string>] | undefined>): Promise<void> {
    const code = this.input.value.trim();
    if (code === "") return;
    this.status.textContent = t("search.searching");
    this.submit.disabled = true;
    try {
      const message = await onCode(code);
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
    this.status.textContent = "";
  }
}
