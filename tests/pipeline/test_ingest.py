"""Ingest on real PostGIS with small hand-made files: counts, codes, rejects, re-runs, kill -9."""

import csv
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
import yaml

from cim.codes import registry
from cim.db import engine
from tests.support.cli import run_cim
from tests.support.server import environment

AREA = "420111006011"
PROFILE = {
    "profile": "test",
    "title": {"en": "Test", "zh": "测试"},
    "natural_key": ["district", "fwbh"],
    "fields": {
        "name": {"source": "jzmc", "type": "text"},
        "height_m": {"source": "gd", "type": "number", "unit": "m"},
        "storeys_above": {"source": "cs", "type": "integer", "required": True},
        "structure": {"source": "jglx", "type": "enum", "required": True, "values": {"1": "MAS", "5": "RC"}},
        "year_built": {"source": "nd", "type": "integer"},
    },
    "drop_personal": ["hzxm"],
}
GOOD = {"district": "420111", "fwbh": "1", "jzmc": "教学楼", "gd": 12.0, "cs": 4, "jglx": "5", "nd": 2001, "hzxm": "张三"}
SQUARE = shapely.box(114.390, 30.500, 114.3902, 30.5002)


@pytest.fixture
def city(settings, tmp_path, sample_data):
    """A migrated store with the sample's city profile and one community of 0.02 x 0.02 degrees."""
    assert run_cim(settings, "db", "profile", sample_data / "city.yaml").code == 0
    write_layer(
        tmp_path / "d.gpkg",
        [{"code": AREA, "name": "测试社区", "level": "village", "synthetic": 1}],
        [shapely.box(114.38, 30.49, 114.40, 30.51)],
    )
    assert run_cim(settings, "ingest", "divisions", tmp_path / "d.gpkg").code == 0
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(PROFILE, allow_unicode=True), encoding="utf-8")
    return settings


def write_layer(path, records, geometries, *, crs="EPSG:4490", encoding=None):
    fields = list(records[0])
    columns = [np.array([record[name] for record in records]) for name in fields]
    wkb = np.array([None if g is None else shapely.to_wkb(g) for g in geometries], dtype=object)
    kind = {"encoding": encoding} if encoding else {}
    path.unlink(missing_ok=True)
    pyogrio.raw.write(path, wkb, columns, fields, geometry_type="Polygon", crs=crs, **kind)


def ingest(settings, tmp_path, name="c.gpkg", *more):
    return run_cim(settings, "ingest", "census", tmp_path / name, "--profile", tmp_path / "p.yaml", "--json", *more)


def rows(settings, query):
    with engine.connect(settings) as connection:
        return connection.execute(query).fetchall()


def test_an_accepted_building_has_a_valid_code_its_area_and_no_personal_data(city, tmp_path):
    write_layer(tmp_path / "c.gpkg", [GOOD], [SQUARE])
    assert ingest(city, tmp_path).json()[0]["accepted"] == 1
    code, county, area, footprint, attributes = rows(
        city, "SELECT code, county_code, division_code, footprint_area_m2, attributes::text FROM building"
    )[0]
    registry.scheme("CIM-BC27-v1").verify(code)
    assert (code[:12], county, area) == (AREA, "420111", AREA)
    # 0.0002 deg at 30.5 N on the CGCS2000 ellipsoid: 19.20 m x 22.17 m (PROJ geod), 425.7 m2.
    assert footprint == pytest.approx(425.7, rel=2e-3)
    assert "张三" not in attributes


def test_the_same_file_again_changes_nothing(city, tmp_path):
    write_layer(tmp_path / "c.gpkg", [GOOD], [SQUARE])
    ingest(city, tmp_path)
    before = rows(city, "SELECT (SELECT count(*) FROM change_event), (SELECT count(*) FROM dataset)")
    again = ingest(city, tmp_path).json()[0]
    assert (again["accepted"], again["unchanged"], again["unchanged_source"]) == (0, 1, True)
    assert rows(city, "SELECT (SELECT count(*) FROM change_event), (SELECT count(*) FROM dataset)") == before


