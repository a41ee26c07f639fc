"""Traces: what is connected to a part, what lies upstream or downstream of it."""

from dataclasses import dataclass
from typing import Literal

import numba
import numpy as np

from cim.analysis.network.graph import Floats, Int32s, Mask, NetworkGraph, Signs, Workspace
from cim.analysis.network.paths import distances

Direction = Literal["connected", "upstream", "downstream"]
_SENSE: dict[str, int] = {"connected": 0, "downstream": 1, "upstream": -1}


@numba.njit(cache=True, nogil=True)
def _spread(start, end, first, half, flow, sense, blocked_edge, blocked_node, seeds, node_mark, edge_mark, mark, queue, edges):  # type: ignore[no-untyped-def]  # compiled: types come from the caller
    """Walk from the seeds; blocked nodes are reached and not passed, blocked edges are not entered."""
    head = tail = n_edges = 0
    for i in range(seeds.shape[0]):
        node = seeds[i]
        if node_mark[node] != mark:
            node_mark[node] = mark
            queue[tail] = node
            tail += 1
    n_seeds = tail
    while head < tail:
        node = queue[head]
        head += 1
        if blocked_node[node] and head > n_seeds:
            continue
        for k in range(first[node], first[node + 1]):
            e, forward = half[k], True
            if e < 0:
                e, forward = ~e, False
            if blocked_edge[e]:
                continue
            if sense != 0 and flow[e] != 0:
                along = flow[e] if forward else -flow[e]
                if along != sense:
                    continue
            if edge_mark[e] != mark:
                edge_mark[e] = mark
                edges[n_edges] = e
                n_edges += 1
            other = end[e] if forward else start[e]
            if node_mark[other] != mark:
                node_mark[other] = mark
                queue[tail] = other
                tail += 1
    return tail, n_edges


@dataclass(frozen=True)
class Trace:
    """What a trace found.

    Parameters
    ----------
    nodes, edges
        Positions in the order they were reached.
    """

    nodes: Int32s
    edges: Int32s


def trace(
    graph: NetworkGraph,
    seeds: Int32s,
    direction: Direction = "connected",
    *,
    flow: Signs | None = None,
    blocked_edges: Mask | None = None,
    blocked_nodes: Mask | None = None,
    space: Workspace | None = None,
) -> Trace:
    """Find all that is reached from some nodes.

    Parameters
    ----------
    graph
        The network.
    seeds
        Nodes to start from, shape (k,).
    direction
        ``downstream`` follows the flow, ``upstream`` goes against it, ``connected`` ignores it.
    flow
        Direction of the flow in each edge: 1 start to end, -1 end to start, 0 either; shape (m,). Needed for up- and downstream.
    blocked_edges
        Edges that are not entered, shape (m,).
    blocked_nodes
        Nodes that are reached but not passed, unless the trace starts there, shape (n,).
    space
        Scratch arrays, None = new ones.

    Raises
    ------
    ValueError
        A direction without ``flow``.
    """
    sense = _SENSE[direction]
    if sense and flow is None:
        raise ValueError(f"a trace {direction} needs the direction of the flow")
    space = space or Workspace(graph)
    n, m = graph.n_nodes, graph.n_edges
    # Numba wants one type per argument: arrays of zeros with stride 0 stand for "nothing blocked".
    no_edge = np.broadcast_to(np.False_, m) if blocked_edges is None else blocked_edges
    no_node = np.broadcast_to(np.False_, n) if blocked_nodes is None else blocked_nodes
    signs = np.broadcast_to(np.int8(0), m) if flow is None else flow
    tail, n_edges = _spread(
        graph.start, graph.end, graph.first, graph.half, signs, sense, no_edge, no_node, np.asarray(seeds, np.int32),
        space.node_mark, space.edge_mark, space.next_mark(), space.queue, space.edges,
    )  # fmt: skip
    return Trace(space.queue[:tail].copy(), space.edges[:n_edges].copy())


def orient(graph: NetworkGraph, given: Signs, roots: Int32s, *, to_roots: bool, lengths: Floats | None = None) -> Signs:
    """Give every edge a direction of flow.

    Parameters
    ----------
    graph
        The network.
    given
        Direction known from the source: 1 start to end, -1 end to start, 0 unknown, shape (m,).
    roots
        Sources (water, gas, heat, power) or sinks (drainage).
    to_roots
        The flow runs to the roots (drainage) instead of away from them.
    lengths
        Length of each edge [m], None = all alike.

    Returns
    -------
    ndarray
        1, -1 or 0 per edge; 0 where both ends are equally far from the roots, or no root is reached.

    Notes
    -----
    An edge without a known direction runs along the shortest way from (to) its nearest root. In a meshed pressure network that is an
    assumption; only a hydraulic run tells the truth.
    """
    weights = np.ones(graph.n_edges) if lengths is None else np.maximum(np.nan_to_num(lengths, nan=1.0), 1e-3)
    away = distances(graph, roots, weights)
    # Both ends of an edge are reached, or neither is.
    reached = np.isfinite(away[graph.start])
    found = np.zeros(graph.n_edges, np.int8)
    found[reached] = np.sign(away[graph.end[reached]] - away[graph.start[reached]])
    if to_roots:
        found = -found
    return np.where(given != 0, given, found).astype(np.int8)
