"""What a city costs to open: CesiumJS in headless Chromium, the whole layer in sight, bytes and requests of its tiles."""

import contextlib
import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import sync_playwright

CESIUM = Path(__file__).resolve().parent.parent.parent / "viewer/node_modules/cesium/Build/Cesium"
_FLAGS = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist", "--no-sandbox"]
_PAGE = """<!doctype html><script>window.CESIUM_BASE_URL = "/cesium";</script><script src="/cesium/Cesium.js"></script>
<style>html, body, #map, canvas { margin: 0; width: 100%; height: 100%; }</style><div id="map"></div><script>
Cesium.Ion.defaultAccessToken = undefined;
const viewer = new Cesium.CesiumWidget("map", { baseLayer: false, skyBox: false, skyAtmosphere: false });
viewer.scene.globe.show = false;
Cesium.Cesium3DTileset.fromUrl("/tiles/tileset.json").then(tileset => {
  window.failed = []; tileset.tileFailed.addEventListener(error => window.failed.push(String(error.message)));
  tileset.allTilesLoaded.addEventListener(() => { window.loaded = true; });
  viewer.scene.primitives.add(tileset);
  viewer.camera.viewBoundingSphere(tileset.boundingSphere, new Cesium.HeadingPitchRange(0, -0.8, tileset.boundingSphere.radius * 2));
});
</script>"""


class _Handler(http.server.SimpleHTTPRequestHandler):
    def __init__(self, *arguments: object, tiles: Path, **named: object) -> None:
        self._tiles = tiles
        super().__init__(*arguments, **named)  # type: ignore[arg-type]  # as the server gives them

    def translate_path(self, path: str) -> str:
        """Return the file of a path."""
        kind, _, rest = path.lstrip("/").partition("?")[0].partition("/")
        return str((self._tiles if kind == "tiles" else CESIUM) / rest)

    def do_GET(self) -> None:
        """Answer."""
        if self.path != "/":
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(_PAGE.encode())

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@contextlib.contextmanager
def _served(tiles: Path) -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Handler, tiles=tiles)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def first_view(tiles: Path) -> tuple[int, int] | None:
    """Return bytes and requests until all tiles of the first view are loaded; None without Chromium.

    Parameters
    ----------
    tiles
        Folder of a layer.
    """
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with _served(tiles) as address, sync_playwright() as playwright:
        program = program or playwright.chromium.executable_path
        if not Path(program).exists():
            return None
        browser = playwright.chromium.launch(executable_path=program, args=_FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        sizes: list[int] = []
        page.on("response", lambda answer: sizes.append(len(answer.body())) if "/tiles/" in answer.url else None)
        page.goto(address)
        page.wait_for_function("window.loaded", timeout=180_000)
        failed = page.evaluate("window.failed")
        browser.close()
        assert failed == [], failed
    return sum(sizes), len(sizes)
