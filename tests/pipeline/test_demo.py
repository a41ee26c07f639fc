"""The main job end to end: sample files → store → tiles → HTTP, values checked against the source files."""

import csv
import itertools
import json
import struct
import subprocess
import sys
import urllib.request
from collections import Counter

import numpy as np
import pyogrio
import pyproj
import pytest
import shapely

from cim.codes import registry
from cim.db import engine
from tests.support.cli import run_cim
from tests.support.server import environment

KINDS = {"JS": "water", "YS": "rainwater", "WS": "sewage", "RQ": "gas", "GD": "power", "LD": "lighting"}
CORE = {
    "code", "name", "address", "division_code", "height_m", "ground_elevation_m", "storeys_above", "storeys_below", "use",
    "structure", "year_built", "footprint_area_m2", "floor_area_m2", "safety_grade", "status", "source_dataset", "version",
    "valid_from",
}  # fmt: skip


def fetch(url):
    request = urllib.request.Request(url, headers={"Accept": "application/json"})  # noqa: S310 - our own server
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - our own server
        return json.loads(answer.read())


@pytest.fixture(scope="module")
def source(sample_data):
    frame = pyogrio.raw.read(f"/vsizip/{sample_data}/census/guanggu_census.zip", encoding="GB18030")
    meta, _, geometry, columns = frame
    return dict(zip(meta["fields"], columns, strict=True)), shapely.from_wkb(geometry)


def _count_rows(path):
    with path.open(encoding="utf-8-sig", newline="") as handle:
        return sum(1 for _ in csv.DictReader(handle))


def test_the_counts_of_every_dataset_add_up_and_match_the_files(demo_city, source, sample_data):
    datasets = {(row["kind"], row["name"]): row for row in demo_city[1]["datasets"]}
    for row in datasets.values():
        assert row["n_read"] == row["n_accepted"] + row["n_unchanged"] + row["n_rejected"]
    census = next(row for (kind, name), row in datasets.items() if kind == "census" and "bad" not in name)
    assert census["n_read"] == len(source[1]) == 237
    addresses = next(row for (kind, _), row in datasets.items() if kind == "addresses")
    assert addresses["n_read"] == _count_rows(sample_data / "addresses/addresses.csv")
    faulty = next(row for (kind, name), row in datasets.items() if kind == "census" and "bad" in name)
    assert faulty["n_rejected"] > 0


def test_every_building_of_the_file_is_in_the_api_with_a_valid_code_of_its_own(demo_server, source):
    page = fetch(f"{demo_server}/collections/buildings/items?limit=1000")
    codes = [feature["id"] for feature in page["features"]]
    assert page["numberMatched"] == len(codes) >= 237
    assert len(set(codes)) == len(codes)
    for code in codes:
        registry.scheme("CIM-BC27-v1").verify(code)
    assert set(page["features"][0]["properties"]) >= CORE


def test_a_named_building_has_the_position_height_and_name_of_its_source(demo_server, source):
    fields, geometry = source
    named = [row for row, name in enumerate(fields["jzmc"]) if name and Counter(fields["jzmc"])[name] == 1]
    features = fetch(f"{demo_server}/collections/buildings/items?limit=1000")["features"]
    by_name = {feature["properties"]["name"]: feature for feature in features}
    assert len(named) > 20
    for row in named:
        found = by_name[fields["jzmc"][row]]
        centre, expected = shapely.centroid(shapely.from_geojson(json.dumps(found["geometry"]))), shapely.centroid(geometry[row])
        # 1e-7 deg is about a centimetre; the source is EPSG:4490 and the answer CRS84, a null transformation.
        assert (centre.x, centre.y) == pytest.approx((expected.x, expected.y), abs=1e-7)
        assert found["properties"]["height_m"] == pytest.approx(float(fields["gd"][row]), abs=1e-6)
        assert found["properties"]["address"] == fields["address"][row]


