"""How well valves divide a network: segments between them, and junctions with fewer than they should have."""

from dataclasses import dataclass

import numba
import numpy as np

from cim.analysis.network.graph import Floats, Int32s, Ints, Mask, NetworkGraph
from cim.analysis.network.supply import SupplyIndex


@numba.njit(cache=True, nogil=True)
def _missing(start, end, first, half, valve_node, valve_edge, missing):  # type: ignore[no-untyped-def]  # compiled: types come from the caller
    """Walk from each junction along each pipe to the next one; count the directions without a valve on the way."""
    for node in range(missing.shape[0]):
        if first[node + 1] - first[node] < 3 or valve_node[node]:
            continue
        ways = held = 0
        for k in range(first[node], first[node + 1]):
            e = half[k]
            at = end[e] if e >= 0 else start[~e]
            e = e if e >= 0 else ~e
            has_valve = valve_edge[e]
            while not has_valve:
                has_valve = valve_node[at]
                if has_valve or at == node or first[at + 1] - first[at] != 2:
                    break
                one, other = half[first[at]], half[first[at] + 1]
                one = one if one >= 0 else ~one
                other = other if other >= 0 else ~other
                e = other if one == e else one
                at = start[e] if end[e] == at else end[e]
                has_valve = valve_edge[e]
            if has_valve:
                ways += 1
                held += 1
            elif first[at + 1] - first[at] != 1:
                ways += 1
        missing[node] = max(0, ways - 1 - held)


def missing_valves(graph: NetworkGraph, valve_nodes: Mask, valve_edges: Mask) -> Int32s:
    """Return how many valves each junction lacks under the rule of N - 1, shape (n,).

    Parameters
    ----------
    graph
        The network.
    valve_nodes, valve_edges
        Where valves stand, shape (n,) and (m,).

    Notes
    -----
    Where N pipes meet, N - 1 of them should have a valve before the next junction (Walski, 1993, Water distribution valve topology for
    reliability analysis). A pipe that ends without one is a service connection and does not count; a valve chamber at the junction itself
    holds all of them. One valve between two junctions counts for both, so the figure is a lower bound.
    """
    found = np.zeros(graph.n_nodes, np.int32)
    _missing(graph.start, graph.end, graph.first, graph.half, valve_nodes, valve_edges, found)
    return found


@dataclass(frozen=True)
class Segments:
    """The parts between valves, by number of the supply index.

    Parameters
    ----------
    edges, nodes, valves
        How many lines and points are inside, and how many valves bound it, shape (k,).
    length_m
        Sum of the lengths inside [m], shape (k,).
    """

    edges: Ints
    nodes: Ints
    valves: Ints
    length_m: Floats


def segments(index: SupplyIndex, lengths_m: Floats) -> Segments:
    """Return the size of every segment.

    Parameters
    ----------
    index
        Of the network.
    lengths_m
        Length of each edge [m], shape (m,).
    """
    graph, k = index.graph, index.n_segments
    inside = index.edge_segment >= 0
    edges = np.bincount(index.edge_segment[inside], minlength=k)
    length = np.bincount(index.edge_segment[inside], weights=lengths_m[inside], minlength=k).astype(np.float64)
    nodes = np.bincount(index.node_segment[index.node_segment >= 0], minlength=k)
    # A valve counts once for each segment it touches.
    at_node = index.valves.node_barrier
    pairs = [
        np.stack([side[at_node[side] & inside], index.edge_segment[at_node[side] & inside]], axis=1) for side in (graph.start, graph.end)
    ]
    by_node = np.unique(np.concatenate(pairs), axis=0)[:, 1]
    cut = np.flatnonzero(index.edge_cuts)
    ends = np.stack([index.node_segment[graph.start[cut]], index.node_segment[graph.end[cut]]], axis=1)
    by_edge = np.concatenate([ends[:, 0], ends[ends[:, 0] != ends[:, 1], 1]])
    valves = np.bincount(by_node, minlength=k) + np.bincount(by_edge[by_edge >= 0], minlength=k)
    return Segments(edges, nodes, valves, length)
