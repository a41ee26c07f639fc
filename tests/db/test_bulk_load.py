"""Bulk loads: indexes that come after the rows, events that are copied instead of triggered."""

import numpy as np
import pytest
import shapely

from cim.db import buildings, changes, deferred, engine, index_check
from cim.db.created_events import CreatedEvents, box_wkb
from cim.db.deferred import AFTER_COMMIT, build_indexes, build_missing, drop_indexes, missing
from cim.db.partitions import refilled
from ingest.census.load import CensusOptions, ingest_census
from tests.support.cli import run_cim


def _indexes(connection, table):
    return connection.execute(
        "SELECT indexdef FROM pg_indexes WHERE tablename = %s UNION ALL SELECT conname || pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE conrelid = %s::regclass ORDER BY 1",
        [table, table],
    ).fetchall()


def test_dropped_indexes_and_constraints_are_built_again_as_they_were(settings):
    with engine.connect(settings) as connection:
        for table in ("building", "external_code", "change_event"):
            before = _indexes(connection, table)
            statements = drop_indexes(connection, table)
            left = {row[0] for row in connection.execute("SELECT indexname FROM pg_indexes WHERE tablename = %s", [table])}
            # Foreign keys of units, addresses … refer to the code.
            assert left == ({"building_code_key"} if table == "building" else set())
            build_indexes(connection, statements, table)
            later = set(statements) & set(AFTER_COMMIT)
            assert later == set(missing(connection))
            for name in later:
                connection.execute(statements[name])
            assert _indexes(connection, table) == before
            assert missing(connection) == []


def test_indexes_left_after_the_commit_are_those_of_the_schema(settings):
    with engine.connect(settings) as connection:
        before = {table: _indexes(connection, table) for table in ("building", "external_code")}
        for table in before:
            build_indexes(connection, drop_indexes(connection, table), table)
        connection.commit()
        assert missing(connection) == list(AFTER_COMMIT)
        told = [problem for problem in index_check.problems(connection) if "a load ended before it was built" in problem.what]
        assert len(told) == len(AFTER_COMMIT)
        connection.commit()
        assert build_missing(settings) == list(AFTER_COMMIT)
        assert {table: _indexes(connection, table) for table in before} == before
        assert build_missing(settings) == []


def test_a_load_killed_before_its_last_indexes_is_whole_and_the_next_command_builds_them(settings, sample_data, monkeypatch):
    def load():
        folder = sample_data / "census"
        return ingest_census(settings, folder / "guanggu_census.zip", folder / "profile.yaml", CensusOptions(synthetic=True))

    def killed(_):
        raise KeyboardInterrupt

    assert run_cim(settings, "db", "profile", sample_data / "city.yaml").code == 0
    assert (
        run_cim(settings, "ingest", "divisions", sample_data / "divisions/divisions.csv", sample_data / "divisions/boundaries.gpkg").code
        == 0
    )
    with engine.connect(settings) as connection:
        before = _indexes(connection, "building")
    monkeypatch.setattr(buildings, "_BULK_FROM", 1)
    with monkeypatch.context() as patched:
        patched.setattr(deferred, "build_missing", killed)
        with pytest.raises(KeyboardInterrupt):
            load()
    with engine.connect(settings) as connection:
        assert missing(connection) == list(AFTER_COMMIT)
        n = connection.execute("SELECT count(DISTINCT code) FROM building").fetchone()[0]
        assert n > 0
        assert connection.execute("SELECT count(*) FROM external_code").fetchone()[0] == n
        assert connection.execute("SELECT count(*) FROM change_event WHERE collection = 'buildings'").fetchone()[0] == n
    assert load().unchanged_source
    with engine.connect(settings) as connection:
        assert missing(connection) == []
        assert _indexes(connection, "building") == before


