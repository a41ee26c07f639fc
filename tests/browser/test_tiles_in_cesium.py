# ruff: noqa: E501 - the long lines are JavaScript
"""Tiles in CesiumJS itself, without the viewer: what loads, what is light, what a pick and a style see, and where a building stands."""

import io
import json
import mimetypes
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import shapely
from PIL import Image
from playwright.sync_api import sync_playwright

from cim.db import engine, profiles, tile_reads, tilesets
from tests.support.cli import run_cim

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]
ROOT = Path(__file__).resolve().parent.parent.parent
CESIUM = ROOT / "viewer/node_modules/cesium/Build/Cesium"
FLAGS = [
    "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist", "--no-sandbox",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
]  # fmt: skip
PAGE = """<!doctype html><html><head><link rel="icon" href="data:,"><script>window.CESIUM_BASE_URL = "/proof/cesium";</script>
<script src="/proof/cesium/Cesium.js"></script><style>html, body, #map, .cesium-widget, canvas { margin: 0; width: 100%; height: 100%; display: block; }
.cesium-widget-credits { display: none; }</style></head>
<body><div id="map"></div><script>
Cesium.Ion.defaultAccessToken = undefined;
const viewer = new Cesium.CesiumWidget("map", { baseLayer: false, skyBox: false, skyAtmosphere: false, useDefaultRenderLoop: false,
  contextOptions: { webgl: { preserveDrawingBuffer: true } } });
viewer.scene.globe.show = false;
viewer.scene.backgroundColor = Cesium.Color.BLACK;
window.show = async url => {
  const tileset = await Cesium.Cesium3DTileset.fromUrl(url);
  window.failed = []; tileset.tileFailed.addEventListener(error => window.failed.push(String(error.message)));
  window.loaded = false; tileset.allTilesLoaded.addEventListener(() => { window.loaded = true; });
  viewer.scene.primitives.add(tileset); window.tileset = tileset; window.scene = viewer.scene; window.camera = viewer.camera;
  viewer.camera.viewBoundingSphere(tileset.boundingSphere, new Cesium.HeadingPitchRange(0, -0.9, tileset.boundingSphere.radius * 2));
  viewer.camera.lookAtTransform(Cesium.Matrix4.IDENTITY);
  await settled();
};
window.settled = async () => {
  for (let calm = 0, turns = 0; calm < 5 && turns < 2000; turns++) {
    scene.render(); await new Promise(done => setTimeout(done, 30));
    calm = tileset.tilesLoaded ? calm + 1 : 0;
  }
};
window.above = async (lon, lat, height, range, pitch) => {
  const target = Cesium.Cartesian3.fromDegrees(lon, lat, height);
  viewer.camera.lookAt(target, new Cesium.HeadingPitchRange(0.5, pitch, range));
  viewer.camera.lookAtTransform(Cesium.Matrix4.IDENTITY);
  await settled();
};
window.ready = true;
</script></body></html>"""


@pytest.fixture(scope="module")
def browser():
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("no Chromium on this machine; scripts/bootstrap.sh installs it")
        pytest.skip("no Chromium on this machine")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield running
        running.close()


def _answer(route):
    path = route.request.url.partition("/proof/")[2].partition("?")[0]
    if path == "index.html":
        route.fulfill(body=PAGE, content_type="text/html")
        return
    file = CESIUM / path.removeprefix("cesium/")
    if file.is_file():
        route.fulfill(body=file.read_bytes(), content_type=mimetypes.guess_type(file.name)[0] or "application/octet-stream")
    else:
        route.fulfill(status=404)


@pytest.fixture(scope="module")
def scene(browser, demo_server):
    """A page with all buildings of the sample city, seen from far; ``answers`` are what the tiles took."""
    page = browser.new_context(viewport={"width": 800, "height": 600}).new_page()
    page.answers = []
    page.on("response", lambda answer: page.answers.append(answer) if "/3dtiles/" in answer.url else None)
    page.route("**/proof/**", _answer)
    page.goto(f"{demo_server}/proof/index.html")
    page.wait_for_function("window.ready")
    page.evaluate("url => window.show(url)", f"{demo_server}/3dtiles/buildings/tileset.json")
    page.wait_for_function("window.loaded", timeout=120_000)
    return page


