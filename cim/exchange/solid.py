"""Solids of CityJSON: footprints raised to blocks on a grid of whole millimetres."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

SCALE_M = 0.001
"""Edge of the grid [m]: all vertices are whole multiples from the origin."""

GROUND, ROOF, WALL = 0, 1, 2
SEMANTICS = [{"type": "GroundSurface"}, {"type": "RoofSurface"}, {"type": "WallSurface"}]

Ring = list[tuple[int, int]]
Polygon = list[Ring]
Surface = list[list[int]]


@dataclass(frozen=True)
class Block:
    """A part of a building as surfaces over its own vertices.

    Parameters
    ----------
    vertices
        x, y, z in units of the grid.
    surfaces
        Rings of vertex indices, the outer one first; counter-clockwise seen from outside.
    kinds
        Index into `SEMANTICS` of each surface.
    """

    vertices: list[tuple[int, int, int]]
    surfaces: list[Surface]
    kinds: list[int]


def on_grid(footprints: NDArray[Any], origin: tuple[float, float]) -> Iterator[list[Polygon]]:
    """Yield the polygons of each footprint on the grid.

    Parameters
    ----------
    footprints
        Polygons, multipolygons or None, x/y [m], shape (n,).
    origin
        Zero of the grid [m].

    Yields
    ------
    list of Polygon
        Outer rings counter-clockwise, holes clockwise, no vertex twice in a row; without polygons and holes below the grid's size.
    """
    parts, owner = shapely.get_parts(shapely.orient_polygons(footprints), return_index=True)
    rings, part_of = shapely.get_rings(parts, return_index=True)
    places, ring_of = shapely.get_coordinates(rings, return_index=True)
    cells = np.rint((places - np.array(origin)) / SCALE_M).astype(np.int64)
    ring_start = np.searchsorted(ring_of, np.arange(len(rings) + 1)).tolist()
    part_start = np.searchsorted(part_of, np.arange(len(parts) + 1)).tolist()
    owner_start = np.searchsorted(owner, np.arange(len(footprints) + 1)).tolist()
    for feature in range(len(footprints)):
        made = []
        for part in range(owner_start[feature], owner_start[feature + 1]):
            outer, *holes = (
                _clean(cells[ring_start[i] : ring_start[i + 1]].tolist()) for i in range(part_start[part], part_start[part + 1])
            )
            if _double_area(outer) > 0:
                made.append([outer, *(hole for hole in holes if _double_area(hole) < 0)])
        yield made


def raise_block(polygon: Polygon, base: int, top: int) -> Block:
    """Raise a polygon to a closed block: ground, roof, walls.

    Parameters
    ----------
    polygon
        See `on_grid`.
    base, top
        Heights in units of the grid, ``base < top``.

    Notes
    -----
    Each ring has vertices of its own, so every edge is used exactly twice even where a hole touches the outer ring.
    """
    vertices: list[tuple[int, int, int]] = []
    ground: Surface = []
    roof: Surface = []
    walls: list[Surface] = []
    for ring in polygon:
        first, n = len(vertices), len(ring)
        vertices += [(x, y, base) for x, y in ring]
        vertices += [(x, y, top) for x, y in ring]
        ground.append(list(range(first + n - 1, first - 1, -1)))
        roof.append(list(range(first + n, first + 2 * n)))
        for i in range(n):
            low, following = first + i, first + (i + 1) % n
            walls.append([[low, following, following + n, low + n]])
    return Block(vertices, [ground, roof, *walls], [GROUND, ROOF, *[WALL] * len(walls)])


def lay_flat(polygons: list[Polygon], base: int) -> Block:
    """Return polygons as horizontal surfaces that face upwards."""
    vertices: list[tuple[int, int, int]] = []
    surfaces: list[Surface] = []
    for polygon in polygons:
        surface: Surface = []
        for ring in polygon:
            surface.append(list(range(len(vertices), len(vertices) + len(ring))))
            vertices += [(x, y, base) for x, y in ring]
        surfaces.append(surface)
    return Block(vertices, surfaces, [GROUND] * len(surfaces))


def _clean(places: list[list[int]]) -> Ring:
    ring: Ring = []
    for x, y in places:
        if not ring or ring[-1] != (x, y):
            ring.append((x, y))
    while len(ring) > 1 and ring[0] == ring[-1]:
        ring.pop()
    return ring


def _double_area(ring: Ring) -> int:
    """Twice the signed area in cells, positive for counter-clockwise; 0 for what is no ring."""
    return sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in zip(ring, ring[1:] + ring[:1], strict=True))
