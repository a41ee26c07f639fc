# ruff: noqa: E501 - the long lines are JavaScript
"""Analysis in the viewer: statistics and filter of a drawn area, measuring, sun, two dates, networks."""

import csv
import json
import math
import re
from datetime import date

import pytest
from pyproj import Geod

from tests.support.viewer_page import ask

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]
RING = [(0.45, 0.35), (0.75, 0.35), (0.75, 0.75), (0.45, 0.75)]
PIPE = "WA420111-L2026000001"


@pytest.fixture
def viewer(shared_page):
    shared_page.reset()
    yield shared_page
    assert shared_page.faults == []
    assert shared_page.foreign == []


def _drawn(viewer):
    """Longitude and latitude of the points on the view [deg]."""
    return viewer.page.evaluate(
        """() => { const { viewer } = window.cimViewer, ellipsoid = viewer.scene.globe.ellipsoid;
             return viewer.entities.values.filter(e => e.point).map(e => { const c = ellipsoid.cartesianToCartographic(e.position.getValue());
               return [c.longitude * 180 / Math.PI, c.latitude * 180 / Math.PI]; }); }"""
    )


def _draw(viewer):
    viewer.test_id("area-draw").click()
    viewer.click_map(*RING)
    viewer.test_id("draw-finish").click()


def test_a_drawn_area_is_counted_by_the_server_and_cuts_the_view_down(viewer):
    viewer.fold("area")
    _draw(viewer)
    total = viewer.text("area-total")
    ring = _drawn(viewer)
    assert len(ring) == 4
    # All digits, as the page sends them.
    wkt = ", ".join(f"{x!r} {y!r}" for x, y in [*ring, ring[0]])
    touching = ask(viewer.server, "/collections/buildings/items", filter=f"S_INTERSECTS(geometry, POLYGON(({wkt})))", limit="1")
    counted = int(re.match(r"([\d,]+) buildings", total).group(1).replace(",", ""))
    # A building counts by a point inside it, so a few more touch the outline.
    assert 0 < counted <= touching["numberMatched"] < ask(viewer.server, "/collections/buildings/items", limit="1")["numberMatched"]
    with viewer.page.expect_download() as saved:
        viewer.test_id("export-csv").click()
    rows = list(csv.DictReader(saved.value.path().open(encoding="utf-8-sig", newline="")))
    assert sum(int(row["n"]) for row in rows) == counted
    viewer.test_id("area-only").check()
    viewer.page.wait_for_function(
        """n => { window.cimViewer.viewer.scene.requestRender(); const l = window.cimViewer.state().layers.buildings;
                  return l.status === 'ready' && l.features > 0 && l.features <= n; }""",
        arg=touching["numberMatched"],
    )
    assert viewer.page.evaluate("window.cimViewer.state().layers.buildings.failedTiles") == 0
    viewer.page.wait_for_function(
        "n => document.querySelector('[data-testid=shown-count]').textContent.startsWith(`${n} `)", arg=touching["numberMatched"]
    )
    viewer.picture("viewer-area")
    viewer.test_id("draw-clear").click()
    viewer.page.wait_for_function("window.cimViewer.state().layers.buildings.features > 200")


def test_a_tool_that_ends_late_leaves_the_clicks_to_the_one_begun_since(viewer):
    viewer.fold("measure")
    viewer.test_id("measure-distance").click()
    # In one task: the browser tells of the folded tool only after the next one was begun.
    viewer.page.evaluate("['fold-area', 'area-draw'].forEach(id => document.querySelector(`[data-testid=${id}]`).click())")
    viewer.click_map(*RING)
    viewer.test_id("draw-finish").locator("visible=true").click()
    assert " buildings" in viewer.text("area-total")


