"""The viewer in a real Chromium: tiles load, a click gives the code, nothing leaves the server."""

import json
import os
import shutil
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from cim.codes import registry

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]
ROOT = Path(__file__).resolve().parent.parent.parent
FLAGS = [
    "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist", "--no-sandbox",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
]  # fmt: skip


@pytest.fixture(scope="module")
def browser():
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("no Chromium on this machine; scripts/bootstrap.sh installs it")
        pytest.skip("no Chromium on this machine")
    if not (ROOT / "viewer/dist/index.html").exists():
        pytest.fail("viewer/dist is missing; run scripts/bootstrap.sh")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport={"width": 1280, "height": 720}, locale="en-GB")
    opened = context.new_page()
    opened.faults = []
    opened.foreign = []
    opened.on("pageerror", lambda error: opened.faults.append(str(error)))
    opened.on(
        "request",
        lambda request: (
            None if "127.0.0.1" in request.url or request.url.startswith(("blob:", "data:")) else opened.foreign.append(request.url)
        ),
    )
    yield opened
    context.close()


def _open(page, demo_server, query="?screenshot=1&lang=en"):
    page.goto(f"{demo_server}/viewer/{query}")
    page.wait_for_selector("body[data-state=ready]", timeout=120_000)


def _first_building(demo_server):
    with urllib.request.urlopen(f"{demo_server}/collections/buildings/items?limit=1000&f=json", timeout=30) as answer:  # noqa: S310 - our own server
        features = json.loads(answer.read())["features"]
    return max(features, key=lambda feature: feature["properties"]["height_m"] or 0)


def test_the_city_loads_without_errors_and_without_foreign_requests(page, demo_server):
    _open(page, demo_server)
    layers = page.evaluate("window.cimViewer.state().layers")
    assert {"buildings", "networks/water"} <= set(layers)
    assert layers["buildings"]["features"] > 100
    assert [name for name, layer in layers.items() if layer["failedTiles"] or layer["error"]] == []
    assert page.faults == []
    assert page.foreign == []


def test_the_synthetic_data_and_the_attribution_are_said_on_screen(page, demo_server):
    _open(page, demo_server)
    text = page.inner_text("body")
    assert "OpenStreetMap contributors" in text
    assert "ynthetic" in text


def test_a_click_on_a_building_shows_its_code_and_its_item(page, demo_server):
    _open(page, demo_server)
    building = _first_building(demo_server)
    assert page.evaluate("code => window.cimViewer.selectCode(code)", building["id"])
    page.wait_for_timeout(1500)
    page.click("[data-testid=close-panel]")
    box = page.locator("[data-testid=map] canvas").first.bounding_box()
    # The camera has flown to the building: somewhere around the middle of the picture it can be picked.
    hit = page.evaluate(
        """([w, h]) => { for (let r = 0; r < 12; r++) for (const [dx, dy] of [[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1], [1, 1], [-1, -1]]) {
             const x = w / 2 + dx * r * 12, y = h / 2 + dy * r * 12, picked = window.cimViewer.pickAt(x, y);
             if (picked && /^[0-9]{26}[0-9X]$/.test(picked.code)) return [x, y, picked.code]; } return null; }""",
        [box["width"], box["height"]],
    )
    assert hit is not None
    page.mouse.click(box["x"] + hit[0], box["y"] + hit[1])
    page.wait_for_selector("[data-testid=code]")
    code = page.inner_text("[data-testid=code]").strip()
    registry.scheme("CIM-BC27-v1").verify(code)
    assert code == hit[2]
    link = page.get_attribute("[data-testid=item-link]", "href")
    with urllib.request.urlopen(link.split("?")[0] + "?f=json", timeout=30) as answer:  # noqa: S310 - our own server
        assert json.loads(answer.read())["id"] == code


def test_the_page_speaks_chinese(page, demo_server):
    _open(page, demo_server, "?screenshot=1&lang=zh")
    text = page.inner_text("body")
    assert "建筑" in text
    assert "合成数据" in text


def test_a_picture_of_the_city_is_more_than_background(page, demo_server):
    _open(page, demo_server)
    out = ROOT / "tests" / "output"
    out.mkdir(exist_ok=True)
    picture = out / "viewer.png"
    page.screenshot(path=str(picture))
    colours = page.evaluate(
        """() => { const c = document.querySelector('[data-testid=map] canvas'), t = document.createElement('canvas');
             t.width = 200; t.height = 120; const g = t.getContext('2d'); g.drawImage(c, 0, 0, 200, 120);
             const d = g.getImageData(0, 0, 200, 120).data, s = new Set();
             for (let i = 0; i < d.length; i += 4) s.add((d[i] >> 4) * 256 + (d[i + 1] >> 4) * 16 + (d[i + 2] >> 4)); return s.size; }"""
    )
    assert colours > 20
    assert picture.stat().st_size > 20_000


