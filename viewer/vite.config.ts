import { defineConfig } from "vitest/config";
import { cesiumAssets } from "./scripts/cesiumAssets.ts";

const CESIUM = "cesium";
const SERVER = process.env["CIM_URL"] ?? "http://127.0.0.1:8000";

export default defineConfig(({ command }) => ({
  // A relative base keeps the build valid under /viewer/ and under any proxy path in front of it.
  base: command === "build" ? "./" : "/viewer/",
  define: { CESIUM_BASE_URL: JSON.stringify(`./${CESIUM}/`) },
  plugins: [cesiumAssets(CESIUM)],
  build: {
    target: "es2022",
    sourcemap: false,
    // Inlined data: URLs would need a looser content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 6000,
    rolldownOptions: {
      output: {
        // The engines are chunks of their own: they stay in the browser's cache when the viewer changes.
        codeSplitting: {
          groups: [
            { name: "cesium", test: /node_modules[\\/](@cesium|cesium)[\\/]/ },
            { name: "maplibre", test: /node_modules[\\/]maplibre-gl[\\/]/ },
          ],
        },
      },
    },
  },
  server: { proxy: { "/collections": SERVER, "/3dtiles": SERVER } },
  test: { include: ["test/**/*.test.ts"] },
}));