def test_a_changed_file_touches_changed_rows_only_and_keeps_codes_and_history(city, tmp_path):
    second = {**GOOD, "fwbh": "2"}
    write_layer(tmp_path / "c.gpkg", [GOOD, second], [SQUARE, shapely.affinity.translate(SQUARE, 0.001)])
    ingest(city, tmp_path)
    codes = dict(rows(city, "SELECT source_key, code FROM building"))
    write_layer(tmp_path / "c.gpkg", [GOOD, {**second, "cs": 5}], [SQUARE, shapely.affinity.translate(SQUARE, 0.001)])
    result = ingest(city, tmp_path).json()[0]
    assert (result["read"], result["accepted"], result["unchanged"], result["new"]) == (2, 1, 1, 0)
    assert dict(rows(city, "SELECT source_key, code FROM building")) == codes
    assert rows(city, "SELECT storeys_above, version FROM building_history") == [(4, 1)]
    assert rows(city, "SELECT storeys_above, version FROM building WHERE version = 2") == [(5, 2)]


def test_records_that_vanish_from_the_source_are_counted_and_kept(city, tmp_path):
    write_layer(tmp_path / "c.gpkg", [GOOD, {**GOOD, "fwbh": "2"}], [SQUARE, shapely.affinity.translate(SQUARE, 0.001)])
    ingest(city, tmp_path)
    write_layer(tmp_path / "c.gpkg", [GOOD], [SQUARE])
    assert ingest(city, tmp_path).json()[0]["missing_from_source"] == 1
    assert rows(city, "SELECT count(*) FROM building") == [(2,)]


@pytest.mark.parametrize(
    ("change", "geometry", "rule"),
    [
        ({"cs": -9999}, SQUARE, "A04"),
        ({"cs": 0}, SQUARE, "A04"),
        ({"jglx": "42"}, SQUARE, "A02"),
        ({"jglx": ""}, SQUARE, "A01"),
        ({"nd": 2150}, SQUARE, "A07"),
        ({"jglx": "1", "cs": 12, "gd": 36.0}, SQUARE, "A12"),
        ({"gd": -3.0}, SQUARE, "A05"),
        ({}, None, "G01"),
        ({}, shapely.Polygon([(114.39, 30.5), (114.391, 30.5), (114.39, 30.5)]), "G01"),
        ({}, shapely.box(30.5, 114.39, 30.5002, 114.3902), "G02"),
        ({}, shapely.box(121.47, 31.23, 121.4702, 31.2302), "G02"),
    ],
)
def test_a_bad_record_is_refused_by_its_rule_and_the_others_are_loaded(city, tmp_path, change, geometry, rule):
    write_layer(tmp_path / "c.gpkg", [GOOD, {**GOOD, "fwbh": "2", **change}], [SQUARE, geometry])
    result = ingest(city, tmp_path).json()[0]
    assert (result["read"], result["accepted"], result["rejected"]) == (2, 1, 1)
    reject = rows(city, "SELECT rule, place, message, message_zh, record FROM reject")[0]
    assert reject[0] == rule
    assert reject[1].endswith("row 2")
    assert reject[2]
    assert reject[3]
    assert reject[4]["fwbh"] == "2"
    assert "hzxm" not in reject[4]


def test_a_natural_key_that_occurs_twice_is_refused_once(city, tmp_path):
    write_layer(tmp_path / "c.gpkg", [GOOD, GOOD], [SQUARE, SQUARE])
    assert ingest(city, tmp_path).json()[0]["rejected_by_rule"] == {"A03": 1}


def test_a_bow_tie_is_repaired_and_said_so(city, tmp_path):
    bow = shapely.Polygon([(114.390, 30.5), (114.3902, 30.5002), (114.3902, 30.5), (114.390, 30.5002)])
    write_layer(tmp_path / "c.gpkg", [GOOD], [bow])
    result = ingest(city, tmp_path).json()[0]
    assert (result["accepted"], result["warnings_by_rule"].get("G01")) == (1, 1)
    assert rows(city, "SELECT ST_IsValid(geom) FROM building") == [(True,)]


def test_a_gb18030_shapefile_without_declaration_is_read_right(city, tmp_path):
    write_layer(tmp_path / "c.shp", [GOOD], [SQUARE], encoding="GB18030")
    (tmp_path / "c.cpg").unlink()
    assert ingest(city, tmp_path, "c.shp").code == 0
    assert rows(city, "SELECT name FROM building") == [("教学楼",)]