def test_a_view_that_is_set_ends_a_flight(viewer):
    home = viewer.page.evaluate("window.cimViewer.state().camera")
    assert viewer.page.evaluate("code => window.cimViewer.selectCode(code)", PIPE)
    # Panels that are open make the view of the whole city another one.
    viewer.page.evaluate("() => { document.querySelector('[data-testid=close-panel]').click(); window.cimViewer.home(); }")
    # A flight takes 1.2 s.
    viewer.page.wait_for_timeout(2500)
    found = viewer.page.evaluate("window.cimViewer.state().camera")
    assert [found[key] for key in ("longitude", "latitude")] == pytest.approx([home[key] for key in ("longitude", "latitude")], abs=1e-4)


def test_an_outline_that_crosses_itself_is_refused(viewer):
    viewer.fold("area")
    viewer.test_id("area-draw").click()
    viewer.click_map(RING[0], RING[2], RING[1], RING[3])
    viewer.test_id("draw-finish").click()
    assert "crosses itself" in viewer.text("area-result")
    viewer.test_id("draw-clear").click()


def test_measures_agree_with_proj(viewer):
    geod = Geod(ellps="WGS84")
    viewer.fold("measure")
    viewer.test_id("measure-area").click()
    viewer.click_map(*RING)
    said = viewer.text("measure-result")
    ring = _drawn(viewer)
    area, around = geod.polygon_area_perimeter(*zip(*ring, strict=True))
    assert float(re.match(r"([\d,.]+) m²", said).group(1).replace(",", "")) == pytest.approx(abs(area), rel=1e-4)
    assert float(re.search(r"([\d,.]+) m around", said).group(1).replace(",", "")) == pytest.approx(around, rel=1e-4)
    viewer.test_id("measure-distance").click()
    viewer.click_map(RING[0], RING[2])
    said = viewer.text("measure-result")
    line = _drawn(viewer)
    length = geod.line_length(*zip(*line, strict=True))
    assert float(re.match(r"([\d,.]+) m on the map", said).group(1).replace(",", "")) == pytest.approx(length, rel=1e-4)
    viewer.page.keyboard.press("Escape")


def test_drawing_works_without_a_mouse(viewer):
    viewer.fold("measure")
    viewer.test_id("measure-distance").click()
    viewer.test_id("draw-middle").focus()
    viewer.page.keyboard.press("Enter")
    assert len(_drawn(viewer)) == 1
    viewer.test_id("draw-clear").focus()
    viewer.page.keyboard.press("Enter")
    assert _drawn(viewer) == []


def test_the_sun_stands_where_the_calendar_puts_it(viewer):
    viewer.fold("sun")
    viewer.test_id("sun-day").fill("2026-06-21")
    # The sun culminates over 114.39° E at 12:22 by the clocks of 120° E plus the equation of time of the day, 2 minutes.
    viewer.test_id("sun-hour").fill("12.5")
    viewer.test_id("sun-on").check()
    said = viewer.text("sun-result")
    altitude = float(re.search(r"altitude ([\d.]+)°", said).group(1))
    # 90° − latitude 30.51° + obliquity 23.44°; 6 minutes from noon make no more than 0.3°.
    assert altitude == pytest.approx(90 - 30.51 + 23.44, abs=0.5)
    assert "UTC+8" in said
    assert viewer.page.evaluate("window.cimViewer.viewer.scene.shadowMap.enabled")
    viewer.test_id("sun-hour").fill("9")
    morning = viewer.text("sun-result")
    # At 9:00 the hour angle is 3.4 h before noon: sin a = sin φ sin δ + cos φ cos δ cos H.
    angle = math.radians(15 * (12 + 24 / 60 - 9))
    phi, delta = math.radians(30.51), math.radians(23.44)
    expected = math.degrees(math.asin(math.sin(phi) * math.sin(delta) + math.cos(phi) * math.cos(delta) * math.cos(angle)))
    assert float(re.search(r"altitude ([\d.]+)°", morning).group(1)) == pytest.approx(expected, abs=0.4)
    viewer.page.wait_for_timeout(600)
    viewer.picture("viewer-sun")
    viewer.test_id("sun-hour").fill("23")
    assert "below the horizon" in viewer.text("sun-result")
    viewer.test_id("sun-on").uncheck()
    assert not viewer.page.evaluate("window.cimViewer.viewer.scene.shadowMap.enabled")


