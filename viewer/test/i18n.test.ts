import { expect, test } from "vitest";
import { chooseLanguage, words, type Key } from "../src/i18n/i18n";

const keys = Object.keys(words.en) as Key[];
const places = (text: string): string[] => (text.match(/\{\w+\}/g) ?? []).sort();

test("every word exists in both languages", () => {
  expect(Object.keys(words.zh).sort()).toEqual([...keys].sort());
  for (const key of keys) {
    expect(words.en[key].trim(), key).not.toBe("");
    expect(words.zh[key].trim(), key).not.toBe("");
  }
});

test("both languages fill the same places of a sentence", () => {
  for (const key of keys) expect(places(words.zh[key]), key).toEqual(places(words.en[key]));
});

test("Chinese sentences are written in Chinese", () => {
  const neutral = new Set<Key>(["error.http"]);
  for (const key of keys) if (!neutral.has(key)) expect(words.zh[key], key).toMatch(/\p{Script=Han}/u);
});

test("the address decides the language, then the stored choice, then the browser", () => {
  expect(chooseLanguage("?lang=zh", "en", ["en-GB"])).toBe("zh");
  expect(chooseLanguage("", "zh", ["en-GB"])).toBe("zh");
  expect(chooseLanguage("?lang=fr", null, ["fr-FR", "zh-CN"])).toBe("zh");
  expect(chooseLanguage("", null, [])).toBe("en");
});
