/** All words of the interface, in English and Simplified Chinese. */
import { en } from "./en";
import { zh } from "./zh";

export type Language = "en" | "zh";
export type Localised = Partial<Record<Language, string>>;

export type Key = keyof typeof en;

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
