"""City models out of the store again: nothing lost on the way through, and the best geometry for every building of the register."""

import json
import subprocess
import sys
import time

import numpy as np
import pytest

from cim.db import engine
from tests.pipeline.test_citymodels import PROFILE
from tests.support.cityjson import faults, plain
from tests.support.cli import run_cim

CJIO = """
import json, sys
from cjio import cityjson
found = cityjson.CityJSON(file=open(sys.argv[1], encoding="utf-8"))
print(json.dumps({"epsg": found.get_epsg(), "objects": len(found.j["CityObjects"]), "orphans": found.remove_orphan_vertices()}))
"""
OURS = {"cim_code", "cim_building_code"}


def town_of(settings, folder):
    profile = folder / "city.yaml"
    profile.write_text(PROFILE, encoding="utf-8")
    assert run_cim(settings, "db", "profile", profile).code == 0
    return settings


@pytest.fixture
def town(settings, tmp_path):
    return town_of(settings, tmp_path)


def ran(settings, *argv):
    result = run_cim(settings, *argv, "--json")
    assert result.code == 0, result.err
    return result.json()


def by_cjio(path):
    """Read a file by cjio, in a process of its own: the package makes Python's JSON round every number."""
    done = subprocess.run([sys.executable, "-c", CJIO, path], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def load(settings, path, *more):
    return ran(settings, "ingest", "citymodel", path, *more)[0]


def out(settings, collection, path, *more):
    report = ran(settings, "export", collection, path, *more)
    return json.loads(path.read_text(encoding="utf-8")), report


def assert_same(found, expected, *, within_m):
    """Compare plain models: everything equal, coordinates within a distance [m]."""
    assert set(found) == set(expected)
    for key, one in expected.items():
        got = found[key]
        assert {name: value for name, value in got["attributes"].items() if name not in OURS} == one["attributes"]
        assert (got["type"], got["parents"], got["children"]) == (one["type"], one["parents"], one["children"])
        assert set(got["shapes"]) == set(one["shapes"])
        for lod, shape in one["shapes"].items():
            made = got["shapes"][lod]
            assert made["type"] == shape["type"]
            assert [place for place, _ in made["rings"]] == [place for place, _ in shape["rings"]]
            for (_, a), (_, b) in zip(made["rings"], shape["rings"], strict=True):
                assert a.shape == b.shape
                assert np.abs(a - b).max() <= within_m
            assert (made["meanings"], made["textures"]) == (shape["meanings"], shape["textures"])
            assert made["materials"] == shape["materials"]


@pytest.mark.parametrize(
    ("name", "more", "crs"),
    [
        ("delft_3dbag.city.json", (), "EPSG:28992"),
        ("denhaag_subset.city.json", ("--crs", "EPSG:7415"), "EPSG:28992"),
        ("rotterdam_textured/rotterdam_subset.json", ("--crs", "EPSG:7415"), "EPSG:28992"),
        ("rotterdam_textured/rotterdam_one.json", (), "EPSG:28992"),
        ("zurich_subset_lod2.city.json", ("--vertical-datum", "EPSG:5709"), "EPSG:2056"),
    ],
)
def test_a_cityjson_file_comes_out_as_it_went_in(town, real_data, tmp_path, name, more, crs):
    path = real_data / "citymodels" / name
    load(town, path, *more)
    made, report = out(town, "city-objects", tmp_path / "out.city.json", "--crs", crs)
    source = json.loads(path.read_text(encoding="utf-8"))
    assert faults(made) == []
    assert report["rows"] == len(source["CityObjects"])
    theirs = by_cjio(tmp_path / "out.city.json")
    assert f"EPSG:{theirs['epsg']}" == crs
    assert theirs["objects"] == len(source["CityObjects"])
    # cjio takes out what nothing points at: there must be nothing.
    assert theirs["orphans"] == 0
    # Half a step of the millimetre grid on each axis, and the way through degrees.
    assert_same(plain(made), plain(source), within_m=0.0006)


@pytest.mark.parametrize(
    ("name", "more", "crs"),
    [
        ("lod4_building_citygml2.gml", ("--shift", "0.001"), "EPSG:25832"),
        ("ingolstadt_lod3_4018204a.gml", ("--crs", "EPSG:25832", "--shift", "0.001"), "EPSG:25832"),
        ("plateau_yokosuka_dem.gml", ("--shift", "0.001"), "EPSG:6677"),
        ("plateau_yokosuka_bldg.gml", ("--shift", "0.001"), "EPSG:6677"),
        ("vienna.city.jsonl", ("--crs", "EPSG:31256", "--shift", "156.68"), "EPSG:31256"),
    ],
)
def test_what_is_kept_of_any_format_survives_a_second_way_through(town, store, real_data, tmp_path, name, more, crs):
    load(town, real_data / "citymodels" / name, *more)
    first, _ = out(town, "city-objects", tmp_path / "first.city.json", "--crs", crs)
    assert faults(first) == []
    other = store.create()
    second_town = town_of(store.settings(other, tmp_path / "second"), tmp_path)
    made = load(second_town, tmp_path / "first.city.json", "--vertical-datum", "EPSG:5709")
    assert (made["accepted"], made["rejected"]) == (len(first["CityObjects"]), 0)
    again, _ = out(second_town, "city-objects", tmp_path / "second.city.json", "--crs", crs)
    expected = plain(first)
    for one in expected.values():
        one["attributes"] = {name: value for name, value in one["attributes"].items() if name not in OURS}
    assert_same(plain(again), expected, within_m=0.0011)
    store.drop(other)


def test_a_building_has_the_geometry_of_its_model_and_another_one_its_block(town, real_data, tmp_path):
    path = real_data / "citymodels" / "denhaag_subset.city.json"
    source = json.loads(path.read_text(encoding="utf-8"))
    key = next(key for key, one in source["CityObjects"].items() if one["type"] == "Building" and one.get("children"))
    with engine.connect(town) as connection:
        connection.execute(
            """INSERT INTO change_set (id, author, operation, reason)
               VALUES ('018f0000-0000-7000-8000-000000000001', 'test', 'ingest', 'test')"""
        )
        for code, west in (("B1", 4.29), ("B2", 4.30)):
            connection.execute(
                """INSERT INTO building (code, code_scheme, county_code, division_code, height_m, ground_elevation_m, geom, change_set_id)
                   VALUES (%s, 'CIM-BC27-v1', '420111', '420111001001', 10, 2,
                           ST_Multi(ST_MakeEnvelope(%s, 52.07, %s + 0.0001, 52.0701, 4490)), '018f0000-0000-7000-8000-000000000001')""",
                [code, west, west],
            )
    before, report = out(town, "buildings", tmp_path / "before.city.json")
    assert (faults(before), report["buildings_from_models"]) == ([], 0)
    # The model names the building by its code.
    text = path.read_text(encoding="utf-8").replace(json.dumps(key), '"B1"')
    (tmp_path / "named.city.json").write_text(text, encoding="utf-8")
    time.sleep(0.01)
    with engine.connect(town) as connection:
        moment = connection.execute("SELECT clock_timestamp()").fetchone()[0]
    time.sleep(0.01)
    load(town, tmp_path / "named.city.json", "--crs", "EPSG:7415")
    made, report = out(town, "buildings", tmp_path / "now.city.json")
    assert faults(made) == []
    assert (report["rows"], report["buildings_from_models"]) == (2, 1)
    found, expected = plain(made), plain(source)
    parts = source["CityObjects"][key]["children"]
    assert len(found["B1"]["children"]) == len(parts)
    assert found["B1"]["attributes"]["height_m"] == 10
    lods = {lod for part in parts for lod in expected[part]["shapes"]}
    assert {lod for part in found["B1"]["children"] for lod in found[part]["shapes"]} == lods
    meanings = {one["type"] for part in found["B1"]["children"] for shape in found[part]["shapes"].values() for one in shape["meanings"]}
    assert {"RoofSurface", "WallSurface", "GroundSurface"} <= meanings
    assert set(found["B2"]["shapes"]) == {"1.2"}
    # Before the model was loaded the register knew a block only.
    then, report = out(town, "buildings", tmp_path / "then.city.json", "--date", moment.isoformat())
    assert report["buildings_from_models"] == 0
    assert plain(then).keys() == {"B1", "B2"}
    assert set(plain(then)["B1"]["shapes"]) == {"1.2"}


def test_a_division_cuts_a_model_out_by_whole_families(town, real_data, tmp_path):
    path = real_data / "citymodels" / "denhaag_subset.city.json"
    load(town, path, "--crs", "EPSG:7415")
    source = json.loads(path.read_text(encoding="utf-8"))
    with engine.connect(town) as connection:
        connection.execute(
            """INSERT INTO change_set (id, author, operation, reason)
               VALUES ('018f0000-0000-7000-8000-000000000002', 'test', 'ingest', 'test')"""
        )
        connection.execute(
            """INSERT INTO division (code, name, level, geom, change_set_id)
               SELECT '420111001', 'one part', 4, ST_Multi(ST_Buffer(ST_PointOnSurface(geom), 0.000001)),
                      '018f0000-0000-7000-8000-000000000002'
               FROM city_object WHERE parent_code IS NOT NULL AND geom IS NOT NULL ORDER BY code LIMIT 1"""
        )
        part = connection.execute(
            "SELECT source_key FROM city_object WHERE parent_code IS NOT NULL AND geom IS NOT NULL ORDER BY code LIMIT 1"
        ).fetchone()[0]
    made, report = out(town, "city-objects", tmp_path / "cut.city.json", "--division", "420111001")
    parent = source["CityObjects"][part]["parents"][0]
    assert faults(made) == []
    assert {parent, *source["CityObjects"][parent]["children"]} <= set(made["CityObjects"])
    assert report["rows"] < len(source["CityObjects"])
    whole, _ = out(town, "city-objects", tmp_path / "whole.city.json", "--division", "420111")
    assert set(whole["CityObjects"]) == set(source["CityObjects"])


def test_keys_that_two_datasets_share_give_way_to_codes(town, real_data, tmp_path):
    path = real_data / "citymodels" / "denhaag_subset.city.json"
    for name in ("a", "b"):
        load(town, path, "--crs", "EPSG:7415", "--name", name)
    made, _ = out(town, "city-objects", tmp_path / "two.city.json")
    n = len(json.loads(path.read_text(encoding="utf-8"))["CityObjects"])
    assert faults(made) == []
    assert len(made["CityObjects"]) == 2 * n
    assert all(key.startswith("CO420111") for key in made["CityObjects"])
