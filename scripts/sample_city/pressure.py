"""Water and gas: looped mains with valves at the junctions, hydrants or regulators, and house connections."""

from dataclasses import dataclass
from typing import Final

import shapely

from sample_city.area import seeded
from sample_city.chains import Make, Station, every, group_by_edge, installation_date, lay_chains
from sample_city.roadgraph import XY, RoadGraph
from sample_city.sources import Building
from sample_city.survey import Survey
from sample_city.terrain import Terrain
from sample_city.trench import Connection, Trench, beside, build_trench, connect_buildings

WIDE: Final = {"trunk", "primary"}
MIDDLE: Final = {"secondary", "tertiary"}


@dataclass(frozen=True)
class PressureKind:
    """What tells water from gas."""

    code: str
    owner: str
    offset_m: float
    crown_m: float
    pressure: str
    sizes: tuple[int, int, int]
    valve: str
    source: str
    house_device: str
    share: float
    hydrant_spacing_m: float = 0.0


WATER: Final = PressureKind(
    "JS", "示例供水公司", 5.5, 1.30, "0.35MPa", (400, 300, 150), "阀门井", "水源井", "水表井", 0.9, hydrant_spacing_m=120.0
)
GAS: Final = PressureKind("RQ", "示例燃气公司", -6.0, 0.95, "0.2MPa", (200, 160, 110), "阀门", "调压站", "调压箱", 0.75)


def build_pressure(kind: PressureKind, graph: RoadGraph, buildings: list[Building], terrain: Terrain) -> Survey:
    """Build one pressure network: depths are to the crown of the pipe."""
    survey = Survey(kind.code, kind.owner, terrain)
    trench = build_trench(graph, kind.offset_m)
    links = connect_buildings(trench, buildings, kind=kind.code, share=kind.share)
    source = max(graph.nodes, key=lambda node: (terrain.at(*trench.nodes[node]), node))
    index = lay_chains(
        survey,
        trench,
        _stations(kind, trench, links),
        depth_m=lambda xy: _depth(kind, xy),
        make=lambda edge: _main(kind, graph.edges[edge].highway),
        node_subsid=lambda node: kind.source if node == source else "",
    )
    for link in links:
        _connect(survey, kind, link, index[f"house:{link.building.osm_id}"])
    _hydrants(survey, kind, trench, index)
    return survey


def _depth(kind: PressureKind, xy: XY) -> float:
    return kind.crown_m + seeded(kind.code, "depth", *xy).uniform(-0.04, 0.04)


def _main(kind: PressureKind, highway: str) -> Make:
    dn = kind.sizes[0 if highway in WIDE else 1 if highway in MIDDLE else 2]
    large = "球墨铸铁" if kind.code == "JS" else "钢"
    return Make(f"DN{dn}", large if dn >= 200 else "PE", "直埋", pressure=kind.pressure)


def _stations(kind: PressureKind, trench: Trench, links: list[Connection]) -> dict[int, list[Station]]:
    degree = trench.graph.degree()
    pairs = [(link.edge, Station(link.at_m, key=f"house:{link.building.osm_id}")) for link in links]
    for number, (edge, line) in enumerate(zip(trench.graph.edges, trench.lines, strict=True)):
        if line.length > 24:
            pairs += [(number, Station(5.0, kind.valve))] if degree[edge.u] > 2 else []
            pairs += [(number, Station(line.length - 5.0, kind.valve))] if degree[edge.v] > 2 else []
        if kind.hydrant_spacing_m:
            for i, at in enumerate(every(line.length, kind.hydrant_spacing_m)):
                pairs.append((number, Station(at, key=f"hydrant:{number}:{i}")))
    return group_by_edge(pairs)


def _connect(survey: Survey, kind: PressureKind, link: Connection, tee: int) -> None:
    """Lead a service pipe from its tee over the house device to the wall."""
    if not survey.is_free(link.wall):
        return
    small = link.building.plan.area < 600
    make = Make("DN50" if small else "DN100", "PE", "直埋", pressure=kind.pressure if kind.code == "JS" else "0.005MPa")
    date = installation_date(kind.code, link.edge)
    start, (x0, y0), (x1, y1) = tee, survey.points[tee].xy, link.wall
    share = max(0.5, 1 - 2.0 / link.length_m)
    device = round(x0 + (x1 - x0) * share, 3), round(y0 + (y1 - y0) * share, 3)
    if survey.is_free(device):
        middle = survey.add_point(device, _depth(kind, device), subsid=kind.house_device)
        survey.add_line(make.line(start, middle, date))
        start = middle
    end = survey.add_point(link.wall, _depth(kind, link.wall), feature="入户")
    survey.add_line(make.line(start, end, date))


def _hydrants(survey: Survey, kind: PressureKind, trench: Trench, index: dict[str, int]) -> None:
    for key in [k for k in index if k.startswith("hydrant:")]:
        edge = int(key.split(":")[1])
        line = trench.lines[edge]
        at = float(shapely.line_locate_point(line, shapely.Point(survey.points[index[key]].xy)))
        xy = beside(line, at, 2.5)
        if survey.is_free(xy):
            hydrant = survey.add_point(xy, _depth(kind, xy), subsid="消火栓")
            survey.add_line(
                Make("DN100", "球墨铸铁", "直埋", pressure=kind.pressure).line(index[key], hydrant, installation_date(kind.code, edge))
            )
