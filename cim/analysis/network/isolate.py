"""Isolation of a burst: the valves to close, what is out of service, and what changes when a valve does not work.

The feature set follows Giswater's mincut: valves that are closed already, broken, inaccessible or proposed, another source on the far side
of a valve, parts that lose every source although no valve bounds them.
"""

from dataclasses import dataclass

import numba
import numpy as np

from cim.analysis.network.graph import Int32s, Mask, NetworkGraph, Workspace
from cim.analysis.network.trace import trace


@numba.njit(cache=True, nogil=True)
def _segment(start, end, first, half, valve_edge, valve_node, seeds, burst_edge, node_mark, edge_mark, mark, queue, edges, border):  # type: ignore[no-untyped-def]  # compiled: types come from the caller
    """Walk from the burst up to the valves. Border entries: node, or ``~edge``."""
    head = tail = n_edges = n_border = 0
    if burst_edge >= 0:
        edge_mark[burst_edge] = mark
        edges[n_edges] = burst_edge
        n_edges += 1
    for i in range(seeds.shape[0]):
        node = seeds[i]
        if node_mark[node] != mark:
            node_mark[node] = mark
            queue[tail] = node
            tail += 1
    while head < tail:
        node = queue[head]
        head += 1
        # A burst node that carries a valve is itself in the burst: its valve cannot help.
        if valve_node[node] and (burst_edge >= 0 or head > seeds.shape[0]):
            border[n_border] = node
            n_border += 1
            continue
        for k in range(first[node], first[node + 1]):
            e = half[k]
            other = end[e] if e >= 0 else start[~e]
            if e < 0:
                e = ~e
            if edge_mark[e] == mark:
                continue
            edge_mark[e] = mark
            if valve_edge[e]:
                border[n_border] = ~e
                n_border += 1
                continue
            edges[n_edges] = e
            n_edges += 1
            if node_mark[other] != mark:
                node_mark[other] = mark
                queue[tail] = other
                tail += 1
    return tail, n_edges, n_border


@dataclass(frozen=True)
class Segment:
    """The part of a network between valves.

    Parameters
    ----------
    nodes, edges
        Inside, valves left out.
    valve_nodes, valve_edges
        Valves that bound it.
    """

    nodes: Int32s
    edges: Int32s
    valve_nodes: Int32s
    valve_edges: Int32s


def segment(
    graph: NetworkGraph,
    valve_nodes: Mask,
    valve_edges: Mask,
    *,
    edge: int | None = None,
    node: int | None = None,
    space: Workspace | None = None,
) -> Segment:
    """Return the part around an edge or a node that valves can cut off.

    Parameters
    ----------
    graph
        The network.
    valve_nodes, valve_edges
        Where a valve that can be closed (or is closed) stands, shape (n,) and (m,).
    edge, node
        The burst: one of the two.
    space
        Scratch arrays, None = new ones.

    Raises
    ------
    ValueError
        Both or neither given.
    """
    if (edge is None) == (node is None):
        raise ValueError("expected an edge or a node, found both or neither")
    space = space or Workspace(graph)
    seeds = np.array([graph.start[edge], graph.end[edge]] if edge is not None else [node], np.int32)
    tail, n_edges, n_border = _segment(
        graph.start, graph.end, graph.first, graph.half, valve_edges, valve_nodes, seeds, -1 if edge is None else int(edge),
        space.node_mark, space.edge_mark, space.next_mark(), space.queue, space.edges, space.border,
    )  # fmt: skip
    border, nodes = space.border[:n_border], space.queue[:tail]
    on_nodes = border[border >= 0].copy()
    inner = nodes[~valve_nodes[nodes]] if edge is not None else nodes[~valve_nodes[nodes] | (nodes == seeds[0])]
    # A valve edge with both ends inside the segment cuts nothing off.
    cut = np.unique(~border[border < 0]).astype(np.int32)
    inside = (space.node_mark[graph.start[cut]] == space.node_mark[seeds[0]]) & (
        space.node_mark[graph.end[cut]] == space.node_mark[seeds[0]]
    )
    inside &= ~valve_nodes[graph.start[cut]] & ~valve_nodes[graph.end[cut]]
    return Segment(inner.copy(), np.concatenate([space.edges[:n_edges], cut[inside]]), on_nodes, cut[~inside])


