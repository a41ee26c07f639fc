"""The flat map, phones, and access by keyboard and screen reader."""

import pytest

from tests.support.viewer_page import PHONE, ROOT, ViewerPage, ask

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]
AXE = ROOT / "viewer/node_modules/axe-core/axe.min.js"


@pytest.fixture(scope="module")
def flat_page(shared_browser, demo_server):
    page = ViewerPage(shared_browser, demo_server)
    page.open(fragment="#m=2d")
    yield page
    page.close()


@pytest.fixture
def flat(flat_page):
    flat_page.faults.clear()
    yield flat_page
    assert flat_page.faults == []
    assert flat_page.foreign == []


def _rendered(viewer, layer):
    return viewer.page.evaluate(
        "layer => window.cimViewer.map().queryRenderedFeatures({ layers: [layer] }).map(f => ({ ...f.properties }))", layer
    )


def test_the_flat_map_draws_the_buildings_from_vector_tiles(flat):
    # Another test may have moved the map.
    flat.page.evaluate("window.cimViewer.home()")
    flat.page.wait_for_function("window.cimViewer.map().areTilesLoaded() && !window.cimViewer.map().isMoving()")
    flat.page.wait_for_function("window.cimViewer.map().queryRenderedFeatures({ layers: ['buildings:fill'] }).length > 0")
    flat.page.wait_for_function("window.cimViewer.map().areTilesLoaded()")
    known = {one["id"] for one in ask(flat.server, "/collections/buildings/items", limit="1000")["features"]}
    drawn = {one["code"] for one in _rendered(flat, "buildings:fill")}
    assert drawn <= known
    assert len(drawn) > 150


def test_a_click_on_the_map_gives_the_code_and_the_item(flat):
    flat.page.evaluate("window.cimViewer.home()")
    flat.page.wait_for_function("window.cimViewer.map().areTilesLoaded() && !window.cimViewer.map().isMoving()")
    place = flat.page.evaluate(
        """() => { const map = window.cimViewer.map(), { width, height } = map.getCanvas().getBoundingClientRect();
             for (let y = 0.3; y < 0.8; y += 0.02) for (let x = 0.4; x < 0.9; x += 0.02) {
               const [f] = map.queryRenderedFeatures([x * width, y * height], { layers: ['buildings:fill'] });
               if (f) return [x * width, y * height, f.properties.code]; } return null; }"""
    )
    assert place is not None
    box = flat.page.locator(".maplibregl-canvas").bounding_box()
    flat.page.mouse.click(box["x"] + place[0], box["y"] + place[1])
    flat.page.wait_for_function(f"document.querySelector('[data-testid=code]')?.textContent === '{place[2]}'")
    assert flat.page.evaluate("window.cimViewer.map().getFilter('selected:buildings:line')") == ["==", ["get", "code"], place[2]]
    flat.test_id("close-panel").click()


def test_colours_and_hidden_classes_are_those_of_the_3d_view(flat):
    flat.test_id("theme").select_option("height_m")
    flat.page.wait_for_function("/\\d/.test(document.querySelector('[data-testid=count-1]')?.textContent ?? '')")
    flat.test_id("class-1").uncheck()
    flat.page.wait_for_function("window.cimViewer.map().isStyleLoaded() && window.cimViewer.map().areTilesLoaded()")
    flat.page.wait_for_timeout(600)
    heights = [one["height_m"] for one in _rendered(flat, "buildings:fill") if one.get("height_m") is not None]
    assert heights
    assert [one for one in heights if 10 <= one < 24] == []
    assert "step" in str(flat.page.evaluate("window.cimViewer.map().getPaintProperty('buildings:fill', 'fill-color')"))
    flat.picture("viewer-2d")
    flat.test_id("show-all").click()


def test_search_moves_the_map_and_the_link_keeps_the_mode(flat):
    flat.test_id("search").fill("114.3950, 30.5080")
    flat.page.keyboard.press("Enter")
    flat.page.wait_for_function(
        "Math.abs(window.cimViewer.map().getCenter().lng - 114.395) < 0.003 && window.cimViewer.map().getZoom() > 15"
    )
    flat.page.wait_for_timeout(500)
    assert "m=2d" in flat.page.evaluate("location.hash")
    flat.page.evaluate("window.cimViewer.home()")


def test_the_view_is_saved_as_a_picture_and_the_link_is_given(flat):
    with flat.page.expect_download() as saved:
        flat.test_id("picture").click()
    data = saved.value.path().read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert len(data) > 10_000
    flat.test_id("copy-link").click()
    flat.page.wait_for_function("/Link copied|by hand/.test(document.querySelector('[data-testid=toolbar-status]').textContent)")


def test_a_phone_opens_the_flat_map_and_everything_fits(shared_browser, demo_server):
    phone = ViewerPage(shared_browser, demo_server, PHONE)
    try:
        phone.open()
        assert phone.page.evaluate("document.body.dataset.mode") == "2d"
        phone.page.wait_for_function("window.cimViewer.map().queryRenderedFeatures({ layers: ['buildings:fill'] }).length > 50")
        # No request for 3D content is made for who sees the flat map.
        assert phone.page.evaluate("performance.getEntriesByType('resource').filter(e => e.name.endsWith('.glb')).length") == 0
        wide = phone.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= PHONE[0]
        phone.picture("viewer-phone")
        phone.test_id("menu").click()
        _axe(phone)
        phone.test_id("tab-analysis").click()
        assert phone.test_id("fold-area").is_visible()
        phone.picture("viewer-phone-panel")
    finally:
        phone.close()


