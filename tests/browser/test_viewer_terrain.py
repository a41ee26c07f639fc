"""The ground of the viewer: terrain tiles of the server, and a plain where there are none."""

import math

import pytest
import rasterio
import rasterio.warp
import shapely.geometry

from tests.support.viewer_page import ROOT, ViewerPage, ask

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]
DEM = ROOT / "sample_data/terrain/guanggu_dem.tif"
GEOID_M = -13.0
"""Separation of the sample city's profile (sample_data/city.yaml)."""
TOLERANCE_M = 0.3
HEIGHT = """([x, y]) =>
  window.cimViewer.viewer.scene.globe.getHeight({ longitude: x * Math.PI / 180, latitude: y * Math.PI / 180, height: 0 })"""
LOADED = "() => { const { scene } = window.cimViewer.viewer; scene.requestRender(); return scene.globe.tilesLoaded; }"
TILES = "() => { const one = window.cimViewer.layers.find(l => l.info.kind === 'buildings'); return one.tileset.tilesLoaded; }"
ROOF = """([x, y]) => { const { viewer, pickAt } = window.cimViewer, { scene } = viewer; scene.requestRender(); scene.render();
  const at = scene.cartesianToCanvasCoordinates(scene.globe.ellipsoid.cartographicToCartesian({ longitude: x * Math.PI / 180,
    latitude: y * Math.PI / 180, height: 20 }));
  const picked = pickAt(at.x, at.y), place = scene.pickPosition(at);
  return [picked && picked.code, place && scene.globe.ellipsoid.cartesianToCartographic(place).height]; }"""


@pytest.fixture(scope="module")
def viewer(shared_page: ViewerPage) -> ViewerPage:
    return shared_page


@pytest.fixture(autouse=True)
def whole_city(viewer):
    viewer.reset()
    yield
    if not viewer.test_id("toggle-terrain").is_checked():
        viewer.test_id("toggle-terrain").check()


@pytest.fixture(scope="module")
def houses(demo_server):
    """Small buildings, whose ground is nearly level: code, place in the middle [deg], properties."""
    found = ask(demo_server, "/collections/buildings/items", limit="1000")["features"]
    small = [one for one in found if 60 < (one["properties"]["footprint_area_m2"] or 0) < 300 and one["properties"]["height_m"]]
    middles = [(one, shapely.geometry.shape(one["geometry"])) for one in small]
    level = [
        (one["id"], (shape.centroid.x, shape.centroid.y), one["properties"]) for one, shape in middles if shape.contains(shape.centroid)
    ]
    assert len(level) >= 3
    return level[:3]


def _elevation(place):
    """Bilinear elevation of the raster itself [m], after its own grid: the value of a cell is that of its middle."""
    with rasterio.open(DEM) as raster:
        # By GDAL, longitude first.
        [x], [y] = rasterio.warp.transform("EPSG:4490", raster.crs, [place[0]], [place[1]])
        column, row = ~raster.transform @ (x, y)
        cells, column, row = raster.read(1), column - 0.5, row - 0.5
    i, j = math.floor(row), math.floor(column)
    u, v = column - j, row - i
    return float(
        cells[i, j] * (1 - u) * (1 - v) + cells[i, j + 1] * u * (1 - v) + cells[i + 1, j] * (1 - u) * v + cells[i + 1, j + 1] * u * v
    )


def _stand(viewer, place, height=260):
    """Look straight at a place from a height [m], and wait for its ground."""
    viewer.page.evaluate(
        "([x, y, z]) => { const { viewer } = window.cimViewer, r = Math.PI / 180; viewer.camera.setView({ destination:"
        " viewer.scene.globe.ellipsoid.cartographicToCartesian({ longitude: x * r, latitude: y * r, height: z }),"
        " orientation: { heading: 0, pitch: -90 * r, roll: 0 } }); }",
        [*place, height],
    )
    viewer.page.wait_for_timeout(250)
    viewer.page.wait_for_function(LOADED)
    viewer.page.wait_for_function(TILES)


def test_the_server_lists_the_terrain_and_the_viewer_shows_it_first(viewer, demo_server):
    listed = [one for one in ask(demo_server, "/3dtiles")["layers"] if one["kind"] == "terrain"]
    assert [one["href"] for one in listed] == ["3dtiles/terrain/layer.json"]
    assert listed[0]["synthetic"]
    state = viewer.page.evaluate("window.cimViewer.state().layers.terrain")
    assert (state["visible"], state["status"], state["failedTiles"]) == (True, "ready", 0)


def test_the_first_view_is_light_with_terrain(shared_browser, demo_server):
    page = ViewerPage(shared_browser, demo_server)
    answers = []
    try:
        page.page.on(
            "requestfinished", lambda one: answers.append(one) if "/viewer/" not in one.url and one.url.startswith("http") else None
        )
        page.open()
        page.page.wait_for_timeout(1000)
        answers = [one for one in answers if one.url.startswith("http") and "/viewer/" not in one.url]
        assert any(one.url.endswith(".terrain") for one in answers)
        assert len(answers) <= 30, [one.url for one in answers]
        assert sum(one.sizes()["responseBodySize"] for one in answers) <= 4e6
    finally:
        page.close()


def test_buildings_stand_on_the_terrain(viewer, houses):
    for code, place, properties in houses:
        _stand(viewer, place)
        ground = viewer.page.evaluate(HEIGHT, list(place))
        assert ground == pytest.approx(_elevation(place) + GEOID_M, abs=TOLERANCE_M)
        picked, roof = viewer.page.evaluate(ROOF, list(place))
        assert picked == code
        assert roof - properties["height_m"] == pytest.approx(ground, abs=TOLERANCE_M)
    viewer.picture("viewer-terrain")
    assert viewer.faults == []


