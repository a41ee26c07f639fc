"""Quantized-mesh 1.0 terrain tiles: a grid of vertices per tile, the same along the edges of neighbours.

Format: https://github.com/CesiumGS/quantized-mesh, with the extension of oct-encoded vertex normals. All tiles share one grid, so
indices and edges are encoded once; neighbours take their edge heights at the same positions and round them to the same steps.
"""

import gzip
import struct
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tiles.terrain_mesh import bounds, oct_normals

Floats = NDArray[np.float64]

SIDE = 65
"""Vertices along an edge."""
STEP_M = 1 / 64
"""Heights of all tiles are multiples of this [m], so that edges of neighbours are equal."""
_LARGEST = 32767
_A = 6_378_137.0
_NORMALS = 1


@dataclass(frozen=True)
class Topology:
    """What all tiles have in common.

    Parameters
    ----------
    order
        Place in the grid (row * SIDE + column, rows from south) of each vertex, in order of first use.
    number
        Place in the order of each vertex of the grid.
    tail
        Encoded triangles and edges.
    head_uv
        Encoded u and v.
    """

    order: NDArray[np.int64]
    number: NDArray[np.int64]
    tail: bytes
    head_uv: bytes


def _zigzag(values: NDArray[np.int64]) -> NDArray[np.uint16]:
    delta = np.diff(values, prepend=0)
    return ((delta << 1) ^ (delta >> 63)).astype("<u2")


@lru_cache(maxsize=1)
def topology() -> Topology:
    """Return order of vertices, triangles and edges of the shared grid."""
    row, column = np.divmod(np.arange((SIDE - 1) ** 2), SIDE - 1)
    south_west = row * SIDE + column
    corners = np.stack((south_west, south_west + 1, south_west + SIDE + 1, south_west, south_west + SIDE + 1, south_west + SIDE), axis=1)
    used = corners.ravel()
    _, first = np.unique(used, return_index=True)
    order = used[np.sort(first)]
    number = np.empty(SIDE * SIDE, np.int64)
    number[order] = np.arange(SIDE * SIDE)
    indices = number[used]
    # High-water mark: the number of vertices known so far minus the index (quantized-mesh, "Vertex Data").
    highest = np.concatenate(([0], np.maximum.accumulate(indices)[:-1] + 1))
    codes = (highest - indices).astype("<u2")
    grid = number.reshape(SIDE, SIDE)
    edges = b"".join(
        struct.pack("<I", SIDE) + np.sort(edge).astype("<u2").tobytes() for edge in (grid[:, 0], grid[0], grid[:, -1], grid[-1])
    )
    quantised = np.rint(np.arange(SIDE) * _LARGEST / (SIDE - 1)).astype(np.int64)
    u, v = quantised[order % SIDE], quantised[order // SIDE]
    tail = struct.pack("<I", len(indices) // 3) + codes.tobytes() + edges
    return Topology(order, number, tail, _zigzag(u).tobytes() + _zigzag(v).tobytes())


def tile_box(level: int, x: int, y: int) -> tuple[float, float, float, float]:
    """Return west, south, east, north [deg] of a tile of the geographic TMS grid: two tiles at level 0, rows from south."""
    size = 180.0 / (1 << level)
    return -180 + x * size, -90 + y * size, -180 + (x + 1) * size, -90 + (y + 1) * size


def vertex_lonlat(level: int, first: int, n: int, *, is_latitude: bool) -> Floats:
    """Return longitudes or latitudes [deg] of vertices by their number in the whole row of a level, shape (n,)."""
    step = 180.0 / ((1 << level) * (SIDE - 1))
    return np.asarray((-90.0 if is_latitude else -180.0) + (first + np.arange(n)) * step, np.float64)


def quantise(heights: Floats) -> tuple[Floats, float, float]:
    """Return heights in whole steps, and lowest and highest height of the header [m].

    Notes
    -----
    The step is `STEP_M`, doubled until 32767 steps reach over the tile; so edges are equal where tiles have less than 512 m of relief.
    """
    rounded = np.asarray(np.rint(heights / STEP_M), np.float64)
    low, span = float(rounded.min()), float(rounded.max() - rounded.min())
    step = 1
    while span > _LARGEST * step:
        step *= 2
    steps = np.asarray(np.rint((rounded - low) / step), np.float64)
    return steps, low * STEP_M, (low + _LARGEST * step) * STEP_M


def encode(level: int, x: int, y: int, heights: Floats) -> bytes:
    """Encode a tile.

    Parameters
    ----------
    level, x, y
        Address in the geographic TMS grid.
    heights
        Ellipsoidal heights [m], rows from south, shape (SIDE + 2, SIDE + 2): a ring of neighbours around the tile for the normals.

    Returns
    -------
    bytes
        The tile, compressed by gzip.
    """
    shared = topology()
    steps, low, high = quantise(heights[1:-1, 1:-1])
    inner = low + steps * (high - low) / _LARGEST
    lon = np.radians(vertex_lonlat(level, x * (SIDE - 1), SIDE, is_latitude=False))
    lat = np.radians(vertex_lonlat(level, y * (SIDE - 1), SIDE, is_latitude=True))
    middle, radius, occlusion = bounds(inner, lon, lat)
    header = struct.pack("<3d2f3dd3d", *middle, low, high, *middle, radius, *occlusion)
    normals = oct_normals(heights, lon, lat, np.radians(180.0 / ((1 << level) * (SIDE - 1))) * _A, shared.number)
    extension = struct.pack("<BI", _NORMALS, normals.nbytes) + normals.tobytes()
    values = _zigzag(steps.ravel()[shared.order].astype(np.int64)).tobytes()
    body = header + struct.pack("<I", SIDE * SIDE) + shared.head_uv + values + shared.tail + extension
    return gzip.compress(body, 4, mtime=0)
