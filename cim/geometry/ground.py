"""Elevations of points and footprints from a grid of heights: bilinear, missing cells respected, compiled."""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from cim.geometry.footprint import Footprints

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_FEW_CELLS = 4
"""Below this number of cells under a footprint the outline counts in the mean."""


@numba.njit(cache=True, nogil=True)
def _at(heights, column, row):  # type: ignore[no-untyped-def]  # compiled: types come from the caller
    n_rows, n_columns = heights.shape
    if not (-0.5 <= column <= n_columns - 0.5 and -0.5 <= row <= n_rows - 0.5):
        return np.nan
    c = min(max(column, 0.0), n_columns - 1.0)
    r = min(max(row, 0.0), n_rows - 1.0)
    c0, r0 = int(c), int(r)
    fc, fr = c - c0, r - r0
    # A neighbour without weight is not looked at: it may be missing.
    value = np.float64(heights[r0, c0])
    if fc > 0.0:
        value += (heights[r0, c0 + 1] - value) * fc
    if fr > 0.0:
        below = np.float64(heights[r0 + 1, c0])
        if fc > 0.0:
            below += (heights[r0 + 1, c0 + 1] - below) * fc
        value += (below - value) * fr
    return value


@numba.njit(cache=True, nogil=True)
def _points(heights, column, row, out):  # type: ignore[no-untyped-def]
    for i in range(column.shape[0]):
        out[i] = _at(heights, column[i], row[i])


def bilinear(heights: NDArray[np.float32], column: Floats, row: Floats) -> Floats:
    """Return heights between the centres of cells.

    Parameters
    ----------
    heights
        Elevations [m], shape (rows, columns), NaN where there is no data.
    column, row
        Positions, shape (n,); 0 is the centre of the first cell. Within half a cell outside the outermost centres the edge holds.

    Returns
    -------
    ndarray
        Elevations [m], shape (n,); NaN outside, and where a cell that takes part has no data.
    """
    out = np.empty(len(column))
    _points(heights, column, row, out)
    return out


@numba.njit(cache=True, nogil=True)
def _span(column, row, part):  # type: ignore[no-untyped-def]
    west, north, east, south = np.inf, np.inf, -np.inf, -np.inf
    for i in part:
        west, east = min(west, column[i]), max(east, column[i])
        north, south = min(north, row[i]), max(south, row[i])
    return west, north, east, south


@numba.njit(cache=True, nogil=True)
def _points_of(heights, first_column, first_row, column, row, part, out):  # type: ignore[no-untyped-def]
    for i in part:
        out[i] = _at(heights, column[i] - first_column, row[i] - first_row)


def span_of(column: Floats, row: Floats, part: Ints) -> tuple[float, float, float, float]:
    """Return least column, least row, greatest column and greatest row of some positions."""
    west, north, east, south = _span(column, row, part)
    return float(west), float(north), float(east), float(south)


def bilinear_into(heights: NDArray[np.float32], first: tuple[int, int], column: Floats, row: Floats, part: Ints, out: Floats) -> None:
    """Write heights of some positions, as `bilinear` has them, into ``out``; without the interpreter lock.

    Parameters
    ----------
    heights
        Elevations [m], shape (rows, columns), NaN where there is no data.
    first
        Column and row of the first cell of ``heights`` in its raster.
    column, row
        Positions in the raster, shape (n,).
    part
        Numbers of the positions, shape (k,).
    out
        Shape (n,), written at ``part``.
    """
    _points_of(heights, first[0], first[1], column, row, part, out)


@dataclass(frozen=True)
class Ground:
    """Ground under footprints, each of shape (n,) [m], NaN where nothing is known.

    Parameters
    ----------
    low, mean, high
        Lowest, mean and highest elevation.
    gaps
        Whether the grid misses some place under the footprint.
    """

    low: Floats
    mean: Floats
    high: Floats
    gaps: NDArray[np.bool_]


