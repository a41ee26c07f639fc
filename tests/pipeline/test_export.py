"""``cim export``: files read back by other software and compared with what SQL says."""

import csv
import json
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import geopandas
import numpy as np
import pyarrow.parquet as pq
import pyogrio
import pyproj
import pytest
import shapely
from typer.testing import CliRunner

from cim.commands import export as command
from cim.crs import CrsError
from cim.db import engine
from cim.db.changes import open_change_set
from cim.errors import ConfigError, InvalidParameterError, NotFoundError, UnknownCollectionError
from cim.exchange.model import ExchangeError
from tests.support.server import environment

CORE = [
    "code", "name", "address", "division_code", "height_m", "ground_elevation_m", "storeys_above", "storeys_below", "use", "structure",
    "year_built", "footprint_area_m2", "floor_area_m2", "safety_grade", "status", "source_dataset", "version", "valid_from",
]  # fmt: skip
TABLES = {
    "divisions": "division", "buildings": "building", "addresses": "address", "water-lines": "network_edge", "gas-points": "network_node",
}  # fmt: skip
PROFILE = {
    "name": {"en": "Test city", "zh": "测试市"}, "division_codes": ["420111"], "projected_crs": "EPSG:4547", "geoid_separation_m": -13,
}  # fmt: skip


def export(settings, *argv):
    result = CliRunner().invoke(command.app, [str(part) for part in (*argv, "--json")], obj=settings, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def rows(settings, statement, parameters=None):
    with engine.connect(settings) as connection:
        return connection.execute(statement, parameters).fetchall()


def where(collection):
    return f"kind = '{collection.split('-')[0]}'" if "-" in collection else "true"


def read(path):
    if path.suffix == ".parquet":
        return geopandas.read_parquet(path)
    return geopandas.read_file(path)


# --- values -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".gpkg", ".parquet", ".fgb"])
def test_every_building_is_read_back_as_sql_gives_it(demo_city, tmp_path, suffix):
    settings, _ = demo_city
    file = tmp_path / f"buildings{suffix}"
    report = export(settings, "buildings", file)
    expected = rows(settings, f"SELECT {', '.join(CORE)}, ST_AsBinary(geom) FROM building ORDER BY code")
    frame = read(file)
    assert report["rows"] == len(frame) == len(expected) == 237
    assert frame.crs.to_epsg() == 4490
    # A FlatGeobuf is in the order of its index.
    frame = frame.sort_values("code").reset_index(drop=True)
    for at, name in enumerate(CORE):
        values = [row[at] for row in expected]
        if name == "valid_from":
            # GeoPackage and FlatGeobuf keep milliseconds.
            spread = [abs(found - value) for found, value in zip(frame[name], values, strict=True)]
            assert max(spread) <= timedelta(milliseconds=1)
        else:
            assert [None if value != value else value for value in frame[name].astype(object).where(frame[name].notna(), None)] == values
    stored = shapely.from_wkb([row[-1] for row in expected])
    assert shapely.equals_identical(shapely.normalize(frame.geometry.to_numpy()), shapely.normalize(stored)).all()


@pytest.mark.parametrize("collection", TABLES)
@pytest.mark.parametrize("suffix", [".gpkg", ".parquet", ".fgb", ".csv"])
def test_every_collection_has_all_its_rows_in_every_format(demo_city, tmp_path, collection, suffix):
    settings, _ = demo_city
    file = tmp_path / f"out{suffix}"
    export(settings, collection, file)
    n, placed = rows(settings, f"SELECT count(*), count(geom) FROM {TABLES[collection]} WHERE {where(collection)}")[0]
    assert n > 0
    if suffix == ".csv":
        with file.open(encoding="utf-8-sig", newline="") as handle:
            found = list(csv.DictReader(handle))
        assert (len(found), sum(bool(row["wkt"]) for row in found)) == (n, placed)
    else:
        frame = read(file)
        assert (len(frame), int(frame.geometry.notna().sum())) == (n, placed)


def test_gdal_of_the_system_finds_layer_crs_type_and_index(demo_city, tmp_path):
    for suffix in (".gpkg", ".fgb"):
        file = tmp_path / f"lines{suffix}"
        export(demo_city[0], "water-lines", file)
        done = subprocess.run(["ogrinfo", "-so", "-json", str(file), "water-lines"], capture_output=True, text=True, check=False)
        if done.returncode:  # before GDAL 3.7 there is no JSON
            done = subprocess.run(["ogrinfo", "-so", str(file), "water-lines"], capture_output=True, text=True, check=True)
        assert "1593" in done.stdout
        assert "3D Line String" in done.stdout or "LineStringZ" in done.stdout
        info = pyogrio.read_info(file)
        assert (info["crs"], info["geometry_type"], info["features"]) == ("EPSG:4490", "LineString Z", 1593)
        assert info["capabilities"]["fast_spatial_filter"]


def test_heights_of_networks_are_kept(demo_city, tmp_path):
    export(demo_city[0], "gas-points", tmp_path / "p.parquet")
    frame = read(tmp_path / "p.parquet").set_index("code")
    expected = dict(rows(demo_city[0], "SELECT code, ST_Z(geom) FROM network_node WHERE kind = 'gas'"))
    assert {code: point.z for code, point in frame.geometry.items()} == expected


def test_another_crs_is_written_easting_first(demo_city, tmp_path):
    export(demo_city[0], "addresses", tmp_path / "a.gpkg", "--crs", "EPSG:4547")
    frame = read(tmp_path / "a.gpkg").set_index("code")
    assert frame.crs.to_epsg() == 4547
    code, lon, lat = rows(demo_city[0], "SELECT code, ST_X(geom), ST_Y(geom) FROM address ORDER BY code LIMIT 1")[0]
    reference = pyproj.Transformer.from_crs("EPSG:4490", "EPSG:4547", always_xy=True)  # noqa: TID251 - the reference
    assert frame.geometry[code].coords[0] == pytest.approx(reference.transform(lon, lat), abs=1e-6)


@pytest.mark.parametrize("crs", ["EPSG:4326", "http://www.opengis.net/def/crs/OGC/1.3/CRS84", "EPSG:32650"])
def test_wgs84_takes_the_stored_numbers_as_they_are(demo_city, tmp_path, crs):
    settings, _ = demo_city
    if "CRS84" in crs:
        with pytest.raises(InvalidParameterError, match="EPSG code"):
            export(settings, "addresses", tmp_path / "a.parquet", "--crs", crs)
        return
    export(settings, "addresses", tmp_path / "a.parquet", "--crs", crs)
    frame = read(tmp_path / "a.parquet").set_index("code")
    code, lon, lat = rows(settings, "SELECT code, ST_X(geom), ST_Y(geom) FROM address ORDER BY code LIMIT 1")[0]
    # CGCS2000 to WGS 84 is a null transformation here: the reference starts from WGS 84 itself.
    reference = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True)  # noqa: TID251 - the reference
    assert frame.geometry[code].coords[0] == pytest.approx(reference.transform(lon, lat), abs=1e-6)


