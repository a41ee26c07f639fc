"""Loading again: another name, another reading, a corrected profile, records that are gone or refused, rasters side by side."""

import numpy as np
import pytest
import rasterio
import shapely
import yaml

from tests.pipeline.test_ingest import (
    GOOD,
    NORTH,
    SQUARE,
    WEST,
    A,
    B,
    city,  # noqa: F401 - fixture
    ingest,
    line,
    network,
    rows,
    write_dem,
    write_layer,
    write_table,
)
from tests.support.cli import run_cim

NEXT = shapely.affinity.translate(SQUARE, 0.001)
DATUM = ("--vertical-datum", "EPSG:5737", "--unit", "m")


def terrain(settings, path, *more):
    return run_cim(settings, "ingest", "terrain", path, *(more or DATUM), "--json")


def test_a_survey_of_another_name_does_not_overwrite_the_buildings_of_the_first(city, tmp_path):  # noqa: F811 - fixture
    write_layer(tmp_path / "c.gpkg", [GOOD], [SQUARE])
    ingest(city, tmp_path)
    write_layer(tmp_path / "other.gpkg", [{**GOOD, "jzmc": "别的"}, {**GOOD, "fwbh": "2"}], [NEXT, NEXT])
    result = ingest(city, tmp_path, "other.gpkg").json()[0]
    assert (result["accepted"], result["rejected_by_rule"]) == (1, {"A03": 1})
    assert rows(city, "SELECT source_key, name, source_dataset, version FROM building ORDER BY 1") == [
        ("420111/1", "教学楼", "c", 1),
        ("420111/2", "教学楼", "other", 1),
    ]
    message, message_zh = rows(city, "SELECT message, message_zh FROM reject")[0]
    assert "belongs to dataset 'c'" in message
    assert "--name c" in message
    assert "已属于数据集 c" in message_zh


def test_a_new_file_under_the_old_name_updates_the_old_buildings(city, tmp_path):  # noqa: F811 - fixture
    write_layer(tmp_path / "c.gpkg", [GOOD], [SQUARE])
    ingest(city, tmp_path)
    code = rows(city, "SELECT code FROM building")
    write_layer(tmp_path / "c2027.gpkg", [{**GOOD, "cs": 5}], [SQUARE])
    result = ingest(city, tmp_path, "c2027.gpkg", "--name", "c").json()[0]
    assert (result["new"], result["changed"]) == (0, 1)
    assert rows(city, "SELECT code FROM building") == code


def test_a_record_that_is_refused_now_has_not_vanished_from_the_source(city, tmp_path):  # noqa: F811 - fixture
    write_layer(tmp_path / "c.gpkg", [GOOD, {**GOOD, "fwbh": "2"}], [SQUARE, NEXT])
    ingest(city, tmp_path)
    write_layer(tmp_path / "c.gpkg", [GOOD, {**GOOD, "fwbh": "2", "cs": -9999}], [SQUARE, NEXT])
    result = ingest(city, tmp_path).json()[0]
    assert (result["rejected"], result["missing_from_source"]) == (1, 0)


def test_the_same_bytes_read_in_another_encoding_are_another_source(city, tmp_path):  # noqa: F811 - fixture
    # b"\xc2\xa5" is one character in UTF-8 (U+00A5) and another in GB18030 (U+8D7A): the bytes alone cannot tell.
    write_layer(tmp_path / "c.shp", [{**GOOD, "jzmc": "¥"}], [SQUARE], encoding="UTF-8")
    (tmp_path / "c.cpg").unlink()
    ingest(city, tmp_path, "c.shp")
    again = ingest(city, tmp_path, "c.shp", "--encoding", "GB18030").json()[0]
    assert (again["unchanged_source"], again["changed"]) == (False, 1)
    assert rows(city, "SELECT name FROM building") == [(b"\xc2\xa5".decode("gb18030"),)]
    assert ingest(city, tmp_path, "c.shp", "--encoding", "GB18030").json()[0]["unchanged_source"] is True


