"""Blocks of buildings for many tiles at once: placed in EPSG:4978 in float64, written as 16-bit integers (KHR_mesh_quantization).

Positions are in each tile's east-north-up frame, turned to the axes of glTF 2.0 section 3.3 (x east, y up, z south), and stored as
normalised integers: metres = centre + value / 32767 * half.
"""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from cim.geometry.footprint import Floats, Footprints, Ints
from cim.geometry.measures import STEPS
from cim.geometry.solid import ecef_and_up
from cim.geometry.triangulate import Triangles


@dataclass(frozen=True)
class Placed:
    """Footprints in the frames of their tiles.

    Parameters
    ----------
    low, up
        Lower end of each vertex [m] and the ellipsoid's normal, east north up, shape (v, 3).
    boxes
        Lowest and highest corner of each tile, east north up [m], shape (tiles, 6); NaN for a tile without vertices.
    """

    low: Floats
    up: Floats
    boxes: Floats


@dataclass(frozen=True)
class TiledBlocks:
    """Meshes of all tiles, one after the other.

    Parameters
    ----------
    positions
        Shape (v, 4), int16; the fourth is padding.
    normals
        Shape (v, 4), int8 normalised; the fourth is padding.
    features
        Position of the feature in its tile, shape (v, 2), uint16; the second is padding.
    triangles
        Counted from the tile's first vertex, shape (t, 3), counter-clockwise from outside.
    vertex_start, triangle_start
        First vertex and first triangle of each tile and the end, shape (tiles + 1,).
    centre, half
        Of each tile, y up [m], shape (tiles, 3) and (tiles,).
    low, high
        Smallest and largest position of each tile, shape (tiles, 3), int64.
    """

    positions: NDArray[np.int16]
    normals: NDArray[np.int8]
    features: NDArray[np.uint16]
    triangles: NDArray[np.uint32]
    vertex_start: Ints
    triangle_start: Ints
    centre: Floats
    half: Floats
    low: Ints
    high: Ints


@numba.njit(cache=True, nogil=True)
def _place(lonlat, vertex_start, order, tile_start, frames, base, top, low, up, boxes):  # type: ignore[no-untyped-def]  # compiled
    place = np.empty(6)
    for tile in range(tile_start.shape[0] - 1):
        frame = frames[tile]
        for axis in range(3):
            boxes[tile, axis], boxes[tile, 3 + axis] = np.inf, -np.inf
        for k in range(tile_start[tile], tile_start[tile + 1]):
            feature = order[k]
            rise = top[feature] - base[feature]
            for at in range(vertex_start[feature], vertex_start[feature + 1]):
                ecef_and_up(lonlat[at, 0], lonlat[at, 1], base[feature], place)
                for axis in range(3):
                    foot, head = 0.0, 0.0
                    for k2 in range(3):
                        foot += frame[k2, axis] * (place[k2] - frame[k2, 3])
                        head += frame[k2, axis] * place[3 + k2]
                    low[at, axis], up[at, axis] = foot, head
                    raised = foot + rise * head
                    boxes[tile, axis] = min(boxes[tile, axis], foot, raised)
                    boxes[tile, 3 + axis] = max(boxes[tile, 3 + axis], foot, raised)
        if boxes[tile, 0] > boxes[tile, 3]:
            boxes[tile] = np.nan


def place(footprints: Footprints, order: Ints, tile_start: Ints, frames: Floats, base_m: Floats, top_m: Floats) -> Placed:
    """Place footprints in the frames of their tiles.

    Parameters
    ----------
    footprints
        n features.
    order
        Features by tile, shape (m,).
    tile_start
        First entry of ``order`` of each tile and the end, shape (tiles + 1,).
    frames
        East-north-up frames, shape (tiles, 4, 4), see `cim.geometry.ecef.enu_frame`.
    base_m, top_m
        Ellipsoidal heights of the lower and upper end [m], shape (n,).
    """
    low, up = np.empty((len(footprints.lonlat), 3)), np.empty((len(footprints.lonlat), 3))
    boxes = np.empty((len(tile_start) - 1, 6))
    _place(footprints.lonlat, footprints.vertex_start, order, tile_start, frames, base_m, top_m, low, up, boxes)
    return Placed(low, up, boxes)


