/** Colours of buildings by use and of networks by kind. Pure: knows nothing of the 3D engine. */
import type { Localised } from "../i18n/i18n";

export const SELECTED = "#ffe600";
export const UNKNOWN_USE = "#b9bdc1";
/** Blocks of the far view, which stand for many buildings. */
export const BLOCK = "#d5d3cb";
const UNKNOWN_NETWORK = "#6b7680";

interface Entry {
  colour: string;
  title: Localised;
}

/** Network colours after the map colours of CJJ 61 (water blue, drainage brown, gas pink, heat and lighting orange, power red). */
export const NETWORKS: Record<string, Entry> = {
  water: { colour: "#1f6fe0", title: { en: "Water supply", zh: "给水" } },
  rainwater: { colour: "#a0703a", title: { en: "Rainwater", zh: "雨水" } },
  sewage: { colour: "#6b3f1d", title: { en: "Sewage", zh: "污水" } },
  gas: { colour: "#ff4fc4", title: { en: "Gas", zh: "燃气" } },
  heat: { colour: "#ff8c42", title: { en: "District heating", zh: "热力" } },
  power: { colour: "#e01b24", title: { en: "Power", zh: "电力" } },
  lighting: { colour: "#ffa51f", title: { en: "Street lighting", zh: "路灯" } },
  telecom: { colour: "#1f9d45", title: { en: "Telecom", zh: "通信" } },
  road: { colour: "#8a8f98", title: { en: "Roads", zh: "道路" } },
  tunnel: { colour: "#ffd700", title: { en: "Utility tunnels", zh: "综合管廊" } },
};

const USES: Record<string, Entry> = {
  residential: { colour: "#f0cf9b", title: { en: "Residential", zh: "住宅" } },
  mixed: { colour: "#e8b07a", title: { en: "Mixed use", zh: "商住混合" } },
  commercial: { colour: "#e2776b", title: { en: "Commercial", zh: "商业" } },
  office: { colour: "#7fa8d6", title: { en: "Office", zh: "办公" } },
  industrial: { colour: "#a893c4", title: { en: "Industrial", zh: "工业" } },
  warehouse: { colour: "#8f86a3", title: { en: "Warehouse", zh: "仓储" } },
  education: { colour: "#7cc0a0", title: { en: "Education", zh: "教育" } },
  medical: { colour: "#e79ab6", title: { en: "Medical", zh: "医疗" } },
  culture: { colour: "#c7b24f", title: { en: "Culture and sport", zh: "文化体育" } },
  public: { colour: "#6fb7c4", title: { en: "Public service", zh: "公共服务" } },
  transport: { colour: "#7d8fa8", title: { en: "Transport", zh: "交通" } },
  agriculture: { colour: "#a9c46c", title: { en: "Agriculture", zh: "农业" } },
  utility: { colour: "#9a8f7a", title: { en: "Utility", zh: "市政公用" } },
  other: { colour: "#c8c3b8", title: { en: "Other", zh: "其他" } },
};

/** Materials of pipes and cables by the words of surveys; every other word gets a spare colour. */
const MATERIALS: readonly (readonly [RegExp, Entry])[] = [
  [/^(DCI|DI|QT|球墨铸铁)$/i, { colour: "#3d6fb6", title: { en: "Ductile iron", zh: "球墨铸铁" } }],
  [/^(CI|GCI|铸铁|灰口铸铁)$/i, { colour: "#6b7f99", title: { en: "Cast iron", zh: "铸铁" } }],
  [/^(STL|ST|STEEL|钢|钢管)$/i, { colour: "#b0475a", title: { en: "Steel", zh: "钢" } }],
  [/^(PE)$/i, { colour: "#3fa66b", title: { en: "Polyethylene", zh: "聚乙烯 PE" } }],
  [/^(HDPE)$/i, { colour: "#7a5ea8", title: { en: "High-density polyethylene", zh: "高密度聚乙烯 HDPE" } }],
  [/^(U?PVC)$/i, { colour: "#c9a227", title: { en: "PVC", zh: "聚氯乙烯 PVC" } }],
  [/^(RC|CON|CONCRETE|砼|混凝土|钢筋混凝土)$/i, { colour: "#8a7f72", title: { en: "Concrete", zh: "混凝土" } }],
  [/^(PCCP)$/i, { colour: "#4f5d4a", title: { en: "Prestressed concrete cylinder", zh: "预应力钢筒混凝土" } }],
  [/^(COPPER|CU|铜)$/i, { colour: "#d2691e", title: { en: "Copper", zh: "铜" } }],
  [/^(FIBRE|FIBER|GX|光纤|光缆)$/i, { colour: "#20b2c4", title: { en: "Optical fibre", zh: "光纤" } }],
];

