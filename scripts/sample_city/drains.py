"""Rainwater and sewage: trees of manholes that fall to one outfall."""

import heapq
import math
from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import shapely
from shapely.geometry.base import BaseGeometry

from sample_city.chains import installation_date
from sample_city.roadgraph import XY, RoadGraph
from sample_city.sources import Building
from sample_city.survey import Line, Survey
from sample_city.terrain import Terrain
from sample_city.trench import Trench, beside, build_trench, point_at

MANHOLE_M: Final = 35.0
START_M: Final = 12.0
"""Distance between a junction and the first manhole of a branch that starts beside it [m]."""
CATCH_M: Final = 40.0
"""Longest house drain [m]."""


@dataclass(frozen=True)
class DrainKind:
    """What tells rainwater from sewage; `cover_m` is the least cover over the crown."""

    code: str
    owner: str
    offset_m: float
    cover_m: float
    sizes: tuple[tuple[float, int], ...]
    outfall: str


RAIN: Final = DrainKind("YS", "示例排水公司", 1.6, 1.8, ((150, 300), (500, 400), (1200, 600), (3000, 800), (8000, 1000), (1e9, 1500)), "")
SEWAGE: Final = DrainKind("WS", "示例排水公司", -2.2, 2.4, ((800, 300), (3000, 400), (9000, 500), (1e9, 800)), "泵站")


@dataclass
class _Run:
    """A chain of manholes in the direction of flow, from node `u` (None = the branch starts here) to node `v`."""

    edge: int
    u: int | None
    v: int
    chain: list[XY]


def build_drains(kind: DrainKind, graph: RoadGraph, buildings: list[Building], terrain: Terrain) -> Survey:
    """Build one drainage network: depths are to the invert, every pipe falls in the direction of flow."""
    survey = Survey(kind.code, kind.owner, terrain)
    trench = build_trench(graph, kind.offset_m)
    outfall = min(graph.nodes, key=lambda node: (terrain.at(*trench.nodes[node]), node))
    distance, runs = _direct(trench, outfall, terrain)
    points = {node: survey.add_point(xy, 0.0, subsid="检查井") for node, xy in trench.nodes.items()}
    upstream: dict[int, float] = defaultdict(float)
    level: dict[int, float] = {}
    # Nodes farthest from the outfall first: what flows into a node is laid before the node is left.
    for run in sorted(runs, key=lambda r: (r.u is not None, -distance[r.u] if r.u is not None else 0.0, r.edge)):
        _lay(survey, kind, run, points, upstream, level)
    _finish(survey, kind, points[outfall], _beyond(trench, outfall), level[outfall], upstream[outfall])
    if kind.code == "YS":
        _gullies(survey, trench)
    else:
        _house_drains(survey, buildings)
    return survey


def _direct(trench: Trench, outfall: int, terrain: Terrain) -> tuple[dict[int, float], list[_Run]]:
    """Give every edge a direction: along the cheapest way to the outfall, uphill costing extra; other edges start a branch."""
    graph = trench.graph
    around: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for number, edge in enumerate(graph.edges):
        around[edge.u].append((edge.v, number))
        around[edge.v].append((edge.u, number))
    ground = {node: terrain.at(*xy) for node, xy in trench.nodes.items()}
    distance, via = {outfall: 0.0}, {}
    queue = [(0.0, outfall)]
    while queue:
        cost, node = heapq.heappop(queue)
        if cost > distance[node]:
            continue
        for other, number in around[node]:
            climb = max(0.0, ground[node] - ground[other])
            reach = cost + trench.lines[number].length + 300.0 * climb
            if reach < distance.get(other, math.inf):
                distance[other], via[other] = reach, number
                heapq.heappush(queue, (reach, other))
    runs = []
    for number, (edge, line) in enumerate(zip(graph.edges, trench.lines, strict=True)):
        lower = min((edge.u, edge.v), key=lambda n: (distance[n], n))
        upper = edge.u + edge.v - lower
        flow = line if edge.v == lower else shapely.reverse(line)
        main = via.get(upper) == number
        if not main and line.length < 2 * START_M + 5:
            continue
        runs.append(_Run(number, upper if main else None, lower, _manholes(flow, 0.0 if main else START_M)))
    return distance, runs


def _manholes(line: BaseGeometry, start_m: float) -> list[XY]:
    """Return manhole positions: at the start, at bends and at most `MANHOLE_M` apart; the end node is not among them."""
    stops = [start_m]
    for xy in shapely.get_coordinates(line)[1:-1]:
        at = float(shapely.line_locate_point(line, shapely.Point(xy)))
        if at > stops[-1] + 5.0 and at < line.length - 5.0:
            stops.append(at)
    stops.append(line.length)
    out: list[float] = []
    for a, b in pairwise(stops):
        n = max(1, math.ceil((b - a) / MANHOLE_M))
        out += [a + (b - a) * i / n for i in range(n)]
    return [point_at(line, at) for at in out]


def _size(kind: DrainKind, upstream_m: float) -> int:
    return next(dn for limit, dn in kind.sizes if upstream_m < limit)


def _slope(dn: int) -> float:
    return 0.003 if dn < 500 else 0.0015 if dn < 1000 else 0.001


