"""Every format a client can ask for, read back by GDAL, pyarrow or a JSON reader, against the GeoJSON of the same features."""

import io
import itertools
import json
from urllib.parse import urlencode

import numpy as np
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely

from tests.support.http import ask, get

BY_GDAL = {"fgb": ".fgb", "gpkg": ".gpkg", "csv": ".csv", "jsonfg": ".json", "json": ".geojson"}


@pytest.fixture(scope="module")
def root(demo_server):
    return f"{demo_server}/collections/buildings"


def read(body, suffix, tmp_path):
    path = tmp_path / f"buildings{suffix}"
    path.write_bytes(body)
    options = {"GEOM_POSSIBLE_NAMES": "wkt", "KEEP_GEOM_COLUMNS": "NO"} if suffix == ".csv" else {}
    if suffix == ".json":
        options["GEOMETRY_ELEMENT"] = "GEOMETRY"
    meta, _, wkb, columns = pyogrio.raw.read(path, **options)
    return dict(zip(meta["fields"], columns, strict=True)), shapely.from_wkb(wkb)


@pytest.mark.parametrize("name", BY_GDAL)
def test_a_page_in_each_format_has_the_same_features(root, tmp_path, name):
    expected = {one["id"]: one for one in get(f"{root}/items", limit=40)["features"]}
    status, headers, body = ask(f"{root}/items?limit=40&f={name}", accept="*/*")
    assert status == 200
    assert headers["OGC-NumberMatched"] == str(get(f"{root}/items", limit=1)["numberMatched"])
    assert 'rel="next"' in headers["Link"]
    columns, shapes = read(body, BY_GDAL[name], tmp_path)
    assert set(columns["code"]) == set(expected)
    for code, height, shape in zip(columns["code"], columns["height_m"], shapes, strict=True):
        one = expected[code]
        assert float(height) == one["properties"]["height_m"]
        drawn = shapely.from_geojson(json.dumps(one["geometry"]))
        assert shapely.hausdorff_distance(shapely.force_2d(shape), drawn) < 1e-8


def test_the_media_type_is_right_and_the_accept_header_is_heard(root):
    for media_type in (
        "application/geo+json",
        "application/fg+json",
        "application/flatgeobuf",
        "text/csv",
        "application/vnd.apache.parquet",
    ):
        assert ask(f"{root}/items?limit=1", accept=media_type)[1]["Content-Type"].startswith(media_type)
    assert ask(f"{root}/items?limit=1", accept="*/*")[1]["Content-Type"] == "application/geo+json"


def test_geoparquet_is_read_by_pyarrow(root):
    file = pq.ParquetFile(io.BytesIO(ask(f"{root}/items?limit=40&f=parquet", accept="*/*")[2]))
    geo, table = json.loads(file.metadata.metadata[b"geo"]), file.read()
    assert geo["version"] == "1.1.0"
    assert table.num_rows == 40
    expected = {one["id"] for one in get(f"{root}/items", limit=40)["features"]}
    assert set(table["code"].to_pylist()) == expected


def volume(shell):
    """Volume of a closed surface by the divergence theorem; positive where faces look outwards."""
    total = 0.0
    for polygon in shell:
        origin = np.array(polygon[0][0])
        for ring in polygon:
            places = np.array(ring[:-1])
            total += sum(np.dot(origin, np.cross(a - origin, b - origin)) for a, b in zip(places, np.roll(places, -1, axis=0), strict=True))
    return total / 6


