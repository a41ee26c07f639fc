"""Critical parts: how much of a network loses every source (every outfall, for drains) when one edge or one node is lost."""

from dataclasses import dataclass

import numpy as np

from cim.analysis.network.components import depth_first
from cim.analysis.network.graph import Floats, Int32s, Mask, NetworkGraph, build_graph


@dataclass(frozen=True)
class Loss:
    """What hangs on each part.

    Parameters
    ----------
    by_edge
        Weight of the nodes that lose every root when the edge is lost, shape (m,).
    by_node
        The same when the node is lost, itself left out, shape (n,).
    rooted
        Nodes that reach a root now, shape (n,).
    """

    by_edge: Floats
    by_node: Floats
    rooted: Mask


def losses(graph: NetworkGraph, roots: Int32s, weights: Floats, *, cut_edges: Mask | None = None, cut_nodes: Mask | None = None) -> Loss:
    """Return what the loss of each edge and node cuts off.

    Parameters
    ----------
    graph
        The network.
    roots
        Sources, or outfalls.
    weights
        What each node counts for: 1, or its customers, shape (n,).
    cut_edges, cut_nodes
        Where nothing passes: shut valves, shape (m,) and (n,). A shut node is cut from all its edges.

    Notes
    -----
    All roots hang on one node more, from which a depth-first walk starts (Tarjan, 1972): the subtree below an edge that no back edge leaps
    over reaches no root without it. Directions are not kept; a drain that could only run back through a loop counts as served.
    """
    n, m = graph.n_nodes, graph.n_edges
    top = n
    wide = build_graph(n + 1, np.concatenate([graph.start, np.full(len(roots), top)]), np.concatenate([graph.end, roots]))
    cut = np.zeros(wide.n_edges, np.bool_)
    if cut_edges is not None:
        cut[:m] |= cut_edges
    if cut_nodes is not None:
        cut[:m] |= cut_nodes[graph.start] | cut_nodes[graph.end]
        cut[m:] |= cut_nodes[roots]
    entry, low, parent = (np.full(n + 1, -1, np.int32) for _ in range(3))
    size, order = np.zeros(n + 1, np.int32), np.zeros(n + 1, np.int32)
    seen = depth_first(wide.start, wide.end, wide.first, wide.half, cut, np.array([top], np.int32), entry, low, parent, size, order)
    total = np.concatenate([[0.0], np.cumsum(np.append(weights, 0.0)[order[:seen]])])
    child = np.flatnonzero(parent >= 0)
    edge = parent[child]
    above = np.where(wide.end[edge] == child, wide.start[edge], wide.end[edge])
    below = total[entry[child] + size[child]] - total[entry[child]]
    by_edge, by_node = np.zeros(m), np.zeros(n + 1)
    is_bridge = (low[child] > entry[above]) & (edge < m)
    by_edge[edge[is_bridge]] = below[is_bridge]
    hangs = low[child] >= entry[above]
    np.add.at(by_node, above[hangs], below[hangs])
    return Loss(by_edge, by_node[:n], entry[:n] >= 0)
