"""Parts of a network: connected components, bridges and articulation points (critical pipes and nodes), loops."""

from dataclasses import dataclass

import numba
import numpy as np

from cim.analysis.network.graph import Int32s, Ints, Mask, NetworkGraph


@numba.njit(cache=True, nogil=True)
def _label(start, end, first, half, cut_edge, cut_node, label, queue):  # type: ignore[no-untyped-def]  # compiled: types come from the caller
    """Number the parts left when cut edges and cut nodes are taken out; cut nodes keep -1."""
    n_parts = 0
    for root in range(label.shape[0]):
        if label[root] != -1 or cut_node[root]:
            continue
        label[root] = n_parts
        queue[0] = root
        head, tail = 0, 1
        while head < tail:
            node = queue[head]
            head += 1
            for k in range(first[node], first[node + 1]):
                e = half[k]
                other = end[e] if e >= 0 else start[~e]
                if e < 0:
                    e = ~e
                if cut_edge[e] or cut_node[other] or label[other] != -1:
                    continue
                label[other] = n_parts
                queue[tail] = other
                tail += 1
        n_parts += 1
    return n_parts


def components(graph: NetworkGraph, *, cut_edges: Mask | None = None, cut_nodes: Mask | None = None) -> tuple[int, Int32s]:
    """Number the connected parts of a network.

    Parameters
    ----------
    graph
        The network.
    cut_edges, cut_nodes
        Edges and nodes taken out (closed or existing valves, zone boundaries), shape (m,) and (n,).

    Returns
    -------
    tuple
        Number of parts, and the part of each node, shape (n,), -1 for nodes taken out.
    """
    label = np.full(graph.n_nodes, -1, np.int32)
    edge = np.broadcast_to(np.False_, graph.n_edges) if cut_edges is None else cut_edges
    node = np.broadcast_to(np.False_, graph.n_nodes) if cut_nodes is None else cut_nodes
    count = _label(graph.start, graph.end, graph.first, graph.half, edge, node, label, np.empty(max(graph.n_nodes, 1), np.int32))
    return int(count), label


@numba.njit(cache=True, nogil=True)
def depth_first(start, end, first, half, cut_edge, roots, entry, low, parent, size, order):  # type: ignore[no-untyped-def]  # compiled: types come from the caller
    """Walk depth first from each root: order of entry, lowest entry reached over one back edge, edge to the parent, size of the subtree.

    Returns the number of nodes entered. Nodes that no root reaches keep -1.
    """
    n = entry.shape[0]
    at = first[:-1].copy()
    stack = np.empty(n, np.int32)
    time = 0
    for r in range(roots.shape[0]):
        if entry[roots[r]] != -1:
            continue
        top = 0
        stack[0] = roots[r]
        entry[roots[r]] = low[roots[r]] = time
        order[time] = roots[r]
        size[roots[r]] = 1
        time += 1
        while top >= 0:
            node = stack[top]
            if at[node] < first[node + 1]:
                e = half[at[node]]
                at[node] += 1
                other = end[e] if e >= 0 else start[~e]
                if e < 0:
                    e = ~e
                if e == parent[node] or cut_edge[e]:
                    continue
                if entry[other] == -1:
                    parent[other] = e
                    entry[other] = low[other] = time
                    order[time] = other
                    size[other] = 1
                    time += 1
                    top += 1
                    stack[top] = other
                elif entry[other] < low[node]:
                    low[node] = entry[other]
            else:
                top -= 1
                if top >= 0:
                    above = stack[top]
                    size[above] += size[node]
                    if low[node] < low[above]:
                        low[above] = low[node]
    return time


@dataclass(frozen=True)
class Critical:
    """Parts without which a network falls apart.

    Parameters
    ----------
    bridges
        Edges in no loop.
    articulation
        Nodes whose loss separates others.
    n_loops
        Independent loops: edges minus nodes plus components.
    """

    bridges: Int32s
    articulation: Int32s
    n_loops: int


def critical(graph: NetworkGraph) -> Critical:
    """Find bridges, articulation points and the number of independent loops (Tarjan, 1972).

    Parameters
    ----------
    graph
        The network.
    """
    n = graph.n_nodes
    entry, low = np.full(n, -1, np.int32), np.full(n, -1, np.int32)
    parent, size, order = np.full(n, -1, np.int32), np.zeros(n, np.int32), np.empty(n, np.int32)
    n_parts, label = components(graph)
    roots = np.unique(label, return_index=True)[1].astype(np.int32)
    no_cut = np.broadcast_to(np.False_, graph.n_edges)
    depth_first(graph.start, graph.end, graph.first, graph.half, no_cut, roots, entry, low, parent, size, order)
    child = np.flatnonzero(parent >= 0)
    edge = parent[child]
    above = np.where(graph.end[edge] == child, graph.start[edge], graph.end[edge])
    bridges = np.sort(edge[low[child] > entry[above]])
    is_root = parent[above] < 0
    cuts = np.unique(above[~is_root & (low[child] >= entry[above])])
    with_two = np.flatnonzero(np.bincount(above[is_root], minlength=n) > 1)
    both = np.unique(np.concatenate([cuts, with_two])).astype(np.int32)
    return Critical(bridges.astype(np.int32), both, graph.n_edges - n + n_parts)


def group_rows(label: Int32s, n_groups: int) -> tuple[Ints, Int32s]:
    """Return row pointer and members of each group: group ``g`` is ``members[first[g]:first[g + 1]]``; label -1 is left out."""
    counts = np.bincount(label[label >= 0], minlength=n_groups)
    first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    order = np.argsort(label, kind="stable").astype(np.int32)
    return first, order[int((label < 0).sum()) :]
