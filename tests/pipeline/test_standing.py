"""Buildings stand on the terrain: the bottoms of 1,000 building blocks against the terrain tiles under them, both as served."""

import json
from pathlib import Path

import numpy as np
import pytest
import shapely
from pyproj import Transformer

from cim.db import engine
from tests.pipeline.test_tiles import features
from tests.support.cli import run_cim
from tests.support.rasters import DATUM, NORTH, PROFILE, WEST, write
from tests.unit.tiles.test_quantized_mesh import read_tile

TO_LONLAT = Transformer.from_crs("EPSG:4547", "EPSG:4490", always_xy=True)  # noqa: TID251 - an independent transformer
SKIRT_M = 1.0
SIDE_M = 2500.0
N = 1000


@pytest.fixture(scope="module")
def town(module_settings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hills")
    (folder / "city.yaml").write_text(PROFILE, encoding="utf-8")
    assert run_cim(module_settings, "db", "profile", folder / "city.yaml").code == 0
    x = (np.arange(540) + 0.5) * 5
    hills = 60 + 25 * np.sin(x[None, :] / 180) + 20 * np.cos(x[:, None] / 150)
    random = np.random.default_rng(11)
    with engine.connect(module_settings) as connection:
        by = connection.execute(
            "INSERT INTO change_set (id, author, operation, reason) VALUES (cim_uuid7(), 't', 'ingest', 't') RETURNING id"
        ).fetchone()[0]
        with connection.cursor() as cursor:
            cursor.executemany(
                """INSERT INTO building (code, code_scheme, county_code, division_code, change_set_id, geom, height_m, height_source)
                   VALUES (%s, 'CIM-BC27-v1', '420111', '420111001001', %s, ST_GeomFromText(%s, 4490), 20, 'surveyed')""",
                [(f"420111001001202600000{n:06d}", by, wkt) for n, wkt in enumerate(blocks(random))],
            )
    dem = write(folder / "hills.tif", hills.astype(np.float32)[None])
    loaded = run_cim(module_settings, "ingest", "terrain", dem, *DATUM, "--unit", "m", "--json")
    assert loaded.json()[0]["buildings_with_new_ground"] == N
    made = run_cim(module_settings, "tiles", "build", "--json")
    assert made.code == 0, made.err
    return module_settings


def blocks(random):
    """Turned rectangles of 8 to 40 m anywhere on the hills."""
    for _ in range(N):
        east, north = random.uniform(60, SIDE_M, 2)
        box = shapely.affinity.rotate(shapely.box(0, 0, *random.uniform(8, 40, 2)), random.uniform(0, 90))
        plane = shapely.affinity.translate(box, WEST + east, NORTH - 60 - north)
        lonlat = shapely.transform(plane, lambda at: np.column_stack(TO_LONLAT.transform(at[:, 0], at[:, 1])))
        yield shapely.MultiPolygon([shapely.set_precision(lonlat, 1e-9)]).wkt


def surface(settings):
    """Heights above the ellipsoid of the finest terrain tiles by tile address, 65 x 65 from south-west."""
    root = Path(settings.tiles_url) / "terrain"
    document = json.loads((root / "layer.json").read_text())
    level, found = document["maxzoom"], {}
    for path in root.rglob(f"{level}/*/*.terrain"):
        _, u, v, heights, *_ = read_tile(path.read_bytes())
        grid = np.full((65, 65), np.nan)
        grid[np.rint(v * 64).astype(int), np.rint(u * 64).astype(int)] = heights
        found[int(path.parent.name), int(path.stem)] = grid
    return level, found


def height_at(tiles, level, lon, lat):
    size = 180 / 2**level
    x, y = (lon + 180) / size, (lat + 90) / size
    grid = tiles[int(x), int(y)]
    column, row = (x - int(x)) * 64, (y - int(y)) * 64
    c, r = min(int(column), 63), min(int(row), 63)
    fc, fr = column - c, row - r
    low, high = grid[r, c] * (1 - fc) + grid[r, c + 1] * fc, grid[r + 1, c] * (1 - fc) + grid[r + 1, c + 1] * fc
    return low * (1 - fr) + high * fr


def test_no_building_floats_over_the_terrain_or_stands_deeper_than_its_skirt(town):
    level, tiles = surface(town)
    vertices, _ = features(town, "buildings")
    assert len(vertices) == N
    off = []
    for places in vertices.values():
        bottom = places[:, 2].min()
        corners = places[np.abs(places[:, 2] - bottom) < 0.05]
        ground = min(height_at(tiles, level, lon, lat) for lon, lat, _ in corners)
        off.append(bottom + SKIRT_M - ground)
    # Where the skirt begins against the lowest corner on the terrain: never 0.3 m over it; below it only where the ground dips in between.
    assert max(off) <= 0.3
    assert np.percentile(off, 1) >= -0.3
    assert min(off) > -1.0