def _broken(tmp_path, kind):
    good = tmp_path / "c.gpkg"
    write_layer(good, [GOOD], [SQUARE])
    if kind == "missing":
        return tmp_path / "nothing.gpkg"
    if kind == "empty":
        (tmp_path / "empty.gpkg").write_bytes(b"")
        return tmp_path / "empty.gpkg"
    if kind == "truncated gpkg":
        cut = tmp_path / "cut.gpkg"
        cut.write_bytes(good.read_bytes()[:5000])
        return cut
    if kind == "format":
        (tmp_path / "c.dwg").write_bytes(b"AC1032")
        return tmp_path / "c.dwg"
    if kind == "not zip":
        (tmp_path / "c.zip").write_bytes(b"PK not really")
        return tmp_path / "c.zip"
    write_layer(tmp_path / "s.shp", [GOOD], [SQUARE], encoding="GB18030", crs=None if kind == "no crs" else "EPSG:4490")
    if kind == "no dbf":
        (tmp_path / "s.dbf").unlink()
    if kind == "wrong encoding":
        (tmp_path / "s.cpg").write_text("UTF-8")
    if kind == "zip without shx":
        with zipfile.ZipFile(tmp_path / "s.zip", "w") as archive:
            for suffix in (".shp", ".dbf", ".prj"):
                archive.write(tmp_path / f"s{suffix}", f"s{suffix}")
        return tmp_path / "s.zip"
    return tmp_path / "s.shp"


@pytest.mark.filterwarnings("ignore:'crs' was not provided")
@pytest.mark.parametrize(
    ("kind", "code", "words"),
    [
        ("missing", "source.syntax", "no such file"),
        ("empty", "source.syntax", "0 bytes"),
        ("truncated gpkg", "source.syntax", "damaged"),
        ("format", "source.unsupported_format", ".dwg"),
        ("not zip", "source.syntax", "not a zip archive"),
        ("no dbf", "source.syntax", "missing .dbf"),
        ("zip without shx", "source.syntax", "missing .shx"),
        ("no crs", "source.missing_crs", "--crs EPSG"),
        ("wrong encoding", "source.encoding", "cannot be decoded"),
    ],
)
def test_a_bad_file_is_refused_before_anything_is_written(city, tmp_path, kind, code, words):
    path = _broken(tmp_path, kind)
    before = rows(city, "SELECT (SELECT count(*) FROM dataset), (SELECT count(*) FROM change_set), (SELECT count(*) FROM reject)")
    result = run_cim(city, "ingest", "census", path, "--profile", tmp_path / "p.yaml", "--json")
    assert result.code == 1
    error = result.json()["error"]
    assert error["code"] == code
    assert words in error["message"] + error["hint"]
    assert path.name in error["message"]
    assert rows(city, "SELECT (SELECT count(*) FROM dataset), (SELECT count(*) FROM change_set), (SELECT count(*) FROM reject)") == before


def test_a_profile_that_maps_to_unknown_values_is_refused_by_place(city, tmp_path):
    wrong = {**PROFILE, "fields": {**PROFILE["fields"], "structure": {"source": "jglx", "type": "enum", "values": {"1": "BRICK"}}}}
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(wrong, allow_unicode=True), encoding="utf-8")
    write_layer(tmp_path / "c.gpkg", [GOOD], [SQUARE])
    error = ingest(city, tmp_path).json()["error"]
    assert error["code"] == "source.mapping"
    assert "fields.structure.values: '1' maps to 'BRICK', expected one of MAS" in error["message"]


def test_a_dry_run_reports_the_counts_and_writes_nothing(city, tmp_path):
    write_layer(tmp_path / "c.gpkg", [GOOD], [SQUARE])
    assert ingest(city, tmp_path, "c.gpkg", "--dry-run").json()[0]["accepted"] == 1
    assert rows(city, "SELECT (SELECT count(*) FROM building), (SELECT count(*) FROM code_counter)") == [(0, 0)]


