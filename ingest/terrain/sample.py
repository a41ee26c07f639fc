"""Ground elevation from rasters: windowed read and numpy, not one lookup per point."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
import structlog
from numpy.typing import NDArray
from rasterio.windows import Window

from cim.crs import transform_xy
from cim.db import terrain as rows
from cim.db.engine import Connection
from cim.settings import Settings

_log = structlog.get_logger("ingest")
Floats = NDArray[np.float64]
_CHUNK_CELLS = 2_000_000


@dataclass(frozen=True)
class Terrain:
    """An elevation raster in memory.

    Parameters
    ----------
    heights
        Elevations [m], shape (rows, columns), NaN where there is no data.
    crs
        Horizontal CRS.
    west, north
        Outer corner of the first cell [m].
    cell_m
        Cell size [m].
    """

    heights: Floats
    crs: str
    west: float
    north: float
    cell_m: float

    def at(self, x: Floats, y: Floats) -> Floats:
        """Return bilinear elevations [m] at positions of the raster's CRS, NaN outside or beside missing cells."""
        column = (x - self.west) / self.cell_m - 0.5
        row = (self.north - y) / self.cell_m - 0.5
        n_rows, n_columns = self.heights.shape
        inside = (column >= 0) & (row >= 0) & (column <= n_columns - 1) & (row <= n_rows - 1)
        c = np.clip(np.nan_to_num(column), 0, n_columns - 1.000001)
        r = np.clip(np.nan_to_num(row), 0, n_rows - 1.000001)
        c0, r0 = np.floor(c).astype(int), np.floor(r).astype(int)
        fc, fr = c - c0, r - r0
        c1, r1 = np.minimum(c0 + 1, n_columns - 1), np.minimum(r0 + 1, n_rows - 1)
        h = self.heights
        value = (h[r0, c0] * (1 - fc) + h[r0, c1] * fc) * (1 - fr) + (h[r1, c0] * (1 - fc) + h[r1, c1] * fc) * fr
        return np.where(inside, value, np.nan)


def stored_rasters(connection: Connection, settings: Settings) -> list[Path]:
    """Return the stored terrains, newest first; one whose file is gone is left out and said so in the log."""
    found = []
    for name in rows.fetch_files(connection):
        path = settings.rasters_dir / name
        if path.exists():
            found.append(path)
        else:
            _log.warning("terrain file is missing", file=str(path), hint="cim ingest terrain FILE")
    return found


