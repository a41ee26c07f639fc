"""OGC API - Tiles part 1 (20-057) and the tile matrix sets of OGC 17-083r4 over HTTP."""

import gzip
import json
import math
import time
from xml.dom import minidom

import mapbox_vector_tile
import numpy as np
import pytest
import shapely

from cim.db import engine
from tests.support.http import ask, get

CENTRE = (114.394837725, 30.508037375)


def mercator(level, lon=CENTRE[0], lat=CENTRE[1]):
    """Row and column of a place: the formula of the web's slippy maps."""
    n = 2**level
    return int((1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2 * n), int((lon + 180) / 360 * n)


def mercator_tile(root, level):
    row, column = mercator(level)
    return f"{root}/WebMercatorQuad/{level}/{row}/{column}"


def geographic(level, lon=CENTRE[0], lat=CENTRE[1]):
    return int((90 - lat) / 180 * 2**level), int((lon + 180) / 180 * 2**level)


def tile(url):
    status, headers, body = ask(url, accept="*/*")
    assert status == 200, (url, status, body[:200])
    assert headers["Content-Type"] == "application/vnd.mapbox-vector-tile"
    return mapbox_vector_tile.decode(body, default_options={"y_coord_down": True})


@pytest.fixture(scope="module")
def root(demo_server):
    return f"{demo_server}/collections/buildings/tiles"


def test_the_registered_grids_have_the_numbers_of_the_standard(demo_server):
    # OGC 17-083r4, annex E.1 and E.2.
    web = get(f"{demo_server}/tileMatrixSets/WebMercatorQuad")
    assert web["tileMatrices"][0]["scaleDenominator"] == pytest.approx(559082264.028717, rel=1e-9)
    assert web["tileMatrices"][18]["cellSize"] == pytest.approx(0.597164283559817, rel=1e-9)
    assert web["tileMatrices"][0]["pointOfOrigin"] == pytest.approx([-20037508.3427892, 20037508.3427892])
    world = get(f"{demo_server}/tileMatrixSets/WorldCRS84Quad")
    assert world["tileMatrices"][0]["scaleDenominator"] == pytest.approx(279541132.014358, rel=1e-9)
    assert (world["tileMatrices"][0]["matrixWidth"], world["tileMatrices"][0]["matrixHeight"]) == (2, 1)
    chinese = get(f"{demo_server}/tileMatrixSets/CGCS2000Quad")
    assert chinese["crs"].endswith("EPSG/0/4490")
    # EPSG:4490 has latitude first.
    assert chinese["tileMatrices"][0]["pointOfOrigin"] == [90.0, -180.0]


@pytest.mark.parametrize("grid", ["WebMercatorQuad", "WorldCRS84Quad", "CGCS2000Quad"])
def test_a_tile_has_the_features_at_their_place(demo_server, root, grid):
    level = 15
    row, column = mercator(level) if grid == "WebMercatorQuad" else geographic(level)
    found = tile(f"{root}/{grid}/{level}/{row}/{column}")["buildings"]
    assert found["extent"] == 4096
    n = 2**level
    if grid == "WebMercatorQuad":
        west, east = column / n * 360 - 180, (column + 1) / n * 360 - 180
        north, south = (math.degrees(math.atan(math.sinh(math.pi * (1 - 2 * (row + k) / n)))) for k in (0, 1))
    else:
        west, east, north, south = column / n * 180 - 180, (column + 1) / n * 180 - 180, 90 - row / n * 180, 90 - (row + 1) / n * 180
    for feature in found["features"][:20]:
        code = feature["properties"]["code"]
        outline = shapely.from_geojson(json.dumps(get(f"{demo_server}/collections/buildings/items/{code}")["geometry"]))
        cut = shapely.intersection(outline, shapely.box(west, south, east, north))
        drawn = shapely.from_geojson(json.dumps(feature["geometry"]))
        places = shapely.transform(
            drawn, lambda xy: np.column_stack([west + xy[:, 0] / 4096 * (east - west), north - xy[:, 1] / 4096 * (north - south)])
        )
        if not shapely.is_empty(cut):
            cell = (east - west) / 4096
            assert (
                shapely.hausdorff_distance(shapely.intersection(shapely.make_valid(places), shapely.box(west, south, east, north)), cut)
                < 3 * cell
            )


def test_every_standing_building_is_in_some_tile_of_a_detailed_level(demo_city, demo_server, root):
    everything = get(f"{demo_server}/collections/buildings/items", limit=1000)["features"]
    standing = {one["id"] for one in everything if one["properties"]["status"] not in ("demolished", "retired")}
    west, south, east, north = get(f"{demo_server}/collections/buildings")["extent"]["spatial"]["bbox"][0]
    top, left = mercator(14, west, north)
    bottom, right = mercator(14, east, south)
    seen = set()
    for row in range(top, bottom + 1):
        for column in range(left, right + 1):
            status, _, body = ask(f"{root}/WebMercatorQuad/14/{row}/{column}", accept="*/*")
            if status == 200:
                seen |= {f["properties"]["code"] for f in mapbox_vector_tile.decode(body)["buildings"]["features"]}
    assert seen == standing


def test_coarse_tiles_leave_out_what_is_less_than_a_pixel_and_details_come_with_the_level(root):
    coarse = tile(mercator_tile(root, 12))["buildings"]["features"]
    fine = tile(mercator_tile(root, 16))["buildings"]["features"]
    assert set(coarse[0]["properties"]) <= {"code", "use", "height_m", "name"}
    assert {"code", "address", "footprint_area_m2"} <= set(fine[0]["properties"])


def test_the_webs_order_of_numbers_gives_the_same_tile(root):
    row, column = mercator(15)
    assert ask(f"{root}/xyz/15/{column}/{row}.mvt")[2] == ask(f"{root}/WebMercatorQuad/15/{row}/{column}?f=mvt")[2]


def test_a_city_tile_has_a_layer_per_collection(demo_server):
    row, column = mercator(15)
    layers = tile(f"{demo_server}/tiles/WebMercatorQuad/15/{row}/{column}")
    assert {"buildings", "addresses", "water-lines"} <= set(layers)
    two = tile(f"{demo_server}/tiles/WebMercatorQuad/15/{row}/{column}?collections=buildings,water-lines")
    assert set(two) == {"buildings", "water-lines"}


def test_a_known_tile_is_answered_by_304_and_comes_compressed(root):
    url = mercator_tile(root, 15)
    _, headers, plain = ask(url)
    assert headers["ETag"]
    assert headers["Cache-Control"]
    assert ask(url, headers={"If-None-Match": headers["ETag"]})[0] == 304
    _, packed, body = ask(url, headers={"Accept-Encoding": "gzip"})
    assert packed["Content-Encoding"] == "gzip"
    assert gzip.decompress(body) == plain


def test_a_change_shows_in_the_tiles_it_touches(demo_city, demo_server, root):
    settings, _ = demo_city
    url = mercator_tile(root, 16)
    before = tile(url)["buildings"]["features"][0]["properties"]

    def rename(name):
        with engine.connect(settings) as connection:
            connection.execute("UPDATE building SET name = %s WHERE code = %s", [name, before["code"]])

    rename("改名楼")
    try:
        names = set()
        for _ in range(40):
            names = {f["properties"].get("name") for f in tile(url)["buildings"]["features"]}
            if "改名楼" in names:
                break
            time.sleep(0.1)
        assert "改名楼" in names
    finally:
        rename(before.get("name"))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("Foo/1/1/1", 404), ("WebMercatorQuad/a/b/c", 404), ("WebMercatorQuad/1/2/0", 404), ("WebMercatorQuad/99/0/0", 404),
        ("WebMercatorQuad/14/0/0", 204), ("WebMercatorQuad/1/0/0?f=png", 400), ("WebMercatorQuad/1/0/0?foo=1", 400), ("Foo", 404),
    ],
)  # fmt: skip
def test_what_is_no_tile_is_said_by_the_status(root, path, expected):
    assert ask(f"{root}/{path}", accept="*/*")[0] == expected


