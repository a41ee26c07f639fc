"""The sample city against its README, the survey rules and its own sources; needs no database."""

import csv
import hashlib
import math
import re
import struct
import subprocess
import sys
import zipfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pyproj
import pytest
import rasterio
import shapely
import yaml

ROOT = Path(__file__).parents[3]
SAMPLE = ROOT / "sample_data"
KINDS = ("JS", "YS", "WS", "RQ", "GD", "LD")
OSM_FOOTPRINTS = 237  # counted in the OSM layer, README of the source collection
NETWORKS = SAMPLE / "networks"

pytestmark = pytest.mark.skipif(not (SAMPLE / "README.md").exists(), reason="the sample city is not here")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def layer(path: Path | str, name: str | None = None) -> tuple[dict[str, Any], Any, dict[str, Any]]:
    meta, _, blobs, columns = pyogrio.raw.read(path, layer=name)
    return dict(zip(meta["fields"], columns, strict=True)), shapely.from_wkb(blobs), meta


def census(name: str = "guanggu_census") -> tuple[dict[str, Any], Any, dict[str, Any]]:
    return layer(f"/vsizip/{SAMPLE}/census/{name}.zip/{name}.shp")


def dbf_records(name: str = "guanggu_census") -> tuple[list[dict[str, bytes]], str]:
    """Read the DBF by its file format (dBASE III), values as bytes."""
    with zipfile.ZipFile(SAMPLE / "census" / f"{name}.zip") as archive:
        content = archive.read(f"{name}.dbf")
        cpg = archive.read(f"{name}.cpg").decode()
    count, head, size = struct.unpack("<IHH", content[4:12])
    fields, at = [], 32
    while content[at] != 0x0D:
        fields.append((content[at : at + 11].split(b"\0")[0].decode("ascii"), content[at + 16]))
        at += 32
    records = []
    for i in range(count):
        place = head + i * size + 1
        record = {}
        for field, width in fields:
            record[field] = content[place : place + width]
            place += width
        records.append(record)
    return records, cpg


def points_of(kind: str) -> dict[str, dict[str, str]]:
    return {p["EXP_NO"]: p for p in rows(NETWORKS / f"{kind}POINT.csv")}


def lines_of(kind: str) -> list[dict[str, str]]:
    return rows(NETWORKS / f"{kind}LINE.csv")


# --- package -----------------------------------------------------------------------------------------------------------------


def test_every_file_has_its_checksum_in_the_readme() -> None:
    stated = dict(re.findall(r"^\| (\S+) \| \d+ \| ([0-9a-f]{64}) \|$", (SAMPLE / "README.md").read_text("utf-8"), re.M))
    files = {p.relative_to(SAMPLE).as_posix(): p for p in SAMPLE.rglob("*") if p.is_file() and p.name != "README.md"}
    assert stated == {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}


def test_the_sample_stays_below_15_megabytes() -> None:
    assert sum(p.stat().st_size for p in SAMPLE.rglob("*") if p.is_file()) <= 15e6


def test_the_readme_says_what_is_synthetic_and_who_is_owed_attribution() -> None:
    text = (SAMPLE / "README.md").read_text("utf-8")
    assert "© OpenStreetMap contributors, ODbL 1.0" in text
    assert "buildings do not stand here" in text
    for word in ("CC BY 4.0", "MPL-2.0", "MIT"):
        assert word in text


def test_a_second_run_gives_the_same_bytes(real_data: Path, tmp_path: Path) -> None:
    script = ROOT / "scripts" / "make_sample_city.py"
    subprocess.run([sys.executable, script, "--data", real_data, "--out", tmp_path], check=True, capture_output=True)
    assert (tmp_path / "README.md").read_bytes() == (SAMPLE / "README.md").read_bytes()


# --- divisions ---------------------------------------------------------------------------------------------------------------


def test_division_codes_have_twelve_digits_and_a_parent_in_the_table() -> None:
    table = {r["code"]: r for r in rows(SAMPLE / "divisions" / "divisions.csv")}
    assert all(re.fullmatch(r"\d{12}", code) for code in table)
    assert Counter(r["level"] for r in table.values())["county"] == 13  # Wuhan has 13 districts
    for row in table.values():
        assert row["parent_code"] in table or row["level"] == "province"