@numba.njit(cache=True, nogil=True, inline="always")
def _put(positions, at, point, centre, factor):  # type: ignore[no-untyped-def]  # compiled
    positions[at, 0] = np.rint((point[0] - centre[0]) * factor)
    positions[at, 1] = np.rint((point[2] - centre[1]) * factor)
    positions[at, 2] = np.rint((-point[1] - centre[2]) * factor)
    positions[at, 3] = 0


@numba.njit(cache=True, nogil=True, inline="always")
def _roof_vertex(positions, normals, features, vertex, low, up, at, height, centre, factor, own):  # type: ignore[no-untyped-def]  # compiled
    """Write a vertex of a roof; return the next one's number."""
    positions[vertex, 0] = np.rint((low[at, 0] + height * up[at, 0] - centre[0]) * factor)
    positions[vertex, 1] = np.rint((low[at, 2] + height * up[at, 2] - centre[1]) * factor)
    positions[vertex, 2] = np.rint((-(low[at, 1] + height * up[at, 1]) - centre[2]) * factor)
    positions[vertex, 3] = 0
    normals[vertex, 0] = np.rint(127.0 * up[at, 0])
    normals[vertex, 1] = np.rint(127.0 * up[at, 2])
    normals[vertex, 2] = np.rint(-127.0 * up[at, 1])
    normals[vertex, 3] = 0
    features[vertex, 0], features[vertex, 1] = own, 0
    return vertex + 1


@numba.njit(cache=True, nogil=True)
def _fill(  # type: ignore[no-untyped-def]  # compiled: types come from the caller
    ring_start, rings_of, order, tile_start, low, up, rise, roofs, roof_start, centre, factor,
    positions, normals, features, triangles, tile_vertex, tile_triangle,
):  # fmt: skip
    high = np.empty(3)
    longest = 0
    for k in range(order.shape[0]):
        longest = max(longest, ring_start[rings_of[order[k] + 1]] - ring_start[rings_of[order[k]]])
    renamed = np.empty(longest, np.int64)
    for tile in range(tile_start.shape[0] - 1):
        first_vertex, triangle = tile_vertex[tile], tile_triangle[tile]
        vertex = first_vertex
        middle, steps = centre[tile], factor[tile]
        # All walls, then all roofs: each run repeats one pattern of normals and levels, a third fewer bytes after meshopt.
        for k in range(tile_start[tile], tile_start[tile + 1]):
            feature = order[k]
            own = k - tile_start[tile]
            height = rise[feature]
            for ring in range(rings_of[feature], rings_of[feature + 1]):
                begin, end = ring_start[ring], ring_start[ring + 1]
                for i in range(begin, end):
                    j = i + 1 if i + 1 < end else begin
                    ex, ey, ez = low[j, 0] - low[i, 0], low[j, 1] - low[i, 1], low[j, 2] - low[i, 2]
                    nx = ey * up[i, 2] - ez * up[i, 1]
                    ny = ez * up[i, 0] - ex * up[i, 2]
                    nz = ex * up[i, 1] - ey * up[i, 0]
                    size = 127.0 / np.sqrt(nx * nx + ny * ny + nz * nz)
                    # High and low alternate so that neighbours share most coordinates: half the bytes after meshopt.
                    for corner in range(4):
                        at = i if corner < 2 else j
                        for axis in range(3):
                            high[axis] = low[at, axis] + (height * up[at, axis] if corner == 0 or corner == 3 else 0.0)
                        _put(positions, vertex + corner, high, middle, steps)
                        normals[vertex + corner, 0] = np.rint(nx * size)
                        normals[vertex + corner, 1] = np.rint(nz * size)
                        normals[vertex + corner, 2] = np.rint(-ny * size)
                        normals[vertex + corner, 3] = 0
                        features[vertex + corner, 0], features[vertex + corner, 1] = own, 0
                    local = vertex - first_vertex
                    triangles[triangle, 0], triangles[triangle, 1], triangles[triangle, 2] = local, local + 1, local + 2
                    triangles[triangle + 1, 0], triangles[triangle + 1, 1], triangles[triangle + 1, 2] = local, local + 2, local + 3
                    vertex += 4
                    triangle += 2
        for k in range(tile_start[tile], tile_start[tile + 1]):
            feature = order[k]
            begin_all, end_all = ring_start[rings_of[feature]], ring_start[rings_of[feature + 1]]
            own, height = k - tile_start[tile], rise[feature]
            renamed[: end_all - begin_all] = -1
            # Vertices in the order in which the triangles meet them: a new one costs the index codec nothing.
            for roof in range(roof_start[feature], roof_start[feature + 1]):
                for corner in range(3):
                    at = roofs[roof, corner] - begin_all
                    if renamed[at] < 0:
                        renamed[at] = vertex
                        vertex = _roof_vertex(positions, normals, features, vertex, low, up, begin_all + at, height, middle, steps, own)
                    triangles[triangle, corner] = renamed[at] - first_vertex
                triangle += 1
            for at in range(end_all - begin_all):
                if renamed[at] < 0:
                    vertex = _roof_vertex(positions, normals, features, vertex, low, up, begin_all + at, height, middle, steps, own)