def _axe(viewer, where="document"):
    viewer.page.add_script_tag(path=str(AXE))
    found = viewer.page.evaluate(f"axe.run({where}, {{ resultTypes: ['violations'] }})")
    serious = [
        (one["id"], one["nodes"][0]["html"][:160], one["nodes"][0]["failureSummary"][:200])
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]
    assert serious == []


def test_axe_has_no_serious_finding(shared_page):
    shared_page.reset()
    _axe(shared_page)
    for name in ("area", "measure", "sun", "compare", "network"):
        shared_page.fold(name)
    _axe(shared_page)
    shared_page.test_id("tab-models").click()
    shared_page.test_id("bim-model").select_option(index=2)
    shared_page.test_id("bim-tree").wait_for()
    _axe(shared_page)
    shared_page.page.evaluate("window.cimViewer.selectCode('420111006011202600004700019')")
    shared_page.text("attributes")
    _axe(shared_page)
    shared_page.test_id("data").click()
    shared_page.test_id("catalogue-collections").wait_for()
    for tab in ("catalogue", "upload", "access"):
        shared_page.test_id(f"tab-{tab}").click()
        _axe(shared_page)
    shared_page.test_id("data-close").click()


def test_everything_is_reached_by_tab_and_worked_by_keys(shared_page):
    shared_page.reset()
    shared_page.page.evaluate("document.activeElement.blur()")
    wanted = {"menu", "search", "search-go", "data", "mode", "picture", "copy-link", "language", "toggle-buildings", "theme", "home"}
    seen = set()
    # Drawing by software between the keys is most of the time, and no part of this.
    shared_page.page.evaluate("window.cimViewer.viewer.useDefaultRenderLoop = false")
    try:
        for _ in range(120):
            shared_page.page.keyboard.press("Tab")
            seen.add(shared_page.page.evaluate("document.activeElement?.getAttribute('data-testid') ?? document.activeElement?.tagName"))
            if wanted <= seen:
                break
    finally:
        shared_page.page.evaluate("window.cimViewer.viewer.useDefaultRenderLoop = true")
    assert wanted <= seen
    shared_page.test_id("tab-layers").focus()
    shared_page.page.keyboard.press("ArrowRight")
    shared_page.page.keyboard.press("Enter")
    shared_page.test_id("fold-area").wait_for()
    shared_page.test_id("data").focus()
    shared_page.page.keyboard.press("Enter")
    shared_page.test_id("data-page").wait_for()
    shared_page.page.keyboard.press("Escape")
    assert not shared_page.test_id("data-page").is_visible()


def test_the_map_shows_a_past_day_and_a_drawn_area_as_the_3d_view_does(shared_browser, demo_server):
    page = ViewerPage(shared_browser, demo_server)
    try:
        everything = ask(demo_server, "/collections/buildings/items", limit="1000")["features"]
        boxes = [_box(one) for one in everything]
        west, east = min(one[0] for one in boxes), max(one[2] for one in boxes)
        south, north = min(one[1] for one in boxes), max(one[3] for one in boxes)
        # The western half of the city, as a link carries a drawn area.
        middle = (west + east) / 2
        ring = [(west - 0.01, south - 0.01), (middle, south - 0.01), (middle, north + 0.01), (west - 0.01, north + 0.01)]
        words = ";".join(f"{x:.6f},{y:.6f},0" for x, y in ring)
        page.open(fragment=f"#m=2d&a={words}&ao=1")
        chosen = "() => window.cimViewer.map().queryRenderedFeatures({ layers: ['buildings:fill'] }).map(f => f.properties.code)"
        page.page.evaluate("window.cimViewer.home()")
        page.page.wait_for_function(f"({chosen})().length > 0", timeout=60_000)
        page.page.wait_for_timeout(1500)
        inside = {one["id"] for one, box in zip(everything, boxes, strict=True) if box[0] < middle - 1e-6}
        drawn = set(page.page.evaluate(chosen))
        assert drawn <= inside
        assert len(drawn) > 0.8 * len(inside)
        page.picture("viewer-map-area")
        # Long before the sample city was loaded there was no building.
        page.test_id("day").fill("2020-01-01")
        page.page.wait_for_function(f"({chosen})().length === 0", timeout=60_000)
        assert page.test_id("chosen-status").is_hidden()
        page.test_id("day").fill("")
        page.page.wait_for_function(f"({chosen})().length > 0", timeout=60_000)
        assert page.faults == []
    finally:
        page.close()


def _box(feature):
    points = [point for polygon in _polygons(feature["geometry"]) for ring in polygon for point in ring]
    return min(x for x, *_ in points), min(y for _, y, *_ in points), max(x for x, *_ in points), max(y for _, y, *_ in points)


def _polygons(geometry):
    return geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]


def test_a_link_carries_section_and_sun(shared_browser, demo_server):
    page = ViewerPage(shared_browser, demo_server)
    try:
        page.open(fragment="#x=box;114.395,30.505,20;30;0;80&sun=2024-06-21;9.5")
        assert page.test_id("section-kind").input_value() == "box"
        assert page.test_id("section-size").input_value() == "80"
        assert page.page.evaluate("window.cimViewer.viewer.scene.globe.clippingPlanes.length") == 5
        assert page.page.evaluate("window.cimViewer.viewer.scene.shadowMap.enabled")
        assert page.test_id("sun-hour").input_value() == "9.5"
        page.page.wait_for_function(
            "location.hash.includes('sun=2024-06-21;9.5') && location.hash.includes('x=box;114.395000,30.505000,20.0;30;0;80')"
        )
        assert page.faults == []
    finally:
        page.close()
