"""``cim terrain`` over a plane whose answers are known by hand, and what a new terrain changes in the register."""

import json
import math

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from pyproj import Transformer

from cim.db import engine
from tests.support.cli import run_cim
from tests.support.rasters import DATUM, NORTH, PROFILE, WEST, location_value, plane, write

EAST, RISE_NORTH = 0.2, 0.1
ROWS = COLUMNS = 200
SOUTH = NORTH - ROWS * 5
TO_LONLAT = Transformer.from_crs("EPSG:4547", "EPSG:4490", always_xy=True)  # noqa: TID251 - an independent transformer


@pytest.fixture(scope="module")
def town(module_settings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("plane")
    (folder / "city.yaml").write_text(PROFILE, encoding="utf-8")
    assert run_cim(module_settings, "db", "profile", folder / "city.yaml").code == 0
    dem = write(folder / "plane.tif", plane(ROWS, COLUMNS, east=EAST, north=RISE_NORTH)[None])
    assert run_cim(module_settings, "ingest", "terrain", dem, *DATUM, "--unit", "m").code == 0
    return module_settings


def at(east, north):
    lon, lat = TO_LONLAT.transform(WEST + east, SOUTH + north)
    return f"{lon},{lat}"


def box(west, south, east, north):
    return f"{at(west, south)},{at(east, north)}"


def terrain(town, *argv):
    made = run_cim(town, "terrain", *argv, "--json")
    assert made.code == 0, made.err
    return made.json()


def test_a_profile_of_a_plane_rises_as_the_plane(town):
    found = terrain(town, "profile", at(100, 100), at(400, 500), "--step", "50")
    # 300 m east and 400 m north: 500 m, 0.2 x 300 + 0.1 x 400 = 100 m higher.
    assert found["length_m"] == pytest.approx(500, abs=0.01)
    assert found["climb_m"] == pytest.approx(100, abs=0.01)
    assert len(found["profile"]) == 11
    assert found["profile"][0]["ground_m"] == pytest.approx(20 + 0.2 * 100 + 0.1 * 100, abs=0.005)


def test_slope_and_aspect_of_a_plane_are_those_of_its_gradient(town, tmp_path):
    found = terrain(town, "slope", "--box", box(100, 100, 500, 500), "--out", tmp_path / "slope.tif")
    expected = math.degrees(math.atan(math.hypot(EAST, RISE_NORTH)))
    assert found["mean_deg"] == pytest.approx(expected, abs=1e-3)
    with rasterio.open(tmp_path / "slope.tif") as source:
        assert source.crs.to_epsg() == 4547
        assert source.descriptions == ("slope", "aspect")
        # It falls to the west-south-west: (-0.2, -0.1), clockwise from north.
        assert source.read(2)[30, 30] == pytest.approx(math.degrees(math.atan2(-EAST, -RISE_NORTH)) % 360, abs=1e-2)


@pytest.mark.parametrize("suffix", [".gpkg", ".geojson", ".fgb"])
def test_contours_of_a_plane_are_straight_and_their_distance_is_interval_over_slope(town, tmp_path, suffix):
    found = terrain(town, "contours", "--box", box(100, 100, 600, 600), "--interval", "10", "--out", tmp_path / f"lines{suffix}")
    meta, _, wkb, fields = pyogrio.raw.read(tmp_path / f"lines{suffix}")
    lines, levels = shapely.from_wkb(wkb), fields[list(meta["fields"]).index("elevation_m")]
    assert found["lines"] == len(lines) > 5
    assert (levels % 10 == 0).all()
    for line, level in zip(lines, levels, strict=True):
        lon, lat = shapely.get_coordinates(line).T
        x, y = TO_LONLAT.transform(lon, lat, direction="INVERSE")
        assert 20 + (x - WEST) * EAST + (y - SOUTH) * RISE_NORTH == pytest.approx(np.full(len(x), level), abs=0.02)


def test_on_a_plane_everything_within_reach_is_seen_and_a_wall_hides_what_is_behind(town, module_settings, tmp_path):
    found = terrain(town, "viewshed", at(500, 500), "--reach", "200", "--eye", "5", "--out", tmp_path / "seen.tif")
    # A circle of 200 m, less the half cell at its rim.
    assert found["seen_m2"] == pytest.approx(math.pi * 200**2, rel=0.02)
    walled = plane(ROWS, COLUMNS, east=0, north=0)
    walled[:, 120] += 30.0
    dem = write(tmp_path / "walled.tif", walled[None], west=WEST + 5000)
    assert run_cim(town, "ingest", "terrain", dem, *DATUM, "--unit", "m").code == 0
    found = terrain(town, "viewshed", at(5500, 500), "--reach", "200", "--eye", "5", "--out", tmp_path / "seen.gpkg")
    _, _, wkb, _ = pyogrio.raw.read(tmp_path / "seen.gpkg")
    seen = shapely.from_wkb(wkb)[0]

    def is_seen(east):
        return seen.contains(shapely.Point(TO_LONLAT.transform(WEST + 5000 + east, SOUTH + 502.5)))

    # The wall stands 600 to 605 m east: its face is seen, the ground before it too, nothing behind.
    assert (is_seen(577.5), is_seen(602.5), is_seen(622.5), is_seen(677.5)) == (True, True, False, False)
    look = terrain(town, "sight", at(5500, 500), at(5660, 500), "--eye", "5")
    assert look["visible"] is False
    # Eye 5 m, wall 30 m, both on ground of 20 m; over 102 m the ray falls from 5 m to 0 over 160 m.
    assert look["clearance_m"] == pytest.approx(5 * (1 - 102.5 / 160) - 30, abs=0.5)
    assert terrain(town, "sight", at(5500, 500), at(5660, 500), "--eye", "5", "--height", "80")["visible"] is True


def test_earthwork_of_a_level_site_on_a_plane_is_its_prism(town, tmp_path):
    corners = [TO_LONLAT.transform(WEST + e, SOUTH + n) for e, n in ((200, 200), (400, 200), (400, 300), (200, 300))]
    site = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [[*corners, corners[0]]]}}
    (tmp_path / "site.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [site]}), encoding="utf-8")
    # Ground in the middle: 20 + 0.2 x 300 + 0.1 x 250 = 105 m. A level site there balances; a metre lower digs 20,000 m3 more.
    level = terrain(town, "cut-fill", tmp_path / "site.geojson", "--level", "105")
    assert level["cut_m3"] == pytest.approx(level["fill_m3"], rel=0.01)
    # Mean of what lies above the level, 0.2 x + 0.1 y with x in +-100 m and y in +-50 m, by integration, times the area.
    u, v = np.meshgrid(np.linspace(-20, 20, 4001), np.linspace(-5, 5, 1001))
    assert level["cut_m3"] == pytest.approx(np.maximum(u + v, 0).mean() * 20_000, rel=0.01)
    lower = terrain(town, "cut-fill", tmp_path / "site.geojson", "--level", "104")
    assert (lower["cut_m3"] - lower["fill_m3"]) == pytest.approx(20_000, rel=0.02)


def test_water_runs_down_the_plane_and_stands_in_a_hollow(town, tmp_path):
    hollow = plane(60, 60, east=0.1, north=0.0)
    hollow[30, 30] -= 3.0
    dem = write(tmp_path / "hollow.tif", hollow[None], west=WEST + 9000)
    assert run_cim(town, "ingest", "terrain", dem, *DATUM, "--unit", "m").code == 0
    west, south = TO_LONLAT.transform(WEST + 9000, NORTH - 300)
    east, north = TO_LONLAT.transform(WEST + 9300, NORTH)
    found = terrain(town, "flow", "--box", f"{west},{south},{east},{north}", "--out", tmp_path / "flow.tif")
    # Filled to its outlet, the neighbour to the west, 0.5 m below its own plane height: 2.5 m over one cell of 25 m2.
    assert found["deepest_m"] == pytest.approx(2.5, abs=0.01)
    assert found["depressions_m3"] == pytest.approx(62.5, abs=1)
    with rasterio.open(tmp_path / "flow.tif") as source:
        assert source.descriptions == ("depression_depth", "direction", "cells_drained")
        # 16 = west, in the scheme of ESRI.
        assert source.read(2)[10, 20] == 16


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("profile", "114.4,30.5"), "at least two places"),
        (("profile", "114.4", "114.5,30.5"), "2 numbers"),
        (("profile", "10,10", "10.001,10"), "on a stored elevation raster"),
        (("slope", "--box", "2,1,1,2", "--out", "x.tif"), "the lower corner first"),
        (("slope", "--box", "100,20,120,40", "--out", "x.tif"), "expected at most 25000000"),
        (("contours", "--box", "BOX", "--interval", "0", "--out", "x.gpkg"), "metres above 0"),
        (("contours", "--box", "BOX", "--interval", "5", "--out", "x.txt"), "a file ending in .gpkg, .geojson, .fgb"),
        (("viewshed", "PLACE", "--reach", "99999", "--out", "x.tif"), "at most 20000"),
        (("cut-fill", "nothing.geojson", "--level", "1"), "not a layer"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words_and_writes_nothing(town, tmp_path, monkeypatch, argv, words):
    monkeypatch.chdir(tmp_path)
    full = [box(100, 100, 200, 200) if one == "BOX" else at(300, 300) if one == "PLACE" else one for one in argv]
    made = run_cim(town, "terrain", *full)
    assert made.code == 1
    assert words in made.err
    assert not list(tmp_path.glob("x.*"))


def test_a_new_terrain_moves_points_that_followed_the_old_one_and_leaves_surveyed_ground(town, tmp_path):
    def load(height):
        dem = write(tmp_path / "flat.tif", np.full((1, 100, 100), height, np.float32), west=WEST + 20_000)
        made = run_cim(town, "ingest", "terrain", dem, *DATUM, "--unit", "m", "--name", "flat", "--json")
        assert made.code == 0, made.err
        return made.json()[0]

    load(20.0)
    lon, lat = TO_LONLAT.transform(WEST + 20_250, NORTH - 250)
    with engine.connect(town) as connection:
        change = connection.execute(
            "INSERT INTO change_set (id, author, operation, reason) VALUES (cim_uuid7(), 't', 'ingest', 't') RETURNING id"
        ).fetchone()[0]
        for number, ground, elevation in (("unknown", None, None), ("followed", 20.0, 18.0), ("surveyed", 21.5, 18.5)):
            connection.execute(
                """INSERT INTO network_node
                       (kind, code, county_code, survey_no, ground_elevation_m, elevation_m, depth_m, geom, change_set_id)
                   VALUES ('water', %s, '420111', %s, %s, %s, %s::float8 - %s::float8, ST_SetSRID(ST_MakePoint(%s, %s, 0), 4490), %s)""",
                [f"N-{number}", number, ground, elevation, ground, elevation, lon, lat, change],
            )
    report = load(22.0)
    assert report["network_points_with_new_ground"] == 2
    with engine.connect(town) as connection:
        now = connection.execute("SELECT survey_no, ground_elevation_m, elevation_m, depth_m, version FROM network_node").fetchall()
        found = {row[0]: row[1:] for row in now}
        kept = connection.execute("SELECT ground_elevation_m, depth_m FROM network_node_history WHERE code = 'N-followed'").fetchall()
        told = connection.execute("SELECT count(*) FROM change_event WHERE code LIKE 'N-%' AND action = 'update'").fetchone()
    # The pipe stays at 18 m; 22 m of ground make 4 m of depth.
    assert found == {"unknown": (22.0, None, None, 2), "followed": (22.0, 18.0, 4.0, 2), "surveyed": (21.5, 18.5, 3.0, 1)}
    assert kept == [(20.0, 2.0)]
    assert told == (2,)


def test_models_have_the_ground_under_their_outline_whichever_comes_first(settings, sample_data):
    assert run_cim(settings, "db", "profile", sample_data / "city.yaml").code == 0
    first = run_cim(settings, "bim", "upload", sample_data / "ifc/fzk_haus.ifc", "--json")
    assert first.code == 0, first.err
    dem = sample_data / "terrain/guanggu_dem.tif"
    loaded = run_cim(settings, "ingest", "terrain", dem, *DATUM, "--synthetic", "--json")
    assert loaded.json()[0]["models_with_new_ground"] == 1
    assert run_cim(settings, "bim", "upload", sample_data / "ifc/duplex.ifc", "--json").code == 0
    with engine.connect(settings) as connection:
        found = connection.execute(
            "SELECT ground_min_m, ground_mean_m, ground_max_m, ST_X(ST_PointOnSurface(geom)), ST_Y(ST_PointOnSurface(geom)) FROM bim_model"
        ).fetchall()
    assert len(found) == 2
    for low, mean, high, lon, lat in found:
        assert low <= mean <= high
        # The cell under a point inside the outline, by gdallocationinfo; cells of 5 m.
        inside = location_value(dem, lon, lat, "-wgs84")[0]
        assert low - 0.5 <= inside <= high + 0.5
