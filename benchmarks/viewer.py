# ruff: noqa: E501 - the long lines are JavaScript
"""The viewer in headless Chromium with software rendering, on the sample city or on a made city of any size.

No peer is run: viewers of others (3DCityDB-Web-Map, ldproxy's) need services this machine does not have; the gates are those of the
project's own requirements. ``--url`` measures a server that runs already; otherwise a store with ``--size`` buildings is made, tiled and
served. Counts of requests and bytes are what the page asked for beyond the application itself (everything below ``/viewer/``).
"""

import argparse
import contextlib
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from playwright.sync_api import Page, sync_playwright
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.tiles import fill
from cim.db.cluster import Cluster
from cim.db.migrate import migrate
from cim.settings import Settings
from tests.support.server import running_server
from tests.support.viewer_page import FLAGS, WIDE
from tiles.build import build_layers

MEGABYTE = 1e6
ROUNDS = 7
STOPS = 24
"""Places the camera visits over the city."""


@contextlib.contextmanager
def made_city(n: int) -> Iterator[str]:
    """Serve a city of n buildings; yield its address."""
    folder = Path(tempfile.mkdtemp(prefix="cim-bench-viewer-"))
    folder.chmod(0o755)
    cluster = Cluster(folder / "cluster", durable=True)
    try:
        cluster.start()
        with psycopg.connect(cluster.conninfo("postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE bench")
        parts = psycopg.conninfo.conninfo_to_dict(cluster.conninfo("bench"))
        address = f"postgresql://{parts['user']}:{parts['password']}@{parts['host']}:{parts['port']}/bench"
        settings = Settings(data_dir=folder, database={"url": address})
        migrate(settings)
        fill(settings, n)
        build_layers(settings, ["buildings"])
        with running_server(settings) as url:
            yield url
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


class Traffic:
    """Requests beyond the application itself, and their bytes on the wire.

    Parameters
    ----------
    page
        Is watched from now on.
    """

    def __init__(self, page: Page) -> None:
        self.requests, self.n_bytes = 0, 0.0
        client = page.context.new_cdp_session(page)
        client.send("Network.enable")
        self._own: set[str] = set()
        client.on("Network.requestWillBeSent", self._asked)
        client.on("Network.loadingFinished", self._came)

    def _asked(self, event: dict[str, Any]) -> None:
        url = event["request"]["url"]
        if url.startswith("http") and "/viewer/" not in url:
            self._own.add(event["requestId"])
            self.requests += 1

    def _came(self, event: dict[str, Any]) -> None:
        if event["requestId"] in self._own:
            self.n_bytes += event["encodedDataLength"]


def timed(page: Page, script: str, argument: object = None) -> float:
    """Return how long a script of the page takes until its promise is kept [ms]."""
    found = page.evaluate(
        f"async argument => {{ const began = performance.now(); await ({script})(argument); return performance.now() - began; }}", argument
    )
    return float(found)


_FRAME = "new Promise(done => { const { scene } = window.cimViewer.viewer; const stop = scene.postRender.addEventListener(() => { stop(); done(); }); scene.requestRender(); })"
_COLOUR = f"""async theme => {{ const choice = document.querySelector('[data-testid=theme]'); choice.value = theme;
  choice.dispatchEvent(new Event('change')); await {_FRAME}; }}"""
_PANEL = """async code => { window.cimViewer.pick(code); await new Promise(done => { const look = () =>
  document.querySelector('[data-testid=attributes] dl') ? done() : setTimeout(look, 4); look(); }); }"""
_SEARCH = """async text => { const input = document.querySelector('[data-testid=search]'); input.value = text;
  await fetch(`../collections/buildings/items?f=json&q=${encodeURIComponent(text)}&limit=5&skipGeometry=true`).then(answer => answer.json()); }"""
_MEMORY = "() => window.cimViewer.layers.reduce((sum, one) => sum + (one.tileset ? one.tileset.totalMemoryUsageInBytes : 0), 0)"
_SETTLED = "() => window.cimViewer.layers.every(one => !one.tileset || !one.visible || one.tileset.tilesLoaded)"


def moving(page: Page) -> float:
    """Fly low over the city; return the most memory that its tiles took [MB]."""
    box = page.evaluate("() => window.cimViewer.layers.find(one => one.info.kind === 'buildings').info.bbox")
    most = 0.0
    for stop in range(STOPS):
        # A serpentine over the box, 400 m above the ground.
        row, column = divmod(stop, 6)
        x = box[0] + (box[2] - box[0]) * ((column if row % 2 == 0 else 5 - column) + 0.5) / 6
        y = box[1] + (box[3] - box[1]) * (row + 0.5) / 4
        page.evaluate("([x, y]) => window.cimViewer.stand(x, y, 400)", [x, y])
        until = time.monotonic() + 5
        while time.monotonic() < until:
            page.evaluate(f"() => {_FRAME}")
            most = max(most, page.evaluate(_MEMORY))
            if page.evaluate(_SETTLED):
                break
    return most / MEGABYTE


def measure(url: str, label: str) -> list[dict[str, Any]]:
    """Return the rows of one city.

    Parameters
    ----------
    url
        Base address of the server.
    label
        Goes into the names.
    """
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        sys.exit("no Chromium on this machine; scripts/bootstrap.sh installs it")
    with sync_playwright() as playwright, contextlib.ExitStack() as stack:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        stack.callback(browser.close)
        page = browser.new_page(viewport={"width": WIDE[0], "height": WIDE[1]})
        page.set_default_timeout(180_000)
        traffic = Traffic(page)
        began = time.monotonic()
        page.goto(f"{url}/viewer/?lang=en&lite=1")
        page.wait_for_selector("body[data-state=ready]")
        opened = time.monotonic() - began
        page.wait_for_timeout(1500)
        requests, n_bytes = traffic.requests, traffic.n_bytes
        found = page.request.get(f"{url}/collections/buildings/items?limit=9&f=json").json()["features"]
        codes = [one["id"] for one in found]
        colours = [timed(page, _COLOUR, theme) for theme in ["height_m", "use"] * (ROUNDS // 2 + 1)]
        panels = []
        for code in codes[:ROUNDS]:
            page.evaluate("() => document.querySelector('[data-testid=close-panel]')?.click()")
            panels.append(timed(page, _PANEL, code))
        words = [(one["properties"]["name"] or one["properties"]["address"] or one["id"])[:6] for one in found]
        searches = [timed(page, _SEARCH, word) for word in words[:ROUNDS]]
        memory = moving(page)
    return [
        row(f"first view, {label}", opened, "s", 12.0, 3.0),
        row(f"requests of the first view, {label}", requests, "", 30, 30),
        row(f"bytes of the first view, {label}", n_bytes / MEGABYTE, "MB", 4.0, 4.0),
        row(f"tiles in memory while moving, {label}", memory, "MB", 500, 500),
        row(f"search answer, {label}", statistics.median(searches), "ms", 100, 100),
        row(f"click to panel, {label}", statistics.median(panels), "ms", 150, 150),
        row(f"switch of the colour attribute, {label}", statistics.median(colours), "ms", 300, 300),
    ]


def row(name: str, value: float, unit: str, gate: float, target: float) -> dict[str, Any]:
    """Return a row of the table; the gate is for software rendering."""
    return {
        "name": name,
        "value": round(value, 2),
        "unit": unit,
        "peer": None,
        "peer_value": None,
        "ratio": None,
        "gate": gate,
        "target": target,
    }


def main() -> None:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=10_000, help="buildings of the made city")
    parser.add_argument("--url", help="measure this server instead")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.url:
        rows = measure(arguments.url.rstrip("/"), "city served")
    else:
        with made_city(arguments.size) as url:
            rows = measure(url, f"{arguments.size:,} buildings")
    if arguments.json:
        print("\n".join(map(json.dumps, rows)))
        return
    drawn = Table(*rows[0])
    for one in rows:
        drawn.add_row(*("" if value is None else str(value) for value in one.values()))
    Console(width=150).print(drawn)


if __name__ == "__main__":
    main()
