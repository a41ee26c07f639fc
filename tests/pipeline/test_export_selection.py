"""``cim export``: what is written, by division, status and date."""

import json
import time
from datetime import UTC, datetime

import pytest

from cim.commands import export as command
from cim.db import engine
from cim.db.changes import open_change_set
from tests.support.exports import SHAPES, export, read, rows


@pytest.mark.parametrize("code", ["42", "4201", "420111", "420111006", "420111006011"])
def test_a_division_of_any_level_cuts_out_its_buildings(demo_city, tmp_path, code):
    export(demo_city[0], "buildings", tmp_path / "d.parquet", "--division", code)
    expected = {row[0] for row in rows(demo_city[0], "SELECT code FROM building WHERE left(division_code, %s) = %s", [len(code), code])}
    assert set(read(tmp_path / "d.parquet")["code"]) == expected
    assert expected


def test_a_division_cuts_out_divisions_addresses_and_networks(demo_city, tmp_path):
    settings = demo_city[0]
    village = "420111006011"
    wanted = {
        ("divisions", "420111006"): "SELECT code FROM division WHERE code LIKE '420111006%%'",
        ("addresses", village): f"SELECT code FROM address WHERE division_code = '{village}'",
        ("water-lines", "4201"): "SELECT code FROM network_edge WHERE kind = 'water' AND county_code LIKE '4201%%'",
        ("water-lines", village): f"""SELECT e.code FROM network_edge e JOIN division d ON ST_Intersects(e.geom, d.geom)
                                     WHERE kind = 'water' AND d.code = '{village}'""",
    }
    for (collection, code), statement in wanted.items():
        report = export(settings, collection, tmp_path / "w.parquet", "--division", code, "--overwrite")
        expected = {row[0] for row in rows(settings, statement, [])}
        assert set(read(tmp_path / "w.parquet")["code"]) == expected
        assert report["rows"] == len(expected) > 0


def test_status_filters_and_repeats(demo_city, tmp_path):
    counts = dict(rows(demo_city[0], "SELECT status, count(*) FROM building GROUP BY 1"))
    report = export(demo_city[0], "buildings", tmp_path / "s.csv", "--status", "under_construction")
    assert report["rows"] == counts["under_construction"]
    report = export(demo_city[0], "buildings", tmp_path / "t.csv", "--status", "under_construction", "--status", "existing")
    assert report["rows"] == counts["under_construction"] + counts["existing"]


@pytest.mark.parametrize("suffix", [".gpkg", ".parquet", ".fgb", ".csv", ".city.json"])
def test_before_the_first_record_the_file_is_there_and_empty(demo_city, tmp_path, suffix):
    file = tmp_path / f"old{suffix}"
    report = export(demo_city[0], "buildings", file, "--date", "1999-12-31")
    assert report["rows"] == 0
    assert "before the first record of buildings" in report["note"]
    if suffix == ".city.json":
        assert json.loads(file.read_text(encoding="utf-8"))["CityObjects"] == {}
    elif suffix == ".csv":
        assert len(file.read_text(encoding="utf-8-sig").splitlines()) == 1
    else:
        assert len(read(file)) == 0


def test_an_empty_selection_says_so(demo_city, tmp_path):
    report = export(demo_city[0], "buildings", tmp_path / "e.gpkg", "--status", "demolished")
    assert report["rows"] == 0
    assert "--status" in report["note"]
    assert export(demo_city[0], "units", tmp_path / "u.gpkg")["note"].startswith("The store has no units")


def test_a_dry_run_counts_and_writes_nothing(demo_city, tmp_path):
    report = export(demo_city[0], "buildings", tmp_path / "n.gpkg", "--dry-run")
    assert (report["rows"], report["written"]) == (237, False)
    assert list(tmp_path.iterdir()) == []


def test_a_date_gives_the_state_before_a_later_change(register, tmp_path):
    before = rows(register, "SELECT clock_timestamp()")[0][0]
    time.sleep(0.01)
    with engine.connect(register) as connection:
        change = open_change_set(connection, author="test", operation="edit", reason="one storey more, one building gone")
        update = "version = version + 1, valid_from = now(), recorded_at = now(), change_set_id = %s"
        connection.execute(f"UPDATE building SET height_m = 13, {update} WHERE code = 'A'", [change])
        connection.execute(
            f"UPDATE building SET status = 'demolished', division_code = '420111003001', {update} WHERE code = 'B'", [change]
        )
    export(register, "buildings", tmp_path / "now.gpkg")
    export(register, "buildings", tmp_path / "then.gpkg", "--date", before.isoformat())
    now, then = (read(tmp_path / name).set_index("code") for name in ("now.gpkg", "then.gpkg"))
    assert (now.height_m["A"], now.status["B"], now.version["A"]) == (13.0, "demolished", 2)
    assert (then.height_m["A"], then.status["B"], then.version["A"]) == (10.0, "existing", 1)
    assert len(now) == len(then) == len(SHAPES)
    # The division and the status are those of the moment, also for units through their building.
    assert export(register, "buildings", tmp_path / "a.csv", "--division", "420111002")["rows"] == 4
    assert export(register, "buildings", tmp_path / "b.csv", "--division", "420111002", "--date", before.isoformat())["rows"] == 5
    assert export(register, "units", tmp_path / "c.csv", "--division", "420111002")["rows"] == 1
    assert export(register, "units", tmp_path / "d.csv", "--division", "420111002", "--date", before.isoformat())["rows"] == 2
    assert export(register, "buildings", tmp_path / "e.csv", "--status", "demolished", "--date", before.isoformat())["rows"] == 0


def test_a_day_runs_to_its_end_in_utc_and_today_to_now():
    now = datetime(2026, 5, 2, 10, tzinfo=UTC)
    assert command.parse_moment("2026-05-01", now) == datetime(2026, 5, 1, 23, 59, 59, 999999, tzinfo=UTC)
    assert command.parse_moment("2026-05-02", now) == now
    assert command.parse_moment("2026-05-01T08:00:00+08:00", now) == datetime(2026, 5, 1, tzinfo=UTC)
