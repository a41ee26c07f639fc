"""Plain outlines: polygons of one ring, examined from their well-known binary by compiled code, without one object per geometry.

Most footprints of a city are such. What is not certainly valid here is left to GEOS: the tests are those of the OGC simple features
(06-103r4, 6.1.11) with the error bound of Shewchuk (1997, "Adaptive precision floating-point arithmetic", stage A), so that a ring that
passes is simple in exact arithmetic.
"""

from dataclasses import dataclass

import numba
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
MOST_POINTS = 65
"""Rings with more points are left to GEOS, whose sweep is faster than comparing all segments."""
_ERROR = 3.3306690738754716e-16
_POLYGON_HEAD, _MULTIPOLYGON_HEAD = 13, 22


@dataclass(frozen=True)
class Outlines:
    """The plain outlines of a column.

    Parameters
    ----------
    plain
        Rows that are valid polygons of one ring, shape (n,).
    start
        First vertex of each row in ``xy``; rows that are not plain have none, shape (n + 1,).
    xy
        Vertices, the first of each ring repeated at its end, CRS of the source, shape (m, 2).
    """

    plain: Mask
    start: Ints
    xy: Floats

    def bounds(self, xy: Floats) -> Floats:
        """Return west, south, east, north of each row, NaN where it is not plain, shape (n, 4); ``xy`` may be in another CRS."""
        box: Floats = _bounds(self.start, xy)
        return box

    def area_and_length(self, xy: Floats) -> tuple[Floats, Floats]:
        """Return area and perimeter of each row, NaN where it is not plain, shape (n,); ``xy`` may be in another CRS."""
        measures: tuple[Floats, Floats] = _area_and_length(self.start, xy)
        return measures

    def inner_points(self, xy: Floats) -> Floats:
        """Return a point inside each row, the one that GEOS takes (InteriorPointArea), NaN where it is not plain, shape (n, 2)."""
        points: Floats = _inner_points(self.start, xy)
        return points

    def wkb(self, xy: Floats) -> pa.Array:
        """Return each row as a MultiPolygon in well-known binary, null where it is not plain; ``xy`` may be in another CRS."""
        size = np.where(self.plain, _MULTIPOLYGON_HEAD + np.diff(self.start) * 16, 0)
        offsets = np.concatenate([[0], np.cumsum(size)])
        out = np.empty(offsets[-1], np.uint8)
        _write(self.start, np.ascontiguousarray(xy).view(np.uint8).reshape(-1), offsets, out)
        valid = None if self.plain.all() else pa.py_buffer(np.packbits(self.plain, bitorder="little").tobytes())
        return pa.Array.from_buffers(pa.binary(), len(size), [valid, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(out)])


