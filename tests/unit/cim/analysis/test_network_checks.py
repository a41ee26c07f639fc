"""Each rule of the topology check on a network drawn by hand: what it finds, and the neighbour that it must leave alone."""

import numpy as np
import pytest
import shapely

from cim.analysis.network import checks
from cim.analysis.network.graph import build_graph


def found(findings, rule):
    return [(f.at, f.other) for f in findings if f.rule == rule]


def straight(*edges):
    """Nodes on the x axis, 10 m apart."""
    ends = np.array(edges, np.int64).reshape(-1, 2)
    n = int(ends.max(initial=-1)) + 1
    return build_graph(n, ends[:, 0], ends[:, 1]), np.stack([np.arange(n) * 10.0, np.zeros(n)], axis=1)


def lines(*coordinates):
    return np.array([shapely.LineString(points) for points in coordinates], object)


def test_t01_an_open_end_is_found_a_capped_one_is_not():
    graph, xy = straight((0, 1), (1, 2))
    closed = np.array([False, False, True])
    assert found(checks.check_nodes(graph, xy, closed, 0.5), "T01") == [(0, -1)]


def test_t02_near_points_are_found_unless_a_line_joins_them():
    graph = build_graph(4, np.array([0, 2]), np.array([1, 3]))
    closed = np.ones(4, np.bool_)
    # 1 and 2 lie 0.3 m apart without a line; 2 and 3 lie 0.4 m apart on one line.
    xy = np.array([[0, 0], [10, 0], [10.3, 0], [10.3, 0.4]])
    near = [f for f in checks.check_nodes(graph, xy, closed, 0.35) if f.rule == "T02"]
    assert [(f.at, f.other) for f in near] == [(2, 1)]
    assert near[0].value == pytest.approx(0.3)
    assert found(checks.check_nodes(graph, xy, closed, 0.2), "T02") == []
    joined = build_graph(4, np.array([0, 1, 2]), np.array([1, 2, 3]))
    assert found(checks.check_nodes(joined, xy, closed, 0.35), "T02") == []


def test_t04_t05_duplicates_and_lines_of_no_length():
    graph = build_graph(3, np.array([0, 1, 1, 1]), np.array([1, 0, 2, 2]))
    # The first two run the same way in turn; the last two differ by more than 1 %: one is a bypass. 4 cm is no line.
    lengths = np.array([0.04, 0.04, 20.0, 25.0])
    all_found = list(checks.check_edges(graph, lengths, np.array([0], np.int32)))
    assert found(all_found, "T04") == [(1, 0)]
    assert found(all_found, "T05") == [(0, -1), (1, -1)]


def test_t06_each_island_without_a_root_is_named_once_with_its_size():
    graph = build_graph(7, np.array([0, 2, 3, 5]), np.array([1, 3, 4, 6]))
    islands = [f for f in checks.check_edges(graph, np.full(4, 10.0), np.array([0, 5], np.int32)) if f.rule == "T06"]
    assert [(f.at, f.value) for f in islands] == [(2, 2.0)]


@pytest.mark.parametrize(
    ("flow", "fall", "rises"), [(1, 0.2, False), (1, -0.2, True), (-1, 0.2, True), (-1, -0.2, False), (0, -9.0, False), (1, -0.004, False)]
)
def test_t07_a_gravity_line_must_not_rise_along_its_flow(flow, fall, rises):
    graph, _ = straight((0, 1))
    hits = found(checks.check_gravity(graph, np.array([flow], np.int8), np.array([fall]), np.array([300.0])), "T07")
    assert bool(hits) is rises


def test_t08_a_smaller_line_after_the_widest_that_comes_in():
    # 0 → 2 (DN300) and 1 → 2 (DN500) meet; 2 → 3 is DN400 and narrower than the wider of them; 3 → 4 keeps DN400.
    graph = build_graph(5, np.array([0, 1, 3, 3]), np.array([2, 2, 2, 4]))
    flow = np.array([1, 1, -1, 1], np.int8)
    diameters = np.array([300.0, 500, 400, 400])
    narrow = [f for f in checks.check_gravity(graph, flow, np.zeros(4), diameters) if f.rule == "T08"]
    assert [(f.at, f.other, f.value) for f in narrow] == [(2, 1, 100.0)]
    unknown = checks.check_gravity(graph, flow, np.zeros(4), np.array([300.0, np.nan, 400, 400]))
    assert found(unknown, "T08") == []


