"""The segment–valve graph of a network (Walski, 1993) with what feeds each segment: isolation in the time of its answer.

Segments are the parts between valves. A breadth-first tree from the sources covers what is fed. When parts run dry, everything whose way
down the tree passes none of them is fed still; only what hangs below them is searched.
"""

from dataclasses import dataclass

import numba
import numpy as np

from cim.analysis.network.components import components, group_rows
from cim.analysis.network.graph import Int32s, Ints, Mask, NetworkGraph, build_graph
from cim.analysis.network.isolate import Isolation, Segment, Valves

_NONE = np.empty(0, np.int32)
_FED, _DEAD, _DRY = 1, 2, 3


@dataclass(frozen=True)
class _Rows:
    first: Ints
    members: Int32s

    def of(self, row: int) -> Int32s:
        return self.members[self.first[row] : self.first[row + 1]]

    def all_of(self, rows: Int32s) -> Int32s:
        return np.concatenate([*(self.of(int(row)) for row in rows), _NONE])


@numba.njit(cache=True, nogil=True)
def _tree(start, end, first, half, shut, root, entry, size):  # type: ignore[no-untyped-def]  # compiled: types come from the caller
    """Number a breadth-first tree so that the subtree of ``v`` is ``entry[v] … entry[v] + size[v] - 1``; -1 where the root is not seen."""
    n = entry.shape[0]
    parent, queue = np.full(n, -1, np.int32), np.empty(n, np.int32)
    size[root], queue[0] = 1, root
    head, tail = 0, 1
    while head < tail:
        v = queue[head]
        head += 1
        for k in range(first[v], first[v + 1]):
            e = half[k]
            other = end[e] if e >= 0 else start[~e]
            if shut[e if e >= 0 else ~e] or size[other] > 0:
                continue
            size[other], parent[other] = 1, v
            queue[tail] = other
            tail += 1
    for i in range(tail - 1, 0, -1):
        size[parent[queue[i]]] += size[queue[i]]
    following = np.zeros(n, np.int32)
    entry[root], following[root] = 0, 1
    for i in range(1, tail):
        v = queue[i]
        entry[v] = following[parent[v]]
        following[parent[v]] += size[v]
        following[v] = entry[v] + 1


@numba.njit(cache=True, nogil=True)
def _without(start, end, first, half, shut, entry, size, dry, mark, state, now, queue):  # type: ignore[no-untyped-def]  # compiled: types come from the caller
    """Set the state of everything around the dry vertices; return how many vertices lose every source (in ``queue``)."""
    for i in range(dry.shape[0]):
        mark[dry[i]], state[dry[i]] = now, _DRY
    n_dead = 0
    for i in range(dry.shape[0]):
        for k in range(first[dry[i]], first[dry[i] + 1]):
            e = half[k]
            seed = end[e] if e >= 0 else start[~e]
            if shut[e if e >= 0 else ~e] or mark[seed] == now:
                continue
            head = tail = n_dead
            queue[tail] = seed
            mark[seed], state[seed] = now, _DEAD
            tail += 1
            is_fed = False
            while head < tail and not is_fed:
                v = queue[head]
                head += 1
                is_fed = entry[v] >= 0
                for j in range(dry.shape[0]):
                    r = dry[j]
                    if entry[r] >= 0 and entry[r] <= entry[v] < entry[r] + size[r]:
                        is_fed = False
                        break
                if is_fed:
                    break
                for m in range(first[v], first[v + 1]):
                    f = half[m]
                    other = end[f] if f >= 0 else start[~f]
                    if shut[f if f >= 0 else ~f]:
                        continue
                    if mark[other] == now:
                        if state[other] == _FED:
                            is_fed = True
                            break
                        continue
                    mark[other], state[other] = now, _DEAD
                    queue[tail] = other
                    tail += 1
            if is_fed:
                for j in range(n_dead, tail):
                    state[queue[j]] = _FED
            else:
                n_dead = tail
    return n_dead