def test_two_dates_stand_side_by_side(viewer):
    everything = ask(viewer.server, "/collections/buildings/items", limit="1")["numberMatched"]
    viewer.fold("compare")
    viewer.test_id("compare-day").fill("2020-01-01")
    viewer.page.wait_for_function("document.querySelector('[data-testid=compare-result]').textContent.includes('Right')")
    assert viewer.text("compare-result") == f"Left: {everything} buildings. Right, 2020-01-01: 0 buildings."
    viewer.test_id("swipe").fill("70")
    assert viewer.page.evaluate("window.cimViewer.viewer.scene.splitPosition") == pytest.approx(0.7)
    viewer.picture("viewer-compare")
    viewer.test_id("compare-day").fill(date.today().isoformat())  # noqa: DTZ011 - the day of the browser
    assert "before today" in viewer.text("compare-result")
    assert viewer.test_id("swipe").is_hidden()


def test_a_network_is_traced_and_a_burst_isolated_from_the_page(viewer):
    viewer.test_id("tab-layers").click()
    viewer.test_id("toggle-networks/water").check()
    assert viewer.page.evaluate("code => window.cimViewer.selectCode(code)", PIPE)
    viewer.test_id("network-ask").click()
    viewer.test_id("network-isolate").click()
    answer = viewer.text("network-answer")
    body = json.dumps({"inputs": {"kind": "water", "code": PIPE}})
    asked = viewer.page.request.post(
        f"{viewer.server}/processes/network-isolation/execution", data=body, headers={"Content-Type": "application/json"}
    )
    expected = asked.json()["result"]
    assert f"Valves to close: {len(expected['close'])}" in answer
    rows = viewer.page.locator("[data-testid=result-table] tbody tr").all_inner_texts()
    assert any(expected["close"][0] in row and "to be closed" in row for row in rows)
    lit = viewer.page.evaluate(
        "() => { const l = window.cimViewer.layers.find(l => l.info.id === 'networks/water'); const style = l.tileset.style;"
        " const f = code => ({ getProperty: () => code, tileset: l.tileset });"
        f" return [style.color.evaluateColor(f('{expected['close'][0]}'), undefined), style.color.evaluateColor(f('x'), undefined)].map(c => c.toCssHexString()); }}"
    )
    assert lit == ["#e3001b", "#1f6fe0"]
    with viewer.page.expect_download() as saved:
        viewer.test_id("export-geojson").click()
    features = json.loads(saved.value.path().read_text(encoding="utf-8"))["features"]
    codes = {one["id"] for one in features}
    assert {*expected["close"], *expected["dry_lines"], *expected["out_of_service_points"]} <= codes
    viewer.page.wait_for_timeout(1500)
    viewer.picture("viewer-network")
    # A valve of the table leads to its own item, in the collection of points.
    viewer.page.locator("[data-testid=result-table] tbody button").first.click()
    viewer.page.wait_for_function(f"document.querySelector('[data-testid=code]')?.textContent === '{expected['close'][0]}'")
    assert "/water-points/" in viewer.test_id("item-link").get_attribute("href")
    viewer.test_id("network-clear").click()
    viewer.test_id("close-panel").click()


def test_a_trace_without_end_is_listed_in_pages_and_exported_whole(viewer):
    viewer.test_id("tab-layers").click()
    viewer.test_id("toggle-networks/water").check()
    assert viewer.page.evaluate("code => window.cimViewer.selectCode(code)", PIPE)
    viewer.fold("network")
    viewer.test_id("network-connected").click()
    viewer.page.wait_for_function("document.querySelector('[data-testid=network-answer]')?.textContent.includes('1,593 lines')")
    assert viewer.page.locator("[data-testid=result-table] tbody tr").count() == 100
    assert "100 of 3,144 rows" in viewer.text("table-more")
    with viewer.page.expect_download() as saved:
        viewer.test_id("export-csv").click()
    assert len(saved.value.path().read_text(encoding="utf-8-sig").splitlines()) == 3145
    viewer.test_id("network-clear").click()
    viewer.test_id("close-panel").click()
