/** Notices of the data provider (synthetic data, licences) and messages of the viewer. */
import { button, h, icon } from "./dom";
import { pick, t, type Key, type Localised } from "../i18n/i18n";

const isAttribution = (notice: Localised): boolean => pick(notice).includes("©");

export class Notices {
  private dismissed = false;
  private notices: Localised[] = [];
  private readonly messages = new Map<Key, Record<string, string>>();

  constructor(
    private readonly banner: HTMLElement,
    private readonly alerts: HTMLElement,
    private readonly attribution: HTMLElement,
  ) {}

  set(notices: readonly Localised[]): void {
    this.notices = [...notices];
    this.draw();
  }

  /** Adds a message that stays until it is taken away or the page is reloaded. */
  alert(key: Key, values: Record<string, string> = {}): void {
    this.messages.set(key, values);
    this.draw();
  }

  /** Takes a message away. */
  clear(key: Key): void {
    if (this.messages.delete(key)) this.draw();
  }

  get keys(): Key[] {
    return [...this.messages.keys()];
  }

  draw(): void {
    const plain = this.notices.filter((notice) => !isAttribution(notice)).map(pick);
    this.banner.hidden = this.dismissed || plain.length === 0;
    const hide = button(t("notice.dismiss"), { class: "icon", "data-testid": "dismiss-notices" }, () => {
      this.dismissed = true;
      this.draw();
    }, icon("close"));
    this.banner.setAttribute("aria-label", t("notice.title"));
    this.banner.replaceChildren(h("p", {}, plain.join(" ")), hide);
    this.alerts.hidden = this.messages.size === 0;
    this.alerts.replaceChildren(...[...this.messages].map(([key, values]) => h("p", {}, t(key, values))));
    const credits = this.notices.filter(isAttribution).map(pick);
    // A hidden banner must not hide that data are synthetic: its words move to the attribution line.
    if (this.dismissed) credits.push(...plain);
    this.attribution.replaceChildren([...credits, "CesiumJS"].join(" · "));
  }
}
