"""Blocks of buildings: footprints raised between two heights, in local frames with glTF axes (x east, y up, z south)."""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from cim.geometry.ecef import Matrix
from cim.geometry.footprint import Floats, Footprints, Ints
from cim.geometry.triangulate import Triangles

Floats32 = NDArray[np.float32]


@dataclass(frozen=True)
class Blocks:
    """Meshes of n features, one after the other.

    Parameters
    ----------
    positions, normals
        Shape (v, 3), float32 [m], axes of glTF 2.0 section 3.3.
    triangles
        Vertex indices counted from the first vertex of the whole, shape (t, 3), counter-clockwise from outside.
    vertex_start, triangle_start
        First vertex and first triangle of each feature and the end, shape (n + 1,).
    """

    positions: Floats32
    normals: Floats32
    triangles: NDArray[np.uint32]
    vertex_start: Ints
    triangle_start: Ints


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba ships no types
def ecef_and_up(lon: float, lat: float, height: float, out: Floats) -> None:
    """Put position (EPSG:4978) [m] and normal of the ellipsoid into ``out``, shape (6,), from lon/lat [deg] and height [m]."""
    a = 6378137.0
    e2 = (1 / 298.257223563) * (2 - 1 / 298.257223563)
    sin_lat, cos_lat = np.sin(np.radians(lat)), np.cos(np.radians(lat))
    sin_lon, cos_lon = np.sin(np.radians(lon)), np.cos(np.radians(lon))
    nu = a / np.sqrt(1 - e2 * sin_lat * sin_lat)
    out[0], out[1], out[2] = (nu + height) * cos_lat * cos_lon, (nu + height) * cos_lat * sin_lon, (nu * (1 - e2) + height) * sin_lat
    out[3], out[4], out[5] = cos_lat * cos_lon, cos_lat * sin_lon, sin_lat


@numba.njit(cache=True, nogil=True)
def _extrude(lonlat, ring_start, rings_of, frames, frame_of, base, top, roofs, roof_start, positions, normals, triangles, tri_start):  # type: ignore[no-untyped-def]
    """Fill the arrays of `Blocks`; ``rings_of`` is the first ring of each feature and the end."""
    longest = 0
    for feature in range(rings_of.shape[0] - 1):
        longest = max(longest, ring_start[rings_of[feature + 1]] - ring_start[rings_of[feature]])
    low, high, up = np.empty((longest, 3)), np.empty((longest, 3)), np.empty((longest, 3))
    place = np.empty(6)
    for feature in range(rings_of.shape[0] - 1):
        frame = frames[frame_of[feature]]
        first, last = ring_start[rings_of[feature]], ring_start[rings_of[feature + 1]]
        count, vertex = last - first, 5 * first
        rise = top[feature] - base[feature]
        for at in range(count):
            ecef_and_up(lonlat[first + at, 0], lonlat[first + at, 1], base[feature], place)
            for axis in range(3):
                low[at, axis], up[at, axis] = 0.0, 0.0
                for k in range(3):
                    low[at, axis] += frame[k, axis] * (place[k] - frame[k, 3])
                    up[at, axis] += frame[k, axis] * place[3 + k]
                high[at, axis] = low[at, axis] + rise * up[at, axis]
        triangle = tri_start[feature]
        for ring in range(rings_of[feature], rings_of[feature + 1]):
            begin, end = ring_start[ring] - first, ring_start[ring + 1] - first
            for i in range(begin, end):
                j = i + 1 if i + 1 < end else begin
                ex, ey, ez = low[j, 0] - low[i, 0], low[j, 1] - low[i, 1], low[j, 2] - low[i, 2]
                nx = ey * up[i, 2] - ez * up[i, 1]
                ny = ez * up[i, 0] - ex * up[i, 2]
                nz = ex * up[i, 1] - ey * up[i, 0]
                size = np.sqrt(nx * nx + ny * ny + nz * nz)
                for corner in range(4):
                    source = low if corner < 2 else high
                    at = i if corner == 0 or corner == 3 else j
                    positions[vertex + corner, 0] = source[at, 0]
                    positions[vertex + corner, 1] = source[at, 2]
                    positions[vertex + corner, 2] = -source[at, 1]
                    normals[vertex + corner, 0] = nx / size
                    normals[vertex + corner, 1] = nz / size
                    normals[vertex + corner, 2] = -ny / size
                triangles[triangle, 0], triangles[triangle, 1], triangles[triangle, 2] = vertex, vertex + 1, vertex + 2
                triangles[triangle + 1, 0], triangles[triangle + 1, 1], triangles[triangle + 1, 2] = vertex, vertex + 2, vertex + 3
                triangle += 2
                vertex += 4
        for at in range(count):
            positions[vertex + at, 0], positions[vertex + at, 1], positions[vertex + at, 2] = high[at, 0], high[at, 2], -high[at, 1]
            normals[vertex + at, 0], normals[vertex + at, 1], normals[vertex + at, 2] = up[at, 0], up[at, 2], -up[at, 1]
        for roof in range(roof_start[feature], roof_start[feature + 1]):
            for corner in range(3):
                triangles[triangle, corner] = vertex + roofs[roof, corner] - first
            triangle += 1


def extrude(footprints: Footprints, triangles: Triangles, base_m: Floats, top_m: Floats, frames: list[Matrix], frame_of: Ints) -> Blocks:
    """Raise footprints to blocks: walls with flat normals and a roof, no floor.

    Parameters
    ----------
    footprints, triangles
        Outlines of n features and their triangles.
    base_m, top_m
        Ellipsoidal heights of the lower and upper end [m], shape (n,).
    frames
        East-north-up frames, see `cim.geometry.ecef.enu_frame`.
    frame_of
        Frame of each feature, shape (n,).

    Returns
    -------
    Blocks
        An outline of n vertices without holes gives 5n vertices and 3n - 2 triangles.
    """
    vertex_start: Ints = 5 * footprints.vertex_start
    rings_of = footprints.polygon_start[footprints.feature_start]
    n_triangles = 2 * np.diff(footprints.vertex_start) + np.diff(triangles.feature_start)
    triangle_start: Ints = np.concatenate(([0], np.cumsum(n_triangles))).astype(np.int64)
    positions = np.empty((int(vertex_start[-1]), 3), dtype=np.float32)
    normals = np.empty_like(positions)
    indices = np.empty((int(triangle_start[-1]), 3), dtype=np.uint32)
    _extrude(
        footprints.lonlat, footprints.ring_start, rings_of, np.array(frames).reshape(-1, 4, 4), frame_of, base_m, top_m,
        triangles.vertices, triangles.feature_start, positions, normals, indices, triangle_start,
    )  # fmt: skip
    return Blocks(positions, normals, indices, vertex_start, triangle_start)
