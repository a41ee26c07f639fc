/** The page over the view: catalogue, upload, access. */
import { button, h, icon } from "../page/dom";
import { drawTabs, type Tabs } from "../page/tabs";
import { onLanguage, t } from "../i18n/i18n";
import { AccessPage } from "./accessPage";
import { Catalogue } from "./catalogue";
import { UploadPage } from "./upload";

export interface DataHooks {
  /** Shows the layer of a collection. */
  show: (collection: string) => void;
  /** Shows a model that has just been loaded. */
  showModel: (code: string) => Promise<void>;
}

export class DataPage {
  readonly element = h("dialog", { class: "data-page", "data-testid": "data-page" });
  private readonly tabs: Tabs;
  private readonly catalogue: Catalogue;
  private readonly upload: UploadPage;

  constructor(hooks: DataHooks) {
    this.catalogue = new Catalogue((collection) => {
      this.element.close();
      hooks.show(collection);
    });
    this.upload = new UploadPage(async (code) => {
      await hooks.showModel(code);
      this.element.close();
    });
    this.tabs = drawTabs([
      { id: "catalogue", title: "data.catalogue", content: this.catalogue.element },
      { id: "upload", title: "data.upload", content: this.upload.element },
      { id: "access", title: "data.access", content: new AccessPage().element },
    ]);
    const heading = h("h2", {});
    const close = button("", { class: "icon", "data-testid": "data-close" }, () => this.element.close(), icon("close"));
    this.element.append(h("header", {}, heading, close), this.tabs.element);
    const translate = (): void => {
      heading.textContent = t("data.title");
      this.element.setAttribute("aria-label", t("data.title"));
      close.setAttribute("aria-label", t("app.close"));
      close.title = t("app.close");
    };
    translate();
    onLanguage(translate);
  }

  open(tab = "catalogue"): void {
    if (!this.element.open) this.element.showModal();
    this.tabs.open(tab);
    this.upload.draw();
    void this.catalogue.read();
  }
}
