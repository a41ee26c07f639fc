"""City models of real cities into the store: objects, geometries, faults, links to the register."""

import json
import subprocess
import sys

import numpy as np
import pytest
import shapely

from cim.crs import transform_xy
from cim.db import engine
from ingest.citymodel import read_citygml, read_cityjson
from tests.support.cli import run_cim

PROFILE = """
name: {en: Town, zh: 测试城}
level: city
division_codes: ["420111"]
projected_crs: EPSG:28992
vertical_datum: EPSG:5709
geoid_separation_m: 43.0
"""


@pytest.fixture(scope="module")
def town(module_settings, tmp_path_factory):
    profile = tmp_path_factory.mktemp("profile") / "city.yaml"
    profile.write_text(PROFILE, encoding="utf-8")
    assert run_cim(module_settings, "db", "profile", profile).code == 0
    return module_settings


def rows(town, text, *values):
    with engine.connect(town) as connection:
        return connection.execute(text, values).fetchall()


def load(town, path, *more):
    result = run_cim(town, "ingest", "citymodel", path, *more, "--json")
    assert result.code == 0, result.err
    return result.json()[0]


def test_a_lod2_model_is_matched_by_footprint_and_a_second_version_changes_only_what_changed(town, real_data, tmp_path):
    source = json.loads((real_data / "citymodels" / "denhaag_subset.city.json").read_text(encoding="utf-8"))
    # The building's ground surfaces as the file has them become the register's footprint.
    name = next(key for key, one in source["CityObjects"].items() if one["type"] == "Building" and one.get("children"))
    grounds = []
    for part in source["CityObjects"][name]["children"]:
        for geometry in source["CityObjects"][part].get("geometry", []):
            kinds = [geometry["semantics"]["surfaces"][value]["type"] for value in geometry["semantics"]["values"][0]]
            grounds += [polygon for polygon, kind in zip(geometry["boundaries"][0], kinds, strict=True) if kind == "GroundSurface"]
    xyz = np.array(source["vertices"]) * source["transform"]["scale"] + source["transform"]["translate"]
    area = shapely.union_all([shapely.Polygon(xyz[ring[0], :2]) for ring in grounds])
    lonlat = shapely.transform(area, lambda xy: np.column_stack(transform_xy("EPSG:28992", "EPSG:4490", xy[:, 0].copy(), xy[:, 1].copy())))
    with engine.connect(town) as connection:
        connection.execute(
            """INSERT INTO change_set (id, author, operation, reason)
               VALUES ('018f0000-0000-7000-8000-000000000001', 'test', 'ingest', 'test')"""
        )
        connection.execute(
            """INSERT INTO building (code, code_scheme, county_code, division_code, geom, change_set_id)
               VALUES ('420111001001202100000100011', 'CIM-BC27-v1', '420111', '420111001001', ST_Multi(ST_GeomFromWKB(%s, 4490)),
                       '018f0000-0000-7000-8000-000000000001')""",
            [shapely.to_wkb(lonlat)],
        )
    made = load(town, real_data / "citymodels" / "denhaag_subset.city.json", "--crs", "EPSG:7415", "--name", "haag")
    assert (made["accepted"], made["buildings"], made["matched_buildings"]) == (12, 4, 1)
    found = rows(
        town, "SELECT source_key, match_method, match_score FROM city_object WHERE building_code IS NOT NULL AND parent_code IS NULL"
    )
    assert found[0][:2] == (name, "footprint")
    assert found[0][2] > 0.9

    source["CityObjects"][name]["attributes"] = {"changed": True}
    gone = next(key for key, one in source["CityObjects"].items() if one["type"] == "Building" and key != name)
    for key in [gone, *source["CityObjects"][gone].get("children", [])]:
        del source["CityObjects"][key]
    path = tmp_path / "haag.city.json"
    path.write_text(json.dumps(source), encoding="utf-8")
    before = dict(rows(town, "SELECT source_key, code FROM city_object WHERE source_dataset = 'haag'"))
    again = load(town, path, "--crs", "EPSG:7415", "--name", "haag")
    assert again["accepted"] == 1
    assert again["unchanged"] == len(source["CityObjects"]) - 1
    assert again["retired"] == 12 - len(source["CityObjects"])
    after = dict(rows(town, "SELECT source_key, code FROM city_object WHERE source_dataset = 'haag'"))
    assert after == before
    assert rows(town, "SELECT count(*) FROM representation r JOIN city_object o ON o.code = r.object_code WHERE o.status = 'retired'"
                      " AND r.valid_to IS NULL") == [(0,)]  # fmt: skip