def _line(kind: DrainKind, start: int, end: int, dn: int, edge: int) -> Line:
    material = "HDPE" if dn <= 500 else "混凝土"
    return Line(start, end, f"DN{dn}", material, "直埋", installation_date(kind.code, edge), flow="+")


def _lay(survey: Survey, kind: DrainKind, run: _Run, points: dict[int, int], upstream: dict[int, float], level: dict[int, float]) -> None:
    """Lay one run; keeps the lowest arriving invert and the greatest arriving pipe at its end."""
    length = upstream[run.u] if run.u is not None else 0.0
    chain = [points[run.u] if run.u is not None else survey.add_point(run.chain[0], 0.0, subsid="检查井")]
    chain += [survey.add_point(xy, 0.0, subsid="检查井") for xy in run.chain[1:]]
    chain.append(points[run.v])
    first = survey.points[chain[0]].high_m - kind.cover_m - _size(kind, length) / 1000
    invert = round(min(first, level.get(run.u, math.inf) if run.u is not None else math.inf), 2)
    _set_invert(survey, chain[0], invert)
    for start, end in pairwise(chain):
        step = math.dist(survey.points[start].xy, survey.points[end].xy)
        length += step
        dn = _size(kind, length)
        invert -= max(0.01, _slope(dn) * step)
        invert = math.floor(min(invert, survey.points[end].high_m - kind.cover_m - dn / 1000) * 100) / 100
        survey.add_line(_line(kind, start, end, dn, run.edge))
        if end != points[run.v]:
            _set_invert(survey, end, invert)
    level[run.v] = min(level.get(run.v, math.inf), invert)
    upstream[run.v] += length


def _set_invert(survey: Survey, index: int, invert_m: float) -> None:
    point = survey.points[index]
    point.depth_m = round(point.high_m - invert_m, 2)


def _beyond(trench: Trench, node: int) -> XY:
    """Return a position 15 m from a node on the free side of its edges."""
    x, y = trench.nodes[node]
    dx = dy = 0.0
    for edge, line in zip(trench.graph.edges, trench.lines, strict=True):
        if node in (edge.u, edge.v):
            xy = shapely.get_coordinates(line if edge.u == node else shapely.reverse(line))
            norm = math.dist(xy[0], xy[1])
            dx, dy = dx - (xy[1][0] - xy[0][0]) / norm, dy - (xy[1][1] - xy[0][1]) / norm
    norm = math.hypot(dx, dy) or 1.0
    return round(x + 15 * dx / norm, 3), round(y + 15 * dy / norm, 3)


def _finish(survey: Survey, kind: DrainKind, node: int, xy: XY, level_m: float, upstream_m: float) -> None:
    dn = _size(kind, upstream_m)
    invert = math.floor(min(level_m, survey.points[node].high_m - kind.cover_m - dn / 1000) * 100) / 100
    _set_invert(survey, node, invert)
    end = survey.add_point(xy, 0.0, subsid=kind.outfall, feature="出水口")
    _set_invert(survey, end, round(invert - 0.05, 2))
    survey.add_line(_line(kind, node, end, dn, -1))


def _branch(survey: Survey, kind: DrainKind, start: int, manhole: int, key: int) -> Line:
    """Return a DN200 branch with a fall of 2 %, or what the manhole floor allows; the rest is a drop inside the manhole."""
    length = math.dist(survey.points[start].xy, survey.points[manhole].xy)
    invert = max(survey.invert_m(manhole), math.floor((survey.invert_m(start) - 0.02 * length) * 100) / 100)
    depth = round(survey.points[manhole].high_m - invert, 2)
    return replace(_line(kind, start, manhole, 200, key), end_depth_m=depth)


def _gullies(survey: Survey, trench: Trench) -> None:
    """Set a gully at the kerb beside every second manhole."""
    lines = shapely.STRtree(trench.lines)
    for index in [i for i, p in enumerate(survey.points) if p.subsid == "检查井"][::2]:
        here = survey.points[index].xy
        number = int(lines.nearest(shapely.Point(here)))
        line = trench.lines[number]
        xy = beside(line, float(shapely.line_locate_point(line, shapely.Point(here))), 4.0)
        if survey.is_free(xy):
            gully = survey.add_point(xy, 0.9, subsid="雨水篦", feature="进水口")
            survey.add_line(_branch(survey, RAIN, gully, index, number))


def _house_drains(survey: Survey, buildings: list[Building]) -> None:
    """Lead a drain from each near building to the nearest manhole below it."""
    manholes = [i for i, p in enumerate(survey.points) if p.subsid == "检查井"]
    tree = shapely.STRtree([shapely.Point(survey.points[i].xy) for i in manholes])
    for building in buildings:
        index = manholes[int(tree.nearest(building.plan))]
        link = shapely.shortest_line(building.plan, shapely.Point(survey.points[index].xy))
        xy = round(link.coords[0][0], 3), round(link.coords[0][1], 3)
        if not 2.0 < link.length < CATCH_M or not survey.is_free(xy):
            continue
        high = survey.terrain.at(*xy)
        depth = min(1.2, high - survey.invert_m(index) - 0.01 * link.length)
        if depth >= 0.7:
            house = survey.add_point(xy, depth, feature="户出")
            survey.add_line(_branch(survey, SEWAGE, house, index, building.osm_id))
