/** Vite plugin: publishes the run-time files of CesiumJS next to the viewer, so that no request leaves the server. */
import { cpSync, createReadStream, existsSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, extname, join, normalize, resolve, sep } from "node:path";
import type { Plugin } from "vite";

const SOURCE = join(dirname(createRequire(import.meta.url).resolve("cesium/package.json")), "Build", "Cesium");

/** Folders the engine loads at run time. */
const FOLDERS = ["Workers", "ThirdParty", "Assets"];

/** Parts of `Assets` the viewer never asks for: it has no star sky, no default imagery and no pin builder. */
const UNUSED = ["SkyBox", "NaturalEarthII", "maki", "Images", "moonSmall.jpg"].map((name) => sep + name);

const TYPES: Record<string, string> = {
  ".js": "text/javascript",
  ".json": "application/json",
  ".wasm": "application/wasm",
  ".png": "image/png",
  ".jpg": "image/jpeg",
};

function isUsed(path: string): boolean {
  const inside = path.slice(SOURCE.length);
  return !UNUSED.some((part) => inside.includes(part));
}

export function cesiumAssets(prefix: string): Plugin {
  let outDir = "dist";
  return {
    name: "cesium-assets",
    configResolved(config) {
      outDir = resolve(config.root, config.build.outDir);
    },
    writeBundle() {
      for (const folder of FOLDERS) {
        cpSync(join(SOURCE, folder), join(outDir, prefix, folder), { recursive: true, filter: isUsed });
      }
      cpSync(join(SOURCE, "..", "..", "LICENSE.md"), join(outDir, prefix, "LICENSE.md"));
    },
    configureServer(server) {
      server.middlewares.use((request, response, next) => {
        const path = (request.url ?? "").split("?")[0] ?? "";
        const at = path.indexOf(`/${prefix}/`);
        if (at < 0) return next();
        const file = normalize(join(SOURCE, path.slice(at + prefix.length + 2)));
        if (!file.startsWith(SOURCE + sep) || !existsSync(file) || !statSync(file).isFile()) return next();
        response.setHeader("Content-Type", TYPES[extname(file)] ?? "application/octet-stream");
        createReadStream(file).pipe(response);
      });
    },
  };
}
