"""Zones, catchments, critical parts and pollution on random graphs against networkx."""

import networkx as nx
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cim.analysis.network.critical import losses
from cim.analysis.network.graph import build_graph
from cim.analysis.network.isolate import Valves, segment
from cim.analysis.network.pollution import candidates
from cim.analysis.network.supply import SupplyIndex
from cim.analysis.network.valves import missing_valves, segments
from cim.analysis.network.zones import catchments, on_main, zones_between
from tests.unit.cim.analysis.test_network import graphs, multigraph, networks

FEW = settings(max_examples=120, deadline=None)


def some(data, size, most=3):
    return np.array(data.draw(st.lists(st.integers(0, size - 1), max_size=most, unique=True)), np.int32)


def directed(graph, flow):
    g = nx.MultiDiGraph()
    g.add_nodes_from(range(graph.n_nodes))
    for i, (a, b) in enumerate(zip(graph.start.tolist(), graph.end.tolist(), strict=True)):
        if flow[i] >= 0:
            g.add_edge(a, b, i)
        if flow[i] <= 0:
            g.add_edge(b, a, i)
    return g


@FEW
@given(graphs(), st.data())
def test_zones_are_the_components_that_boundaries_leave(graph, data):
    nodes, edges = np.zeros(graph.n_nodes, bool), np.zeros(graph.n_edges, bool)
    nodes[some(data, graph.n_nodes)] = edges[some(data, graph.n_edges)] = True
    found = zones_between(graph, nodes, edges)
    g = multigraph(graph, ~edges)
    g.remove_nodes_from(np.flatnonzero(nodes).tolist())
    expected = {frozenset(part) for part in nx.connected_components(g)}
    assert {frozenset(np.flatnonzero(found.node_zone == zone).tolist()) for zone in range(found.n_zones)} == expected
    sizes = np.bincount(found.edge_zone[found.edge_zone >= 0], minlength=found.n_zones)
    assert (np.diff(sizes) <= 0).all()
    # Counts add up: an edge is a boundary, in one zone, or between two boundary nodes.
    between = nodes[graph.start] & nodes[graph.end] & ~edges
    assert sizes.sum() + edges.sum() + between.sum() == graph.n_edges


@FEW
@given(graphs(), st.data())
def test_a_catchment_is_what_reaches_its_outfall_first(graph, data):
    flow = np.array(data.draw(st.lists(st.sampled_from([-1, 0, 1]), min_size=graph.n_edges, max_size=graph.n_edges)), np.int8)
    lengths = np.array(data.draw(st.lists(st.sampled_from([0.0, 1.0, 2.5]), min_size=graph.n_edges, max_size=graph.n_edges)))
    sinks = some(data, graph.n_nodes)
    found = catchments(graph, flow, sinks, lengths)
    g = directed(graph, flow)
    for a, b, key in g.edges(keys=True):
        g.edges[a, b, key]["length"] = lengths[key]
    for node in range(graph.n_nodes):
        ways = {
            i: nx.shortest_path_length(g, node, int(sink), weight="length")
            for i, sink in enumerate(sinks)
            if nx.has_path(g, node, int(sink))
        }
        assert (found.node_sink[node] >= 0) == bool(ways)
        assert found.split[node] == (len(ways) > 1)
        if ways:
            assert found.way_m[node] == min(ways.values()) == ways[found.node_sink[node]]


@FEW
@given(graphs(), st.data())
def test_a_loss_is_what_no_root_reaches_any_more(graph, data):
    roots, shut_node, shut_edge = some(data, graph.n_nodes), np.zeros(graph.n_nodes, bool), np.zeros(graph.n_edges, bool)
    shut_node[some(data, graph.n_nodes, 2)] = shut_edge[some(data, graph.n_edges, 2)] = True
    weights = np.array(data.draw(st.lists(st.integers(0, 5), min_size=graph.n_nodes, max_size=graph.n_nodes)), float)
    found = losses(graph, roots, weights, cut_edges=shut_edge, cut_nodes=shut_node)

    def reached(*, edge=None, node=None):
        keep = ~shut_edge & ~shut_node[graph.start] & ~shut_node[graph.end]
        if edge is not None:
            keep[edge] = False
        g = multigraph(graph, keep)
        if node is not None:
            g.remove_node(node)
        fed = [int(root) for root in roots if not shut_node[root] and root in g]
        return set().union(*(nx.node_connected_component(g, root) for root in fed)) if fed else set()

    now = reached()
    assert set(np.flatnonzero(found.rooted).tolist()) == now
    for edge in range(graph.n_edges):
        assert found.by_edge[edge] == sum(weights[list(now - reached(edge=edge))])
    for node in range(graph.n_nodes):
        assert found.by_node[node] == sum(weights[list(now - reached(node=node) - {node})])