def test_ground_given_by_one_raster_stays_when_a_newer_one_lies_elsewhere(city, tmp_path):  # noqa: F811 - fixture
    write_layer(tmp_path / "c.gpkg", [GOOD], [SQUARE])
    ingest(city, tmp_path)
    write_dem(tmp_path / "here.tif", np.full((200, 200), 5.0))
    write_dem(tmp_path / "far.tif", np.full((20, 20), 7.0), transform=rasterio.transform.from_origin(900_000, 3_000_000, 5, 5))
    terrain(city, tmp_path / "here.tif")
    terrain(city, tmp_path / "far.tif")
    write_layer(tmp_path / "c.gpkg", [{**GOOD, "cs": 5}, {**GOOD, "fwbh": "2"}], [SQUARE, NEXT])
    assert ingest(city, tmp_path).json()[0]["accepted"] == 2
    assert rows(city, "SELECT ground_elevation_m FROM building") == [(5.0,), (5.0,)]


def test_the_newest_raster_that_covers_a_building_wins(city, tmp_path):  # noqa: F811 - fixture
    for name, height in (("old", 5.0), ("new", 6.5)):
        write_dem(tmp_path / f"{name}.tif", np.full((200, 200), height))
        terrain(city, tmp_path / f"{name}.tif")
    write_layer(tmp_path / "c.gpkg", [GOOD], [SQUARE])
    ingest(city, tmp_path)
    assert rows(city, "SELECT ground_elevation_m FROM building") == [(6.5,)]


def test_a_survey_is_not_loaded_while_a_raster_file_is_gone(city, tmp_path):  # noqa: F811 - fixture
    write_layer(tmp_path / "c.gpkg", [GOOD], [SQUARE])
    ingest(city, tmp_path)
    write_dem(tmp_path / "dem.tif", np.full((200, 200), 5.0))
    terrain(city, tmp_path / "dem.tif")
    for path in city.rasters_dir.glob("*.tif"):
        path.unlink()
    write_layer(tmp_path / "c.gpkg", [{**GOOD, "cs": 5}], [SQUARE])
    refused = ingest(city, tmp_path)
    assert refused.code == 1
    assert "terrain 'dem': its file" in refused.json()["error"]["message"]
    # Loading the same source again brings the file back and changes nothing else.
    assert terrain(city, tmp_path / "dem.tif").json()[0]["unchanged_source"] is True
    assert ingest(city, tmp_path).json()[0]["changed"] == 1
    assert rows(city, "SELECT ground_elevation_m FROM building") == [(5.0,)]


def test_a_hollow_inside_a_large_footprint_is_its_lowest_ground(city, tmp_path):  # noqa: F811 - fixture
    # Footprint E 537425.6 to 537617.6, N 3375590.9 to 3375757 (PROJ): the hollow, row 70 column 100, is E 537502.5, N 3375647.5.
    write_layer(tmp_path / "c.gpkg", [GOOD], [shapely.box(114.390, 30.500, 114.392, 30.5015)])
    ingest(city, tmp_path)
    heights = np.full((200, 200), 30.0)
    heights[70, 100] = 20.0
    assert (WEST + 100.5 * 5, NORTH - 70.5 * 5) == (537_502.5, 3_375_647.5)
    write_dem(tmp_path / "dem.tif", heights)
    terrain(city, tmp_path / "dem.tif")
    assert rows(city, "SELECT ground_elevation_m FROM building") == [(20.0,)]


def test_elevations_in_another_datum_than_the_city_s_are_refused(city, tmp_path, sample_data):  # noqa: F811 - fixture
    write_dem(tmp_path / "dem.tif", np.full((20, 20), 5.0))
    refused = terrain(city, tmp_path / "dem.tif", "--vertical-datum", "EPSG:5736", "--unit", "m")
    assert refused.code == 1
    assert "the city keeps its elevations in EPSG:5737" in refused.json()["error"]["message"]
    assert not list(city.rasters_dir.glob("*.tif"))
    argv = network(tmp_path, sample_data, [A, B], [line("1", A, B)])
    change_profile(tmp_path, vertical_datum="EPSG:5736")
    refused = run_cim(city, *argv)
    assert refused.code == 1
    assert "the city keeps its elevations in EPSG:5737" in refused.json()["error"]["message"]
    assert rows(city, "SELECT (SELECT count(*) FROM raster), (SELECT count(*) FROM network_node)") == [(0, 0)]


# --- networks ------------------------------------------------------------------------------------------------------


def change_profile(tmp_path, **changes):
    document = yaml.safe_load((tmp_path / "n.yaml").read_text(encoding="utf-8"))
    (tmp_path / "n.yaml").write_text(yaml.safe_dump(document | changes, allow_unicode=True), encoding="utf-8")