# --- names for people ---------------------------------------------------------------------------------------------------------------


def test_a_geopackage_has_chinese_names_and_values_as_the_standard_asks(demo_city, tmp_path):
    file = tmp_path / "b.gpkg"
    export(demo_city[0], "buildings", file)
    with sqlite3.connect(file) as package:
        titles = dict(package.execute("SELECT column_name, title FROM gpkg_data_columns WHERE table_name = 'buildings'"))
        constraint = dict(package.execute("SELECT column_name, constraint_name FROM gpkg_data_columns"))
        values = package.execute("SELECT constraint_name, constraint_type, value, description FROM gpkg_data_column_constraints").fetchall()
        extensions = package.execute(
            "SELECT table_name, column_name, scope, definition FROM gpkg_extensions WHERE extension_name = 'gpkg_schema' ORDER BY 1"
        ).fetchall()
        contents = package.execute("SELECT data_type, identifier, description, srs_id FROM gpkg_contents").fetchall()
        faults = package.execute("PRAGMA foreign_key_check").fetchall(), package.execute("PRAGMA integrity_check").fetchall()
    package.close()
    assert set(titles) == set(CORE)
    assert (titles["height_m"], titles["code"], titles["use"], titles["safety_grade"]) == ("高度", "编码", "用途", "安全等级")
    # OGC 12-128r19, annex F.9, requirements 106, 108, 113, 114 and 141.
    assert {name for name, *_ in values} == {constraint[name] for name in ("use", "structure", "status", "safety_grade")}
    assert {kind for _, kind, *_ in values} == {"enum"}
    named = {(name, value): text for name, _, value, text in values}
    assert named[constraint["use"], "residential"] == "居住"
    assert named[constraint["structure"], "RC"] == "钢筋混凝土"
    assert sum(name == constraint["use"] for name, _ in named) == 16
    assert [row[:3] for row in extensions] == [
        ("gpkg_data_column_constraints", None, "read-write"), ("gpkg_data_columns", None, "read-write"),
    ]  # fmt: skip
    assert all(row[3].startswith("http://www.geopackage.org/spec") and row[3].endswith("#extension_schema") for row in extensions)
    assert contents[0][:2] == ("features", "建筑物")
    assert "建筑编码" in contents[0][2]
    assert contents[0][3] == 4490
    assert faults == ([], [("ok",)])


