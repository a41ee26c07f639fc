"""A grid of separations: read as GDAL reads it, refused where it is missing or too small, the same in all layers."""

import json
import subprocess
from pathlib import Path

import laspy
import numpy as np
import pyproj
import pytest
import rasterio
from rasterio.transform import from_origin

from cim.db import engine, profiles, tilesets
from cim.db.changes import open_change_set
from cim.errors import ConfigError
from cim.geoid import Geoid, check_grid, keep_grid
from cim.geometry.ecef import ecef_to_lonlat
from tests.pipeline.test_citymodel_tiles import walked
from tests.pipeline.test_live_tiles import ask, contents
from tests.support.cli import run_cim
from tests.support.http import get
from tests.support.many_buildings import add, box, code
from tests.support.server import running_server
from tests.support.small_city import CORNER, MODEL, add_building, add_model, add_network, features
from tiles.build import build_layers
from tiles.glb_read import Glb
from tiles.validate import Checker, Report, validate_folder, validate_layer

STEP = 0.025
NODES = 41
PROFILE = """
name: {en: Town, zh: 测试城}
division_codes: ["420111"]
projected_crs: EPSG:4547
geoid_grid: made.tif
"""


def write_grid(path, *, west=114.0, north=31.0, lift=0.0, driver="GTiff"):
    """Write separations that bend: no plane that a constant at the middle would do for."""
    x, y = west + np.arange(NODES) * STEP, north - np.arange(NODES) * STEP
    values = -13 + 4 * (x[None] - 114.5) - 3 * (y[:, None] - 30.5) + np.sin(9 * x[None]) + lift
    profile = {
        "driver": driver, "width": NODES, "height": NODES, "count": 1, "dtype": "float32", "crs": "EPSG:4326",
        "transform": from_origin(west - STEP / 2, north + STEP / 2, STEP, STEP),
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as target:
        target.write(values.astype("float32"), 1)
    return path


def fetched(url):
    status, _, body = ask(url)
    assert status == 200, body
    return body


def by_gdal(path, lon, lat):
    """Return separations by the program gdaltransform and its own PROJ."""
    lines = "".join(f"{x!r} {y!r} 0\n" for x, y in zip(map(float, lon), map(float, lat), strict=True))
    operation = f"+proj=pipeline +step +proj=unitconvert +xy_in=deg +xy_out=rad +step +proj=vgridshift +grids={path} +multiplier=1 "
    operation += "+step +proj=unitconvert +xy_in=rad +xy_out=deg"
    made = subprocess.run(["gdaltransform", "-ct", operation], input=lines, capture_output=True, text=True, check=True)
    return np.array([float(line.split()[2]) for line in made.stdout.splitlines()])


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    return write_grid(tmp_path_factory.mktemp("grid") / "made.tif")


@pytest.fixture(scope="module")
def town(module_settings, grid):
    settings = module_settings
    profile = grid.parent / "city.yaml"
    profile.write_text(PROFILE, encoding="utf-8")
    with engine.connect(settings) as connection:
        by = open_change_set(connection, author="test", operation="ingest", reason="test")
        add(connection, [(i, box(114.30 + i % 10 * 0.02, 30.40 + i // 10 * 0.02)) for i in range(50)])
        add_building(connection, by, 1)
        add_network(connection, by)
        add_model(connection)
    made = run_cim(settings, "db", "profile", profile, "--json")
    assert made.code == 0, made.err
    build_layers(settings, [])
    return settings


@pytest.mark.parametrize("driver", ["GTiff", "GTX"])
def test_separations_are_those_of_gdallocationinfo_at_nodes_and_of_proj_between(tmp_path, driver):
    path = write_grid(tmp_path / f"one.{'gtx' if driver == 'GTX' else 'tif'}", driver=driver)
    geoid = Geoid(grid=path)
    lon, lat = 114.0 + np.array([3, 20, 39]) * STEP, 31.0 - np.array([5, 11, 38]) * STEP
    command = ["gdallocationinfo", "-valonly", "-geoloc", path]
    expected = [
        float(subprocess.run([*command, str(x), str(y)], capture_output=True, text=True, check=True).stdout)
        for x, y in zip(lon, lat, strict=True)
    ]
    assert geoid.at(lon, lat) == pytest.approx(expected, abs=1e-5)
    between = np.random.default_rng(3).uniform((114.05, 30.05), (114.95, 30.95), (50, 2)).T
    assert geoid.at(*between) == pytest.approx(by_gdal(path, *between), abs=1e-5)


def test_a_path_with_blanks_is_read_and_a_place_that_is_none_has_no_separation(tmp_path):
    geoid = Geoid(grid=write_grid(tmp_path / "of a city.tif"))
    found = geoid.at(np.array([114.5, np.nan]), np.array([30.5, 30.5]))
    assert np.isfinite(found).tolist() == [True, False]


def test_a_place_outside_the_grid_is_an_error_that_names_it(grid):
    with pytest.raises(ConfigError, match=r"made.tif: found no separation at 1 of 2 places, the first at longitude 116.5000"):
        Geoid(grid=grid).at(np.array([114.5, 116.5]), np.array([30.5, 30.5]))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("gone.tif", None, "found no such file"),
        ("grid.txt", b"x", "found a name that ends in '.txt', expected one of .tif, .tiff, .gtx"),
        ("broken.tif", b"no grid", "found no grid that PROJ can read"),
    ],
)
def test_a_grid_that_is_none_is_refused(tmp_path, name, content, words):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        check_grid(tmp_path / name, tmp_path / "kept")
    assert words in caught.value.message
    assert "cim db profile" in caught.value.hint
    assert not (tmp_path / "kept").exists()


def test_a_kept_grid_is_named_by_its_contents(tmp_path, grid):
    first, again = (keep_grid(Geoid(grid=grid), tmp_path) for _ in range(2))
    other = keep_grid(Geoid(grid=write_grid(tmp_path / "other.tif", lift=1.0)), tmp_path)
    assert first == again != other
    assert len(list(tmp_path.glob("geoid-*.tif"))) == 2


def test_the_profile_keeps_the_grid_in_the_store_and_can_be_set_again(town, grid):
    stored = run_cim(town, "db", "profile", "--json").json()
    assert stored["geoid_separation_m"] is None
    kept = town.rasters_dir / stored["geoid_grid"]
    assert kept.read_bytes() == grid.read_bytes()
    # What the store prints may be given back, from anywhere.
    back = grid.parent / "back.yaml"
    back.write_text(json.dumps(stored), encoding="utf-8")
    assert run_cim(town, "db", "profile", back, "--json").json()["changed"] is False


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (PROFILE + "geoid_separation_m: -13\n", "found both of geoid_separation_m and geoid_grid"),
        (PROFILE.replace("geoid_grid: made.tif", ""), "found neither of geoid_separation_m and geoid_grid"),
        (PROFILE.replace("made.tif", "small.tif"), "buildings lie from 114.3000, 30.4000"),
        (PROFILE.replace("made.tif", "gone.tif"), "found no such file"),
    ],
    ids=["both", "neither", "elsewhere", "gone"],
)
def test_a_profile_whose_heights_nobody_can_tell_is_refused_and_the_old_one_stays(town, grid, text, words):
    write_grid(grid.parent / "small.tif", west=113.4)
    path = grid.parent / "wrong.yaml"
    path.write_text(text, encoding="utf-8")
    before = run_cim(town, "db", "profile", "--json").json(), sorted(town.rasters_dir.iterdir())
    result = run_cim(town, "db", "profile", path)
    assert result.code == 1
    assert words in " ".join(result.err.split())
    assert (run_cim(town, "db", "profile", "--json").json(), sorted(town.rasters_dir.iterdir())) == before


def test_every_building_stands_on_the_separation_of_its_own_place(town, grid):
    vertices, _ = features(town, "buildings")
    middles = np.array([(114.30 + i % 10 * 0.02 + 0.00005, 30.40 + i // 10 * 0.02 + 0.00005) for i in range(50)])
    separation = by_gdal(grid, *middles.T)
    assert np.ptp(separation) > 1
    # Ground 25 m, height 20 m, a metre of skirt.
    for number, expected in enumerate(separation):
        mine = vertices[code(number)][:, 2]
        assert (mine.min(), mine.max()) == (pytest.approx(24 + expected, abs=0.02), pytest.approx(45 + expected, abs=0.02))
    report = validate_layer(town, "buildings")
    assert (report.faults, report.compared) == ([], 51)


def test_pipes_and_models_follow_the_grid_vertex_by_vertex(town, grid):
    pipes, _ = features(town, "networks/sewage")
    duct = pipes["WSL1"]
    # A duct 0.8 m high, its invert at 22 m (see `test_tiles`).
    for side in (duct[:, 0] < 114.4015, duct[:, 0] > 114.4015):
        place = duct[side][:, :2].mean(axis=0)
        expected = by_gdal(grid, [place[0]], [place[1]])[0]
        assert duct[side][:, 2].min() == pytest.approx(22.0 + expected, abs=0.01)
    model, _ = features(town, f"bim/{MODEL}")
    corners = model[f"{MODEL}/wall"]
    low = corners[corners[:, 2] < np.median(corners[:, 2])]
    assert low[:, 2] == pytest.approx(CORNER[2] + by_gdal(grid, *low[:, :2].T), abs=0.02)
    assert validate_folder(Path(town.tiles_url)).faults == []


def test_the_ground_lies_where_the_buildings_stand(town, grid, tmp_path):
    path = tmp_path / "flat.tif"
    profile = {"driver": "GTiff", "width": 60, "height": 60, "count": 1, "dtype": "float32", "crs": "EPSG:4326", "nodata": -9999}
    with rasterio.open(path, "w", **profile, transform=from_origin(114.3, 30.6, 0.002, 0.002)) as target:
        target.write(np.full((60, 60), 25.0, "float32"), 1)
    made = run_cim(town, "ingest", "terrain", path, "--vertical-datum", "EPSG:5737", "--unit", "m", "--json")
    assert made.code == 0, made.err
    assert run_cim(town, "tiles", "build", "terrain").code == 0
    found = []
    document = json.loads((Path(town.tiles_url) / "terrain/layer.json").read_text())
    for tile in Path(town.tiles_url).glob(f"terrain/*/{document['maxzoom']}/*/*.terrain"):
        x, y = int(tile.parent.name), int(tile.stem)
        found.append((x, y, *heights_of_tile(tile)))
    size = 180 / (1 << document["maxzoom"])
    compared = 0
    for x, y, u, v, height in found:
        lon, lat = -180 + (x + u / 32767) * size, -90 + (y + v / 32767) * size
        inside = (lon > 114.301) & (lon < 114.419) & (lat > 30.481) & (lat < 30.599)
        if inside.any():
            compared += inside.sum()
            assert height[inside] == pytest.approx(25 + by_gdal(grid, lon[inside], lat[inside]), abs=0.02)
    assert compared > 500


def heights_of_tile(path):
    """Read u, v and heights of a quantized-mesh tile (format 1.0: header of 88 bytes, zigzag deltas)."""
    import gzip
    import struct

    body = path.read_bytes()
    body = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
    low, high = struct.unpack_from("<2f", body, 24)
    n = struct.unpack_from("<I", body, 88)[0]
    raw = np.frombuffer(body, "<u2", 3 * n, 92).astype(np.int64).reshape(3, n)
    u, v, h = np.cumsum((raw >> 1) ^ -(raw & 1), axis=1)
    return u, v, low + h / 32767 * (high - low)


def test_scans_follow_the_grid_point_by_point(town, grid, tmp_path):
    header = laspy.LasHeader(point_format=6, version="1.4")
    header.offsets, header.scales = [530_000, 3_370_000, 0], [0.001] * 3
    header.add_crs(pyproj.CRS.from_epsg(4547))
    las = laspy.LasData(header)
    random = np.random.default_rng(4)
    las.x, las.y, las.z = 530_000 + random.uniform(0, 6_000, 3_000), 3_370_000 + random.uniform(0, 6_000, 3_000), np.full(3_000, 30.0)
    las.write(tmp_path / "wide.las")
    made = run_cim(town, "tiles", "build", "--points", tmp_path / "wide.las", "--json")
    assert made.code == 0, made.err
    found = []
    for path, matrix in walked(Path(town.tiles_url) / "points/wide", only_last=True):
        found.append(Glb(path.read_bytes()).parts()[0].vertices @ matrix[:3, :3].T + matrix[:3, 3])
    places = ecef_to_lonlat(np.concatenate(found))
    expected = by_gdal(grid, *places[:, :2].T)
    assert np.ptp(expected) > 0.2
    assert places[:, 2] == pytest.approx(30 + expected, abs=0.03)
    assert validate_layer(town, "points/wide").faults == []


def test_another_grid_moves_every_tile_and_a_lost_one_stops_the_build_with_the_city_as_it_was(town, grid):
    with engine.connect(town) as connection:
        before = profiles.fetch_profile(connection)
    assert build_layers(town, ["buildings", "networks/sewage"])[0].written == 0
    lifted = keep_grid(Geoid(grid=write_grid(grid.parent / "lifted.tif", lift=1.0)), town.rasters_dir)
    try:
        with engine.connect(town) as connection:
            profiles.save_profile(connection, before.model_copy(update={"geoid_grid": lifted.token}))
        made = build_layers(town, ["buildings", "networks/sewage"])
        assert [one.written == one.tiles > 0 for one in made] == [True, True]
        assert validate_layer(town, "buildings").faults == []
        lifted.grid.unlink()
        files = {path: path.read_bytes() for path in Path(town.tiles_url).rglob("*") if path.is_file()}
        result = run_cim(town, "tiles", "build")
        assert result.code == 1
        assert lifted.token in result.err
        assert {path: path.read_bytes() for path in Path(town.tiles_url).rglob("*") if path.is_file()} == files
    finally:
        with engine.connect(town) as connection:
            profiles.save_profile(connection, before)
        build_layers(town, [])


def test_live_tiles_and_the_list_of_layers_follow_the_grid_and_unknown_grounds(town, grid):
    with engine.connect(town) as connection:
        add(connection, [(900, box(114.31, 30.41))], ground_elevation_m="NaN")
    try:
        build_layers(town, ["buildings"])
        with engine.connect(town) as connection:
            rows = {row.key: row for row in tilesets.fetch_input_hashes(connection, "buildings").values() if not row.is_far}
        with running_server(town) as server:
            listed = get(f"{server}/3dtiles/")
            west, south, east, north = listed["city"]["bbox"]
            middle = by_gdal(grid, [(west + east) / 2], [(south + north) / 2])[0]
            assert listed["city"]["geoid_separation_m"] == pytest.approx(middle, abs=1e-3)
            made = contents(f"{server}/3dtiles/buildings/live/tileset.json")
            report = Report("live")
            checker = Checker(lambda path: fetched(f"{server}/3dtiles/buildings/live/{path}"), report)
            checker.document("tileset.json", np.eye(4), None, "root", None)
        assert set(made) == set(rows)
        assert all(glb == (Path(town.tiles_url) / "buildings" / rows[key].uri).read_bytes() for key, glb in made.items())
        assert (report.faults, checker.codes.total()) == ([], 52)
    finally:
        with engine.connect(town) as connection:
            connection.execute("DELETE FROM building WHERE code = %s", [code(900)])
        build_layers(town, ["buildings"])
