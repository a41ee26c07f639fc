"""Topology from geometry: line ends become nodes where they meet points or each other within a tolerance."""

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@numba.njit(cache=True, nogil=True)
def _nearest(order, cell, x, y, tolerance, n_points, out):  # type: ignore[no-untyped-def]  # compiled: types come from the caller
    """For each position find the first position of lowest number within the tolerance, points before ends."""
    n = x.shape[0]
    for i in range(n):
        out[i] = i
    for i in range(n_points, n):
        best, best_d, cluster = -1, tolerance * tolerance, n
        cx, cy = np.int64(np.floor(x[i] / tolerance)), np.int64(np.floor(y[i] / tolerance))
        for dx in range(-1, 2):
            for dy in range(-1, 2):
                key = ((cx + dx) * np.int64(73856093)) ^ ((cy + dy) * np.int64(19349663))
                at = np.searchsorted(cell, key)
                while at < n and cell[at] == key:
                    j = order[at]
                    at += 1
                    if j >= i:
                        continue
                    d = (x[i] - x[j]) ** 2 + (y[i] - y[j]) ** 2
                    if d > tolerance * tolerance:
                        continue
                    if j < n_points:
                        if d <= best_d:
                            best, best_d = j, d
                    elif out[j] == j and j < cluster:
                        cluster = j
        if best >= 0:
            out[i] = best
        elif cluster < n:
            out[i] = cluster


def snap_ends(points: Floats, ends: Floats, tolerance_m: float) -> Ints:
    """Find the node of every line end.

    Parameters
    ----------
    points
        Positions of known points, shape (p, 2) [m].
    ends
        Positions of line ends, shape (e, 2) [m].
    tolerance_m
        Farthest a line end may lie from its node [m].

    Returns
    -------
    ndarray
        Shape (e,): number of the point, or ``p + k`` where end ``k`` is the first of its place and becomes a node itself.
    """
    places = np.ascontiguousarray(np.concatenate([points.reshape(-1, 2), ends.reshape(-1, 2)]))
    tolerance = max(tolerance_m, 1e-6)
    cell = np.floor(places / tolerance).astype(np.int64)
    with np.errstate(over="ignore"):
        key = (cell[:, 0] * np.int64(73856093)) ^ (cell[:, 1] * np.int64(19349663))
    order = np.argsort(key, kind="stable")
    out = np.empty(len(places), np.int64)
    x, y = np.ascontiguousarray(places[:, 0]), np.ascontiguousarray(places[:, 1])
    _nearest(order, key[order], x, y, tolerance, len(points), out)
    return out[len(points) :]