@pytest.mark.parametrize("suffix", [".gpkg", ".fgb"])
@pytest.mark.parametrize(("language", "expected"), [("zh", "高度"), ("en", "Height"), ("none", None)])
def test_gdal_reads_the_names_as_aliases(demo_city, tmp_path, suffix, language, expected):
    file = tmp_path / f"b{suffix}"
    export(demo_city[0], "buildings", file, "--aliases", language)
    with pyogrio.raw.open_arrow(file, use_pyarrow=True) as (_, reader):
        metadata = reader.schema.field("height_m").metadata or {}
    found = metadata.get(b"GDAL:OGR:alternative_name")
    assert (found.decode() if found else None) == expected


def test_a_geoparquet_says_crs_types_box_and_names(demo_city, tmp_path):
    file = tmp_path / "l.parquet"
    export(demo_city[0], "water-lines", file)
    geo = json.loads(pq.read_metadata(file).metadata[b"geo"])
    column = geo["columns"][geo["primary_column"]]
    # GeoParquet 1.1.0, file and column metadata.
    assert (geo["version"], column["encoding"], column["geometry_types"]) == ("1.1.0", "WKB", ["LineString Z"])
    assert pyproj.CRS.from_json_dict(column["crs"]).to_epsg() == 4490
    box = rows(
        demo_city[0],
        """SELECT min(ST_XMin(geom)), min(ST_YMin(geom)), min(ST_ZMin(geom)), max(ST_XMax(geom)), max(ST_YMax(geom)), max(ST_ZMax(geom))
           FROM network_edge WHERE kind = 'water'""",
    )[0]
    assert column["bbox"] == list(box)
    assert pq.read_schema(file).field("diameter_mm").metadata[b"title"].decode() == "管径"
    west = geopandas.read_parquet(file, bbox=(box[0], box[1], (box[0] + box[3]) / 2, box[4]))
    assert 0 < len(west) < 1593


def test_a_csv_opens_in_a_spreadsheet_with_names_of_choice(demo_city, tmp_path):
    plain, named = tmp_path / "plain.csv", tmp_path / "named.csv"
    export(demo_city[0], "buildings", plain)
    export(demo_city[0], "buildings", named, "--aliases", "zh")
    assert plain.read_bytes().startswith(b"\xef\xbb\xbfcode,name,")
    with plain.open(encoding="utf-8-sig", newline="") as handle:
        found = {row["code"]: row for row in csv.DictReader(handle)}
    expected = rows(demo_city[0], "SELECT code, name, height_m, storeys_above, valid_from, geom::bytea FROM building")
    assert len(found) == len(expected)
    for code, name, height, storeys, valid_from, shape in expected:
        row = found[code]
        assert (row["name"] or None, float(row["height_m"]), int(row["storeys_above"])) == (name, height, storeys)
        assert datetime.fromisoformat(row["valid_from"]) == valid_from
        # 1e-9 deg is a tenth of a millimetre.
        assert shapely.equals_exact(shapely.from_wkt(row["wkt"]), shapely.from_wkb(shape), tolerance=1e-9)
    header = named.read_text(encoding="utf-8-sig").splitlines()[0].split(",")
    assert header[:5] == ["编码", "名称", "地址", "所属区划", "高度"]
    assert len(set(header)) == len(CORE) + 1


# --- what is written ----------------------------------------------------------------------------------------------------------------


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


# --- a small register of our own ----------------------------------------------------------------------------------------------------

