/** Lengths and areas on the ellipsoid of WGS 84. Pure. */

/** Longitude, latitude [degrees], height [m]. */
export type Position = [number, number, number];

const A = 6_378_137;
const F = 1 / 298.257223563;
const E2 = F * (2 - F);
const RADIANS = Math.PI / 180;

/** Metres per degree eastwards and northwards at a latitude (radii of curvature of the ellipsoid). */
export function metresPerDegree(latitude: number): [number, number] {
  const w = Math.sqrt(1 - E2 * Math.sin(latitude * RADIANS) ** 2);
  const transverse = A / w;
  const meridian = (A * (1 - E2)) / w ** 3;
  return [transverse * Math.cos(latitude * RADIANS) * RADIANS, meridian * RADIANS];
}

/** Horizontal and slant length of a line [m]; each leg is measured with the radii at its middle (better than 1:10⁵ below 50 km). */
export function lineLength(line: readonly Position[]): { horizontal: number; slant: number } {
  let horizontal = 0;
  let slant = 0;
  for (let at = 1; at < line.length; at += 1) {
    const [from, to] = [line[at - 1], line[at]] as [Position, Position];
    const [east, north] = metresPerDegree((from[1] + to[1]) / 2);
    const flat = Math.hypot((to[0] - from[0]) * east, (to[1] - from[1]) * north);
    horizontal += flat;
    slant += Math.hypot(flat, to[2] - from[2]);
  }
  return { horizontal, slant };
}

/** Area of a simple ring [m²], in the plane that touches the ellipsoid at its middle. */
export function ringArea(ring: readonly Position[]): number {
  if (ring.length < 3) return 0;
  const middle = ring.reduce((sum, [, latitude]) => sum + latitude, 0) / ring.length;
  const [east, north] = metresPerDegree(middle);
  const [first] = ring as [Position];
  let twice = 0;
  for (let at = 0; at < ring.length; at += 1) {
    const [from, to] = [ring[at], ring[(at + 1) % ring.length]] as [Position, Position];
    const [x0, y0] = [(from[0] - first[0]) * east, (from[1] - first[1]) * north];
    const [x1, y1] = [(to[0] - first[0]) * east, (to[1] - first[1]) * north];
    twice += x0 * y1 - x1 * y0;
  }
  return Math.abs(twice) / 2;
}

/** A ring as closed GeoJSON coordinates, counter-clockwise (RFC 7946, 3.1.6). */
export function closedRing(ring: readonly Position[]): [number, number][] {
  const flat = ring.map(([x, y]): [number, number] => [round(x), round(y)]);
  let twice = 0;
  for (let at = 0; at < flat.length; at += 1) {
    const [[x0, y0], [x1, y1]] = [flat[at], flat[(at + 1) % flat.length]] as [[number, number], [number, number]];
    twice += x0 * y1 - x1 * y0;
  }
  if (twice < 0) flat.reverse();
  const [first] = flat;
  return first ? [...flat, first] : [];
}

/** CQL2 text that selects what touches an area. */
export function touching(ring: readonly Position[]): string {
  const points = closedRing(ring).map(([x, y]) => `${String(x)} ${String(y)}`);
  return `S_INTERSECTS(geometry, POLYGON((${points.join(", ")})))`;
}

/** About a centimetre on the ground. */
function round(degrees: number): number {
  return Math.round(degrees * 1e7) / 1e7;
}

/** Whether the legs of a ring cross each other: then it has no area. */
export function crossesItself(ring: readonly Position[]): boolean {
  const n = ring.length;
  const side = (a: Position, b: Position, c: Position): number => Math.sign((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]));
  for (let i = 0; i < n; i += 1) {
    for (let j = i + 2; j < n; j += 1) {
      if (i === 0 && j === n - 1) continue;
      const [a, b, c, d] = [ring[i], ring[i + 1], ring[j], ring[(j + 1) % n]] as [Position, Position, Position, Position];
      if (side(a, b, c) !== side(a, b, d) && side(c, d, a) !== side(c, d, b)) return true;
    }
  }
  return false;
}
