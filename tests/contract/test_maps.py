"""OGC API - Maps and map tiles of rasters over HTTP: pixels against made rasters, gdaldem and GDAL's XYZ driver."""

import io
import math
import subprocess

import numpy as np
import pytest
import rasterio
from PIL import Image
from pyproj import Transformer

from tests.support.cli import run_cim
from tests.support.http import ask, get
from tests.support.rasters import DATUM, NORTH, PROFILE, WEST, plane, write
from tests.support.server import running_server

RED, BLUE = (200, 10, 20), (10, 20, 200)
TO_LONLAT = Transformer.from_crs("EPSG:4547", "EPSG:4490", always_xy=True)  # noqa: TID251 - an independent transformer


@pytest.fixture(scope="module")
def town(module_settings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("rasters")
    (folder / "city.yaml").write_text(PROFILE, encoding="utf-8")
    assert run_cim(module_settings, "db", "profile", folder / "city.yaml").code == 0
    dem = write(folder / "ground.tif", plane(400, 400, east=0.2, north=0.1)[None])
    # West half red, east half blue; cells of 1 m, 1 km x 1 km.
    colours = np.empty((3, 1000, 1000), np.uint8)
    for n in range(3):
        colours[n, :, :500], colours[n, :, 500:] = RED[n], BLUE[n]
    image = write(folder / "photo.tif", colours, step=1.0, nodata=None)
    deep = write(folder / "deep.tif", (np.tile(np.arange(1000, dtype=np.uint16) * 4 + 100, (1000, 1)))[None], step=1.0, nodata=0)
    assert run_cim(module_settings, "ingest", "terrain", dem, *DATUM, "--unit", "m").code == 0
    assert run_cim(module_settings, "ingest", "imagery", image, "--acquired-on", "2026-05-01").code == 0
    assert run_cim(module_settings, "ingest", "imagery", deep).code == 0
    with running_server(module_settings) as url:
        yield url, dem


def pixels(url, accept="image/png"):
    status, headers, body = ask(url, accept=accept)
    assert status == 200, (url, body[:300])
    picture = Image.open(io.BytesIO(body))
    return np.asarray(picture.convert("RGBA")).astype(int), headers, picture.format


def mercator_tile(level, lon, lat):
    """Row and column of a place: the formula of the web's slippy maps."""
    n = 2**level
    return int((1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2 * n), int((lon + 180) / 360 * n)


def centre():
    return TO_LONLAT.transform(WEST + 500, NORTH - 500)


@pytest.mark.parametrize("kind", ["png", "webp", "jpeg"])
def test_a_tile_over_the_border_of_two_colours_shows_both_where_they_lie(town, kind):
    lon, lat = centre()
    row, column = mercator_tile(17, lon, lat)
    root = f"{town[0]}/collections/imagery-photo/map/tiles/WebMercatorQuad/17"
    got, headers, made = pixels(f"{root}/{row}/{column}?f={kind}")
    assert (got.shape, made, headers["Content-Type"]) == ((256, 256, 4), kind.upper(), f"image/{kind}")
    # Longitude of the border at the row of the middle: the pixel it falls on, by the same formula.
    border = ((lon + 180) / 360 * 2**17 - column) * 256
    at = int(((1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2 * 2**17 - row) * 256)
    tolerance = 3 if kind == "png" else 14
    if border > 6:
        assert got[at, int(border) - 5, :3] == pytest.approx(RED, abs=tolerance)
    if border < 250:
        assert got[at, int(border) + 5, :3] == pytest.approx(BLUE, abs=tolerance)
    assert border > 6 or border < 250


def test_beyond_the_raster_tiles_are_clear_or_empty(town):
    lon, lat = TO_LONLAT.transform(WEST, NORTH - 500)
    row, column = mercator_tile(17, lon, lat)
    root = f"{town[0]}/collections/imagery-photo/map/tiles/WebMercatorQuad"
    got, _, _ = pixels(f"{root}/17/{row}/{column}")
    border = int(((lon + 180) / 360 * 2**17 - column) * 256)
    assert (got[128, : max(border - 2, 0), 3] == 0).all()
    assert (got[128, min(border + 3, 255) :, 3] == 255).all()
    assert ask(f"{root}/17/{row}/{column - 40}", accept="image/png")[0] == 204
    assert ask(f"{root}/17/{row}/999999999", accept="image/png")[0] == 404
    assert ask(f"{root}/3/9/0", accept="image/png")[0] == 404
    assert ask(f"{town[0]}/collections/imagery-photo/map/tiles/CGCS2000Quad/3/1/1", accept="image/png")[0] == 404


def test_a_tile_of_degrees_shows_the_colour_of_its_place(town):
    lon, lat = TO_LONLAT.transform(WEST + 250, NORTH - 500)
    level = 16
    row, column = int((90 - lat) / 180 * 2**level), int((lon + 180) / 180 * 2**level)
    got, _, _ = pixels(f"{town[0]}/collections/imagery-photo/map/tiles/WorldCRS84Quad/{level}/{row}/{column}")
    y, x = int(((90 - lat) / 180 * 2**level - row) * 256), int(((lon + 180) / 180 * 2**level - column) * 256)
    assert got[y, x, :3] == pytest.approx(RED, abs=2)


def test_imagery_of_16_bits_is_stretched_between_its_2nd_and_98th_hundredth(town):
    got, _, _ = pixels(f"{town[0]}/collections/imagery-deep/map?width=400&height=400")
    row = got[200, 10:390, 0]
    assert row[0] <= 5
    assert row[-1] >= 250
    # Linear between: the middle of the values is the middle of the greys.
    assert row[len(row) // 2] == pytest.approx(127, abs=3)


def test_shaded_relief_of_a_plane_is_the_cosine_of_its_normal_and_that_of_gdaldem(town, tmp_path):
    lon, lat = TO_LONLAT.transform(WEST + 1000, NORTH - 1000)
    row, column = mercator_tile(16, lon, lat)
    got, _, _ = pixels(f"{town[0]}/collections/terrain-ground/styles/hillshade/map/tiles/WebMercatorQuad/16/{row}/{column}")
    # Light from the north-west, 45 degrees high; plane of 0.2 m/m eastward, 0.1 northward.
    light = np.array([-0.5, 0.5, math.sqrt(0.5)])
    normal = np.array([-0.2, -0.1, 1.0])
    expected = 255 * light @ normal / np.linalg.norm(normal)
    assert got[100:150, 100:150, 0].mean() == pytest.approx(expected, abs=1.5)
    subprocess.run(["gdaldem", "hillshade", "-q", str(town[1]), str(tmp_path / "shade.tif")], check=True)
    with rasterio.open(tmp_path / "shade.tif") as shade:
        # gdaldem writes 1 + 254 x cosine.
        assert got[100:150, 100:150, 0].mean() == pytest.approx(shade.read(1)[200, 200], abs=2.5)


def test_edges_of_neighbouring_relief_tiles_fit(town):
    lon, lat = TO_LONLAT.transform(WEST + 1000, NORTH - 1000)
    row, column = mercator_tile(16, lon, lat)
    root = f"{town[0]}/collections/terrain-ground/styles/relief/map/tiles/WebMercatorQuad/16/{row}"
    west, _, _ = pixels(f"{root}/{column}")
    east, _, _ = pixels(f"{root}/{column + 1}")
    both = (west[:, -1, 3] == 255) & (east[:, 0, 3] == 255)
    assert both.any()
    assert np.abs(west[both, -1, :3] - east[both, 0, :3]).max() <= 2


def test_elevation_colours_run_from_the_lowest_to_the_highest(town):
    got, _, _ = pixels(f"{town[0]}/collections/terrain-ground/styles/elevation/map?width=300")
    # First colour of the ramp in the south-west. 8 of 300 pixels from the north-east corner the plane has (0.2 x 0.975 + 0.1 x 0.973) / 0.3
    # = 0.974 of its height: 0.846 of the way from the last colour but one to the last.
    assert got[got.shape[0] - 8, 8, :3] == pytest.approx((0, 97, 71), abs=14)
    assert got[8, got.shape[1] - 8, :3] == pytest.approx((230, 224, 221), abs=8)


def test_a_map_keeps_its_form_says_where_it_lies_and_takes_boxes_in_any_axis_order(town):
    root = f"{town[0]}/collections/imagery-photo/map"
    west, south = TO_LONLAT.transform(WEST + 100, NORTH - 900)
    east, north = TO_LONLAT.transform(WEST + 900, NORTH - 100)
    got, headers, _ = pixels(f"{root}?bbox={west},{south},{east},{north}&width=400")
    assert got.shape[:2] == (pytest.approx(400, abs=4), 400)
    assert headers["Content-Crs"] == "<http://www.opengis.net/def/crs/OGC/1.3/CRS84>"
    assert [float(v) for v in headers["Content-Bbox"].split(",")] == pytest.approx([west, south, east, north])
    assert got[200, 100, :3] == pytest.approx(RED, abs=2)
    assert got[200, 300, :3] == pytest.approx(BLUE, abs=2)
    turned, _, _ = pixels(f"{root}?bbox={south},{west},{north},{east}&bbox-crs=EPSG:4490&width=400")
    assert np.array_equal(got, turned)


@pytest.mark.parametrize(
    ("query", "status"),
    [("width=0", 400), ("width=9000&height=9000", 413), ("bbox=3,2,1,0", 400), ("f=gif", 400), ("crs=EPSG:2056", 400), ("styles=x", 400)],
)
def test_maps_that_cannot_be_drawn_are_refused(town, query, status):
    assert ask(f"{town[0]}/collections/imagery-photo/map?{query}", accept="image/png")[0] == status


def test_a_map_beyond_the_raster_is_empty(town):
    assert ask(f"{town[0]}/collections/imagery-photo/map?bbox=10,10,11,11", accept="image/png")[0] == 204


def test_styles_and_tilesets_are_listed_and_unknown_ones_are_not_found(town):
    root = f"{town[0]}/collections/terrain-ground"
    assert [one["id"] for one in get(f"{root}/styles")["styles"]] == ["hillshade", "elevation", "relief", "slope"]
    assert ask(f"{root}/styles/sepia/map", accept="image/png")[0] == 404
    listed = get(f"{root}/styles/relief/map/tiles")["tilesets"]
    assert [one["tileMatrixSetId"] for one in listed] == ["WebMercatorQuad", "WorldCRS84Quad"]
    told = get(listed[0]["links"][0]["href"])
    assert told["dataType"] == "map"
    limit = told["tileMatrixSetLimits"][14]
    lon, lat = TO_LONLAT.transform(WEST + 1000, NORTH - 1000)
    row, column = mercator_tile(14, lon, lat)
    assert limit["minTileRow"] <= row <= limit["maxTileRow"]
    assert limit["minTileCol"] <= column <= limit["maxTileCol"]


def test_a_tile_is_not_sent_twice(town):
    lon, lat = centre()
    row, column = mercator_tile(17, lon, lat)
    url = f"{town[0]}/collections/imagery-photo/map/tiles/WebMercatorQuad/17/{row}/{column}"
    _, headers, _ = ask(url, accept="image/png")
    status, again, body = ask(url, accept="image/png", headers={"If-None-Match": headers["ETag"]})
    assert (status, body) == (304, b"")
    assert again["ETag"] == headers["ETag"]


def test_gdal_reads_the_tiles_as_one_picture(town, tmp_path):
    template = f"{town[0]}/collections/imagery-photo/map/tiles/WebMercatorQuad/${{z}}/${{y}}/${{x}}?f=png"
    (tmp_path / "xyz.xml").write_text(
        f"""<GDAL_WMS><Service name="TMS"><ServerUrl>{template}</ServerUrl></Service>
        <DataWindow><UpperLeftX>-20037508.34</UpperLeftX><UpperLeftY>20037508.34</UpperLeftY><LowerRightX>20037508.34</LowerRightX>
        <LowerRightY>-20037508.34</LowerRightY><TileLevel>17</TileLevel><TileCountX>1</TileCountX><TileCountY>1</TileCountY>
        <YOrigin>top</YOrigin></DataWindow><Projection>EPSG:3857</Projection><BlockSizeX>256</BlockSizeX><BlockSizeY>256</BlockSizeY>
        <BandsCount>4</BandsCount><ZeroBlockHttpCodes>204,404</ZeroBlockHttpCodes></GDAL_WMS>""",
        encoding="utf-8",
    )
    for east, colour in ((250, RED), (750, BLUE)):
        lon, lat = TO_LONLAT.transform(WEST + east, NORTH - 500)
        made = subprocess.run(
            ["gdallocationinfo", "-valonly", "-wgs84", str(tmp_path / "xyz.xml"), str(lon), str(lat)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert [int(line) for line in made.stdout.split()][:3] == pytest.approx(colour, abs=2)
