/** Heights of the ground: of the plain, taken from the tiles where the server names none, and of the terrain. */
import { Cartographic, Cartesian3, type Cesium3DTileset, type Scene } from "cesium";

interface RootVolume {
  root?: {
    boundingVolume?: {
      /** Of a region. */
      minimumHeight?: number;
      /** Of a box. */
      boundingVolume?: { center?: Cartesian3; halfAxes?: ArrayLike<number> };
    };
  };
}

/** Lowest height of the root volume in metres above the ellipsoid: no building then sinks below the ground. */
export function groundHeight(tileset: Cesium3DTileset): number | undefined {
  const volume = (tileset as unknown as RootVolume).root?.boundingVolume;
  if (volume?.minimumHeight !== undefined) return volume.minimumHeight;
  const { center, halfAxes } = volume?.boundingVolume ?? {};
  if (!center || !halfAxes) return undefined;
  const middle = Cartographic.fromCartesian(center);
  const up = Cartesian3.normalize(center, new Cartesian3());
  // Reach of the box along the vertical: sum of the projected half axes.
  let reach = 0;
  for (let axis = 0; axis < 3; axis += 1) {
    const [x, y, z] = [halfAxes[axis * 3] ?? 0, halfAxes[axis * 3 + 1] ?? 0, halfAxes[axis * 3 + 2] ?? 0];
    reach += Math.abs(x * up.x + y * up.y + z * up.z);
  }
  return middle.height - reach;
}

/** Height of the ground on show at a place (degrees) in metres above the ellipsoid, the typical one of the city where it is not loaded. */
export function heightAt(scene: Scene, longitude: number, latitude: number, typical: number): number {
  return scene.globe.getHeight(Cartographic.fromDegrees(longitude, latitude)) ?? typical;
}
