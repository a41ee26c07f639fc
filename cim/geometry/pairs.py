"""Pairs of overlapping boxes by a uniform grid: the candidates for overlap and identity tests."""

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
METRES_PER_DEGREE = 111_195.0


@numba.njit(cache=True, nogil=True)
def _cells(box, cell_x, cell_y, x0, y0, n_x):  # type: ignore[no-untyped-def]  # compiled: types come from the caller
    n = box.shape[0]
    total = np.int64(0)
    for i in range(n):
        left, right = np.int64((box[i, 0] - x0) // cell_x), np.int64((box[i, 2] - x0) // cell_x)
        low, high = np.int64((box[i, 1] - y0) // cell_y), np.int64((box[i, 3] - y0) // cell_y)
        total += (right - left + 1) * (high - low + 1)
    cell, owner = np.empty(total, np.int64), np.empty(total, np.int64)
    k = 0
    for i in range(n):
        left, right = np.int64((box[i, 0] - x0) // cell_x), np.int64((box[i, 2] - x0) // cell_x)
        low, high = np.int64((box[i, 1] - y0) // cell_y), np.int64((box[i, 3] - y0) // cell_y)
        for x in range(left, right + 1):
            for y in range(low, high + 1):
                cell[k], owner[k] = y * n_x + x, i
                k += 1
    return cell, owner


@numba.njit(cache=True, nogil=True)
def _search(box, area, share, cell, owner, cell_x, cell_y, x0, y0, n_x, scale, out):  # type: ignore[no-untyped-def]  # as above
    """Count pairs, or write them when ``out`` has room."""
    n, k = cell.shape[0], 0
    start = 0
    while start < n:
        end = start + 1
        while end < n and cell[end] == cell[start]:
            end += 1
        for p in range(start, end):
            i = owner[p]
            for q in range(p + 1, end):
                j = owner[q]
                left, right = max(box[i, 0], box[j, 0]), min(box[i, 2], box[j, 2])
                low, high = max(box[i, 1], box[j, 1]), min(box[i, 3], box[j, 3])
                if right <= left or high <= low:
                    continue
                # A pair that shares several cells counts in the one that holds the corner of its overlap.
                here = np.int64((low - y0) // cell_y) * n_x + np.int64((left - x0) // cell_x)
                if here != cell[start]:
                    continue
                if (right - left) * (high - low) * scale <= share * min(area[i], area[j]):
                    continue
                if k < out.shape[0]:
                    out[k, 0], out[k, 1] = min(i, j), max(i, j)
                k += 1
        start = end
    return k


def overlapping_boxes(box_deg: Floats, area_m2: Floats, *, share: float) -> Ints:
    """Return the pairs of boxes whose overlap exceeds a share of the smaller footprint, each pair once.

    Parameters
    ----------
    box_deg
        West, south, east, north [deg], shape (n, 4), finite.
    area_m2
        Area of the footprint inside each box [m2], shape (n,).
    share
        Smallest overlap, as a share of the smaller footprint's area; an overlap of the footprints themselves is at most that of the boxes.

    Returns
    -------
    ndarray
        Positions, lower one first, sorted, shape (m, 2).
    """
    if len(box_deg) < 2:
        return np.empty((0, 2), np.int64)
    x0, y0 = float(box_deg[:, 0].min()), float(box_deg[:, 1].min())
    width = np.median(box_deg[:, 2] - box_deg[:, 0])
    height = np.median(box_deg[:, 3] - box_deg[:, 1])
    cell_x, cell_y = max(3 * float(width), 1e-5), max(3 * float(height), 1e-5)
    n_x = int((box_deg[:, 2].max() - x0) // cell_x) + 2
    cell, owner = _cells(box_deg, cell_x, cell_y, x0, y0, n_x)
    order = np.argsort(cell, kind="stable")
    scale = METRES_PER_DEGREE**2 * float(np.cos(np.radians(box_deg[:, 1].mean())))
    given = (box_deg, area_m2, share, cell[order], owner[order], cell_x, cell_y, x0, y0, n_x, scale)
    out = np.empty((_search(*given, np.empty((0, 2), np.int64)), 2), np.int64)
    _search(*given, out)
    ordered: Ints = out[np.lexsort((out[:, 1], out[:, 0]))]
    return ordered
