/** The tree of a model: storey, class, element (Web Awesome tree). Elements are drawn when their class is opened. */
import "@awesome.me/webawesome/dist/components/tree/tree.js";
import "@awesome.me/webawesome/dist/components/tree-item/tree-item.js";
import { h } from "../page/dom";
import { language, t } from "../i18n/i18n";
import type { Element, Model } from "./model";

/** Elements of one class listed at a time. */
const LISTED = 300;

type TreeItem = HTMLElementTagNameMap["wa-tree-item"];

function branch(text: string, count: number | undefined, lazy: boolean): TreeItem {
  const item = document.createElement("wa-tree-item");
  item.append(text);
  if (count !== undefined) item.append(" ", h("span", { class: "hint" }, count.toLocaleString(language())));
  item.lazy = lazy;
  return item;
}

export function elementTree(model: Model, choose: (code: string) => void): HTMLElement {
  const tree = document.createElement("wa-tree");
  tree.setAttribute("aria-label", t("bim.tree"));
  tree.setAttribute("data-testid", "bim-tree");
  const leaves = new Map<TreeItem, string>();
  const byStorey = groups([...model.elements.values()], ({ storey }) => storey);
  for (const [index, members] of [...byStorey].sort(([a], [b]) => b - a)) {
    const storey = branch(model.storeys[index]?.name ?? t("bim.noStorey"), members.length, false);
    for (const [ifcClass, some] of [...groups(members, (one) => one.ifcClass)].sort(([a], [b]) => a.localeCompare(b))) {
      const item = branch(ifcClass || t("bim.noClass"), some.length, true);
      item.addEventListener("wa-lazy-load", () => {
        for (const element of some.slice(0, LISTED)) {
          const leaf = branch(element.name || element.code, undefined, false);
          leaf.dataset["code"] = element.code;
          leaves.set(leaf, element.code);
          item.append(leaf);
        }
        if (some.length > LISTED) item.append(branch(t("bim.more", { n: (some.length - LISTED).toLocaleString(language()) }), undefined, false));
        item.lazy = false;
      });
      storey.append(item);
    }
    tree.append(storey);
  }
  tree.addEventListener("wa-selection-change", (event) => {
    const [chosen] = (event as CustomEvent<{ selection: TreeItem[] }>).detail.selection;
    const code = chosen && leaves.get(chosen);
    if (code) choose(code);
  });
  return tree;
}

function groups<K>(elements: readonly Element[], key: (element: Element) => K): Map<K, Element[]> {
  const made = new Map<K, Element[]>();
  for (const element of elements) {
    const at = key(element);
    const known = made.get(at);
    if (known) known.push(element);
    else made.set(at, [element]);
  }
  return made;
}
