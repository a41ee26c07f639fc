"""Split, merge, demolish, rebuild, edit, undo, review: real PostGIS, the command line, the outbox, as-of reads."""

from datetime import UTC, datetime

import numpy as np
import pytest
import shapely
from sqlalchemy import func, select

from cim.codes import registry
from cim.db import changes, engine, succession
from cim.db.asof import as_of
from cim.db.tables.register import building
from cim.errors import InvalidParameterError
from tests.pipeline.test_ingest import AREA, GOOD, SQUARE, city, ingest, rows, write_layer  # noqa: F401 - city is a fixture
from tests.support.cli import run_cim

RIGHT = shapely.box(114.3902, 30.500, 114.3904, 30.5002)
BOTH = shapely.box(114.390, 30.500, 114.3904, 30.5002)
FAR = shapely.affinity.translate(SQUARE, 0.002)
STATE = "SELECT code, name, storeys_above, height_m, status, ST_AsText(geom) FROM {} ORDER BY code"


@pytest.fixture
def three(city, tmp_path):  # noqa: F811 - the fixture
    """Buildings 1 and 2 touch, 3 stands apart; an address at each."""
    records = [{**GOOD, "fwbh": str(n), "cs": n + 1} for n in (1, 2, 3)]
    write_layer(tmp_path / "c.gpkg", records, [SQUARE, RIGHT, FAR])
    assert ingest(city, tmp_path).json()[0]["accepted"] == 3
    lines = ["地址编码,原始地址,经度,纬度,坐标系"]
    lines += [f"A{n},武汉市洪山区测试路{n}号,{114.39005 + dx},30.50005,EPSG:4490" for n, dx in ((1, 0), (2, 0.0001), (3, 0.002))]
    (tmp_path / "a.csv").write_text("\n".join(lines), encoding="utf-8")
    assert run_cim(city, "ingest", "addresses", tmp_path / "a.csv").code == 0
    return city


def codes(settings):
    return [row[0] for row in rows(settings, "SELECT code FROM building WHERE source_key IS NOT NULL ORDER BY source_key")]


def moment(settings):
    return rows(settings, "SELECT clock_timestamp()")[0][0]


def halves():
    west, south, east, north = SQUARE.bounds
    middle = west + 0.00008
    return [shapely.box(west, south, middle, north), shapely.box(middle, south, east, north)]


def run(settings, *argv):
    result = run_cim(settings, "changes", *argv, "--json")
    assert result.code == 0, result.err
    return result.json()


def test_split_conserves_the_area_retires_the_parent_and_moves_addresses(three, tmp_path):
    first = codes(three)[0]
    write_layer(tmp_path / "parts.gpkg", [{"n": 1}, {"n": 2}], halves())
    done = run(three, "split", first, "--parts", tmp_path / "parts.gpkg", "--reason", "tower and podium")
    assert done["retired"] == [first]
    assert len(done["created"]) == 2
    for code in done["created"]:
        registry.scheme("CIM-BC27-v1").verify(code)
        assert code[24:26] == "06"  # origin: split or merge, standard layout of the code
    before, after = rows(
        three,
        f"""SELECT (SELECT footprint_area_m2 FROM building WHERE code = '{first}'),
                   (SELECT sum(footprint_area_m2) FROM building WHERE code = ANY('{{{",".join(done["created"])}}}'))""",
    )[0]
    assert after == pytest.approx(before, rel=1e-6)
    assert rows(three, f"SELECT status FROM building WHERE code = '{first}'") == [("retired",)]
    lineage = rows(three, "SELECT parent_code, child_code, operation FROM building_lineage ORDER BY id")
    assert lineage == [(first, code, "split") for code in done["created"]]
    # Address A1 stands 0.00005 deg from the western edge, the cut lies at 0.00008: it belongs to the western part.
    assert rows(three, "SELECT building_code FROM address WHERE source_key = 'A1'") == [(done["created"][0],)]
    events = dict(
        rows(three, f"SELECT code, action FROM change_event WHERE change_set_id = '{done['change_set']}' AND collection = 'buildings'")
    )
    assert events == {first: "retire", done["created"][0]: "create", done["created"][1]: "create"}


@pytest.mark.parametrize(
    ("parts", "fault"),
    [
        ([SQUARE], "at least two"),
        ([halves()[0], shapely.affinity.translate(halves()[1], 0.0001)], "differ from building"),
        ([SQUARE, SQUARE], "overlap by"),
    ],
)
def test_parts_that_do_not_make_up_the_building_are_refused_and_nothing_is_written(three, tmp_path, parts, fault):
    write_layer(tmp_path / "parts.gpkg", [{"n": i} for i in range(len(parts))], parts)
    before = rows(three, "SELECT count(*), sum(version) FROM building")
    result = run_cim(three, "changes", "split", codes(three)[0], "--parts", tmp_path / "parts.gpkg", "--reason", "x")
    assert result.code == 1
    assert fault in result.err
    assert rows(three, "SELECT count(*), sum(version) FROM building") == before
    assert rows(three, "SELECT count(*) FROM change_set WHERE operation = 'split'") == [(0,)]


