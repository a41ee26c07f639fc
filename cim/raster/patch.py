"""A patch of the terrain in the city's plane: square cells [m], from all stored rasters; what analyses work on."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray

from cim.crs import STORE_SRID, parse_crs, transform_box, transform_xy
from cim.errors import InvalidParameterError, LimitExceededError
from cim.exchange.whole_file import whole_file
from cim.raster.surface import Raster, Surface

Floats = NDArray[np.float64]
Box = tuple[float, float, float, float]
_STORE = f"EPSG:{STORE_SRID}"
MOST_CELLS = 25_000_000
_NODATA = -9999.0


@dataclass(frozen=True)
class Patch:
    """Elevations on square cells.

    Parameters
    ----------
    heights
        Elevations [m], shape (rows, columns), rows from north, NaN where no raster knows the ground.
    west, north
        Outer corner of the first cell [m].
    cell_m
        Cell size [m].
    crs
        Projected CRS in metres.
    """

    heights: Floats
    west: float
    north: float
    cell_m: float
    crs: str

    def to_lonlat(self, places: Floats) -> Floats:
        """Return positions of shape (n, 2) in the plane as longitude and latitude [deg], EPSG:4490."""
        return np.column_stack(transform_xy(self.crs, _STORE, np.ascontiguousarray(places[:, 0]), np.ascontiguousarray(places[:, 1])))


def plane_box(lonlat: Box, crs: str) -> Box:
    """Return a box of longitude and latitude [deg] as one of the plane [m] that covers it."""
    return transform_box(_STORE, crs, lonlat)


def to_plane(lonlat: Any, crs: str) -> Floats:  # noqa: ANN401 - anything numpy reads
    """Return positions [deg], shape (n, 2), in the plane [m]."""
    at = np.asarray(lonlat, np.float64).reshape(-1, 2)
    return np.column_stack(transform_xy(_STORE, crs, np.ascontiguousarray(at[:, 0]), np.ascontiguousarray(at[:, 1])))


def read_patch(paths: Sequence[Path], box: Box, crs: str, cell_m: float | None = None) -> Patch:
    """Return the terrain of a box.

    Parameters
    ----------
    paths
        Elevation rasters, the preferred one first.
    box
        West, south, east, north in the plane [m].
    crs
        Projected CRS in metres.
    cell_m
        Cell size [m]; None = that of the finest raster, its own cells where it lies in the same CRS.

    Raises
    ------
    InvalidParameterError
        No raster knows the ground there.
    LimitExceededError
        The box has too many cells.
    """
    surface = Surface(paths)
    sizes = [min(one.step_x, one.step_y) if one.crs == crs else _cell_m(one) for one in surface.rasters]
    if not sizes:
        raise InvalidParameterError("terrain", "none in the store", "an elevation raster", hint="cim ingest terrain FILE")
    cell = cell_m or min(sizes)
    first = surface.rasters[0]
    # The corner lies on the cells of the preferred raster, so that its own values come out where nothing has to be resampled.
    origin = (first.west, first.north) if first.crs == crs else (0.0, 0.0)
    west = origin[0] + math.floor((box[0] - origin[0]) / cell + 1e-9) * cell
    north = origin[1] + math.ceil((box[3] - origin[1]) / cell - 1e-9) * cell
    columns, rows = max(1, math.ceil((box[2] - west) / cell - 1e-9)), max(1, math.ceil((north - box[1]) / cell - 1e-9))
    if columns * rows > MOST_CELLS:
        raise LimitExceededError(
            f"box: found {columns} x {rows} cells of {cell:g} m, expected at most {MOST_CELLS}",
            kind="body",
            hint="a smaller box, or larger cells",
        )
    heights = np.empty((rows, columns))
    x = west + (np.arange(columns) + 0.5) * cell
    stripe = max(1, 2_000_000 // columns)
    for top in range(0, rows, stripe):
        y = north - (np.arange(top, min(top + stripe, rows)) + 0.5) * cell
        grid_x, grid_y = np.meshgrid(x, y)
        lon, lat = transform_xy(crs, _STORE, grid_x.ravel(), grid_y.ravel())
        heights[top : top + len(y)] = surface.elevations(lon, lat).reshape(len(y), columns)
    if np.isnan(heights).all():
        raise InvalidParameterError(
            "place", f"{box[0]:.0f} {box[1]:.0f} {box[2]:.0f} {box[3]:.0f} [m]", "a place on a stored elevation raster"
        )
    return Patch(heights, west, north, cell, crs)


def _cell_m(raster: Raster) -> float:
    return raster.step_y * (111_320.0 if parse_crs(raster.crs).is_geographic else 1.0)


def write_bands(target: Path, patch: Patch, bands: Sequence[tuple[str, str, NDArray[Any]]]) -> None:
    """Write grids of the size of a patch as a GeoTIFF, complete or not at all.

    Parameters
    ----------
    bands
        Name, unit and values of each; floats keep NaN as nodata -9999.
    """
    kinds = np.result_type(*(values.dtype for _, _, values in bands))
    is_float = kinds.kind == "f"
    profile = {
        "driver": "GTiff", "width": patch.heights.shape[1], "height": patch.heights.shape[0], "count": len(bands),
        "dtype": "float32" if is_float else kinds.name, "crs": patch.crs,
        "transform": rasterio.Affine(patch.cell_m, 0, patch.west, 0, -patch.cell_m, patch.north), "nodata": _NODATA if is_float else None,
        "compress": "DEFLATE", "tiled": True, "blockxsize": 256, "blockysize": 256, "bigtiff": "IF_SAFER",
    }  # fmt: skip
    with whole_file(target) as part, rasterio.open(part, "w", **profile) as out:
        for n, (_, _, values) in enumerate(bands):
            out.write((np.where(np.isnan(values), _NODATA, values) if is_float else values).astype(profile["dtype"]), n + 1)
        out.descriptions = tuple(name for name, _, _ in bands)
        out.units = tuple(unit for _, unit, _ in bands)