@pytest.fixture(scope="module")
def tallest(demo_city):
    """The tallest building: code, outline, base and top above the ellipsoid [m]."""
    settings, _ = demo_city
    with engine.connect(settings) as connection:
        row = next(one for one in tilesets.fetch_tilesets(connection) if one.layer == "buildings")
        code = connection.execute(
            "SELECT code FROM building WHERE status = 'existing' ORDER BY height_m DESC NULLS LAST, code LIMIT 1"
        ).fetchone()[0]
        _, height, ground, _, wkb = tile_reads.fetch_outlines(connection, [code])[0]
    base = (row.parameters["ground_m"] if ground is None else ground) + row.parameters["geoid_m"]
    outline = shapely.from_wkb(bytes(wkb))
    return code, outline, base, base + height


def _turn_to(page, outline, height, distance, pitch):
    page.evaluate("a => window.above(...a)", [outline.centroid.x, outline.centroid.y, height, distance, pitch])


def test_the_city_opens_light_and_without_a_fault(scene):
    sizes = [len(answer.body()) for answer in scene.answers]
    assert scene.evaluate("window.failed") == []
    assert all(answer.status == 200 for answer in scene.answers)
    # The first view of a city: at most 4 MB in 30 requests.
    assert sum(sizes) < 4e6
    assert len(sizes) <= 30
    assert scene.evaluate("window.tileset.statistics.numberOfTrianglesSelected") > 0


def test_a_pick_near_by_gives_the_code(scene, tallest):
    code, outline, base, top = tallest
    _turn_to(scene, outline, top, 250.0, -1.2)
    picked = scene.evaluate(
        """([lon, lat, top]) => { const at = Cesium.SceneTransforms.worldToWindowCoordinates(scene, Cesium.Cartesian3.fromDegrees(lon, lat, top));
             const found = scene.pick(at); return found && found.getProperty ? found.getPropertyIds().map(id => [id, found.getProperty(id)]) : null; }""",
        [*_inside(outline), top],
    )
    seen = dict(picked)
    assert seen["code"] == code
    assert seen["height_m"] == pytest.approx(top - base, abs=1e-3)
    assert isinstance(seen["use"], str)


def _inside(outline):
    point = outline.representative_point()
    return point.x, point.y


def test_a_style_by_height_paints_what_is_high_and_nothing_else(scene, tallest):
    _, outline, _, top = tallest
    _turn_to(scene, outline, top, 250.0, -1.2)
    limit = top - tallest[2] - 0.5
    script = """limit => { tileset.style = new Cesium.Cesium3DTileStyle({ color: { conditions: [["${height_m} > " + limit, "color('red')"], ["true", "color('blue')"]] } });
                 scene.render(); scene.render();
                 const gl = scene.canvas.getContext("webgl2"), w = scene.canvas.width, h = scene.canvas.height, bytes = new Uint8Array(4 * w * h);
                 gl.readPixels(0, 0, w, h, gl.RGBA, gl.UNSIGNED_BYTE, bytes); let red = 0, blue = 0;
                 for (let i = 0; i < bytes.length; i += 4) { if (bytes[i] > 60 && bytes[i + 2] < 30) red++; if (bytes[i + 2] > 60 && bytes[i] < 30) blue++; }
                 tileset.style = undefined; return [red, blue]; }"""
    red, blue = scene.evaluate(script, limit)
    assert red > 500
    assert blue > 500