def test_boxes_are_written_as_geos_writes_them():
    bounds = np.array([[114.39, 30.5, 114.391, 30.501], [-1.0, -2.0, 3.0, 4.0]])
    shapes = shapely.from_wkb(box_wkb(bounds).to_pylist())
    assert [shapely.equals_identical(a, b) for a, b in zip(shapes, [
        shapely.Polygon([(114.39, 30.5), (114.39, 30.501), (114.391, 30.501), (114.391, 30.5)]),
        shapely.Polygon([(-1, -2), (-1, 4), (3, 4), (3, -2)]),
    ], strict=True)] == [True, True]  # fmt: skip


def test_copied_events_equal_triggered_ones(settings):
    import pyarrow as pa

    outline = "ST_GeomFromText('MULTIPOLYGON(((114.39 30.5, 114.3907 30.5003, 114.391 30.501, 114.39 30.5)))', 4490)"
    with engine.connect(settings) as connection:
        change = changes.open_change_set(connection, author="t", operation="ingest", reason="t")
        connection.execute(
            f"""INSERT INTO building (code, code_scheme, county_code, division_code, geom, change_set_id)
                VALUES ('330109001001202100000100015', 'CIM-BC27-v1', '330109', '330109001001', {outline}, %s)""",
            [change],
        )
        wkb = connection.execute("SELECT ST_AsBinary(geom) FROM building").fetchone()[0]
        events = CreatedEvents("buildings")
        box = zip(("west", "south", "east", "north"), shapely.from_wkb(bytes(wkb)).bounds, strict=True)
        rows = pa.table({"code": ["330109001001202100000100015"], **{side: [at] for side, at in box}})
        assert [part.num_rows for part in events.watch([rows])] == [1]
        events.write(connection, change)
        kinds = connection.execute(
            "SELECT change_set_id, collection, code, action, ST_AsEWKT(bbox), recorded_at FROM change_event ORDER BY id"
        ).fetchall()
    assert len(kinds) == 2
    assert kinds[0] == kinds[1]


def test_a_refilled_partition_has_the_indexes_grants_and_rows_of_the_old_one(settings):
    state = """SELECT c.relacl::text, pg_get_expr(c.relpartbound, c.oid),
                      (SELECT array_agg(pg_get_constraintdef(k.oid) || k.conname ORDER BY k.conname)
                       FROM pg_constraint k WHERE k.conrelid = c.oid),
                      (SELECT array_agg(a.attname || col_description(a.attrelid, a.attnum) ORDER BY a.attnum) FROM pg_attribute a
                       WHERE a.attrelid = c.oid AND a.attnum > 0)
               FROM pg_class c WHERE c.oid = 'network_node_gas'::regclass"""
    with engine.connect(settings) as connection:
        change = changes.open_change_set(connection, author="t", operation="ingest", reason="t")
        insert = """INSERT INTO {} (kind, code, county_code, survey_no, source_dataset, geom, change_set_id)
                    VALUES ('gas', %s, '420111', %s, 'd', ST_GeomFromText('POINT Z (114 30 1)', 4490), %s)"""
        connection.execute(insert.format("network_node"), ["GA420111-N2026000001", "1", change])
        before = (_indexes(connection, "network_node_gas"), connection.execute(state).fetchone())
        with refilled(connection, "network_node", "gas") as target:
            connection.execute(insert.format(target), ["GA420111-N2026000002", "2", change])
        assert (_indexes(connection, "network_node_gas"), connection.execute(state).fetchone()) == before
        codes = connection.execute("SELECT code FROM network_node WHERE kind = 'gas' ORDER BY code").fetchall()
        assert [row[0][-1] for row in codes] == ["1", "2"]
        attached = """SELECT count(*) FROM pg_inherits
                      WHERE inhrelid IN (SELECT indexrelid FROM pg_index WHERE indrelid = 'network_node_gas'::regclass)"""
        assert connection.execute(attached).fetchone()[0] == len({row[0] for row in before[0] if row[0].startswith("CREATE")})
        connection.rollback()
