"""The graph of one network: edges between numbered nodes, and the adjacency of both directions in compressed rows (CSR)."""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

Int32s = NDArray[np.int32]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Signs = NDArray[np.int8]


@numba.njit(cache=True, nogil=True)
def _adjacency(n, start, end):  # type: ignore[no-untyped-def]  # compiled: types come from the caller
    first = np.zeros(n + 1, np.int64)
    for e in range(start.shape[0]):
        first[start[e] + 1] += 1
        first[end[e] + 1] += 1
    for i in range(n):
        first[i + 1] += first[i]
    at = first[:-1].copy()
    half = np.empty(2 * start.shape[0], np.int32)
    for e in range(start.shape[0]):
        half[at[start[e]]] = e
        at[start[e]] += 1
        half[at[end[e]]] = ~e
        at[end[e]] += 1
    return first, half


@dataclass(frozen=True)
class NetworkGraph:
    """Nodes 0 … n - 1 and the edges between them.

    Parameters
    ----------
    n_nodes
        Number of nodes.
    start, end
        Node at the start and at the end of each edge, shape (m,), int32.
    first
        Row pointer: the entries of node ``i`` are ``half[first[i]:first[i + 1]]``, shape (n + 1,).
    half
        Edges at each node: ``e`` where the edge starts here, ``~e`` (negative) where it ends here, shape (2 m,).
    """

    n_nodes: int
    start: Int32s
    end: Int32s
    first: Ints
    half: Int32s

    @property
    def n_edges(self) -> int:
        """Number of edges."""
        return int(self.start.shape[0])

    @property
    def n_bytes(self) -> int:
        """Memory of the arrays [byte]."""
        return int(self.start.nbytes + self.end.nbytes + self.first.nbytes + self.half.nbytes)

    def degree(self) -> Ints:
        """Return the number of edge ends at each node, shape (n,)."""
        return np.diff(self.first)


def build_graph(n_nodes: int, start: NDArray[np.integer], end: NDArray[np.integer]) -> NetworkGraph:
    """Build a graph.

    Parameters
    ----------
    n_nodes
        Number of nodes.
    start, end
        Node numbers of each edge, shape (m,), 0 … n_nodes - 1.

    Raises
    ------
    ValueError
        A node number is out of range, or the arrays differ in length.

    Examples
    --------
    >>> graph = build_graph(3, np.array([0, 1]), np.array([1, 2]))
    >>> graph.degree().tolist()
    [1, 2, 1]
    """
    if start.shape != end.shape:
        raise ValueError(f"found {start.shape[0]} starts and {end.shape[0]} ends, expected as many")
    for ends in (start, end):
        if ends.shape[0] and (ends.min() < 0 or ends.max() >= n_nodes):
            raise ValueError(f"node numbers reach from {ends.min()} to {ends.max()}, expected 0 to {n_nodes - 1}")
    s, e = np.ascontiguousarray(start, np.int32), np.ascontiguousarray(end, np.int32)
    first, half = _adjacency(n_nodes, s, e)
    return NetworkGraph(n_nodes, s, e, first, half)


class Workspace:
    """Scratch arrays of the traces on one graph, so that a small answer costs no pass over the whole network.

    A mark is a number that grows with every trace; what an earlier trace marked does not count. Not for use by two threads at a time.

    Parameters
    ----------
    graph
        The graph it serves.
    """

    def __init__(self, graph: NetworkGraph) -> None:
        self.node_mark = np.zeros(graph.n_nodes, np.int32)
        self.edge_mark = np.zeros(graph.n_edges, np.int32)
        self.queue = np.empty(graph.n_nodes, np.int32)
        self.edges = np.empty(graph.n_edges, np.int32)
        self.border = np.empty(graph.n_nodes + graph.n_edges, np.int32)
        self._mark = 0

    def next_mark(self) -> int:
        """Return a mark that no earlier trace has used."""
        self._mark += 1
        return self._mark
