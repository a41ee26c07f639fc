/** The tabs of the side panel (Web Awesome). Each holds one block of tools. */
import "@awesome.me/webawesome/dist/components/tab-group/tab-group.js";
import "@awesome.me/webawesome/dist/components/tab/tab.js";
import "@awesome.me/webawesome/dist/components/tab-panel/tab-panel.js";
import { onLanguage, t, type Key } from "../i18n/i18n";
import { h } from "./dom";

export interface Tab {
  id: string;
  title: Key;
  content: HTMLElement;
}

export interface Tabs {
  element: HTMLElement;
  /** Brings a tab to the front. */
  open: (id: string) => void;
}

export function drawTabs(tabs: readonly Tab[]): Tabs {
  const heads = tabs.map(({ id }) => Object.assign(document.createElement("wa-tab"), { panel: id }));
  heads.forEach((head, index) => head.setAttribute("data-testid", `tab-${tabs[index]?.id ?? ""}`));
  const panels = tabs.map(({ id, content }) => {
    const panel = Object.assign(document.createElement("wa-tab-panel"), { name: id });
    panel.append(content);
    return panel;
  });
  const group = document.createElement("wa-tab-group");
  group.setAttribute("without-scroll-controls", "");
  group.append(...heads.map((head) => (head.slot = "nav", head)), ...panels);
  const translate = (): void => heads.forEach((head, index) => (head.textContent = t(tabs[index]?.title ?? "app.layers")));
  translate();
  onLanguage(translate);
  return { element: h("div", { class: "tabs" }, group), open: (id) => (group.active = id) };
}