def tiled_blocks(
    footprints: Footprints, triangles: Triangles, placed: Placed, order: Ints, tile_start: Ints, rise_m: Floats, finest_m: float = 0.0
) -> TiledBlocks:
    """Raise footprints to blocks: walls with flat normals and a roof, no floor.

    Parameters
    ----------
    footprints, triangles
        Outlines of n features and their triangles.
    placed, order, tile_start
        See `place`.
    rise_m
        Height of each block [m], shape (n,).
    finest_m
        Smallest step of positions [m]; coarser ones take fewer bytes.

    Returns
    -------
    TiledBlocks
        An outline of n vertices without holes gives 5n vertices and 3n - 2 triangles.
    """
    n_vertices = np.diff(footprints.vertex_start)[order]
    n_triangles = 2 * n_vertices + np.diff(triangles.feature_start)[order]
    vertex_start = np.concatenate(([0], np.cumsum(5 * n_vertices)))[tile_start].astype(np.int64)
    triangle_start = np.concatenate(([0], np.cumsum(n_triangles)))[tile_start].astype(np.int64)
    low, high = placed.boxes[:, :3], placed.boxes[:, 3:]
    middle = np.nan_to_num((low + high) / 2)
    half = np.maximum(np.nan_to_num((high - low).max(axis=1, initial=0.0) / 2), max(1e-3, finest_m * STEPS))
    centre = np.column_stack((middle[:, 0], middle[:, 2], -middle[:, 1]))
    positions = np.empty((int(vertex_start[-1]), 4), np.int16)
    normals, features = np.empty((len(positions), 4), np.int8), np.empty((len(positions), 2), np.uint16)
    indices = np.empty((int(triangle_start[-1]), 3), np.uint32)
    _fill(
        footprints.ring_start, footprints.polygon_start[footprints.feature_start], order, tile_start, placed.low, placed.up, rise_m,
        triangles.vertices, triangles.feature_start, centre, STEPS / half, positions, normals, features, indices, vertex_start,
        triangle_start,
    )  # fmt: skip
    # Rounding keeps order: the corners of the box become the smallest and largest integers.
    corners = np.nan_to_num(np.stack((low, high)))[:, :, [0, 2, 1]] * (1, 1, -1)
    steps = np.rint((corners - centre) * (STEPS / half)[:, None]).astype(np.int64)
    return TiledBlocks(
        positions, normals, features, indices, vertex_start, triangle_start, centre, half, steps.min(axis=0), steps.max(axis=0)
    )
