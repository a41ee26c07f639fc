"""Coordinate reference systems: parsing, cached transformers, boxes. Every transformer is x/y (lon/lat, easting/northing).

Nothing is guessed: there is no default CRS. CGCS2000 to WGS 84 is served as a null transformation (EPSG has no better one;
decimetre level), which is said in the documentation.
"""

import math
from functools import lru_cache

import numpy as np
import pyproj
from numpy.typing import NDArray
from pyproj.exceptions import CRSError, ProjError
from pyproj.transformer import TransformerGroup

from cim.errors import CimError

STORE_SRID = 4490
"""EPSG code of the store CRS: CGCS2000 geographic, stored as longitude, latitude [deg]."""

Floats = NDArray[np.float64]


class CrsError(CimError):
    """A CRS that cannot be read, or positions that cannot be transformed."""

    code = "crs"


@lru_cache(maxsize=64)
def parse_crs(text: str) -> pyproj.CRS:
    """Read a CRS from ``EPSG:n``, an OGC URI, a URN or WKT.

    Raises
    ------
    CrsError
        PROJ does not know it.
    """
    try:
        return pyproj.CRS.from_user_input(text)
    except CRSError as error:
        raise CrsError(
            f"coordinate reference system {text[:80]!r} is not known to PROJ, expected for example EPSG:4490 or EPSG:4547",
            hint="pass --crs EPSG:<number>",
        ) from error


def epsg_of(crs: pyproj.CRS) -> int | None:
    """Return the EPSG code of a CRS, or None where the registry has no certain match (confidence 70 %)."""
    code: int | None = crs.to_epsg(min_confidence=70)
    return code


@lru_cache(maxsize=64)
def transformer(source: str, target: str) -> pyproj.Transformer:
    """Return a cached transformer between two CRS, x/y order on both sides.

    Parameters
    ----------
    source, target
        Anything `parse_crs` reads.

    Raises
    ------
    CrsError
        A CRS is unknown or no operation exists.
    """
    try:
        return pyproj.Transformer.from_crs(parse_crs(source), parse_crs(target), always_xy=True)  # noqa: TID251 - the one home of it
    except ProjError as error:
        raise CrsError(f"no transformation from {source} to {target}") from error


def height_shift(source: str, target: str, height: float) -> float | None:
    """Return what heights change by from one vertical CRS to another [m]; None where that is not known without a grid.

    Parameters
    ----------
    source, target
        Vertical CRS, e.g. EPSG:5705; of feet too.
    height
        Height in ``source`` [m].

    Notes
    -----
    PROJ leaves heights unchanged without a word where it has no grid; it is told to refuse instead.
    """
    old, new = parse_crs(source), parse_crs(target)
    try:
        found = TransformerGroup(old, new, always_xy=True, allow_ballpark=False).transformers
    except ProjError:
        return None
    if not found:
        return None
    unit_old, unit_new = (float(crs.axis_info[0].unit_conversion_factor) for crs in (old, new))
    _, _, moved = found[0].transform(0.0, 0.0, height / unit_old)
    return float(moved) * unit_new - height if math.isfinite(moved) else None


def transform_xy(source: str, target: str, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Transform positions.

    Parameters
    ----------
    source, target
        CRS as for `parse_crs`.
    x, y
        Easting/northing [m] or longitude/latitude [deg], shape (n,).

    Returns
    -------
    tuple
        x and y in the target CRS, same order and shape; infinite where PROJ has no result.
    """
    if source == target:
        return x, y
    out_x, out_y = transformer(source, target).transform(x, y)
    return np.asarray(out_x, dtype=np.float64), np.asarray(out_y, dtype=np.float64)


def transform_box(source: str, target: str, box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    """Transform a box so that it covers the curved edges too (21 points per edge).

    Parameters
    ----------
    box
        West, south, east, north in the units of ``source``, x/y order.
    """
    west, south, east, north = transformer(source, target).transform_bounds(*box, densify_pts=21)
    return float(west), float(south), float(east), float(north)


def gauss_kruger_epsg(central_meridian_deg: int) -> int:
    """Return the EPSG code of the CGCS2000 3-degree Gauss-Kruger zone named by its central meridian.

    Parameters
    ----------
    central_meridian_deg
        75, 78, … 135 [deg east].

    Notes
    -----
    code = 4534 + (CM - 75) / 3 for the CM-named series (EPSG v11.022).

    Examples
    --------
    >>> gauss_kruger_epsg(114)
    4547
    """
    steps, rest = divmod(central_meridian_deg - 75, 3)
    if rest or not 0 <= steps <= 20:
        raise CrsError(f"central meridian {central_meridian_deg}: expected 75, 78, … 135")
    return 4534 + steps


def lonlat_to_ecef(lon_deg: Floats, lat_deg: Floats, height_m: Floats) -> Floats:
    """Convert geodetic positions on the GRS 80 ellipsoid to earth-centred coordinates.

    Parameters
    ----------
    lon_deg, lat_deg
        Longitude and latitude [deg], shape (n,), EPSG:4490 (taken as WGS 84, null transformation).
    height_m
        Ellipsoidal height [m], shape (n,).

    Returns
    -------
    ndarray
        X, Y, Z [m], shape (n, 3), float64, EPSG:4978.

    Notes
    -----
    Closed form of IOGP Guidance Note 7-2, section 4.1.1, on WGS 84; difference to GRS 80 below 0.1 mm.
    """
    a, f = 6_378_137.0, 1 / 298.257223563
    e2 = f * (2 - f)
    lon, lat = np.radians(lon_deg), np.radians(lat_deg)
    sin_lat, cos_lat = np.sin(lat), np.cos(lat)
    nu = a / np.sqrt(1 - e2 * sin_lat**2)
    out = np.empty((lon.shape[0], 3), dtype=np.float64)
    out[:, 0] = (nu + height_m) * cos_lat * np.cos(lon)
    out[:, 1] = (nu + height_m) * cos_lat * np.sin(lon)
    out[:, 2] = (nu * (1 - e2) + height_m) * sin_lat
    return out