def test_t09_cover_below_the_minimum():
    cover = np.array([0.69, 0.7, np.nan, 1.2])
    assert found(checks.check_cover(cover, checks.MIN_COVER_M["water"]), "T09") == [(0, -1)]


def test_t03_lines_that_cross_at_one_level():
    graph = build_graph(8, np.arange(0, 8, 2), np.arange(1, 8, 2))
    # 0 and 1 cross at z = 1; 2 crosses 0 one metre below; 3 only touches 0 with its end.
    shapes = lines(
        [(0, 0, 1), (10, 0, 1)], [(5, -5, 1), (5, 5, 1)], [(7, -5, 0), (7, 5, 0)], [(3, 0, 1), (3, 5, 1)],
    )  # fmt: skip
    assert found(checks.check_crossings(graph, shapes, np.full(4, 0.15)), "T03") == [(0, 1)]


def test_t03_a_common_point_is_no_crossing():
    graph = build_graph(3, np.array([0, 0]), np.array([1, 2]))
    shapes = lines([(0, 0, 1), (10, 0, 1)], [(0, 0, 1), (-1, 3, 1), (5, 0, 1), (5, -5, 1)])
    assert found(checks.check_crossings(graph, shapes, np.full(2, 0.15)), "T03") == []


def test_t10_clearance_is_measured_between_walls_in_space():
    gas = lines([(0, 0, 0), (10, 0, 0)])
    # Axes 0.5 m apart in plan and level: walls 0.5 - 0.1 - 0.15 = 0.25 m. The second lies 1 m below, the third 3-4-5 away.
    others = lines([(0, 0.5, 0), (10, 0.5, 0)], [(5, -5, -1), (5, 5, -1)], [(0, 0.3, 0.4), (10, 0.3, 0.4)])
    radius, other_radius = np.array([0.1]), np.array([0.15, 0.15, 0.15])
    near = sorted(checks.check_clearance(gas, radius, others, other_radius, 0.3), key=lambda f: f.other)
    assert [(f.at, f.other) for f in near] == [(0, 0), (0, 2)]
    assert [f.value for f in near] == pytest.approx([0.25, 0.25])
    assert list(checks.check_clearance(gas, radius, others, other_radius, 0.2)) == []
    assert list(checks.check_clearance(gas, radius, others[:0], other_radius[:0], 0.2)) == []


def test_t11_a_line_under_a_building_is_found_a_house_connection_is_not():
    house = np.array([shapely.box(0, 0, 10, 10)], object)
    shapes = lines([(-5, 5, 0), (15, 5, 0)], [(-5, 5, 0), (2, 5, 0)], [(-5, 20, 0), (15, 20, 0)])
    under = list(checks.check_buildings(shapes, house, 3.0))
    assert [(f.at, f.other, f.value) for f in under] == [(0, 0, 10.0)]


def test_every_rule_has_a_severity_and_words_in_two_languages():
    for rule, (severity, words, words_zh) in checks.RULES.items():
        assert severity in "EWI", rule
        assert words.isascii(), rule
        assert not words_zh.isascii(), rule


def test_an_empty_network_has_no_findings():
    graph = build_graph(0, np.zeros(0, np.int32), np.zeros(0, np.int32))
    nothing = np.zeros(0)
    assert list(checks.check_nodes(graph, np.zeros((0, 2)), np.zeros(0, np.bool_), 0.5)) == []
    assert list(checks.check_edges(graph, nothing, np.zeros(0, np.int32))) == []
    assert list(checks.check_gravity(graph, np.zeros(0, np.int8), nothing, nothing)) == []
    assert list(checks.check_crossings(graph, np.zeros(0, object), nothing)) == []