@pytest.mark.parametrize(("prefix", "kind"), KINDS.items())
def test_every_pipe_of_the_survey_is_in_the_api_at_its_surveyed_place(demo_server, demo_city, sample_data, prefix, kind):
    with (sample_data / f"networks/{prefix}LINE.csv").open(encoding="utf-8-sig", newline="") as handle:
        rows = {row["LNO"]: row for row in csv.DictReader(handle)}
    page = fetch(f"{demo_server}/collections/{kind}-lines/items?limit=10000")
    assert page["numberMatched"] == len(page["features"]) == len(rows)
    points = fetch(f"{demo_server}/collections/{kind}-points/items?limit=1")
    assert points["numberMatched"] == _count_rows(sample_data / f"networks/{prefix}POINT.csv")
    # PROJ in authority order: X north, Y east, as the survey writes them.
    to_lonlat = pyproj.Transformer.from_crs("EPSG:4547", "EPSG:4490", always_xy=True)  # noqa: TID251 - the reference
    found = shapely.points([feature["geometry"]["coordinates"][0][:2] for feature in page["features"]])
    expected = shapely.points([to_lonlat.transform(float(row["S_Y"]), float(row["S_X"])) for row in rows.values()])
    for left, right in ((found, expected), (expected, found)):
        _, distance = shapely.STRtree(right).query_nearest(left, return_distance=True, all_matches=False)
        # 1e-7 deg is about a centimetre.
        assert len(distance) == len(rows)
        assert distance.max() < 1e-7


def test_the_bim_models_stand_where_their_placement_says(demo_server, sample_data):
    models = {feature["properties"]["name"]: feature for feature in fetch(f"{demo_server}/collections/bim-models/items")["features"]}
    with (sample_data / "ifc/placement.csv").open(encoding="utf-8", newline="") as handle:
        placements = list(csv.DictReader(handle))
    assert len(models) == len(placements) == 3
    for row in placements:
        outline = shapely.from_geojson(json.dumps(models[row["title"]]["geometry"]))
        # 0.001 deg is about 100 m: every model is smaller than that.
        assert outline.distance(shapely.Point(float(row["lon"]), float(row["lat"]))) < 0.001
        assert outline.is_valid


