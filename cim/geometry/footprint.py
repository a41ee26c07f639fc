"""Footprints: polygons from well-known binary to flat arrays, cleaned and oriented (OGC 06-103r4, section 8)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from cim.errors import CimError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_SHORTEST_EDGE_M = 1e-3
_POLYGON, _MULTIPOLYGON = 3, 6


class WkbError(CimError):
    """Bytes that are no little-endian two-dimensional polygon or multipolygon."""

    code = "geometry.wkb"


@dataclass(frozen=True)
class Footprints:
    """Polygons of n features as flat arrays.

    Parameters
    ----------
    lonlat
        Ring vertices without the closing one, shape (v, 2) [deg].
    xy
        The same in local metres around each feature's first vertex, shape (v, 2); equirectangular.
    ring_start
        First vertex of each ring and the end, shape (r + 1,).
    polygon_start
        First ring of each polygon and the end; the first ring is the outer one, counter-clockwise, holes are clockwise.
    feature_start
        First polygon of each feature and the end, shape (n + 1,).
    boxes
        West, south, east, north of each feature as it was given, shape (n, 4) [deg]; east passes 180 where a ring crosses the
        antimeridian; NaN for one without vertices.
    """

    lonlat: Floats
    xy: Floats
    ring_start: Ints
    polygon_start: Ints
    feature_start: Ints
    boxes: Floats

    @property
    def vertex_start(self) -> Ints:
        """First vertex of each feature and the end, shape (n + 1,)."""
        vertices: Ints = self.ring_start[self.polygon_start[self.feature_start]]
        return vertices

    def taken(self, features: Ints) -> "Footprints":
        """Return some features, in the order asked for."""
        polygons = [np.arange(self.feature_start[i], self.feature_start[i + 1]) for i in features]
        rings = [np.arange(self.polygon_start[i], self.polygon_start[i + 1]) for i in np.concatenate(polygons)]
        vertices = [np.arange(self.ring_start[i], self.ring_start[i + 1]) for i in np.concatenate(rings)]
        starts = [np.concatenate(([0], np.cumsum([len(part) for part in parts]))) for parts in (vertices, rings, polygons)]
        at = np.concatenate(vertices)
        return Footprints(self.lonlat[at], self.xy[at], starts[0], starts[1], starts[2], self.boxes[features])


@numba.njit(cache=True, nogil=True)
def _u32(data, at):  # type: ignore[no-untyped-def]  # compiled: types come from the caller
    return np.int64(data[at]) | np.int64(data[at + 1]) << 8 | np.int64(data[at + 2]) << 16 | np.int64(data[at + 3]) << 24


@numba.njit(cache=True, nogil=True)
def _scan(data, start, write, points, ring_start, polygon_start, feature_start):  # type: ignore[no-untyped-def]
    """Walk all rows; count, and where ``write`` is set copy. Returns counts and the first bad row or -1."""
    n_points, n_rings, n_polygons = 0, 0, 0
    for row in range(start.shape[0] - 1):
        at, end = start[row], start[row + 1]
        if end - at < 9 or data[at] != 1:
            return n_points, n_rings, n_polygons, row
        kind = _u32(data, at + 1)
        parts = 1
        if kind == 6:
            parts = _u32(data, at + 5)
            at += 9
        for _ in range(parts):
            if at + 9 > end or data[at] != 1 or _u32(data, at + 1) != 3:
                return n_points, n_rings, n_polygons, row
            rings = _u32(data, at + 5)
            at += 9
            for _ring in range(rings):
                if at + 4 > end:
                    return n_points, n_rings, n_polygons, row
                count = _u32(data, at)
                at += 4
                if at + 16 * count > end:
                    return n_points, n_rings, n_polygons, row
                kept = max(count - 1, 0)
                if write:
                    points[16 * n_points : 16 * (n_points + kept)] = data[at : at + 16 * kept]
                    ring_start[n_rings + 1] = n_points + kept
                n_points += kept
                n_rings += 1
                at += 16 * count
            n_polygons += 1
            if write:
                polygon_start[n_polygons] = n_rings
        if write:
            feature_start[row + 1] = n_polygons
    return n_points, n_rings, n_polygons, -1


@numba.njit(cache=True, nogil=True)
def _clean(lonlat, xy, ring_start, polygon_start, feature_start, shortest):  # type: ignore[no-untyped-def]
    """Drop repeated vertices and empty rings, orient the rest; writes in place and returns the new starts."""
    rings, polygons = np.zeros_like(ring_start), np.zeros_like(polygon_start)
    features = np.zeros_like(feature_start)
    n_points, n_rings, n_polygons = 0, 0, 0
    for feature in range(feature_start.shape[0] - 1):
        for polygon in range(feature_start[feature], feature_start[feature + 1]):
            outer_kept = False
            for ring in range(polygon_start[polygon], polygon_start[polygon + 1]):
                is_outer = ring == polygon_start[polygon]
                if not is_outer and not outer_kept:
                    continue
                begin = n_points
                for at in range(ring_start[ring], ring_start[ring + 1]):
                    if n_points > begin and (
                        abs(xy[at, 0] - xy[n_points - 1, 0]) < shortest and abs(xy[at, 1] - xy[n_points - 1, 1]) < shortest
                    ):
                        continue
                    for axis in range(2):
                        xy[n_points, axis] = xy[at, axis]
                        lonlat[n_points, axis] = lonlat[at, axis]
                    n_points += 1
                while n_points - begin > 1 and (
                    abs(xy[n_points - 1, 0] - xy[begin, 0]) < shortest and abs(xy[n_points - 1, 1] - xy[begin, 1]) < shortest
                ):
                    n_points -= 1
                twice = 0.0
                for at in range(begin, n_points):
                    after = at + 1 if at + 1 < n_points else begin
                    twice += xy[at, 0] * xy[after, 1] - xy[after, 0] * xy[at, 1]
                if n_points - begin < 3 or twice == 0.0 or not np.isfinite(twice):
                    n_points = begin
                    continue
                if (twice > 0) != is_outer:
                    low, high = begin, n_points - 1
                    while low < high:
                        for axis in range(2):
                            xy[low, axis], xy[high, axis] = xy[high, axis], xy[low, axis]
                            lonlat[low, axis], lonlat[high, axis] = lonlat[high, axis], lonlat[low, axis]
                        low, high = low + 1, high - 1
                outer_kept = outer_kept or is_outer
                n_rings += 1
                rings[n_rings] = n_points
            if outer_kept:
                n_polygons += 1
                polygons[n_polygons] = n_rings
        features[feature + 1] = n_polygons
    return n_points, rings[: n_rings + 1], polygons[: n_polygons + 1], features


@numba.njit(cache=True, nogil=True)
def _to_metres(lonlat, vertex_start, xy, boxes):  # type: ignore[no-untyped-def]
    """Fill local metres and boxes; unroll rings that cross the antimeridian (longitudes then pass 180 degrees)."""
    for feature in range(vertex_start.shape[0] - 1):
        first, last = vertex_start[feature], vertex_start[feature + 1]
        if first == last:
            boxes[feature] = np.nan
            continue
        west, east = np.inf, -np.inf
        for at in range(first, last):
            west, east = min(west, lonlat[at, 0]), max(east, lonlat[at, 0])
        if east - west > 180.0:
            for at in range(first, last):
                if lonlat[at, 0] < 0.0:
                    lonlat[at, 0] += 360.0
        boxes[feature, 0], boxes[feature, 2] = lonlat[first, 0], lonlat[first, 0]
        boxes[feature, 1], boxes[feature, 3] = lonlat[first, 1], lonlat[first, 1]
        for at in range(first + 1, last):
            boxes[feature, 0], boxes[feature, 2] = min(boxes[feature, 0], lonlat[at, 0]), max(boxes[feature, 2], lonlat[at, 0])
            boxes[feature, 1], boxes[feature, 3] = min(boxes[feature, 1], lonlat[at, 1]), max(boxes[feature, 3], lonlat[at, 1])
        lon, lat = lonlat[first, 0], lonlat[first, 1]
        if abs(lat) > 85.0:
            # Meridians converge within one building: the plane through the pole instead (polar azimuthal equidistant).
            side = 1.0 if lat > 0 else -1.0
            away = (90.0 - side * lat) * 111195.0
            x0, y0 = away * np.sin(np.radians(lon)), -side * away * np.cos(np.radians(lon))
            for at in range(first, last):
                away = (90.0 - side * lonlat[at, 1]) * 111195.0
                xy[at, 0] = away * np.sin(np.radians(lonlat[at, 0])) - x0
                xy[at, 1] = -side * away * np.cos(np.radians(lonlat[at, 0])) - y0
            continue
        squeeze = 111195.0 * np.cos(np.radians(lat))
        for at in range(first, last):
            xy[at, 0], xy[at, 1] = (lonlat[at, 0] - lon) * squeeze, (lonlat[at, 1] - lat) * 111195.0


def footprints_from_wkb(rows: Sequence[bytes]) -> Footprints:
    """Read polygons and multipolygons.

    Parameters
    ----------
    rows
        Little-endian well-known binary, longitude latitude [deg], two-dimensional.

    Returns
    -------
    Footprints
        One feature per row, in order; a row without area has no polygon. Edges shorter than 1 mm are dropped.

    Raises
    ------
    WkbError
        A row is no polygon or is cut off; names its position.
    """
    start = np.zeros(len(rows) + 1, dtype=np.int64)
    np.cumsum([len(row) for row in rows], out=start[1:])
    return footprints_from_buffer(np.frombuffer(b"".join(rows), dtype=np.uint8), start)


def footprints_from_buffer(data: NDArray[np.uint8], start: Ints) -> Footprints:
    """Read polygons and multipolygons that lie one behind the other, as in an Arrow binary column.

    Parameters
    ----------
    data
        The bytes of all rows.
    start
        First byte of each row and the end, shape (n + 1,).

    Returns
    -------
    Footprints
        As of `footprints_from_wkb`. A ring across the antimeridian is unrolled: its longitudes pass 180 degrees. Rings with values
        that are no numbers are dropped.

    Raises
    ------
    WkbError
        A row is no polygon or is cut off; names its position.
    """
    n = len(start) - 1
    nothing, none = np.empty(0, dtype=np.uint8), np.empty(0, dtype=np.int64)
    n_points, n_rings, n_polygons, bad = _scan(data, start, False, nothing, none, none, none)
    if bad >= 0:
        head = bytes(data[start[bad] : start[bad] + 5]).hex()
        raise WkbError(f"footprint {bad}: expected a little-endian polygon, found bytes {head} ({start[bad + 1] - start[bad]} long)")
    points = np.empty(16 * n_points, dtype=np.uint8)
    ring_start, polygon_start = np.zeros(n_rings + 1, dtype=np.int64), np.zeros(n_polygons + 1, dtype=np.int64)
    feature_start = np.zeros(n + 1, dtype=np.int64)
    _scan(data, start, True, points, ring_start, polygon_start, feature_start)
    lonlat = points.view(np.float64).reshape(-1, 2)
    xy, boxes = np.empty_like(lonlat), np.empty((n, 4))
    _to_metres(lonlat, ring_start[polygon_start[feature_start]], xy, boxes)
    kept, rings, polygons, features = _clean(lonlat, xy, ring_start, polygon_start, feature_start, _SHORTEST_EDGE_M)
    return Footprints(lonlat[:kept], xy[:kept], rings, polygons, features, boxes)