@numba.njit(cache=True, nogil=True)
def _under(heights, first, column, row, vertex_start, ring_start, feature_ring, which, low, mean, high, gaps):  # type: ignore[no-untyped-def]
    n_rows, n_columns = heights.shape
    longest = 0
    for f in which:
        longest = max(longest, vertex_start[f + 1] - vertex_start[f])
    crossing = np.empty(longest)
    for f in which:
        lowest, highest, outline, n_outline, inner, n_inner, gap = np.inf, -np.inf, 0.0, 0, 0.0, 0, False
        top, bottom = np.inf, -np.inf
        for ring in range(feature_ring[f], feature_ring[f + 1]):
            begin, end = ring_start[ring], ring_start[ring + 1]
            for i in range(begin, end):
                j = i + 1 if i + 1 < end else begin
                dc, dr = column[j] - column[i], row[j] - row[i]
                top, bottom = min(top, row[i] - first[1]), max(bottom, row[i] - first[1])
                steps = max(1, int(np.ceil(max(abs(dc), abs(dr)))))
                for k in range(steps):
                    value = _at(heights, column[i] - first[0] + dc * k / steps, row[i] - first[1] + dr * k / steps)
                    if np.isnan(value):
                        gap = True
                        continue
                    lowest, highest = min(lowest, value), max(highest, value)
                    outline += value
                    n_outline += 1
        if top <= bottom:
            for line in range(max(int(np.ceil(top)), 0), min(int(np.floor(bottom)), n_rows - 1) + 1):
                n_cross = 0
                for ring in range(feature_ring[f], feature_ring[f + 1]):
                    begin, end = ring_start[ring], ring_start[ring + 1]
                    for i in range(begin, end):
                        j = i + 1 if i + 1 < end else begin
                        row_i, row_j = row[i] - first[1], row[j] - first[1]
                        if (row_i <= line) != (row_j <= line):
                            crossing[n_cross] = column[i] - first[0] + (line - row_i) / (row_j - row_i) * (column[j] - column[i])
                            n_cross += 1
                sorted_ = np.sort(crossing[:n_cross])
                for pair in range(0, n_cross - 1, 2):
                    left, right = max(int(np.ceil(sorted_[pair])), 0), min(int(np.floor(sorted_[pair + 1])), n_columns - 1)
                    for cell in range(left, right + 1):
                        value = heights[line, cell]
                        if np.isnan(value):
                            gap = True
                            continue
                        lowest, highest = min(lowest, value), max(highest, value)
                        inner += value
                        n_inner += 1
        gaps[f] = gap
        if n_outline + n_inner:
            low[f], high[f] = lowest, highest
            mean[f] = inner / n_inner if n_inner >= _FEW_CELLS or n_outline == 0 else (inner + outline) / (n_inner + n_outline)


def ground_under(
    heights: NDArray[np.float32], first: tuple[int, int], cells: tuple[Floats, Floats], prints: Footprints, which: Ints, into: Ground
) -> None:
    """Write the ground under footprints into ``into``.

    Parameters
    ----------
    heights
        Elevations [m], shape (rows, columns), NaN where there is no data.
    first
        Column and row of the first cell of ``heights`` in its raster.
    cells
        Columns and rows of the vertices of ``prints`` in the raster, each of shape (v,); 0 is the centre of its first cell.
    prints
        Footprints.
    which
        Numbers of the footprints to look at, shape (k,).
    into
        Arrays of shape (n,) that are written at ``which``.

    Notes
    -----
    The extremes of a bilinear surface over a polygon lie on its outline or on a cell centre inside: the outline is looked at in steps of
    a cell at most, and every cell centre inside. The mean is that of the cell centres inside, of the outline too where there are fewer
    than four.
    """
    feature_ring = prints.polygon_start[prints.feature_start]
    starts = prints.vertex_start
    _under(heights, first, *cells, starts, prints.ring_start, feature_ring, which, into.low, into.mean, into.high, into.gaps)


def no_ground(n: int) -> Ground:
    """Return the ground of n footprints of which nothing is known yet."""
    return Ground(np.full(n, np.nan), np.full(n, np.nan), np.full(n, np.nan), np.ones(n, bool))


@numba.njit(cache=True, nogil=True)
def _interpolate(nodes_x, nodes_y, west, south, step_x, step_y, x, y, out_x, out_y):  # type: ignore[no-untyped-def]
    last_row, last_column = nodes_x.shape[0] - 2, nodes_x.shape[1] - 2
    for i in range(x.shape[0]):
        c, r = (x[i] - west) / step_x, (y[i] - south) / step_y
        c0, r0 = min(max(int(c), 0), last_column), min(max(int(r), 0), last_row)
        fc, fr = c - c0, r - r0
        out_x[i] = (nodes_x[r0, c0] * (1 - fc) + nodes_x[r0, c0 + 1] * fc) * (1 - fr) + (
            nodes_x[r0 + 1, c0] * (1 - fc) + nodes_x[r0 + 1, c0 + 1] * fc
        ) * fr
        out_y[i] = (nodes_y[r0, c0] * (1 - fc) + nodes_y[r0, c0 + 1] * fc) * (1 - fr) + (
            nodes_y[r0 + 1, c0] * (1 - fc) + nodes_y[r0 + 1, c0 + 1] * fc
        ) * fr


def interpolate(
    nodes: tuple[Floats, Floats], origin: tuple[float, float], step: tuple[float, float], x: Floats, y: Floats
) -> tuple[Floats, Floats]:
    """Interpolate a map of positions that is known at the nodes of a grid.

    Parameters
    ----------
    nodes
        x and y at the nodes, each of shape (rows, columns), rows from south to north.
    origin
        Position of the first node.
    step
        Distance of the nodes.
    x, y
        Positions, shape (n,).
    """
    out_x, out_y = np.empty(len(x)), np.empty(len(x))
    _interpolate(nodes[0], nodes[1], origin[0], origin[1], step[0], step[1], x, y, out_x, out_y)
    return out_x, out_y
