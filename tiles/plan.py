"""The quadtree: cells of a fixed global grid, so that an edit moves no border. Key = path of digits 0-3 from the whole earth."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

MAX_VERTICES = 60_000
MAX_FEATURES = 1_500
MAX_CELL_DEG = 0.0125
"""About 1.2 to 1.4 km: float32 and quantised positions stay below a centimetre or two."""
_DEEPEST = 26


@dataclass
class Node:
    """A cell with features in it.

    Parameters
    ----------
    key
        Path from the whole earth.
    features
        Indices of a leaf's features; empty for inner nodes.
    children
        Of an inner node.
    """

    key: str
    features: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    children: list["Node"] = field(default_factory=list)

    def leaves(self) -> list["Node"]:
        """Return all leaves below, in key order."""
        return [self] if not self.children else [leaf for child in self.children for leaf in child.leaves()]


def plan(lon_deg: Floats, lat_deg: Floats, vertices: Ints, budget: Callable[[int, int], bool] | None = None) -> Node:
    """Distribute features over the tree.

    Parameters
    ----------
    lon_deg, lat_deg
        One position per feature [deg], shape (n,), n > 0.
    vertices
        Mesh vertices per feature, shape (n,).
    budget
        Whether a leaf may hold so many features and vertices; default 1,500 and 60,000.

    Returns
    -------
    Node
        Root; chains of cells with one child are left out.
    """
    fits = budget or (lambda n, v: n <= MAX_FEATURES and v <= MAX_VERTICES)
    # The earth as a square of 360 degrees: the fixed grid that makes keys stable.
    x, y = (lon_deg + 180.0) / 360.0, (lat_deg + 180.0) / 360.0

    def grow(key: str, west: float, south: float, size: float, inside: Ints) -> Node:
        while True:
            small = size * 360.0 <= MAX_CELL_DEG
            if len(key) >= _DEEPEST or (small and fits(len(inside), int(vertices[inside].sum()))):
                return Node(key, inside)
            half = size / 2
            right, upper = x[inside] >= west + half, y[inside] >= south + half
            quadrant = right.astype(np.int64) + 2 * upper
            parts = [(digit, inside[quadrant == digit]) for digit in range(4)]
            filled = [(digit, part) for digit, part in parts if len(part)]
            if len(filled) > 1:
                return Node(
                    key, children=[grow(f"{key}{d}", west + half * (d % 2), south + half * (d // 2), half, part) for d, part in filled]
                )
            digit = filled[0][0]
            key, west, south, size = f"{key}{digit}", west + half * (digit % 2), south + half * (digit // 2), half

    return grow("", 0.0, 0.0, 1.0, np.arange(len(x), dtype=np.int64))
