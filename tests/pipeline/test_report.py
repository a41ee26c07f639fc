"""The report of a census run: JSON, HTML in a real browser, refused records that can be mended and loaded again."""

import json
import os
import shutil

import numpy as np
import pyogrio
import pytest
import shapely
from playwright.sync_api import sync_playwright

from tests.pipeline.test_ingest import GOOD, SQUARE, city, ingest, rows, write_layer  # noqa: F401 - city is a fixture


def shifted(n):
    return shapely.affinity.translate(SQUARE, 0.0005 * n)


def load(city, tmp_path, records, *more):  # noqa: F811 - the fixture
    write_layer(tmp_path / "c.gpkg", records, [shifted(n) for n in range(len(records))])
    result = ingest(city, tmp_path, "c.gpkg", "--report", tmp_path / "report", *more)
    assert result.code == 0, result.err
    return result.json()[0]


RECORDS = [
    GOOD,
    {**GOOD, "fwbh": "2", "jglx": "77", "jzmc": "<script>document.title='owned'</script>"},
    {**GOOD, "fwbh": "3", "nd": 1700},
    {**GOOD, "fwbh": "4", "cs": 200},
]


def test_the_json_report_adds_up_and_names_every_reject(city, tmp_path):  # noqa: F811
    load(city, tmp_path, RECORDS)
    report = json.loads((tmp_path / "report" / "report.json").read_text(encoding="utf-8"))
    counts = report["counts"]
    assert (counts["read"], counts["accepted"], counts["unchanged"], counts["rejected"]) == (4, 1, 0, 3)
    assert [(r["rule"], r["place"]) for r in report["rejects"]] == [("A02", "c, row 2"), ("A07", "c, row 3"), ("A04", "c, row 4")]
    assert {r["rule"]: r["refused"] for r in report["rules"] if r["refused"]} == {"A02": 1, "A04": 1, "A07": 1}
    assert report["facts"]["personal_dropped"] == {"hzxm": 4}
    assert "张三" not in (tmp_path / "report" / "report.json").read_text(encoding="utf-8")


@pytest.mark.browser
def test_the_page_opens_in_a_browser_and_data_cannot_run_in_it(city, tmp_path):  # noqa: F811
    load(city, tmp_path, RECORDS)
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("no Chromium on this machine")
        pytest.skip("no Chromium on this machine")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto((tmp_path / "report" / "report.html").as_uri())
        assert page.title() == "Ingest report: c"
        assert page.locator("svg circle").count() == 3
        assert "A07" in page.inner_text("body")
        assert "hzxm × 4" in page.inner_text("body")
        page.screenshot(path=str(tmp_path / "report.png"), full_page=True)
        browser.close()
    assert [url for url in asked if not url.startswith("file:")] == []


def test_mended_rejects_are_loaded_with_the_same_profile(city, tmp_path):  # noqa: F811
    load(city, tmp_path, RECORDS)
    package = tmp_path / "report" / "rejects.gpkg"
    meta, _, wkb, columns = pyogrio.raw.read(package)
    fields = [str(name) for name in meta["fields"]]
    assert fields == [*[name for name in GOOD if name != "hzxm"], "_rule", "_message", "_message_zh", "_place"]
    assert shapely.from_wkb(wkb[0]).equals(shifted(1))
    mended = {name: np.array(values) for name, values in zip(fields, columns, strict=True)}
    mended["jglx"], mended["nd"], mended["cs"] = np.array(["5"] * 3), np.array([2001] * 3), np.array([4] * 3)
    records = [{name: values[i] for name, values in mended.items()} for i in range(3)]
    write_layer(tmp_path / "mended.gpkg", records, [shapely.from_wkb(one) for one in wkb])
    assert ingest(city, tmp_path, "mended.gpkg", "--name", "c").json()[0]["accepted"] == 3
    assert rows(city, "SELECT count(*) FROM building") == [(4,)]


def test_a_clean_run_has_no_rejects_file_and_a_dry_run_reports_without_writing(city, tmp_path):  # noqa: F811
    load(city, tmp_path, RECORDS, "--dry-run")
    assert (tmp_path / "report" / "rejects.gpkg").exists()
    assert rows(city, "SELECT count(*) FROM building") == [(0,)]
    load(city, tmp_path, [GOOD])
    assert not (tmp_path / "report" / "rejects.gpkg").exists()
    assert "No record was refused" in (tmp_path / "report" / "report.html").read_text(encoding="utf-8")


def test_records_with_warnings_are_listed_drawn_and_packed_with_their_rules(city, tmp_path):  # noqa: F811
    # Two outlines that share 30 % of their width, and nine storeys in 12 m: rule G04 twice, A05 once.
    close = shapely.affinity.translate(SQUARE, (SQUARE.bounds[2] - SQUARE.bounds[0]) * 0.7)
    low = {**GOOD, "fwbh": "3", "cs": 9, "gd": 12.0}
    write_layer(
        tmp_path / "c.gpkg", [GOOD, {**GOOD, "fwbh": "2"}, low, {**GOOD, "fwbh": "4", "nd": 1700}], [SQUARE, close, shifted(4), shifted(8)]
    )
    result = ingest(city, tmp_path, "c.gpkg", "--report", tmp_path / "report")
    assert result.code == 0, result.err
    report = json.loads((tmp_path / "report" / "report.json").read_text(encoding="utf-8"))
    listed = {(w["place"], *w["rules"]) for w in report["warnings"]}
    assert {("c, row 1", "G04"), ("c, row 2", "G04")} <= {(place, rule) for place, *rules in listed for rule in rules}
    assert "A05" in next(rules for place, *rules in listed if place == "c, row 3")
    assert all(place != "c, row 4" for place, *_ in listed)
    counted = {r["rule"]: r["warnings"] for r in report["rules"] if r["warnings"]}
    assert counted == result.json()[0]["warnings_by_rule"]
    assert sum(len(rules) for _, *rules in listed) == sum(counted.values())
    meta, _, _, columns = pyogrio.raw.read(tmp_path / "report" / "warnings.gpkg")
    packed = dict(zip([str(name) for name in meta["fields"]], columns, strict=True))
    assert "hzxm" not in packed
    assert {(place, *rules.split(", ")) for place, rules in zip(packed["_place"], packed["_rule"], strict=True)} == listed
