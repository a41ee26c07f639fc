"""The safety archive of buildings: grades through appraisals, hazards through their states, nothing deleted."""

from datetime import UTC, datetime

import psycopg
import pytest

from cim.db import engine
from tests.pipeline.test_ingest import GOOD, SQUARE, city, ingest, rows, write_layer  # noqa: F401 - city is a fixture
from tests.support.cli import run_cim


@pytest.fixture
def house(city, tmp_path):  # noqa: F811 - the fixture
    write_layer(tmp_path / "c.gpkg", [GOOD], [SQUARE])
    ingest(city, tmp_path)
    return city, rows(city, "SELECT code FROM building")[0][0]


def safety(house, *argv, code=0):
    result = run_cim(house[0], "safety", *argv, "--json")
    assert result.code == code, result.err
    return result.json() if code == 0 else result.err


def appraise(house, grade, on, *more, code=0):
    return safety(house, "appraise", house[1], "--grade", grade, "--on", on, "--by", "鉴定中心", *more, code=code)


def test_the_newest_appraisal_sets_the_grade_through_a_change_set(house):
    done = appraise(house, "C", "2026-05-02", "--report", "J-17")
    assert (done["before"], done["after"]) == (None, "C")
    # An older appraisal that comes in late is kept and does not change the grade.
    assert appraise(house, "A", "2020-01-01")["after"] == "C"
    found = rows(house[0], "SELECT safety_grade, version, attribute_sources ->> 'safety_grade' FROM building")
    assert found == [("C", 2, "appraisal")]
    assert rows(house[0], f"SELECT action FROM change_event WHERE change_set_id = '{done['change_set']}'") == [("update",)]
    archive = safety(house, "show", house[1])
    assert [row["grade"] for row in archive["appraisals"]] == ["A", "C"]


def test_a_census_cannot_overwrite_an_appraised_grade(house, tmp_path):
    appraise(house, "D", "2026-05-02")
    profile = (tmp_path / "p.yaml").read_text(encoding="utf-8")
    graded = profile.replace("fields:", "fields:\n  safety_grade: {source: jd, type: enum, values: {'1': A}}", 1)
    (tmp_path / "p.yaml").write_text(graded, encoding="utf-8")
    write_layer(tmp_path / "c.gpkg", [{**GOOD, "jd": "1"}], [SQUARE])
    assert ingest(house[0], tmp_path).json()[0]["conflicts"] == 1
    assert rows(house[0], "SELECT safety_grade FROM building") == [("D",)]


def add(house, *more):
    argv = (
        "hazard",
        "add",
        house[1],
        "--kind",
        "facade",
        "--level",
        "high",
        "--description",
        "外墙砖松动",
        "--on",
        "2026-03-01",
        "--by",
        "普查",
    )
    return safety(house, *argv, *more)["id"]


def step(house, hazard, state, on, code=0):
    return safety(house, "hazard", "advance", hazard, "--state", state, "--on", on, "--by", "业主", code=code)


def test_a_hazard_goes_through_its_states_in_order_and_back_after_a_failed_recheck(house):
    hazard = add(house, "--photo", "a.jpg")
    assert "found cannot become eliminated, expected measures" in step(house, hazard, "eliminated", "2026-03-02", code=1)
    step(house, hazard, "measures", "2026-03-05")
    assert "lies before its last step (2026-03-05)" in step(house, hazard, "eliminated", "2026-03-04", code=1)
    step(house, hazard, "eliminated", "2026-03-20")
    step(house, hazard, "measures", "2026-03-25")
    step(house, hazard, "eliminated", "2026-04-10")
    assert [row["state"] for row in safety(house, "hazard", "list")] == ["eliminated"]
    step(house, hazard, "rechecked", "2026-04-12")
    assert safety(house, "hazard", "list") == []
    assert "it is closed" in step(house, hazard, "measures", "2026-05-01", code=1)
    found = safety(house, "show", house[1])["hazards"][0]
    assert [s["state"] for s in found["steps"]] == ["found", "measures", "eliminated", "measures", "eliminated", "rechecked"]
    assert found["photos"] == ["a.jpg"]


def test_hazards_are_listed_by_division_level_and_age(house):
    add(house)
    assert len(safety(house, "hazard", "list", "--division", "420111", "--level", "high")) == 1
    assert safety(house, "hazard", "list", "--division", "420112") == []
    assert safety(house, "hazard", "list")[0]["days"] > 200  # found 2026-03-01


