"""Zones of a network: parts between boundaries (pressure zones, metered districts), and what drains to which outfall."""

from dataclasses import dataclass

import numba
import numpy as np

from cim.analysis.network.components import components
from cim.analysis.network.graph import Floats, Int32s, Mask, NetworkGraph, Signs
from cim.analysis.network.paths import reach
from cim.analysis.network.trace import trace


@dataclass(frozen=True)
class Zones:
    """Parts of a network, numbered by size: zone 0 has the most edges.

    Parameters
    ----------
    node_zone
        Zone of each node, shape (n,), -1 for boundaries and for what belongs to none.
    edge_zone
        Zone of each edge, shape (m,), -1 for boundaries and for what belongs to none.
    n_zones
        Number of zones.
    """

    node_zone: Int32s
    edge_zone: Int32s
    n_zones: int


def zones_between(graph: NetworkGraph, boundary_nodes: Mask, boundary_edges: Mask) -> Zones:
    """Return the parts that boundaries leave: shut valves and regulators for pressure zones, meters besides for metered districts.

    Parameters
    ----------
    graph
        The network.
    boundary_nodes, boundary_edges
        Nodes and edges that separate, shape (n,) and (m,).

    Notes
    -----
    An edge between two boundary nodes belongs to no zone: water in it is past one boundary and before the next.
    """
    _, label = components(graph, cut_edges=boundary_edges, cut_nodes=boundary_nodes)
    one, other = label[graph.start], label[graph.end]
    edge = np.where(one >= 0, one, other)
    edge[boundary_edges] = -1
    return _numbered(label, edge)


def _numbered(node: Int32s, edge: Int32s) -> Zones:
    """Give the numbers anew: most edges first, then most nodes, then the earliest node."""
    count = int(node.max(initial=-1)) + 1
    edges = np.bincount(edge[edge >= 0], minlength=count)
    nodes = np.bincount(node[node >= 0], minlength=count)
    order = np.lexsort((np.arange(count), -nodes, -edges))
    rank = np.full(count + 1, -1, np.int32)
    rank[order] = np.arange(count, dtype=np.int32)
    return Zones(rank[node], rank[edge].astype(np.int32), count)


@numba.njit(cache=True, nogil=True)
def _on_main(start, end, first, half, asked, found):  # type: ignore[no-untyped-def]  # compiled: types come from the caller
    """Walk from each asked node along each pipe through bends; keep the node where no walk ends in a dead end."""
    for i in range(asked.shape[0]):
        node = asked[i]
        found[i] = first[node + 1] - first[node] > 1
        for k in range(first[node], first[node + 1]):
            e = half[k]
            at = end[e] if e >= 0 else start[~e]
            e = e if e >= 0 else ~e
            while at != node and first[at + 1] - first[at] == 2:
                one, other = half[first[at]], half[first[at] + 1]
                one = one if one >= 0 else ~one
                other = other if other >= 0 else ~other
                e = other if one == e else one
                at = start[e] if end[e] == at else end[e]
            if first[at + 1] - first[at] == 1:
                found[i] = False
                break


def on_main(graph: NetworkGraph, nodes: Int32s) -> Mask:
    """Tell which nodes stand on a main: every pipe from them leads to a junction, none to a dead end such as a house, shape (k,).

    Parameters
    ----------
    graph
        The network.
    nodes
        Meters, shape (k,).
    """
    found = np.zeros(len(nodes), np.bool_)
    _on_main(graph.start, graph.end, graph.first, graph.half, np.asarray(nodes, np.int32), found)
    return found


@numba.njit(cache=True, nogil=True)
def _inherit(start, end, order, via, label):  # type: ignore[no-untyped-def]  # compiled: types come from the caller
    """Give every node the label of the node it was reached from, nearest first."""
    for i in range(order.shape[0]):
        node = order[i]
        e = via[node]
        if e >= 0:
            label[node] = label[start[e] if end[e] == node else end[e]]


@dataclass(frozen=True)
class Catchments:
    """What drains to which outfall.

    Parameters
    ----------
    node_sink
        Position in ``sinks`` of the nearest outfall downstream of each node, shape (n,), -1 where the flow reaches none.
    edge_sink
        The same for edges: that of the node they flow to, shape (m,).
    way_m
        Way from each node to that outfall along the flow [m], shape (n,), infinite where there is none.
    split
        Nodes whose flow reaches more than one outfall, shape (n,).
    """

    node_sink: Int32s
    edge_sink: Int32s
    way_m: Floats
    split: Mask


def catchments(graph: NetworkGraph, flow: Signs, sinks: Int32s, lengths_m: Floats) -> Catchments:
    """Divide a drainage network by the outfall it drains to.

    Parameters
    ----------
    graph
        The network.
    flow
        1 start to end, -1 end to start, 0 either, shape (m,).
    sinks
        Outfalls.
    lengths_m
        Length of each edge [m], shape (m,).

    Notes
    -----
    A node is split when an edge leads from it, or from anything downstream of it, into the catchment of another outfall.
    """
    against = np.negative(flow).astype(np.int8)
    way, via = reach(graph, sinks, lengths_m, flow=against)
    label = np.full(graph.n_nodes, -1, np.int32)
    label[sinks] = np.arange(len(sinks), dtype=np.int32)
    reached = np.flatnonzero(np.isfinite(way))
    # Edges of no length tie: a node must come after the one it was reached from, so ties are put into the order of the search.
    order = reached[np.argsort(_depth(graph, via, way, reached), kind="stable")]
    _inherit(graph.start, graph.end, order.astype(np.int32), via, label)
    upper, lower = np.where(flow >= 0, graph.start, graph.end), np.where(flow >= 0, graph.end, graph.start)
    crosses = (label[upper] != label[lower]) & (label[upper] >= 0) & (label[lower] >= 0)
    ends = [upper[crosses], lower[crosses & (flow == 0)]]
    seeds = np.unique(np.concatenate(ends)).astype(np.int32)
    split = np.zeros(graph.n_nodes, np.bool_)
    if len(seeds):
        split[trace(graph, seeds, "upstream", flow=flow).nodes] = True
    return Catchments(label, label[lower], way, split & (label >= 0))


@numba.njit(cache=True, nogil=True)
def _steps(start, end, via, nodes, depth):  # type: ignore[no-untyped-def]  # compiled: types come from the caller
    """Count the edges between each node and where its search began."""
    stack = np.empty(depth.shape[0], np.int32)
    for i in range(nodes.shape[0]):
        node, top = nodes[i], 0
        while depth[node] < 0:
            e = via[node]
            if e < 0:
                depth[node] = 0
                break
            stack[top] = node
            top += 1
            node = start[e] if end[e] == node else end[e]
        while top:
            top -= 1
            depth[stack[top]] = depth[node] + 1
            node = stack[top]


def _depth(graph: NetworkGraph, via: Int32s, way: Floats, nodes: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Int32s:
    depth = np.full(len(way), -1, np.int32)
    _steps(graph.start, graph.end, via, nodes.astype(np.int32), depth)
    return depth[nodes]
