"""Questions to a network in codes: trace, isolation, path, profile, service area, summary. Commands and services ask here."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from cim.analysis.network.components import components, critical
from cim.analysis.network.graph import Floats
from cim.analysis.network.isolate import Isolation, isolate
from cim.analysis.network.paths import service_area, shortest_path
from cim.analysis.network.profile import Profile, inverts_and_crowns
from cim.analysis.network.trace import trace
from cim.db import network_reads
from cim.db.engine import Connection
from cim.db.network_graph import NetworkView
from cim.errors import InvalidParameterError, NotFoundError
from cim.model.network import shut_state

Direction = Literal["connected", "upstream", "downstream"]
Answer = dict[str, Any]


def _seeds(view: NetworkView, code: str) -> tuple[np.ndarray[Any, np.dtype[np.int32]], int | None]:
    part, at = view.find(code)
    if part == "node":
        return np.array([at], np.int32), None
    return np.array([view.graph.start[at], view.graph.end[at]], np.int32), at


def trace_from(view: NetworkView, code: str, direction: Direction, *, through_shut: bool = False, barriers: Sequence[str] = ()) -> Answer:
    """Trace from a part.

    Parameters
    ----------
    view
        The network.
    code
        Point or line to start from.
    direction
        connected, upstream, downstream.
    through_shut
        Pass closed valves (open switches) too.
    barriers
        Codes where the trace stops besides.

    Raises
    ------
    NotFoundError
        A code is not in the network.
    """
    seeds, edge = _seeds(view, code)
    if edge is not None and direction != "connected" and view.flow[edge] != 0:
        ahead = (view.flow[edge] == 1) == (direction == "downstream")
        seeds = seeds[[1]] if ahead else seeds[[0]]
    valves = view.valves
    nodes = np.zeros(view.graph.n_nodes, np.bool_) if through_shut else valves.node_closed.copy()
    edges = np.zeros(view.graph.n_edges, np.bool_) if through_shut else valves.edge_closed.copy()
    for barrier in barriers:
        part, at = view.find(barrier)
        (nodes if part == "node" else edges)[at] = True
    flow = None if direction == "connected" else view.flow
    found = trace(view.graph, seeds, direction, flow=flow, blocked_nodes=nodes, blocked_edges=edges, space=view.space)
    reached = found.edges if edge is None or edge in found.edges else np.append(found.edges, np.int32(edge))
    sources = np.intersect1d(found.nodes, view.sources)
    return {
        "kind": view.kind, "from": code, "direction": direction, "n_points": len(found.nodes), "n_lines": len(reached),
        "length_m": round(float(view.lengths[reached].sum()), 3), "points": view.codes("node", found.nodes),
        "lines": view.codes("edge", reached), "sources": view.codes("node", sources),
        "sinks": view.codes("node", np.intersect1d(found.nodes, view.sinks)),
        "customers": view.codes("node", np.intersect1d(found.nodes, view.customers)),
    }  # fmt: skip


def isolate_part(
    connection: Connection, view: NetworkView, code: str, *, broken: Sequence[str] = (), inaccessible: Sequence[str] = (),
    proposed: Sequence[str] = (), served: bool = True,
) -> Answer:  # fmt: skip
    """Find the valves that cut a burst off, and who is out of service.

    Parameters
    ----------
    connection
        The store, for customers.
    view
        The network.
    code
        Burst line or point.
    broken, inaccessible
        Valves that turn out not to work: the isolation grows past them.
    proposed
        Parts where a valve is imagined.
    served
        Look up customers, buildings and addresses.

    Raises
    ------
    NotFoundError
        A code is not in the network.
    """
    part, at = view.find(code)
    arguments = {part: at}
    if broken or inaccessible or proposed:
        valves = replace(
            view.valves, node_valve=view.valves.node_valve.copy(), edge_valve=view.valves.edge_valve.copy(),
            node_unusable=view.valves.node_unusable.copy(), edge_unusable=view.valves.edge_unusable.copy(),
        )  # fmt: skip
        for one in [*broken, *inaccessible]:
            kind, position = view.find(one)
            (valves.node_unusable if kind == "node" else valves.edge_unusable)[position] = True
        for one in proposed:
            kind, position = view.find(one)
            (valves.node_valve if kind == "node" else valves.edge_valve)[position] = True
        found = isolate(view.graph, valves, view.sources, edge=arguments.get("edge"), node=arguments.get("node"), space=view.space)
    else:
        found = view.supply.isolate(**arguments)
    return _isolation(connection, view, code, found, served=served)


def _isolation(connection: Connection, view: NetworkView, code: str, found: Isolation, *, served: bool) -> Answer:
    def both(nodes: Any, edges: Any) -> list[str]:  # noqa: ANN401 - positions
        return [*view.codes("node", nodes), *view.codes("edge", edges)]

    nodes = np.concatenate([found.segment.nodes, found.dead_nodes])
    edges = np.concatenate([found.segment.edges, found.dead_edges])
    out_nodes, out_edges = view.codes("node", nodes), view.codes("edge", edges)
    connections = view.codes("node", np.intersect1d(nodes, view.customers))
    answer: Answer = {
        "kind": view.kind, "burst": code, "shut_state": shut_state(view.kind),
        "close": both(found.close_nodes, found.close_edges), "already_shut": both(found.closed_nodes, found.closed_edges),
        "need_not_close": both(found.idle_nodes, found.idle_edges), "unusable": both(found.unusable_nodes, found.unusable_edges),
        "has_source_inside": found.has_source_inside, "dry_lines": view.codes("edge", found.segment.edges),
        "cut_off_lines": view.codes("edge", found.dead_edges), "out_of_service_points": out_nodes,
        "length_m": round(float(view.lengths[edges].sum()), 3), "connections": connections,
    }  # fmt: skip
    if served:
        answer["customers"] = network_reads.fetch_customers(connection, view.kind, connections) if connections else 0
        answer["served"] = network_reads.fetch_served(connection, view.kind, [*out_nodes, *out_edges])
    return answer


def path_between(view: NetworkView, source: str, target: str, *, with_flow: bool = False) -> Answer:
    """Return the shortest way between two points.

    Raises
    ------
    NotFoundError
        A code is not in the network, or no way leads from one to the other.
    InvalidParameterError
        A code is a line.
    """
    ends = []
    for code in (source, target):
        part, at = view.find(code)
        if part != "node":
            raise InvalidParameterError("code", code, "the code of a point")
        ends.append(at)
    found = shortest_path(view.graph, ends[0], ends[1], view.lengths, flow=view.flow if with_flow else None)
    if found is None:
        raise NotFoundError(f"no way from {source} to {target} in the {view.kind} network", hint="cim network check --kind KIND")
    return {
        "kind": view.kind, "from": source, "to": target, "length_m": round(found.length_m, 3), "points": view.codes("node", found.nodes),
        "lines": view.codes("edge", found.edges),
    }  # fmt: skip


def profile_along(connection: Connection, view: NetworkView, source: str, target: str) -> tuple[Answer, Profile]:
    """Return the shortest way between two points with its longitudinal profile.

    Returns
    -------
    tuple
        As `path_between`, with ``profile`` (code, station_m, ground_m, level_m of each point) and ``pipes`` (code, invert and crown [m] at
        both ends along the way, height_mm, slope of each line, positive downward); the profile for drawing.

    Raises
    ------
    NotFoundError
        As `path_between`.
    """
    way = path_between(view, source, target)
    rows = connection.execute(
        """SELECT p.code, p.ground_elevation_m, p.elevation_m FROM unnest(%s::text[]) WITH ORDINALITY AS w (code, n)
           JOIN network_node p ON p.kind = %s AND p.code = w.code ORDER BY w.n""",
        [way["points"], view.kind],
    ).fetchall()
    steps = [view.lengths[view.find(code)[1]] for code in way["lines"]]
    station = np.concatenate([[0.0], np.cumsum(steps)])
    ground, level = (np.array([row[i] for row in rows], np.float64) for i in (1, 2))
    pipes, invert, crown = _pipes_along(connection, view, way, np.array(steps, np.float64))
    profile = Profile(station, ground, level, [str(row[0]) for row in rows], invert, crown)
    told = [
        {"code": row[0], "station_m": round(float(s), 3), "ground_m": row[1], "level_m": row[2]}
        for row, s in zip(rows, station, strict=True)
    ]
    return {**way, "profile": told, "pipes": pipes}, profile


def _pipes_along(connection: Connection, view: NetworkView, way: Answer, lengths_m: Floats) -> tuple[list[Answer], Floats, Floats]:
    rows = connection.execute(
        """SELECT e.start_node, ST_Z(ST_StartPoint(e.geom)), ST_Z(ST_EndPoint(e.geom)), coalesce(e.height_mm, e.diameter_mm),
                  e.depth_reference
           FROM unnest(%s::text[]) WITH ORDINALITY AS w (code, n) JOIN network_edge e ON e.kind = %s AND e.code = w.code ORDER BY w.n""",
        [way["lines"], view.kind],
    ).fetchall()
    ends = np.array([row[1:3] for row in rows], np.float64).reshape(-1, 2)
    against = np.array([row[0] != point for row, point in zip(rows, way["points"], strict=False)], np.bool_)
    ends[against] = ends[against, ::-1]
    height = np.array([row[3] for row in rows], np.float64)
    invert, crown = inverts_and_crowns(ends, height, [row[4] for row in rows])
    slope = np.divide(invert[:, 0] - invert[:, 1], lengths_m, out=np.zeros(len(rows)), where=lengths_m > 0)
    told = [
        {
            "code": code, "invert_m": np.round(a, 3).tolist(), "crown_m": np.round(b, 3).tolist(), "height_mm": row[3],
            "slope": round(float(s), 5),
        }
        for code, row, a, b, s in zip(way["lines"], rows, invert, crown, slope, strict=True)
    ]  # fmt: skip
    return told, invert, crown


def area_within(view: NetworkView, codes: Sequence[str], limit_m: float) -> Answer:
    """Return what lies within a distance of some points along the network.

    Raises
    ------
    NotFoundError
        A code is not in the network.
    """
    seeds = np.concatenate([_seeds(view, code)[0] for code in codes])
    found = service_area(view.graph, seeds, view.lengths, limit_m)
    return {
        "kind": view.kind, "from": list(codes), "limit_m": limit_m, "points": view.codes("node", found.nodes),
        "lines": view.codes("edge", found.edges), "length_m": round(float(view.lengths[found.edges].sum()), 3),
    }  # fmt: skip


def describe(view: NetworkView) -> Answer:
    """Return figures of a network: parts, islands, loops, bridges, valves, segments, pressure zones."""
    count, label = components(view.graph)
    found = critical(view.graph)
    zones, _ = components(view.graph, cut_edges=view.valves.edge_closed, cut_nodes=view.valves.node_closed)
    rooted = np.unique(label[view.sources]) if len(view.sources) else np.empty(0)
    return {
        "kind": view.kind, "points": view.graph.n_nodes, "lines": view.graph.n_edges,
        "length_km": round(float(view.lengths.sum()) / 1000, 3),
        "dangling_lines": view.n_dangling, "components": count, "components_with_source": len(rooted), "loops": found.n_loops,
        "bridges": len(found.bridges), "articulation_points": len(found.articulation), "sources": len(view.sources),
        "sinks": len(view.sinks), "customers": len(view.customers), "zones_between_shut_valves": zones,
        "isolation": view.supply.segment_figures(),
    }  # fmt: skip
