/** When a tileset or the ground has drawn what the present view needs. */
import type { Cesium3DTileset, Scene } from "cesium";

const QUIET_FRAMES = 3;

/**
 * Resolves when the tiles of the first view are loaded. `initialTilesLoaded` never fires for a tileset outside the
 * view (it has nothing to load), so a few frames without any open request count as well; so does hiding the layer.
 */
export function whenShown(tileset: Cesium3DTileset, scene: Scene, isWanted: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    let quiet = 0;
    const done = (): void => {
      stopTiles();
      stopFrames();
      resolve();
    };
    const stopTiles = tileset.initialTilesLoaded.addEventListener(done);
    const stopFrames = scene.postRender.addEventListener(() => {
      quiet = tileset.tilesLoaded ? quiet + 1 : 0;
      if (quiet > QUIET_FRAMES || !isWanted()) done();
      else scene.requestRender();
    });
    scene.requestRender();
  });
}

/** Resolves when the ground of the present view is loaded, or is no longer wanted. */
export function whenGround(scene: Scene, isWanted: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    let quiet = 0;
    const stop = scene.postRender.addEventListener(() => {
      quiet = scene.globe.tilesLoaded ? quiet + 1 : 0;
      if (quiet > QUIET_FRAMES || !isWanted()) {
        stop();
        resolve();
      } else scene.requestRender();
    });
    scene.requestRender();
  });
}
