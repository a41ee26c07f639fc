"""Layer ``terrain``: quantized-mesh tiles of the stored elevation rasters, in ellipsoidal heights.

Tiles lie in a folder named by what they are made from; ``terrain/layer.json`` names it and is written last, so a build may be killed at
any moment and the next one goes on with the tiles that are there.
"""

import hashlib
import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from cim.db import engine, migrate, profiles, superseded, tilesets
from cim.db import rasters as rows
from cim.errors import StoreError
from cim.geoid import Geoid
from cim.raster.surface import Surface
from cim.settings import Settings
from tiles.quantized_mesh import SIDE, encode, tile_box, vertex_lonlat
from tiles.store import TileStore

FOLDER = "terrain"
STYLE = "terrain-1"
_CHUNK = 8
"""Tiles along the side of a block that is sampled at once."""
_METRES_PER_DEGREE = 111_320.0
_DEEPEST = 20
_THREADS = min(4, os.cpu_count() or 1) + 1
"""One more than cores: a file that is made sure waits for the disk."""
Box = tuple[float, float, float, float]
Range = tuple[int, int, int, int]
"""First column and row, last column and row."""


@dataclass(frozen=True)
class TerrainResult:
    """What a build did.

    Parameters
    ----------
    tiles, written
        In the layer, and made anew.
    max_level
        Deepest level.
    """

    tiles: int
    written: int
    max_level: int


def level_of(cell_m: float) -> int:
    """Return the level whose vertices lie about as far apart as the cells of a raster."""
    level = round(math.log2(180.0 / (SIDE - 1) * _METRES_PER_DEGREE / cell_m))
    return min(max(level, 0), _DEEPEST)


def tile_range(box: Box, level: int) -> Range:
    """Return first and last column and row of the tiles that touch a box [deg]."""
    size = 180.0 / (1 << level)
    last_x, last_y = (2 << level) - 1, (1 << level) - 1
    return (
        min(max(math.floor((box[0] + 180) / size), 0), last_x), min(max(math.floor((box[1] + 90) / size), 0), last_y),
        min(max(math.floor((box[2] + 180) / size), 0), last_x), min(max(math.floor((box[3] + 90) / size), 0), last_y),
    )  # fmt: skip


def build_terrain(
    settings: Settings, *, force: bool = False, dry_run: bool = False, progress: Callable[[int, int], None] | None = None
) -> TerrainResult:
    """Make the terrain tiles of the store.

    Parameters
    ----------
    settings
        Names store, raster folder and tile store.
    force
        Make every tile anew.
    dry_run
        Say what would be written.
    progress
        Called with tiles done and all tiles.

    Returns
    -------
    TerrainResult
        All zero where the store has no terrain.

    Raises
    ------
    StoreError
        The file of a raster is gone.
    """
    migrate.require_current(settings)
    with engine.connect(settings) as connection:
        stored = [one for one in rows.fetch_rasters(connection) if one["kind"] == "terrain"]
        geoid = profiles.fetch_geoid(settings, connection) if stored else Geoid(0.0)
    store = TileStore(settings.tiles_url)
    if not stored:
        if not dry_run:
            store.remove(f"{FOLDER}/layer.json")
            _retire(settings, store, None)
        return TerrainResult(0, 0, 0)
    paths = [_file_of(settings, one) for one in stored]
    made_from = hashlib.sha256(repr((STYLE, geoid.token, [one["file"] for one in stored])).encode()).hexdigest()[:20]
    boxes: list[Box] = [tuple(one["bbox"]) for one in stored]
    levels = [level_of(one["resolution_m"]) for one in stored]
    # Where nobody knows the ground it lies at the mean of what is known, so that no wall stands around the city.
    outside = float(np.mean([(one["min_m"] + one["max_m"]) / 2 for one in stored])) + _middle_separation(geoid, boxes)
    plan = {level: _ranges(boxes, levels, level) for level in range(max(levels) + 1)}
    n_tiles = sum((r[2] - r[0] + 1) * (r[3] - r[1] + 1) for ranges in plan.values() for r in ranges)
    known = set() if force else store.names(f"{FOLDER}/{made_from}")
    surfaces = {level: Surface(paths, cell_m=180.0 / (1 << level) / (SIDE - 1) * _METRES_PER_DEGREE) for level in plan}

    def make(work: tuple[int, Range]) -> tuple[int, int]:
        """Make the tiles of a block; return how many it has and how many were due."""
        level, block = work
        names = {(x, y): f"{FOLDER}/{made_from}/{level}/{x}/{y}.terrain" for x, y in _tiles_of(block)}
        due = {at: name for at, name in names.items() if name not in known}
        if due and not dry_run:
            heights = _sample(surfaces[level], level, block, geoid, outside)
            for at, name in due.items():
                _write(store, name, level, at, block, heights)
        return len(names), len(due)

    written = 0
    step = _counter(progress, n_tiles)
    # Sampling, encoding and writing all release the interpreter for most of their time.
    with ThreadPoolExecutor(max_workers=_THREADS) as pool:
        blocks = [(level, block) for level, ranges in plan.items() for block in _blocks(ranges)]
        try:
            for n_names, n_due in pool.map(make, blocks):
                written += n_due
                step(n_names)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    if not dry_run:
        store.write(f"{FOLDER}/layer.json", orjson.dumps(_document(made_from, plan, boxes, stored, outside)))
        _retire(settings, store, made_from)
    return TerrainResult(n_tiles, written, max(levels))