@dataclass(frozen=True)
class Isolation:
    """How a burst is cut off.

    Parameters
    ----------
    segment
        What must run dry: the part between the valves.
    close_nodes, close_edges
        Valves to close: they bound the segment, are open, and lead to a source; the set is minimal.
    closed_nodes, closed_edges
        Bounding valves that are closed already.
    unusable_nodes, unusable_edges
        Valves inside the segment that would have helped, but are broken or cannot be reached.
    idle_nodes, idle_edges
        Bounding open valves that lead to no source: they need not be closed.
    dead_nodes, dead_edges
        Parts outside the segment that lose every source; valves are left out.
    has_source_inside
        A source lies in the segment itself: no valve cuts it off.
    """

    segment: Segment
    close_nodes: Int32s
    close_edges: Int32s
    closed_nodes: Int32s
    closed_edges: Int32s
    unusable_nodes: Int32s
    unusable_edges: Int32s
    idle_nodes: Int32s
    idle_edges: Int32s
    dead_nodes: Int32s
    dead_edges: Int32s
    has_source_inside: bool

    @property
    def n_valves(self) -> int:
        """Number of valves to close."""
        return len(self.close_nodes) + len(self.close_edges)


@dataclass(frozen=True)
class Valves:
    """Valves of a network by their state; a node or edge that is none is False in all.

    Parameters
    ----------
    node_valve, edge_valve
        Where a valve stands, shape (n,) and (m,).
    node_closed, edge_closed
        Closed in normal operation.
    node_unusable, edge_unusable
        Broken or inaccessible: stays as it is.
    """

    node_valve: Mask
    edge_valve: Mask
    node_closed: Mask
    edge_closed: Mask
    node_unusable: Mask
    edge_unusable: Mask

    @property
    def node_barrier(self) -> Mask:
        """Node valves that bound a segment: those that can be moved, and those that are closed."""
        return self.node_valve & (~self.node_unusable | self.node_closed)

    @property
    def edge_barrier(self) -> Mask:
        """Edge valves that bound a segment."""
        return self.edge_valve & (~self.edge_unusable | self.edge_closed)


@numba.njit(cache=True, nogil=True)
def _fed(start, end, first, half, shut_edge, shut_node, sources, dry_node, dry_edge, fed):  # type: ignore[no-untyped-def]  # compiled: types come from the caller
    """Mark what a source reaches without passing what is shut or dry."""
    queue = np.empty(fed.shape[0], np.int32)
    head = tail = 0
    for i in range(sources.shape[0]):
        node = sources[i]
        if not fed[node] and not dry_node[node]:
            fed[node] = True
            queue[tail] = node
            tail += 1
    while head < tail:
        node = queue[head]
        head += 1
        if shut_node[node]:
            continue
        for k in range(first[node], first[node + 1]):
            e = half[k]
            other = end[e] if e >= 0 else start[~e]
            if e < 0:
                e = ~e
            if shut_edge[e] or dry_edge[e] or fed[other] or dry_node[other]:
                continue
            fed[other] = True
            queue[tail] = other
            tail += 1
    return tail


def _open(valves: Valves, sources: Int32s) -> Int32s:
    """Return the sources that no closed valve of their own shuts off."""
    wanted = np.asarray(sources, np.int32)
    return wanted[~valves.node_closed[wanted]]


def feeding(graph: NetworkGraph, valves: Valves, sources: Int32s) -> Mask:
    """Return the nodes that a source reaches while every closed valve stays closed, shape (n,)."""
    fed = np.zeros(graph.n_nodes, np.bool_)
    none_node, none_edge = np.zeros(graph.n_nodes, np.bool_), np.zeros(graph.n_edges, np.bool_)
    _fed(
        graph.start, graph.end, graph.first, graph.half, valves.edge_closed, valves.node_closed, _open(valves, sources), none_node,
        none_edge, fed,
    )  # fmt: skip
    return fed