def test_communities_tile_their_towns_and_county_without_gap_or_overlap() -> None:
    fields, shapes, meta = layer(SAMPLE / "divisions" / "boundaries.gpkg", "divisions")
    assert meta["crs"] == "EPSG:4490"
    assert set(fields["synthetic"]) == {1}
    by_level = defaultdict(dict)
    for code, level, shape in zip(fields["code"], fields["level"], shapes, strict=True):
        by_level[level][code] = shape
    villages = by_level["village"]
    assert {level: len(found) for level, found in by_level.items()} == {"village": 14, "town": 3, "county": 1}
    for level in ("village", "town"):
        assert shapely.coverage_is_valid(list(by_level[level].values()))
    for code, town in by_level["town"].items():
        children = [shape for child, shape in villages.items() if child[:9] == code[:9]]
        assert shapely.union_all(children).symmetric_difference(town).area == 0
    assert sum(shape.area for shape in villages.values()) == pytest.approx(by_level["county"]["420111000000"].area, rel=1e-12)


def test_every_boundary_code_is_a_real_code_of_the_table() -> None:
    names = {r["code"]: r["name"] for r in rows(SAMPLE / "divisions" / "divisions.csv")}
    fields, _, _ = layer(SAMPLE / "divisions" / "boundaries.gpkg", "divisions")
    assert [names[code] for code in fields["code"]] == list(fields["name"])


# --- census ------------------------------------------------------------------------------------------------------------------


def test_the_census_has_every_osm_footprint_once() -> None:
    fields, shapes, meta = census()
    assert len(shapes) == OSM_FOOTPRINTS == len(set(fields["osm_id"])) == len(set(fields["fwbh"]))
    assert meta["crs"] == "EPSG:4490"
    assert shapely.is_valid(shapes).all()


def test_the_dbf_is_gb18030_and_its_names_survive() -> None:
    records, cpg = dbf_records()
    assert cpg.strip() == "GB18030"
    names = {r["jzmc"].decode("gb18030").strip() for r in records}
    assert {"光谷資本大廈", "华美达大酒店", "武汉工程大学图书馆"} <= names
    assert all("合成示例数据" in r["bz"].decode("gb18030") for r in records)
    assert all(len(field) <= 10 for field in records[0])
    assert not {"hzxm", "sfz", "lxdh"} & set(records[0])


def test_census_attributes_keep_the_quality_rules_a04_to_a08() -> None:
    f, shapes, _ = census()
    to_metres = pyproj.Transformer.from_crs("EPSG:4490", "EPSG:4547", always_xy=True)  # noqa: TID251 - independent of cim.crs
    for i, shape in enumerate(shapes):
        area = shapely.transform(shape, lambda xy: np.column_stack(to_metres.transform(xy[:, 0], xy[:, 1]))).area
        above, below, year = int(f["cs"][i]), int(f["dxcs"][i]), int(f["build_time"][i])
        assert 1 <= above <= 150
        assert 0 <= below <= 10
        assert 2.2 <= f["gd"][i] / above <= (6.0 if f["fwlb"][i] == "1" else 15.0)
        assert 0.4 * area * above <= f["dcmj"][i] <= 1.3 * area * (above + below)
        assert 1800 <= year <= 2026
        assert np.isnan(f["jgsj"][i]) == (f["sfkzjg"][i] == "0")
        assert np.isnan(f["jgsj"][i]) or year <= f["jgsj"][i] <= 2026
        assert (f["aqjdjl"][i] is None) == (f["sfjgaqjd"][i] == "0")


def test_the_profile_knows_every_code_in_the_census() -> None:
    profile = yaml.safe_load((SAMPLE / "census" / "profile.yaml").read_text("utf-8"))
    f, _, _ = census()
    for name, field in profile["fields"].items():
        assert field["source"] in f, name
        if field["type"] == "enum":
            assert {v for v in f[field["source"]] if v is not None} <= set(field["values"]), name
    assert set(profile["keep"]) <= set(f)


def test_each_bad_record_names_its_fault() -> None:
    f, shapes, _ = census("guanggu_census_bad")
    faults = [text.split("fault: ")[1] for text in f["bz"] if "fault" in text]
    assert len(faults) == 8
    assert sum(shape is None for shape in shapes) == 1
    assert Counter(f["fwbh"]).most_common(1)[0][1] == 2


# --- addresses ---------------------------------------------------------------------------------------------------------------


def test_every_building_has_an_address_inside_its_footprint() -> None:
    f, shapes, _ = census()
    footprint = dict(zip(f["fwbh"], shapes, strict=True))
    found = rows(SAMPLE / "addresses" / "addresses.csv")
    assert {r["建筑编号"] for r in found} - {""} == set(footprint)
    for row in found:
        assert row["坐标系"] == "EPSG:4490"
        if row["建筑编号"]:
            assert footprint[row["建筑编号"]].buffer(1e-7).contains(shapely.Point(float(row["经度"]), float(row["纬度"])))


def test_real_address_texts_are_told_from_synthetic_ones() -> None:
    found = rows(SAMPLE / "addresses" / "addresses.csv")
    assert any("726号华美达大酒店" in r["原始地址"] and r["synthetic"] == "0" for r in found)
    assert any("光谷资本大厦" in r["原始地址"] and "MIT" in r["来源"] for r in found)
    assert all(r["synthetic"] == "1" for r in found if "合成门牌" in r["来源"])