def test_triangles_of_closed_solids_enclose_the_volume_of_their_surfaces(town, real_data):
    load(town, real_data / "citymodels" / "lod2_buildings_citygml3.gml", "--shift", "0.001")
    found = rows(
        town,
        """SELECT r.vertices, r.faces, r.surfaces, o.attributes, r.geometry_type FROM representation r
           JOIN city_object o ON o.code = r.object_code WHERE o.source_dataset = 'lod2_buildings_citygml3'""",
    )
    assert len(found) == 100
    assert {row[4] for row in found} == {"Solid"}
    for vertices, faces, surfaces, *_ in found:
        place = np.frombuffer(vertices, "<f8").reshape(-1, 3)
        corner = np.frombuffer(faces, "<i4").reshape(-1, 3)
        assert len(surfaces) == len(corner)
        # The city lies at 13.3 to 13.6 E, 52.4 to 52.6 N (Berlin); degrees to metres for the volume.
        assert ((place[:, :2] > [13.0, 52.3]) & (place[:, :2] < [13.8, 52.7])).all()
        xyz = (place - place[0]) * [111_320 * np.cos(np.radians(52.5)), 111_320, 1]
        a, b, c = xyz[corner[:, 0]], xyz[corner[:, 1]], xyz[corner[:, 2]]
        assert np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6 > 1


@pytest.mark.parametrize(
    ("name", "more", "objects", "faults"),
    [
        ("zurich_subset_lod2.city.json", ("--vertical-datum", "EPSG:5709"), 210, 1),
        ("vienna.city.jsonl", ("--crs", "EPSG:31256", "--shift", "156.68"), 592, None),
        ("plateau_yokosuka_bldg.gml", ("--shift", "0.001"), 15, 0),
        ("plateau_yokosuka_dem.gml", ("--shift", "0.001"), 2, 0),
        ("lod4_building_citygml2.gml", ("--shift", "0.001"), 4, 0),
        ("ingolstadt_lod3_4018204a.gml", ("--crs", "EPSG:25832", "--shift", "0.001"), 9, 1),
    ],
)
def test_real_models_load_whole(town, real_data, name, more, objects, faults):
    made = load(town, real_data / "citymodels" / name, *more)
    assert made["accepted"] == objects
    assert made["rejected"] == 0
    if faults is not None:
        assert made["invalid_geometries"] == faults


def test_the_report_tells_faults_by_rule_in_both_languages_and_where_they_are(town, real_data, tmp_path):
    made = load(town, real_data / "citymodels" / "delft_3dbag.city.json", "--report", tmp_path / "report")
    document = json.loads((tmp_path / "report" / "report.json").read_text(encoding="utf-8"))
    told = {one["rule"]: one for one in document["rules"]}
    # The blocks of LoD1 in this file of 3DBAG have no ground surface where they touch: their shells are open.
    assert told["C302"]["warnings"] == made["warnings_by_rule"]["C302"] == 160
    assert (told["C302"]["en"], told["C302"]["zh"]) == ("a shell is closed", "外壳闭合")
    place = document["facts"]["faulty"][0]
    assert set(place) == {"object", "lod", "rule", "surface"}
    with engine.connect(town) as connection:
        rules = connection.execute(
            """SELECT r.faults FROM representation r JOIN city_object o ON o.code = r.object_code
               WHERE o.source_key = %s AND r.lod = %s AND r.valid_to IS NULL""",
            [place["object"], place["lod"]],
        ).fetchone()[0]
    assert place["rule"].removeprefix("C") in {one["rule"] for one in rules}
    assert "外壳闭合" in (tmp_path / "report" / "report.html").read_text(encoding="utf-8") or "a shell is closed" in (
        tmp_path / "report" / "report.html"
    ).read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", ["jsonl", "gml"])