def test_kill_9_during_a_load_leaves_the_register_as_it_was_and_the_rerun_completes(city, tmp_path):
    n = 36_000
    side = int(np.sqrt(n)) + 1
    records = [{**GOOD, "fwbh": str(i)} for i in range(n)]
    shapes = [
        shapely.box(x, y, x + 0.00005, y + 0.00005)
        for i in range(n)
        for x, y in [(114.381 + i % side * 0.0001, 30.491 + i // side * 0.0001)]
    ]
    write_layer(tmp_path / "c.gpkg", records, shapes)
    argv = [sys.executable, "-m", "cim", "ingest", "census", str(tmp_path / "c.gpkg"), "--profile", str(tmp_path / "p.yaml")]
    child = subprocess.Popen(argv, env=environment(city), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    working = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'COPY _building%'"
    while rows(city, working) == [(0,)] and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    assert child.poll() is None
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert rows(city, "SELECT (SELECT count(*) FROM building), (SELECT count(*) FROM dataset WHERE kind = 'census')") == [(0, 0)]
    assert ingest(city, tmp_path).json()[0]["accepted"] == n
    assert rows(city, "SELECT count(DISTINCT code), max(substr(code, 17, 6)) FROM building") == [(n, f"{n:06d}")]


# --- terrain -------------------------------------------------------------------------------------------------------

# EPSG:4490 114.390 30.500 is E 537425.6 N 3375590.9 in EPSG:4547 (PROJ 9, cs2cs).
WEST, NORTH = 537_000.0, 3_376_000.0


def write_dem(path, heights, *, crs="EPSG:4547", transform=None):
    transform = transform or rasterio.transform.from_origin(WEST, NORTH, 5, 5)
    profile = {"driver": "GTiff", "width": heights.shape[1], "height": heights.shape[0], "count": 1, "dtype": "float32", "nodata": -9999.0}
    with rasterio.open(path, "w", crs=crs, transform=transform, **profile) as target:
        target.write(heights.astype("float32"), 1)


def test_the_ground_of_a_building_is_the_lowest_of_the_terrain_under_it(city, tmp_path):
    write_layer(tmp_path / "c.gpkg", [GOOD], [SQUARE])
    ingest(city, tmp_path)
    # A plane that rises 1 m per 100 m eastward: z = (E - 537000) / 100.
    columns = (np.arange(200) + 0.5) * 5 / 100
    write_dem(tmp_path / "dem.tif", np.tile(columns, (200, 1)))
    result = run_cim(city, "ingest", "terrain", tmp_path / "dem.tif", "--vertical-datum", "EPSG:5737", "--unit", "m", "--json").json()[0]
    assert result["buildings_with_new_ground"] == 1
    easting = np.asarray(shapely.get_coordinates(shapely.transform(SQUARE, _to_4547)))[:, 0].min()
    assert rows(city, "SELECT ground_elevation_m, version FROM building")[0] == (pytest.approx((easting - WEST) / 100, abs=0.001), 2)
    again = run_cim(city, "ingest", "terrain", tmp_path / "dem.tif", "--vertical-datum", "EPSG:5737", "--unit", "m", "--json").json()[0]
    assert again["unchanged_source"] is True
    # A later census of the same records is not changed by the ground it did not bring.
    write_layer(tmp_path / "c.gpkg", [GOOD, {**GOOD, "fwbh": "2"}], [SQUARE, shapely.affinity.translate(SQUARE, 0.001)])
    assert ingest(city, tmp_path).json()[0]["unchanged"] == 1


def _to_4547(lonlat):
    from cim.crs import transform_xy

    return np.column_stack(transform_xy("EPSG:4490", "EPSG:4547", lonlat[:, 0], lonlat[:, 1]))


@pytest.mark.parametrize(
    ("kind", "words"),
    [("no crs", "no coordinate reference system"), ("nodata", "every cell is nodata"), ("text", "not a raster"),
     ("datum", "no vertical CRS")],
)  # fmt: skip
def test_an_unusable_terrain_is_refused_and_nothing_is_kept(city, tmp_path, kind, words):
    heights = np.full((20, 20), -9999.0 if kind == "nodata" else 10.0)
    path = tmp_path / "dem.tif"
    if kind == "text":
        path.write_text("not a raster")
    else:
        write_dem(path, heights, crs=None if kind == "no crs" else "EPSG:4547")
    result = run_cim(city, "ingest", "terrain", path, "--unit", "m", "--vertical-datum", "EPSG:4490" if kind == "datum" else "EPSG:5737")
    assert result.code == 1
    assert words in result.err
    assert rows(city, "SELECT count(*) FROM raster") == [(0,)]
    assert not list(city.rasters_dir.glob("*")) if city.rasters_dir.exists() else True


# --- networks ------------------------------------------------------------------------------------------------------


def write_table(path, records):
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, list(records[0]))
        writer.writeheader()
        writer.writerows(records)


def network(tmp_path, sample_data, points, lines):
    document = yaml.safe_load((sample_data / "networks/profile.yaml").read_text(encoding="utf-8"))
    document["kinds"] = {"JS": document["kinds"]["JS"]}
    (tmp_path / "n.yaml").write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    write_table(tmp_path / "JSPOINT.csv", points)
    write_table(tmp_path / "JSLINE.csv", lines)
    return ["ingest", "network", tmp_path / "JSPOINT.csv", tmp_path / "JSLINE.csv", "--profile", tmp_path / "n.yaml", "--json"]


def point(no, north, east, ground=30.0):
    return {
        "EXP_NO": no,
        "X": north,
        "Y": east,
        "HIGH": ground,
        "CODE": "JS",
        "FEATURE": "三通",
        "SUBSID": "",
        "WELLDEEP": "",
        "BELONG": "",
        "NOTE": "",
    }


def line(no, start, end, depth=1.0, size="DN300"):
    row = {
        "LNO": no,
        "TYPE": "JS",
        "MATERIAL": "PE",
        "PSIZE": size,
        "FLOWDIR": "+",
        "EMBED": "直埋",
        "USTATUS": "在用",
        "MDATE": "2020-01-01",
    }
    for letter, end_point in (("S", start), ("E", end)):
        row |= {f"{letter}_EXP": end_point["EXP_NO"], f"{letter}_X": end_point["X"], f"{letter}_Y": end_point["Y"], f"{letter}_DEEP": depth}
    return row


A, B = point("A", 3375590.0, 537430.0), point("B", 3375620.0, 537470.0, 29.0)


def test_a_pipe_has_its_place_elevation_length_and_size(city, tmp_path, sample_data):
    result = run_cim(city, *network(tmp_path, sample_data, [A, B], [line("1", A, B)])).json()[0]
    assert (result["read"], result["accepted"], result["rejected"]) == (3, 3, 0)
    edge = rows(
        city,
        """SELECT length_m, diameter_mm, material, ST_Z(ST_StartPoint(geom)), ST_Z(ST_EndPoint(geom)), ST_X(ST_StartPoint(geom))
           FROM network_edge""",
    )[0]
    # Hand calculation: 30 m north, 40 m east, 1 m down: sqrt(900 + 1600 + 1).
    assert edge[:3] == (pytest.approx(2501**0.5, abs=1e-6), 300.0, "PE")
    assert edge[3:5] == (pytest.approx(29.0), pytest.approx(28.0))
    assert edge[5] == pytest.approx(114.39, abs=1e-3)


@pytest.mark.parametrize(
    ("points", "lines", "rule"),
    [
        ([A, B, A], [line("1", A, B)], "N01"),
        ([A, B], [line("1", A, B), line("1", A, B)], "N01"),
        ([A, B, {**point("C", 1, 2), "X": "abc"}], [line("1", A, B)], "N02"),
        ([A, B], [line("1", A, B), line("2", A, B, size="thick")], "N02"),
        ([A, B, {**point("C", 3375600, 537440), "FEATURE": "飞碟"}], [line("1", A, B)], "N03"),
        ([A, B], [line("1", A, B), line("2", A, point("Z", 3375600, 537440))], "N04"),
        ([A, B], [line("1", A, B), line("2", A, {**B, "X": 3375625.0})], "N05"),
        ([A, B], [line("1", A, B), line("2", A, A)], "N06"),
    ],
)
def test_a_bad_network_record_is_refused_by_its_rule(city, tmp_path, sample_data, points, lines, rule):
    result = run_cim(city, *network(tmp_path, sample_data, points, lines)).json()[0]
    assert result["rejected_by_rule"] == {rule: 1}
    assert result["read"] == result["accepted"] + 1
    assert rows(city, "SELECT count(*) FROM network_edge") == [(1,)]


def test_swapped_axes_are_refused_with_a_hint(city, tmp_path, sample_data):
    def swap(p):
        return {**p, "X": p["Y"], "Y": p["X"]}

    result = run_cim(city, *network(tmp_path, sample_data, [swap(A), swap(B)], [line("1", swap(A), swap(B))]))
    assert result.code == 1
    assert "points lie outside the city" in result.err
    assert "check axis" in result.err


def test_a_table_without_its_partner_is_refused(city, tmp_path, sample_data):
    argv = network(tmp_path, sample_data, [A, B], [line("1", A, B)])
    result = run_cim(city, *[part for part in argv if not str(part).endswith("JSLINE.csv")])
    assert result.code == 1
    assert "its partner JSLINE.csv is missing" in result.err


# --- addresses -----------------------------------------------------------------------------------------------------


def test_addresses_are_linked_by_number_by_place_or_by_nearness(city, tmp_path):
    write_layer(tmp_path / "c.gpkg", [GOOD], [SQUARE])
    ingest(city, tmp_path)
    header = {"地址编码": "", "坐标系": "EPSG:4490", "来源": "t", "建筑编号": "", "synthetic": "0"}
    write_table(
        tmp_path / "a.csv",
        [
            {**header, "原始地址": "武汉市洪山区珞喻路1号", "经度": 114.395, "纬度": 30.505, "建筑编号": "1"},
            {**header, "原始地址": "武汉市洪山区珞喻路2号", "经度": 114.3901, "纬度": 30.5001},
            {**header, "原始地址": "武汉市洪山区珞喻路3号", "经度": 114.3903, "纬度": 30.5001},
            {**header, "原始地址": "武汉市洪山区珞喻路4号", "经度": 114.395, "纬度": 30.505},
            {**header, "原始地址": "上海", "经度": 121.47, "纬度": 31.23},
            {**header, "原始地址": "", "经度": 114.395, "纬度": 30.505},
        ],
    )
    result = run_cim(city, "ingest", "addresses", tmp_path / "a.csv", "--json").json()[0]
    assert (result["read"], result["accepted"], result["rejected"]) == (6, 4, 2)
    found = rows(
        city,
        "SELECT house_number, road, match_method, building_code IS NOT NULL, round(distance_m::numeric) FROM address ORDER BY full_text",
    )
    assert [row[:4] for row in found] == [
        ("1号", "珞喻路", "source_key", True),
        ("2号", "珞喻路", "contains", True),
        ("3号", "珞喻路", "nearest", True),
        ("4号", "珞喻路", None, False),
    ]
    # 0.0001 deg of longitude at 30.5 N is 9.6 m.
    assert found[2][4] == 10


def test_divisions_merge_codes_and_boundaries_and_refuse_what_does_not_fit(settings, tmp_path):
    write_table(
        tmp_path / "d.csv",
        [
            {"code": "420100000000", "name": "武汉市", "level": "city"},
            {"code": "420111000000", "name": "洪山区", "level": "city"},
            {"code": "420111006011", "name": "社区", "level": "village"},
        ],
    )
    write_layer(tmp_path / "d.gpkg", [{"code": AREA, "name": "社区", "level": "village", "synthetic": 1}], [SQUARE])
    result = run_cim(settings, "ingest", "divisions", tmp_path / "d.csv", tmp_path / "d.gpkg", "--json").json()[0]
    assert (result["read"], result["accepted"], result["rejected_by_rule"]) == (4, 3, {"D01": 1})
    assert rows(settings, "SELECT code, level, parent_code, is_synthetic, geom IS NOT NULL FROM division ORDER BY code") == [
        ("4201", 2, "42", False, False),
        (AREA, 5, "420111006", True, True),
    ]


def test_a_store_that_is_not_migrated_says_what_to_run(store, tmp_path):
    name = store.create("template0")
    Path(tmp_path / "d.csv").write_text("code,name,level\n", encoding="utf-8")
    result = run_cim(store.settings(name, tmp_path), "ingest", "divisions", tmp_path / "d.csv")
    assert result.code == 1
    assert "Hint: cim db migrate" in result.err
    store.drop(name)
