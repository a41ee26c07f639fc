"""FlatGeobuf as GDAL reads it, against the GeoJSON of the same features and against literals PostgreSQL was given."""

import json
from datetime import UTC, datetime

import pyogrio
import pytest
import shapely

from cim.db.engine import connect
from cim.exchange import flatgeobuf
from cim.exchange.model import ExchangeError, ExportCollection, ExportColumn, Job
from cim.profile import Names
from tests.support.http import ask, get

NAMES = Names(en="Thing", zh="物")
GAUSS_KRUEGER = "http://www.opengis.net/def/crs/EPSG/0/4547"


def read(body, tmp_path):
    path = tmp_path / "some.fgb"
    path.write_bytes(body)
    meta, _, wkb, columns = pyogrio.raw.read(path)
    return meta, dict(zip(meta["fields"], columns, strict=True)), [None if one is None else shapely.from_wkb(one) for one in wkb]


def same(found, expected):
    """Compare a value of GDAL with one of GeoJSON."""
    if expected is None:
        return found is None or found != found or str(found) == "NaT"
    if isinstance(expected, dict | list):
        return json.loads(found) == expected
    if isinstance(expected, str) and not isinstance(found, str):
        # GDAL gives moments in UTC, to the millisecond.
        told = datetime.fromisoformat(expected)
        told = told.astimezone(UTC).replace(tzinfo=None) if told.tzinfo else told
        return abs((datetime.fromisoformat(str(found)) - told).total_seconds()) < 0.001
    return found == expected


def collections_with_features(root):
    listed = [one["id"] for one in get(f"{root}/collections")["collections"] if one["itemType"] == "feature"]
    return [one for one in listed if get(f"{root}/collections/{one}/items", limit=1).get("numberReturned")]


def test_every_collection_says_the_same_as_in_geojson(demo_server, tmp_path):
    compared = set()
    for name in collections_with_features(demo_server):
        items = f"{demo_server}/collections/{name}/items"
        expected = get(items, limit=200)["features"]
        status, headers, body = ask(f"{items}?limit=200&f=fgb", accept="*/*")
        assert (status, headers["Content-Type"]) == (200, "application/flatgeobuf")
        meta, columns, shapes = read(body, tmp_path)
        assert pyogrio.read_info(tmp_path / "some.fgb")["features"] == len(expected) == len(shapes)
        assert "4490" in str(meta["crs"])
        assert list(columns) == list(expected[0]["properties"])
        for at, one in enumerate(expected):
            for key, value in one["properties"].items():
                assert same(columns[key][at], value), (name, key, columns[key][at], value)
            if one["geometry"] is None:
                assert shapes[at] is None
                continue
            drawn = shapely.from_geojson(json.dumps(one["geometry"]))
            assert (shapes[at].geom_type, shapes[at].has_z) == (drawn.geom_type, drawn.has_z)
            # GeoJSON has nine decimals of a degree.
            assert shapely.equals_exact(shapes[at], drawn, tolerance=1e-8)
        compared.add(shapes[0].geom_type if shapes[0] is not None else None)
    assert {"MultiPolygon", "LineString", "Point"} <= compared


def test_another_crs_some_attributes_and_no_geometry(demo_server, tmp_path):
    items = f"{demo_server}/collections/buildings/items"
    expected = get(items, limit=30)["features"]
    meta, columns, shapes = read(ask(f"{items}?limit=30&f=fgb&crs={GAUSS_KRUEGER}&properties=code,height_m", accept="*/*")[2], tmp_path)
    assert "4547" in str(meta["crs"])
    assert list(columns) == ["code", "height_m"]
    assert list(columns["code"]) == [one["id"] for one in expected]
    # Easting, northing: the areas in the register were computed in this projection (sample data).
    for one, shape in zip(expected, shapes, strict=True):
        assert shape.area == pytest.approx(one["properties"]["footprint_area_m2"], rel=2e-3)
        assert 200_000 < shape.centroid.x < 800_000 < 3_000_000 < shape.centroid.y
    assert set(read(ask(f"{items}?limit=5&f=fgb&skipGeometry=true", accept="*/*")[2], tmp_path)[2]) == {None}
    nothing = read(ask(f"{items}?f=fgb&filter=height_m%3E5000", accept="*/*")[2], tmp_path)
    assert len(nothing[2]) == 0


def test_pages_follow_one_another(demo_server, tmp_path):
    items = f"{demo_server}/collections/buildings/items"
    everything = [one["id"] for one in get(items, limit=1000, sortby="-height_m")["features"]]
    found, url = [], f"{items}?limit=100&f=fgb&sortby=-height_m"
    while url:
        _, headers, body = ask(url, accept="*/*")
        found += list(read(body, tmp_path)[1]["code"])
        following = [part for part in headers["Link"].split(", <") if 'rel="next"' in part]
        url = following[0].strip("<").partition(">")[0] if following else None
    assert found == everything


def test_a_whole_collection_is_streamed_with_its_filter(demo_server, tmp_path):
    expected = {one["id"] for one in get(f"{demo_server}/collections/buildings/items", limit=1000, filter="height_m > 30")["features"]}
    file = f"{demo_server}/collections/buildings/export/buildings.fgb"
    assert set(read(ask(f"{file}?filter=height_m%20%3E%2030", accept="*/*")[2], tmp_path)[1]["code"]) == expected
    assert len(read(ask(f"{file}?filter=height_m%3E5000", accept="*/*")[2], tmp_path)[2]) == 0


