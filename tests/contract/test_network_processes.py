"""Processes of networks over real HTTP: what they answer, who may ask, and that what is written is there."""

import io
import json
import time
import zipfile

import pytest

from cim.db import engine
from cim.db.network_graph import load_view
from tests.contract.test_processes import execute
from tests.support.cli import run_cim
from tests.support.send import send


@pytest.fixture(scope="module")
def tokens(demo_city):
    made = {}
    for name, more in {"operator": [], "viewer": [], "part": ["--division", "420111"]}.items():
        role = name if name != "part" else "viewer"
        argv = ["token", "create", "--name", f"{name} {time.monotonic()}", "--role", role, *more, "--json"]
        made[name] = run_cim(demo_city[0], *argv).json()["token"]
    return made


@pytest.fixture(scope="module")
def views(demo_city):
    with engine.connect(demo_city[0]) as connection:
        return {kind: load_view(connection, kind) for kind in ("water", "sewage")}


def result(base, process, inputs, token=None):
    answer = execute(base, f"network-{process}", inputs, token=token)
    assert answer.status == 200, answer.body[:400]
    return answer.json()["result"]


def test_zones_and_critical_parts_add_up(demo_server, views):
    zones = result(demo_server, "zones", {"kind": "sewage", "by": "catchment"})
    assert sum(one["points"] for one in zones["zones"]) + zones["in_no_zone"] == views["sewage"].graph.n_nodes
    critical = result(demo_server, "critical", {"kind": "water", "limit": 3})
    assert critical["points_with_root"] + critical["points_without_root"] == views["water"].graph.n_nodes
    assert len(critical["lines"]) == min(3, critical["critical_lines"])
    valves = result(demo_server, "valves", {"kind": "water", "limit": 2})
    assert (len(valves["largest_segments"]), valves["valves"]) == (2, int(views["water"].valves.node_valve.sum()))
    wrong = execute(demo_server, "network-zones", {"kind": "water", "by": "catchment"})
    assert (wrong.status, "pressure or dma" in wrong.json()["detail"]) == (400, True)


def test_what_a_manhole_drains_is_where_its_pollution_comes_from(demo_server, views):
    code = views["sewage"].codes("node", views["sewage"].sinks)[0]
    drained = result(demo_server, "drained", {"code": code})
    sources = result(demo_server, "pollution", {"polluted": [code]})
    assert {one["code"] for one in sources["candidates"]} == set(drained["points"])


def test_a_profile_comes_with_its_drawing(demo_server, views):
    sewage = views["sewage"]
    ends = [sewage.codes("node", side[[0]])[0] for side in (sewage.graph.start, sewage.graph.end)]
    answer = execute(demo_server, "network-profile", {"kind": "sewage", "from": ends[0], "to": ends[1]}).json()
    assert answer["result"]["length_m"] == pytest.approx(sewage.lengths[0], abs=0.01)
    assert answer["drawing"].startswith("<svg")
    area = result(demo_server, "service-area", {"kind": "sewage", "from": ends[:1], "within_m": float(sewage.lengths[0])})
    assert set(ends) <= set(area["points"])


def test_a_shutdown_is_opened_moved_and_found(demo_server, views, tokens):
    line = views["water"].codes("edge", [40])[0]
    told = {
        "kind": "water",
        "code": line,
        "reason": "new hydrant",
        "starts": "2031-03-01T08:00:00+08:00",
        "ends": "2031-03-01T17:00:00+08:00",
    }
    refused = execute(demo_server, "network-outage-open", told, token=tokens["viewer"])
    assert refused.status == 403
    made = result(demo_server, "outage-open", told, tokens["operator"])
    assert made["state"] == "planned"
    assert line in made["result"]["dry_lines"]
    moved = {"number": made["number"], "starts": "2031-03-02T08:00:00+08:00", "ends": "2031-03-02T17:00:00+08:00"}
    assert result(demo_server, "outage-reschedule", moved, tokens["operator"])["starts_at"].startswith("2031-03-02")
    result(demo_server, "outage-move", {"number": made["number"], "state": "cancelled", "note": "rain"}, tokens["operator"])
    found = result(demo_server, "outages", {"number": made["number"]}, tokens["viewer"])["outages"][0]
    assert [step["state"] for step in found["steps"]] == ["planned", "planned", "cancelled"]
    assert found["steps"][0]["author"].startswith("operator")
    assert made["number"] in {one["number"] for one in result(demo_server, "outages", {"state": "cancelled"})["outages"]}
    again = execute(demo_server, "network-outage-move", {"number": made["number"], "state": "finished"}, token=tokens["operator"])
    assert again.status == 409
    bad = execute(demo_server, "network-outage-open", {**told, "starts": "tomorrow"}, token=tokens["operator"])
    assert (bad.status, "a time with its zone" in bad.json()["detail"]) == (400, True)


def test_a_link_made_by_hand_is_found_from_both_ends(demo_server, views, tokens):
    code = views["water"].codes("node", [5])[0]
    building = send(f"{demo_server}/collections/buildings/items?limit=1").json()["features"][0]["id"]
    result(demo_server, "link", {"kind": "water", "code": code, "serves": building}, tokens["operator"])
    for asked in (code, building):
        links = result(demo_server, "links", {"kind": "water", "codes": [asked]})["links"]
        assert (code, building, "edit") in {(one["part_code"], one["target_code"], one["method"]) for one in links}
    result(demo_server, "link", {"kind": "water", "code": code, "serves": building, "remove": True}, tokens["operator"])
    assert execute(demo_server, "network-link", {"kind": "water", "code": code}, token=tokens["operator"]).status == 400


def test_an_export_is_a_job_whose_tables_have_every_line(demo_city, demo_server, views, tokens):
    asked = execute(demo_server, "network-export", {"kind": "water", "format": "cjj61"}, token=tokens["operator"], prefer="respond-async")
    assert asked.status == 201, asked.body
    assert run_cim(demo_city[0], "worker", "--once").code == 0
    done = send(asked.headers["Location"], token=tokens["operator"]).json()
    assert done["status"] == "successful", done
    answer = send(f"{asked.headers['Location']}/results", token=tokens["operator"]).json()
    tables = zipfile.ZipFile(io.BytesIO(send(answer["file"]["href"], token=tokens["operator"]).body))
    lines = next(name for name in tables.namelist() if "LINE" in name.upper())
    assert len(tables.read(lines).decode("utf-8-sig").splitlines()) == views["water"].graph.n_edges + 1


def test_a_token_for_a_part_of_the_city_is_refused(demo_server, tokens):
    for process in ("zones", "critical", "outages", "links"):
        answer = execute(demo_server, f"network-{process}", {"kind": "water"}, token=tokens["part"])
        assert answer.status == 403, (process, json.dumps(answer.json()))
