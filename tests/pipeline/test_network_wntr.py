"""Segments and isolation against the valve segmentation of WNTR on published networks; upstream and downstream agree."""

import numpy as np
import pytest

from cim.analysis.network.components import components
from cim.analysis.network.graph import Workspace, build_graph
from cim.analysis.network.isolate import Valves, isolate, reaches
from cim.analysis.network.supply import SupplyIndex
from cim.analysis.network.trace import orient, trace
from ingest.network.inp import read_inp

wntr = pytest.importorskip("wntr", reason="WNTR is not installed")
FILES = ("Net3.inp", "ky4.inp", "L-TOWN.inp", "ky8.inp")


def links_of(path):
    """Names and ends of the links as our reader gives them."""
    file = read_inp(path)
    rows = [row.cells[:3] for section in ("PIPES", "PUMPS", "VALVES") for row in file.rows(section, 3)]
    names = sorted({end for _, *ends in rows for end in ends})
    at = {name: i for i, name in enumerate(names)}
    return names, [row[0] for row in rows], np.array([[at[a], at[b]] for _, a, b in rows])


def with_valves(names, ends, valves):
    """Put a node that is a valve into each link beside a node: WNTR keeps valves as (link, node) without a place of their own."""
    start, end, n = ends[:, 0].copy(), ends[:, 1].copy(), len(names)
    stubs = []
    for link, node in valves:
        (start if start[link] == node else end)[link] = n
        stubs.append((node, n))
        n += 1
    extra = np.array(stubs).reshape(-1, 2)
    graph = build_graph(n, np.concatenate([start, extra[:, 0]]), np.concatenate([end, extra[:, 1]]))
    is_valve = np.arange(n) >= len(names)
    none = np.zeros(graph.n_edges, bool)
    off = np.zeros(n, bool)
    return graph, Valves(is_valve, none, off, none, off, none)


def partition(labels):
    """Return the classes of a labelling as a set of sets of keys."""
    found = {}
    for key, label in labels.items():
        found.setdefault(int(label), set()).add(key)
    return {frozenset(one) for one in found.values()}


@pytest.fixture(scope="module", params=FILES)
def layered(request, real_data):
    path = real_data / "networks/water" / request.param
    model = wntr.network.WaterNetworkModel(str(path))
    layer = wntr.network.generate_valve_layer(model, "random", max(20, model.num_links // 3), seed=5).drop_duplicates()
    node_segment, link_segment, _ = wntr.metrics.topographic.valve_segments(model.to_graph(), layer)
    names, links, ends = links_of(path)
    at_node, at_link = ({name: i for i, name in enumerate(found)} for found in (names, links))
    valves = [(at_link[link], at_node[node]) for link, node in zip(layer["link"], layer["node"], strict=True)]
    graph, kept = with_valves(names, ends, valves)
    return names, links, graph, kept, node_segment, link_segment


def test_segments_are_those_of_wntr(layered):
    names, links, graph, valves, node_segment, link_segment = layered
    assert (set(names), set(links)) == (set(node_segment.index), set(link_segment.index))
    index = SupplyIndex(graph, valves, np.empty(0, np.int32))
    ours = {("node", name): index.node_segment[i] for i, name in enumerate(names)}
    ours |= {("link", name): index.edge_segment[i] for i, name in enumerate(links)}
    theirs = {("node", name): label for name, label in node_segment.items()} | {
        ("link", name): label for name, label in link_segment.items()
    }
    # A stub between a node and its valve belongs to the node's segment; a link between two valves is a segment of its own in both.
    assert partition(ours) == partition(theirs)
    figures = index.segment_figures()
    assert figures["valves"] == int(valves.node_valve.sum())


def test_the_isolation_of_a_burst_is_its_segment(layered):
    names, links, graph, valves, _, link_segment = layered
    members = {}
    for name, label in link_segment.items():
        members.setdefault(label, set()).add(name)
    space = Workspace(graph)
    for at in np.random.default_rng(11).choice(len(links), 40, replace=False):
        found = isolate(graph, valves, np.empty(0, np.int32), edge=int(at), space=space)
        dry = {links[i] for i in found.segment.edges if i < len(links)}
        assert dry == members[link_segment[links[at]]]
        # With two sources elsewhere: closing the valves keeps both out, and leaving any one open lets water in.
        others = np.setdiff1d(np.arange(len(names)), found.segment.nodes)
        if len(others) < 2 or not len(found.segment.nodes):
            continue
        sources = np.random.default_rng(at).choice(others, 2, replace=False).astype(np.int32)
        fed = isolate(graph, valves, sources, edge=int(at), space=space)
        no_edge = np.zeros(graph.n_edges, bool)
        for left_open in [None, *fed.close_nodes]:
            shut = np.zeros(graph.n_nodes, bool)
            shut[fed.close_nodes] = True
            if left_open is not None:
                shut[left_open] = False
            assert reaches(graph, sources, fed.segment.nodes, blocked_nodes=shut, blocked_edges=no_edge) == (left_open is not None)


def test_downstream_of_upstream_holds_the_start_and_counts_add_up(layered):
    names, _, graph, *_ = layered
    rng = np.random.default_rng(3)
    roots = rng.choice(len(names), 2, replace=False).astype(np.int32)
    flow = orient(graph, np.zeros(graph.n_edges, np.int8), roots, to_roots=False)
    count, label = components(graph)
    assert np.bincount(label, minlength=count).sum() == graph.n_nodes
    for node in rng.choice(len(names), 25, replace=False):
        above = trace(graph, np.array([node]), "upstream", flow=flow).nodes
        for one in rng.choice(above, min(5, len(above)), replace=False):
            assert node in trace(graph, np.array([one]), "downstream", flow=flow).nodes
        below = trace(graph, np.array([node]), "downstream", flow=flow).nodes
        for one in rng.choice(below, min(5, len(below)), replace=False):
            assert node in trace(graph, np.array([one]), "upstream", flow=flow).nodes