def test_a_corrected_vocabulary_reaches_the_lines_that_stand_already(city, tmp_path, sample_data):  # noqa: F811 - fixture
    argv = network(tmp_path, sample_data, [A, B], [line("1", A, B)])
    run_cim(city, *argv)
    code = rows(city, "SELECT code FROM network_edge")
    lines = yaml.safe_load((tmp_path / "n.yaml").read_text(encoding="utf-8"))["lines"]
    lines["material"]["values"]["PE"] = "HDPE"
    change_profile(tmp_path, lines=lines)
    result = run_cim(city, *argv).json()[0]
    assert (result["accepted"], result["unchanged"]) == (1, 2)
    assert rows(city, "SELECT material, version FROM network_edge") == [("HDPE", 2)]
    assert rows(city, "SELECT code FROM network_edge") == code


def test_a_moved_point_takes_its_lines_along(city, tmp_path, sample_data):  # noqa: F811 - fixture
    argv = network(tmp_path, sample_data, [A, B], [line("1", A, B)])
    run_cim(city, *argv)
    write_table(tmp_path / "JSPOINT.csv", [{**A, "X": A["X"] + 0.3}, B])
    assert run_cim(city, *argv).json()[0]["accepted"] == 2
    apart = """SELECT max(ST_Distance(ST_StartPoint(e.geom), n.geom)), count(*) FROM network_edge e
               JOIN network_node n ON n.kind = e.kind AND n.code = e.start_node"""
    assert rows(city, apart) == [(0.0, 1)]


def test_points_and_lines_that_vanish_are_counted_and_kept(city, tmp_path, sample_data):  # noqa: F811 - fixture
    c = {**A, "EXP_NO": "C", "X": A["X"] + 50}
    argv = network(tmp_path, sample_data, [A, B, c], [line("1", A, B), line("2", B, c)])
    run_cim(city, *argv)
    write_table(tmp_path / "JSPOINT.csv", [A, B])
    write_table(tmp_path / "JSLINE.csv", [line("1", A, B)])
    assert run_cim(city, *argv).json()[0]["missing_from_source"] == 2
    assert rows(city, "SELECT (SELECT count(*) FROM network_node), (SELECT count(*) FROM network_edge)") == [(3, 2)]


@pytest.mark.parametrize("crs", ["EPSG:4490", "EPSG:5737"])
def test_a_network_crs_that_is_not_in_metres_is_refused(city, tmp_path, sample_data, crs):  # noqa: F811 - fixture
    argv = network(tmp_path, sample_data, [A, B], [line("1", A, B)])
    change_profile(tmp_path, crs=crs)
    result = run_cim(city, *argv)
    assert result.code == 1
    assert "expected a projected CRS in metres" in result.json()["error"]["message"]


# --- divisions, addresses ------------------------------------------------------------------------------------------


def test_a_changed_division_counts_alone(settings, tmp_path):
    table = [{"code": f"4201110060{n}", "name": "社区", "level": "village"} for n in (11, 12, 13)]
    write_table(tmp_path / "d.csv", table)
    write_layer(tmp_path / "d.gpkg", [{"code": "420111006012", "name": "社区", "level": "village", "synthetic": 1}], [SQUARE])
    argv = ["ingest", "divisions", tmp_path / "d.csv", tmp_path / "d.gpkg", "--json"]
    assert run_cim(settings, *argv).json()[0]["accepted"] == 4
    write_table(tmp_path / "d.csv", [{**table[0], "name": "新社区"}, table[1]])
    result = run_cim(settings, *argv).json()[0]
    assert (result["read"], result["accepted"], result["unchanged"], result["missing_from_source"]) == (3, 1, 2, 1)


def test_addresses_that_vanish_are_counted_and_kept(city, tmp_path):  # noqa: F811 - fixture
    header = {"坐标系": "EPSG:4490", "来源": "t", "建筑编号": "", "synthetic": "0", "经度": 114.395, "纬度": 30.505}
    table = [{"地址编码": str(n), "原始地址": f"珞喻路{n}号", **header} for n in (1, 2)]
    write_table(tmp_path / "a.csv", table)
    run_cim(city, "ingest", "addresses", tmp_path / "a.csv")
    write_table(tmp_path / "a.csv", table[:1])
    assert run_cim(city, "ingest", "addresses", tmp_path / "a.csv", "--json").json()[0]["missing_from_source"] == 1
    assert rows(city, "SELECT count(*) FROM address") == [(2,)]