def test_merge_joins_touching_buildings_only(three):
    one, two, apart = codes(three)
    refused = run_cim(three, "changes", "merge", one, apart, "--reason", "x")
    assert (refused.code, "more than 1 m apart" in refused.err) == (1, True)
    done = run(three, "merge", one, two, "--reason", "one house", "--set", "name=联合楼")
    assert sorted(done["retired"]) == sorted([one, two])
    name, area, valid, parts = rows(
        three, f"SELECT name, footprint_area_m2, ST_IsValid(geom), ST_NumGeometries(geom) FROM building WHERE code = '{done['created'][0]}'"
    )[0]
    whole = rows(three, f"SELECT sum(footprint_area_m2) FROM building WHERE code IN ('{one}', '{two}')")[0][0]
    assert (name, valid, parts) == ("联合楼", True, 1)
    assert area == pytest.approx(whole, rel=1e-6)
    assert rows(three, "SELECT DISTINCT building_code FROM address WHERE source_key IN ('A1', 'A2')") == [(done["created"][0],)]


def test_a_demolished_building_keeps_its_code_and_a_survey_cannot_raise_it(three, tmp_path):
    first = codes(three)[0]
    run(three, "demolish", first, "--reason", "expropriation")
    again = run_cim(three, "changes", "demolish", first, "--reason", "twice")
    assert (again.code, "found status demolished" in again.err) == (1, True)
    records = [{**GOOD, "fwbh": str(n), "cs": n + 2} for n in (1, 2, 3)]
    write_layer(tmp_path / "c.gpkg", records, [SQUARE, RIGHT, FAR])
    assert ingest(three, tmp_path).json()[0]["conflicts"] == 1
    assert rows(three, f"SELECT status, storeys_above FROM building WHERE code = '{first}'") == [("demolished", 3)]
    listed = run(three, "conflicts")
    assert [(row["code"], row["attribute"], row["kept"], row["refused"]) for row in listed] == [(first, "status", "demolished", "existing")]
    run(three, "conflicts", listed[0]["id"], "--keep", "--reason", "seen on site")
    assert run(three, "conflicts") == []


def test_rebuild_gives_a_new_code_with_lineage_and_the_project(three):
    first = codes(three)[0]
    done = run(three, "rebuild", first, "--set", "height_m=54", "--set", "storeys_above=18", "--project", "P-8", "--reason", "completed")
    assert rows(three, f"SELECT height_m, storeys_above, status FROM building WHERE code = '{done['created'][0]}'") == [
        (54, 18, "existing")
    ]
    assert rows(three, f"SELECT status FROM building WHERE code = '{first}'") == [("demolished",)]
    assert [(r["parent_code"], r["child_code"], r["operation"]) for r in run(three, "lineage", done["created"][0])] == [
        (first, done["created"][0], "rebuild")
    ]
    assert run(three, "show", done["change_set"])["project_code"] == "P-8"


def test_a_lower_source_cannot_overwrite_a_higher_one_and_the_conflict_is_listed(three, tmp_path):
    first = codes(three)[0]
    run(three, "edit", first, "--set", "height_m=15.5", "--as", "completion", "--reason", "as-built survey")
    records = [{**GOOD, "fwbh": str(n), "cs": n + 1, "gd": 13.0} for n in (1, 2, 3)]
    write_layer(tmp_path / "c.gpkg", records, [SQUARE, RIGHT, FAR])
    result = ingest(three, tmp_path).json()[0]
    assert (result["conflicts"], result["accepted"], result["unchanged"]) == (1, 2, 1)
    heights = dict(rows(three, "SELECT source_key, height_m FROM building"))
    assert heights == {"420111/1": 15.5, "420111/2": 13.0, "420111/3": 13.0}
    refused = run_cim(three, "changes", "edit", first, "--set", "height_m=9", "--as", "census", "--reason", "x")
    assert (refused.code, "more authority than census" in refused.err) == (1, True)
    run(three, "authority", "height_m", "--order", "census,completion")
    assert run(three, "edit", first, "--set", "height_m=9", "--as", "census", "--reason", "y")["changed"]["height_m"] == {
        "old": 15.5,
        "new": 9,
    }


