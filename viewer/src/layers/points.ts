/** How scans are drawn: in their own colours whatever the light, as dots that close up near by, with edges darkened. */
import { CustomShader, LightingModel, type Cesium3DTileset } from "cesium";

const MOST_PX = 4;
/** Scans without colours come as black; slate is seen on the ground and in the sky. */
const UNCOLOURED = `void fragmentMain(FragmentInput fsInput, inout czm_modelMaterial material) {
  if (dot(material.diffuse, material.diffuse) < 1e-6) material.diffuse = vec3(0.29, 0.38, 0.48);
}`;

export function preparePoints(tileset: Cesium3DTileset): void {
  tileset.customShader = new CustomShader({ lightingModel: LightingModel.UNLIT, fragmentShaderText: UNCOLOURED });
  tileset.pointCloudShading.attenuation = true;
  tileset.pointCloudShading.maximumAttenuation = MOST_PX;
}
