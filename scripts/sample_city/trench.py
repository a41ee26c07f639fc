"""Lateral position of one kind of network beside the road axes, and straight connections to buildings."""

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from sample_city.area import seeded
from sample_city.roadgraph import XY, Edge, RoadGraph
from sample_city.sources import Building

SIDE: Final = (0.35, 0.94)
"""A positive offset lies on the side of the road that faces this direction (east, north)."""
WIDTH_FACTOR: Final = {"trunk": 1.6, "primary": 1.5, "secondary": 1.2, "tertiary": 1.0, "trunk_link": 1.0}
NARROW_FACTOR: Final = 0.65
REACH_M: Final = 90.0
"""Longest connection between a main and a building [m]."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Trench:
    """A road graph moved sideways: node positions and one line per edge, in the order of `graph.edges`."""

    graph: RoadGraph
    nodes: dict[int, XY]
    lines: list[Any]


@dataclass(frozen=True)
class Connection:
    """A straight connection from chainage `at_m` of edge `edge` to the wall of a building."""

    building: Building
    edge: int
    at_m: float
    wall: XY
    length_m: float


def build_trench(graph: RoadGraph, offset_m: float) -> Trench:
    """Move every road axis sideways; at a junction all ends meet in the mean of their positions."""
    moved = [_offset(edge, offset_m) for edge in graph.edges]
    ends: dict[int, list[Floats]] = {}
    for edge, xy in zip(graph.edges, moved, strict=True):
        ends.setdefault(edge.u, []).append(xy[0])
        ends.setdefault(edge.v, []).append(xy[-1])
    nodes = {node: _xy(np.mean(ends[node], axis=0)) for node in graph.nodes}
    lines = []
    clear = 1.5 * abs(offset_m) + 3.0
    for edge, xy in zip(graph.edges, moved, strict=True):
        a, b = np.array(nodes[edge.u]), np.array(nodes[edge.v])
        # A vertex beside the junction would make the pipe turn back on itself.
        inner = [p for p in xy[1:-1] if min(math.dist(p, a), math.dist(p, b)) > clear]
        lines.append(shapely.LineString([a, *inner, b]))
    return Trench(graph, nodes, lines)


def _offset(edge: Edge, offset_m: float) -> Floats:
    xy = shapely.get_coordinates(shapely.simplify(edge.line, 1.0))
    step = np.diff(xy, axis=0)
    step /= np.hypot(step[:, 0], step[:, 1])[:, None]
    normal = np.column_stack([-step[:, 1], step[:, 0]])
    chord = xy[-1] - xy[0]
    if -chord[1] * SIDE[0] + chord[0] * SIDE[1] < 0:
        normal = -normal
    at_vertex = np.vstack([normal[:1], normal[:-1] + normal[1:], normal[-1:]])
    length = np.maximum(np.hypot(at_vertex[:, 0], at_vertex[:, 1]), 0.5)
    factor = WIDTH_FACTOR.get(edge.highway, NARROW_FACTOR)
    moved: Floats = xy + at_vertex / length[:, None] * offset_m * factor
    return moved


def _xy(point: Floats) -> XY:
    return round(float(point[0]), 3), round(float(point[1]), 3)


def point_at(line: BaseGeometry, at_m: float) -> XY:
    """Return the position at a chainage, rounded to 1 mm."""
    return _xy(shapely.get_coordinates(shapely.line_interpolate_point(line, at_m))[0])


def beside(line: BaseGeometry, at_m: float, distance_m: float) -> XY:
    """Return the position left of the line (right when negative) at a chainage."""
    low, high = max(0.0, at_m - 0.5), min(line.length, at_m + 0.5)
    (x0, y0), (x1, y1) = (shapely.get_coordinates(shapely.line_interpolate_point(line, s))[0] for s in (low, high))
    norm = math.hypot(x1 - x0, y1 - y0)
    x, y = point_at(line, at_m)
    return round(x - (y1 - y0) / norm * distance_m, 3), round(y + (x1 - x0) / norm * distance_m, 3)


def connect_buildings(trench: Trench, buildings: list[Building], *, kind: str, share: float) -> list[Connection]:
    """Connect a share of the buildings by the shortest straight line that crosses no other building.

    Returns
    -------
    list
        In order of OSM id; buildings farther than `REACH_M` from any main, or shut off by others, are left out.
    """
    mains = shapely.STRtree(trench.lines)
    walls = shapely.STRtree([b.plan for b in buildings])
    found = []
    for building in buildings:
        if seeded(kind, "connect", building.osm_id).random() > share:
            continue
        edge = int(mains.nearest(building.plan))
        line = trench.lines[edge]
        link = shapely.shortest_line(line, building.plan)
        if not 1.0 < link.length < REACH_M:
            continue
        near = [buildings[int(i)] for i in walls.query(link)]
        if any(b is not building and b.plan.intersection(link).length > 0.5 for b in near):
            continue
        at = float(shapely.line_locate_point(line, shapely.Point(link.coords[0])))
        at = min(max(at, 8.0), line.length - 8.0) if line.length > 20 else line.length / 2
        found.append(Connection(building, edge, at, _xy(np.array(link.coords[-1])), link.length))
    return found