SQUARE = "MULTIPOLYGON(((114.4 30.5,114.4002 30.5,114.4002 30.5002,114.4 30.5002,114.4 30.5)))"
COURT = (
    "MULTIPOLYGON(((114.401 30.5,114.4015 30.5,114.4015 30.5005,114.401 30.5005,114.401 30.5),"
    "(114.4011 30.5001,114.4011 30.5004,114.4014 30.5004,114.4014 30.5001,114.4011 30.5001)))"
)
# The hole touches the outer ring in one point: valid (OGC 06-103r4, 6.1.11), and the hard case for a closed solid.
TOUCHING = (
    "MULTIPOLYGON(((114.402 30.5,114.4025 30.5,114.4025 30.5005,114.402 30.5005,114.402 30.5),"
    "(114.402 30.5,114.4021 30.5003,114.4023 30.5001,114.402 30.5)))"
)
TWO = (
    "MULTIPOLYGON(((114.403 30.5,114.403 30.5002,114.4032 30.5002,114.4032 30.5,114.403 30.5)),"
    "((114.4034 30.5,114.4036 30.5,114.4036 30.5002,114.4034 30.5)))"
)
SHAPES = {
    "A": (SQUARE, 10.0, 25.5),
    "B": (COURT, 12.5, None),
    "C": (TOUCHING, 9.0, -3.25),
    "D": (TWO, 30.0, 20.0),
    "E": (SQUARE, None, 5.0),
}


@pytest.fixture
def register(settings):
    with engine.connect(settings) as connection:
        connection.execute("INSERT INTO city_profile (document) VALUES (%s::jsonb)", [json.dumps(PROFILE)])
        change = open_change_set(connection, author="test", operation="ingest", reason="test")
        connection.execute(
            "INSERT INTO division (code, name, level, change_set_id) VALUES ('420111002007', '社区', 5, %s), ('420111003', '街道', 4, %s)",
            [change, change],
        )
        for code, (shape, height, ground) in SHAPES.items():
            connection.execute(
                """INSERT INTO building (code, code_scheme, county_code, division_code, height_m, ground_elevation_m, geom, change_set_id)
                   VALUES (%s, 'CIM-BC27-v1', '420111', '420111002007', %s, %s, ST_GeomFromText(%s, 4490), %s)""",
                [code, height, ground, shape, change],
            )
        connection.execute(
            """INSERT INTO unit (code, building_code, county_code, change_set_id)
               VALUES ('A-1', 'A', '420111', %s), ('B-1', 'B', '420111', %s)""",
            [change, change],
        )
    return settings


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


# --- CityJSON -----------------------------------------------------------------------------------------------------------------------


def check_solid(solid, vertices):
    """Return the volume [m3] of a solid; every edge must be used exactly once in each direction."""
    edges = Counter()
    volume = 0.0
    assert len(solid["boundaries"]) == 1
    surfaces = solid["boundaries"][0]
    assert len(solid["semantics"]["values"][0]) == len(surfaces)
    reference = vertices[surfaces[0][0][0]]
    for surface in surfaces:
        area = np.zeros(3)
        for ring in surface:
            assert len(ring) >= 3
            assert len(set(ring)) == len(ring)
            edges.update(zip(ring, ring[1:] + ring[:1], strict=True))
            places = vertices[ring] - reference
            area += np.cross(places, np.roll(places, -1, axis=0)).sum(axis=0) / 2
        # Divergence theorem over flat faces: outward faces give a positive volume.
        volume += np.dot(vertices[surface[0][0]] - reference, area) / 3
    assert set(edges.values()) == {1}
    assert all((b, a) in edges for a, b in edges)
    return volume


def check_cityjson(document):
    """Check what the schema cannot say; return volume by city object, and the vertices [m]."""
    assert (document["type"], document["version"]) == ("CityJSON", "2.0")
    scale, translate = (np.array(document["transform"][key]) for key in ("scale", "translate"))
    vertices = np.array(document["vertices"], dtype=np.int64).reshape(-1, 3) * scale + translate
    used = set()

    def walk(boundary):
        for part in boundary:
            if isinstance(part, int):
                used.add(part)
            else:
                walk(part)

    volumes = {}
    objects = document["CityObjects"]
    for code, made in objects.items():
        for child in made.get("children", []):
            assert objects[child]["parents"] == [code]
        assert ("parents" in made) == (made["type"] == "BuildingPart")
        for geometry in made.get("geometry", []):
            walk(geometry["boundaries"])
            if geometry["type"] == "Solid":
                assert geometry["lod"] == "1.2"
                volumes[code] = check_solid(geometry, vertices)
            else:
                assert (geometry["type"], geometry["lod"]) == ("MultiSurface", "0")
    assert used == set(range(len(vertices)))
    if len(vertices):
        extent = np.array(document["metadata"]["geographicalExtent"])
        assert extent == pytest.approx(np.concatenate([vertices.min(axis=0), vertices.max(axis=0)]), abs=1e-6)
    return volumes, vertices


