"""Zones, catchments, pollution, critical parts and service areas of the sample city, as commands and as files GDAL reads."""

import csv
from itertools import pairwise

import networkx as nx
import numpy as np
import pyogrio
import pytest

from cim.db import engine
from cim.db.network_graph import load_view
from tests.support.cli import run_cim


@pytest.fixture(scope="module")
def views(demo_city):
    with engine.connect(demo_city[0]) as connection:
        yield {kind: load_view(connection, kind) for kind in ("water", "sewage")}


def ask(settings, *argv):
    result = run_cim(settings, "network", *argv, "--json")
    assert result.code == 0, result.err
    return result.json()


def digraph(view):
    g = nx.DiGraph()
    g.add_nodes_from(view.node_code.to_pylist())
    codes = view.node_code.to_pylist()
    for a, b, sign in zip(view.graph.start.tolist(), view.graph.end.tolist(), view.flow.tolist(), strict=True):
        if sign >= 0:
            g.add_edge(codes[a], codes[b])
        if sign <= 0:
            g.add_edge(codes[b], codes[a])
    return g


def test_catchments_hold_every_sewer_once_and_reach_their_outfall(demo_city, views, tmp_path):
    found = ask(demo_city[0], "zones", "--kind", "sewage", "--by", "catchment", "--out", tmp_path / "z.gpkg")
    view, g = views["sewage"], digraph(views["sewage"])
    assert sum(row["points"] for row in found["zones"]) + found["in_no_zone"] == view.graph.n_nodes
    assert sum(row["length_km"] for row in found["zones"]) == pytest.approx(view.lengths.sum() / 1000, abs=0.01)
    for row, parts in zip(found["zones"], found["parts"], strict=True):
        assert set(parts["points"]) <= nx.ancestors(g, row["outfall"]) | {row["outfall"]}
    layers = {name: pyogrio.read_info(tmp_path / "z.gpkg", layer=name)["features"] for name in ("lines", "points")}
    assert layers == {"lines": sum(row["lines"] for row in found["zones"]), "points": sum(row["points"] for row in found["zones"])}


def test_a_boundary_by_hand_makes_one_zone_more_of_a_bridge(demo_city, views):
    view = views["water"]
    ends = list(zip(view.graph.start.tolist(), view.graph.end.tolist(), strict=True))
    bridges = {frozenset(pair) for pair in nx.bridges(nx.Graph(ends))}
    code = next(view.codes("edge", np.array([i]))[0] for i, pair in enumerate(ends) if frozenset(pair) in bridges)
    before = ask(demo_city[0], "zones", "--kind", "water")
    after = ask(demo_city[0], "zones", "--kind", "water", "--boundary", code)
    assert after["n_zones"] == before["n_zones"] + 1
    joined = next(one["zones"] for one in after["boundaries"] if one["code"] == code)
    assert len(joined) == 2
    # Every connection of the sample city has a meter well of its own; none of them makes a district.
    districts = ask(demo_city[0], "zones", "--kind", "water", "--by", "dma")
    assert (districts["n_zones"], districts["zones"][0]["customers"]) == (1, len(view.customers))
    refused = run_cim(demo_city[0], "network", "zones", "--kind", "water", "--by", "catchment", "--json")
    assert refused.code == 1
    assert "pressure or dma" in refused.json()["error"]["message"] + refused.err


def test_a_manhole_drains_its_ancestors(demo_city, views):
    view, g = views["sewage"], digraph(views["sewage"])
    code = max(view.node_code.to_pylist()[:60], key=lambda one: len(nx.ancestors(g, one)))
    found = ask(demo_city[0], "drains", code, "--kind", "sewage")
    assert set(found["points"]) == nx.ancestors(g, code) | {code}
    assert len(found["lines"]) == found["n_lines"] > 0


def test_pollution_is_above_the_bad_sample_and_not_above_the_good_one(demo_city, views, tmp_path):
    view, g = views["sewage"], digraph(views["sewage"])
    bad = view.codes("node", view.sinks)[0]
    # The widest branch is sampled clean.
    branches = sorted(g.predecessors(bad), key=lambda one: len(nx.ancestors(g, one)))
    while len(branches) == 1:
        branches = sorted(g.predecessors(branches[0]), key=lambda one: len(nx.ancestors(g, one)))
    good = branches[-1]
    found = ask(demo_city[0], "pollution", "--kind", "sewage", "--found", bad, "--clean", good, "--out", tmp_path / "p.gpkg")
    expected = (nx.ancestors(g, bad) | {bad}) - nx.ancestors(g, good) - {good}
    assert {row["code"] for row in found["candidates"]} == expected
    ways = [row["way_m"] for row in found["candidates"]]
    assert ways == sorted(ways)
    assert pyogrio.read_info(tmp_path / "p.gpkg", layer="points")["features"] == len(expected) + 2


