"""Each rule of the census on records made for it; expected effects after docs/sources/census.md."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import shapely
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cim.db import engine
from cim.db.deferred import missing
from ingest.census.datum import from_bd09, from_gcj02, to_gcj02
from ingest.census.rules import RULES
from tests.pipeline.test_ingest import AREA, GOOD, PROFILE, SQUARE, city, ingest, rows, write_layer  # noqa: F401 - city is a fixture
from tests.support.server import environment

FIELDS = {
    **PROFILE["fields"],
    "use": {"source": "yt", "type": "enum", "values": {"1": "residential", "2": "education", "99": "other"}},
    "other_use": {"source": "qtyt", "type": "text"},
    "seismic_retrofit": {"source": "sfkzjg", "type": "boolean"},
    "retrofit_year": {"source": "jgsj", "type": "integer"},
    "appraised": {"source": "sfjd", "type": "boolean"},
    "safety_grade": {"source": "jd", "type": "enum", "values": {"1": "A", "4": "D"}},
    "education_key": {"source": "jyss", "type": "boolean"},
    "isolation": {"source": "jgz", "type": "enum", "values": {"0": "none", "2": "isolation"}},
    "households": {"source": "hs", "type": "integer"},
    "residents": {"source": "rk", "type": "integer"},
    "visible_damage": {"source": "lf", "type": "boolean"},
    "photo_ids": {"source": "zp", "type": "text"},
    "damage_photo_ids": {"source": "lfzp", "type": "text"},
    "floor_area_m2": {"source": "mj", "type": "number", "unit": "m2"},
}
# 4 storeys on 425.7 m2 of ground: 1,600 m2 of floor fit.
FULL = {**GOOD, "yt": "1", "qtyt": "", "sfkzjg": "0", "jgsj": np.nan, "sfjd": "0", "jd": "", "jyss": "0", "jgz": "0", "hs": 10.0,
        "rk": 30.0, "lf": "0", "zp": "a.jpg", "lfzp": "", "mj": 1600.0}  # fmt: skip


def run(city, tmp_path, *changes, shapes=None):  # noqa: F811 - the fixture
    (tmp_path / "p.yaml").write_text(yaml.safe_dump({**PROFILE, "fields": FIELDS}, allow_unicode=True), encoding="utf-8")
    records = [{**FULL, "fwbh": str(n), **change} for n, change in enumerate(changes)]
    write_layer(tmp_path / "c.gpkg", records, shapes or [shapely.affinity.translate(SQUARE, 0.0004 * n) for n in range(len(records))])
    result = ingest(city, tmp_path)
    assert result.code == 0, result.err
    return result.json()[0]


def test_a_record_without_fault_raises_no_rule(city, tmp_path):  # noqa: F811
    done = run(city, tmp_path, {})
    assert (done["accepted"], done["rejected_by_rule"], done["warnings_by_rule"]) == (1, {}, {})


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("A01", {"cs": np.nan}),
        ("A02", {"yt": "7"}),
        ("A04", {"cs": 151}),
        ("A05", {"gd": 0.0}),
        ("A07", {"nd": 2999}),
        ("A08", {"sfkzjg": "1"}),
        ("A08", {"jgsj": 2010.0}),
        ("A08", {"sfkzjg": "1", "jgsj": 1990.0}),
        ("A10", {"sfjd": "1"}),
        ("A10", {"jd": "4"}),
        ("A12", {"jglx": "1", "cs": 12, "gd": 36.0}),
        ("A14", {"yt": "99"}),
        ("A14", {"qtyt": "祠堂"}),
        ("A16", {"jyss": "1"}),
    ],
)
def test_severe_rules_refuse_the_record(city, tmp_path, rule, change):  # noqa: F811
    done = run(city, tmp_path, change)
    assert (done["accepted"], done["rejected_by_rule"]) == (0, {rule: 1})
    message, message_zh = rows(city, "SELECT message, message_zh FROM reject")[0]
    assert message
    assert any("一" <= letter <= "鿿" for letter in message_zh)


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("A05", {"gd": 60.0}),
        ("A06", {"mj": 9000.0}),
        ("A11", {"jglx": "1", "cs": 8, "gd": 24.0, "mj": 3000.0}),
        ("A13", {"jgz": "2", "nd": 1980}),
        ("A15", {"zp": ""}),
        ("A15", {"lf": "1"}),
        ("A17", {"rk": 500.0}),
    ],
)
def test_mild_rules_warn(city, tmp_path, rule, change):  # noqa: F811
    done = run(city, tmp_path, change)
    assert (done["accepted"], done["warnings_by_rule"]) == (1, {rule: 1})


def test_every_rule_has_words_in_two_languages():
    assert len(RULES) >= 27
    for rule in RULES.values():
        assert rule.en
        assert any("一" <= letter <= "鿿" for letter in rule.zh)


def test_overlaps_are_warned_of_and_duplicates_refused(city, tmp_path):  # noqa: F811
    third = shapely.affinity.translate(SQUARE, 0.00018)  # a tenth of its width on the first: under the limit together with nothing else
    inside = shapely.affinity.scale(SQUARE, 0.4, 0.4)
    almost = shapely.affinity.translate(SQUARE, 0.000002)
    done = run(city, tmp_path, {}, {}, {}, {"mj": 200.0}, shapes=[SQUARE, almost, shapely.affinity.translate(third, 0.0004), inside])
    assert done["rejected_by_rule"] == {"G04": 1}
    assert rows(city, "SELECT place FROM reject") == [("c, row 2",)]
    # The small one inside lies wholly on the first: both are warned of.
    assert done["warnings_by_rule"]["G04"] == 2


def test_slivers_and_far_parts_are_warned_of(city, tmp_path):  # noqa: F811
    sliver = shapely.box(114.385, 30.495, 114.387, 30.4950015)
    far = shapely.union_all([shapely.affinity.translate(SQUARE, 0, 0.002), shapely.affinity.translate(SQUARE, 0.002, 0.002)])
    from tests.pipeline.test_ingest import write_layer as write

    records = [{**FULL, "fwbh": "1", "mj": np.nan}, {**FULL, "fwbh": "2", "mj": np.nan}]
    (tmp_path / "p.yaml").write_text(yaml.safe_dump({**PROFILE, "fields": FIELDS}, allow_unicode=True), encoding="utf-8")
    write(tmp_path / "c.geojson", records, [sliver, far])
    done = ingest(city, tmp_path, "c.geojson").json()[0]
    assert done["warnings_by_rule"] == {"G03": 1, "G06": 1}


def test_a_bow_tie_is_repaired_and_counted(city, tmp_path):  # noqa: F811
    bow_tie = shapely.Polygon([(114.39, 30.5), (114.3902, 30.5002), (114.3902, 30.5), (114.39, 30.5002)])
    done = run(city, tmp_path, {"mj": np.nan}, shapes=[bow_tie])
    assert (done["accepted"], done["warnings_by_rule"]["G01"], done["repaired_outlines"]) == (1, 1, 1)
    assert rows(city, "SELECT ST_IsValid(geom) FROM building") == [(True,)]


@pytest.fixture
def villages(city, tmp_path):  # noqa: F811
    """A city of 10 x 10 villages of 200 m, and 400 buildings that declare the village they stand in."""
    side = 0.002
    records, shapes = [], []
    for i in range(10):
        for j in range(10):
            records.append({"code": f"420111{i * 10 + j + 7000:06d}", "name": f"v{i}{j}", "level": "village", "synthetic": 1})
            shapes.append(shapely.box(114.40 + i * side, 30.49 + j * side, 114.40 + (i + 1) * side, 30.49 + (j + 1) * side))
    write_layer(tmp_path / "v.gpkg", records, shapes)
    from tests.support.cli import run_cim

    assert run_cim(city, "ingest", "divisions", tmp_path / "v.gpkg").code == 0
    profile = {**PROFILE, "fields": {**PROFILE["fields"], "division_code": {"source": "village", "type": "text"}}}
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(profile, allow_unicode=True), encoding="utf-8")
    houses, outlines = [], []
    for n in range(400):
        x, y = 114.40 + (n % 20 + 0.3) * side / 2, 30.49 + (n // 20 + 0.3) * side / 2
        village = f"420111{n % 20 // 2 * 10 + n // 20 // 2 + 7000:06d}"
        houses.append({**GOOD, "fwbh": str(n), "village": village})
        outlines.append(shapely.box(x, y, x + 0.0002, y + 0.0002))
    return city, houses, outlines


def test_a_layer_in_gcj02_is_refused_and_can_be_taken_back(villages, tmp_path):
    settings_, houses, outlines = villages
    shifted = [shapely.transform(shape, lambda xy: np.column_stack(to_gcj02(xy[:, 0], xy[:, 1]))) for shape in outlines]
    write_layer(tmp_path / "c.gpkg", houses, shifted)
    refused = ingest(settings_, tmp_path)
    assert refused.code == 1
    assert "shifted as GCJ-02" in refused.err
    assert "--datum gcj02" in refused.err
    assert rows(settings_, "SELECT count(*) FROM dataset WHERE kind = 'census'") == [(0,)]
    done = ingest(settings_, tmp_path, "c.gpkg", "--datum", "gcj02").json()[0]
    assert (done["accepted"], done["warnings_by_rule"].get("G07", 0)) == (400, 0)
    west = rows(settings_, "SELECT ST_XMin(geom) FROM building WHERE source_key = '420111/0'")[0][0]
    assert west == pytest.approx(outlines[0].bounds[0], abs=1e-8)


def test_a_layer_in_place_is_not_suspected(villages, tmp_path):
    settings_, houses, outlines = villages
    write_layer(tmp_path / "c.gpkg", houses, outlines)
    assert ingest(settings_, tmp_path).json()[0]["accepted"] == 400


@pytest.mark.parametrize(
    ("lon", "lat", "metres", "azimuth"), [(116.397, 39.909, 556, 74), (121.474, 31.230, 482, 117), (114.305, 30.593, 587, 117)]
)
def test_the_gcj02_shift_is_the_published_one(lon, lat, metres, azimuth):
    # Offsets of Beijing, Shanghai, Wuhan as commonly tabulated; a few metres differ with the point inside the city.
    x, y = to_gcj02(np.array([lon]), np.array([lat]))
    east, north = (x[0] - lon) * 111_320 * np.cos(np.radians(lat)), (y[0] - lat) * 111_000
    assert np.hypot(east, north) == pytest.approx(metres, abs=5)
    assert np.degrees(np.arctan2(east, north)) % 360 == pytest.approx(azimuth, abs=2)
    back = from_gcj02(x, y)
    assert np.hypot(*(np.array(back)[:, 0] - (lon, lat))) * 111_000 < 0.001
    assert from_bd09(np.array([lon]), np.array([lat]))[0][0] < lon


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_counts_add_up_and_a_rerun_changes_nothing(city, tmp_path, data):  # noqa: F811
    """Property: whatever the records, read = accepted + unchanged + rejected, and the same file again changes nothing."""
    n = data.draw(st.integers(1, 12))
    changes = [data.draw(st.sampled_from([{}, {"cs": 200}, {"nd": 1700}, {"jglx": "8"}, {"fwbh": "0"}, {"gd": 500.0}])) for _ in range(n)]
    records = [{**GOOD, "fwbh": str(i), **change} for i, change in enumerate(changes)]
    shapes = [shapely.affinity.translate(SQUARE, 0.0004 * i, data.draw(st.sampled_from([0, 0.0003, 5]))) for i in range(n)]
    write_layer(tmp_path / "c.gpkg", records, shapes)
    first = ingest(city, tmp_path).json()[0]
    assert first["read"] == n == first["accepted"] + first["unchanged"] + first["rejected"]
    assert sum(first.get("rejected_by_rule", {}).values()) in (first["rejected"], 0)
    write_layer(tmp_path / "again.gpkg", [{**record, "unused": 1} for record in records], shapes)
    again = ingest(city, tmp_path, "again.gpkg", "--name", "c").json()[0]
    assert (again["accepted"], again["rejected"], again["new"]) == (0, first["rejected"], 0)


_BULK = "import runpy, cim.db.buildings as b; b._BULK_FROM = 1; runpy.run_module('cim', run_name='__main__')"


@pytest.mark.parametrize("program", [["-m", "cim"], ["-c", _BULK]], ids=["few", "bulk"])
def test_kill_9_at_random_moments_loses_and_doubles_nothing(city, tmp_path, program):  # noqa: F811
    """Also by the way of large loads, which puts triggers and indexes aside."""
    n = 8_000
    side = int(np.sqrt(n)) + 1
    records = [{**GOOD, "fwbh": str(i)} for i in range(n)]
    shapes = [
        shapely.box(x, y, x + 0.0001, y + 0.0001) for i in range(n) for x, y in [(114.381 + i % side * 0.0002, 30.491 + i // side * 0.0002)]
    ]
    write_layer(tmp_path / "c.gpkg", records, shapes)
    argv = [sys.executable, *program, "ingest", "census", str(tmp_path / "c.gpkg"), "--profile", str(tmp_path / "p.yaml"), "--json"]
    # The first run of a fresh checkout compiles what the next ones find.
    subprocess.run([*argv, "--dry-run"], env=environment(city), capture_output=True, check=True)
    started = time.monotonic()
    whole = subprocess.run([*argv, "--dry-run"], env=environment(city), capture_output=True, text=True, check=True)
    lasts = time.monotonic() - started
    assert json.loads(whole.stdout)[0]["accepted"] == n
    random = np.random.default_rng(11)
    killed = 0
    for _ in range(10):
        child = subprocess.Popen(argv, env=environment(city), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(float(random.uniform(0.3, 1.0)) * lasts)
        if child.poll() is None:
            os.kill(child.pid, signal.SIGKILL)
            killed += 1
        child.wait()
        assert rows(city, "SELECT count(*) FROM building")[0][0] in (0, n)
    assert killed >= 5
    final = subprocess.run(argv, env=environment(city), capture_output=True, text=True, check=True)
    assert json.loads(final.stdout)[0]["read"] == n
    found = rows(city, "SELECT count(*), count(DISTINCT code), count(DISTINCT source_key), max(version) FROM building")
    assert found == [(n, n, n, 1)]
    events = rows(city, "SELECT count(*) FROM change_event WHERE collection = 'buildings' AND action = 'create'")
    assert events == [(n,)]
    # No number was spent on a load that died.
    assert rows(city, f"SELECT last_sequence FROM code_counter WHERE area = '{AREA}'") == [(n,)]
    assert list((city.data_dir / "tmp").glob("ingest-*")) == []
    assert rows(city, "SELECT count(*) FROM pg_trigger WHERE tgenabled = 'D'") == [(0,)]
    with engine.connect(city) as connection:
        assert missing(connection) == []


def test_kill_9_during_a_bulk_change_leaves_all_old_or_all_new(city, tmp_path):  # noqa: F811
    n = 8_000
    side = int(np.sqrt(n)) + 1
    shapes = [
        shapely.box(x, y, x + 0.0001, y + 0.0001) for i in range(n) for x, y in [(114.381 + i % side * 0.0002, 30.491 + i // side * 0.0002)]
    ]
    write_layer(tmp_path / "c.gpkg", [{**GOOD, "fwbh": str(i)} for i in range(n)], shapes)
    assert ingest(city, tmp_path).json()[0]["accepted"] == n
    held = rows(city, "SELECT source_key, code FROM building ORDER BY source_key")
    write_layer(tmp_path / "c.gpkg", [{**GOOD, "fwbh": str(i), "cs": 5} for i in range(n)], shapes)
    argv = [sys.executable, "-m", "cim", "ingest", "census", str(tmp_path / "c.gpkg"), "--profile", str(tmp_path / "p.yaml"), "--json"]
    started = time.monotonic()
    subprocess.run([*argv, "--dry-run"], env=environment(city), capture_output=True, check=True)
    lasts = time.monotonic() - started
    random, killed = np.random.default_rng(12), 0
    for _ in range(10):
        child = subprocess.Popen(argv, env=environment(city), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(float(random.uniform(0.4, 1.0)) * lasts)
        if child.poll() is None:
            os.kill(child.pid, signal.SIGKILL)
            killed += 1
        child.wait()
        state = rows(city, "SELECT storeys_above, version, count(*) FROM building GROUP BY 1, 2")
        assert state in ([(4, 1, n)], [(5, 2, n)])
        assert rows(city, "SELECT count(*) FROM building_history") == [(0 if state[0][1] == 1 else n,)]
    assert killed >= 4
    subprocess.run(argv, env=environment(city), capture_output=True, check=True)
    assert rows(city, "SELECT storeys_above, version, count(*) FROM building GROUP BY 1, 2") == [(5, 2, n)]
    assert rows(city, "SELECT storeys_above, version, count(*) FROM building_history GROUP BY 1, 2") == [(4, 1, n)]
    assert rows(city, "SELECT source_key, code FROM building ORDER BY source_key") == held
