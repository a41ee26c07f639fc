"""The quadtree's cells: a fixed global grid, so that an edit moves no border. Key = path of digits 0-3 from the whole earth.

The earth is a square of 360 degrees, longitude -180 to 180 and latitude -180 to 180. Digit 1 is the eastern, digit 2 the northern, digit
3 the north-eastern quarter. A position's code interleaves the bits of both axes (Morton, 1966), so that a cell is a range of codes.
"""

import numpy as np
from numpy.typing import NDArray

from cim.geometry.ecef import Matrix, enu_frame

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

DEEPEST = 26
"""Levels of a code; a cell of the last level is about 60 cm wide."""
BASE_LEVEL = 15
"""Largest cells with content: about 1.2 km, so that 16-bit positions keep 2 cm."""


def _spread(value: Ints) -> Ints:
    value = value & 0xFFFFFFFF
    for shift, mask in ((16, 0x0000FFFF0000FFFF), (8, 0x00FF00FF00FF00FF), (4, 0x0F0F0F0F0F0F0F0F), (2, 0x3333333333333333)):
        value = (value | (value << shift)) & mask
    spread: Ints = (value | (value << 1)) & 0x5555555555555555
    return spread


def codes(lon_deg: Floats, lat_deg: Floats) -> Ints:
    """Return the Morton codes of positions.

    Parameters
    ----------
    lon_deg, lat_deg
        Shape (n,) [deg], longitude latitude; a longitude beyond 180 comes in again at -180.

    Returns
    -------
    ndarray
        Shape (n,), int64, 52 bits.

    Examples
    --------
    >>> key_of(int(codes(np.array([114.4]), np.array([30.5]))[0]), 4)
    '3103'
    """
    side = 1 << DEEPEST
    x = np.floor(((lon_deg + 180.0) / 360.0 % 1.0) * side).astype(np.int64)
    y = np.floor((lat_deg + 180.0) / 360.0 * side).astype(np.int64)
    return _spread(np.clip(x, 0, side - 1)) | (_spread(np.clip(y, 0, side - 1)) << 1)


def key_of(code: int, level: int) -> str:
    """Return the key of the cell of a level that holds a code."""
    return "".join(str(code >> 2 * (DEEPEST - depth) & 3) for depth in range(1, level + 1))


def range_of(key: str) -> tuple[int, int]:
    """Return the first code in a cell and the first one behind it."""
    shift = 2 * (DEEPEST - len(key))
    first = int(key, 4) if key else 0
    return first << shift, (first + 1) << shift


def offset(key: str) -> tuple[int, int]:
    """Return column and row of a cell among those of its level."""
    return int("0" + key.replace("2", "0").replace("3", "1"), 2), int("0" + key.replace("1", "0").replace("2", "1").replace("3", "1"), 2)


def bounds(key: str) -> tuple[float, float, float, float]:
    """Return west, south, east, north of a cell [deg]."""
    size = 360.0 / (1 << len(key))
    column, row = offset(key)
    return column * size - 180.0, row * size - 180.0, (column + 1) * size - 180.0, (row + 1) * size - 180.0


def frame_of(key: str) -> Matrix:
    """Return the east-north-up frame at the middle of a cell, on the ellipsoid."""
    west, south, east, north = bounds(key)
    return enu_frame((west + east) / 2, float(np.clip((south + north) / 2, -90.0, 90.0)), 0.0)


def key_at(column: int, row: int, level: int) -> str:
    """Return the key of a cell by its column and row."""
    digits = ((column >> bit & 1) + 2 * (row >> bit & 1) for bit in range(level - 1, -1, -1))
    return "".join(map(str, digits))
