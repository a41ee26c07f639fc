"""City objects over HTTP: by class, by page, as map tiles and files, inside a row filter, linked to their 3D layer."""

import json
from math import asinh, pi, radians, tan

import mapbox_vector_tile
import pytest

from cim.db import engine
from tests.pipeline.test_citymodels import PROFILE
from tests.support.cityjson import faults, plain
from tests.support.cli import run_cim
from tests.support.http import ask, get, status_of
from tests.support.send import send
from tests.support.server import running_server


@pytest.fixture(scope="module")
def town(module_settings, real_data, tmp_path_factory):
    profile = tmp_path_factory.mktemp("profile") / "city.yaml"
    profile.write_text(PROFILE, encoding="utf-8")
    models = real_data / "citymodels"
    for argv in (
        ("db", "profile", profile),
        ("ingest", "citymodel", models / "denhaag_subset.city.json", "--crs", "EPSG:7415"),
        ("ingest", "citymodel", models / "plateau_yokosuka_dem.gml", "--shift", "0.001", "--county", "420112"),
        ("tiles", "build", "citymodels"),
    ):
        result = run_cim(module_settings, *argv)
        assert result.code == 0, result.err
    with engine.connect(module_settings) as connection:
        connection.execute(
            """INSERT INTO change_set (id, author, operation, reason) VALUES ('018f0000-0000-7000-8000-000000000003', 't', 'ingest', 't')"""
        )
        connection.execute(
            """INSERT INTO division (code, name, level, change_set_id)
               VALUES ('420112', 'other', 3, '018f0000-0000-7000-8000-000000000003')"""
        )
    return module_settings


@pytest.fixture(scope="module")
def server(town):
    with running_server(town) as url:
        yield f"{url}/collections/city-objects"


def test_the_collection_is_listed_once_it_has_objects(server, town):
    found = get(server)
    assert found["title"] == "City objects"
    assert ask(server, headers={"Accept-Language": "zh"})[2].decode().count("城市对象") >= 1
    queryables = get(f"{server}/queryables")["properties"]
    assert set(queryables["type"]["enum"]) >= {"Building", "Bridge", "Road", "WaterBody", "PlantCover", "TINRelief"}
    assert queryables["top_m"]["x-ogc-unit"] == "m"
    assert status_of(f"{server.replace('city-objects', 'planning-controls')}") == 404


def test_objects_are_filtered_by_class_and_counted(server, real_data):
    source = json.loads((real_data / "citymodels" / "denhaag_subset.city.json").read_text(encoding="utf-8"))["CityObjects"]
    n_buildings = sum(one["type"] == "Building" for one in source.values())
    found = get(f"{server}/items", type="Building", limit=1000)
    assert found["numberMatched"] == len(found["features"]) == n_buildings
    assert get(f"{server}/items", filter="type IN ('TINRelief')", limit=10)["numberMatched"] == 2
    assert get(f"{server}/items", limit=1)["numberMatched"] == len(source) + 2
    assert status_of(f"{server}/items", type="House") == 400


def test_an_item_leads_to_its_history_and_its_layer(server):
    code = get(f"{server}/items", type="BuildingPart", limit=1)["features"][0]["id"]
    item = get(f"{server}/items/{code}")
    links = {(link["rel"], link["type"]): link["href"] for link in item["links"]}
    assert links["related", "application/json+3dtiles"].endswith("/3dtiles/citymodels/tileset.json")
    assert status_of(links["related", "application/json+3dtiles"]) == 200
    assert status_of(links["version-history", "application/geo+json"]) == 200
    status, _, page = ask(f"{server}/items/{code}", accept="text/html")
    assert status == 200
    assert code in page.decode()


def test_map_tiles_carry_the_class(server):
    lon, lat = get(f"{server}/items", type="BuildingPart", limit=1)["features"][0]["geometry"]["coordinates"][0][0][0]
    n = 2**16
    x, y = int((lon + 180) / 360 * n), int((1 - asinh(tan(radians(lat))) / pi) / 2 * n)
    status, _, body = ask(f"{server}/tiles/WebMercatorQuad/16/{y}/{x}?f=mvt", accept="*/*")
    assert status == 200
    features = mapbox_vector_tile.decode(body)["city-objects"]["features"]
    assert "BuildingPart" in {feature["properties"]["type"] for feature in features}


def test_files_of_the_process_and_of_the_collection(server, tmp_path, town):
    root = server.removesuffix("/collections/city-objects")
    status, _, body = ask(f"{server}/export/city-objects.geojson", accept="*/*")
    assert status == 200, body[:300]
    assert len(json.loads(body)["features"]) == get(f"{server}/items", limit=1)["numberMatched"]
    result = run_cim(town, "export", "city-objects", tmp_path / "o.gpkg", "--json")
    assert (result.code, result.json()["rows"]) == (0, get(f"{server}/items", limit=1)["numberMatched"]), result.err
    assert "city-objects" in json.dumps(get(f"{root}/processes/export"))


def test_a_row_filter_hides_what_lies_in_another_county(server, town):
    result = run_cim(town, "token", "create", "--name", "relief", "--role", "operator", "--division", "420112", "--json")
    assert result.code == 0, result.err
    answer = send(f"{server}/items?limit=1000", token=result.json()["token"])
    assert answer.status == 200
    assert {feature["properties"]["type"] for feature in answer.json()["features"]} == {"TINRelief"}


def test_a_relief_alone_is_a_valid_cityjson_file(town, tmp_path):
    path = tmp_path / "relief.city.json"
    result = run_cim(town, "export", "city-objects", path, "--division", "420112", "--crs", "EPSG:6677", "--json")
    assert result.code == 0, result.err
    document = json.loads(path.read_text(encoding="utf-8"))
    assert faults(document) == []
    assert {shape["type"] for one in plain(document).values() for shape in one["shapes"].values()} == {"CompositeSurface"}
