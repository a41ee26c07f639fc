"""The five-minute tour of docs/how-to/viewer-tour.md, step by step in both languages; its pictures come from here."""

import pytest

from tests.support.viewer_page import ViewerPage

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]
PIPE = "WA420111-L2026000001"


@pytest.mark.parametrize("spoken", ["en", "zh"])
def test_the_tour_can_be_walked(shared_browser, demo_server, spoken):
    viewer = ViewerPage(shared_browser, demo_server)

    def step(number):
        viewer.page.wait_for_function(
            "window.cimViewer.layers.every(one => !one.tileset || !one.visible || one.tileset.tilesLoaded)", timeout=60_000
        )
        viewer.page.wait_for_timeout(900)
        viewer.picture(f"tour-{spoken}-{number}")

    try:
        viewer.open(f"?lang={spoken}&screenshot=1")
        viewer.test_id("dismiss-notices").click()
        viewer.text("theme")
        step(1)
        viewer.test_id("search").fill("珞喻路")
        viewer.page.wait_for_selector("[data-testid=suggestions] li")
        viewer.page.keyboard.press("ArrowDown")
        viewer.page.keyboard.press("Enter")
        viewer.text("attributes")
        viewer.page.wait_for_timeout(1600)
        step(2)
        viewer.test_id("close-panel").click()
        viewer.test_id("home").click()
        viewer.page.wait_for_timeout(1600)
        viewer.fold("area")
        viewer.test_id("area-draw").click()
        viewer.click_map((0.45, 0.35), (0.75, 0.35), (0.75, 0.75), (0.45, 0.75))
        viewer.test_id("draw-finish").click()
        viewer.text("area-total")
        step(3)
        viewer.test_id("tab-layers").click()
        viewer.test_id("toggle-networks/water").check()
        assert viewer.page.evaluate("code => window.cimViewer.selectCode(code)", PIPE)
        viewer.test_id("network-ask").click()
        viewer.test_id("network-isolate").click()
        viewer.text("network-answer")
        viewer.test_id("close-panel").click()
        viewer.page.wait_for_timeout(1600)
        # The result is looked at from above, and its pipes are drawn.
        assert viewer.page.evaluate("window.cimViewer.state().camera.height") > 0
        step(4)
        assert viewer.page.evaluate("window.cimViewer.state().layers['networks/water'].features") > 0
        viewer.test_id("network-clear").click()
        viewer.test_id("tab-layers").click()
        viewer.test_id("toggle-networks/water").uncheck()
        viewer.test_id("underground").uncheck()
        viewer.test_id("tab-models").click()
        viewer.test_id("bim-model").select_option(index=2)
        viewer.test_id("bim-tree").wait_for()
        viewer.test_id("bim-alone").check()
        viewer.test_id("bim-storey").fill("1")
        viewer.page.wait_for_timeout(1800)
        step(5)
        viewer.test_id("bim-alone").uncheck()
        viewer.test_id("mode").click()
        viewer.page.evaluate("window.cimViewer.home()")
        viewer.page.wait_for_function("window.cimViewer.map()?.areTilesLoaded() && !window.cimViewer.map().isMoving()")
        step(6)
        assert viewer.faults == []
        assert viewer.foreign == []
    finally:
        viewer.close()
