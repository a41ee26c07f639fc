/** What a search text means: a code, a position, or words to look for in names and addresses. */
import { codeOf, findItem, readMatches, type Item } from "../api/api";

export interface Found {
  collection: string;
  item: Item;
}

const BUILDING_CODE_LENGTH = 27;

/**
 * Collections to ask for a code, most likely first. A code of 27 characters is a building's, so the other
 * collections are asked only for other lengths.
 */
export function collectionsFor(code: string, layers: readonly { kind: string; collection: string }[]): string[] {
  const wanted = code.length === BUILDING_CODE_LENGTH ? layers.filter(({ kind }) => kind === "buildings") : layers;
  const known = wanted.flatMap(({ kind, collection }) => (kind === "network" ? [collection, collection.replace(/-lines$/, "-points")] : [collection]));
  // Terrain and scans have no features.
  const ids = [...new Set(known.filter((id) => id !== "" && id !== "pointclouds"))];
  return ids.length > 0 || code.length !== BUILDING_CODE_LENGTH ? ids : ["buildings"];
}

/**
 * The first collection that knows the code. A failing collection does not hide a hit in another one; without a hit
 * the failure is raised, since "not found" would be a lie.
 */
export async function findByCode(code: string, collections: readonly string[]): Promise<Found | undefined> {
  const answers = await Promise.allSettled(collections.map((id) => findItem(id, code)));
  for (const [index, answer] of answers.entries()) {
    const collection = collections[index];
    if (answer.status === "fulfilled" && answer.value && collection) return { collection, item: answer.value };
  }
  const failed = answers.find((answer) => answer.status === "rejected");
  if (failed) throw failed.reason;
  return undefined;
}

export interface Suggestion {
  collection: string;
  code: string;
  text: string;
  detail: string;
}

const PER_COLLECTION = 5;
/** Collections with words people search for, and the attributes that say which one it is. */
const WORDS: readonly (readonly [string, readonly string[]])[] = [
  ["buildings", ["name", "address"]],
  ["addresses", ["full_text", "address", "name"]],
];

/**
 * Longitude and latitude in degrees from a text such as "114.39, 30.51"; the other order is understood where only one
 * of the numbers can be a latitude.
 */
export function parsePosition(text: string): [number, number] | undefined {
  const match = /^\s*(-?\d{1,3}(?:\.\d+)?)\s*°?\s*[,;，\s]\s*(-?\d{1,3}(?:\.\d+)?)\s*°?\s*$/.exec(text);
  if (!match) return undefined;
  const [a, b] = [Number(match[1]), Number(match[2])] as const;
  if (Math.abs(a) <= 180 && Math.abs(b) <= 90) return [a, b];
  if (Math.abs(a) <= 90 && Math.abs(b) <= 180) return [b, a];
  return undefined;
}

/** Features whose name or address has the words, buildings first; a collection that fails hides no other one. */
export async function suggest(text: string): Promise<Suggestion[]> {
  const answers = await Promise.allSettled(WORDS.map(([id]) => readMatches(id, text, PER_COLLECTION)));
  const failed = answers.find((answer) => answer.status === "rejected");
  if (failed && answers.every((answer) => answer.status === "rejected")) throw failed.reason;
  return answers.flatMap((answer, index) => {
    const [collection, names] = WORDS[index] as (typeof WORDS)[number];
    return answer.status === "fulfilled" ? answer.value.map((item) => describe(collection, item, names)) : [];
  });
}

function describe(collection: string, item: Item, names: readonly string[]): Suggestion {
  const code = codeOf(item);
  const texts = names.map((name) => item.properties[name]).filter((value): value is string => typeof value === "string" && value !== "");
  return { collection, code, text: texts[0] ?? code, detail: texts[1] ?? code };
}
