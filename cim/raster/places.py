"""Values of a raster at places: along lines, inside circles and polygons."""

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray
from rasterio.features import geometry_mask
from rasterio.windows import Window

from cim.crs import STORE_SRID, parse_crs, transform_xy
from cim.geometry.ground import bilinear
from cim.raster.opened import opened
from cim.raster.pieces import Frame

Floats = NDArray[np.float64]
_MASKED: Any = np.ma
"""numpy.ma ships no types."""
_BLOCK = 1024
"""Places are looked up together per block of so many cells."""


def values_at(path: Path, frame: Frame, x: Floats, y: Floats, bands: Sequence[int], *, between: bool) -> "np.ma.MaskedArray[Any, Any]":
    """Return the values at places, reading only the cells around them.

    Parameters
    ----------
    frame
        Of the raster in its own CRS.
    x, y
        Easting or longitude and northing or latitude in that CRS, shape (n,).
    bands
        Numbers from 1.
    between
        Bilinear between the centres of the cells, else the value of the cell a place lies in.

    Returns
    -------
    MaskedArray
        Shape (bands, n), masked outside and where there is no data; float64 where ``between``.
    """
    source = opened(path)
    column, row = (x - frame.west) / frame.step_x, (frame.north - y) / frame.step_y
    kind = np.float64 if between else np.dtype(source.dtypes[bands[0] - 1])
    out: np.ma.MaskedArray[Any, Any] = _MASKED.masked_all((len(bands), len(x)), kind)
    inside = np.flatnonzero((column >= 0) & (row >= 0) & (column <= frame.width) & (row <= frame.height))
    key = (row[inside] // _BLOCK).astype(np.int64) * (frame.width // _BLOCK + 2) + (column[inside] // _BLOCK).astype(np.int64)
    order = np.argsort(key, kind="stable")
    for some in np.split(inside[order], np.flatnonzero(np.diff(key[order])) + 1):
        if not len(some):
            continue
        first = np.maximum([math.floor(column[some].min()) - 1, math.floor(row[some].min()) - 1], 0)
        end = np.minimum([math.floor(column[some].max()) + 2, math.floor(row[some].max()) + 2], [frame.width, frame.height])
        window = Window(int(first[0]), int(first[1]), int(end[0] - first[0]), int(end[1] - first[1]))
        cells = _MASKED.masked_invalid(source.read(list(bands), window=window, masked=True))
        for n, band in enumerate(cells):
            if between:
                heights = band.astype(np.float32).filled(np.nan)
                found = bilinear(heights, column[some] - first[0] - 0.5, row[some] - first[1] - 0.5)
                out[n, some] = _MASKED.masked_invalid(found)
            else:
                in_row = np.minimum(row[some].astype(int), frame.height - 1) - first[1]
                in_column = np.minimum(column[some].astype(int), frame.width - 1) - first[0]
                out[n, some] = band[in_row, in_column]
    return out


def along(line: Floats, step: float) -> Floats:
    """Return positions along a line no further apart than ``step``, its vertices among them.

    Parameters
    ----------
    line
        Shape (n, 2).
    """
    points = [line[:1]]
    for a, b in itertools.pairwise(line):
        n = max(1, math.ceil(float(np.hypot(*(b - a))) / step - 1e-9))
        points.append(a + (b - a) * (np.arange(1, n + 1) / n)[:, None])
    return np.concatenate(points)


def metres_per_unit(crs: str, x: float, y: float) -> tuple[float, float]:
    """Return how many metres on the ground a unit of a CRS measures at a place, eastward and northward."""
    known = parse_crs(crs)
    if known.is_geographic:
        degrees = math.degrees(known.axis_info[0].unit_conversion_factor)
        geod = pyproj.Geod(ellps="WGS84")
        north = geod.line_length([x, x], [y - 5e-4, y + 5e-4]) / 1e-3
        east = geod.line_length([x - 5e-4, x + 5e-4], [y, y]) / 1e-3
        return float(east * degrees), float(north * degrees)
    unit = float(known.axis_info[0].unit_conversion_factor)
    lon, lat = transform_xy(crs, f"EPSG:{STORE_SRID}", np.array([x]), np.array([y]))
    factors = pyproj.Proj(known).get_factors(float(lon[0]), float(lat[0]))
    return unit / float(factors.parallel_scale), unit / float(factors.meridional_scale)


def inside_circle(frame: Frame, x: float, y: float, radius_m: float) -> NDArray[np.bool_]:
    """Return which cells have their centre within a distance [m] of a place, shape (rows, columns)."""
    east, north = metres_per_unit(frame.crs, x, y)
    dx, dy = (frame.x - x) * east, (frame.y - y) * north
    return np.asarray(dx[None, :] ** 2 + dy[:, None] ** 2 <= radius_m**2)


def inside_area(frame: Frame, area: Any) -> NDArray[np.bool_]:  # noqa: ANN401 - shapely geometry
    """Return which cells have their centre inside a polygon of the frame's CRS, shape (rows, columns)."""
    return np.asarray(geometry_mask([shapely.geometry.mapping(area)], (frame.height, frame.width), frame.transform, invert=True))
