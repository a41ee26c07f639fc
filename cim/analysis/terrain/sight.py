"""What can be seen over the ground: profile, line of sight, viewshed; with the curve of the earth and refraction."""

import itertools
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from cim.geometry.ground import bilinear

Floats = NDArray[np.float64]

EARTH_M = 6_371_000.0
REFRACTION = 0.13
"""Share of the curve of the earth that refraction takes back (standard atmosphere)."""


def profile(
    heights: Floats, west: float, north: float, cell_m: float, line: Floats, step_m: float
) -> tuple[Floats, Floats, Floats]:  # fmt: skip
    """Return the ground along a line.

    Parameters
    ----------
    west, north
        Outer corner of the first cell [m].
    line
        Easting, northing [m], shape (n, 2).
    step_m
        Largest distance of the points; the vertices of the line are among them.

    Returns
    -------
    tuple
        Distance from the start [m], positions (m, 2), elevations [m], NaN outside.
    """
    points = [line[:1]]
    for a, b in itertools.pairwise(line):
        n = max(1, int(np.ceil(np.hypot(*(b - a)) / step_m)))
        points.append(a + (b - a) * (np.arange(1, n + 1) / n)[:, None])
    places = np.concatenate(points)
    distance = np.concatenate(([0.0], np.cumsum(np.hypot(*np.diff(places, axis=0).T))))
    found = bilinear(heights.astype(np.float32), (places[:, 0] - west) / cell_m - 0.5, (north - places[:, 1]) / cell_m - 0.5)
    return distance, places, found


def drop(distance_m: Floats, refraction: float = REFRACTION) -> Floats:
    """Return how far the ground falls below the horizontal of the observer [m]."""
    return np.asarray((1 - refraction) * distance_m**2 / (2 * EARTH_M), np.float64)


@dataclass(frozen=True)
class Sight:
    """A line of sight.

    Parameters
    ----------
    is_visible
        Nothing stands in the way.
    clearance_m
        Least distance between ray and ground [m], negative where the ground is higher.
    at_m
        Distance of that place from the observer [m].
    """

    is_visible: bool
    clearance_m: float
    at_m: float


def line_of_sight(
    heights: Floats, west: float, north: float, cell_m: float, ends: tuple[tuple[float, float], tuple[float, float]],
    *, observer_m: float, target_m: float, refraction: float = REFRACTION,
) -> Sight:  # fmt: skip
    """Tell whether a target is seen over the ground.

    Parameters
    ----------
    ends
        Easting, northing of observer and target [m].
    observer_m, target_m
        Their heights above ground [m].
    """
    line = np.array(ends, np.float64)
    distance, _, ground = profile(heights, west, north, cell_m, line, cell_m / 2)
    seen = ground - drop(distance, refraction)
    eye, target = seen[0] + observer_m, seen[-1] + target_m
    ray = eye + (target - eye) * distance / max(distance[-1], 1e-9)
    between = ray - seen
    between[0] = between[-1] = np.inf
    worst = int(np.nanargmin(between))
    return Sight(bool(between[worst] >= 0), float(between[worst]), float(distance[worst]))


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba ships no types
def _viewshed(
    heights: Floats, cell: float, row: int, column: int, eye: float, target: float, reach: float, bend: float, out: NDArray[np.bool_]
) -> None:
    n_rows, n_columns = heights.shape
    for r in range(n_rows):
        for c in range(n_columns):
            d_row, d_column = r - row, c - column
            distance = np.sqrt(d_row * d_row + d_column * d_column) * cell
            if distance > reach or np.isnan(heights[r, c]):
                continue
            if r == row and c == column:
                out[r, c] = True
                continue
            steps = max(abs(d_row), abs(d_column))
            wanted = (heights[r, c] + target - bend * distance * distance - eye) / distance
            hidden = False
            for k in range(1, steps):
                at_row, at_column = row + d_row * k / steps, column + d_column * k / steps
                # Along the longer axis the ray meets grid lines: linear between the two cells beside it.
                if abs(d_row) >= abs(d_column):
                    left = int(np.floor(at_column))
                    part = at_column - left
                    line = int(np.rint(at_row))
                    ground = heights[line, left] if part == 0 else heights[line, left] * (1 - part) + heights[line, left + 1] * part
                else:
                    top = int(np.floor(at_row))
                    part = at_row - top
                    line = int(np.rint(at_column))
                    ground = heights[top, line] if part == 0 else heights[top, line] * (1 - part) + heights[top + 1, line] * part
                far = distance * k / steps
                if (ground - bend * far * far - eye) / far > wanted:
                    hidden = True
                    break
            out[r, c] = not hidden


def viewshed(
    heights: Floats, cell_m: float, observer: tuple[int, int], *, observer_m: float, target_m: float = 0.0, reach_m: float = np.inf,
    refraction: float = REFRACTION,
) -> NDArray[np.bool_]:  # fmt: skip
    """Return which cells are seen from a cell (R3: a ray to every cell, W. R. Franklin and C. Ray, 1994).

    Parameters
    ----------
    observer
        Row and column.
    observer_m, target_m
        Heights above ground of the eye and of what is looked for [m].
    reach_m
        Cells further away are not looked at.

    Raises
    ------
    ValueError
        The observer stands outside or on a cell without data.
    """
    row, column = observer
    if not (0 <= row < heights.shape[0] and 0 <= column < heights.shape[1]) or np.isnan(heights[row, column]):
        raise ValueError(f"observer {observer}: expected a cell with data of a grid of {heights.shape}")
    out = np.zeros(heights.shape, bool)
    eye = float(heights[row, column]) + observer_m
    _viewshed(
        np.ascontiguousarray(heights, np.float64), cell_m, row, column, eye, target_m, float(reach_m), (1 - refraction) / (2 * EARTH_M), out
    )
    return out
