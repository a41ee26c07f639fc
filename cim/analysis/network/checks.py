"""Topology checks of a network: what a surveyor has to look at, with a proposal for each finding."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from cim.analysis.network.components import components
from cim.analysis.network.graph import Floats, Int32s, Mask, NetworkGraph, Signs
from cim.geometry.snap import snap_ends

RULES: dict[str, tuple[str, str, str]] = {
    "T01": ("I", "dead end without a valve, cap, connection, source or sink", "无附属物的悬挂端点"),
    "T02": ("W", "two points closer than the tolerance that no line joins", "两点距离小于容差但未连接"),
    "T03": ("W", "two lines of one network cross at the same level without a point", "同类管线同高程相交但无节点"),
    "T04": ("W", "two lines between the same points along the same way", "重复管线"),
    "T05": ("W", "a line shorter than 5 cm", "零长度管线"),
    "T06": ("E", "a part of the network with no source (or, for drains, no outfall)", "与水源(或排放口)不连通的孤立管网"),
    "T07": ("E", "a gravity line rises in the direction of flow", "重力流管线逆坡"),
    "T08": ("W", "a gravity line is followed by a smaller one", "下游管径变小"),
    "T09": ("W", "less cover than the minimum", "覆土深度不足"),
    "T10": ("E", "two networks closer than the minimum clearance", "不同管线间净距不足"),
    "T11": ("W", "a line passes under or through a building", "管线穿越建筑物"),
    "T12": ("E", "a component code is malformed", "部件编码格式错误"),
    "T13": ("E", "different media or networks meet at one point", "不同介质或管网在同一点混接"),
}
"""Rule → severity (E error, W warning, I information) and words in English and Chinese."""
MIN_COVER_M = {"water": 0.7, "gas": 0.6, "heat": 0.7, "power": 0.5, "lighting": 0.5, "telecom": 0.5, "rainwater": 0.7, "sewage": 0.7}
"""Least cover [m] under a carriageway-free surface, after GB 50289-2016, table 4.1.1 (defaults, may be overridden)."""


@dataclass(frozen=True)
class Finding:
    """One finding.

    Parameters
    ----------
    rule
        Key of `RULES`.
    part
        node or edge.
    at
        Position of the part.
    other
        Position of the second part, -1 where there is none.
    value
        What was measured [m, or mm for T08].
    proposal
        What to do.
    """

    rule: str
    part: str
    at: int
    other: int = -1
    value: float = float("nan")
    proposal: str = ""


def check_nodes(graph: NetworkGraph, xy: Floats, closed_ends: Mask, tolerance_m: float) -> Iterator[Finding]:
    """Find dangling ends (T01) and points that should be one (T02).

    Parameters
    ----------
    graph
        The network.
    xy
        Positions [m], shape (n, 2).
    closed_ends
        Where an end is meant to be: valve, cap, connection, source, sink; shape (n,).
    tolerance_m
        Distance below which two points are taken for one [m].
    """
    for node in np.flatnonzero((graph.degree() == 1) & ~closed_ends):
        yield Finding("T01", "node", int(node), proposal="name the cap, connection or outfall, or join it")
    first = snap_ends(np.empty((0, 2)), xy, tolerance_m)
    joined = {(min(a, b), max(a, b)) for a, b in zip(graph.start.tolist(), graph.end.tolist(), strict=True)} if len(xy) else set()
    for node in np.flatnonzero(first != np.arange(len(xy))):
        other = int(first[node])
        if (min(node, other), max(node, other)) not in joined:
            apart = float(np.hypot(*(xy[node] - xy[other])))
            yield Finding("T02", "node", int(node), other, apart, "merge the two points, or join them by a line")


def check_edges(graph: NetworkGraph, lengths_m: Floats, roots: Int32s) -> Iterator[Finding]:
    """Find duplicates (T04), lines of no length (T05) and islands (T06).

    Parameters
    ----------
    graph
        The network.
    lengths_m
        Length of each line [m].
    roots
        Sources, or sinks of a drainage network.
    """
    for edge in np.flatnonzero(lengths_m < 0.05):
        yield Finding("T05", "edge", int(edge), -1, float(lengths_m[edge]), "merge its two points")
    low, high = np.minimum(graph.start, graph.end), np.maximum(graph.start, graph.end)
    order = np.lexsort((lengths_m, high, low))
    same = (low[order][1:] == low[order][:-1]) & (high[order][1:] == high[order][:-1])
    same &= np.abs(lengths_m[order][1:] - lengths_m[order][:-1]) < 0.01 * np.maximum(lengths_m[order][1:], 1)
    for at in np.flatnonzero(same):
        yield Finding("T04", "edge", int(order[at + 1]), int(order[at]), proposal="remove one of the two")
    count, label = components(graph)
    rooted = np.zeros(count, np.bool_)
    rooted[label[roots]] = True
    sizes = np.bincount(label[graph.start], minlength=count)
    firsts = np.unique(label, return_index=True)[1]
    for part in np.flatnonzero(~rooted & (sizes > 0)):
        yield Finding("T06", "node", int(firsts[part]), -1, float(sizes[part]), "join it to the network, or name its source or outfall")


def check_gravity(graph: NetworkGraph, flow: Signs, fall_m: Floats, diameter_mm: Floats) -> Iterator[Finding]:
    """Find gravity lines that rise (T07) or are followed by a smaller one (T08).

    Parameters
    ----------
    graph
        The network.
    flow
        1 start to end, -1 end to start, 0 unknown, shape (m,).
    fall_m
        Elevation at the start minus at the end [m].
    diameter_mm
        Diameter or height [mm], NaN where unknown.
    """
    rise = -fall_m * flow
    for edge in np.flatnonzero(rise > 0.005):
        yield Finding("T07", "edge", int(edge), -1, float(rise[edge]), "check levels and direction of flow")
    lower = np.where(flow >= 0, graph.end, graph.start)
    upper = np.where(flow >= 0, graph.start, graph.end)
    widest_in, by = np.full(graph.n_nodes, -np.inf), np.full(graph.n_nodes, -1)
    known = np.isfinite(diameter_mm) & (flow != 0)
    for edge in np.flatnonzero(known):
        if diameter_mm[edge] > widest_in[lower[edge]]:
            widest_in[lower[edge]], by[lower[edge]] = diameter_mm[edge], edge
    shrinks = known & (diameter_mm < widest_in[upper] - 1)
    for edge in np.flatnonzero(shrinks):
        node = upper[edge]
        yield Finding("T08", "edge", int(edge), int(by[node]), float(widest_in[node] - diameter_mm[edge]), "check both diameters")


def check_cover(cover_m: Floats, least_m: float) -> Iterator[Finding]:
    """Find lines with too little cover (T09).

    Parameters
    ----------
    cover_m
        Least cover of each line [m], NaN where unknown.
    least_m
        Minimum [m].
    """
    for edge in np.flatnonzero(cover_m < least_m):
        yield Finding("T09", "edge", int(edge), -1, float(cover_m[edge]), f"lay it deeper than {least_m} m, or protect it")


def _gap(one: NDArray[np.object_], other: NDArray[np.object_]) -> tuple[Floats, Floats]:
    """Return level of each of two lines [m] where they come closest in plan."""
    places = shapely.get_point(shapely.shortest_line(one, other), 0)
    ends = shapely.get_point(shapely.shortest_line(one, other), 1)
    return _level(one, places), _level(other, ends)


def _level(lines: NDArray[np.object_], places: NDArray[np.object_]) -> Floats:
    flat = shapely.line_locate_point(shapely.force_2d(lines), shapely.force_2d(places))
    total = shapely.length(shapely.force_2d(lines))
    share = np.divide(flat, total, out=np.zeros_like(flat), where=total > 0)
    a, b = (shapely.get_z(shapely.get_point(lines, i)) for i in (0, -1))
    return np.asarray(a + (b - a) * share)


def check_crossings(graph: NetworkGraph, lines: NDArray[np.object_], radius_m: Floats) -> Iterator[Finding]:
    """Find lines of one network that cross at the same level without a point (T03).

    Parameters
    ----------
    graph
        The network.
    lines
        Linestrings, projected CRS, z [m], shape (m,).
    radius_m
        Half the height of each line [m].
    """
    a, b = shapely.STRtree(lines).query(lines, predicate="crosses")
    keep = a < b
    a, b = a[keep], b[keep]
    apart = (graph.start[a] != graph.start[b]) & (graph.start[a] != graph.end[b]) & (graph.end[a] != graph.start[b])
    apart &= graph.end[a] != graph.end[b]
    a, b = a[apart], b[apart]
    if len(a):
        z_a, z_b = _gap(lines[a], lines[b])
        close = np.abs(z_a - z_b) < radius_m[a] + radius_m[b]
        for i in np.flatnonzero(close):
            yield Finding(
                "T03", "edge", int(a[i]), int(b[i]), float(abs(z_a[i] - z_b[i])), "set a point at the crossing, or check the levels"
            )


def check_clearance(
    lines: NDArray[np.object_], radius_m: Floats, others: NDArray[np.object_], other_radius_m: Floats, least_m: float
) -> Iterator[Finding]:
    """Find lines of two networks closer than a minimum in 3D (T10); ``other`` is the position in ``others``.

    Parameters
    ----------
    lines, others
        Linestrings of their centre lines, projected CRS, z [m].
    radius_m, other_radius_m
        Half their heights [m].
    least_m
        Minimum clearance between their walls [m].
    """
    if not len(lines) or not len(others):
        return
    reach = least_m + float(radius_m.max(initial=0)) + float(other_radius_m.max(initial=0))
    a, b = shapely.STRtree(others).query(lines, predicate="dwithin", distance=reach)
    if not len(a):
        return
    z_a, z_b = _gap(lines[a], others[b])
    clear = np.hypot(shapely.distance(lines[a], others[b]), z_a - z_b) - radius_m[a] - other_radius_m[b]
    for i in np.flatnonzero(clear < least_m):
        yield Finding("T10", "edge", int(a[i]), int(b[i]), float(clear[i]), f"keep {least_m} m, or protect both")


def check_buildings(lines: NDArray[np.object_], footprints: NDArray[np.object_], least_m: float) -> Iterator[Finding]:
    """Find lines that pass under buildings for more than a house connection does (T11); ``other`` is the position in ``footprints``."""
    if not len(lines) or not len(footprints):
        return
    b, a = shapely.STRtree(lines).query(footprints, predicate="intersects")
    inside = shapely.length(shapely.intersection(shapely.force_2d(lines[a]), footprints[b]))
    for i in np.flatnonzero(inside > least_m):
        yield Finding("T11", "edge", int(a[i]), int(b[i]), float(inside[i]), "check the position of line and building")