def test_a_profile_has_the_inverts_of_the_survey_drops_and_all(demo_city, views, sample_data, tmp_path):
    view, g = views["sewage"], digraph(views["sewage"])
    sink = view.codes("node", view.sinks)[0]
    start = max(sorted(nx.ancestors(g, sink))[:200], key=lambda one: nx.shortest_path_length(g, one, sink))
    found = ask(demo_city[0], "trace", start, "--to", sink, "--kind", "sewage", "--profile", tmp_path / "p.svg")
    with engine.connect(demo_city[0]) as connection:
        rows = connection.execute(
            "SELECT code, source_key, start_node FROM network_edge WHERE kind = 'sewage' AND code = ANY(%s)", [found["lines"]]
        )
        number = {row[0]: row[1:] for row in rows}
    with (sample_data / "networks" / "WSLINE.csv").open(encoding="utf-8-sig", newline="") as file:
        survey = {row["LNO"]: row for row in csv.DictReader(file)}
    for pipe, point in zip(found["pipes"], found["points"], strict=False):
        key, first = number[pipe["code"]]
        told = survey[key]
        ends = [float(told[name]) for name in ("S_HIGH", "E_HIGH")]
        # The table rounds levels and depths to centimetres; a line may be surveyed against the way.
        assert pipe["invert_m"] == pytest.approx(ends if first == point else ends[::-1], abs=0.011)
        assert pipe["crown_m"][0] - pipe["invert_m"][0] == pytest.approx(float(told["PSIZE"].removeprefix("DN")) / 1000)
        assert pipe["slope"] > 0
    drops = [a["invert_m"][1] - b["invert_m"][0] for a, b in pairwise(found["pipes"])]
    assert min(drops) > -0.011
    drawn = (tmp_path / "p.svg").read_text(encoding="utf-8")
    assert drawn.count("<polygon") == len(found["lines"])


def test_critical_parts_are_the_bridges_towards_the_sources(demo_city, views, tmp_path):
    view = views["water"]
    found = ask(demo_city[0], "critical", "--kind", "water", "--limit", "5", "--out", tmp_path / "c.gpkg")
    g = nx.MultiGraph()
    g.add_nodes_from(range(view.graph.n_nodes))
    g.add_edges_from((a, b, i) for i, (a, b) in enumerate(zip(view.graph.start.tolist(), view.graph.end.tolist(), strict=True)))
    for row in found["lines"][:2]:
        at = view.find(row["code"])[1]
        a, b = int(view.graph.start[at]), int(view.graph.end[at])
        g.remove_edge(a, b, at)
        fed = set().union(*(nx.node_connected_component(g, int(source)) for source in view.sources))
        assert row["points_cut_off"] == view.graph.n_nodes - len(fed) - found["points_without_root"]
        g.add_edge(a, b, at)
    assert pyogrio.read_info(tmp_path / "c.gpkg", layer="lines")["features"] == len(found["lines"])


def test_valves_are_counted_by_segment_and_missing_ones_have_a_place(demo_city, views, tmp_path):
    view = views["water"]
    found = ask(demo_city[0], "valves", "--kind", "water", "--limit", "4", "--out", tmp_path / "v.gpkg")
    largest = found["largest_segments"][0]
    isolated = ask(demo_city[0], "isolate", largest["line_codes"][0], "--kind", "water")
    assert set(isolated["dry_lines"]) == set(largest["line_codes"])
    assert len(isolated["close"]) + len(isolated["already_shut"]) + len(isolated["need_not_close"]) == largest["valves"]
    assert largest["length_m"] == pytest.approx(sum(view.lengths[view.find(code)[1]] for code in largest["line_codes"]), abs=0.01)
    assert 0 < found["largest_share"] <= 1
    drawn = pyogrio.read_info(tmp_path / "v.gpkg", layer="points")["features"]
    assert drawn == len(found["junctions"]) == min(4, found["junctions_lacking_valves"])


def test_inside_and_outside_of_a_service_area_are_the_whole(demo_city, views):
    view = views["water"]
    found = ask(demo_city[0], "service-area", "--kind", "water", "--appendage", "HYDRANT", "--within", "60")
    assert len(found["points"]) + len(found["outside_points"]) == view.graph.n_nodes
    assert found["from"]
    wrong = run_cim(demo_city[0], "network", "service-area", "--kind", "water", "--within", "60", "--json")
    assert wrong.code == 1


def test_the_water_of_the_sample_city_becomes_a_model_that_epanet_solves(demo_city, views, tmp_path):
    epanet = pytest.importorskip("cim.hydraulics.epanet")
    view = views["water"]
    heads = [part for code in view.codes("node", view.sources) for part in ("--head", f"{code}=75")]
    out = tmp_path / "city.inp"
    told = ask(demo_city[0], "export", str(out), "--kind", "water", "--format", "epanet", "--demand", "20000", *heads)
    assert (told["points"], told["lines"], told["points_left_out"]) == (view.graph.n_nodes, view.graph.n_edges, 0)
    with epanet.EpanetModel(out.read_bytes()) as model:
        found = model.solve()
    drawn = found.demand_l_s[found.demand_l_s > 0].sum()
    assert drawn == pytest.approx(told["demand_l_s"], rel=1e-4)
    # A connection is a building here; what is drawn comes out of the sources, and nothing stands above their head.
    assert -found.demand_l_s[found.demand_l_s < 0].sum() == pytest.approx(drawn, rel=1e-3)
    assert found.head_m.max() <= 75.001
