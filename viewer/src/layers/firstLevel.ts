/** From which level on terrain tiles are worth a request. Pure. */

/** How much wider than the terrain itself the widest tiles are that are asked for. */
const WIDEST = 2;

/** First level with tiles no wider than a few times the terrain; tiles of level 0 are 180° wide. */
export function firstLevel(box: readonly number[] | undefined): number {
  const [west, south, east, north] = box ?? [];
  if (west === undefined || south === undefined || east === undefined || north === undefined) return 0;
  const width = Math.max(east - west, north - south);
  return width > 0 ? Math.max(0, Math.ceil(Math.log2(180 / (WIDEST * width)))) : 0;
}
