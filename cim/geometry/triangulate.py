"""Triangles of footprints: ear clipping for simple rings, earcut for holes and for what ear clipping gets wrong."""

from dataclasses import dataclass

import mapbox_earcut
import numba
import numpy as np
from numpy.typing import NDArray

from cim.geometry.footprint import Floats, Footprints, Ints

AREA_TOLERANCE = 1e-9
"""Largest relative difference between the triangles' and the polygon's area."""
_LONGEST_SIMPLE_RING = 400
"""Ear clipping is quadratic; longer rings go to earcut."""


@dataclass(frozen=True)
class Triangles:
    """Triangles of n features.

    Parameters
    ----------
    vertices
        Vertex indices into the footprints' arrays, shape (t, 3), counter-clockwise.
    feature_start
        First triangle of each feature and the end, shape (n + 1,).
    area_error
        Relative difference between the triangles' and the polygons' area, per feature.
    """

    vertices: NDArray[np.int32]
    feature_start: Ints
    area_error: Floats

    @property
    def bad(self) -> Ints:
        """Features whose triangles do not cover the polygon."""
        return np.flatnonzero(~(self.area_error <= AREA_TOLERANCE))


@numba.njit(cache=True, nogil=True)
def _cross(xy, a, b, c):  # type: ignore[no-untyped-def]  # compiled: types come from the caller
    return (xy[b, 0] - xy[a, 0]) * (xy[c, 1] - xy[a, 1]) - (xy[b, 1] - xy[a, 1]) * (xy[c, 0] - xy[a, 0])


@numba.njit(cache=True, nogil=True)
def _clip_ring(xy, begin, count, out, at, after, before):  # type: ignore[no-untyped-def]
    """Clip the ears of one counter-clockwise ring; returns the number of triangles written at ``out[at:]``."""
    for step in range(count):
        after[step] = step + 1 if step + 1 < count else 0
        before[step] = step - 1 if step > 0 else count - 1
    left, corner, tried, written = count, 0, 0, 0
    while left > 3:
        a, c = before[corner], after[corner]
        is_ear = _cross(xy, begin + a, begin + corner, begin + c) > 0.0
        if is_ear:
            other = after[c]
            while other != a:
                p = begin + other
                if (
                    _cross(xy, begin + a, begin + corner, p) >= 0.0
                    and _cross(xy, begin + corner, begin + c, p) >= 0.0
                    and _cross(xy, begin + c, begin + a, p) >= 0.0
                ):
                    is_ear = False
                    break
                other = after[other]
        if is_ear or tried > left:
            # After a full turn without an ear the corner is cut anyway: the area check finds such rings.
            out[at + written, 0], out[at + written, 1], out[at + written, 2] = begin + a, begin + corner, begin + c
            written += 1
            after[a], before[c] = c, a
            left -= 1
            tried = 0
            corner = c
        else:
            corner = c
            tried += 1
    a, c = before[corner], after[corner]
    out[at + written, 0], out[at + written, 1], out[at + written, 2] = begin + a, begin + corner, begin + c
    return written + 1


@numba.njit(cache=True, nogil=True)
def _clip_simple(xy, ring_start, polygon_start, feature_start, triangle_start, longest, out):  # type: ignore[no-untyped-def]
    after, before = np.empty(longest, dtype=np.int64), np.empty(longest, dtype=np.int64)
    left_over = np.zeros(feature_start.shape[0] - 1, dtype=np.bool_)
    for feature in range(feature_start.shape[0] - 1):
        at = triangle_start[feature]
        for polygon in range(feature_start[feature], feature_start[feature + 1]):
            ring = polygon_start[polygon]
            count = ring_start[ring + 1] - ring_start[ring]
            if polygon_start[polygon + 1] - ring != 1 or count > longest:
                left_over[feature] = True
                break
            at += _clip_ring(xy, ring_start[ring], count, out, at, after, before)
    return left_over