def test_json_fg_has_closed_solids_in_the_citys_crs(root):
    page = get(f"{root}/items", limit=20, f="jsonfg")
    assert {"http://www.opengis.net/spec/json-fg-1/0.3/conf/core"} <= set(page["conformsTo"])
    assert page["featureType"] == "buildings"
    solids = [one for one in page["features"] if one["place"] and one["place"]["type"] == "Polyhedron"]
    assert len(solids) >= 10
    for one in solids:
        properties, place = one["properties"], one["place"]
        assert place["coordRefSys"][0].endswith("/4547")
        shell = place["coordinates"][0]
        edges = {}
        for polygon in shell:
            for ring in polygon:
                assert ring[0] == ring[-1]
                for a, b in itertools.pairwise(ring):
                    edges[tuple(a), tuple(b)] = edges.get((tuple(a), tuple(b)), 0) + 1
        # Every edge is used once in each direction: the surface is closed.
        assert all(count == 1 and edges.get((b, a)) == 1 for (a, b), count in edges.items())
        # EPSG:4547 has northing first: the order of the axes turns the sign of the volume.
        assert abs(volume(shell)) == pytest.approx(properties["footprint_area_m2"] * properties["height_m"], rel=2e-3)
        assert one["time"]["interval"][1] == ".."


def test_cityjson_sequences_have_one_building_a_line(root):
    status, headers, body = ask(f"{root}/items?limit=20&f=cityjsonseq", accept="*/*")
    assert status == 200
    assert headers["Content-Crs"].endswith("/4547>")
    head, *features = [json.loads(line) for line in body.splitlines()]
    assert (head["type"], head["version"]) == ("CityJSON", "2.0")
    assert len(features) == 20
    scale, translate = np.array(head["transform"]["scale"]), np.array(head["transform"]["translate"])
    one = features[0]
    building = one["CityObjects"][one["id"]]
    assert building["type"] == "Building"
    heights = (np.array(one["vertices"]) * scale + translate)[:, 2]
    expected = building["attributes"]["height_m"]
    assert heights.max() - heights.min() == pytest.approx(expected, abs=0.002)


def test_markup_in_data_is_untouched_in_every_text_format(root):
    text = ask(f"{root}/items?limit=1&f=json")[2]
    assert b"&lt;" not in text


@pytest.mark.parametrize("suffix", [".geojson", ".fg.json", ".fgb", ".csv", ".parquet", ".gpkg", ".city.jsonl"])
def test_a_whole_collection_comes_as_a_file(root, tmp_path, suffix):
    n = get(f"{root}/items", limit=1)["numberMatched"]
    status, headers, body = ask(f"{root}/export/buildings{suffix}", accept="*/*")
    assert status == 200
    assert f'filename="buildings{suffix}"' in headers["Content-Disposition"]
    if suffix == ".city.jsonl":
        assert len(body.splitlines()) == n + 1
    elif suffix == ".parquet":
        assert pq.read_table(io.BytesIO(body)).num_rows == n
    else:
        assert len(read(body, {".fg.json": ".json"}.get(suffix, suffix), tmp_path)[1]) == n


def test_a_file_holds_what_the_filter_selects(root, tmp_path):
    parameters = {"filter": "height_m > 30", "properties": "code,height_m", "crs": "http://www.opengis.net/def/crs/EPSG/0/4547"}
    expected = get(f"{root}/items", filter="height_m > 30", limit=1)["numberMatched"]
    _, _, body = ask(f"{root}/export/buildings.gpkg?{urlencode(parameters)}", accept="*/*")
    path = tmp_path / "some.gpkg"
    path.write_bytes(body)
    meta, _, wkb, columns = pyogrio.raw.read(path)
    assert len(wkb) == expected
    assert list(meta["fields"]) == ["code", "height_m"]
    assert "4547" in str(meta["crs"])
    # GeoPackage is easting, northing, whatever the registry says.
    x, y = shapely.get_coordinates(shapely.from_wkb(wkb[0]))[0]
    assert 200_000 < x < 800_000 < 3_000_000 < y
    assert min(columns[1]) > 30
    empty = ask(f"{root}/export/buildings.geojson?filter=height_m%3E5000")[2]
    assert json.loads(empty)["features"] == []
    assert ask(f"{root}/export/buildings.shp")[0] == 404
    assert ask(f"{root}/export/buildings.gpkg?limit=3")[0] == 400
