"""One Chromium per test process."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.support.viewer_page import ViewerPage, chromium


@pytest.fixture(scope="module")
def shared_browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def shared_page(shared_browser: Browser, demo_server: str) -> Iterator[ViewerPage]:
    """The viewer, opened once; what a test changes it takes back or the next one starts from a link."""
    page = ViewerPage(shared_browser, demo_server)
    page.open()
    yield page
    page.close()