@FEW
@given(graphs(), st.data())
def test_pollution_comes_from_above_the_bad_samples_and_no_good_one(graph, data):
    flow = np.array(data.draw(st.lists(st.sampled_from([-1, 0, 1]), min_size=graph.n_edges, max_size=graph.n_edges)), np.int8)
    bad = np.array(data.draw(st.lists(st.integers(0, graph.n_nodes - 1), min_size=1, max_size=3, unique=True)), np.int32)
    good = np.setdiff1d(some(data, graph.n_nodes), bad).astype(np.int32)
    found = candidates(graph, flow, bad, good, np.ones(graph.n_edges))
    g = directed(graph, flow)
    above = [nx.ancestors(g, int(sample)) | {int(sample)} for sample in bad]
    ruled_out = set().union(*(nx.ancestors(g, int(sample)) | {int(sample)} for sample in good))
    expected = {node: sum(node in one for one in above) for node in set().union(*above) - ruled_out}
    assert dict(zip(found.nodes.tolist(), found.explained.tolist(), strict=True)) == expected
    assert (np.diff(found.explained) <= 0).all()


def test_a_town_worked_out_by_hand():
    # Two sewers: 0-1-2-3(outfall A) and 4-5-6(outfall B); an overflow leads from 1 to 5.
    graph = build_graph(7, np.array([0, 1, 2, 4, 5, 1]), np.array([1, 2, 3, 5, 6, 5]))
    flow, lengths = np.ones(6, np.int8), np.array([10.0, 10, 10, 10, 10, 100])
    found = catchments(graph, flow, np.array([3, 6], np.int32), lengths)
    assert found.node_sink.tolist() == [0, 0, 0, 0, 1, 1, 1]
    assert found.split.tolist() == [True, True, False, False, False, False, False]
    assert found.way_m.tolist() == [30, 20, 10, 0, 20, 10, 0]
    loss = losses(graph, np.array([3, 6], np.int32), np.ones(7))
    # Without the overflow's line nothing is lost; without 4-5 only 4; 1 hangs on two ways, 0 on one.
    assert loss.by_edge.tolist() == [1, 0, 0, 1, 0, 0]
    assert loss.by_node.tolist() == [0, 1, 0, 0, 0, 1, 0]
    sources = candidates(graph, flow, np.array([6, 3], np.int32), np.array([4], np.int32), lengths)
    assert sources.nodes.tolist()[:2] == [1, 0]
    assert sources.explained.tolist()[:2] == [2, 2]
    assert 4 not in sources.nodes


def test_missing_valves_of_a_cross_worked_out_by_hand():
    # 0 is a cross of four pipes: one with a valve on the line, one with a valve point (5) before junction 6, one bare to junction 6, and a
    # service connection (4). Three pipes count, two should have a valve, two have: none is missing. 6 is a tee of 5, 0 and 7 (a tee): the
    # way to 5 has a valve, 0 and 7 have none: one is missing. 7 meets 6 and twice 8: no valve at all, two are missing. 8 is a bend.
    graph = build_graph(9, np.array([0, 0, 0, 0, 5, 6, 7, 7, 1]), np.array([1, 5, 6, 4, 6, 7, 8, 8, 2]))
    valve_node, valve_edge = np.arange(9) == 5, np.arange(9) == 0
    assert missing_valves(graph, valve_node, valve_edge).tolist() == [0, 0, 0, 0, 0, 0, 1, 2, 0]
    assert missing_valves(graph, np.ones(9, bool), valve_edge).sum() == 0


@FEW
@given(networks())
def test_segments_have_the_sizes_of_a_walk_from_valve_to_valve(network):
    graph, valves, _ = network
    index = SupplyIndex(graph, valves, np.empty(0, np.int32))
    found = segments(index, np.ones(graph.n_edges))
    assert found.edges.sum() == (index.edge_segment >= 0).sum()
    assert isinstance(valves, Valves)
    for edge in np.flatnonzero(~valves.edge_barrier):
        walked = segment(graph, valves.node_barrier, valves.edge_barrier, edge=int(edge))
        at = index.edge_segment[edge]
        assert (found.edges[at], found.length_m[at], found.nodes[at]) == (len(walked.edges), len(walked.edges), len(walked.nodes))
        assert found.valves[at] == len(walked.valve_nodes) + len(walked.valve_edges)


def test_a_meter_on_the_way_to_a_house_stands_on_no_main():
    # 0, 1, 2 and 7, 8, 9 are rings, joined by the way 2-3-4-7 with a meter at 3. A house 6 hangs on 0 behind the meter 5.
    graph = build_graph(10, np.array([0, 1, 2, 2, 3, 4, 7, 8, 9, 0, 5]), np.array([1, 2, 0, 3, 4, 7, 8, 9, 7, 5, 6]))
    assert on_main(graph, np.array([3, 5, 6, 0], np.int32)).tolist() == [True, False, False, False]
    at_three = np.arange(10) == 3
    assert zones_between(graph, at_three, np.zeros(11, bool)).n_zones == 2
