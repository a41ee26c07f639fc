"""Data in the viewer on a store of its own: catalogue, tokens, editing, uploading, and what it says when something goes wrong."""

import contextlib
import subprocess
import sys

import pytest

from tests.support.cli import run_cim
from tests.support.server import environment, running_server
from tests.support.viewer_page import ViewerPage, ask

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]


@pytest.fixture(scope="module")
def city(module_settings, sample_data):
    assert run_cim(module_settings, "db", "profile", sample_data / "city.yaml").code == 0
    census = sample_data / "census"
    divisions = sample_data / "divisions"
    loads = (
        ("divisions", divisions / "divisions.csv", divisions / "boundaries.gpkg"),
        ("census", census / "guanggu_census.zip", "--profile", census / "profile.yaml"),
    )
    for argv in loads:
        result = run_cim(module_settings, "ingest", *argv)
        assert result.code == 0, result.err
    return module_settings


@pytest.fixture(scope="module")
def server(city):
    with running_server(city) as url:
        yield url


@pytest.fixture(scope="module")
def one_page(shared_browser, server):
    page = ViewerPage(shared_browser, server)
    page.open()
    yield page
    page.close()


@pytest.fixture
def viewer(one_page):
    """The page anew, without the token of the test before."""
    one_page.page.evaluate("sessionStorage.clear()")
    one_page.open()
    one_page.faults.clear()
    return one_page


def _token(city, role, *options):
    result = run_cim(city, "token", "create", "--name", f"{role}-viewer", "--role", role, "--json", *options)
    assert result.code == 0, result.err
    return result.json()["token"]


def _enter(viewer, token):
    viewer.test_id("data").click()
    viewer.test_id("tab-access").click()
    viewer.test_id("token").fill(token)
    viewer.test_id("token-use").click()


def test_the_catalogue_shows_counts_quality_and_age(viewer):
    viewer.test_id("data").click()
    viewer.test_id("catalogue-collections").wait_for()
    buildings = ask(viewer.server, "/collections/buildings/items", limit="1")["numberMatched"]
    row = viewer.page.locator("[data-testid=catalogue-collections] tr", has_text="Buildings").inner_text()
    assert str(buildings) in row
    census = next(one for one in ask(viewer.server, "/records", limit="1000")["features"] if one["id"].startswith("census."))
    quality = census["properties"]["quality"]
    cells = viewer.page.locator("[data-testid=catalogue-datasets] tr", has_text="census").locator("td").all_inner_texts()
    assert cells[1:5] == [str(quality[name]) for name in ("read", "accepted", "unchanged", "rejected")]
    viewer.test_id("catalogue-search").fill("nothing has this")
    assert "No record has" in viewer.text("catalogue-none")
    assert viewer.faults == []


def test_a_feature_is_edited_with_a_token_and_the_servers_words_are_shown(viewer, city):
    code = ask(viewer.server, "/collections/buildings/items", limit="1")["features"][0]["id"]
    assert viewer.page.evaluate("code => window.cimViewer.selectCode(code)", code)
    viewer.text("attributes")
    # Without a token nothing can be edited.
    assert viewer.test_id("edit").count() == 0
    _enter(viewer, _token(city, "editor"))
    viewer.page.wait_for_function("document.querySelector('[data-testid=token-status]').textContent.includes('in use')")
    viewer.test_id("data-close").click()
    assert viewer.page.evaluate("code => window.cimViewer.selectCode(code)", code)
    viewer.test_id("edit").click()
    assert viewer.test_id("edit-version").count() == 0
    viewer.test_id("edit-storeys_above").fill("999")
    viewer.test_id("edit-save").click()
    refused = viewer.text("edit-error")
    assert "storeys_above" in refused
    assert "300" in refused
    assert any("422" in fault or "400" in fault for fault in viewer.faults)
    viewer.test_id("edit-storeys_above").fill("7")
    viewer.test_id("edit-name").fill("Edited in the viewer 浏览器")
    viewer.test_id("edit-reason").fill("现场核实")
    viewer.test_id("edit-save").click()
    viewer.page.wait_for_function("document.querySelector('[data-name=storeys_above]')?.textContent === '7'")
    stored = ask(viewer.server, f"/collections/buildings/items/{code}")["properties"]
    assert (stored["name"], stored["storeys_above"]) == ("Edited in the viewer 浏览器", 7)
    history = ask(viewer.server, f"/collections/buildings/items/{code}/history")["features"]
    assert "现场核实" in {one["properties"]["reason"] for one in history}
    assert "现场核实" in viewer.text("history")


