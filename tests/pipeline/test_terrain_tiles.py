"""Terrain tiles of an older build stay for clients that hold its document, and go when their time is over."""

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from cim.db import engine, profiles
from tests.support.cli import run_cim
from tests.support.many_buildings import PROFILE
from tiles.terrain import build_terrain


def graced(settings, seconds):
    return settings.model_copy(update={"tiles": settings.tiles.model_copy(update={"grace_s": seconds})})


def load(settings, folder, name, height):
    path = folder / f"{name}.tif"
    profile = {"driver": "GTiff", "width": 20, "height": 20, "count": 1, "dtype": "float32", "crs": "EPSG:4326", "nodata": -9999}
    with rasterio.open(path, "w", **profile, transform=from_origin(114.3, 30.6, 0.001, 0.001)) as target:
        target.write(np.full((20, 20), height, "float32"), 1)
    result = run_cim(settings, "ingest", "terrain", path, "--vertical-datum", "EPSG:5737", "--unit", "m", "--name", name)
    assert result.code == 0, result.err


def tiles_of(settings):
    root = Path(settings.tiles_url) / "terrain"
    return {str(path.relative_to(root)) for path in root.rglob("*.terrain")}


def named_folder(settings):
    document = json.loads((Path(settings.tiles_url) / "terrain/layer.json").read_text())
    return document["tiles"][0].split("/")[0]


@pytest.fixture(scope="module")
def town(module_settings):
    with engine.connect(module_settings) as connection:
        profiles.save_profile(connection, PROFILE)
    return module_settings


def test_tiles_of_the_last_build_outlive_it_by_their_grace_and_come_back_unwritten(town, tmp_path):
    load(town, tmp_path, "ground", 25.0)
    first = build_terrain(graced(town, 600), force=True)
    assert first.tiles == first.written > 1
    before, folder = tiles_of(town), named_folder(town)
    load(town, tmp_path, "ground", 26.0)
    build_terrain(graced(town, 600))
    assert named_folder(town) != folder
    assert before < tiles_of(town)
    # The ground as it was: its tiles are there still, and no longer waiting to be removed.
    load(town, tmp_path, "ground", 25.0)
    assert build_terrain(graced(town, 600)).written == 0
    assert named_folder(town) == folder
    # Half of the time is over for nobody; all of it for the tiles of the second build.
    with engine.connect(town) as connection:
        connection.execute("UPDATE superseded_file SET since = since - interval '5 minutes'")
    build_terrain(graced(town, 600))
    assert before < tiles_of(town)
    with engine.connect(town) as connection:
        connection.execute("UPDATE superseded_file SET since = since - interval '6 minutes'")
    build_terrain(graced(town, 600))
    assert tiles_of(town) == before
    with engine.connect(town) as connection:
        assert connection.execute("SELECT count(*) FROM superseded_file WHERE layer = 'terrain'").fetchone() == (0,)


def test_a_dry_run_retires_nothing(town, tmp_path):
    load(town, tmp_path, "ground", 25.0)
    build_terrain(graced(town, 0))
    load(town, tmp_path, "ground", 27.0)
    before = tiles_of(town)
    build_terrain(graced(town, 0), dry_run=True)
    assert tiles_of(town) == before
