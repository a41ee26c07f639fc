/** All words of the interface, in English and Simplified Chinese. */
export type Language = "en" | "zh";
export type Localised = Partial<Record<Language, string>>;

const en = {
  "app.title": "City viewer",
  "app.layers": "Layers",
  "app.close": "Close",
  "app.language": "Language",
  "app.controls": "Camera",
  "app.map": "3D view of the city. Arrow keys move, plus and minus zoom, Home shows the whole city.",
  "app.starting": "Starting the viewer …",
  "app.collections": "All data (OGC API)",
  "group.buildings": "Buildings",
  "group.bim": "BIM models",
  "group.network": "Networks",
  "layer.features": "{n} features",
  "layer.loading": "loading …",
  "layer.pending": "loading, {n} tiles left",
  "layer.tilesFailed": "{n} tiles could not be loaded",
  "layer.failed": "not loaded: {reason}",
  "layer.retry": "Try again",
  "layer.flyTo": "Go to {name}",
  "layer.synthetic": "synthetic",
  "layer.none": "No 3D layers are published on this server yet.",
  "layer.noneHint": "Build them with: cim tiles build",
  "view.underground": "Underground view",
  "view.undergroundHint": "Makes the ground see-through",
  "view.day": "State of the day",
  "view.dayHint": "Shows the buildings as the register had them at the end of a past day; empty: as they stand",
  "view.home": "Whole city",
  "view.zoomIn": "Zoom in",
  "view.zoomOut": "Zoom out",
  "view.north": "North up",
  "legend.title": "Legend",
  "legend.unknown": "not recorded",
  "theme.label": "Colour buildings by",
  "theme.use": "use",
  "theme.structure": "structure",
  "theme.height": "height",
  "theme.storeys": "storeys",
  "theme.year": "year built",
  "theme.grade": "appraisal grade",
  "theme.shown": "{n} buildings shown",
  "theme.showAll": "Show all",
  "panel.title": "Feature",
  "panel.code": "Code",
  "panel.copy": "Copy code",
  "panel.copied": "Copied",
  "panel.copyFailed": "Copying was refused: select the code and copy it by hand",
  "panel.item": "OGC API item",
  "panel.loading": "Reading attributes …",
  "panel.fromTile": "The register did not answer ({reason}). Shown: attributes in the tile.",
  "panel.notInRegister": "no item with this code in {collection}",
  "panel.empty": "No attributes recorded.",
  "panel.history": "History",
  "panel.addresses": "Addresses",
  "panel.units": "Units",
  "panel.more": "{n} in all",
  "panel.gone": "Show the building",
  "panel.until": "until {date}",
  "panel.current": "current",
  "panel.from": "became of {code}",
  "panel.to": "became {code}",
  "panel.yes": "yes",
  "panel.no": "no",
  "search.label": "Search by code, name, address or position",
  "search.placeholder": "Code, name, address, or 114.39, 30.51",
  "search.suggestions": "Suggestions",
  "search.nothing": "Nothing found for {text}.",
  "search.go": "Search",
  "search.searching": "Searching …",
  "search.notFound": "No feature with the code {code}.",
  "search.failed": "Search failed: {reason}",
  "search.noGeometry": "{code} was found, but it has no location.",
  "notice.title": "Notices",
  "notice.dismiss": "Hide notices",
  "error.server": "The server could not be reached. Check that it is running, then reload this page.",
  "error.layers": "The list of 3D layers could not be read: {reason}",
  "error.webgl": "This browser cannot draw 3D (WebGL 2 is missing or switched off). The data remain available through the OGC API.",
  "error.scene": "The 3D view stopped: {reason}",
  "error.foreignTiles": "the tiles are on another server ({host})",
  "error.http": "HTTP {status}",
  "error.denied": "access refused (HTTP {status})",
  "error.network": "no answer from the server",
  "error.notJson": "the answer is not JSON",
  "error.missing": "not found (HTTP 404)",
} as const;

export type Key = keyof typeof en;