export function materialOf(word: string): Entry | undefined {
  return MATERIALS.find(([pattern]) => pattern.test(word.trim()))?.[1];
}

/** Words that lead to an entry of `USES`: census terms, OpenStreetMap values, Chinese terms. */
const USE_WORDS: readonly (readonly [RegExp, string])[] = [
  [/mixed|商住|综合/, "mixed"],
  [/resid|dwell|house|housing|apartment|dormitory|住宅|居住|宿舍/, "residential"],
  [/office|办公/, "office"],
  [/warehouse|storage|仓/, "warehouse"],
  [/industr|factory|工业|厂房/, "industrial"],
  [/edu|school|university|college|kindergarten|教育|学校|教学/, "education"],
  [/medic|hospital|clinic|health|医/, "medical"],
  [/cultur|sport|museum|relig|theatre|文化|体育|宗教/, "culture"],
  [/transport|station|parking|garage|交通|车库/, "transport"],
  [/agri|farm|农/, "agriculture"],
  [/utilit|municipal|市政/, "utility"],
  [/public|govern|civic|公共|行政/, "public"],
  [/commerc|retail|shop|hotel|商业|商务|酒店/, "commercial"],
  [/other|其他|其它/, "other"],
];

export const SPARE_COLOURS = ["#d8a0d8", "#9ad0c2", "#d6c48a", "#8aa0e0", "#c98f6b", "#a2b18a", "#d98c9c", "#7fb3a8"] as const;

function useEntry(use: string): Entry | undefined {
  const word = use.trim().toLowerCase();
  const exact = USES[word];
  if (exact) return exact;
  const match = USE_WORDS.find(([pattern]) => pattern.test(word));
  return match && USES[match[1]];
}

/** Colour of a building use. A use outside the known vocabulary gets a colour of its own, the same on every visit. */
export function useColour(use: string | undefined): string {
  if (!use) return UNKNOWN_USE;
  const entry = useEntry(use);
  if (entry) return entry.colour;
  return spareColour(use);
}

/** A colour for a value outside of any vocabulary, the same on every visit. */
export function spareColour(value: string): string {
  let hash = 0;
  for (const letter of value) hash = (hash * 31 + (letter.codePointAt(0) ?? 0)) >>> 0;
  return SPARE_COLOURS[hash % SPARE_COLOURS.length] as string;
}

/** Title of a use when the server's schema names none: the known vocabulary, else the value itself. */
export function useTitle(use: string): Localised {
  const exact = USES[use.trim().toLowerCase()];
  return exact ? exact.title : { en: use.replace(/_/g, " "), zh: use };
}

/** `networks/water` → `water`. */
export function networkKind(layerId: string): string {
  return layerId.split("/").at(-1) ?? layerId;
}

export function networkColour(layerId: string): string {
  return NETWORKS[networkKind(layerId)]?.colour ?? UNKNOWN_NETWORK;
}

/** Base colour of a feature outside the buildings; BIM elements keep the colours of the model (white multiplies to nothing). */
export function baseColour(kind: string, layerId: string): string {
  return kind === "network" ? networkColour(layerId) : "#ffffff";
}
