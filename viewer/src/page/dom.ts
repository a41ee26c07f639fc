/** Element builder. Data reaches the page as text nodes and attributes only, never as markup. */
type Child = Node | string | undefined;
type Attributes = Record<string, string | boolean | undefined>;

export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children) if (child !== undefined) element.append(child);
  return element;
}

/** Outlines on a 24 × 24 grid; drawn here because fonts differ in the symbols they hold. */
const ICONS = {
  target: "M12 3v4M12 17v4M3 12h4M17 12h4M12 7a5 5 0 1 0 0 10a5 5 0 1 0 0-10z",
  copy: "M9 9h11v12H9zM5 15H4V3h11v2",
  close: "M6 6l12 12M18 6L6 18",
  home: "M4 11l8-7 8 7M6 10v10h12V10M10 20v-6h4v6",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  north: "M12 3l6 18-6-4-6 4z",
  menu: "M4 7h16M4 12h16M4 17h16",
  camera: "M4 8h4l2-3h4l2 3h4v11H4zM12 10a3.5 3.5 0 1 0 0 7a3.5 3.5 0 1 0 0-7z",
  link: "M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1",
  table: "M4 5h16v14H4zM4 10h16M10 5v14",
} as const;

export function icon(name: keyof typeof ICONS): SVGElement {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const path = document.createElementNS(space, "path");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

export function button(
  label: string,
  attributes: Attributes,
  onClick: () => void,
  ...content: Child[]
): HTMLButtonElement {
  const element = h("button", { type: "button", "aria-label": label, title: label, ...attributes }, ...content);
  element.addEventListener("click", onClick);
  return element;
}