def test_inspections_are_kept_with_the_hazard_they_rechecked(house):
    hazard = add(house)
    safety(house, "inspect", house[1], "--result", "finding", "--on", "2026-03-02", "--by", "街道", "--hazard", hazard)
    assert safety(house, "show", house[1])["inspections"][0]["hazard_id"] == hazard


@pytest.mark.parametrize(
    ("argv", "fault"),
    [
        (("--grade", "E", "--on", "2026-05-02", "--by", "x"), "one of A, B, C, D"),
        (("--grade", "A", "--on", "2999-01-01", "--by", "x"), "a day until today"),
        (("--grade", "A", "--on", "2026-05-02", "--by", "x", "--valid-until", "2025-01-01"), "a day from 2026-05-02 on"),
    ],
)
def test_wrong_appraisals_are_refused(house, argv, fault):
    assert fault in safety(house, "appraise", house[1], *argv, code=1)
    assert rows(house[0], "SELECT count(*) FROM safety_appraisal") == [(0,)]


def test_a_demolished_or_unknown_building_takes_no_records(house):
    run_cim(house[0], "changes", "demolish", house[1], "--reason", "x")
    assert "found status demolished" in appraise(house, "A", "2026-05-02", code=1)
    assert "not in the register" in safety((house[0], "420111006011202600000200010"), "show", "420111006011202600000200010", code=1)


def test_a_dry_run_writes_nothing_and_nothing_can_be_deleted(house):
    appraise(house, "C", "2026-05-02", "--dry-run")
    assert rows(house[0], "SELECT count(*) FROM safety_appraisal") == [(0,)]
    appraise(house, "C", "2026-05-02")
    add(house)
    for name in ("safety_appraisal", "safety_hazard_step", "safety_hazard", "safety_inspection"):
        with (
            psycopg.connect(engine.conninfo(house[0])) as connection,
            pytest.raises(psycopg.errors.RestrictViolation, match="append-only"),
        ):
            connection.execute(f"DELETE FROM {name}")


def test_a_safety_record_is_not_undone_but_superseded(house):
    done = appraise(house, "C", "2026-05-02")
    refused = run_cim(house[0], "changes", "undo", done["change_set"], "--reason", "typo")
    assert (refused.code, "record a newer appraisal" in refused.err) == (1, True)
    assert appraise(house, "B", "2026-05-02")["after"] == "B"


def test_an_appraisal_that_confirms_the_census_grade_stands_against_the_next_census(house, tmp_path):
    profile = (tmp_path / "p.yaml").read_text(encoding="utf-8")
    graded = profile.replace("fields:", "fields:\n  safety_grade: {source: jd, type: enum, values: {'1': A, '3': C}}", 1)
    (tmp_path / "p.yaml").write_text(graded, encoding="utf-8")
    write_layer(tmp_path / "c.gpkg", [{**GOOD, "jd": "3"}], [SQUARE])
    ingest(house[0], tmp_path)
    assert appraise(house, "C", "2026-05-02")["before"] == "C"
    write_layer(tmp_path / "c.gpkg", [{**GOOD, "jd": "1"}], [SQUARE])
    assert ingest(house[0], tmp_path).json()[0]["conflicts"] == 1
    assert rows(house[0], "SELECT safety_grade, attribute_sources ->> 'safety_grade' FROM building") == [("C", "appraisal")]
    # A second confirmation changes nothing in the register.
    appraise(house, "C", "2026-06-02")
    assert rows(house[0], "SELECT count(*) FROM building_history WHERE safety_grade = 'C'") == [(1,)]


def test_today_by_the_local_calendar_is_not_the_future(house, monkeypatch):
    # 07:00 on 2 May in China is 23:00 on 1 May in UTC.
    monkeypatch.setattr("cim.db.safety.utc_now", lambda: datetime(2026, 5, 1, 23, tzinfo=UTC))
    assert appraise(house, "C", "2026-05-02")["after"] == "C"
    assert "a day until today (2026-05-02)" in appraise(house, "D", "2026-05-03", code=1)


@pytest.mark.parametrize(("option", "value", "fault"), [
    ("--state", "open", "one of found, measures, eliminated, rechecked"), ("--level", "worst", "one of low, medium, high"),
    ("--division", "%", "a division code"),
])  # fmt: skip
def test_a_filter_that_can_match_nothing_is_refused(house, option, value, fault):
    assert fault in safety(house, "hazard", "list", option, value, code=1)