def _live_edges(graph: NetworkGraph, fed: Mask, shut_node: Mask, shut_edge: Mask) -> Mask:
    feeds = fed & ~shut_node
    return (feeds[graph.start] | feeds[graph.end]) & ~shut_edge


def isolate(
    graph: NetworkGraph,
    valves: Valves,
    sources: Int32s,
    *,
    edge: int | None = None,
    node: int | None = None,
    space: Workspace | None = None,
    fed_before: Mask | None = None,
) -> Isolation:
    """Cut a burst off from every source.

    Parameters
    ----------
    graph
        The network.
    valves
        Its valves.
    sources
        Nodes that feed it: reservoirs, tanks, stations. Empty = every open bounding valve is to be closed.
    edge, node
        The burst: one of the two.
    space
        Scratch arrays, None = new ones.
    fed_before
        `feeding` of the same arguments, where it is at hand.

    Raises
    ------
    ValueError
        Both or neither of edge and node given.

    Notes
    -----
    A bounding valve is closed when a source reaches its far side while the segment is dry, so every valve in the answer is needed:
    opening any one lets a source back in.
    """
    space = space or Workspace(graph)
    found = segment(graph, valves.node_barrier, valves.edge_barrier, edge=edge, node=node, space=space)
    dry_node, dry_edge = np.zeros(graph.n_nodes, np.bool_), np.zeros(graph.n_edges, np.bool_)
    dry_node[found.nodes], dry_edge[found.edges] = True, True
    before = feeding(graph, valves, sources) if fed_before is None else fed_before
    shut_node, shut_edge = valves.node_closed.copy(), valves.edge_closed.copy()
    shut_node[found.valve_nodes], shut_edge[found.valve_edges] = True, True
    fed = np.zeros(graph.n_nodes, np.bool_)
    _fed(
        graph.start, graph.end, graph.first, graph.half, shut_edge, shut_node, _open(valves, sources), dry_node, dry_edge, fed
    )  # fmt: skip
    closed_nodes = found.valve_nodes[valves.node_closed[found.valve_nodes]]
    closed_edges = found.valve_edges[valves.edge_closed[found.valve_edges]]
    open_nodes = found.valve_nodes[~valves.node_closed[found.valve_nodes]]
    open_edges = found.valve_edges[~valves.edge_closed[found.valve_edges]]
    needed_nodes = fed[open_nodes] if len(sources) else np.ones(len(open_nodes), np.bool_)
    ends = np.stack([graph.start[open_edges], graph.end[open_edges]])
    needed_edges = (fed[ends] & ~dry_node[ends] & ~shut_node[ends]).any(axis=0) if len(sources) else np.ones(len(open_edges), np.bool_)
    gone = before & ~fed & ~dry_node & ~valves.node_closed
    gone[found.valve_nodes] = False
    live_before = _live_edges(graph, before, valves.node_closed, valves.edge_closed)
    dead_edges = live_before & ~_live_edges(graph, fed, shut_node, shut_edge) & ~dry_edge
    dead_edges[valves.edge_barrier] = False
    inner_nodes = found.nodes[valves.node_valve[found.nodes] & valves.node_unusable[found.nodes]]
    inner_edges = found.edges[valves.edge_valve[found.edges] & valves.edge_unusable[found.edges]]
    return Isolation(
        found, open_nodes[needed_nodes], open_edges[needed_edges], closed_nodes, closed_edges, inner_nodes, inner_edges,
        open_nodes[~needed_nodes], open_edges[~needed_edges], np.flatnonzero(gone).astype(np.int32),
        np.flatnonzero(dead_edges).astype(np.int32),
        bool(np.isin(sources, found.nodes).any()),
    )  # fmt: skip


def reaches(graph: NetworkGraph, sources: Int32s, targets: Int32s, *, blocked_nodes: Mask, blocked_edges: Mask) -> bool:
    """Tell whether a source reaches one of the targets past what is blocked."""
    open_sources = sources[~blocked_nodes[sources]]
    found = trace(graph, open_sources, blocked_nodes=blocked_nodes, blocked_edges=blocked_edges)
    return bool(np.isin(found.nodes, targets).any())