def test_as_of_gives_exactly_the_old_state_in_sql_and_sqlalchemy(three, tmp_path):
    states = [(moment(three), rows(three, STATE.format("building")))]
    one, two, _ = codes(three)
    for argv in (
        ("merge", one, two, "--reason", "x"),
        ("edit", codes(three)[2], "--set", "name=新名", "--reason", "x"),
        ("demolish", codes(three)[2], "--reason", "x"),
    ):
        run(three, *argv)
        states.append((moment(three), rows(three, STATE.format("building"))))
    assert len({str(state) for _, state in states}) == len(states)
    for when, state in states:
        assert rows(three, STATE.format(f"building_as_of('{when.isoformat()}')")) == state
        then = as_of(building, when)
        with engine.sqlalchemy_engine(three).connect() as connection:
            query = select(then.c.code, then.c.name, then.c.storeys_above, then.c.height_m, then.c.status, func.ST_AsText(then.c.geom))
            assert [tuple(row) for row in connection.execute(query.order_by(then.c.code))] == state
    with pytest.raises(InvalidParameterError, match="time zone"):
        as_of(building, datetime(2026, 5, 1))  # noqa: DTZ001 - that is the point
    with pytest.raises(InvalidParameterError, match="until now"):
        as_of(building, datetime(2999, 1, 1, tzinfo=UTC))


def test_undo_restores_the_state_before_and_is_itself_undone(three):
    one, two, third = codes(three)
    before = rows(three, STATE.format("building"))
    addresses = rows(three, "SELECT code, building_code FROM address ORDER BY code")
    merged = run(three, "merge", one, two, "--reason", "wrong")
    after = rows(three, STATE.format("building"))
    undone = run(three, "undo", merged["change_set"], "--reason", "mistake")
    state = [row for row in rows(three, STATE.format("building")) if row[0] not in merged["created"]]
    assert state == before
    assert rows(three, f"SELECT status FROM building WHERE code = '{merged['created'][0]}'") == [("retired",)]
    assert rows(three, "SELECT code, building_code FROM address ORDER BY code") == addresses
    assert rows(three, "SELECT operation, count(*) FROM building_lineage GROUP BY 1 ORDER BY 1") == [("merge", 2), ("undo", 2)]
    twice = run_cim(three, "changes", "undo", merged["change_set"], "--reason", "again")
    assert (twice.code, "taken back already" in twice.err) == (1, True)
    run(three, "undo", undone["change_set"], "--reason", "it was right after all")
    assert rows(three, STATE.format("building")) == after
    assert rows(three, "SELECT count(*) FROM building_history")[0][0] >= 6
    run(three, "edit", third, "--set", "name=甲", "--reason", "x")
    listed = run(three, "list", "--operation", "undo")
    assert [row["operation"] for row in listed] == ["undo", "undo"]


def test_undo_of_what_changed_again_later_is_refused_by_name(three):
    first = codes(three)[0]
    edited = run(three, "edit", first, "--set", "name=甲", "--reason", "x")
    later = run(three, "edit", first, "--set", "name=乙", "--reason", "y")
    refused = run_cim(three, "changes", "undo", edited["change_set"], "--reason", "z")
    assert refused.code == 1
    assert first in refused.err
    assert later["change_set"] in refused.err
    run(three, "undo", later["change_set"], "--reason", "z")
    assert rows(three, f"SELECT name FROM building WHERE code = '{first}'") == [("甲",)]


def test_an_undone_ingest_can_be_loaded_again_with_the_same_codes(three, tmp_path):
    held = codes(three)
    change_set = rows(three, "SELECT id FROM change_set WHERE operation = 'ingest' AND reason LIKE 'census%'")[0][0]
    linked = rows(three, "SELECT id FROM change_set WHERE operation = 'ingest' AND reason LIKE 'addresses%'")[0][0]
    run(three, "undo", linked, "--reason", "addresses first")
    run(three, "undo", change_set, "--reason", "wrong file")
    assert rows(three, "SELECT DISTINCT status FROM building") == [("retired",)]
    again = ingest(three, tmp_path).json()[0]
    assert (again["accepted"], again["new"], again["unchanged_source"]) == (3, 0, False)
    assert codes(three) == held
    assert rows(three, "SELECT DISTINCT status FROM building") == [("existing",)]


