"""The migrated database equals the tables' metadata; history, outbox and codes work in SQL."""

import threading

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from cim.codes.building import check_digit
from cim.db import changes, codes, engine, migrate
from cim.db.tables import METADATA
from cim.errors import ConflictError

SQUARE = "ST_Multi(ST_MakeEnvelope(114.39, 30.50, 114.391, 30.501, 4490))"


def _insert_building(connection, code="330109001001202100000100015", name="A"):
    change = changes.open_change_set(connection, author="test", operation="ingest", reason="test")
    connection.execute(
        f"""INSERT INTO building (code, code_scheme, county_code, division_code, name, geom, change_set_id)
            VALUES (%s, 'CIM-BC27-v1', '330109', '330109001001', %s, {SQUARE}, %s)""",
        [code, name, change],
    )
    return change


def _is_ours(_object, name, kind, _reflected, _compare_to):
    partition = kind == "table" and (name.startswith(("network_node_", "network_edge_")) and not name.endswith("_history"))
    foreign = kind == "table" and (name.startswith("procrastinate_") or name in {"spatial_ref_sys", "alembic_version", "us_lex"})
    return not (partition or foreign)


def test_the_newest_schema_version_is_the_head_of_the_migrations():
    scripts = ScriptDirectory.from_config(migrate._config())
    assert scripts.get_current_head() == migrate.newest_version()
    assert {script.revision for script in scripts.walk_revisions()} == migrate._known_versions()


def test_the_migrated_database_equals_the_metadata(settings):
    with engine.sqlalchemy_engine(settings).connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": _is_ours, "compare_type": True})
        difference = compare_metadata(context, METADATA)
    assert difference == []


def test_every_geometry_column_names_its_crs_and_every_measure_its_unit(settings):
    with engine.connect(settings) as connection:
        rows = connection.execute(
            """SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), col_description(c.oid, a.attnum)
               FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_namespace n ON n.oid = c.relnamespace
               WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attnum > 0"""
        ).fetchall()
    geometry = [row for row in rows if row[2].startswith("geometry(")]
    assert len(geometry) > 15
    assert [row for row in geometry if "4490" not in row[2] or "EPSG:4490" not in (row[3] or "")] == []
    measured = [row for row in rows if row[1].endswith(("_m", "_m2", "_mm", "_bytes"))]
    assert len(measured) > 30
    assert [row for row in measured if "[" not in (row[3] or "")] == []


@pytest.mark.parametrize(
    "body", ["33010900100120210000010001", "33010900100120210000060001", "44030500100220240001230102", "0" * 26, "9" * 26]
)
def test_sql_and_python_agree_on_the_check_digit(settings, body):
    with engine.connect(settings) as connection:
        assert connection.execute("SELECT cim_mod11_2(%s)", [body]).fetchone() == (check_digit(body),)


def test_an_update_keeps_the_old_state_and_emits_one_event_with_both_places(settings):
    with engine.connect(settings) as connection:
        _insert_building(connection)
    with engine.connect(settings) as connection:
        change = changes.open_change_set(connection, author="test", operation="edit", reason="renamed")
        connection.execute(
            """UPDATE building SET name = 'B', version = version + 1, valid_from = now(), recorded_at = now(), change_set_id = %s,
               geom = ST_Translate(geom, 0.01, 0)""",
            [change],
        )
    with engine.connect(settings) as connection:
        assert connection.execute("SELECT name, version, retired_by FROM building_history").fetchall() == [("A", 1, change)]
        events = connection.execute(
            """SELECT collection, code, action, round(ST_XMin(bbox)::numeric, 4), round(ST_XMax(bbox)::numeric, 4)
               FROM change_event ORDER BY id"""
        ).fetchall()
    assert [event[:3] for event in events] == [
        ("buildings", "330109001001202100000100015", "create"),
        ("buildings", "330109001001202100000100015", "update"),
    ]
    assert [float(edge) for edge in events[1][3:]] == [114.39, 114.401]


def test_the_history_has_no_gap_between_states(settings):
    with engine.connect(settings) as connection:
        _insert_building(connection)
    for name in "BC":
        with engine.connect(settings) as connection:
            change = changes.open_change_set(connection, author="test", operation="edit", reason="renamed")
            connection.execute(
                "UPDATE building SET name = %s, version = version + 1, valid_from = now(), recorded_at = now(), change_set_id = %s",
                [name, change],
            )
    with engine.connect(settings) as connection:
        states = connection.execute(
            "SELECT valid_from, valid_to FROM building_history UNION ALL SELECT valid_from, NULL FROM building ORDER BY 1"
        ).fetchall()
    assert len(states) == 3
    assert [end for _, end in states[:-1]] == [start for start, _ in states[1:]]


def test_a_write_without_a_change_set_is_refused(settings):
    with pytest.raises(ConflictError), engine.connect(settings) as connection:
        connection.execute(
            f"""INSERT INTO building (code, code_scheme, county_code, division_code, geom)
                VALUES ('x', 'CIM-BC27-v1', '330109', '330109001001', {SQUARE})"""
        )


def test_the_same_code_twice_is_refused(settings):
    with engine.connect(settings) as connection:
        _insert_building(connection)
    with pytest.raises(ConflictError, match="building_code_key"), engine.connect(settings) as connection:
        _insert_building(connection)


def test_a_rolled_back_load_leaves_no_gap_in_the_sequence(settings):
    def load_and_fail():
        with engine.connect(settings) as connection:
            codes.issue_building_codes(connection, ["330109001001"] * 5, 2026)
            raise InterruptedError

    with pytest.raises(InterruptedError):
        load_and_fail()
    with engine.connect(settings) as connection:
        assert codes.issue_building_codes(connection, ["330109001001"], 2026)[0][16:22] == "000001"


def test_concurrent_writers_get_distinct_gapless_codes(settings):
    issued: list[str] = []
    faults: list[Exception] = []

    def work(number):
        try:
            for _ in range(5):
                with engine.connect(settings) as connection:
                    # Areas in opposite orders would deadlock without the sorted locking.
                    areas = ["330109001001", "330109001002"] if number % 2 else ["330109001002", "330109001001"]
                    issued.extend(codes.issue_building_codes(connection, areas * 100, 2026))
        except Exception as error:  # noqa: BLE001 - handed to the test
            faults.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert len(set(issued)) == len(issued) == 8 * 5 * 200
    assert sorted({int(code[16:22]) for code in issued if code.startswith("330109001001")}) == list(range(1, 4001))


def test_ids_made_by_the_store_are_uuid_version_7_and_ordered(settings):
    with engine.connect(settings, autocommit=True) as connection:
        first, second = (connection.execute("SELECT cim_uuid7() FROM pg_sleep(0.002)").fetchone()[0] for _ in range(2))
    assert (first.version, second.version) == (7, 7)
    assert first.int >> 80 <= second.int >> 80
    assert first != second