# --- networks ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_every_line_end_is_a_point_at_the_same_place_and_depth_is_sane(kind: str) -> None:
    points, lines = points_of(kind), lines_of(kind)
    assert 300 <= len(lines) <= 2000
    for line in lines:
        for end in "SE":
            point = points[line[f"{end}_EXP"]]
            assert (line[f"{end}_X"], line[f"{end}_Y"]) == (point["X"], point["Y"])
            assert 0 <= float(line[f"{end}_DEEP"]) <= 15
            assert float(line[f"{end}_HIGH"]) == pytest.approx(float(point["HIGH"]) - float(line[f"{end}_DEEP"]), abs=0.006)
    assert all(row["NOTE"] == "合成" for row in (*points.values(), *lines))


@pytest.mark.parametrize("kind", KINDS)
def test_each_network_is_one_connected_graph_without_duplicate_points(kind: str) -> None:
    points, around = points_of(kind), defaultdict(set)
    for line in lines_of(kind):
        around[line["S_EXP"]].add(line["E_EXP"])
        around[line["E_EXP"]].add(line["S_EXP"])
    seen, stack = set(), [next(iter(points))]
    while stack:
        here = stack.pop()
        if here not in seen:
            seen.add(here)
            stack += around[here]
    assert seen == set(points)
    xy = [shapely.Point(float(p["Y"]), float(p["X"])) for p in points.values()]
    assert shapely.STRtree(xy).query(xy, predicate="dwithin", distance=0.1).shape[1] == len(xy)


@pytest.mark.parametrize("kind", KINDS)
def test_x_is_the_northing_and_features_agree_with_the_degree(kind: str) -> None:
    points = points_of(kind)
    degree = Counter(line[end] for line in lines_of(kind) for end in ("S_EXP", "E_EXP"))
    for number, point in points.items():
        assert 3_370_000 < float(point["X"]) < 3_380_000
        assert 536_000 < float(point["Y"]) < 540_000
        if point["FEATURE"] in ("三通", "四通"):
            assert degree[number] == {"三通": 3, "四通": 4}[point["FEATURE"]]
        if point["FEATURE"] in ("入户", "户出", "起始点", "终止点", "进水口", "出水口"):
            assert degree[number] == 1


@pytest.mark.parametrize("kind", ["YS", "WS"])
def test_gravity_lines_fall_in_the_direction_of_flow_to_one_outfall(kind: str) -> None:
    leaves = Counter()
    for line in lines_of(kind):
        fall = float(line["S_HIGH"]) - float(line["E_HIGH"])
        assert (fall if line["FLOWDIR"] == "+" else -fall) > 0, line["LNO"]
        leaves[line["S_EXP" if line["FLOWDIR"] == "+" else "E_EXP"]] += 1
    assert max(leaves.values()) == 1  # a tree: every manhole is left by one pipe
    outfalls = [number for number in points_of(kind) if number not in leaves]
    assert [points_of(kind)[number]["FEATURE"] for number in outfalls] == ["出水口"]


def test_the_network_profile_knows_every_word_of_the_tables() -> None:
    profile = yaml.safe_load((NETWORKS / "profile.yaml").read_text("utf-8"))
    assert profile["axis"] == "northing-easting"
    for kind in KINDS:
        for row in points_of(kind).values():
            assert row["FEATURE"] == "" or row["FEATURE"] in profile["points"]["feature"]["values"]
            assert row["SUBSID"] == "" or row["SUBSID"] in profile["points"]["appendage"]["values"]
        for row in lines_of(kind):
            assert row["MATERIAL"] in profile["lines"]["material"]["values"]
            assert row["EMBED"] in profile["lines"]["embedding"]["values"]
            assert re.fullmatch(r"DN\d+|\d+X\d+", row["PSIZE"])


# --- terrain -----------------------------------------------------------------------------------------------------------------


def test_the_terrain_covers_the_buildings_with_300_metres_to_spare_and_says_it_is_synthetic() -> None:
    with rasterio.open(SAMPLE / "terrain" / "guanggu_dem.tif") as raster:
        assert raster.crs.to_epsg() == 4547
        assert (raster.dtypes[0], raster.nodata, raster.res) == ("float32", -9999.0, (5.0, 5.0))
        assert raster.tags()["SYNTHETIC"] == "YES"
        assert raster.tags()["VERTICAL_DATUM"] == "EPSG:5737"
        z = raster.read(1)
        bounds = raster.bounds
        assert 20 <= z.min() < z.max() <= 45
        point = next(iter(points_of("JS").values()))
        sample = next(raster.sample([(float(point["Y"]), float(point["X"]))]))[0]
        assert float(point["HIGH"]) == pytest.approx(float(sample), abs=0.5)
    west, south, east, north = pyproj.Transformer.from_crs(  # noqa: TID251 - independent of cim.crs
        "EPSG:4490", "EPSG:4547", always_xy=True
    ).transform_bounds(*shapely.total_bounds(census()[1]))
    assert bounds.left <= west - 300
    assert bounds.bottom <= south - 300
    assert bounds.right >= east + 300
    assert bounds.top >= north + 300


