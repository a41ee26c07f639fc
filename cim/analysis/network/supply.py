"""The segment–valve graph of a network (Walski, 1993) with what feeds each segment: isolation in the time of its answer.

Segments are the parts between valves. Rooted at the sources, a depth-first walk tells for every segment which of its neighbours still see
a source without it, and which parts hang on it alone; both are lookups afterwards.
"""

from dataclasses import dataclass

import numpy as np

from cim.analysis.network.components import components, depth_first, group_rows
from cim.analysis.network.graph import Int32s, Ints, Mask, NetworkGraph, build_graph
from cim.analysis.network.isolate import Isolation, Segment, Valves, feeding, isolate

_NONE = np.empty(0, np.int32)


@dataclass(frozen=True)
class _Rows:
    first: Ints
    members: Int32s

    def of(self, row: int) -> Int32s:
        return self.members[self.first[row] : self.first[row + 1]]


class SupplyIndex:
    """Answers isolation queries on one state of a network.

    Parameters
    ----------
    graph
        The network.
    valves
        Its valves.
    sources
        Nodes that feed it.
    """

    def __init__(self, graph: NetworkGraph, valves: Valves, sources: Int32s) -> None:
        self.graph, self.valves, self.sources = graph, valves, np.asarray(sources, np.int32)
        self._node_barrier, self._edge_barrier = valves.node_barrier, valves.edge_barrier
        self.n_segments, self.node_segment = components(graph, cut_edges=self._edge_barrier, cut_nodes=self._node_barrier)
        self.edge_segment = self._segment_of_edges()
        self._build_condensed()
        self._walk()
        self.fed_before = feeding(graph, valves, self.sources) if len(self.sources) else np.ones(graph.n_nodes, np.bool_)

    def _segment_of_edges(self) -> Int32s:
        """Return the segment of each edge; an edge between two valve nodes is a segment of its own, a valve edge has -1."""
        graph = self.graph
        label = np.where(self.node_segment[graph.start] >= 0, self.node_segment[graph.start], self.node_segment[graph.end])
        alone = (label < 0) & ~self._edge_barrier
        label[alone] = self.n_segments + np.arange(int(alone.sum()), dtype=np.int32)
        self.n_segments += int(alone.sum())
        # A valve edge whose two ends are in one segment cuts nothing off: it is part of it.
        inner = (self.node_segment[graph.start] >= 0) & (self.node_segment[graph.start] == self.node_segment[graph.end])
        self.edge_cuts = self._edge_barrier & ~inner
        label[self.edge_cuts] = -1
        return label.astype(np.int32)

    def _build_condensed(self) -> None:
        """Number segments, then barrier nodes, then the root that stands behind all sources; link them by barriers."""
        graph = self.graph
        self._barrier_nodes = np.flatnonzero(self._node_barrier).astype(np.int32)
        place = np.full(graph.n_nodes, -1, np.int64)
        place[self._barrier_nodes] = self.n_segments + np.arange(len(self._barrier_nodes))
        vertex = np.where(self.node_segment >= 0, self.node_segment, place)
        ends = [(vertex[graph.start[self.edge_cuts]], vertex[graph.end[self.edge_cuts]])]
        plain = np.flatnonzero(~self.edge_cuts)
        for side in (graph.start, graph.end):
            at_valve = plain[self._node_barrier[side[plain]]]
            ends.append((place[side[at_valve]], self.edge_segment[at_valve].astype(np.int64)))
        self.root = self.n_segments + len(self._barrier_nodes)
        a = np.concatenate([*(pair[0] for pair in ends), np.full(len(self.sources), self.root)])
        b = np.concatenate([*(pair[1] for pair in ends), vertex[self.sources]])
        carrier = np.full(len(a), -1, np.int64)
        carrier[: int(self.edge_cuts.sum())] = np.flatnonzero(self.edge_cuts)
        self._carrier = carrier
        self.condensed = build_graph(self.root + 1, a, b)
        shut_node = np.zeros(self.root + 1, np.bool_)
        shut_node[place[self._barrier_nodes[self.valves.node_closed[self._barrier_nodes]]]] = True
        shut = shut_node[a] | shut_node[b]
        has = carrier >= 0
        shut[has] |= self.valves.edge_closed[carrier[has]]
        self._shut = shut
        self._nodes_of = _Rows(*group_rows(self.node_segment, self.n_segments))
        self._edges_of = _Rows(*group_rows(self.edge_segment, self.n_segments))

    def _walk(self) -> None:
        size = self.root + 1
        self._entry, self._low = np.full(size, -1, np.int32), np.full(size, -1, np.int32)
        self._parent, self._size = np.full(size, -1, np.int32), np.zeros(size, np.int32)
        self._order = np.empty(size, np.int32)
        g = self.condensed
        root = np.array([self.root], np.int32)
        depth_first(g.start, g.end, g.first, g.half, self._shut, root, self._entry, self._low, self._parent, self._size, self._order)

    def _neighbours(self, vertex: int) -> tuple[Int32s, Int32s]:
        """Return neighbours of a vertex of the condensed graph and the condensed edges to them, the root left out."""
        g = self.condensed
        half = g.half[g.first[vertex] : g.first[vertex + 1]]
        edge = np.where(half >= 0, half, ~half)
        other = np.where(half >= 0, g.end[edge], g.start[edge])
        keep = other != self.root
        return other[keep], edge[keep]

    def _n_neighbours(self, vertex: int) -> int:
        g = self.condensed
        half = g.half[g.first[vertex] : g.first[vertex + 1]]
        return len(np.unique(np.where(half >= 0, g.end[np.where(half >= 0, half, 0)], g.start[np.where(half >= 0, 0, ~half)])))

    def _children_lost(self, vertex: int, others: Int32s) -> tuple[Int32s, Mask]:
        """Return the children whose subtree sees a source only through the vertex, and whether each neighbour is still fed without it."""
        entry = self._entry
        child = np.unique(others[(self._parent[others] >= 0) & self._is_child(vertex, others)])
        lost = child[self._low[child] >= entry[vertex]]
        fed = entry[others] >= 0
        if entry[vertex] >= 0:
            for c in lost:
                fed &= ~((entry[others] >= entry[c]) & (entry[others] < entry[c] + self._size[c]))
        return lost, fed

    def _is_child(self, vertex: int, others: Int32s) -> Mask:
        g = self.condensed
        edge = self._parent[others]
        above = np.where(g.end[edge] == others, g.start[edge], g.end[edge])
        return np.asarray(above == vertex)

    def isolate(self, *, edge: int | None = None, node: int | None = None) -> Isolation:
        """Cut a burst off; same answer as `cim.analysis.network.isolate.isolate`.

        Parameters
        ----------
        edge, node
            The burst: one of the two.

        Raises
        ------
        ValueError
            Both or neither given.
        """
        if (edge is None) == (node is None):
            raise ValueError("expected an edge or a node, found both or neither")
        label = int(self.edge_segment[edge]) if edge is not None else int(self.node_segment[node])
        if label < 0 or not len(self.sources):
            return isolate(self.graph, self.valves, self.sources, edge=edge, node=node, fed_before=self.fed_before)
        others, via = self._neighbours(label)
        on_node = (others >= self.n_segments) & (self._carrier[via] < 0)
        valve_nodes = np.unique(self._barrier_nodes[others[on_node] - self.n_segments])
        if any(self._n_neighbours(int(v)) > 2 for v in np.unique(others[on_node])):
            # A valve where three parts (or two and a source) meet also parts the others from each other.
            return isolate(self.graph, self.valves, self.sources, edge=edge, node=node, fed_before=self.fed_before)
        valve_edges = self._carrier[via[~on_node]].astype(np.int32)
        found = Segment(self._nodes_of.of(label), self._edges_of.of(label), valve_nodes.astype(np.int32), np.sort(valve_edges))
        return self._answer(found, label, others, via, on_node)

    def _answer(self, found: Segment, label: int, others: Int32s, via: Int32s, on_node: Mask) -> Isolation:
        valves = self.valves
        lost, fed = self._children_lost(label, others)
        node_fed = np.unique(self._barrier_nodes[others[on_node & fed] - self.n_segments])
        beyond = others.astype(np.int64) - self.n_segments
        past = np.zeros(len(others), np.bool_)
        past[beyond >= 0] = np.isin(self._barrier_nodes[beyond[beyond >= 0]], found.valve_nodes)
        edge_fed = self._carrier[via[~on_node & fed & ~past]]
        open_nodes = found.valve_nodes[~valves.node_closed[found.valve_nodes]]
        open_edges = found.valve_edges[~valves.edge_closed[found.valve_edges]]
        close_nodes, close_edges = np.isin(open_nodes, node_fed), np.isin(open_edges, edge_fed)
        dead_nodes, dead_edges = self._dead(lost, found)
        return Isolation(
            found, open_nodes[close_nodes], open_edges[close_edges],
            found.valve_nodes[valves.node_closed[found.valve_nodes]], found.valve_edges[valves.edge_closed[found.valve_edges]],
            found.nodes[valves.node_valve[found.nodes] & valves.node_unusable[found.nodes]],
            found.edges[valves.edge_valve[found.edges] & valves.edge_unusable[found.edges]],
            open_nodes[~close_nodes], open_edges[~close_edges], dead_nodes, dead_edges,
            bool(np.isin(self.sources, found.nodes).any()),
        )  # fmt: skip

    def _dead(self, lost: Int32s, found: Segment) -> tuple[Int32s, Int32s]:
        if not len(lost):
            return _NONE, _NONE
        vertices = np.concatenate([self._order[self._entry[c] : self._entry[c] + self._size[c]] for c in lost])
        segments, barriers = vertices[vertices < self.n_segments], vertices[vertices >= self.n_segments]
        nodes = [self._nodes_of.of(int(s)) for s in segments] + [self._barrier_nodes[barriers - self.n_segments]]
        edges = [self._edges_of.of(int(s)) for s in segments]
        dead = np.setdiff1d(np.concatenate(nodes), found.valve_nodes)
        every = np.sort(np.concatenate([*edges, _NONE])).astype(np.int32)
        every = every[~self._edge_barrier[every]]
        return dead.astype(np.int32), every

    def segment_figures(self) -> dict[str, int]:
        """Return how well valves divide the network: segments, largest segment [edges], valves, valves to close for it."""
        counts = np.bincount(self.edge_segment[self.edge_segment >= 0], minlength=self.n_segments)
        largest = int(np.argmax(counts)) if len(counts) else 0
        to_close = self.isolate(edge=int(self._edges_of.of(largest)[0])).n_valves if len(counts) and counts[largest] else 0
        return {
            "segments": int((counts > 0).sum()),
            "largest_segment_edges": int(counts[largest]) if len(counts) else 0,
            "valves": int(self.valves.node_valve.sum() + self.valves.edge_valve.sum()),
            "valves_to_close_largest": to_close,
        }