@pytest.mark.parametrize(("kind", "appendage", "up"), [("sewage", "MANHOLE", 0.0), ("lighting", "LAMP", 4.0)])
def test_a_pick_of_an_instance_gives_its_own_code(browser, demo_server, demo_city, kind, appendage, up):
    settings, _ = demo_city
    with engine.connect(settings) as connection:
        geoid = profiles.fetch_profile(connection).geoid_separation_m
        nodes = [row for row in tile_reads.fetch_nodes(connection, kind) if row[2] == appendage and row[3] is not None]
    page = browser.new_context(viewport={"width": 400, "height": 300}).new_page()
    page.route("**/proof/**", _answer)
    page.goto(f"{demo_server}/proof/index.html")
    page.wait_for_function("window.ready")
    page.evaluate("url => window.show(url)", f"{demo_server}/3dtiles/networks/{kind}/tileset.json")
    for row in nodes[:: max(1, len(nodes) // 4)][:4]:
        top = row[3] + geoid + up
        page.evaluate("a => window.above(...a)", [row[5], row[6], top, 6.0, -1.3])
        # A tile that has arrived is drawn some frames later: how many depends on the machine.
        script = """async ([lon, lat, top]) => {
             for (let turns = 0; turns < 200 && !scene.context.isContextLost?.(); turns++) {
               const at = Cesium.SceneTransforms.worldToWindowCoordinates(scene, Cesium.Cartesian3.fromDegrees(lon, lat, top));
               const found = scene.pick(at);
               if (found && found.getProperty) return found.getProperty("code");
               await settled();
             }
             return `nothing; ${tileset.statistics.numberOfTilesWithContentReady} tiles, ${failed}`; }"""
        assert page.evaluate(script, [row[5], row[6], top]) == row[0]
    assert page.evaluate("window.failed") == []
    # A page that stays open goes on drawing, and there is no graphics card.
    page.context.close()


def test_the_silhouette_of_a_building_is_where_its_corners_are(scene, tallest):
    code, outline, base, top = tallest
    _turn_to(scene, outline, (base + top) / 2, 3 * (top - base) + 100, -0.5)
    corners = shapely.get_coordinates(outline).tolist()
    script = """async ([code, corners, base, top]) => {
      tileset.style = new Cesium.Cesium3DTileStyle({ color: "color('red')", show: "${code} === '" + code + "'" });
      for (let i = 0; i < 5; i++) { scene.render(); await new Promise(done => setTimeout(done, 50)); }
      const gl = scene.canvas.getContext("webgl2"), w = scene.canvas.width, h = scene.canvas.height, bytes = new Uint8Array(4 * w * h);
      gl.readPixels(0, 0, w, h, gl.RGBA, gl.UNSIGNED_BYTE, bytes);
      let box = [w, h, -1, -1];
      for (let y = 0; y < h; y++) for (let x = 0; x < w; x++) { const i = 4 * ((h - 1 - y) * w + x);
        if (bytes[i] > 20) box = [Math.min(box[0], x), Math.min(box[1], y), Math.max(box[2], x), Math.max(box[3], y)]; }
      const points = corners.flatMap(([lon, lat]) => [base, top].map(z => Cesium.SceneTransforms.worldToWindowCoordinates(scene, Cesium.Cartesian3.fromDegrees(lon, lat, z))));
      tileset.style = undefined;
      return { box, points: points.map(p => [p.x, p.y]), ratio: w / scene.canvas.clientWidth }; }"""
    found = scene.evaluate(script, [code, corners, base - 1.0, top])
    points = np.array(found["points"]) * found["ratio"]
    expected = [*points.min(axis=0), *points.max(axis=0)]
    # Two pixels: one for the rasteriser, one for the anti-aliased edge.
    assert found["box"] == pytest.approx(expected, abs=2.5), json.dumps(found["box"])


GRID = """() => { const seen = []; for (let x = 20; x < 800; x += 40) for (let y = 20; y < 600; y += 40) {
             const found = scene.pick(new Cesium.Cartesian2(x, y));
             if (found && found.getPropertyIds) seen.push(Object.fromEntries(found.getPropertyIds().map(id => [id, found.getProperty(id)]))); }
           return seen; }"""


def test_a_pick_of_an_element_leads_to_the_same_element_in_the_api(browser, demo_server, demo_city):
    with engine.connect(demo_city[0]) as connection:
        model, building = connection.execute(
            "SELECT code, building_code FROM bim_model WHERE authoring_tool LIKE '%Revit%' AND building_code IS NOT NULL LIMIT 1"
        ).fetchone()
    page = browser.new_context(viewport={"width": 800, "height": 600}).new_page()
    page.route("**/proof/**", _answer)
    page.goto(f"{demo_server}/proof/index.html")
    page.wait_for_function("window.ready")
    page.evaluate("url => window.show(url)", f"{demo_server}/3dtiles/bim/{model}/tileset.json")
    page.wait_for_function("window.loaded", timeout=120_000)
    page.evaluate("settled()")
    picked = {seen["code"]: seen for seen in page.evaluate(GRID) if "code" in seen}
    assert page.evaluate("window.failed") == []
    assert len(picked) >= 5
    # The API has it under the code that was picked, with the GlobalId that the engineer knows.
    item = """async code => (await fetch("/collections/bim-elements/items/" + code.split("/").map(encodeURIComponent).join("/"))).json()"""
    for code, seen in sorted(picked.items())[:5]:
        feature = page.evaluate(item, code)
        told = feature["properties"]
        assert (feature["id"], told["global_id"], told["ifc_class"]) == (code, seen["global_id"], seen["class"])
    with engine.connect(demo_city[0]) as connection:
        known = dict(connection.execute("SELECT code, global_id FROM bim_element WHERE model_code = %s", [model]).fetchall())
    assert {code: seen["global_id"] for code, seen in picked.items()}.items() <= known.items()
    # From afar the model is one block that says whose it is.
    page.evaluate(
        """() => { const s = tileset.boundingSphere; camera.viewBoundingSphere(s, new Cesium.HeadingPitchRange(0, -0.9, s.radius * 30));
                   camera.lookAtTransform(Cesium.Matrix4.IDENTITY); return settled(); }"""
    )
    far = page.evaluate("""() => { const found = scene.pick(new Cesium.Cartesian2(400, 300));
             return Object.fromEntries(found.getPropertyIds().map(id => [id, found.getProperty(id)])); }""")
    assert (far["model_code"], far["building_code"], "code" in far) == (model, building, False)
    page.context.close()


def test_the_implicit_export_shows_the_same_city(browser, demo_server, demo_city, tmp_path):
    target = tmp_path / "implicit"
    assert run_cim(demo_city[0], "tiles", "export", "buildings", target, "--implicit").code == 0
    page = browser.new_context(viewport={"width": 800, "height": 600}).new_page()
    asked = []

    def answer(route):
        path = route.request.url.partition("/implicit/")[2].partition("?")[0]
        asked.append(path)
        route.fulfill(body=(target / path).read_bytes(), content_type="application/octet-stream")

    seen = {}
    try:
        page.route("**/proof/**", _answer)
        page.route("**/implicit/**", answer)
        for name, url in (("implicit", "/implicit/tileset.json"), ("explicit", "/3dtiles/buildings/tileset.json")):
            page.goto(f"{demo_server}/proof/index.html")
            page.wait_for_function("window.ready")
            page.evaluate("url => window.show(url)", f"{demo_server}{url}")
            page.wait_for_function("window.loaded", timeout=120_000)
            page.evaluate(
                """async () => { tileset.maximumScreenSpaceError = 0.5; tileset.dynamicScreenSpaceError = false; await settled(); }"""
            )
            assert page.evaluate("window.failed") == []
            shot = page.screenshot()
            picture = np.asarray(Image.open(io.BytesIO(shot)).convert("L"), np.int64)
            seen[name] = page.evaluate("tileset.statistics.numberOfTrianglesSelected"), picture
    finally:
        page.context.close()
    assert any(path.endswith(".subtree") for path in asked)
    assert seen["implicit"][0] > 1_000
    # The cameras stand by the spheres around both trees, which differ by centimetres: edges may fall on neighbouring pixels.
    lit = [picture > 20 for _, picture in seen.values()]
    assert lit[0].sum() > 1_000
    assert (lit[0] != lit[1]).sum() < 0.2 * lit[1].sum()