def test_tilejson_and_metadata_lead_to_the_tiles(demo_server, root):
    document = get(f"{root}/tilejson.json")
    row, column = mercator(14)
    address = document["tiles"][0].replace("{z}", "14").replace("{y}", str(row)).replace("{x}", str(column))
    assert tile(address)["buildings"]
    assert document["vector_layers"][0]["fields"]["height_m"] == "Height"
    metadata = get(f"{root}/WebMercatorQuad")
    template = next(link["href"] for link in metadata["links"] if link.get("templated"))
    limits = next(one for one in metadata["tileMatrixSetLimits"] if one["tileMatrix"] == "14")
    assert limits["minTileRow"] <= row <= limits["maxTileRow"]
    assert tile(template.replace("{tileMatrix}", "14").replace("{tileRow}", str(row)).replace("{tileCol}", str(column)))
    assert {one["tileMatrixSetId"] for one in get(root)["tilesets"]} == {"WebMercatorQuad", "WorldCRS84Quad", "CGCS2000Quad"}


def test_styles_come_in_the_languages_of_their_clients(demo_server):
    style = get(f"{demo_server}/styles/city")
    assert style["version"] == 8
    assert style["sources"]["buildings"]["promoteId"] == "code"
    assert {layer["source"] for layer in style["layers"] if "source" in layer} <= set(style["sources"])
    for name, words in (("qml", b"<qgis"), ("sld10", b"StyledLayerDescriptor")):
        status, _, body = ask(f"{demo_server}/styles/buildings?f={name}&lang=zh")
        assert status == 200
        assert words in body
        assert "居住".encode() in body
        minidom.parseString(body)  # noqa: S318 - our own server's answer
    assert ask(f"{demo_server}/styles/nothing")[0] == 404
    assert ask(f"{demo_server}/styles/city?f=qml")[0] == 400