SHAPES = [
    "POINT (114.4 30.5)", "POINT Z (114.4 30.5 -12.25)", "LINESTRING (1 2, 3 4, 5 6)", "LINESTRING Z (1 2 3, 4 5 6)",
    "MULTIPOLYGON (((0 0, 4 0, 4 4, 0 0)))",
    "MULTIPOLYGON (((0 0, 9 0, 9 9, 0 9, 0 0), (1 1, 1 2, 2 2, 1 1), (3 3, 3 5, 5 5, 5 3, 3 3)))",
    "MULTIPOLYGON (((0 0, 9 0, 9 9, 0 9, 0 0), (1 1, 1 2, 2 2, 1 1)), ((20 20, 21 20, 21 21, 20 20)))",
    "MULTIPOLYGON Z (((0 0 1, 9 0 2, 9 9 3, 0 0 1)), ((20 20 5, 29 20 5, 29 29 6, 20 20 5), (24 21 5, 26 22 5, 26 23 6, 24 21 5)))",
]  # fmt: skip


def rows_of(settings, expressions):
    """Return what PostgreSQL sends for row constructors."""
    with connect(settings) as connection:
        return [connection.execute(f"SELECT record_send(ROW({one}))".encode(), binary=True).fetchone()[0] for one in expressions]


def job_of(geometry, columns=()):
    made = ExportCollection("things", "", None, geometry.removesuffix(" Z"), geometry.endswith(" Z"), columns, NAMES, NAMES)
    return Job(made, 4490, None, False, (0, 0), NAMES, "", datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("text", SHAPES)
def test_shapes_are_those_the_store_has(demo_city, tmp_path, text):
    rows = rows_of(demo_city[0], [f"ST_GeomFromText('{text}', 4490)", "NULL::geometry", f"ST_GeomFromText('{text}')"])
    made = flatgeobuf.features((), rows)
    shapes = read(flatgeobuf.head(job_of(text.partition(" (")[0]), 3) + made, tmp_path)[2]
    assert [None if one is None else one.wkt for one in shapes] == [text, None, text]
    # FlatBuffers: the size of a buffer whose widest scalar is a double is a multiple of 8 with its prefix.
    assert len(made) % 8 == 0


def test_values_are_those_the_store_has(demo_city, tmp_path):
    kinds = ("string", "int16", "int32", "float64", "boolean", "date", "timestamp", "json")
    columns = tuple(ExportColumn(f"c_{kind}", kind, "", NAMES) for kind in kinds)
    kinds_of_store = ("text", "int2", "int4", "float8", "boolean", "date", "timestamptz", "text", "geometry")
    values = [
        ("'路 \"1\"'", "'-7'", "'2147483647'", "'0.1'", "'t'", "'1899-12-31'", "'1969-07-20 20:17:40.123456+00'", "'{\"a\": 1}'", "NULL"),
        ("''", "'0'", "'-2147483648'", "'-1e300'", "'f'", "'2024-02-29'", "'2000-03-01 00:00:00+08'", "'[]'", "NULL"),
        ("NULL",) * 9,
        (*("NULL",) * 5, "'infinity'", "'-infinity'", "NULL", "NULL"),
    ]
    rows = rows_of(demo_city[0], [", ".join(f"{value}::{kind}" for value, kind in zip(row, kinds_of_store, strict=True)) for row in values])
    _, found, _ = read(flatgeobuf.head(job_of("POINT", columns), None) + flatgeobuf.features(columns, rows), tmp_path)
    assert list(found["c_string"]) == ['路 "1"', "", None, None]
    assert list(found["c_int16"][:2]) == [-7, 0]
    assert list(found["c_int32"][:2]) == [2147483647, -2147483648]
    assert list(found["c_float64"][:2]) == [0.1, -1e300]
    assert list(found["c_boolean"][:2]) == [True, False]
    assert [str(one) for one in found["c_date"]] == ["1899-12-31T00:00:00.000", "2024-02-29T00:00:00.000", "NaT", "NaT"]
    assert [str(one) for one in found["c_timestamp"]] == ["1969-07-20T20:17:40.123", "2000-02-29T16:00:00.000", "NaT", "NaT"]
    assert list(found["c_json"]) == ['{"a": 1}', "[]", None, None]


def test_what_it_cannot_hold_is_refused(demo_city):
    good, bad = rows_of(demo_city[0], ["ST_MakePoint(1, 2)", "'GEOMETRYCOLLECTION(POINT(1 2))'::geometry"])
    with pytest.raises(ExchangeError, match="row 2"):
        flatgeobuf.features((), [good, bad])


def test_empty_shapes_are_none(demo_city, tmp_path):
    rows = rows_of(demo_city[0], [f"'{shape} EMPTY'::geometry" for shape in ("POINT", "LINESTRING", "POLYGON", "MULTIPOLYGON")])
    assert read(flatgeobuf.head(job_of("POINT"), 4) + flatgeobuf.features((), rows), tmp_path)[2] == [None] * 4
