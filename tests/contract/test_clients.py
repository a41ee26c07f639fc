"""Real clients over HTTP: GDAL's OAPIF and MVT drivers, GeoPandas."""

import math
import subprocess

import geopandas
import pyogrio
import pytest
import shapely

from tests.support.http import ask, get


@pytest.fixture(scope="module")
def buildings(demo_server):
    return {one["id"]: one for one in get(f"{demo_server}/collections/buildings/items", limit=1000)["features"]}


def test_gdal_lists_the_collections(demo_server):
    layers = dict(pyogrio.list_layers(f"OAPIF:{demo_server}"))
    # Volumes and rasters have no features.
    offered = get(f"{demo_server}/collections")["collections"]
    assert set(layers) == {one["id"] for one in offered if any(link["rel"] == "items" for link in one["links"])}
    assert {"buildings", "addresses", "water-lines"} <= set(layers) < {one["id"] for one in offered}


def test_ogr2ogr_copies_the_whole_service(demo_server, buildings, tmp_path):
    copy = tmp_path / "city.gpkg"
    subprocess.run(["ogr2ogr", "-q", "-f", "GPKG", str(copy), f"OAPIF:{demo_server}"], check=True, timeout=280)
    assert pyogrio.read_info(copy, layer="buildings")["features"] == len(buildings)


def test_gdal_reads_a_collection_with_its_crs_and_types(demo_server, buildings):
    info = pyogrio.read_info(f"OAPIF:{demo_server}", layer="buildings")
    assert info["features"] == len(buildings)
    types = dict(zip(info["fields"], info["dtypes"], strict=True))
    assert types["height_m"] == "float64"
    assert types["storeys_above"].startswith("int")
    frame = geopandas.read_file(f"OAPIF:{demo_server}", layer="buildings", engine="pyogrio")
    assert set(frame["code"]) == set(buildings)
    west, south, east, north = frame.total_bounds
    assert 114 < west < east < 115
    assert 30 < south < north < 31


def test_gdal_has_boxes_and_filters_answered_by_the_server(demo_server, buildings):
    box = (114.390, 30.503, 114.3975, 30.510)
    expected = {code for code, one in buildings.items() if shapely.intersects(shapely.geometry.shape(one["geometry"]), shapely.box(*box))}
    found = pyogrio.read_dataframe(f"OAPIF:{demo_server}", layer="buildings", bbox=box)
    assert set(found["code"]) == expected
    tall = pyogrio.read_dataframe(f"OAPIF:{demo_server}", layer="buildings", where="height_m > 40 AND use = 'office'")
    assert set(tall["code"]) == {
        code for code, one in buildings.items() if one["properties"]["height_m"] > 40 and one["properties"]["use"] == "office"
    }


def test_geopandas_reads_flatgeobuf_and_geoparquet_from_the_address(demo_server, buildings, tmp_path):
    frame = geopandas.read_file(f"{demo_server}/collections/buildings/export/buildings.fgb", engine="pyogrio")
    assert set(frame["code"]) == set(buildings)
    assert frame.crs.to_epsg() == 4490


def test_ogr_reads_a_vector_tile_with_its_features_in_place(demo_server, buildings, tmp_path):
    centre = shapely.union_all([shapely.geometry.shape(one["geometry"]) for one in buildings.values()]).centroid
    level = 14
    column = int((centre.x + 180) / 360 * 2**level)
    row = int((1 - math.asinh(math.tan(math.radians(centre.y))) / math.pi) / 2 * 2**level)
    # OGR takes the place of a tile from its path.
    path = tmp_path / str(level) / str(column) / f"{row}.mvt"
    path.parent.mkdir(parents=True)
    path.write_bytes(ask(f"{demo_server}/collections/buildings/tiles/WebMercatorQuad/{level}/{row}/{column}", accept="*/*")[2])
    assert [name for name, _ in pyogrio.list_layers(path)] == ["buildings"]
    frame = geopandas.read_file(path, layer="buildings", engine="pyogrio")
    assert len(frame) > 20
    assert frame.crs.to_epsg() == 3857
    # A unit of the tile is 2 pi 6378137 / 2^14 / 4096 = 0.6 m; outlines are cut at the edge, so whole ones are compared.
    places = frame.set_index("code").to_crs(4326).geometry
    compared = 0
    for code, shape in places.items():
        expected = shapely.geometry.shape(buildings[code]["geometry"])
        if abs(shape.area - expected.area) < 0.03 * expected.area:
            assert shapely.hausdorff_distance(shape, expected) * 111_000 < 3
            compared += 1
    assert compared > 10
