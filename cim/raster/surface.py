"""The terrain as one surface over several rasters: the first one that knows a place decides."""

import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.enums import MaskFlags, Resampling
from rasterio.errors import RasterioError
from rasterio.windows import Window

from cim.crs import STORE_SRID, parse_crs, transform_xy
from cim.errors import CimError
from cim.geometry.footprint import Footprints, footprints_from_wkb
from cim.geometry.ground import Ground, bilinear_into, ground_under, interpolate, no_ground, span_of

Floats = NDArray[np.float64]
Heights = NDArray[np.float32]

_STORE = f"EPSG:{STORE_SRID}"
_BLOCK = 4096
"""Positions are looked up together per block of so many cells."""
_MOST_CELLS = 64_000_000
"""Larger windows are read at a lower resolution."""
_THREADS = min(4, os.cpu_count() or 1)
_EXACT_BELOW = 20_000
_NODES = 65
_HINT = "restore the raster folder from a backup, or cim ingest terrain FILE"


class RasterError(CimError):
    """A stored raster is missing or damaged."""

    code = "raster"


class Raster:
    """An elevation raster in the raster folder, north up, opened for each read.

    Parameters
    ----------
    path
        Cloud-Optimised GeoTIFF.
    cell_m
        Cells may be taken together as long as they stay smaller than this [m]; 0 = never.

    Raises
    ------
    RasterError
        The file is missing or unreadable.
    """

    def __init__(self, path: Path, *, cell_m: float = 0.0) -> None:
        self.path = path
        self.factor = 1
        try:
            with rasterio.open(path) as source:
                self.crs: str = source.crs.to_string()
                self.width, self.height = int(source.width), int(source.height)
                t = source.transform
                self.west, self.north, self.step_x, self.step_y = float(t.c), float(t.f), float(t.a), float(-t.e)
                while (
                    cell_m
                    and self.step_y * _metres(self.crs) * self.factor * 2 <= cell_m
                    and min(self.width, self.height) > 4 * self.factor
                ):
                    self.factor *= 2
            self.width, self.height = -(-self.width // self.factor), -(-self.height // self.factor)
            self.step_x, self.step_y = self.step_x * self.factor, self.step_y * self.factor
        except (RasterioError, OSError) as error:
            raise RasterError(
                f"{path}: the terrain of the store cannot be read: {str(error).splitlines()[0]}",
                hint=_HINT,
            ) from error

    def cells(self, lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
        """Return column and row of positions in EPSG:4490, shape (n,); 0 is the centre of the first cell.

        Notes
        -----
        Many positions are interpolated between exactly transformed nodes where that is within a hundredth of a cell.
        """
        x, y = self._placed(lon, lat)
        return (x - self.west) / self.step_x - 0.5, (self.north - y) / self.step_y - 0.5

    def _placed(self, lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
        finite = np.isfinite(lon) & np.isfinite(lat)
        if len(lon) < _EXACT_BELOW or not finite.all():
            return transform_xy(_STORE, self.crs, lon, lat)
        west, south = float(lon.min()), float(lat.min())
        for nodes in (_NODES, 4 * _NODES):
            step = (max(float(lon.max()) - west, 1e-9) / (nodes - 1), max(float(lat.max()) - south, 1e-9) / (nodes - 1))
            grid_x, grid_y = np.meshgrid(west + np.arange(nodes) * step[0], south + np.arange(nodes) * step[1])
            known = [part.reshape(nodes, nodes) for part in transform_xy(_STORE, self.crs, grid_x.ravel(), grid_y.ravel())]
            middle = (grid_x[:-1, :-1].ravel() + step[0] / 2, grid_y[:-1, :-1].ravel() + step[1] / 2)
            near = interpolate((known[0], known[1]), (west, south), step, *middle)
            exact = transform_xy(_STORE, self.crs, *middle)
            off = max(float(np.abs(n - e).max()) for n, e in zip(near, exact, strict=True))
            if off <= 0.01 * min(self.step_x, self.step_y):
                return interpolate((known[0], known[1]), (west, south), step, lon, lat)
        return transform_xy(_STORE, self.crs, lon, lat)

    def read(self, first: tuple[int, int], end: tuple[int, int]) -> Heights:
        """Return the elevations [m] of columns and rows ``first`` to before ``end``, NaN where there is no data.

        Raises
        ------
        RasterError
            The file is damaged.
        """
        columns, rows = end[0] - first[0], end[1] - first[1]
        k = self.factor
        try:
            with rasterio.open(self.path, num_threads="ALL_CPUS") as source:
                # Cells taken together at the border reach over it: the part inside stands for them.
                window = Window(
                    first[0] * k, first[1] * k, min(columns * k, source.width - first[0] * k), min(rows * k, source.height - first[1] * k)
                )
                shape = {"out_shape": (rows, columns), "resampling": Resampling.average} if k > 1 else {}
                found: Heights = source.read(1, window=window, out_dtype="float32", **shape)
                if source.nodata is not None:
                    found[found == np.float32(source.nodata)] = np.nan
                elif MaskFlags.all_valid not in source.mask_flag_enums[0]:
                    found[source.read_masks(1, window=window, out_shape=(rows, columns)) == 0] = np.nan
        except (RasterioError, OSError) as error:
            raise RasterError(
                f"{self.path}: the terrain of the store cannot be read: {str(error).splitlines()[0]}",
                hint=_HINT,
            ) from error
        return found


def _groups(raster: Raster, low: NDArray[Any], high: NDArray[Any]) -> list[NDArray[np.int64]]:
    """Return the numbers of the boxes (in cells, shape (n, 2)) that meet the raster, together per block."""
    meets = (high >= -0.5).all(axis=1) & (low[:, 0] <= raster.width - 0.5) & (low[:, 1] <= raster.height - 0.5)
    at = np.flatnonzero(meets & np.isfinite(low).all(axis=1) & np.isfinite(high).all(axis=1))
    block = np.clip(low[at] // _BLOCK, 0, None).astype(np.int64)
    key = block[:, 1] * (raster.width // _BLOCK + 2) + block[:, 0]
    order = np.argsort(key, kind="stable")
    at, key = at[order], key[order]
    return [part for part in np.split(at, np.flatnonzero(np.diff(key)) + 1) if len(part)]


def _point_groups(raster: Raster, column: Floats, row: Floats) -> list[NDArray[np.int64]]:
    """Return the numbers of the positions that meet the raster, together per block."""
    if not len(column):
        return []
    inside = (column >= -0.5) & (column <= raster.width - 0.5) & (row >= -0.5) & (row <= raster.height - 0.5)
    at = None if inside.all() else np.flatnonzero(inside)
    if at is not None:
        column, row = column[at], row[at]
        if not len(at):
            return []
    across = raster.width // _BLOCK + 1
    if (column.max() - column.min()) < _BLOCK and (row.max() - row.min()) < _BLOCK:
        return [np.arange(len(column)) if at is None else at]
    key = (np.maximum(row, 0) // _BLOCK).astype(np.int32) * across + (np.maximum(column, 0) // _BLOCK).astype(np.int32)
    # Keys of two bytes are sorted by radix.
    order = np.argsort(key.astype(np.uint16) if int(key.max()) < 1 << 16 else key, kind="stable")
    cuts = np.flatnonzero(np.diff(key[order])) + 1
    return list(np.split(order if at is None else at[order], cuts))


class Surface:
    """Elevations of the ground from stored rasters.

    Parameters
    ----------
    paths
        Elevation rasters, the preferred one first.
    cell_m
        Detail that is wanted [m], see `Raster`.
    """

    def __init__(self, paths: Sequence[Path], *, cell_m: float = 0.0) -> None:
        self.rasters = [Raster(path, cell_m=cell_m) for path in paths]

    def elevations(self, lon: Floats, lat: Floats) -> Floats:
        """Return the ground [m] at positions in EPSG:4490 [deg], shape (n,); NaN where no raster knows it."""
        out = np.full(len(lon), np.nan)
        for number, raster in enumerate(self.rasters):
            missing = np.flatnonzero(np.isnan(out)) if number else None
            if missing is not None and not len(missing):
                break
            column, row = raster.cells(*(np.ascontiguousarray(one if missing is None else one[missing]) for one in (lon, lat)))
            parts = _point_groups(raster, column, row)

            found = out if missing is None else np.full(len(missing), np.nan)

            def look(part: NDArray[np.int64], raster: Raster = raster, column: Floats = column, row: Floats = row,
                     found: Floats = found) -> None:  # fmt: skip
                west, north, east, south = span_of(column, row, part)
                # A cell more than needed on a side would be a whole row of the file's blocks.
                first = max(math.floor(west), 0), max(math.floor(north), 0)
                heights = raster.read(first, (min(math.floor(east) + 2, raster.width), min(math.floor(south) + 2, raster.height)))
                bilinear_into(heights, first, column, row, part, found)

            if len(parts) == 1:
                look(parts[0])
            elif parts:
                with ThreadPoolExecutor(_THREADS) as pool:
                    list(pool.map(look, parts))
            if missing is not None:
                out[missing] = found
        return out

    def under(self, prints: Footprints) -> Ground:
        """Return the ground under footprints."""
        found = no_ground(len(prints.boxes))
        lon, lat = (np.ascontiguousarray(prints.lonlat[:, axis]) for axis in range(2))
        starts = prints.vertex_start
        filled = np.flatnonzero(np.diff(starts) > 0)
        for raster in self.rasters:
            waiting = filled[found.gaps[filled] & np.isnan(found.low[filled])]
            if not len(waiting):
                break
            column, row = raster.cells(lon, lat)
            place = np.column_stack((column, row))
            low = np.minimum.reduceat(place, starts[filled], axis=0)
            high = np.maximum.reduceat(place, starts[filled], axis=0)
            is_waiting = np.isin(filled, waiting)
            parts = _groups(raster, np.where(is_waiting[:, None], low, np.nan), high)

            def look(part: NDArray[np.int64], raster: Raster = raster, low: Floats = low, high: Floats = high,
                     cells: tuple[Floats, Floats] = (column, row)) -> None:  # fmt: skip
                self._under_part(raster, prints, filled[part], (low[part].min(axis=0), high[part].max(axis=0)), cells, found)

            # Reading and the compiled search both release the interpreter; each part writes its own footprints.
            with ThreadPoolExecutor(_THREADS) as pool:
                list(pool.map(look, parts))
        if len(self.rasters) > 1:
            self._mend(prints, filled[found.gaps[filled]], found)
        return found

    @staticmethod
    def _under_part(
        raster: Raster, prints: Footprints, which: NDArray[Any], box: tuple[Any, Any], cells: tuple[Floats, Floats], found: Ground
    ) -> None:  # fmt: skip
        first = np.clip(np.floor(box[0]).astype(int) - 1, 0, (raster.width - 1, raster.height - 1))
        end = np.clip(np.ceil(box[1]).astype(int) + 2, first + 1, (raster.width, raster.height))
        size = end - first
        if len(which) > 1 and int(size[0]) * int(size[1]) > _MOST_CELLS:
            half = len(which) // 2
            for some in (which[:half], which[half:]):
                spans = [slice(prints.vertex_start[f], prints.vertex_start[f + 1]) for f in some]
                places = [np.column_stack((cells[0][span], cells[1][span])) for span in spans]
                edge = (np.min([p.min(axis=0) for p in places], axis=0), np.max([p.max(axis=0) for p in places], axis=0))
                Surface._under_part(raster, prints, some, edge, cells, found)
            return
        heights = raster.read((int(first[0]), int(first[1])), (int(end[0]), int(end[1])))
        ground_under(heights, (int(first[0]), int(first[1])), cells, prints, which, found)

    def _mend(self, prints: Footprints, which: NDArray[Any], found: Ground) -> None:
        """Look at footprints that one raster does not cover point by point: each point takes the first raster that knows it."""
        for feature in which:
            points = _sample(prints, int(feature), min(min(r.step_x, r.step_y) * _metres(r.crs) for r in self.rasters))
            heights = self.elevations(points[:, 0], points[:, 1])
            known = heights[~np.isnan(heights)]
            if len(known):
                found.low[feature], found.mean[feature], found.high[feature] = known.min(), known.mean(), known.max()
                found.gaps[feature] = len(known) < len(heights)


def _metres(crs: str) -> float:
    return 111_320.0 if parse_crs(crs).is_geographic else 1.0


def _sample(prints: Footprints, feature: int, step_m: float) -> Floats:
    """Return points on and inside a footprint [deg], no further apart than a cell, at most some thousands."""
    rings = range(prints.polygon_start[prints.feature_start[feature]], prints.polygon_start[prints.feature_start[feature + 1]])
    shapes = [prints.lonlat[prints.ring_start[ring] : prints.ring_start[ring + 1]] for ring in rings]
    area = shapely.build_area(shapely.geometrycollections([shapely.linearrings(shape) for shape in shapes]))
    west, south, east, north = shapely.bounds(area)
    step = max(step_m / 111_320.0, math.sqrt(max((east - west) * (north - south), 1e-16) / 20_000), 1e-8)
    outline = shapely.get_coordinates(shapely.segmentize(area, step))
    x, y = np.meshgrid(np.arange(west, east, step), np.arange(south, north, step))
    inside = shapely.contains_xy(area, x.ravel(), y.ravel())
    return np.concatenate((outline, np.column_stack((x.ravel()[inside], y.ravel()[inside]))))


def footprints_of(shapes: Sequence[Any] | NDArray[Any]) -> Footprints:
    """Return polygons of shapely, EPSG:4490, as flat arrays."""
    return footprints_from_wkb([bytes(one) for one in shapely.to_wkb(shapely.force_2d(np.asarray(shapes, dtype=object)), byte_order=1)])
