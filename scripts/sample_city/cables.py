"""Power and street lighting: duct banks with manholes and transformers, and lamp posts on one cable."""

from collections import defaultdict
from typing import Final

from sample_city.area import seeded
from sample_city.chains import Make, Station, every, group_by_edge, installation_date, lay_chains
from sample_city.roadgraph import XY, RoadGraph
from sample_city.sources import Building
from sample_city.survey import Survey
from sample_city.terrain import Terrain
from sample_city.trench import Connection, Trench, beside, build_trench, connect_buildings

POWER_OFFSET_M: Final = -8.5
POWER_DEPTH_M: Final = 0.50
LIGHTING_OFFSET_M: Final = 8.5
LIGHTING_DEPTH_M: Final = 0.35
PER_TRANSFORMER: Final = 6
MEDIUM: Final = Make("400X300", "铜", "管块", voltage="10kV", cables="4")
SERVICE: Final = Make("DN100", "铜", "直埋", voltage="0.4kV", cables="1")


def _jitter(code: str, base_m: float, xy: XY) -> float:
    return base_m + seeded(code, "depth", *xy).uniform(-0.03, 0.03)


def build_power(graph: RoadGraph, buildings: list[Building], terrain: Terrain) -> Survey:
    """Build the power network: 10 kV duct banks in the roads, one transformer per group of buildings, 0.4 kV services."""
    survey = Survey("GD", "示例供电公司", terrain)
    trench = build_trench(graph, POWER_OFFSET_M)
    links = connect_buildings(trench, buildings, kind="GD", share=0.95)
    groups = _group(links)
    pairs = [(group[0].edge, Station(_middle(group), key=f"group:{i}")) for i, group in enumerate(groups)]
    for number, line in enumerate(trench.lines):
        pairs += [(number, Station(at, "人孔")) for at in every(line.length, 60.0)]
    source = max(graph.nodes, key=lambda node: (terrain.at(*trench.nodes[node]), node))
    index = lay_chains(
        survey,
        trench,
        group_by_edge(pairs),
        depth_m=lambda xy: _jitter("GD", POWER_DEPTH_M, xy),
        make=lambda _: MEDIUM,
        node_subsid=lambda node: "变电站" if node == source else "人孔",
    )
    for i, group in enumerate(groups):
        _serve(survey, trench, group, index[f"group:{i}"])
    return survey


def _group(links: list[Connection]) -> list[list[Connection]]:
    """Group connections that lie next to each other along one edge."""
    by_edge: dict[int, list[Connection]] = defaultdict(list)
    for link in links:
        by_edge[link.edge].append(link)
    groups = []
    for edge in sorted(by_edge):
        ordered = sorted(by_edge[edge], key=lambda link: (link.at_m, link.building.osm_id))
        groups += [ordered[i : i + PER_TRANSFORMER] for i in range(0, len(ordered), PER_TRANSFORMER)]
    return groups


def _middle(group: list[Connection]) -> float:
    return sum(link.at_m for link in group) / len(group)


def _serve(survey: Survey, trench: Trench, group: list[Connection], tee: int) -> None:
    """Set a transformer beside the duct bank and lead one low-voltage cable to each building of the group."""
    xy = beside(trench.lines[group[0].edge], _middle(group), 3.0)
    if not survey.is_free(xy):
        return
    date = installation_date("GD", group[0].edge)
    transformer = survey.add_point(xy, _jitter("GD", POWER_DEPTH_M, xy), subsid="变压器", surface="箱式变电站")
    survey.add_line(MEDIUM.line(tee, transformer, date))
    for link in group:
        if survey.is_free(link.wall):
            wall = survey.add_point(link.wall, _jitter("GD", POWER_DEPTH_M, link.wall), feature="入户")
            survey.add_line(SERVICE.line(transformer, wall, date))


def build_lighting(graph: RoadGraph, terrain: Terrain) -> Survey:
    """Build street lighting: a lamp post every 30 m, cables joined at hand holes in the junctions, one control cabinet."""
    survey = Survey("LD", "示例路灯管理所", terrain)
    trench = build_trench(graph, LIGHTING_OFFSET_M)
    pairs = [(number, Station(at, "路灯")) for number, line in enumerate(trench.lines) for at in every(line.length, 30.0)]
    degree = graph.degree()
    cabinet = max(graph.nodes, key=lambda node: (degree[node], -node))
    lay_chains(
        survey,
        trench,
        group_by_edge(pairs),
        depth_m=lambda xy: _jitter("LD", LIGHTING_DEPTH_M, xy),
        make=lambda _: Make("DN50", "铜", "管埋", voltage="0.38kV", cables="1"),
        node_subsid=lambda node: "控制柜" if node == cabinet else "手孔",
    )
    return survey
