"""Graph of the drivable roads: junctions as nodes, roads between them as edges."""

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import shapely

from sample_city.sources import Road

DRIVABLE: Final = {
    "trunk", "primary", "secondary", "tertiary", "residential", "unclassified", "service", "trunk_link", "secondary_link",
}  # fmt: skip
MERGE_M: Final = 12.0
"""Junctions closer than this along a road are one junction [m]."""
STUB_M: Final = 30.0
"""Dead ends shorter than this carry no pipes [m]."""

XY = tuple[float, float]


@dataclass(frozen=True)
class Edge:
    """A road between two junctions; `line` runs from `u` to `v` in EPSG:4547 metres."""

    u: int
    v: int
    line: Any
    highway: str
    name: str


@dataclass(frozen=True)
class RoadGraph:
    """Junction positions (easting, northing) and the edges between them; one connected part."""

    nodes: dict[int, XY]
    edges: list[Edge]

    def degree(self) -> Counter[int]:
        """Return the number of edge ends at each node."""
        return Counter(node for edge in self.edges for node in (edge.u, edge.v))


class _Groups:
    """Union-find over small integers; the smallest member names the group."""

    def __init__(self) -> None:
        self.parent: dict[int, int] = {}

    def find(self, item: int) -> int:
        root = self.parent.setdefault(item, item)
        while self.parent[root] != root:
            root = self.parent[root]
        self.parent[item] = root
        return root

    def join(self, a: int, b: int) -> None:
        a, b = self.find(a), self.find(b)
        self.parent[max(a, b)] = min(a, b)


def is_drivable(road: Road) -> bool:
    """Tell whether pipes may follow the road: open to motor traffic, on the ground, built."""
    return road.highway in DRIVABLE and road.group != "construction" and not (road.bridge or road.tunnel)


def build_road_graph(roads: list[Road]) -> RoadGraph:
    """Build the graph of the largest connected part of the drivable roads."""
    used = [road for road in roads if is_drivable(road)]
    noded = shapely.line_merge(shapely.node(shapely.union_all([road.plan for road in used])))
    parts = sorted(shapely.get_parts(noded), key=lambda p: (p.bounds, p.length))
    tree = shapely.STRtree([road.plan for road in used])
    ends: dict[tuple[float, float], int] = {}
    edges = []
    for part in parts:
        road = used[int(tree.nearest(shapely.line_interpolate_point(part, 0.5, normalized=True)))]
        u, v = (ends.setdefault((round(x, 1), round(y, 1)), len(ends)) for x, y in (part.coords[0], part.coords[-1]))
        edges.append(Edge(u, v, part, road.highway, road.name))
    nodes = {index: xy for xy, index in ends.items()}
    nodes, edges = _merge_junctions(nodes, edges)
    return _largest_part(nodes, _drop_stubs(edges))


def _merge_junctions(nodes: dict[int, XY], edges: list[Edge]) -> tuple[dict[int, XY], list[Edge]]:
    groups = _Groups()
    for edge in edges:
        if edge.line.length < MERGE_M:
            groups.join(edge.u, edge.v)
    members: dict[int, list[XY]] = {}
    for node, xy in nodes.items():
        members.setdefault(groups.find(node), []).append(xy)
    centre = {node: (float(np.mean([x for x, _ in m])), float(np.mean([y for _, y in m]))) for node, m in members.items()}
    kept: list[Edge] = []
    for edge in edges:
        u, v = groups.find(edge.u), groups.find(edge.v)
        if u == v:
            continue
        inner = list(shapely.simplify(edge.line, 0.5).coords)[1:-1]
        moved = Edge(u, v, shapely.LineString([centre[u], *inner, centre[v]]), edge.highway, edge.name)
        if not any({u, v} == {k.u, k.v} and shapely.hausdorff_distance(k.line, moved.line) < MERGE_M for k in kept):
            kept.append(moved)
    return centre, kept


def _drop_stubs(edges: list[Edge]) -> list[Edge]:
    degree = Counter(node for edge in edges for node in (edge.u, edge.v))
    return [e for e in edges if e.line.length >= STUB_M or (degree[e.u] > 1 and degree[e.v] > 1)]


def _largest_part(nodes: dict[int, XY], edges: list[Edge]) -> RoadGraph:
    groups = _Groups()
    for edge in edges:
        groups.join(edge.u, edge.v)
    length: Counter[int] = Counter()
    for edge in edges:
        length[groups.find(edge.u)] += round(edge.line.length)
    best = min(length, key=lambda g: (-length[g], g))
    kept = [edge for edge in edges if groups.find(edge.u) == best]
    used = {node for edge in kept for node in (edge.u, edge.v)}
    return RoadGraph({node: nodes[node] for node in sorted(used)}, kept)
