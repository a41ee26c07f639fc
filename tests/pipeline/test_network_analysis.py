"""Traces, isolation and checks on the sample city, against a recursive CTE, pgRouting and each other."""

import json

import numpy as np
import pyogrio
import pytest

from cim.db import changes, engine, network_queries
from cim.db.network_graph import follow, load_view
from tests.support.cli import run_cim

_COMPONENT = """WITH RECURSIVE reach (code) AS (
    SELECT %(seed)s::text
    UNION SELECT n.code FROM reach r JOIN network_edge e ON e.kind = %(kind)s AND r.code IN (e.start_node, e.end_node)
        CROSS JOIN LATERAL (VALUES (e.start_node), (e.end_node)) n (code)
    WHERE NOT EXISTS (SELECT 1 FROM network_node v WHERE v.kind = e.kind AND v.code = r.code AND r.code <> %(seed)s
                      AND v.appendage IN ('VALVE', 'VALVE_WELL')))
    SELECT code FROM reach"""


@pytest.fixture(scope="module")
def water(demo_city):
    with engine.connect(demo_city[0]) as connection:
        yield connection, load_view(connection, "water")


def test_isolation_is_the_segment_of_a_recursive_query(water):
    connection, view = water
    for at in np.random.default_rng(7).choice(view.graph.n_edges, 12, replace=False):
        code = view.codes("edge", [at])[0]
        found = network_queries.isolate_part(connection, view, code)
        start, end = (view.codes("node", [side[at]])[0] for side in (view.graph.start, view.graph.end))
        valves = set(view.codes("node", view.valves.node_barrier.nonzero()[0]))
        reached = set()
        for seed in (start, end):
            if seed in valves:
                reached.add(seed)
                continue
            reached |= {row[0] for row in connection.execute(_COMPONENT, {"seed": seed, "kind": "water"})}
        bounding = set(found["close"]) | set(found["already_shut"]) | set(found["need_not_close"])
        assert bounding == reached & valves, code
        assert code in found["dry_lines"]


def test_distances_are_those_of_pgrouting(water):
    connection, view = water
    rng = np.random.default_rng(3)
    source, target = (view.codes("node", [int(rng.integers(view.graph.n_nodes))])[0] for _ in "ab")
    way = network_queries.path_between(view, source, target)
    connection.execute("CREATE EXTENSION IF NOT EXISTS pgrouting")
    number = {code: i for i, code in enumerate(view.node_code.to_pylist())}
    connection.execute("CREATE TEMP TABLE graph (id int, source int, target int, cost float8)")
    with connection.cursor() as cursor, cursor.copy("COPY graph FROM STDIN") as copy:
        for i in range(view.graph.n_edges):
            copy.write_row([i, int(view.graph.start[i]), int(view.graph.end[i]), float(view.lengths[i])])
    row = connection.execute(
        "SELECT max(agg_cost) FROM pgr_dijkstra('SELECT id, source, target, cost FROM graph', %s::int, %s::int, false)",
        [number[source], number[target]],
    ).fetchone()
    connection.rollback()
    assert way["length_m"] == pytest.approx(row[0], abs=0.01)


def test_what_lies_downstream_sees_its_start_upstream(demo_city):
    with engine.connect(demo_city[0]) as connection:
        view = load_view(connection, "sewage")
        code = view.codes("node", [5])[0]
        down = network_queries.trace_from(view, code, "downstream")
        assert down["sinks"] == view.codes("node", view.sinks)
        assert code in network_queries.trace_from(view, down["points"][-1], "upstream")["points"]
        everything = network_queries.trace_from(view, view.codes("node", view.sinks)[0], "upstream")
        assert everything["n_points"] == view.graph.n_nodes


def test_the_warm_graph_follows_an_edit_through_the_outbox(demo_city):
    with engine.connect(demo_city[0]) as connection:
        view = load_view(connection, "gas")
        assert follow(connection, view) is view
        code = view.codes("edge", [10])[0]
        change = changes.open_change_set(connection, author="t", operation="edit", reason="t")
        connection.execute(
            """UPDATE network_edge SET status = 'abandoned', version = version + 1, change_set_id = %s,
               valid_from = now() + interval '1 second' WHERE kind = 'gas' AND code = %s""",
            [change, code],
        )
        newer = follow(connection, view)
        connection.rollback()
    assert newer.graph.n_edges == view.graph.n_edges - 1
    assert code not in newer.edge_code.to_pylist()


def test_the_commands_answer_and_write_what_gdal_reads(demo_city, tmp_path):
    settings = demo_city[0]
    with engine.connect(settings) as connection:
        view = load_view(connection, "water")
        line, point, other = view.codes("edge", [40])[0], view.codes("node", [3])[0], view.codes("node", [900])[0]
    found = run_cim(settings, "network", "isolate", line, "--kind", "water", "--out", tmp_path / "i.gpkg", "--json")
    assert found.code == 0, found.err
    answer = found.json()
    assert line in answer["dry_lines"]
    meta, _, geometry, _ = pyogrio.raw.read(tmp_path / "i.gpkg", layer="lines")
    assert len(geometry) == len(answer["dry_lines"]) + len(answer["cut_off_lines"])
    assert meta["crs"] == "EPSG:4490"
    worse = run_cim(settings, "network", "isolate", line, "--kind", "water", "--broken", answer["close"][0], "--json").json()
    assert set(answer["dry_lines"]) < set(worse["dry_lines"])
    way = run_cim(settings, "network", "trace", point, "--to", other, "--kind", "water", "--profile", tmp_path / "p.svg", "--json").json()
    assert (way["points"][0], way["points"][-1]) == (point, other)
    assert (tmp_path / "p.svg").read_text(encoding="utf-8").startswith("<svg")
    checked = run_cim(settings, "network", "check", "--kind", "sewage", "--report", tmp_path / "c", "--json").json()
    assert sum(checked["by_rule"].values()) == len(checked["findings"])
    assert json.loads((tmp_path / "c/check.json").read_text(encoding="utf-8"))["by_rule"] == checked["by_rule"]
    assert "编码" not in (tmp_path / "c/check.html").read_text(encoding="utf-8")
    summary = run_cim(settings, "network", "summary", "--json").json()
    assert {one["kind"] for one in summary["networks"]} >= {"water", "gas", "power", "sewage"}
    assert sum(row["lines"] for row in summary["groups"] if row["kind"] == "water") == view.graph.n_edges


@pytest.mark.parametrize("argv", [("trace", "nothing", "--kind", "water"), ("isolate", "x", "--kind", "milk"), ("check", "--kind", "heat")])
def test_a_wrong_code_or_kind_is_named(demo_city, argv):
    result = run_cim(demo_city[0], "network", *argv, "--json")
    assert result.code in (1, 2)
    assert argv[-1] in result.err + result.out
