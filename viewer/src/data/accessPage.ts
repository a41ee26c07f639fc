/** The access token: entered by hand, kept for this tab, checked at once. */
import { answer, client } from "../api/client";
import { reason } from "../api/api";
import { onToken, setToken, token } from "../api/token";
import { button, h } from "../page/dom";
import { onLanguage, t } from "../i18n/i18n";

export class AccessPage {
  readonly element = h("section", { "data-testid": "access" });
  private readonly status = h("p", { role: "status", "data-testid": "token-status" });

  constructor() {
    this.draw();
    onLanguage(() => this.draw());
    onToken((refusedNow) => {
      if (refusedNow) this.say("bad", t("error.token"));
    });
  }

  private draw(): void {
    const input = h("input", { type: "password", id: "token", autocomplete: "off", spellcheck: "false", value: token(), "data-testid": "token" });
    const form = h(
      "form", { class: "grid" },
      h("label", { for: "token" }, t("access.token")), input, h("span", {}),
      h(
        "span", { class: "buttons" },
        h("button", { type: "submit", "data-testid": "token-use" }, t("access.use")),
        button(t("access.forget"), { "data-testid": "token-forget" }, () => {
          input.value = "";
          setToken("");
          this.say("hint", t("access.none"));
        }, t("access.forget")),
      ),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.use(input.value);
    });
    this.element.replaceChildren(h("p", {}, t("access.text")), form, this.status);
    this.say("hint", token() ? t("access.set") : t("access.none"));
  }

  private async use(value: string): Promise<void> {
    setToken(value);
    if (!token()) return this.say("hint", t("access.none"));
    try {
      await answer(client.GET("/collections", { params: { query: { f: "json" } } }));
      this.say("hint", t("access.set"));
    } catch (error) {
      this.say("bad", reason(error));
    }
  }

  private say(kind: string, text: string): void {
    this.status.className = kind;
    this.status.textContent = text;
  }
}