def test_random_histories_are_reconstructed_at_every_moment(three):
    """Property: after any sequence of operations, the state at each earlier moment reads as it was, areas are conserved."""
    random = np.random.default_rng(5)
    states = []
    standing = "SELECT code FROM building WHERE status = 'existing' ORDER BY code"
    for step in range(25):
        alive = [row[0] for row in rows(three, standing)]
        choice = random.integers(0, 5)
        with engine.connect(three) as connection:
            change = changes.open_change_set(connection, author="test", operation="edit", reason=f"step {step}")
            if choice == 0 and alive:
                parent = succession.fetch_building(connection, str(random.choice(alive)))
                west, south, east, north = parent["shape"].bounds
                middle = (west + east) / 2
                sides = (shapely.box(west, south, middle, north), shapely.box(middle, south, east, north))
                parts = [shapely.intersection(parent["shape"], side) for side in sides]
                total = "SELECT sum(footprint_area_m2) FROM building WHERE status = 'existing'"
                area = connection.execute(total).fetchone()[0]
                succession.split(connection, parent["code"], parts, change, reason="x")
                assert connection.execute(total).fetchone()[0] == pytest.approx(area, rel=1e-9)
            elif choice == 1 and len(alive) > 6:
                succession.demolish(connection, [str(random.choice(alive))], change, reason="x")
            elif alive:
                succession.edit(connection, str(random.choice(alive)), {"height_m": float(random.integers(3, 90))}, "edit", change)
        states.append((moment(three), rows(three, STATE.format("building"))))
    for when, state in states:
        assert rows(three, STATE.format(f"building_as_of('{when.isoformat()}')")) == state
    issued = [row[0] for row in rows(three, "SELECT code FROM building UNION ALL SELECT DISTINCT code FROM building_history")]
    assert len(set(issued)) == rows(three, "SELECT count(*) FROM building")[0][0]


def test_a_renumbered_survey_is_recognised_by_its_outlines(three, tmp_path):
    held = codes(three)
    records = [{**GOOD, "fwbh": f"neu{n}", "cs": n + 1} for n in (1, 2, 3)]
    write_layer(tmp_path / "r.gpkg", records, [SQUARE, RIGHT, FAR])
    result = ingest(three, tmp_path, "r.gpkg", "--name", "c").json()[0]
    assert (result["matched"], result["new"], result["accepted"], result["review"]) == (3, 0, 3, 0)
    assert codes(three) == held
    assert rows(three, "SELECT count(*) FROM external_code WHERE scheme = 'census_fwbh'") == [(6,)]


def test_an_ambiguous_record_goes_to_the_review_list_and_is_decided_there(three, tmp_path):
    one, two, _ = codes(three)
    write_layer(tmp_path / "r.gpkg", [{**GOOD, "fwbh": "9", "cs": 9}], [BOTH])
    result = ingest(three, tmp_path, "r.gpkg", "--name", "resurvey").json()[0]
    assert (result["rejected"], result["rejected_by_rule"], result["review"]) == (1, {"X01": 1}, 1)
    cases = run(three, "review")
    assert {candidate["code"] for candidate in cases[0]["candidates"]} == {one, two}
    # Each half covers 50 % of the record: IoU = 0.5.
    assert [c["iou"] for c in cases[0]["candidates"]] == pytest.approx([0.5, 0.5], abs=1e-3)
    settled = run(three, "review", cases[0]["id"], "--match", one, "--reason", "the bigger one")
    assert settled["code"] == one
    assert rows(three, f"SELECT storeys_above, source_dataset, source_key FROM building WHERE code = '{one}'") == [
        (9, "resurvey", "420111/9")
    ]
    assert run(three, "review") == []
    again = ingest(three, tmp_path, "r.gpkg", "--name", "resurvey", "--datum", "cgcs2000").json()[0]
    assert (again["unchanged"], again["rejected"]) == (1, 0)
    run(three, "undo", settled["change_set"], "--reason", "no")
    assert len(run(three, "review")) == 1


def test_a_reviewed_record_can_become_a_new_building_or_be_dismissed(three, tmp_path):
    write_layer(tmp_path / "r.gpkg", [{**GOOD, "fwbh": "9", "cs": 9}], [BOTH])
    ingest(three, tmp_path, "r.gpkg", "--name", "resurvey")
    case = run(three, "review")[0]["id"]
    assert run_cim(three, "changes", "review", case, "--new").code == 2
    dry = run(three, "review", case, "--new", "--reason", "x", "--dry-run")
    assert rows(three, f"SELECT count(*) FROM building WHERE code = '{dry['code']}'") == [(0,)]
    made = run(three, "review", case, "--new", "--reason", "roof over both")
    registry.scheme("CIM-BC27-v1").verify(made["code"])
    assert rows(three, f"SELECT storeys_above FROM building WHERE code = '{made['code']}'") == [(9,)]


def test_the_unknown_is_named(three):
    missing = f"{AREA}2026000999" + "0001" + "0"
    for argv, fault in (
        (("demolish", missing, "--reason", "x"), "not in the register"),
        (("show", "nonsense"), "expected an id"),
        (("edit", codes(three)[0], "--set", "colour=red", "--reason", "x"), "NAME one of"),
        (("edit", codes(three)[0], "--set", "height_m=tall", "--reason", "x"), "a value of type float"),
        (("edit", codes(three)[0], "--set", "safety_grade=A", "--reason", "x"), "NAME one of"),
    ):
        result = run_cim(three, "changes", *argv)
        assert result.code in (1, 2), argv
        assert fault in result.err, argv