def test_the_zones_of_the_plan_hold_at_buildings(demo_server, demo_city, sample_data):
    meta, _, geometry, columns = pyogrio.raw.read(sample_data / "planning/plan.gpkg")
    plan = dict(zip(meta["fields"], columns, strict=True))
    found = fetch(f"{demo_server}/collections/planning-controls/items?limit=1000")
    assert found["numberMatched"] == len(geometry)
    kinds = Counter(feature["properties"]["control"] for feature in found["features"])
    assert kinds["plot"] == (plan["管控类型"] == "地块").sum()
    assert kinds["height_limit"] == fetch(f"{demo_server}/collections/planning-controls/items?control=height_limit")["numberMatched"] == 1
    # Every building above 60 m with a centre in the height zone is found, whatever else stands in the way.
    limit = next(feature for feature in found["features"] if feature["properties"]["control"] == "height_limit")
    area = shapely.from_geojson(json.dumps(limit["geometry"]))
    buildings = fetch(f"{demo_server}/collections/buildings/items?limit=1000&filter=height_m>60.05")["features"]
    tall = [one["id"] for one in buildings if area.contains(shapely.from_geojson(json.dumps(one["geometry"])).centroid)]
    assert len(tall) > 0
    for code in tall[:3]:
        body = json.dumps({"inputs": {"building_code": code}}).encode()
        request = urllib.request.Request(  # noqa: S310 - our own server
            f"{demo_server}/processes/planning-check/execution", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - our own server
            findings = json.loads(answer.read())["findings"]
        assert ("height", "broken") in {(one["rule"], one["verdict"]) for one in findings if one["control"] == "height_limit"}


def test_gdal_reads_every_collection_with_the_right_count(demo_server):
    wanted = {c["id"] for c in fetch(f"{demo_server}/collections")["collections"] if c["itemType"] == "feature"}
    assert {"divisions", "buildings", "addresses", "bim-models", "bim-elements", "water-lines", "gas-points"} <= wanted
    for collection in sorted(wanted):
        expected = fetch(f"{demo_server}/collections/{collection}/items?limit=1")["numberMatched"]
        if expected == 0:
            continue
        info = pyogrio.read_info(f"OAPIF:{demo_server}/", layer=collection, force_feature_count=True)
        assert info["features"] == expected, collection


def test_gdal_reads_the_buildings_with_longitude_first(demo_server, source):
    _, _, geometry, _ = pyogrio.raw.read(f"OAPIF:{demo_server}/", layer="buildings")
    found, expected = shapely.total_bounds(shapely.from_wkb(geometry)), shapely.total_bounds(source[1])
    assert found[:2] == pytest.approx(expected[:2], abs=0.01)
    assert found[2:] == pytest.approx(expected[2:], abs=0.01)


def _glb_codes(content):
    """Read the code column of a glb's property table by hand, after the EXT_structural_metadata specification."""
    length = struct.unpack_from("<I", content, 12)[0]
    document = json.loads(content[20 : 20 + length])
    binary = content[20 + length + 8 :]
    view = document["bufferViews"]
    properties = document["extensions"]["EXT_structural_metadata"]["propertyTables"][0]["properties"]
    if "code" not in properties:
        return []  # a block of the far view stands for many buildings
    column = properties["code"]

    def part(index):
        start = view[index].get("byteOffset", 0)
        return binary[start : start + view[index]["byteLength"]]

    width = {"UINT8": "<u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8"}[column.get("stringOffsetType", "UINT32")]
    offsets = np.frombuffer(part(column["stringOffsets"]), dtype=width).astype(int)
    values = part(column["values"])
    return [values[a:b].decode() for a, b in itertools.pairwise(offsets)]


def _contents(tile):
    if "content" in tile:
        yield tile["content"]["uri"]
    for child in tile.get("children", []):
        yield from _contents(child)


def test_the_tiles_served_carry_exactly_the_codes_of_the_api(demo_server):
    features = fetch(f"{demo_server}/collections/buildings/items?limit=1000")["features"]
    standing = {f["id"] for f in features if f["properties"]["status"] in ("existing", "under_construction")}
    tileset = fetch(f"{demo_server}/3dtiles/buildings/tileset.json")
    codes = Counter()
    for uri in _contents(tileset["root"]):
        with urllib.request.urlopen(f"{demo_server}/3dtiles/buildings/{uri}", timeout=30) as answer:  # noqa: S310 - our own server
            codes.update(_glb_codes(answer.read()))
    assert set(codes) == standing
    assert set(codes.values()) == {1}


def test_a_second_run_changes_nothing(demo_city):
    settings, first = demo_city
    with engine.connect(settings) as connection:
        before = connection.execute("SELECT count(*), max(id) FROM change_event").fetchone()
    again = run_cim(settings, "demo", "--no-serve", "--json")
    assert again.code == 0, again.err
    with engine.connect(settings) as connection:
        assert connection.execute("SELECT count(*), max(id) FROM change_event").fetchone() == before
    assert again.json()["datasets"] == first["datasets"]


def test_the_tiles_are_valid(demo_city):
    result = run_cim(demo_city[0], "tiles", "validate", "--json")
    assert result.code == 0, result.out


def test_the_worker_rebuilds_tiles_after_a_change(demo_city):
    settings, _ = demo_city
    with engine.connect(settings) as connection:
        read = connection.execute("SELECT last_event_id FROM tileset WHERE layer = 'buildings'").fetchone()
        connection.execute(
            """WITH c AS (INSERT INTO change_set (id, author, operation, reason)
                         VALUES (cim_uuid7(), 't', 'edit', 'looked at again') RETURNING id)
               UPDATE building SET recorded_at = now(), change_set_id = c.id FROM c WHERE code = (SELECT min(code) FROM building)"""
        )
    argv = [sys.executable, "-m", "cim", "worker", "--once"]
    done = subprocess.run(argv, env=environment(settings), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    with engine.connect(settings) as connection:
        assert connection.execute("SELECT last_event_id FROM tileset WHERE layer = 'buildings'").fetchone()[0] > read[0]
