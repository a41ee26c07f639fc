"""Questions to a network as a whole, in codes: zones, catchments, critical parts, sources of pollution, how well valves divide it."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cim.analysis.network.critical import losses
from cim.analysis.network.graph import Int32s, Mask
from cim.analysis.network.pollution import candidates
from cim.analysis.network.valves import missing_valves, segments
from cim.analysis.network.zones import Zones, catchments, on_main, zones_between
from cim.db import network_links, network_reads
from cim.db.engine import Connection
from cim.db.network_graph import NetworkView
from cim.db.network_queries import trace_from
from cim.errors import InvalidParameterError
from cim.model.network import FLOW_METERS, GRAVITY, HYDRANTS, MOST_HYDRANTS, REGULATING_TYPES, REGULATORS

Answer = dict[str, Any]
By = Literal["pressure", "dma", "catchment"]
BY: tuple[By, ...] = ("pressure", "dma", "catchment")
_BOUNDARY = {
    "node": "SELECT code FROM network_node WHERE kind = %s AND (appendage = ANY(%s) OR feature = ANY(%s) OR type_code = ANY(%s))",
    "edge": "SELECT code FROM network_edge WHERE kind = %s AND (feature = ANY(%s) OR feature = ANY(%s) OR type_code = ANY(%s))",
}


def _positions(codes: Any, wanted: Sequence[str]) -> Int32s:  # noqa: ANN401 - pyarrow ships no types
    found = pc.index_in(pa.array(wanted, pa.string()), value_set=codes)
    return np.asarray(found.drop_null(), np.int32)


def _named(connection: Connection, view: NetworkView, words: frozenset[str]) -> tuple[Mask, Mask]:
    """Return the nodes and edges that are one of some things, by appendage, feature or type of a model."""
    masks = []
    for part, codes in (("node", view.node_code), ("edge", view.edge_code)):
        told = [view.kind, sorted(words), sorted(words), sorted(words & REGULATING_TYPES)]
        rows = connection.execute(_BOUNDARY[part].encode(), told).fetchall()
        mask = np.zeros(len(codes), np.bool_)
        mask[_positions(codes, [str(row[0]) for row in rows])] = True
        masks.append(mask)
    return masks[0], masks[1]


def divide(connection: Connection, view: NetworkView, by: By, *, boundaries: Sequence[str] = ()) -> Answer:
    """Divide a network into zones.

    Parameters
    ----------
    connection
        The store.
    view
        The network.
    by
        pressure: between shut valves, pumps and regulators; dma: between shut valves and flow meters on mains; catchment:
        by the nearest outfall downstream, drains only.
    boundaries
        Codes that bound zones besides.

    Returns
    -------
    dict
        zones, largest first (by lines): zone, outfall, points, lines, length_km, sources, customers, boundaries; boundaries with the zones
        they join; ``split_points`` that drain to several outfalls; ``in_no_zone`` points. Codes of each part by zone are in ``parts``.

    Raises
    ------
    InvalidParameterError
        An unknown way to divide, or catchments of a network that is no drain.
    NotFoundError
        A boundary is not in the network.
    """
    if by not in BY:
        raise InvalidParameterError("by", by, f"one of {', '.join(BY)}")
    if by == "catchment":
        return _catchments(view)
    words = FLOW_METERS if by == "dma" else REGULATORS | REGULATING_TYPES
    nodes, edges = _named(connection, view, words)
    if by == "dma":
        # A meter on the way to a house is a customer's: it bounds no district.
        meters = np.flatnonzero(nodes).astype(np.int32)
        nodes[meters[~on_main(view.graph, meters)]] = False
    nodes |= view.valves.node_closed
    edges |= view.valves.edge_closed
    for code in boundaries:
        part, at = view.find(code)
        (nodes if part == "node" else edges)[at] = True
    return _zones(view, by, zones_between(view.graph, nodes, edges), nodes, edges)


def _zones(view: NetworkView, by: By, zones: Zones, nodes: Mask, edges: Mask) -> Answer:
    graph, label = view.graph, zones.node_zone
    joins: list[tuple[str, str, set[int]]] = []
    for at in np.flatnonzero(edges):
        ends = {int(label[graph.start[at]]), int(label[graph.end[at]])} - {-1}
        joins.append(("edge", view.codes("edge", np.array([at]))[0], ends))
    for at in np.flatnonzero(nodes):
        half = graph.half[graph.first[at] : graph.first[at + 1]]
        edge = np.where(half >= 0, half, ~half)
        other = np.where(half >= 0, graph.end[edge], graph.start[edge])
        joins.append(("node", view.codes("node", np.array([at]))[0], {int(zone) for zone in label[other]} - {-1}))
    bounds: dict[int, list[str]] = {}
    for _, code, ends in joins:
        for zone in ends:
            bounds.setdefault(zone, []).append(code)
    rows = _rows(view, zones)
    for row in rows:
        row["boundaries"] = bounds.get(row["zone"] - 1, [])
    return {
        "kind": view.kind, "by": by, "n_zones": zones.n_zones, "zones": rows,
        "boundaries": [{"part": part, "code": code, "zones": sorted(zone + 1 for zone in ends)} for part, code, ends in joins],
        "in_no_zone": int((label < 0).sum()), "parts": _parts(view, zones),
    }  # fmt: skip


def _rows(view: NetworkView, zones: Zones) -> list[Answer]:
    def counts(at: Any, weights: Any = None) -> Any:  # noqa: ANN401 - positions and numbers
        return np.bincount(at[at >= 0], weights=None if weights is None else weights[at >= 0], minlength=zones.n_zones)

    points, lines = counts(zones.node_zone), counts(zones.edge_zone)
    lengths = counts(zones.edge_zone, view.lengths)
    sources, customers = (counts(zones.node_zone[at]) for at in (view.sources, view.customers))
    return [
        {
            "zone": zone + 1, "points": int(points[zone]), "lines": int(lines[zone]), "length_km": round(float(lengths[zone]) / 1000, 3),
            "sources": int(sources[zone]), "customers": int(customers[zone]),
        }
        for zone in range(zones.n_zones)
    ]  # fmt: skip


def _parts(view: NetworkView, zones: Zones) -> list[Answer]:
    order, edges = (np.argsort(label, kind="stable") for label in (zones.node_zone, zones.edge_zone))
    by_node, by_edge = zones.node_zone[order], zones.edge_zone[edges]
    found = []
    for zone in range(zones.n_zones):
        n0, n1 = np.searchsorted(by_node, [zone, zone + 1])
        e0, e1 = np.searchsorted(by_edge, [zone, zone + 1])
        found.append({"zone": zone + 1, "points": view.codes("node", order[n0:n1]), "lines": view.codes("edge", edges[e0:e1])})
    return found


def _catchments(view: NetworkView) -> Answer:
    if view.kind not in GRAVITY:
        raise InvalidParameterError("by", "catchment", f"pressure or dma; only {' and '.join(sorted(GRAVITY))} drain to outfalls")
    found = catchments(view.graph, view.flow, view.sinks, view.lengths)
    used = np.unique(found.node_sink[found.node_sink >= 0])
    edges = np.bincount(found.edge_sink[found.edge_sink >= 0], minlength=len(view.sinks))[used]
    order = used[np.lexsort((used, -edges))]
    rank = np.full(len(view.sinks) + 1, -1, np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    zones = Zones(rank[found.node_sink], rank[found.edge_sink], len(order))
    rows = _rows(view, zones)
    ways = [found.way_m[zones.node_zone == zone] for zone in range(zones.n_zones)]
    outfalls = view.codes("node", view.sinks[order])
    for row, outfall, way in zip(rows, outfalls, ways, strict=True):
        row |= {"outfall": outfall, "longest_way_m": round(float(way.max(initial=0.0)), 3)}
    return {
        "kind": view.kind, "by": "catchment", "n_zones": zones.n_zones, "zones": rows,
        "split_points": view.codes("node", np.flatnonzero(found.split)), "in_no_zone": int((zones.node_zone < 0).sum()),
        "drains_nowhere": view.codes("node", np.flatnonzero(zones.node_zone < 0)), "parts": _parts(view, zones),
    }  # fmt: skip


def drained_by(connection: Connection, view: NetworkView, code: str) -> Answer:
    """Return what a point or line drains: everything upstream of it, and whom that serves.

    Raises
    ------
    InvalidParameterError
        The network is no drain.
    NotFoundError
        The code is not in the network.
    """
    if view.kind not in GRAVITY:
        raise InvalidParameterError("kind", view.kind, " or ".join(sorted(GRAVITY)))
    found = trace_from(view, code, "upstream")
    lines = set(found["lines"]) - {code}
    return {
        "kind": view.kind, "drained_by": code, "n_points": found["n_points"], "n_lines": len(lines), "length_m": found["length_m"],
        "points": found["points"], "lines": sorted(lines), "connections": found["customers"],
        "customers": network_reads.fetch_customers(connection, view.kind, found["customers"]),
        "served": network_reads.fetch_served(connection, view.kind, [*found["points"], *sorted(lines)]),
    }  # fmt: skip


def pollution_sources(connection: Connection, view: NetworkView, polluted: Sequence[str], clean: Sequence[str]) -> Answer:
    """Return where pollution found at some points may have entered: upstream of them and of no clean sample.

    Parameters
    ----------
    connection
        The store, for who is connected there.
    view
        The network.
    polluted, clean
        Codes of points where a sample was bad, and where one was good.

    Raises
    ------
    NotFoundError
        A code is not in the network.
    InvalidParameterError
        No polluted sample, a line, or a point in both lists.
    """
    if not polluted:
        raise InvalidParameterError("polluted", "nothing", "one sample point or more")
    both = sorted(set(polluted) & set(clean))
    if both:
        raise InvalidParameterError("clean", both[0], "a point that is not polluted as well")
    at = [np.array([_point(view, code) for code in codes], np.int32) for codes in (list(dict.fromkeys(polluted)), clean)]
    found = candidates(view.graph, view.flow, at[0], at[1], view.lengths)
    codes = view.codes("node", found.nodes)
    is_customer = np.isin(found.nodes, view.customers)
    served: dict[str, list[str]] = {}
    for one in network_links.fetch_links(connection, view.kind, codes, limit=1_000_000) if codes else []:
        served.setdefault(one["part_code"], []).append(one["target_code"])
    rows = [
        {"code": code, "explains": int(n), "way_m": round(float(way), 3), "is_connection": bool(c), "serves": served.get(code, [])}
        for code, n, way, c in zip(codes, found.explained, found.way_m, is_customer, strict=True)
    ]
    return {
        "kind": view.kind, "polluted": list(polluted), "clean": list(clean), "samples": len(at[0]),
        "explain_all": sum(row["explains"] == len(at[0]) for row in rows), "candidates": rows,
    }  # fmt: skip


def _point(view: NetworkView, code: str) -> int:
    part, at = view.find(code)
    if part != "node":
        raise InvalidParameterError("code", code, "the code of a point")
    return at


def critical_parts(view: NetworkView, *, limit: int = 100) -> Answer:
    """Return the lines and points whose loss cuts most of the network off from every source (outfall).

    Parameters
    ----------
    view
        The network.
    limit
        Most lines and most points returned, the gravest first.

    Returns
    -------
    dict
        lines and points with the number of points and of connections cut off; what is cut off by each is counted, not listed.
    """
    roots = view.sinks if view.kind in GRAVITY else view.sources
    ones = np.ones(view.graph.n_nodes)
    customers = np.zeros(view.graph.n_nodes)
    customers[view.customers] = 1.0
    valves = view.valves
    points, connections = (
        losses(view.graph, roots, weights, cut_edges=valves.edge_closed, cut_nodes=valves.node_closed) for weights in (ones, customers)
    )

    def gravest(part: str, by: Any, also: Any) -> list[Answer]:  # noqa: ANN401 - numbers
        at = np.flatnonzero(by)
        at = at[np.lexsort((at, -by[at], -also[at]))][:limit]
        return [
            {"code": code, "points_cut_off": int(by[i]), "connections_cut_off": int(also[i])}
            for code, i in zip(view.codes(part, at), at, strict=True)
        ]

    return {
        "kind": view.kind, "roots": len(roots), "points_with_root": int(points.rooted.sum()),
        "points_without_root": int((~points.rooted).sum()), "critical_lines": int((points.by_edge > 0).sum()),
        "critical_points": int((points.by_node > 0).sum()), "lines": gravest("edge", points.by_edge, connections.by_edge),
        "points": gravest("node", points.by_node, connections.by_node),
    }  # fmt: skip


def valve_quality(view: NetworkView, *, limit: int = 100) -> Answer:
    """Return how well valves divide a network, and where they are missing.

    Parameters
    ----------
    view
        The network.
    limit
        Most segments and most junctions returned, the worst first.

    Returns
    -------
    dict
        Figures: share of the largest segment, segments with more hydrants than allowed, valves missing under the rule of N - 1; the largest
        segments with points, lines, length, bounding valves, hydrants, connections; the junctions that lack most valves.
    """
    index, graph = view.supply, view.graph
    found = segments(index, view.lengths)
    counts = [
        np.bincount(label[label >= 0], minlength=index.n_segments)
        for label in (index.node_segment[at] for at in (view.nodes_that_are(HYDRANTS), view.customers))
    ]
    lacks = missing_valves(graph, view.valves.node_valve, view.valves.edge_valve)
    worst = np.flatnonzero(lacks)
    worst = worst[np.lexsort((worst, -lacks[worst]))]
    used = np.flatnonzero(found.edges)
    order = used[np.lexsort((used, -found.length_m[used]))][:limit]
    total = float(view.lengths.sum())
    rows = [
        {
            "segment": n + 1, "lines": int(found.edges[i]), "points": int(found.nodes[i]), "length_m": round(float(found.length_m[i]), 3),
            "valves": int(found.valves[i]), "hydrants": int(counts[0][i]), "connections": int(counts[1][i]),
            "line_codes": view.codes("edge", np.flatnonzero(index.edge_segment == i)),
        }
        for n, i in enumerate(order)
    ]  # fmt: skip
    return {
        "kind": view.kind, "valves": int(view.valves.node_valve.sum() + view.valves.edge_valve.sum()), "segments": len(used),
        "largest_share": round(float(found.length_m[order[0]]) / total, 4) if len(order) and total else 0.0,
        "segments_with_over_5_hydrants": int((counts[0] > MOST_HYDRANTS).sum()), "valves_missing": int(lacks.sum()),
        "junctions_lacking_valves": len(worst), "largest_segments": rows,
        "junctions": [
            {"code": code, "missing": int(lacks[i])} for code, i in zip(view.codes("node", worst[:limit]), worst[:limit], strict=True)
        ],
    }  # fmt: skip