def footprint_areas(settings, crs="EPSG:4547"):
    """Area of each part of each footprint [m2], by PROJ and GEOS."""
    to_metres = pyproj.Transformer.from_crs("EPSG:4490", crs, always_xy=True)  # noqa: TID251 - the reference
    areas = {}
    for code, shape in rows(settings, "SELECT code, ST_AsBinary(geom) FROM building"):
        parts = shapely.get_parts(shapely.from_wkb(shape))
        areas[code] = [shapely.transform(part, to_metres.transform, interleaved=False).area for part in parts]
    return areas


def test_every_building_of_the_city_is_a_closed_block_of_the_right_volume(demo_city, tmp_path):
    settings, _ = demo_city
    file = tmp_path / "b.city.json"
    assert export(settings, "buildings", file)["crs"] == "EPSG:4547"
    document = json.loads(file.read_text(encoding="utf-8"))
    volumes, vertices = check_cityjson(document)
    areas = footprint_areas(settings)
    register = {row[0]: row[1:] for row in rows(settings, "SELECT code, height_m, ground_elevation_m, use FROM building")}
    assert set(document["CityObjects"]) == set(volumes) == set(register)
    for code, (height, ground, use) in register.items():
        assert volumes[code] == pytest.approx(sum(areas[code]) * height, rel=1e-3)
        made = document["CityObjects"][code]
        assert made["attributes"]["height_m"] == height
        assert made["attributes"]["use"] == use
        own = vertices[np.unique(np.concatenate([ring for surface in made["geometry"][0]["boundaries"][0] for ring in surface]))]
        assert (own[:, 2].min(), own[:, 2].max()) == pytest.approx((ground, ground + height), abs=0.0011)
    assert document["metadata"]["referenceSystem"] == "https://www.opengis.net/def/crs/EPSG/0/4547"
    assert document["transform"]["scale"] == [0.001, 0.001, 0.001]
    # Wuhan in CM 114 E: easting about 537 km, northing about 3 376 km; easting comes first.
    assert vertices[:, :2].mean(axis=0) == pytest.approx((537_900, 3_376_500), abs=2_000)


def test_holes_parts_missing_heights_and_missing_ground_are_handled(register, tmp_path):
    export(register, "buildings", tmp_path / "s.json")
    document = json.loads((tmp_path / "s.json").read_text(encoding="utf-8"))
    objects = document["CityObjects"]
    volumes, _ = check_cityjson(document)
    areas = footprint_areas(register)
    expected = {"A": areas["A"][0] * 10, "B": areas["B"][0] * 12.5, "C": areas["C"][0] * 9}
    expected |= {f"D-{number}": area * 30 for number, area in enumerate(areas["D"], start=1)}
    assert volumes == pytest.approx(expected, rel=1e-3)
    assert objects["D"]["children"] == ["D-1", "D-2"]
    assert "geometry" not in objects["D"]
    assert objects["E"]["geometry"][0]["lod"] == "0"
    assert objects["B"]["attributes"]["groundElevationSource"] == "unknown"
    assert "groundElevationSource" not in objects["A"]["attributes"]
    lows = {code: document["vertices"][objects[code]["geometry"][0]["boundaries"][0][0][0][0]][2] for code in ("A", "B", "C")}
    assert lows == {"A": 25_500, "B": 0, "C": -3_250}


# --- files ----------------------------------------------------------------------------------------------------------------------------

_SLOW = """
import sys, time
from pathlib import Path
from cim.commands import export as command
from cim.settings import load_settings
command.BATCH_ROWS = 2
real = command.reads.read_batches
def slow(*args, **kwargs):
    for number, rows in enumerate(real(*args, **kwargs)):
        if number == 1:
            print("half", flush=True)
            time.sleep(120)
        yield rows
command.reads.read_batches = slow
query = command.reads.ExportQuery(command.reads.export_collections()["buildings"])
command.run_export(load_settings(), query, Path(sys.argv[1]))
"""