class SupplyIndex:
    """Answers isolation queries on one state of a network. Not for use by two threads at a time.

    Parameters
    ----------
    graph
        The network.
    valves
        Its valves.
    sources
        Nodes that feed it. Empty = every open bounding valve is to be closed.
    """

    def __init__(self, graph: NetworkGraph, valves: Valves, sources: Int32s) -> None:
        self.graph, self.valves, self.sources = graph, valves, np.asarray(sources, np.int32)
        self._node_barrier, self._edge_barrier = valves.node_barrier, valves.edge_barrier
        self.n_segments, self.node_segment = components(graph, cut_edges=self._edge_barrier, cut_nodes=self._node_barrier)
        self.edge_segment = self._segment_of_edges()
        self._build_condensed()
        n = self.root + 1
        self._entry, self._size = np.full(n, -1, np.int32), np.zeros(n, np.int32)
        g = self.condensed
        _tree(g.start, g.end, g.first, g.half, self._shut, self.root, self._entry, self._size)
        self._mark, self._state, self._queue = np.zeros(n, np.int32), np.zeros(n, np.int8), np.empty(n, np.int32)
        self._now = 0
        self._is_source = np.zeros(graph.n_nodes, np.bool_)
        self._is_source[self.sources] = True

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
        self._vertex = vertex.astype(np.int32)
        ends = [(vertex[graph.start[self.edge_cuts]], vertex[graph.end[self.edge_cuts]])]
        plain = np.flatnonzero(~self.edge_cuts)
        for side in (graph.start, graph.end):
            at_valve = plain[self._node_barrier[side[plain]]]
            ends.append((place[side[at_valve]], self.edge_segment[at_valve].astype(np.int64)))
        self.root = self.n_segments + len(self._barrier_nodes)
        a = np.concatenate([*(pair[0] for pair in ends), np.full(len(self.sources), self.root)])
        b = np.concatenate([*(pair[1] for pair in ends), vertex[self.sources]])
        carrier = np.full(len(a), -1, np.int32)
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

    def _around(self, vertices: Int32s) -> tuple[Int32s, Int32s]:
        """Return neighbours of vertices of the condensed graph and the condensed edges to them, the root left out."""
        g = self.condensed
        half = np.concatenate([g.half[g.first[v] : g.first[v + 1]] for v in vertices]) if len(vertices) else _NONE
        edge = np.where(half >= 0, half, ~half)
        other = np.where(half >= 0, g.end[edge], g.start[edge])
        keep = other != self.root
        return other[keep], edge[keep]

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
        labels, burst_node, burst_edge = self._burst(edge, node)
        others, via = self._around(labels)
        carrier = self._carrier[via]
        inner = np.isin(others, labels)
        at_node = (others >= self.n_segments) & (carrier < 0)
        valve_vertices = np.unique(others[at_node])
        valve_edges = np.unique(carrier[~at_node & ~inner])
        within = [carrier[inner]]
        if burst_node is not None:
            _, more = self._around(np.array([burst_node]))
            valve_edges = np.setdiff1d(np.union1d(valve_edges, self._carrier[more]), [-1])
            valve_vertices = valve_vertices[valve_vertices != burst_node]
        if burst_edge is not None:
            ends = self._vertex[[self.graph.start[burst_edge], self.graph.end[burst_edge]]]
            valve_vertices = np.union1d(valve_vertices, ends[ends >= self.n_segments])
            valve_edges, within = valve_edges[valve_edges != burst_edge], [*within, np.array([burst_edge], np.int32)]
        nodes = [self._nodes_of.all_of(labels), *([] if burst_node is None else [self._node_of(np.array([burst_node]))])]
        edges = np.concatenate([self._edges_of.all_of(labels), np.unique(np.concatenate(within))]).astype(np.int32)
        found = Segment(np.concatenate(nodes), edges, self._node_of(valve_vertices), valve_edges.astype(np.int32))
        gone = labels if burst_node is None else np.append(labels, np.int32(burst_node))
        return self._answer(found, gone.astype(np.int32), valve_vertices.astype(np.int32))

    def _burst(self, edge: int | None, node: int | None) -> tuple[Int32s, int | None, int | None]:
        """Return the segments of a burst, and the valve that is itself in the burst: vertex of a node, or edge."""
        if edge is not None and self.edge_segment[edge] >= 0:
            return self.edge_segment[[edge]], None, None
        if edge is not None:
            ends = np.unique(self._vertex[[self.graph.start[edge], self.graph.end[edge]]])
            return ends[ends < self.n_segments], None, edge
        vertex = int(self._vertex[node])
        if vertex < self.n_segments:
            return np.array([vertex], np.int32), None, None
        others, via = self._around(np.array([vertex]))
        return np.unique(others[self._carrier[via] < 0]), vertex, None

    def _node_of(self, vertices: Int32s) -> Int32s:
        return self._barrier_nodes[np.asarray(vertices, np.int64) - self.n_segments]

    def _answer(self, found: Segment, gone: Int32s, valve_vertices: Int32s) -> Isolation:
        valves, g = self.valves, self.condensed
        self._now += 1
        dry = np.concatenate([gone, valve_vertices])
        n_dead = _without(
            g.start, g.end, g.first, g.half, self._shut, self._entry, self._size, dry, self._mark, self._state, self._now, self._queue
        )  # fmt: skip
        open_nodes = found.valve_nodes[~valves.node_closed[found.valve_nodes]]
        open_edges = found.valve_edges[~valves.edge_closed[found.valve_edges]]
        close_nodes, close_edges = np.ones(len(open_nodes), np.bool_), np.ones(len(open_edges), np.bool_)
        if len(self.sources):
            close_nodes = np.array([self._is_fed_beyond(int(v)) for v in self._vertex[open_nodes]], np.bool_)
            ends = self._vertex[np.stack([self.graph.start[open_edges], self.graph.end[open_edges]])]
            close_edges = np.asarray((self._is_fed(ends) & ~np.isin(ends, self._vertex[found.valve_nodes])).any(axis=0))
        dead_nodes, dead_edges = self._parts(self._queue[:n_dead])
        return Isolation(
            found, open_nodes[close_nodes], open_edges[close_edges],
            found.valve_nodes[valves.node_closed[found.valve_nodes]], found.valve_edges[valves.edge_closed[found.valve_edges]],
            found.nodes[valves.node_valve[found.nodes] & valves.node_unusable[found.nodes]],
            found.edges[valves.edge_valve[found.edges] & valves.edge_unusable[found.edges]],
            open_nodes[~close_nodes], open_edges[~close_edges], dead_nodes, dead_edges, bool(self._is_source[found.nodes].any()),
        )  # fmt: skip

    def _is_fed(self, vertices: Int32s) -> Mask:
        touched = self._mark[vertices] == self._now
        closed = np.zeros(vertices.shape, np.bool_)
        at_node = vertices >= self.n_segments
        closed[at_node] = self.valves.node_closed[self._node_of(vertices[at_node])]
        return np.where(touched, self._state[vertices] == _FED, self._entry[vertices] >= 0) & ~closed

    def _is_fed_beyond(self, vertex: int) -> bool:
        """Tell whether a source stands at a valve or is seen from its far side."""
        if self._is_source[self._node_of(np.array([vertex]))[0]]:
            return True
        g = self.condensed
        half = g.half[g.first[vertex] : g.first[vertex + 1]]
        edge = np.where(half >= 0, half, ~half)
        other = np.where(half >= 0, g.end[edge], g.start[edge])[~self._shut[edge]]
        return bool(self._is_fed(other).any())

    def _parts(self, vertices: Int32s) -> tuple[Int32s, Int32s]:
        vertices = vertices[self._entry[vertices] >= 0]
        if not len(vertices):
            return _NONE, _NONE
        segments, barriers = vertices[vertices < self.n_segments], vertices[vertices >= self.n_segments]
        edges = np.sort(self._edges_of.all_of(segments)).astype(np.int32)
        nodes = np.concatenate([self._nodes_of.all_of(segments), self._node_of(barriers)])
        return np.sort(nodes).astype(np.int32), edges[~self._edge_barrier[edges]]

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
