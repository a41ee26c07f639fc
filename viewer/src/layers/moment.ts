/** The day whose state of the register is on show. Pure. */

/** The instant that ends a day (YYYY-MM-DD) where the user is, as the API wants it; undefined for today, a later day or no day at all. */
export function endOfDay(day: string | undefined, now: Date = new Date()): string | undefined {
  if (!day || !/^\d{4}-\d{2}-\d{2}$/.test(day)) return undefined;
  const end = new Date(`${day}T23:59:59`);
  return Number.isNaN(end.getTime()) || end >= now ? undefined : end.toISOString().replace(/\.\d+Z$/, "Z");
}

/** Address of the tiles of a layer as it stood at an instant, or of a selection of it: made on request by the server. */
export function tilesAt(href: string, instant: string | undefined, filter?: string): string {
  if (instant === undefined && filter === undefined) return href;
  const live = href.replace(/(\/live)?\/tileset\.json$/, "/live/tileset.json");
  const asked = new URLSearchParams();
  if (instant !== undefined) asked.set("datetime", instant);
  if (filter !== undefined) asked.set("filter", filter);
  return `${live}?${asked.toString()}`;
}