@pytest.mark.parametrize("suffix", [".gpkg", ".parquet", ".fgb", ".csv", ".city.json"])
def test_a_killed_export_leaves_no_target_and_the_next_one_tidies_up(register, tmp_path, suffix):
    file = tmp_path / f"k{suffix}"
    child = subprocess.Popen(
        [sys.executable, "-c", _SLOW, str(file)], env=environment(register), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with child:
        assert child.stdout.readline() == "half\n", child.stderr.read()
        # A running export's folder is not swept by another one of the same name.
        export(register, "buildings", file)
        assert any(path.name.endswith(".part") for path in tmp_path.iterdir())
        file.unlink()
        child.kill()
    assert child.returncode == -9
    assert not file.exists()
    assert export(register, "buildings", file)["rows"] == len(SHAPES)
    assert list(tmp_path.iterdir()) == [file]


def test_an_error_while_reading_leaves_what_was_there(register, tmp_path, monkeypatch):
    file = tmp_path / "b.gpkg"
    export(register, "buildings", file)
    before = file.read_bytes()

    def broken(connection, query, *, size):
        connection.execute("SELECT 1 / 0")
        yield []

    monkeypatch.setattr(command.reads, "read_batches", broken)
    with pytest.raises(Exception, match="division by zero"):
        export(register, "buildings", file, "--overwrite")
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_an_existing_file_is_kept_without_overwrite(demo_city, tmp_path):
    file = tmp_path / "b.csv"
    file.write_text("mine")
    with pytest.raises(InvalidParameterError, match="does not exist yet") as caught:
        export(demo_city[0], "buildings", file)
    assert "--overwrite" in caught.value.hint
    assert file.read_text() == "mine"
    export(demo_city[0], "buildings", file, "--overwrite")
    assert file.read_bytes().startswith(b"\xef\xbb\xbfcode")


@pytest.mark.parametrize(
    ("argv", "error", "says"),
    [
        (["houses", "x.gpkg"], UnknownCollectionError, "'houses'.*buildings"),
        (["buildings", "x.shp"], InvalidParameterError, r"x\.shp.*\.gpkg, \.parquet"),
        (["addresses", "x.city.json"], InvalidParameterError, "CityJSON carries buildings, city-objects only"),
        (["buildings", "x.gpkg", "--division", "999999"], NotFoundError, "division 999999"),
        (["buildings", "x.gpkg", "--division", "42011"], InvalidParameterError, "'42011'.*6 .county."),
        (["buildings", "x.gpkg", "--division", "洪山区"], InvalidParameterError, "--division"),
        (["buildings", "x.gpkg", "--date", "2999-01-01"], InvalidParameterError, "up to now"),
        (["buildings", "x.gpkg", "--date", "1 May"], InvalidParameterError, "'1 May'.*2026-05-01"),
        (["buildings", "x.gpkg", "--date", "2026-05-01T08:00:00"], InvalidParameterError, "time zone"),
        (["buildings", "x.gpkg", "--status", "ruined"], InvalidParameterError, "'ruined'.*existing"),
        (["buildings", "x.gpkg", "--crs", "EPSG:5737"], InvalidParameterError, "EPSG:5737"),
        (["buildings", "x.gpkg", "--crs", "EPSG:4978"], InvalidParameterError, "two-dimensional"),
        (["buildings", "x.gpkg", "--crs", "EPSG:27700"], InvalidParameterError, "EPSG:27700.*114"),
        (["buildings", "x.gpkg", "--crs", "nonsense"], CrsError, "nonsense"),
        (["buildings", "x.city.json", "--crs", "EPSG:4490"], InvalidParameterError, "projected CRS in metres"),
        (["buildings", "no/such/folder/x.gpkg"], ExchangeError, "cannot be written"),
        (["water-lines", "x.gpkg", "--division", "420111003"], NotFoundError, "420111003: no boundary"),
    ],
)
def test_every_refusal_names_what_was_found_and_expected(register, tmp_path, monkeypatch, argv, error, says):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=says):
        export(register, *argv)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_division_points_to_the_command_that_loads_it(register, tmp_path):
    with pytest.raises(NotFoundError) as caught:
        export(register, "buildings", tmp_path / "x.gpkg", "--division", "330109")
    assert "cim ingest divisions" in caught.value.hint


def test_cityjson_needs_a_city_profile_and_the_others_do_not(settings, tmp_path):
    with pytest.raises(ConfigError, match="city profile"):
        export(settings, "buildings", tmp_path / "x.city.json")
    assert export(settings, "buildings", tmp_path / "x.gpkg")["rows"] == 0