def plain_outlines(wkb: pa.Array) -> Outlines:
    """Find the plain outlines of a column.

    Parameters
    ----------
    wkb
        Well-known binary (``binary`` or ``large_binary``), null where there is none, shape (n,).
    """
    n = len(wkb)
    if n == 0:
        return Outlines(np.zeros(0, np.bool_), np.zeros(1, np.int64), np.empty((0, 2)))
    wide = pa.types.is_large_binary(wkb.type)
    _, offsets, data = wkb.buffers()
    at = np.frombuffer(offsets, np.int64 if wide else np.int32)[wkb.offset : wkb.offset + n + 1].astype(np.int64)
    raw = np.frombuffer(data if data is not None and data.size else b"\0", np.uint8)
    valid = np.ones(n, np.bool_) if wkb.null_count == 0 else np.asarray(wkb.is_valid())
    count, first = _heads(raw, at, valid)
    start = np.concatenate([[0], np.cumsum(count)])
    xy = np.empty((start[-1], 2))
    _copy(raw, first, start, xy.view(np.uint8).reshape(-1))
    plain = _examine(start, xy)
    if not plain.all():
        # Only plain rows keep their vertices.
        kept = np.repeat(plain, count)
        start, xy = np.concatenate([[0], np.cumsum(np.where(plain, count, 0))]), xy[kept]
    return Outlines(plain, start, xy)


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba ships no types
def _word(raw: NDArray[np.uint8], at: int) -> int:
    return int(raw[at]) | (int(raw[at + 1]) << 8) | (int(raw[at + 2]) << 16) | (int(raw[at + 3]) << 24)


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # as above
def _heads(raw: NDArray[np.uint8], offsets: Ints, valid: Mask) -> tuple[Ints, Ints]:
    """Return the number of vertices of each one-ring polygon (0 = something else) and the byte where they start."""
    n = valid.shape[0]
    count, first = np.zeros(n, np.int64), np.zeros(n, np.int64)
    for row in range(n):
        at, size = offsets[row], offsets[row + 1] - offsets[row]
        if not valid[row] or size < _POLYGON_HEAD or raw[at] != 1:
            continue
        kind = _word(raw, at + 1)
        if kind == 6 and size >= _MULTIPOLYGON_HEAD and _word(raw, at + 5) == 1 and raw[at + 9] == 1:
            at, size = at + 9, size - 9
            kind = _word(raw, at + 1)
        if kind != 3 or _word(raw, at + 5) != 1:
            continue
        points = _word(raw, at + 9)
        if 4 <= points <= MOST_POINTS and size == _POLYGON_HEAD + points * 16:
            count[row], first[row] = points, at + _POLYGON_HEAD
    return count, first


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # as above
def _copy(raw: NDArray[np.uint8], first: Ints, start: Ints, out: NDArray[np.uint8]) -> None:
    for row in range(first.shape[0]):
        size = (start[row + 1] - start[row]) * 16
        source, target = first[row], start[row] * 16
        for k in range(size):
            out[target + k] = raw[source + k]


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # as above
def _side(ax: float, ay: float, bx: float, by: float, cx: float, cy: float) -> int:
    """Return 1 or -1 for the side of line a-b where c certainly lies, 0 where that is not certain."""
    left, right = (ax - cx) * (by - cy), (ay - cy) * (bx - cx)
    found = left - right
    bound = _ERROR * (abs(left) + abs(right))
    return 1 if found > bound else -1 if found < -bound else 0


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # as above
def _apart(xy: Floats, i: int, j: int) -> bool:
    """Tell whether segments i and j certainly have no point in common."""
    ax, ay, bx, by = xy[i, 0], xy[i, 1], xy[i + 1, 0], xy[i + 1, 1]
    cx, cy, dx, dy = xy[j, 0], xy[j, 1], xy[j + 1, 0], xy[j + 1, 1]
    if max(ax, bx) < min(cx, dx) or max(cx, dx) < min(ax, bx) or max(ay, by) < min(cy, dy) or max(cy, dy) < min(ay, by):
        return True
    first, second = _side(ax, ay, bx, by, cx, cy), _side(ax, ay, bx, by, dx, dy)
    if first != 0 and first == second:
        return True
    first, second = _side(cx, cy, dx, dy, ax, ay), _side(cx, cy, dx, dy, bx, by)
    return bool(first != 0 and first == second)


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # as above
def _is_simple(xy: Floats, begin: int, end: int) -> bool:
    """Tell whether the ring of the vertices begin to end - 1 is certainly closed and simple."""
    last = end - 2
    for i in range(begin, end):
        if not (np.isfinite(xy[i, 0]) and np.isfinite(xy[i, 1])):
            return False
    if xy[begin, 0] != xy[end - 1, 0] or xy[begin, 1] != xy[end - 1, 1]:
        return False
    for i in range(begin, last + 1):
        j = i + 1 if i < last else begin
        ux, uy = xy[i + 1, 0] - xy[i, 0], xy[i + 1, 1] - xy[i, 1]
        vx, vy = xy[j + 1, 0] - xy[j, 0], xy[j + 1, 1] - xy[j, 1]
        if ux == 0 and uy == 0:
            return False
        # Neighbours share their vertex; they overlap only where the ring turns straight back.
        if _side(xy[i, 0], xy[i, 1], xy[i + 1, 0], xy[i + 1, 1], xy[j + 1, 0], xy[j + 1, 1]) == 0 and ux * vx + uy * vy <= 0:
            return False
    for i in range(begin, last + 1):
        for j in range(i + 2, last + 1):
            if i == begin and j == last:
                continue
            if not _apart(xy, i, j):
                return False
    return True


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # as above
def _examine(start: Ints, xy: Floats) -> Mask:
    n = start.shape[0] - 1
    plain = np.zeros(n, np.bool_)
    for row in range(n):
        plain[row] = start[row + 1] > start[row] and _is_simple(xy, start[row], start[row + 1])
    return plain


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # as above
def _bounds(start: Ints, xy: Floats) -> Floats:
    n = start.shape[0] - 1
    box = np.full((n, 4), np.nan)
    for row in range(n):
        if start[row + 1] == start[row]:
            continue
        west, south = xy[start[row], 0], xy[start[row], 1]
        east, north = west, south
        for i in range(start[row] + 1, start[row + 1]):
            west, south = min(west, xy[i, 0]), min(south, xy[i, 1])
            east, north = max(east, xy[i, 0]), max(north, xy[i, 1])
        box[row, 0], box[row, 1], box[row, 2], box[row, 3] = west, south, east, north
    return box


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # as above
def _area_and_length(start: Ints, xy: Floats) -> tuple[Floats, Floats]:
    n = start.shape[0] - 1
    area, length = np.full(n, np.nan), np.full(n, np.nan)
    for row in range(n):
        begin, end = start[row], start[row + 1]
        if end == begin:
            continue
        # Relative to the first vertex: coordinates have seven digits before the point, footprints two.
        x0, total, around = xy[begin, 0], 0.0, 0.0
        for i in range(begin, end - 1):
            if i > begin:
                total += (xy[i, 0] - x0) * (xy[i - 1, 1] - xy[i + 1, 1])
            around += np.hypot(xy[i + 1, 0] - xy[i, 0], xy[i + 1, 1] - xy[i, 1])
        area[row], length[row] = abs(total) / 2, around
    return area, length


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # as above
def _inner_points(start: Ints, xy: Floats) -> Floats:
    n = start.shape[0] - 1
    found = np.full((n, 2), np.nan)
    crossing = np.empty(MOST_POINTS)
    for row in range(n):
        begin, end = start[row], start[row + 1]
        if end == begin:
            continue
        low, high = xy[begin, 1], xy[begin, 1]
        for i in range(begin, end):
            low, high = min(low, xy[i, 1]), max(high, xy[i, 1])
        # Half-way between the vertices next below and next above the middle: no vertex lies on the line.
        middle = (low + high) / 2
        for i in range(begin, end):
            y = xy[i, 1]
            if y <= middle:
                low = max(low, y)
            else:
                high = min(high, y)
        level = (high + low) / 2
        k = 0
        for i in range(begin, end - 1):
            x0, y0, x1, y1 = xy[i, 0], xy[i, 1], xy[i + 1, 0], xy[i + 1, 1]
            if y0 == y1 or (y0 > level and y1 > level) or (y0 < level and y1 < level):
                continue
            if (y0 == level and y1 < level) or (y1 == level and y0 < level):
                continue
            x = x0 if x0 == x1 else x0 + (level - y0) / ((y1 - y0) / (x1 - x0))
            # Kept in order: a handful of crossings.
            at = k
            while at > 0 and crossing[at - 1] > x:
                crossing[at] = crossing[at - 1]
                at -= 1
            crossing[at] = x
            k += 1
        widest = 0.0
        for i in range(0, k - 1, 2):
            if crossing[i + 1] - crossing[i] > widest:
                widest = crossing[i + 1] - crossing[i]
                found[row, 0], found[row, 1] = (crossing[i] + crossing[i + 1]) / 2, level
    return found


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # as above
def _write(start: Ints, raw: NDArray[np.uint8], offsets: Ints, out: NDArray[np.uint8]) -> None:
    for row in range(start.shape[0] - 1):
        points = start[row + 1] - start[row]
        if points == 0:
            continue
        at = offsets[row]
        # OGC 06-103r4, 8.2.8: byte order, type 6, one polygon; byte order, type 3, one ring, its points.
        for k in range(_MULTIPOLYGON_HEAD):
            out[at + k] = 0
        out[at], out[at + 1], out[at + 5], out[at + 9], out[at + 10], out[at + 14] = 1, 6, 1, 1, 3, 1
        out[at + 18] = points
        source, at = start[row] * 16, at + _MULTIPOLYGON_HEAD
        for k in range(points * 16):
            out[at + k] = raw[source + k]