def test_a_revoked_token_is_said_in_words(viewer, city):
    token = _token(city, "engineer")
    _enter(viewer, token)
    viewer.page.wait_for_function("document.querySelector('[data-testid=token-status]').textContent.includes('in use')")
    assert run_cim(city, "token", "revoke", "engineer-viewer").code == 0
    # A revoked token is refused within five seconds.
    viewer.page.wait_for_timeout(5500)
    viewer.test_id("token-use").click()
    viewer.page.wait_for_function("document.querySelector('[data-testid=token-status]').textContent.includes('expired or was revoked')")
    assert "expired or was revoked" in viewer.text("alerts")
    viewer.test_id("token-forget").click()
    viewer.page.wait_for_function("document.querySelector('[data-testid=alerts]').hidden")


def test_a_model_is_uploaded_followed_and_shown(viewer, city, sample_data):
    _enter(viewer, _token(city, "operator"))
    viewer.test_id("tab-upload").click()
    viewer.test_id("upload-file").set_input_files(sample_data / "README.md")
    viewer.test_id("upload-go").click()
    assert "expected .ifc" in viewer.text("upload-error")
    viewer.test_id("upload-file").set_input_files(sample_data / "ifc" / "drainage.ifc")
    child = subprocess.Popen([sys.executable, "-m", "cim", "worker"], env=environment(city), stdout=subprocess.DEVNULL)
    try:
        viewer.test_id("upload-go").click()
        viewer.test_id("upload-done").wait_for()
    finally:
        child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=30)
    report = viewer.text("upload-report")
    assert "BIM-" in report
    viewer.picture("viewer-upload")
    viewer.test_id("upload-show").click()
    viewer.page.wait_for_function("document.querySelector('[data-testid=code]')?.textContent.startsWith('BIM-')")
    assert not viewer.test_id("data-page").is_visible()


def test_nothing_found_and_a_layer_that_is_not_there_are_said_in_words(viewer):
    viewer.test_id("search").fill("no such thing anywhere")
    viewer.test_id("search-go").click()
    viewer.page.wait_for_function("document.querySelector('[data-testid=search-status]').textContent.includes('Nothing found')")
    viewer.open(fragment="#l=buildings,networks%2Fsteam", state="error")
    assert "networks/steam" in viewer.text("alerts")


def test_a_slow_server_and_a_stopped_one_are_said_and_forgotten_again(shared_browser, city):
    alerts = "document.querySelector('[data-testid=alerts]')"
    with contextlib.ExitStack() as stack:
        with running_server(city) as url:
            viewer = ViewerPage(shared_browser, url)
            stack.callback(viewer.close)
            viewer.open()
            held = []
            viewer.page.route("**/records*", lambda route: held.append(route))  # noqa: PLW0108 - playwright marks the handler, which a built-in method refuses
            viewer.test_id("data").click()
            viewer.page.wait_for_function(f"{alerts}.textContent.includes('slow')")
            held.pop().continue_()
            viewer.test_id("catalogue-collections").wait_for()
            viewer.page.wait_for_function(f"{alerts}.hidden")
            viewer.test_id("data-close").click()
            viewer.page.route("**/collections/**", lambda route: route.abort())
            viewer.test_id("search").fill("珞喻路")
            viewer.test_id("search-go").click()
            viewer.page.wait_for_function(f"{alerts}.textContent.includes('does not answer')")
            viewer.page.wait_for_function("document.querySelector('[data-testid=search-status]').textContent.includes('no answer')")
            viewer.page.unroute("**/collections/**")
            # It is asked again every few seconds, and the message goes by itself.
            viewer.page.wait_for_function(f"{alerts}.hidden")
        # Now the server is really gone.
        viewer.test_id("search-go").click()
        viewer.page.wait_for_function(f"{alerts}.textContent.includes('does not answer')")
