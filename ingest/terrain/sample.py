"""Ground elevation from a raster: windowed read and numpy, not one lookup per point."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
from numpy.typing import NDArray

from cim.crs import transform_xy

Floats = NDArray[np.float64]


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


def read_terrain(path: Path) -> Terrain:
    """Read an elevation raster that `ingest.terrain.load` has stored."""
    with rasterio.open(path) as source:
        heights = source.read(1, masked=True).astype(np.float64).filled(np.nan)
        return Terrain(heights, source.crs.to_string(), source.transform.c, source.transform.f, source.transform.a)


def ground_under(terrain: Terrain, footprints: Sequence[Any]) -> Floats:
    """Return the lowest ground along and inside each footprint [m].

    Parameters
    ----------
    terrain
        The raster.
    footprints
        Polygons, EPSG:4490 lon/lat [deg], shape (n,).

    Returns
    -------
    ndarray
        Shape (n,); NaN where the raster does not cover the footprint.

    Notes
    -----
    Sampled bilinearly on the outline, densified to the cell size, and at the centroid: the minimum of a bilinear surface over a
    cell lies on its border, so a building smaller than a few cells is exact and a larger one within one cell's relief.
    """
    planar = shapely.transform(
        np.asarray(footprints, dtype=object), lambda xy: np.column_stack(transform_xy("EPSG:4490", terrain.crs, xy[:, 0], xy[:, 1]))
    )
    dense = shapely.segmentize(planar, terrain.cell_m)
    xy, owner = shapely.get_coordinates(dense, return_index=True)
    centres = shapely.centroid(planar)
    x = np.concatenate([xy[:, 0], shapely.get_x(centres)])
    y = np.concatenate([xy[:, 1], shapely.get_y(centres)])
    owners = np.concatenate([owner, np.arange(len(planar))])
    values = terrain.at(x, y)
    lowest = np.full(len(planar), np.inf)
    np.minimum.at(lowest, owners, np.where(np.isnan(values), np.inf, values))
    return np.where(np.isinf(lowest), np.nan, lowest)
