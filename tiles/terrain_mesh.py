"""Geometry of one terrain tile, compiled: positions, enclosing sphere, horizon point and normals without the interpreter lock."""

import math
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_A, _B = 6_378_137.0, 6_356_752.314245
_E2 = 1 - (_B / _A) ** 2
_ROUND_THE_HORIZON = 1e3


@numba.njit(cache=True, nogil=True)
def _positions(inner, lon, lat, ecef):  # type: ignore[no-untyped-def]  # compiled: types come from the caller
    # Closed form of IOGP Guidance Note 7-2, section 4.1.1.
    side = inner.shape[0]
    for row in range(side):
        sin_lat, cos_lat = math.sin(lat[row]), math.cos(lat[row])
        nu = _A / math.sqrt(1 - _E2 * sin_lat**2)
        for column in range(side):
            at = row * side + column
            height = inner[row, column]
            ecef[at, 0] = (nu + height) * cos_lat * math.cos(lon[column])
            ecef[at, 1] = (nu + height) * cos_lat * math.sin(lon[column])
            ecef[at, 2] = (nu * (1 - _E2) + height) * sin_lat


@numba.njit(cache=True, nogil=True)
def _sphere(ecef):  # type: ignore[no-untyped-def]
    low, high = ecef[0].copy(), ecef[0].copy()
    for at in range(ecef.shape[0]):
        for axis in range(3):
            low[axis], high[axis] = min(low[axis], ecef[at, axis]), max(high[axis], ecef[at, axis])
    middle = (low + high) / 2
    longest = 0.0
    for at in range(ecef.shape[0]):
        longest = max(longest, (ecef[at, 0] - middle[0]) ** 2 + (ecef[at, 1] - middle[1]) ** 2 + (ecef[at, 2] - middle[2]) ** 2)
    return middle, math.sqrt(longest)


@numba.njit(cache=True, nogil=True)
def _occlusion_point(ecef, middle):  # type: ignore[no-untyped-def]
    dx, dy, dz = middle[0] / _A, middle[1] / _A, middle[2] / _B
    length = math.sqrt(dx * dx + dy * dy + dz * dz)
    if length < 1e-6:
        return np.zeros(3)
    dx, dy, dz = dx / length, dy / length, dz / length
    farthest = 0.0
    for at in range(ecef.shape[0]):
        x, y, z = ecef[at, 0] / _A, ecef[at, 1] / _A, ecef[at, 2] / _B
        norm = math.sqrt(x * x + y * y + z * z)
        magnitude = max(norm, 1.0)
        x, y, z = x / norm, y / norm, z / norm
        cos_alpha = x * dx + y * dy + z * dz
        sin_alpha = math.sqrt((y * dz - z * dy) ** 2 + (z * dx - x * dz) ** 2 + (x * dy - y * dx) ** 2)
        cos_beta = 1 / magnitude
        below = cos_alpha * cos_beta - sin_alpha * math.sqrt(max(magnitude * magnitude - 1, 0.0)) * cos_beta
        farthest = max(farthest, 1 / below) if below > 1e-3 else _ROUND_THE_HORIZON
        if farthest >= _ROUND_THE_HORIZON:
            farthest = _ROUND_THE_HORIZON
            break
    return np.array((dx * farthest, dy * farthest, dz * farthest))


@numba.njit(cache=True, nogil=True)
def _oct_normals(heights, lon, lat, step, number, normals):  # type: ignore[no-untyped-def]
    side = lon.shape[0]
    for row in range(side):
        sin_lat, cos_lat = math.sin(lat[row]), math.cos(lat[row])
        across = 2 * step * max(cos_lat, 1e-6)
        for column in range(side):
            sin_lon, cos_lon = math.sin(lon[column]), math.cos(lon[column])
            e = -(heights[row + 1, column + 2] - heights[row + 1, column]) / across
            n = -(heights[row + 2, column + 1] - heights[row, column + 1]) / (2 * step)
            x = -sin_lon * e - sin_lat * cos_lon * n + cos_lat * cos_lon
            y = cos_lon * e - sin_lat * sin_lon * n + cos_lat * sin_lon
            z = cos_lat * n + sin_lat
            total = abs(x) + abs(y) + abs(z)
            a, b = x / total, y / total
            if z < 0:
                a, b = (1 - abs(b)) * (1.0 if a >= 0 else -1.0), (1 - abs(a)) * (1.0 if b >= 0 else -1.0)
            at = number[row * side + column]
            normals[at, 0] = round((min(max(a, -1.0), 1.0) * 0.5 + 0.5) * 255)
            normals[at, 1] = round((min(max(b, -1.0), 1.0) * 0.5 + 0.5) * 255)


def bounds(inner: Floats, lon: Floats, lat: Floats) -> tuple[Floats, float, Floats]:
    """Return middle and radius of the sphere around a tile [m, earth-centred], and its horizon occlusion point.

    Parameters
    ----------
    inner
        Ellipsoidal heights of the vertices [m], rows from south, shape (SIDE, SIDE).
    lon, lat
        Of the columns and of the rows [rad], shape (SIDE,).

    Notes
    -----
    The occlusion point is in the frame scaled by the ellipsoid (K. Ring, "Computing the horizon occlusion point", 2013); it lies far up
    where the tile reaches round the horizon: such a tile is never hidden.
    """
    ecef = np.empty((inner.size, 3))
    _positions(inner, lon, lat, ecef)
    middle, radius = _sphere(ecef)
    return middle, float(radius), _occlusion_point(ecef, middle)


def oct_normals(heights: Floats, lon: Floats, lat: Floats, step_m: float, number: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the normals in two bytes each, earth-centred, by central differences over the ring around the tile.

    Parameters
    ----------
    heights
        Ellipsoidal heights [m], shape (SIDE + 2, SIDE + 2).
    lon, lat
        Of the columns and of the rows [rad], shape (SIDE,).
    step_m
        Distance of the rows [m].
    number
        Place of each vertex of the grid in the answer, shape (SIDE * SIDE,).

    Notes
    -----
    Encoding: Cigolle et al., "Survey of efficient representations for independent unit vectors", 2014.
    """
    normals = np.empty((len(number), 2), np.uint8)
    _oct_normals(heights, lon, lat, step_m, number, normals)
    return normals
