"""Where pollution found at some sample points may come from."""

from dataclasses import dataclass

import numpy as np

from cim.analysis.network.graph import Floats, Int32s, Ints, NetworkGraph, Signs, Workspace
from cim.analysis.network.paths import distances
from cim.analysis.network.trace import trace


@dataclass(frozen=True)
class Candidates:
    """Nodes where it may have entered, the most likely first.

    Parameters
    ----------
    nodes
        Positions: most samples explained, then the shortest way to one of them.
    explained
        Number of polluted samples downstream of each.
    way_m
        Shortest way along the flow to a polluted sample [m].
    """

    nodes: Int32s
    explained: Ints
    way_m: Floats


def candidates(graph: NetworkGraph, flow: Signs, polluted: Int32s, clean: Int32s, lengths_m: Floats) -> Candidates:
    """Return what lies upstream of polluted samples and of no clean one.

    Parameters
    ----------
    graph
        The network.
    flow
        1 start to end, -1 end to start, 0 either, shape (m,).
    polluted, clean
        Sample points.
    lengths_m
        Length of each edge [m], shape (m,).

    Notes
    -----
    A point upstream of a clean sample is ruled out, which assumes that pollution entering there would have been seen. Where one entry
    cannot explain every polluted sample, the points that explain fewer stay in the list: there may be several entries.
    """
    space = Workspace(graph)
    explained = np.zeros(graph.n_nodes, np.int64)
    for sample in polluted:
        explained[trace(graph, np.array([sample]), "upstream", flow=flow, space=space).nodes] += 1
    if len(clean):
        explained[trace(graph, clean, "upstream", flow=flow, space=space).nodes] = 0
    way = distances(graph, polluted, lengths_m, flow=np.negative(flow).astype(np.int8))
    nodes = np.flatnonzero(explained)
    nodes = nodes[np.lexsort((nodes, way[nodes], -explained[nodes]))].astype(np.int32)
    return Candidates(nodes, explained[nodes], way[nodes])
