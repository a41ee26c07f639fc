"""Traces and isolation on random graphs against networkx and against each other."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cim.analysis.network.components import components, critical
from cim.analysis.network.graph import Workspace, build_graph
from cim.analysis.network.isolate import Valves, isolate, reaches, segment
from cim.analysis.network.paths import distances, service_area, shortest_path
from cim.analysis.network.supply import SupplyIndex
from cim.analysis.network.trace import orient, trace

FEW = settings(max_examples=80, deadline=None)


@st.composite
def graphs(draw):
    n = draw(st.integers(2, 14))
    m = draw(st.integers(1, 24))
    pairs = draw(st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(lambda p: p[0] != p[1]), min_size=m, max_size=m))
    start, end = np.array(pairs, np.int32).T
    return build_graph(n, start, end)


@st.composite
def networks(draw):
    graph = draw(graphs())

    def mask(size, share):
        return np.array(draw(st.lists(st.sampled_from([True] + [False] * share), min_size=size, max_size=size)), bool)

    node, edge = mask(graph.n_nodes, 3), mask(graph.n_edges, 2)
    closed_n, closed_e = node & mask(graph.n_nodes, 3), edge & mask(graph.n_edges, 3)
    broken_n, broken_e = node & mask(graph.n_nodes, 3), edge & mask(graph.n_edges, 3)
    sources = np.array(draw(st.lists(st.integers(0, graph.n_nodes - 1), max_size=3, unique=True)), np.int32)
    return graph, Valves(node, edge, closed_n, closed_e, broken_n, broken_e), sources


def multigraph(graph, keep=None):
    g = nx.MultiGraph()
    g.add_nodes_from(range(graph.n_nodes))
    g.add_edges_from((int(a), int(b), i) for i, (a, b) in enumerate(zip(graph.start, graph.end, strict=True)) if keep is None or keep[i])
    return g


@FEW
@given(graphs(), st.data())
def test_a_connected_trace_is_the_component_of_networkx(graph, data):
    seed = data.draw(st.integers(0, graph.n_nodes - 1))
    found = trace(graph, np.array([seed]))
    expected = nx.node_connected_component(multigraph(graph), seed)
    assert set(found.nodes.tolist()) == expected
    assert len(found.edges) == len(set(found.edges.tolist())) == multigraph(graph).subgraph(expected).number_of_edges()


@FEW
@given(graphs(), st.data())
def test_downstream_and_upstream_are_descendants_and_ancestors_and_undo_each_other(graph, data):
    seed = data.draw(st.integers(0, graph.n_nodes - 1))
    flow = np.array(data.draw(st.lists(st.sampled_from([1, -1]), min_size=graph.n_edges, max_size=graph.n_edges)), np.int8)
    g = nx.DiGraph()
    g.add_nodes_from(range(graph.n_nodes))
    g.add_edges_from((int(a), int(b)) if f == 1 else (int(b), int(a)) for a, b, f in zip(graph.start, graph.end, flow, strict=True))
    space = Workspace(graph)
    down = trace(graph, np.array([seed]), "downstream", flow=flow, space=space)
    up = trace(graph, np.array([seed]), "upstream", flow=flow, space=space)
    assert set(down.nodes.tolist()) == nx.descendants(g, seed) | {seed}
    assert set(up.nodes.tolist()) == nx.ancestors(g, seed) | {seed}
    for node in down.nodes:
        assert seed in trace(graph, np.array([node]), "upstream", flow=flow, space=space).nodes


@FEW
@given(graphs(), st.data())
def test_shortest_paths_are_those_of_networkx(graph, data):
    weights = np.array(data.draw(st.lists(st.integers(0, 9), min_size=graph.n_edges, max_size=graph.n_edges)), float)
    g = multigraph(graph)
    for i, (a, b) in enumerate(zip(graph.start, graph.end, strict=True)):
        g.edges[int(a), int(b), i]["w"] = weights[i]
    source, target = (data.draw(st.integers(0, graph.n_nodes - 1)) for _ in "ab")
    expected = nx.single_source_dijkstra_path_length(g, source, weight="w")
    assert {i: d for i, d in enumerate(distances(graph, np.array([source]), weights)) if np.isfinite(d)} == expected
    path = shortest_path(graph, source, target, weights)
    assert (path is None) == (target not in expected)
    if path is not None:
        assert path.length_m == expected[target] == weights[path.edges].sum()
        assert (path.nodes[0], path.nodes[-1], len(path.nodes)) == (source, target, len(path.edges) + 1)
    area = service_area(graph, np.array([source]), weights, 5.0)
    assert set(area.nodes.tolist()) == {i for i, d in expected.items() if d <= 5}


@FEW
@given(graphs())
def test_bridges_articulation_points_and_loops_are_those_of_networkx(graph):
    found = critical(graph)
    g = nx.Graph(multigraph(graph))
    parallel = {frozenset(p) for p in zip(graph.start.tolist(), graph.end.tolist(), strict=True)}
    counts = {p: sum(frozenset(q) == p for q in zip(graph.start.tolist(), graph.end.tolist(), strict=True)) for p in parallel}
    expected = {frozenset(b) for b in nx.bridges(g) if counts[frozenset(b)] == 1}
    assert {frozenset((int(graph.start[e]), int(graph.end[e]))) for e in found.bridges} == expected
    assert set(found.articulation.tolist()) == set(nx.articulation_points(g))
    assert found.n_loops == graph.n_edges - graph.n_nodes + nx.number_connected_components(g)
    assert components(graph)[0] == nx.number_connected_components(g)


def same(one, other):
    for name in one.__dataclass_fields__:
        a, b = getattr(one, name), getattr(other, name)
        if name == "segment":
            same(a, b)
        else:
            assert np.array_equal(np.sort(np.atleast_1d(a)), np.sort(np.atleast_1d(b))), name


@FEW
@given(networks(), st.data())
def test_the_index_answers_as_the_plain_search_does(network, data):
    graph, valves, sources = network
    index = SupplyIndex(graph, valves, sources)
    edge = data.draw(st.integers(0, graph.n_edges - 1))
    same(index.isolate(edge=edge), isolate(graph, valves, sources, edge=edge))
    node = data.draw(st.integers(0, graph.n_nodes - 1))
    same(index.isolate(node=node), isolate(graph, valves, sources, node=node))


def shut(valves, nodes, edges):
    node, edge = valves.node_closed.copy(), valves.edge_closed.copy()
    node[nodes], edge[edges] = True, True
    return {"blocked_nodes": node, "blocked_edges": edge}


@FEW
@given(networks(), st.data())
def test_closing_the_valves_cuts_the_burst_off_and_each_of_them_is_needed(network, data):
    graph, valves, sources = network
    edge = data.draw(st.integers(0, graph.n_edges - 1))
    found = isolate(graph, valves, sources, edge=edge)
    if not len(sources) or found.has_source_inside or valves.edge_closed[edge]:
        return
    inside = found.segment.nodes
    if not len(inside) or np.isin(sources, found.segment.valve_nodes).any():
        return
    assert not reaches(graph, sources, inside, **shut(valves, found.close_nodes, found.close_edges))
    for i in range(len(found.close_nodes)):
        others = np.delete(found.close_nodes, i)
        assert reaches(graph, sources, inside, **shut(valves, others, found.close_edges))
    for i in range(len(found.close_edges)):
        others = np.delete(found.close_edges, i)
        assert reaches(graph, sources, inside, **shut(valves, found.close_nodes, others))


@FEW
@given(networks(), st.data())
def test_a_broken_valve_never_makes_the_segment_smaller(network, data):
    graph, valves, sources = network
    edge = data.draw(st.integers(0, graph.n_edges - 1))
    before = isolate(graph, valves, sources, edge=edge)
    if not before.n_valves:
        return
    broken_n, broken_e = valves.node_unusable.copy(), valves.edge_unusable.copy()
    broken_n[before.close_nodes[:1]] = True
    broken_e[before.close_edges[:1] if not len(before.close_nodes) else []] = True
    worse = Valves(valves.node_valve, valves.edge_valve, valves.node_closed, valves.edge_closed, broken_n, broken_e)
    after = isolate(graph, worse, sources, edge=edge)
    assert set(before.segment.edges.tolist()) <= set(after.segment.edges.tolist())
    assert len(after.unusable_nodes) + len(after.unusable_edges) > 0


@FEW
@given(graphs(), st.data())
def test_the_flow_runs_away_from_sources_and_towards_sinks(graph, data):
    root = np.array([data.draw(st.integers(0, graph.n_nodes - 1))])
    unknown = np.zeros(graph.n_edges, np.int8)
    away = orient(graph, unknown, root, to_roots=False)
    assert np.array_equal(orient(graph, unknown, root, to_roots=True), -away)
    depth = distances(graph, root, np.ones(graph.n_edges))
    reached = np.isfinite(depth[graph.start])
    assert np.array_equal(np.sign(depth[graph.end][reached] - depth[graph.start][reached]), away[reached])


# A street: source 0 - 1 -v- 2 - 3 -v- 4, a dead end behind the burst; drawn by hand.
#   edges: 0: 0-1, 1: 1-2 (valve), 2: 2-3, 3: 3-4 (valve), 4: 4-5, 5: 3-6
def street(**state):
    graph = build_graph(7, np.array([0, 1, 2, 3, 4, 3]), np.array([1, 2, 3, 4, 5, 6]))
    valve = np.zeros(6, bool)
    valve[[1, 3]] = True
    none_n, masks = np.zeros(7, bool), {}
    for name in ("closed", "unusable"):
        masks[name] = np.zeros(6, bool)
        masks[name][state.get(name, [])] = True
    return graph, Valves(none_n, valve, none_n, masks["closed"], none_n, masks["unusable"])


def test_the_burst_of_a_street_needs_one_valve_and_takes_the_end_with_it():
    graph, valves = street()
    found = isolate(graph, valves, np.array([0]), edge=2)
    assert (found.close_edges.tolist(), found.idle_edges.tolist()) == ([1], [3])
    assert sorted(found.segment.edges.tolist()) == [2, 5]
    assert (found.dead_nodes.tolist(), found.dead_edges.tolist()) == ([4, 5], [4])


def test_a_broken_valve_takes_the_source_into_the_segment():
    graph, valves = street(unusable=[1])
    found = isolate(graph, valves, np.array([0]), edge=2)
    assert (found.n_valves, found.unusable_edges.tolist(), found.has_source_inside) == (0, [1], True)


def test_a_closed_valve_is_named_and_needs_no_closing():
    graph, valves = street(closed=[3])
    found = isolate(graph, valves, np.array([0, 5]), edge=2)
    assert (found.close_edges.tolist(), found.closed_edges.tolist()) == ([1], [3])


def test_a_segment_is_bounded_by_its_valves():
    graph, valves = street()
    found = segment(graph, valves.node_barrier, valves.edge_barrier, edge=4)
    assert (sorted(found.nodes.tolist()), found.valve_edges.tolist()) == ([4, 5], [3])


def test_figures_of_segments_count_by_hand():
    graph, valves = street()
    assert SupplyIndex(graph, valves, np.array([0])).segment_figures() == {
        "segments": 3, "largest_segment_edges": 2, "valves": 2, "valves_to_close_largest": 1,
    }  # fmt: skip


@pytest.mark.parametrize("pair", [([0, 5], [1, 1]), ([0], [1, 1]), ([-1], [1])])
def test_a_graph_refuses_numbers_that_are_no_nodes(pair):
    with pytest.raises(ValueError, match="expected"):
        build_graph(3, np.array(pair[0]), np.array(pair[1]))
