/** Level ground for the tiles far wider than a city, made here: no request, and no bulge of flat triangles below the city. */
import { BoundingSphere, Cartesian3, Ellipsoid, QuantizedMeshTerrainData, Rectangle } from "cesium";

/** Cells along a side of a tile. */
const CELLS = 32;
const SIDE = CELLS + 1;
/** Far side of the range of quantized-mesh 1.0. */
const FULL = 32767;
const ALL_CHILDREN = 15;
/** Times the earth's radius at which a point is never hidden by the horizon before its tile is. */
const HIGH = 2;

/** Two bytes of a unit vector in octahedral encoding (Meyer et al. 2010, as quantized-mesh 1.0 has its normals). */
export function octEncoded(x: number, y: number, z: number): [number, number] {
  const sum = Math.abs(x) + Math.abs(y) + Math.abs(z);
  let [a, b] = [x / sum, y / sum];
  if (z < 0) [a, b] = [(1 - Math.abs(b)) * (a < 0 ? -1 : 1), (1 - Math.abs(a)) * (b < 0 ? -1 : 1)];
  const byte = (value: number): number => Math.round((value * 0.5 + 0.5) * 255);
  return [byte(a), byte(b)];
}

/** Ground at one height (metres above the ellipsoid) over a rectangle (radians), with normals. */
export function coarseTile(rectangle: Rectangle, height: number): QuantizedMeshTerrainData {
  const { west, south, east, north } = rectangle;
  const count = SIDE * SIDE;
  const vertices = new Uint16Array(3 * count);
  const normals = new Uint8Array(2 * count);
  for (let at = 0; at < count; at += 1) {
    const [u, v] = [(at % SIDE) / CELLS, Math.floor(at / SIDE) / CELLS];
    vertices[at] = Math.round(u * FULL);
    vertices[count + at] = Math.round(v * FULL);
    const [longitude, latitude] = [west + u * (east - west), south + v * (north - south)];
    const flat = Math.cos(latitude);
    normals.set(octEncoded(flat * Math.cos(longitude), flat * Math.sin(longitude), Math.sin(latitude)), 2 * at);
  }
  const indices: number[] = [];
  for (let row = 0; row < CELLS; row += 1) {
    for (let column = 0; column < CELLS; column += 1) {
      const at = row * SIDE + column;
      indices.push(at, at + 1, at + SIDE, at + SIDE, at + 1, at + SIDE + 1);
    }
  }
  const along = Array.from({ length: SIDE }, (_, at) => at);
  const middle = Ellipsoid.WGS84.geodeticSurfaceNormalCartographic(Rectangle.center(rectangle));
  const skirt = Math.max(100, ((north - south) * Ellipsoid.WGS84.maximumRadius) / CELLS / 10);
  return new QuantizedMeshTerrainData({
    quantizedVertices: vertices,
    indices: Uint16Array.from(indices),
    minimumHeight: height,
    maximumHeight: height,
    boundingSphere: BoundingSphere.fromRectangle3D(rectangle, Ellipsoid.WGS84, height),
    horizonOcclusionPoint: Cartesian3.multiplyByScalar(middle, HIGH, new Cartesian3()),
    westIndices: along.map((at) => at * SIDE),
    eastIndices: along.map((at) => at * SIDE + CELLS),
    southIndices: along,
    northIndices: along.map((at) => CELLS * SIDE + at),
    westSkirtHeight: skirt, southSkirtHeight: skirt, eastSkirtHeight: skirt, northSkirtHeight: skirt,
    childTileMask: ALL_CHILDREN,
    encodedNormals: normals,
  });
}
