"""Divisions in time: withdrawn and renumbered villages move buildings, never their codes."""

import shapely

from cim.db import changes, engine
from tests.pipeline.test_ingest import AREA, GOOD, SQUARE, city, ingest, rows, write_layer  # noqa: F401 - city is a fixture
from tests.support.cli import run_cim

WEST, EAST = "420111006021", "420111006022"


def divisions(settings, path):
    result = run_cim(settings, "ingest", "divisions", path, "--json", "--name", "divisions")
    assert result.code == 0, result.err
    return result.json()[0]


def two_houses(city, tmp_path):  # noqa: F811 - the fixture
    write_layer(tmp_path / "c.gpkg", [GOOD, {**GOOD, "fwbh": "2"}], [SQUARE, shapely.affinity.translate(SQUARE, -0.005)])
    assert ingest(city, tmp_path).json()[0]["accepted"] == 2
    return dict(rows(city, "SELECT source_key, code FROM building"))


def test_a_divided_village_moves_its_buildings_and_leaves_their_codes(city, tmp_path):  # noqa: F811
    codes = two_houses(city, tmp_path)
    records = [
        {
            "code": AREA,
            "name": "测试社区",
            "level": "village",
            "effective_from": "2010-01-01",
            "effective_to": "2025-06-30",
            "successor": WEST,
        },
        {"code": WEST, "name": "西社区", "level": "village", "effective_from": "2025-07-01", "effective_to": "", "successor": ""},
        {"code": EAST, "name": "东社区", "level": "village", "effective_from": "2025-07-01", "effective_to": "", "successor": ""},
    ]
    shapes = [
        shapely.box(114.38, 30.49, 114.40, 30.51),
        shapely.box(114.38, 30.49, 114.388, 30.51),
        shapely.box(114.388, 30.49, 114.40, 30.51),
    ]
    write_layer(tmp_path / "new.gpkg", records, shapes)
    done = divisions(city, tmp_path / "new.gpkg")
    assert (done["withdrawn"], done["buildings_relocated"]) == (1, 2)
    assert dict(rows(city, "SELECT source_key, code FROM building")) == codes
    assert dict(rows(city, "SELECT source_key, division_code FROM building")) == {"420111/1": EAST, "420111/2": WEST}
    assert rows(city, f"SELECT status, successor_code, effective_to::text FROM division WHERE code = '{AREA}'") == [
        ("retired", WEST, "2025-06-30")
    ]
    # The next building gets its code from the village of today; nothing is issued under the withdrawn one any more.
    write_layer(tmp_path / "c2.gpkg", [{**GOOD, "fwbh": "3"}], [shapely.affinity.translate(SQUARE, 0.001)])
    ingest(city, tmp_path, "c2.gpkg")
    assert rows(city, "SELECT left(code, 12) FROM building WHERE source_key = '420111/3'") == [(EAST,)]
    assert divisions(city, tmp_path / "new.gpkg")["unchanged_source"] is True


def test_a_renumbered_village_without_boundary_hands_over_to_its_successor(city, tmp_path):  # noqa: F811
    two_houses(city, tmp_path)
    (tmp_path / "d.csv").write_text(
        f"code,name,level,effective_from,effective_to,successor\n{AREA},测试社区,village,,2025-06-30,{EAST}\n{EAST},新社区,village,2025-07-01,,\n",
        encoding="utf-8",
    )
    assert divisions(city, tmp_path / "d.csv")["buildings_relocated"] == 2
    assert rows(city, "SELECT DISTINCT division_code FROM building") == [(EAST,)]
    before = rows(city, "SELECT division_code FROM building_history")
    assert before == [(AREA,), (AREA,)]


def test_a_divided_village_moves_its_networks(city, tmp_path):  # noqa: F811
    with engine.connect(city) as connection:
        change = changes.open_change_set(connection, author="t", operation="ingest", reason="t")
        for code, x, village in (("W1", 114.384, AREA), ("W2", 114.396, None), ("W3", 114.5, None)):
            connection.execute(
                """INSERT INTO network_node (kind, code, county_code, survey_no, division_code, geom, change_set_id)
                   VALUES ('gas', %s, '420111', %s, %s, ST_SetSRID(ST_MakePoint(%s, 30.5, 1), 4490), %s)""",
                [code, code, village, x, change],
            )
        connection.execute(
            """INSERT INTO network_edge (kind, code, county_code, start_node, end_node, depth_reference, division_code, geom, change_set_id)
               VALUES ('gas', 'L1', '420111', 'W1', 'W2', 'crown', %s,
                       ST_GeomFromText('LINESTRING Z (114.384 30.5 1, 114.396 30.5 1)', 4490), %s)""",
            [AREA, change],
        )
    records = [
        {"code": AREA, "name": "测试社区", "level": "village", "effective_to": "2025-06-30", "successor": WEST},
        {"code": WEST, "name": "西社区", "level": "village", "effective_to": "", "successor": ""},
        {"code": EAST, "name": "东社区", "level": "village", "effective_to": "", "successor": ""},
    ]
    shapes = [shapely.box(114.38, 30.49, east, 30.51) for east in (114.40, 114.388)] + [shapely.box(114.388, 30.49, 114.40, 30.51)]
    write_layer(tmp_path / "new.gpkg", records, shapes)
    assert divisions(city, tmp_path / "new.gpkg")["network_parts_relocated"] == 3
    # The middle of the line is at 114.390.
    assert dict(rows(city, "SELECT code, division_code FROM network_node UNION SELECT code, division_code FROM network_edge")) == {
        "W1": WEST, "W2": EAST, "W3": None, "L1": EAST,
    }  # fmt: skip
    assert rows(city, "SELECT code, division_code FROM network_edge_history") == [("L1", AREA)]


def test_a_wrong_day_is_refused_by_record(city, tmp_path):  # noqa: F811
    (tmp_path / "d.csv").write_text(f"code,name,level,effective_to\n{WEST},x,village,soon\n{EAST},y,village,\n", encoding="utf-8")
    done = divisions(city, tmp_path / "d.csv")
    assert (done["read"], done["accepted"], done["rejected_by_rule"]) == (2, 1, {"D04": 1})