@numba.njit(cache=True, nogil=True)
def _area_errors(xy, ring_start, polygon_start, feature_start, triangles, triangle_start):  # type: ignore[no-untyped-def]
    errors = np.empty(feature_start.shape[0] - 1, dtype=np.float64)
    for feature in range(errors.shape[0]):
        polygon_area, triangle_area = 0.0, 0.0
        for ring in range(polygon_start[feature_start[feature]], polygon_start[feature_start[feature + 1]]):
            begin, end = ring_start[ring], ring_start[ring + 1]
            for at in range(begin + 1, end - 1):
                polygon_area += _cross(xy, begin, at, at + 1)
        for at in range(triangle_start[feature], triangle_start[feature + 1]):
            triangle_area += abs(_cross(xy, triangles[at, 0], triangles[at, 1], triangles[at, 2]))
        errors[feature] = abs(triangle_area - polygon_area) / polygon_area if polygon_area > 0 else np.inf
    return errors


def _earcut_feature(footprints: Footprints, feature: int) -> NDArray[np.int32]:
    parts = [np.empty((0, 3), dtype=np.int32)]
    for polygon in range(footprints.feature_start[feature], footprints.feature_start[feature + 1]):
        bounds = footprints.ring_start[footprints.polygon_start[polygon] : footprints.polygon_start[polygon + 1] + 1]
        ends = (bounds[1:] - bounds[0]).astype(np.uint32)
        xy = np.ascontiguousarray(footprints.xy[bounds[0] : bounds[-1]])
        cut = mapbox_earcut.triangulate_float64(xy, ends).reshape(-1, 3).astype(np.int32)
        a, b, c = xy[cut[:, 0]], xy[cut[:, 1]], xy[cut[:, 2]]
        turned = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) < (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
        cut[turned] = cut[turned][:, ::-1]
        parts.append(cut + np.int32(bounds[0]))
    return np.concatenate(parts)


def triangulate(footprints: Footprints) -> Triangles:
    """Triangulate every footprint and compare the areas.

    Parameters
    ----------
    footprints
        Outer rings counter-clockwise, holes clockwise.

    Returns
    -------
    Triangles
        ``bad`` names the features whose triangles do not add up to the polygon (self-crossing outlines).

    Notes
    -----
    A simple ring of n vertices has exactly n - 2 triangles; each hole of m vertices adds m + 2.
    """
    n_rings = np.diff(footprints.polygon_start)
    per_polygon = np.diff(footprints.ring_start[footprints.polygon_start]) + 2 * (n_rings - 1) - 2
    total = np.concatenate(([0], np.cumsum(per_polygon)))
    start: Ints = total[footprints.feature_start].astype(np.int64)
    out = np.zeros((int(start[-1]), 3), dtype=np.int32)
    arrays = footprints.xy, footprints.ring_start, footprints.polygon_start, footprints.feature_start
    again = _clip_simple(*arrays, start, _LONGEST_SIMPLE_RING, out)
    errors = _area_errors(*arrays, out, start)
    redo = np.flatnonzero((again | ~(errors <= AREA_TOLERANCE)) & (np.diff(footprints.feature_start) > 0))
    if redo.size:
        cuts = {int(feature): _earcut_feature(footprints, int(feature)) for feature in redo}
        out, start = _spliced(out, start, cuts)
        errors = _area_errors(*arrays, out, start)
    return Triangles(out, start, errors)


def _spliced(out: NDArray[np.int32], start: Ints, cuts: dict[int, NDArray[np.int32]]) -> tuple[NDArray[np.int32], Ints]:
    """Put the triangles of some features in place of the ones they had."""
    counts = np.diff(start)
    parts, done = [], 0
    for feature in sorted(cuts):
        parts += [out[start[done] : start[feature]], cuts[feature]]
        counts[feature] = len(cuts[feature])
        done = feature + 1
    parts.append(out[start[done] :])
    return np.concatenate(parts), np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
