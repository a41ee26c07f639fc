"""``cim export``: files read back by other software and compared with what SQL says; names for people."""

import csv
import json
import sqlite3
import subprocess
from datetime import datetime, timedelta

import geopandas
import pyarrow.parquet as pq
import pyogrio
import pyproj
import pytest
import shapely

from cim.errors import InvalidParameterError
from tests.support.exports import CORE, TABLES, export, read, rows, where


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