def read_terrain(path: Path, bounds: tuple[float, float, float, float]) -> Terrain | None:
    """Read the part of an elevation raster that covers a box, two cells wider on every side.

    Parameters
    ----------
    path
        Raster that `ingest.terrain.load` has checked: north up, square cells.
    bounds
        West, south, east, north in the raster's CRS [m].

    Returns
    -------
    Terrain or None
        None where box and raster do not meet.
    """
    with rasterio.open(path) as source:
        cell, west, north = source.transform.a, source.transform.c, source.transform.f
        first = max(int((bounds[0] - west) // cell) - 2, 0), max(int((north - bounds[3]) // cell) - 2, 0)
        last = min(int((bounds[2] - west) // cell) + 3, source.width), min(int((north - bounds[1]) // cell) + 3, source.height)
        if first[0] >= last[0] or first[1] >= last[1]:
            return None
        window = Window(first[0], first[1], last[0] - first[0], last[1] - first[1])
        heights = source.read(1, window=window, masked=True).astype(np.float64).filled(np.nan)
        return Terrain(heights, source.crs.to_string(), west + first[0] * cell, north - first[1] * cell, cell)


def raster_crs(path: Path) -> str:
    """Return the CRS of a stored raster."""
    with rasterio.open(path) as source:
        return str(source.crs.to_string())


def ground_from(paths: Sequence[Path], footprints: Sequence[Any]) -> list[float | None]:
    """Return the lowest ground under each footprint [m], from the first raster that covers it; None where none does.

    Parameters
    ----------
    paths
        Elevation rasters, the preferred one first.
    footprints
        Polygons, EPSG:4490 lon/lat [deg].
    """
    found: list[float | None] = [None] * len(footprints)
    for path in paths:
        open_ = [i for i, value in enumerate(found) if value is None]
        if not open_:
            break
        for i, value in zip(open_, ground_under(path, [footprints[i] for i in open_]), strict=True):
            found[i] = None if np.isnan(value) else float(value)
    return found


def ground_under(path: Path, footprints: Sequence[Any]) -> Floats:
    """Return the lowest ground along and inside each footprint [m].

    Parameters
    ----------
    path
        Elevation raster.
    footprints
        Polygons, EPSG:4490 lon/lat [deg], shape (n,).

    Returns
    -------
    ndarray
        Shape (n,); NaN where the raster does not cover the footprint.

    Notes
    -----
    The minimum of a bilinear surface over a polygon lies on the polygon's outline or on a cell centre inside it: both are looked at,
    the outline sampled bilinearly at the cell size.
    """
    with rasterio.open(path) as source:
        crs = source.crs.to_string()
    planar = shapely.transform(
        np.asarray(footprints, dtype=object), lambda xy: np.column_stack(transform_xy("EPSG:4490", crs, xy[:, 0], xy[:, 1]))
    )
    lowest = np.full(len(planar), np.inf)
    bounds = shapely.bounds(planar)
    fits = np.isfinite(bounds).all(axis=1)
    west, south, east, north = (
        (float(v) for v in (*bounds[fits, :2].min(axis=0), *bounds[fits, 2:].max(axis=0))) if fits.any() else [0.0] * 4
    )
    terrain = read_terrain(path, (west, south, east, north)) if fits.any() else None
    if terrain is None:
        return np.full(len(planar), np.nan)
    xy, owner = shapely.get_coordinates(shapely.segmentize(planar, terrain.cell_m), return_index=True)
    _lower(lowest, owner, terrain.at(xy[:, 0], xy[:, 1]))
    _lower_by_cells(lowest, terrain, planar, bounds)
    return np.where(np.isinf(lowest), np.nan, lowest)


def _lower(lowest: Floats, owner: NDArray[Any], values: Floats) -> None:
    np.minimum.at(lowest, owner, np.where(np.isnan(values), np.inf, values))


def _lower_by_cells(lowest: Floats, terrain: Terrain, planar: NDArray[Any], bounds: Floats) -> None:
    """Lower to the cell centres inside the polygons, a bounded number of candidate cells at a time."""
    n_rows, n_columns = terrain.heights.shape
    safe = np.nan_to_num(bounds, nan=-1.0, posinf=-1.0, neginf=-1.0)
    left = np.clip(np.ceil((safe[:, 0] - terrain.west) / terrain.cell_m - 0.5).astype(int), 0, n_columns)
    right = np.clip(np.floor((safe[:, 2] - terrain.west) / terrain.cell_m - 0.5).astype(int) + 1, 0, n_columns)
    top = np.clip(np.ceil((terrain.north - safe[:, 3]) / terrain.cell_m - 0.5).astype(int), 0, n_rows)
    bottom = np.clip(np.floor((terrain.north - safe[:, 1]) / terrain.cell_m - 0.5).astype(int) + 1, 0, n_rows)
    wide = np.maximum(right - left, 0)
    cells = wide * np.maximum(bottom - top, 0)
    shapely.prepare(planar)
    some = np.flatnonzero(cells)
    for part in np.split(some, np.flatnonzero(np.diff(np.cumsum(cells[some]) // _CHUNK_CELLS)) + 1):
        owner = np.repeat(part, cells[part])
        step = np.arange(len(owner)) - np.repeat(np.cumsum(cells[part]) - cells[part], cells[part])
        column, row = left[owner] + step % wide[owner], top[owner] + step // wide[owner]
        x, y = terrain.west + (column + 0.5) * terrain.cell_m, terrain.north - (row + 0.5) * terrain.cell_m
        inside = shapely.contains_xy(planar[owner], x, y)
        _lower(lowest, owner[inside], terrain.heights[row[inside], column[inside]])