def _file_of(settings: Settings, raster: dict[str, Any]) -> Path:
    path = settings.rasters_dir / str(raster["file"])
    if not path.exists():
        raise StoreError(f"terrain {raster['name']!r}: its file {path} is not there", hint="cim ingest terrain FILE, or restore it")
    return path


def _counter(progress: Callable[[int, int], None] | None, total: int) -> Callable[[int], None]:
    done = 0

    def step(n: int) -> None:
        nonlocal done
        done += n
        if progress is not None:
            progress(done, total)

    return step


def _middle_separation(geoid: Geoid, boxes: list[Box]) -> float:
    west, south, east, north = np.array(boxes).T
    return float(geoid.at((west + east) / 2, (south + north) / 2).mean())


def _retire(settings: Settings, store: TileStore, made_from: str | None) -> None:
    """Note the folders that the document does not name any more, and remove those whose time of grace is over."""
    names = store.names(FOLDER) - {f"{FOLDER}/layer.json"}
    found = {name.split("/")[1] for name in names}
    used = {made_from} if made_from else set()
    with engine.connect(settings) as connection:
        tilesets.lock_layer(connection, FOLDER)
        superseded.forget(connection, FOLDER, used)
        superseded.retire(connection, FOLDER, found - used - superseded.fetch_names(connection, FOLDER))
        due = set(superseded.fetch_due(connection, FOLDER, settings.tiles.grace_s))
        for name in names:
            if name.split("/")[1] in due:
                store.remove(name)
        superseded.forget(connection, FOLDER, due)


def _ranges(boxes: list[Box], levels: list[int], level: int) -> list[Range]:
    """Return the tile ranges of a level, without overlap: one per raster, or their hull where they meet."""
    if level == 0:
        return [(0, 0, 1, 0)]
    found: list[Range] = []
    for box, deepest in zip(boxes, levels, strict=True):
        if level > deepest:
            continue
        new = tile_range(box, level)
        meeting = [one for one in found if one[0] <= new[2] and new[0] <= one[2] and one[1] <= new[3] and new[1] <= one[3]]
        while meeting:
            for one in meeting:
                found.remove(one)
                new = min(new[0], one[0]), min(new[1], one[1]), max(new[2], one[2]), max(new[3], one[3])
            meeting = [one for one in found if one[0] <= new[2] and new[0] <= one[2] and one[1] <= new[3] and new[1] <= one[3]]
        found.append(new)
    return found


def _blocks(ranges: list[Range]) -> Iterator[Range]:
    for west, south, east, north in ranges:
        for y in range(south, north + 1, _CHUNK):
            for x in range(west, east + 1, _CHUNK):
                yield x, y, min(x + _CHUNK - 1, east), min(y + _CHUNK - 1, north)


def _tiles_of(block: Range) -> Iterator[tuple[int, int]]:
    return ((x, y) for y in range(block[1], block[3] + 1) for x in range(block[0], block[2] + 1))


def _sample(surface: Surface, level: int, block: Range, geoid: Geoid, outside: float) -> NDArray[np.float64]:
    """Return ellipsoidal heights [m] of the vertices of a block and a ring around it, rows from south."""
    n_columns, n_rows = ((block[2 + axis] - block[axis] + 1) * (SIDE - 1) + 3 for axis in range(2))
    lon = vertex_lonlat(level, block[0] * (SIDE - 1) - 1, n_columns, is_latitude=False)
    lat = vertex_lonlat(level, block[1] * (SIDE - 1) - 1, n_rows, is_latitude=True)
    x, y = np.meshgrid(lon, np.clip(lat, -90, 90))
    lon, lat = x.ravel(), y.ravel()
    heights = surface.elevations(lon, lat)
    known = np.isfinite(heights)
    heights = np.where(known, heights, outside)
    heights[known] += geoid.at(lon[known], lat[known])
    return heights.reshape(x.shape)


def _write(
    store: TileStore, name: str, level: int, at: tuple[int, int], block: Range, heights: NDArray[np.float64]
) -> None:  # fmt: skip
    column, row = (at[0] - block[0]) * (SIDE - 1), (at[1] - block[1]) * (SIDE - 1)
    store.write(name, encode(level, *at, heights[row : row + SIDE + 2, column : column + SIDE + 2]))


def _document(
    made_from: str, plan: dict[int, list[Range]], boxes: list[Box], stored: list[dict[str, Any]], outside: float
) -> dict[str, Any]:  # fmt: skip
    west, south, east, north = zip(*boxes, strict=True)
    providers = sorted({one["provider"] for one in stored if one["provider"]})
    return {
        "tilejson": "2.1.0",
        "format": "quantized-mesh-1.0",
        "version": "1.0.0",
        "scheme": "tms",
        "projection": "EPSG:4326",
        "tiles": [f"{made_from}/{{z}}/{{x}}/{{y}}.terrain"],
        "extensions": ["octvertexnormals"],
        "minzoom": 0,
        "maxzoom": max(plan),
        "bounds": [min(west), min(south), max(east), max(north)],
        "attribution": "; ".join(providers),
        # Members of our own; TileJSON allows others.
        "synthetic": any(one["is_synthetic"] for one in stored),
        "ground_height_m": round(outside, 3),
        "available": [[{"startX": r[0], "startY": r[1], "endX": r[2], "endY": r[3]} for r in plan[level]] for level in sorted(plan)],
    }


__all__ = ["FOLDER", "TerrainResult", "build_terrain", "level_of", "tile_box", "tile_range"]
