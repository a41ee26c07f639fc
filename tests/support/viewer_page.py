"""The viewer in a real Chromium: one browser per test process, one page per module, every fault of the page noted."""

import json
import os
import shutil
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, TimeoutError, sync_playwright

ROOT = Path(__file__).resolve().parent.parent.parent
OUTPUT = ROOT / "tests" / "output"
"""Where pictures go; kept as artefacts, not committed."""
FLAGS = [
    "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist", "--no-sandbox",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
]  # fmt: skip
WIDE = (1280, 720)
PHONE = (390, 780)
_SLOW_PC = "GPU stall"


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Debian's Chromium with software rendering; skip without one, fail in CI."""
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


class ViewerPage:
    """A page with the viewer.

    Parameters
    ----------
    browser
        Runs the page.
    server
        Base URL of the platform.
    size
        Width and height of the window [px].
    """

    def __init__(self, browser: Browser, server: str, size: tuple[int, int] = WIDE) -> None:
        self.server = server
        self.context = browser.new_context(viewport={"width": size[0], "height": size[1]}, locale="en-GB", accept_downloads=True)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(120_000)
        self.faults: list[str] = []
        """Errors of scripts, and error lines of the console."""
        self.foreign: list[str] = []
        """Requests to other hosts."""
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", self._hear)
        self.page.on("request", self._watch)

    def _hear(self, message: Any) -> None:
        if message.type == "error" and _SLOW_PC not in message.text:
            self.faults.append(f"{message.text} {message.location.get('url', '')}")

    def _watch(self, request: Any) -> None:
        if not request.url.startswith((self.server, "blob:", "data:")):
            self.foreign.append(request.url)

    def open(self, query: str = "?lang=en&lite=1&screenshot=1", fragment: str = "", state: str = "ready") -> None:
        """Load the viewer and wait until the first tiles are on screen."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.server}/viewer/{query}{fragment}")
        self.page.wait_for_selector(f"body[data-state={state}]", timeout=120_000)

    def test_id(self, name: str) -> Any:
        """Return the element with a test id."""
        return self.page.get_by_test_id(name)

    def text(self, name: str) -> str:
        """Return the text of the element with a test id, waiting for it to have one."""
        try:
            self.page.wait_for_function("name => document.querySelector(`[data-testid=${name}]`)?.textContent?.trim()", arg=name)
        except TimeoutError as error:
            shown = self.page.locator("body").inner_text()
            raise AssertionError(f"nothing in {name!r}; faults {self.faults}; the page shows:\n{shown}") from error
        return str(self.test_id(name).inner_text())

    def fold(self, name: str) -> None:
        """Unfold a tool of the analysis tab, and fold the others (which ends them)."""
        self.page.get_by_test_id("tab-analysis").click()
        folded = f"!document.querySelector('[data-testid=fold-{name}]').parentElement.open"
        if self.page.evaluate(folded):
            self.test_id(f"fold-{name}").click()

    def click_map(self, *points: tuple[float, float]) -> None:
        """Click on places of the view, in parts of its width and height."""
        box = self.page.locator("[data-testid=map] canvas").first.bounding_box()
        assert box
        for x, y in points:
            self.page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
            self.page.wait_for_timeout(120)

    def reset(self) -> None:
        """Go back to the whole city without selection, drawing or section."""
        self.faults.clear()
        self.page.evaluate(
            """() => { document.querySelectorAll('details[open]').forEach(one => { one.open = false; });
                 document.querySelector('[data-testid=close-panel]')?.click(); window.cimViewer.home(); }"""
        )
        self.page.get_by_test_id("tab-layers").click()
        if self.page.get_by_test_id("underground").is_checked():
            self.page.get_by_test_id("underground").uncheck()
        self.page.wait_for_timeout(200)

    def picture(self, name: str) -> Path:
        """Keep a picture of the page."""
        OUTPUT.mkdir(exist_ok=True)
        path = OUTPUT / f"{name}.png"
        self.page.screenshot(path=str(path))
        return path

    def close(self) -> None:
        """End the page."""
        self.context.close()


def ask(server: str, path: str, **query: str) -> Any:
    """Return a JSON answer of the server."""
    address = f"{server}{path}?{urllib.parse.urlencode({'f': 'json', **query})}"
    with urllib.request.urlopen(address, timeout=30) as answer:  # noqa: S310 - our own server
        return json.loads(answer.read())
