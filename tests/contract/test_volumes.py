"""3D layers as collections (OGC API - 3D GeoVolumes, draft 22-029): boxes, content, children, who sees what."""

import json
import math
import time

import numpy as np
import pytest
import shapely

from tests.support.cli import run_cim
from tests.support.http import ask, get
from tests.support.send import send

MEDIA_TYPE = "application/json+3dtiles"


@pytest.fixture(scope="module")
def volumes(demo_server):
    return {one["id"]: one for one in get(f"{demo_server}/collections")["collections"] if one.get("collectionType") == "3d-container"}


def flat(volumes):
    for one in volumes.values():
        yield one
        yield from one.get("children", [])


def ecef(lon, lat, h):
    """EPSG:4979 to EPSG:4978 by the closed formula (EPSG guidance note 7-2, 4.1.1; WGS 84)."""
    a, f = 6378137.0, 1 / 298.257223563
    e2 = f * (2 - f)
    lon, lat = math.radians(lon), math.radians(lat)
    n = a / math.sqrt(1 - e2 * math.sin(lat) ** 2)
    return np.array([(n + h) * math.cos(lat) * math.cos(lon), (n + h) * math.cos(lat) * math.sin(lon), (n * (1 - e2) + h) * math.sin(lat)])


def test_every_layer_is_a_volume_once(demo_server, volumes):
    # The terrain is no tileset: clients take it as ground.
    layers = {one["id"]: one for one in get(f"{demo_server}/3dtiles")["layers"] if one["kind"] != "terrain"}
    content = {one["content"][0]["href"] for one in flat(volumes) if "content" in one}
    assert content == {f"{demo_server}/{one['href']}" for one in layers.values()}
    assert {"3d-buildings", "3d-networks"} <= set(volumes)
    assert {"3d-networks-water"} <= {one["id"] for one in volumes["3d-networks"]["children"]}


def test_a_volume_is_what_the_draft_asks_for(demo_server, volumes):
    for one in flat(volumes):
        # 22-029, /req/core/collections: a box in three dimensions and a link to a way to the data.
        (box,) = one["extent"]["spatial"]["bbox"]
        assert one["extent"]["spatial"]["crs"].endswith("/OGC/0/CRS84h")
        west, south, low, east, north, high = box
        assert 114 < west < east < 115
        assert 30 < south < north < 31
        assert -100 < low < high < 400
        ways = [link for link in one["links"] if link["rel"] == "[ogc-rel:3d-geovolumes]"]
        assert ways
        for link in ways:
            assert link["type"] == MEDIA_TYPE
            assert get(link["href"])["asset"]["version"] == "1.1"
        assert (
            next(link for link in one["links"] if link["rel"] == "self")["href"].split("?")[0] == f"{demo_server}/collections/{one['id']}"
        )
        assert get(f"{demo_server}/collections/{one['id']}") == one


def test_the_box_holds_the_tiles(demo_server, volumes):
    one = volumes["3d-buildings"]
    west, south, low, east, north, high = one["extent"]["spatial"]["bbox"][0]
    root = get(one["content"][0]["href"])["root"]
    transform = np.array(root.get("transform", np.eye(4).T.ravel())).reshape(4, 4).T
    middle = (transform @ [*root["boundingVolume"]["box"][:3], 1])[:3]
    corners = [ecef(x, y, h) for x in (west, east) for y in (south, north) for h in (low, high)]
    assert (np.min(corners, axis=0) - 1 <= middle).all()
    assert (middle <= np.max(corners, axis=0) + 1).all()
    outlines = [shapely.geometry.shape(f["geometry"]) for f in get(f"{demo_server}/collections/buildings/items", limit=1000)["features"]]
    assert shapely.box(west - 1e-6, south - 1e-6, east + 1e-6, north + 1e-6).contains(shapely.union_all(outlines).centroid)


def test_a_volume_leads_to_its_features_and_back(demo_server, volumes):
    related = next(link for link in volumes["3d-buildings"]["links"] if link["rel"] == "related")
    assert get(related["href"])["id"] == "buildings"
    water = next(one for one in volumes["3d-networks"]["children"] if one["id"] == "3d-networks-water")
    assert next(link for link in water["links"] if link["rel"] == "up")["href"] == f"{demo_server}/collections/3d-networks"


def test_volumes_are_no_feature_collections(demo_server):
    assert "items" not in {link["rel"] for link in get(f"{demo_server}/collections/3d-buildings")["links"]}
    for path in ("items", "schema", "queryables", "tiles"):
        assert ask(f"{demo_server}/collections/3d-buildings/{path}")[0] == 404
    assert ask(f"{demo_server}/collections/3d-nothing")[0] == 404
    assert ask(f"{demo_server}/collections/3d-buildings?unknown=1")[0] == 400


@pytest.mark.parametrize(("lang", "title"), [("en", "Municipal networks in 3D"), ("zh", "市政管网三维")])
def test_pages_for_people(demo_server, lang, title):
    for path in ("", "/3d-networks"):
        status, headers, body = ask(f"{demo_server}/collections{path}?f=html&lang={lang}")
        assert (status, headers["Content-Language"][:2]) == (200, lang)
        assert title in body.decode()
    assert b"/collections/buildings" in ask(f"{demo_server}/collections?f=html")[2]


def test_who_is_limited_sees_the_volumes_of_what_he_sees(demo_city, demo_server):
    def token(*options):
        made = run_cim(demo_city[0], "token", "create", "--name", f"volumes {time.monotonic()}", "--role", "viewer", *options, "--json")
        assert made.code == 0, made.err
        return made.json()["token"]

    lines = token("--collection", "water-lines", "--collection", "divisions")
    listed = send(f"{demo_server}/collections", token=lines).json()["collections"]
    assert {one["id"] for one in listed} == {"divisions", "water-lines", "3d-networks"}
    assert [one["id"] for one in listed[-1]["children"]] == ["3d-networks-water"]
    assert send(f"{demo_server}/collections/3d-networks-water", token=lines).status == 200
    assert send(f"{demo_server}/collections/3d-buildings", token=lines).status == 404
    page = send(f"{demo_server}/collections?f=html", token=lines).body.decode()
    assert "/collections/buildings" not in page
    division = get(f"{demo_server}/collections/buildings/items", limit=1)["features"][0]["properties"]["division_code"]
    village = token("--division", division)
    found = send(f"{demo_server}/collections/3d-buildings", token=village).json()
    assert found["content"][0]["href"] == f"{demo_server}/3dtiles/buildings/live/tileset.json"
    assert json.loads(send(found["content"][0]["href"], token=village).body)["asset"]["version"] == "1.1"
    assert send(f"{demo_server}/collections/3d-networks", token=village).status == 404
