"""A store of the first schema version, with data in it, comes up to date and keeps everything."""

from alembic import command

from cim.db import changes, engine, migrate
from cim.db.job_schema import apply_job_schema
from tests.support.cli import run_cim


def test_the_first_schema_is_brought_up_to_date_with_its_data(store, tmp_path):
    name = store.create("template0")
    settings = store.settings(name, tmp_path / "data")
    config = migrate._config()
    with engine.sqlalchemy_engine(settings).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        apply_job_schema(connection)
    with engine.connect(settings) as connection:
        connection.execute(
            """INSERT INTO change_set (id, author, operation, reason) VALUES ('019a0000-0000-7000-8000-000000000001', 't', 'ingest', 't')"""
        )
        for name_ in ("A", "B"):
            connection.execute(
                """INSERT INTO building (code, code_scheme, county_code, division_code, name, geom, change_set_id)
                   VALUES ('330109001001202100000100015', 'CIM-BC27-v1', '330109', '330109001001', %s,
                           ST_Multi(ST_MakeEnvelope(114, 30, 114.1, 30.1, 4490)), '019a0000-0000-7000-8000-000000000001')
                   ON CONFLICT (code) DO UPDATE SET name = excluded.name, version = building.version + 1, valid_from = clock_timestamp()""",
                [name_],
            )
        moment = connection.execute("SELECT valid_from FROM building_history").fetchone()[0]
        connection.execute(
            """INSERT INTO division (code, name, level, status, geom, change_set_id)
               SELECT code, code, 5, 'existing', ST_Multi(ST_MakeEnvelope(west, 30, west + 0.1, 30.1, 4490)),
                      '019a0000-0000-7000-8000-000000000001'
               FROM (VALUES ('330109001001', 114.0), ('330109001002', 114.1)) AS v (code, west)"""
        )
        for code, x in (("N1", 114.09), ("N2", 114.13), ("N3", 115.0)):
            connection.execute(
                """INSERT INTO network_node (kind, code, county_code, survey_no, geom, change_set_id)
                   VALUES ('water', %s, '330109', %s, ST_SetSRID(ST_MakePoint(%s, 30.05, 1), 4490),
                           '019a0000-0000-7000-8000-000000000001')""",
                [code, code, x],
            )
        connection.execute(
            """INSERT INTO network_edge (kind, code, county_code, start_node, end_node, depth_reference, geom, change_set_id)
               VALUES ('water', 'L1', '330109', 'N1', 'N2', 'crown',
                       ST_GeomFromText('LINESTRING Z (114.09 30.05 1, 114.13 30.05 1)', 4490), '019a0000-0000-7000-8000-000000000001')"""
        )
        events = connection.execute("SELECT count(*) FROM change_event").fetchone()
    assert run_cim(settings, "db", "migrate").code == 0
    assert migrate.current_version(settings) == migrate.newest_version()
    with engine.connect(settings) as connection:
        assert connection.execute("SELECT name, attribute_sources FROM building").fetchall() == [("B", {})]
        assert connection.execute("SELECT name FROM building_as_of(%s)", [moment]).fetchall() == [("A",)]
        # Networks know their village: the middle of the line, 114.11, is in the eastern one; learning it was no change of the city.
        parts = "SELECT code, division_code, version FROM network_node UNION ALL SELECT code, division_code, version FROM network_edge"
        assert connection.execute(f"{parts} ORDER BY 1").fetchall() == [
            ("L1", "330109001002", 1), ("N1", "330109001001", 1), ("N2", "330109001002", 1), ("N3", None, 1),
        ]  # fmt: skip
        assert connection.execute("SELECT count(*) FROM change_event").fetchone() == events
        change = changes.open_change_set(connection, author="t", operation="edit", reason="t")
        connection.execute("UPDATE building SET name = 'C', version = version + 1, valid_from = now(), change_set_id = %s", [change])
        assert connection.execute("SELECT count(*) FROM change_event WHERE change_set_id = %s", [change]).fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM attribute_authority WHERE rank = 1").fetchone()[0] >= 10
    store.drop(name)
