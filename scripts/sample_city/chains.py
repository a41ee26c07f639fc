"""Lays a network without slope (pressure pipes, cables) along a trench: stations on edges, joined in order."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import shapely

from sample_city.area import seeded
from sample_city.roadgraph import XY
from sample_city.survey import BEND_DEG, Line, Survey
from sample_city.trench import Trench, point_at

SPACING_M: Final = 2.0
"""Stations closer together than this are moved apart [m]."""


@dataclass(frozen=True)
class Station:
    """Something that stands on an edge at a chainage; `key` finds its point again after laying."""

    at_m: float
    subsid: str = ""
    key: str = ""


@dataclass(frozen=True)
class Make:
    """What the mains of one edge are made of."""

    size: str
    material: str
    embed: str
    pressure: str = ""
    voltage: str = ""
    cables: str = ""

    def line(self, start: int, end: int, date: str) -> Line:
        """Return a line of this make."""
        return Line(start, end, self.size, self.material, self.embed, date, self.pressure, self.voltage, self.cables)


def installation_date(code: str, edge: int) -> str:
    """Return a plausible date of construction, the same for a whole edge."""
    source = seeded(code, "date", edge)
    return f"{source.randint(1998, 2023)}-{source.randint(1, 12):02d}-{source.randint(1, 28):02d}"


def lay_chains(
    survey: Survey,
    trench: Trench,
    stations: dict[int, list[Station]],
    *,
    depth_m: Callable[[XY], float],
    make: Callable[[int], Make],
    node_subsid: Callable[[int], str],
) -> dict[str, int]:
    """Lay one main per edge through its stations and bends.

    Returns
    -------
    dict
        Index of the point of every station that has a key, and of every node under ``node:<n>``.
    """
    index: dict[str, int] = {}
    for node, xy in trench.nodes.items():
        index[f"node:{node}"] = survey.add_point(xy, depth_m(xy), subsid=node_subsid(node))
    for number, edge in enumerate(trench.graph.edges):
        line = trench.lines[number]
        stops = _spread([*_bends(line), *stations.get(number, [])], line.length)
        chain = [index[f"node:{edge.u}"]]
        for station in stops:
            xy = point_at(line, station.at_m)
            chain.append(survey.add_point(xy, depth_m(xy), subsid=station.subsid))
            if station.key:
                index[station.key] = chain[-1]
        chain.append(index[f"node:{edge.v}"])
        date = installation_date(survey.code, number)
        for start, end in pairwise(chain):
            survey.add_line(make(number).line(start, end, date))
    return index


def _bends(line: object) -> list[Station]:
    """Return a station at every vertex where the line turns by more than `BEND_DEG`."""
    xy = shapely.get_coordinates(line)
    heading = np.degrees(np.arctan2(*np.diff(xy, axis=0).T[::-1]))
    turn = np.abs((np.diff(heading) + 180.0) % 360.0 - 180.0)
    corners = xy[1:-1][turn > BEND_DEG]
    return [Station(float(shapely.line_locate_point(line, shapely.Point(corner)))) for corner in corners]


def _spread(stations: list[Station], length_m: float) -> list[Station]:
    """Order stations and keep them apart; a plain bend gives way to anything else."""
    out: list[Station] = []
    for station in sorted(stations, key=lambda s: (s.at_m, s.key, s.subsid)):
        at = max(station.at_m, SPACING_M)
        if out and at < out[-1].at_m + SPACING_M:
            if not (station.key or station.subsid):
                continue
            if not (out[-1].key or out[-1].subsid):
                out.pop()
            else:
                at = out[-1].at_m + SPACING_M
        out.append(Station(at, station.subsid, station.key))
    # Push back what ran over the end of the edge.
    limit = length_m - SPACING_M
    for i in range(len(out) - 1, -1, -1):
        if out[i].at_m > limit:
            out[i] = Station(limit, out[i].subsid, out[i].key)
        limit = min(limit, out[i].at_m) - SPACING_M / 2
    return [s for s in out if s.at_m > 0.3]


def every(length_m: float, spacing_m: float) -> list[float]:
    """Return evenly spaced chainages inside an edge, none at its ends."""
    count = int(length_m // spacing_m)
    return [length_m * (i + 1) / (count + 1) for i in range(count)]


def group_by_edge(pairs: list[tuple[int, Station]]) -> dict[int, list[Station]]:
    """Collect stations by edge."""
    grouped: dict[int, list[Station]] = defaultdict(list)
    for edge, station in pairs:
        grouped[edge].append(station)
    return dict(grouped)