# --- models ------------------------------------------------------------------------------------------------------------------


def map_conversion(path: Path) -> list[float]:
    """Read easting, northing, height, abscissa, ordinate and scale from the text of the file."""
    text = path.read_text("latin-1")
    entity = re.search(r"IFCMAPCONVERSION\(#\d+,#\d+,([^)]*)\)", text)
    if entity:
        return [float(value) for value in entity[1].split(",")]
    names = ("Eastings", "Northings", "OrthogonalHeight", "XAxisAbscissa", "XAxisOrdinate", "Scale")
    return [float(re.search(rf"IFCPROPERTYSINGLEVALUE\('{name}',\$,IFC\w+\(([^)]*)\)", text)[1]) for name in names]


@pytest.mark.parametrize("placed", rows(SAMPLE / "ifc" / "placement.csv") if SAMPLE.exists() else [], ids=lambda r: r["file"])
def test_a_model_lands_where_the_placement_table_says(placed: dict[str, str]) -> None:
    text = (SAMPLE / "ifc" / placed["file"]).read_text("latin-1")
    east, north, height, abscissa, ordinate, scale = map_conversion(SAMPLE / "ifc" / placed["file"])
    assert "EPSG:4547" in text
    assert "EPSG:5737" in text
    assert (east, north, height, scale) == (float(placed["easting"]), float(placed["northing"]), float(placed["height"]), 1.0)
    angle = math.degrees(math.atan2(ordinate, abscissa))
    assert angle == pytest.approx(float(placed["rotation_deg"]), abs=1e-4)
    lon, lat = pyproj.Transformer.from_crs("EPSG:4547", "EPSG:4490", always_xy=True).transform(east, north)  # noqa: TID251
    assert (lon, lat) == pytest.approx((float(placed["lon"]), float(placed["lat"])), abs=1e-8)
    spot = shapely.Point(lon, lat)
    if placed["anchor"] == "building":
        f, shapes, _ = census()
        index = list(f["osm_id"]).index(int(placed["osm_id"]))
        assert shapes[index].contains(spot)
        assert f["fwbh"][index] == placed["fwbh"]
    else:
        f, shapes, _ = layer(SAMPLE / "roads" / "roads.gpkg", "roads")
        assert shapes[list(f["osm_id"]).index(int(placed["osm_id"]))].distance(spot) < 5e-5  # 5 m


@pytest.mark.parametrize(
    ("name", "schema", "products"), [("fzk_haus", "IFC4", 80), ("duplex", "IFC2X3", 200), ("drainage", "IFC4X3_ADD2", 13)]
)
def test_a_model_opens_and_gives_geometry_near_its_origin(name: str, schema: str, products: int) -> None:
    code = (
        "import sys, ifcopenshell, ifcopenshell.geom as g\n"
        "f = ifcopenshell.open(sys.argv[1]); s = g.settings(); s.set('use-world-coords', True)\n"
        "i = g.iterator(s, f, 1, geometry_library='hybrid-cgal-simple-opencascade'); n = 0; far = 0.0; more = i.initialize()\n"
        "while more:\n"
        "    v = i.get().geometry.verts; n += bool(len(v)); far = max([far, *map(abs, v)]); more = i.next()\n"
        "print(f.schema_identifier, n, far)\n"
    )
    path = SAMPLE / "ifc" / f"{name}.ifc"
    out = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True).stdout.split()
    assert out[0] == schema
    assert int(out[1]) >= products
    assert float(out[2]) < 50


def test_the_plan_covers_blocks_without_overlap_and_says_that_it_is_made_up():
    plan, shapes, meta = layer(SAMPLE / "planning" / "plan.gpkg")
    assert meta["crs"] == "EPSG:4490"
    assert shapely.is_valid(shapes).all()
    assert set(plan["管控类型"]) == {"地块", "道路红线", "蓝线", "限高区"}
    assert all("合成" in name for name in plan["规划名称"])
    plots = shapes[plan["管控类型"] == "地块"]
    first, second = shapely.STRtree(plots).query(plots, predicate="intersects")
    shared = shapely.area(shapely.intersection(plots[first[first < second]], plots[second[first < second]]))
    # 1e-10 square degrees are about a square metre.
    assert len(plots) >= 20
    assert (shared < 1e-10).all()