def test_memory_does_not_grow_with_the_file(tmp_path, kind):
    def write(n):
        path = tmp_path / f"{n}.{kind}"
        square = [[0, 0, 0], [9, 0, 0], [9, 9, 0], [0, 9, 0]]
        with path.open("w", encoding="utf-8") as out:
            if kind == "jsonl":
                transform = {"scale": [1, 1, 1], "translate": [0, 0, 0]}
                out.write(
                    json.dumps({"type": "CityJSON", "version": "2.0", "transform": transform, "CityObjects": {}, "vertices": []}) + "\n"
                )
                geometry = [{"type": "MultiSurface", "lod": "1", "boundaries": [[[0, 1, 2, 3]]]}]
                for number in range(n):
                    one = {f"K{number}": {"type": "Building", "attributes": {"text": "x" * 500}, "geometry": geometry}}
                    out.write(json.dumps({"type": "CityJSONFeature", "id": f"K{number}", "CityObjects": one, "vertices": square}) + "\n")
            else:
                out.write('<CityModel xmlns="http://www.opengis.net/citygml/2.0" xmlns:b="http://www.opengis.net/citygml/building/2.0" '
                          'xmlns:gml="http://www.opengis.net/gml">')  # fmt: skip
                places = " ".join(str(value) for point in [*square, square[0]] for value in point)
                for number in range(n):
                    out.write(f'<cityObjectMember><b:Building gml:id="K{number}"><gml:name>{"x" * 500}</gml:name><b:lod1MultiSurface>'
                              f"<gml:MultiSurface><gml:surfaceMember><gml:Polygon><gml:exterior><gml:LinearRing><gml:posList>{places}"
                              "</gml:posList></gml:LinearRing></gml:exterior></gml:Polygon></gml:surfaceMember></gml:MultiSurface>"
                              "</b:lod1MultiSurface></b:Building></cityObjectMember>")  # fmt: skip
                out.write("</CityModel>")
        return path

    read = read_cityjson.read_objects if kind == "jsonl" else read_citygml.read_objects

    def peak(n):
        path = write(n)
        # In a process of its own: the parsers keep memory that Python does not count.
        script = (
            "import resource, sys; from pathlib import Path; "
            f"from {read.__module__} import read_objects; "
            f"n = sum(1 for _ in read_objects(Path({str(path)!r}))); "
            "print(n, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        count, kilobytes = map(int, done.stdout.split())
        assert count == n
        return kilobytes

    # Ten times the file (10 MB and more), and the peak moves by less than a tenth of it.
    assert peak(20_000) - peak(2_000) < 2_000


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"type": "CityJSON", "version": "1.1", "CityObjects": {', "not JSON or cut off"),
        ('{"type": "CityJSON", "version": "0.9"}', "expected CityJSON 1.0, 1.1, 2.0"),
        ('{"type": "FeatureCollection"}', "expected CityJSON"),
    ],
)
def test_what_is_no_city_model_is_refused(town, tmp_path, text, words):
    path = tmp_path / "model.city.json"
    path.write_text(text, encoding="utf-8")
    result = run_cim(town, "ingest", "citymodel", path, "--crs", "EPSG:7415")
    assert result.code == 1
    assert words in result.err


def test_entities_of_a_document_type_are_refused_unread(town, tmp_path):
    bomb = '<!DOCTYPE c [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY x SYSTEM "file:///etc/passwd">]>'
    path = tmp_path / "bomb.gml"
    path.write_text(
        f'<?xml version="1.0"?>{bomb}<CityModel xmlns="http://www.opengis.net/citygml/2.0" xmlns:gml="http://www.opengis.net/gml">'
        "<cityObjectMember><gml:name>&b;&x;</gml:name></cityObjectMember></CityModel>",
        encoding="utf-8",
    )
    result = run_cim(town, "ingest", "citymodel", path, "--crs", "EPSG:7415")
    assert result.code == 1
    assert "document type declaration" in result.err