def _matched(demo_server, query):
    with urllib.request.urlopen(f"{demo_server}/collections/buildings/items?{query}&limit=1&f=json", timeout=30) as answer:  # noqa: S310 - our own server
        return json.loads(answer.read())["numberMatched"]


def test_buildings_are_coloured_by_an_attribute_and_classes_can_be_hidden(page, demo_server):
    _open(page, demo_server)
    page.select_option("[data-testid=theme]", "height_m")
    page.wait_for_function("document.querySelector('[data-testid=count-1]')?.textContent")
    assert "10 – 24 m" in page.inner_text("[data-testid=legend]")
    between = _matched(demo_server, "filter=height_m%20%3E%3D%2010%20AND%20height_m%20%3C%2024")
    everything = _matched(demo_server, "")
    assert 0 < between < everything
    assert page.inner_text("[data-testid=count-1]") == f"{between:,}"
    assert page.inner_text("[data-testid=shown-count]") == f"{everything:,} buildings shown"
    page.uncheck("[data-testid=class-1]")
    assert page.inner_text("[data-testid=shown-count]") == f"{everything - between:,} buildings shown"
    hidden = page.evaluate(
        """() => { const { tileset } = window.cimViewer.layers.find(l => l.info.kind === 'buildings');
             const feature = (height, code) => ({ getProperty: name => name === 'height_m' ? height : code, tileset });
             return [[12, 'x'], [30, 'x'], [12, undefined]].map(one => tileset.style.show.evaluate(feature(...one))); }"""
    )
    # A block of the far view has no code and stays.
    assert hidden == [False, True, True]
    page.wait_for_timeout(500)
    assert {"t=height_m", "f=1"} <= set(page.evaluate("location.hash").lstrip("#").split("&"))
    page.click("[data-testid=show-all]")
    assert page.inner_text("[data-testid=shown-count]") == f"{everything:,} buildings shown"
    assert page.faults == []


def test_names_addresses_and_positions_are_found(page, demo_server):
    _open(page, demo_server)
    page.fill("[data-testid=search]", "珞喻路")
    page.wait_for_selector("[data-testid=suggestions] li")
    page.keyboard.press("ArrowDown")
    chosen = page.get_attribute("[data-testid=suggestions] li[aria-selected=true]", "data-code")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-testid=panel] [data-testid=code]")
    assert page.inner_text("[data-testid=code]") == chosen
    # What hangs on a building is in its panel: the addresses that lead to it.
    page.wait_for_selector("[data-testid=addresses-of]")
    assert "珞喻路" in page.inner_text("[data-testid=addresses-of]")
    page.fill("[data-testid=search]", "114.3950, 30.5080")
    page.keyboard.press("Enter")
    page.wait_for_timeout(2500)
    at = page.evaluate("window.cimViewer.state().camera")
    # The camera looks at the position from some hundred metres away.
    assert abs(at["longitude"] - 114.3950) < 0.005
    assert abs(at["latitude"] - 30.5080) < 0.005
    page.fill("[data-testid=search]", "no such thing anywhere")
    page.click("[data-testid=search-go]")
    page.wait_for_function("document.querySelector('[data-testid=search-status]').textContent.includes('Nothing found')")
    assert page.faults == []


def test_a_past_day_shows_what_the_register_had_then(page, demo_server):
    _open(page, demo_server)
    everything = _matched(demo_server, "")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    # Long before the sample city was loaded: no building, and the page says so.
    page.fill("[data-testid=day]", "2020-01-01")
    page.wait_for_function("document.querySelector('[data-testid=shown-count]').textContent.startsWith('0 ')")
    page.wait_for_function("window.cimViewer.state().layers.buildings.status === 'ready'")
    assert page.evaluate("window.cimViewer.state().layers.buildings.features") == 0
    assert any("/3dtiles/buildings/live/tileset.json?datetime=2020-01-01" in url for url in asked)
    page.wait_for_timeout(500)
    assert "d=2020-01-01" in page.evaluate("location.hash")
    page.fill("[data-testid=day]", "")
    page.wait_for_function(f"document.querySelector('[data-testid=shown-count]').textContent === '{everything:,} buildings shown'")
    page.wait_for_function("window.cimViewer.state().layers.buildings.features > 100")
    assert page.faults == []