const zh: Record<Key, string> = {
  "app.title": "城市三维浏览",
  "app.layers": "图层",
  "app.close": "关闭",
  "app.language": "语言",
  "app.controls": "视角",
  "app.map": "城市三维视图。方向键平移，加减键缩放，Home 键显示全城。",
  "app.starting": "正在启动…",
  "app.collections": "全部数据（OGC API）",
  "group.buildings": "建筑",
  "group.bim": "BIM 模型",
  "group.network": "市政管线",
  "layer.features": "{n} 个要素",
  "layer.loading": "加载中…",
  "layer.pending": "加载中，剩余 {n} 个瓦片",
  "layer.tilesFailed": "{n} 个瓦片加载失败",
  "layer.failed": "未能加载：{reason}",
  "layer.retry": "重试",
  "layer.flyTo": "定位到{name}",
  "layer.synthetic": "合成数据",
  "layer.none": "本服务器尚未发布三维图层。",
  "layer.noneHint": "生成命令：cim tiles build",
  "view.underground": "地下视图",
  "view.undergroundHint": "使地面透明",
  "view.day": "按日期查看",
  "view.dayHint": "显示所选日期结束时登记的建筑；留空为现状",
  "view.home": "全城",
  "view.zoomIn": "放大",
  "view.zoomOut": "缩小",
  "view.north": "正北朝上",
  "legend.title": "图例",
  "legend.unknown": "未登记",
  "theme.label": "建筑着色",
  "theme.use": "用途",
  "theme.structure": "结构类型",
  "theme.height": "高度",
  "theme.storeys": "层数",
  "theme.year": "建成年代",
  "theme.grade": "鉴定等级",
  "theme.shown": "显示 {n} 栋建筑",
  "theme.showAll": "全部显示",
  "panel.title": "要素",
  "panel.code": "编码",
  "panel.copy": "复制编码",
  "panel.copied": "已复制",
  "panel.copyFailed": "无法自动复制，请手动选中编码复制",
  "panel.item": "OGC API 要素",
  "panel.loading": "正在读取属性…",
  "panel.fromTile": "未能从登记库读取（{reason}），以下为瓦片内的属性。",
  "panel.notInRegister": "{collection} 中没有此编码",
  "panel.empty": "没有登记属性。",
  "panel.history": "历史",
  "panel.addresses": "地址",
  "panel.units": "户",
  "panel.more": "共 {n} 条",
  "panel.gone": "查看所在建筑",
  "panel.until": "至 {date}",
  "panel.current": "现状",
  "panel.from": "由 {code} 变更而来",
  "panel.to": "变更为 {code}",
  "panel.yes": "是",
  "panel.no": "否",
  "search.label": "按编码、名称、地址或坐标查询",
  "search.placeholder": "编码、名称、地址或 114.39, 30.51",
  "search.suggestions": "建议",
  "search.nothing": "未找到“{text}”。",
  "search.go": "查询",
  "search.searching": "查询中…",
  "search.notFound": "没有编码为 {code} 的要素。",
  "search.failed": "查询失败：{reason}",
  "search.noGeometry": "已找到 {code}，但它没有位置信息。",
  "notice.title": "说明",
  "notice.dismiss": "隐藏说明",
  "error.server": "无法连接服务器。请确认服务正在运行，然后刷新页面。",
  "error.layers": "无法读取三维图层清单：{reason}",
  "error.webgl": "此浏览器无法显示三维（缺少或未启用 WebGL 2）。数据仍可通过 OGC API 访问。",
  "error.scene": "三维视图已停止：{reason}",
  "error.foreignTiles": "瓦片位于其他服务器（{host}）",
  "error.http": "HTTP {status}",
  "error.denied": "没有访问权限（HTTP {status}）",
  "error.network": "服务器没有响应",
  "error.notJson": "返回内容不是 JSON",
  "error.missing": "未找到（HTTP 404）",
};

export const words: Record<Language, Record<Key, string>> = { en, zh };

const STORAGE_KEY = "cim.viewer.language";
const listeners = new Set<() => void>();
let current: Language = "en";

export function language(): Language {
  return current;
}

/** Word of the interface in the current language; `{name}` places are filled from `values`. */
export function t(key: Key, values: Record<string, string | number> = {}): string {
  return words[current][key].replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

/** Text the server gave in one or both languages; the other language stands in for a missing one. */
export function pick(text: Localised | string | undefined): string {
  if (text === undefined) return "";
  if (typeof text === "string") return text;
  return text[current] ?? text.en ?? text.zh ?? "";
}

/** Language of the first visit: `?lang=`, then the stored choice, then the browser's languages. */
export function chooseLanguage(search: string, stored: string | null, browser: readonly string[]): Language {
  const wanted = [new URLSearchParams(search).get("lang"), stored, ...browser];
  for (const tag of wanted) {
    const primary = tag?.toLowerCase().split("-")[0];
    if (primary === "en" || primary === "zh") return primary;
  }
  return "en";
}

export function startLanguage(): void {
  current = chooseLanguage(location.search, readStored(), navigator.languages);
  document.documentElement.lang = current === "zh" ? "zh-Hans" : "en";
}

export function setLanguage(next: Language): void {
  if (next === current) return;
  current = next;
  document.documentElement.lang = next === "zh" ? "zh-Hans" : "en";
  const url = new URL(location.href);
  url.searchParams.set("lang", next);
  history.replaceState(null, "", url);
  try {
    localStorage.setItem(STORAGE_KEY, next);
  } catch {
    // Storage may be forbidden by the browser; the choice then lives in the address only.
  }
  listeners.forEach((listener) => listener());
}

/** Calls `listener` after each change of language. */
export function onLanguage(listener: () => void): void {
  listeners.add(listener);
}

function readStored(): string | null {
  try {
    return localStorage.getItem(STORAGE_KEY);
  } catch {
    return null;
  }
}
