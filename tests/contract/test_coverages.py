"""OGC API - Coverages and EDR over HTTP, against GDAL's programs and planes whose values are known."""

import json
import subprocess
import time
from urllib.parse import quote

import numpy as np
import pytest
import rasterio
from pyproj import Transformer

from tests.support.cli import run_cim
from tests.support.http import ask, get
from tests.support.rasters import DATUM, NORTH, PROFILE, WEST, location_value, plane, write
from tests.support.server import running_server

STEP = 5.0
ROWS, COLUMNS = 80, 120
TO_LONLAT = Transformer.from_crs("EPSG:4547", "EPSG:4490", always_xy=True)  # noqa: TID251 - an independent transformer


@pytest.fixture(scope="module")
def town(module_settings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("rasters")
    (folder / "city.yaml").write_text(PROFILE, encoding="utf-8")
    assert run_cim(module_settings, "db", "profile", folder / "city.yaml").code == 0
    heights = plane(ROWS, COLUMNS)
    heights[10:14, 20:26] = -9999.0
    dem = write(folder / "ground.tif", heights[None])
    made = run_cim(
        module_settings, "ingest", "terrain", dem, *DATUM, "--unit", "m", "--licence", "CC-BY-4.0", "--provider", "Survey office"
    )
    assert made.code == 0, made.err
    with running_server(module_settings) as url:
        yield module_settings, url, dem


@pytest.fixture(scope="module")
def root(town):
    return f"{town[1]}/collections/terrain-ground"


def lonlat(column, row):
    """Longitude and latitude of a place in cells from the north-west corner; .5 = the centre of a cell."""
    return TO_LONLAT.transform(WEST + column * STEP, NORTH - row * STEP)


def fetched(url, folder):
    status, headers, body = ask(url, accept="image/tiff; application=geotiff")
    assert status == 200, body[:300]
    assert headers["Content-Type"] == "image/tiff; application=geotiff"
    (folder / "got.tif").write_bytes(body)
    return folder / "got.tif", headers


def test_the_raster_is_a_collection_with_extent_crs_licence_and_queries(root):
    document = get(root)
    # Corners of the grid by PROJ.
    corners = [lonlat(c, r) for c in (0, COLUMNS) for r in (0, ROWS)]
    west, south, east, north = document["extent"]["spatial"]["bbox"][0]
    assert (west, north) == pytest.approx((min(c[0] for c in corners), max(c[1] for c in corners)), abs=1e-6)
    assert (east, south) == pytest.approx((max(c[0] for c in corners), min(c[1] for c in corners)), abs=1e-6)
    assert document["storageCrs"] == "http://www.opengis.net/def/crs/EPSG/0/4547"
    assert set(document["data_queries"]) == {"position", "radius", "area", "cube", "trajectory"}
    assert document["parameter_names"]["ground_elevation_m"]["unit"]["symbol"]["value"] == "m"
    assert document["attribution"] == "Survey office (CC-BY-4.0)"
    for link in document["links"]:
        status, _, body = ask(link["href"], accept="*/*")
        assert status == 200, (link, body[:200])


def test_the_whole_coverage_as_geotiff_has_the_cells_nodata_unit_and_crs_of_the_source(root, town, tmp_path):
    path, headers = fetched(f"{root}/coverage", tmp_path)
    assert headers["Content-Crs"] == "<http://www.opengis.net/def/crs/EPSG/0/4547>"
    with rasterio.open(path) as got, rasterio.open(town[2]) as source:
        assert np.array_equal(got.read(1), source.read(1))
        assert (got.nodata, got.units, got.crs.to_epsg(), got.transform) == (-9999.0, ("m",), 4547, source.transform)
    told = json.loads(subprocess.run(["gdalinfo", "-json", path], capture_output=True, check=True).stdout)
    assert told["bands"][0]["noDataValue"] == -9999.0


@pytest.mark.parametrize("query", ["bbox={w},{s},{e},{n}", "subset=Lon({w}:{e}),Lat({s}:{n})"])
def test_a_box_in_degrees_gives_the_cells_it_meets(root, town, tmp_path, query):
    (w, s), (e, n) = lonlat(30.5, 50.5), lonlat(40.5, 40.5)
    path, _ = fetched(f"{root}/coverage?{query.format(w=w, s=s, e=e, n=n)}", tmp_path)
    with rasterio.open(path) as got:
        assert got.width in (11, 12)
        assert got.height in (11, 12)
        for column, row in ((0, 0), (5, 7), (10, 10)):
            x, y = got.xy(row, column)
            assert got.read(1)[row, column] == pytest.approx(location_value(town[2], x, y, "-geoloc")[0])


def test_a_subset_on_borders_of_cells_in_the_raster_crs_takes_exactly_those(root, tmp_path):
    path, _ = fetched(f"{root}/coverage?subset=E({WEST + 100}:{WEST + 150}),N({NORTH - 200}:{NORTH - 100})", tmp_path)
    with rasterio.open(path) as got:
        assert (got.width, got.height) == (10, 20)
        assert got.bounds[:] == (WEST + 100, NORTH - 200, WEST + 150, NORTH - 100)


def test_a_box_in_the_axis_order_of_epsg_4490_has_latitude_first(root, tmp_path):
    (w, s), (e, n) = lonlat(30.5, 50.5), lonlat(40.5, 40.5)
    uri = quote("http://www.opengis.net/def/crs/EPSG/0/4490")
    turned, _ = fetched(f"{root}/coverage?bbox={s},{w},{n},{e}&bbox-crs={uri}", tmp_path)
    with rasterio.open(turned) as got:
        found = got.bounds
    plain, _ = fetched(f"{root}/coverage?bbox={w},{s},{e},{n}", tmp_path)
    with rasterio.open(plain) as got:
        assert got.bounds == found


def test_a_scaled_coverage_of_a_plane_keeps_its_heights(root, tmp_path):
    path, _ = fetched(f"{root}/coverage?subset=E({WEST}:{WEST + 200}),N({NORTH - 400}:{NORTH - 200})&scale-factor=4", tmp_path)
    with rasterio.open(path) as got:
        assert (got.width, got.height) == (10, 10)
        x, y = got.xy(3, 6)
        # The plane of tests.support.rasters.plane.
        assert got.read(1)[3, 6] == pytest.approx(20 + (x - WEST) * 0.1 + (y - (NORTH - ROWS * STEP)) * 0.05, abs=1e-3)


def test_the_coverage_in_another_crs_equals_gdalwarp(root, town, tmp_path):
    path, headers = fetched(f"{root}/coverage?crs={quote('http://www.opengis.net/def/crs/EPSG/0/3857')}", tmp_path)
    assert headers["Content-Crs"] == "<http://www.opengis.net/def/crs/EPSG/0/3857>"
    with rasterio.open(path) as got:
        bounds, shape, values = got.bounds, got.shape, got.read(1)
    subprocess.run(
        ["gdalwarp", "-q", "-t_srs", "EPSG:3857", "-r", "bilinear", "-te", *map(str, bounds), "-ts", str(shape[1]), str(shape[0]),
         str(town[2]), str(tmp_path / "warped.tif")], check=True,
    )  # fmt: skip
    with rasterio.open(tmp_path / "warped.tif") as expected:
        wanted = expected.read(1)
    both = (values != -9999) & (wanted != -9999)
    assert both.mean() > 0.9
    # gdalwarp takes the transformation between nodes at up to an eighth of a cell; the plane rises 0.6 m per cell.
    assert np.abs(values - wanted)[both].max() < 0.1


def test_coverage_json_names_axes_in_the_order_of_the_crs_and_gaps_are_null(root, town):
    url = f"{root}/coverage?f=json&subset=E({WEST + 95}:{WEST + 120}),N({NORTH - 60}:{NORTH - 40})"
    document = get(url)
    axes, values = document["domain"]["axes"], document["ranges"]["ground_elevation_m"]
    # EPSG:4547 has northing first.
    assert document["domain"]["referencing"][0]["coordinates"] == ["y", "x"]
    assert values["shape"] == [4, 5]
    assert axes["x"] == {"start": WEST + 97.5, "stop": WEST + 117.5, "num": 5}
    assert axes["y"] == {"start": NORTH - 42.5, "stop": NORTH - 57.5, "num": 4}
    grid = np.array(values["values"], dtype=float).reshape(4, 5)
    # Columns 20-25 of rows 10-13 have no data.
    assert np.isnan(grid[2:, 1:]).all()
    assert grid[0, 3] == pytest.approx(location_value(town[2], WEST + 112.5, NORTH - 42.5, "-geoloc")[0], abs=1e-4)


def test_position_equals_gdallocationinfo_and_the_plane_between_cells(root, town):
    lon, lat = lonlat(33.5, 44.5)
    near = get(f"{root}/position?coords=POINT({lon}%20{lat})&interpolation=nearest")
    assert near["ranges"]["ground_elevation_m"]["values"][0] == pytest.approx(
        location_value(town[2], WEST + 33.5 * STEP, NORTH - 44.5 * STEP, "-geoloc")[0], abs=1e-4
    )
    lon, lat = lonlat(33.9, 44.2)
    between = get(f"{root}/position?coords=POINT({lon}%20{lat})")
    expected = 20 + 33.9 * STEP * 0.1 + (ROWS - 44.2) * STEP * 0.05
    assert between["ranges"]["ground_elevation_m"]["values"][0] == pytest.approx(expected, abs=1e-3)
    assert between["domain"]["referencing"][0]["coordinates"] == ["x", "y"]
    many = get(f"{root}/position?coords=MULTIPOINT({lon}%20{lat},0%200)&f=geojson")
    heights = [one["properties"]["ground_elevation_m"] for one in many["features"]]
    assert heights == [pytest.approx(expected, abs=1e-3), None]


def test_position_in_the_city_crs_reads_northing_first(root):
    x, y = WEST + 200.0, NORTH - 150.0
    uri = quote("http://www.opengis.net/def/crs/EPSG/0/4547")
    document = get(f"{root}/position?coords=POINT({y}%20{x})&crs={uri}")
    expected = 20 + 200 * 0.1 + (ROWS * STEP - 150) * 0.05
    assert document["ranges"]["ground_elevation_m"]["values"][0] == pytest.approx(expected, abs=1e-3)
    assert document["domain"]["referencing"][0]["coordinates"] == ["y", "x"]


def test_radius_holds_the_cells_whose_centres_lie_within_the_distance(root):
    lon, lat = lonlat(60.5, 40.5)
    document = get(f"{root}/radius?coords=POINT({lon}%20{lat})&within=0.021&within-units=km")
    values = document["ranges"]["ground_elevation_m"]
    found = sum(one is not None for one in values["values"])
    # Cells (dx, dy) with 5 m x sqrt(dx2 + dy2) <= 21 m: those with dx2 + dy2 <= 17.64.
    assert found == sum(dx * dx + dy * dy <= 17.64 for dx in range(-5, 6) for dy in range(-5, 6))


def test_area_holds_the_cells_whose_centres_lie_inside(root, tmp_path):
    corners = [lonlat(50.2, 30.2), lonlat(58.2, 30.2), lonlat(58.2, 36.2), lonlat(50.2, 36.2)]
    text = ",".join(f"{lon}%20{lat}" for lon, lat in [*corners, corners[0]])
    path, _ = fetched(f"{root}/area?coords=POLYGON(({text}))&f=GeoTIFF", tmp_path)
    with rasterio.open(path) as got:
        # Centres .5 of columns 50-57 and rows 30-35.
        assert (got.read(1) != -9999).sum() == 8 * 6


def test_cube_is_the_box(root):
    (w, s), (e, n) = lonlat(30.5, 50.5), lonlat(40.5, 40.5)
    document = get(f"{root}/cube?bbox={w},{s},{e},{n}")
    assert document["domain"]["domainType"] == "Grid"
    assert document["ranges"]["ground_elevation_m"]["shape"][0] in (11, 12)


def test_trajectory_rises_as_the_plane_with_its_distances(root):
    (a_lon, a_lat), (b_lon, b_lat) = lonlat(40, 60), lonlat(70, 20)
    document = get(f"{root}/trajectory?coords=LINESTRING({a_lon}%20{a_lat},{b_lon}%20{b_lat})&f=geojson")
    rows = [one["properties"] for one in document["features"]]
    # 150 m east, 200 m north: 250 m, at most a cell apart; 0.1 x 150 + 0.05 x 200 = 25 m higher.
    assert rows[-1]["distance_m"] == pytest.approx(250, abs=0.1)
    assert len(rows) == 51
    assert rows[-1]["ground_elevation_m"] - rows[0]["ground_elevation_m"] == pytest.approx(25, abs=1e-2)
    assert rows[20]["ground_elevation_m"] - rows[0]["ground_elevation_m"] == pytest.approx(25 * 20 / 50, abs=1e-2)


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("coverage?bbox=1,2,3", 400, "4 or 6 finite numbers"),
        ("coverage?bbox=1,2,3,4", 400, "a box that meets the raster"),
        ("coverage?subset=Q(1:2)", 400, "axis(low:high)"),
        ("coverage?properties=red", 400, "ground_elevation_m"),
        ("coverage?crs=EPSG:2056", 400, "expected one of"),
        ("coverage?scale-size=E(9000),N(9000)", 413, "81000000 values"),
        ("coverage?f=netcdf", 400, "geotiff, coveragejson"),
        ("coverage?limit=10", 400, "one of the parameters"),
        ("position?coords=POINT(1)", 400, "well-known text of POINT or MULTIPOINT"),
        ("position?coords=LINESTRING(1%201,2%202)", 400, "POINT or MULTIPOINT"),
        ("position", 400, "well-known text"),
        ("radius?coords=POINT(114.38%2030.5)&within=-1", 400, "above 0"),
        ("radius?coords=POINT(114.38%2030.5)&within=1&within-units=mile", 400, "m or km"),
        ("area?coords=POLYGON((0%200,1%201,1%200,0%201,0%200))", 400, "a valid polygon"),
        ("cube", 400, "4 numbers"),
        ("items", 404, "is a raster"),
        ("queryables", 404, "has none"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_the_reason(root, query, status, words):
    found, _, body = ask(f"{root}/{query}")
    assert found == status, body
    assert words in json.loads(body)["detail"]


def test_features_have_no_coverage(town):
    status, _, body = ask(f"{town[1]}/collections/buildings/coverage")
    assert status == 404
    assert "terrain-ground" in json.loads(body)["detail"]


def test_an_unchanged_coverage_is_not_sent_again(root):
    _, headers, _ = ask(f"{root}/coverage?f=json&subset=E({WEST}:{WEST + 10}),N({NORTH - 10}:{NORTH})")
    status, _, body = ask(
        f"{root}/coverage?f=json&subset=E({WEST}:{WEST + 10}),N({NORTH - 10}:{NORTH})", headers={"If-None-Match": headers["ETag"]}
    )
    assert (status, body) == (304, b"")


def test_a_raster_appears_without_restart_with_a_name_that_addresses_hold(town, tmp_path):
    settings, url, _ = town
    dem = write(tmp_path / "second.tif", plane(20, 20)[None], west=WEST + 2000)
    made = run_cim(settings, "ingest", "terrain", dem, *DATUM, "--unit", "m", "--name", "新区 / 2026")
    assert made.code == 0, made.err
    wanted = f"{url}/collections/{quote('terrain-新区-2026')}"
    deadline = time.monotonic() + 15
    while ask(wanted)[0] != 200 and time.monotonic() < deadline:
        time.sleep(0.3)
    assert get(wanted)["id"] == "terrain-新区-2026"
    assert "terrain-新区-2026" in [one["id"] for one in get(f"{url}/collections")["collections"]]


def test_rasters_obey_grants_of_collections(town):
    settings, url, _ = town

    def token(name, collection):
        made = run_cim(settings, "token", "create", "--name", name, "--role", "viewer", "--collection", collection, "--json")
        assert made.code == 0, made.err
        return {"Authorization": f"Bearer {made.json()['token']}"}

    granted, other = token("ground-reader", "terrain"), token("house-reader", "buildings")
    for path in ("", "/coverage?f=json&scale-factor=10", "/map?width=50", "/styles"):
        assert ask(f"{url}/collections/terrain-ground{path}", headers=granted)[0] == 200
        assert ask(f"{url}/collections/terrain-ground{path}", headers=other)[0] == 403
    assert "terrain-ground" not in [one["id"] for one in json.loads(ask(f"{url}/collections", headers=other)[2])["collections"]]


def test_conformance_and_openapi_tell_of_coverages_and_queries(town):
    classes = get(f"{town[1]}/conformance")["conformsTo"]
    assert "http://www.opengis.net/spec/ogcapi-coverages-1/1.0/conf/core" in classes
    assert "http://www.opengis.net/spec/ogcapi-edr-1/1.1/conf/core" in classes
    paths = get(f"{town[1]}/openapi")["paths"]
    for name in ("coverage", "position", "radius", "area", "cube", "trajectory", "map"):
        assert "get" in paths[f"/collections/terrain-ground/{name}"]
    known = {one["name"] for one in paths["/collections/terrain-ground/radius"]["get"]["parameters"]}
    assert known == {"coords", "within", "within-units", "crs", "parameter-name", "f"}


def executed(url, process, inputs, status=200):
    found, _, body = ask(
        f"{url}/processes/{process}/execution", method="POST", body=json.dumps({"inputs": inputs}).encode(),
        headers={"Content-Type": "application/json"},
    )  # fmt: skip
    assert found == status, body[:400]
    return json.loads(body)


def test_processes_of_the_terrain_answer_as_the_plane_says(town):
    a, b = lonlat(40, 60), lonlat(70, 20)
    rows = executed(town[1], "terrain-profile", {"line": [a, b], "step_m": 25})["profile"]
    assert rows[-1]["distance_m"] == pytest.approx(250, abs=0.1)
    assert rows[-1]["ground_m"] - rows[0]["ground_m"] == pytest.approx(25, abs=0.02)
    seen = executed(town[1], "terrain-viewshed", {"observer": lonlat(60, 50), "observer_m": 20, "reach_m": 100, "cell_m": 5})
    # All of a circle of 100 m is seen on a plane.
    assert seen["seen_m2"] == pytest.approx(np.pi * 100**2, rel=0.05)
    assert seen["area"]["type"] == "MultiPolygon"
    (w, s), (e, n) = lonlat(30, 70), lonlat(90, 30)
    lines = executed(town[1], "terrain-contours", {"bbox": [w, s, e, n], "interval_m": 5})["contours"]["features"]
    for line in lines:
        x, y = TO_LONLAT.transform(*np.array(line["geometry"]["coordinates"]).T, direction="INVERSE")
        ground = 20 + (x - WEST) * 0.1 + (y - (NORTH - ROWS * STEP)) * 0.05
        assert ground == pytest.approx(np.full(len(x), line["properties"]["elevation_m"]), abs=0.02)
    assert len(lines) >= 5
    assert "corner" in executed(town[1], "terrain-contours", {"bbox": [e, s, w, n], "interval_m": 5}, 400)["detail"]
