"""Shortest paths and service areas: Dijkstra's algorithm with a binary heap."""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from cim.analysis.network.graph import Floats, Int32s, NetworkGraph, Signs


@numba.njit(cache=True, nogil=True)
def _dijkstra(start, end, first, half, flow, weight, seeds, target, limit, best, via):  # type: ignore[no-untyped-def]  # compiled: types come from the caller
    """Fill ``best`` with distances and ``via`` with the edge each node was reached by; stop at ``target`` (-1 = never) or ``limit``."""
    capacity = half.shape[0] + seeds.shape[0] + 1
    heap_d, heap_v = np.empty(capacity, np.float64), np.empty(capacity, np.int32)
    size = 0
    for i in range(seeds.shape[0]):
        if best[seeds[i]] > 0:
            best[seeds[i]] = 0.0
            # Equal keys in any order form a heap.
            heap_d[size], heap_v[size] = 0.0, seeds[i]
            size += 1
    while size:
        d, node = heap_d[0], heap_v[0]
        size -= 1
        last_d, last_v, at = heap_d[size], heap_v[size], 0
        while 2 * at + 1 < size:
            child = 2 * at + 1
            if child + 1 < size and heap_d[child + 1] < heap_d[child]:
                child += 1
            if heap_d[child] >= last_d:
                break
            heap_d[at], heap_v[at] = heap_d[child], heap_v[child]
            at = child
        heap_d[at], heap_v[at] = last_d, last_v
        if d > best[node]:
            continue
        if node == target or d > limit:
            break
        for k in range(first[node], first[node + 1]):
            e, forward = half[k], True
            if e < 0:
                e, forward = ~e, False
            if (flow[e] == 1 and not forward) or (flow[e] == -1 and forward):
                continue
            other = end[e] if forward else start[e]
            way = d + weight[e]
            if way < best[other] and way <= limit:
                best[other], via[other] = way, e
                at = size
                size += 1
                while at and heap_d[(at - 1) // 2] > way:
                    heap_d[at], heap_v[at] = heap_d[(at - 1) // 2], heap_v[(at - 1) // 2]
                    at = (at - 1) // 2
                heap_d[at], heap_v[at] = way, other


def _search(
    graph: NetworkGraph, seeds: NDArray[np.integer], weights: Floats, flow: Signs | None, target: int, limit: float
) -> tuple[Floats, Int32s]:
    if weights.shape[0] and not (np.isfinite(weights).all() and weights.min() >= 0):
        raise ValueError("found a weight that is negative or no number, expected lengths of 0 or more")
    best, via = np.full(graph.n_nodes, np.inf), np.full(graph.n_nodes, -1, np.int32)
    signs = np.broadcast_to(np.int8(0), graph.n_edges) if flow is None else flow
    _dijkstra(
        graph.start, graph.end, graph.first, graph.half, signs, np.asarray(weights, np.float64), np.asarray(seeds, np.int32),
        target, limit, best, via,
    )  # fmt: skip
    return best, via


def distances(graph: NetworkGraph, seeds: NDArray[np.integer], weights: Floats, *, flow: Signs | None = None) -> Floats:
    """Return the distance of every node from the nearest seed.

    Parameters
    ----------
    graph
        The network.
    seeds
        Nodes to start from.
    weights
        Length of each edge [m], 0 or more, shape (m,).
    flow
        Directions that must be kept (1, -1, 0 = both ways), None = all both ways.

    Returns
    -------
    ndarray
        Shape (n,) [m]; infinite where no seed is reached.

    Raises
    ------
    ValueError
        A weight is negative or no number.
    """
    return _search(graph, seeds, weights, flow, -1, np.inf)[0]


def reach(graph: NetworkGraph, seeds: NDArray[np.integer], weights: Floats, *, flow: Signs | None = None) -> tuple[Floats, Int32s]:
    """Return the distances of `distances`, and the edge each node was reached by, shape (n,), -1 at seeds and where none is reached.

    Raises
    ------
    ValueError
        A weight is negative or no number.
    """
    return _search(graph, seeds, weights, flow, -1, np.inf)


@dataclass(frozen=True)
class Path:
    """A way through the network.

    Parameters
    ----------
    nodes
        From start to end, shape (k + 1,).
    edges
        Between them, shape (k,).
    length_m
        Sum of the weights [m].
    """

    nodes: Int32s
    edges: Int32s
    length_m: float


def shortest_path(graph: NetworkGraph, source: int, target: int, weights: Floats, *, flow: Signs | None = None) -> Path | None:
    """Return the shortest path between two nodes, None where there is none.

    Parameters
    ----------
    graph, weights, flow
        As for `distances`.
    source, target
        Nodes.

    Raises
    ------
    ValueError
        A weight is negative or no number.
    """
    best, via = _search(graph, np.array([source]), weights, flow, target, np.inf)
    if not np.isfinite(best[target]):
        return None
    nodes, edges, node = [target], [], target
    while node != source:
        e = int(via[node])
        edges.append(e)
        node = int(graph.start[e] if graph.end[e] == node else graph.end[e])
        nodes.append(node)
    return Path(np.array(nodes[::-1], np.int32), np.array(edges[::-1], np.int32), float(best[target]))


@dataclass(frozen=True)
class ServiceArea:
    """What lies within a distance.

    Parameters
    ----------
    nodes
        Nodes within the limit.
    edges
        Edges with at least one such end.
    reach_m
        Distance of each of ``nodes`` [m].
    """

    nodes: Int32s
    edges: Int32s
    reach_m: Floats


def service_area(graph: NetworkGraph, seeds: NDArray[np.integer], weights: Floats, limit_m: float) -> ServiceArea:
    """Return what lies within a distance of some nodes along the network.

    Parameters
    ----------
    graph, seeds, weights
        As for `distances`.
    limit_m
        Longest way [m].

    Raises
    ------
    ValueError
        A weight is negative or no number.
    """
    best, _ = _search(graph, seeds, weights, None, -1, limit_m)
    inside = best <= limit_m
    nodes = np.flatnonzero(inside).astype(np.int32)
    edges = np.flatnonzero(inside[graph.start] | inside[graph.end]).astype(np.int32)
    return ServiceArea(nodes, edges, best[nodes])