def test_the_ground_is_that_of_the_city_after_a_look_at_the_country(viewer, houses):
    _, place, _ = houses[0]
    [typical] = [one["ground_height_m"] for one in ask(viewer.server, "/3dtiles")["layers"] if one["kind"] == "terrain"]
    for height in (2e7, 3e6, 2e5, 2e4, 260):
        _stand(viewer, place, height)
        # Tiles that the engine asks for only when it has time.
        viewer.page.wait_for_timeout(1000)
        viewer.page.wait_for_function(LOADED)
        # A flat triangle of 10 km lies up to 2 m below the round earth; of the levels above only the order counts.
        off = {2e7: 20_000, 3e6: 2000}.get(height, 60)
        assert viewer.page.evaluate(HEIGHT, list(place)) == pytest.approx(typical, abs=off)
    assert viewer.page.evaluate(HEIGHT, list(place)) == pytest.approx(_elevation(place) + GEOID_M, abs=TOLERANCE_M)


def test_a_plain_takes_the_place_of_the_terrain_when_it_is_switched_off(viewer, houses):
    _, low, _ = min(houses, key=lambda one: _elevation(one[1]))
    _, high, _ = max(houses, key=lambda one: _elevation(one[1]))
    heights = {}
    for on in (False, True):
        viewer.test_id("toggle-terrain").set_checked(on)
        viewer.page.wait_for_function("on => window.cimViewer.state().layers.terrain.status === (on ? 'ready' : 'idle')", arg=on)
        heights[on] = []
        for place in (low, high):
            _stand(viewer, place)
            heights[on].append(viewer.page.evaluate(HEIGHT, list(place)))
    assert heights[False][0] == pytest.approx(heights[False][1], abs=0.05)
    assert heights[True][1] - heights[True][0] == pytest.approx(_elevation(high) - _elevation(low), abs=2 * TOLERANCE_M)
    assert viewer.faults == []


def test_depths_are_read_from_the_terrain(viewer, houses):
    _, place, _ = houses[0]
    # Off the wall of the house, on open ground.
    beside = (place[0] + 0.0004, place[1])
    _stand(viewer, beside)
    viewer.test_id("underground").check()
    viewer.page.wait_for_timeout(300)
    box = viewer.page.locator("[data-testid=map] canvas").first.bounding_box()
    viewer.page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.5)
    viewer.page.mouse.move(box["x"] + box["width"] * 0.5 + 3, box["y"] + box["height"] * 0.5)
    words = viewer.text("depth")
    assert any(character.isdigit() for character in words), words
    assert viewer.faults == []


def test_a_city_without_terrain_lies_on_a_plain(shared_browser, demo_server):
    page = ViewerPage(shared_browser, demo_server)
    try:
        page.page.route("**/3dtiles", _without_terrain)
        page.open()
        assert page.test_id("toggle-terrain").count() == 0
        place = [114.3950, 30.5080]
        page.page.wait_for_function(LOADED)
        _stand(page, place)
        lowest = min(
            one["properties"]["ground_elevation_m"] for one in ask(demo_server, "/collections/buildings/items", limit="1000")["features"]
        )
        # No building may sink into the plain: it lies at the lowest corner of the tiles, a little below the foot of the lowest building.
        assert lowest + GEOID_M - 10 < page.page.evaluate(HEIGHT, place) < lowest + GEOID_M + 0.5
        assert page.faults == []
    finally:
        page.close()


def _without_terrain(route):
    answer = route.fetch()
    document = answer.json()
    document["layers"] = [one for one in document["layers"] if one["kind"] != "terrain"]
    route.fulfill(response=answer, json=document)


def test_terrain_that_cannot_be_read_leaves_the_city_on_a_plain_and_says_so(shared_browser, demo_server):
    page = ViewerPage(shared_browser, demo_server)
    try:
        page.page.route("**/3dtiles/terrain/layer.json*", lambda route: route.fulfill(status=404, body="{}"))
        page.open()
        page.page.wait_for_function("window.cimViewer.state().layers.terrain.status === 'failed'")
        assert page.text("status-terrain")
        assert page.page.evaluate("window.cimViewer.state().layers.buildings.features") > 100
        page.page.unroute("**/3dtiles/terrain/layer.json*")
        page.page.get_by_test_id("status-terrain").get_by_role("button").click()
        page.page.wait_for_function("window.cimViewer.state().layers.terrain.status === 'ready'")
        # The refused request itself is all that the console tells.
        assert [one for one in page.faults if "layer.json" not in one] == []
    finally:
        page.close()


def _without_token(route):
    route.continue_(headers={name: value for name, value in route.request.headers.items() if name != "authorization"})


def test_the_token_of_the_page_goes_with_every_terrain_tile(shared_browser, demo_server):
    page = ViewerPage(shared_browser, demo_server)
    sent = {}
    try:
        page.page.add_init_script("sessionStorage.setItem('cim.viewer.token', 'cim_not-a-token')")
        # Before the route takes the header away: the server refuses a token it does not know.
        page.page.on("request", lambda one: sent.update({one.url: one.headers.get("authorization")}))
        page.page.route("**/*", _without_token)
        page.open()
        assert {header for url, header in sent.items() if "/terrain/" in url} == {"Bearer cim_not-a-token"}
    finally:
        page.close()
