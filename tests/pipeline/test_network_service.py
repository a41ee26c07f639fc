"""Service links and shutdowns on a ring drawn by hand: source S, parts A, B, C between the valves V1-V4.

S – V1 – A – V2 – B – V3 – C – V4 – S; a customer hangs on A (its building is named by the survey) and one on B (5 m from a building).
Shutting A alone or C alone leaves B fed from the other side; both together cut B off.
"""

import pytest

from cim.db import changes, engine, profiles
from cim.profile import CityProfile
from tests.support.cli import run_cim

_POINTS = {"S": (0, 0, "SOURCE"), "V1": (20, 0, "VALVE"), "A": (40, 0, ""), "V2": (60, 0, "VALVE"), "B": (60, 20, ""),
           "V3": (60, 40, "VALVE"), "C": (40, 40, ""), "V4": (20, 40, "VALVE"), "KA": (40, -10, "CUSTOMER"),
           "KB": (80, 20, "CUSTOMER")}  # fmt: skip
_LINES = ["S-V1", "V1-A", "A-V2", "V2-B", "B-V3", "V3-C", "C-V4", "V4-S", "A-KA", "B-KB"]
_PROFILE = """profile: ring
crs: EPSG:4547
axis: easting-northing
vertical_datum: EPSG:5737
county_code: '420111'
kinds: {JS: {kind: water, points: JSPOINT.csv, lines: JSLINE.csv, depth_reference: crown}}
points: {feature: {values: {}}, appendage: {values: {}}}
lines: {}
"""
_E, _N = 536000.0, 3374000.0
HOUSES = {"420111001001202100000100018": (100, 100), "420111001001202100000200029": (90, 20)}


@pytest.fixture(scope="module")
def ring(module_settings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ring")
    city = CityProfile(
        name={"en": "T", "zh": "测"}, division_codes=["420111"], projected_crs="EPSG:4547", vertical_datum="EPSG:5737", geoid_separation_m=0
    )
    with engine.connect(module_settings) as connection:
        profiles.save_profile(connection, city)
        change = changes.open_change_set(connection, author="t", operation="ingest", reason="t")
        for code, (x, y) in HOUSES.items():
            connection.execute(
                """INSERT INTO building (code, code_scheme, county_code, division_code, geom, change_set_id) VALUES
                   (%s, 'CIM-BC27-v1', '420111', '420111001001',
                    ST_Transform(ST_Multi(ST_MakeEnvelope(%s, %s, %s, %s, 4547)), 4490), %s)""",
                [code, _E + x - 5, _N + y - 5, _E + x + 5, _N + y + 5, change],
            )
    named, unknown = next(iter(HOUSES)), "420111001001202100009900011"
    told = {"KA": named, "KB": ""} | {"C": unknown}
    points = ["EXP_NO,X,Y,HIGH,FEATURE,SUBSID,BLDG_CODE,customers"]
    points += [f"{k},{_E + x},{_N + y},30,,{what},{told.get(k, '')},{12 if k == 'KA' else ''}" for k, (x, y, what) in _POINTS.items()]
    lines = ["LNO,S_EXP,S_X,S_Y,S_DEEP,E_EXP,E_X,E_Y,E_DEEP,MATERIAL,PSIZE,FLOWDIR"]
    for one in _LINES:
        a, b = one.split("-")
        (ax, ay, _), (bx, by, _) = _POINTS[a], _POINTS[b]
        lines.append(f"{one},{a},{_E + ax},{_N + ay},1,{b},{_E + bx},{_N + by},1,PE,DN200,")
    for name, text in (("JSPOINT.csv", "\n".join(points)), ("JSLINE.csv", "\n".join(lines)), ("p.yaml", _PROFILE)):
        (folder / name).write_text(text + "\n", encoding="utf-8")
    argv = ["ingest", "network", folder / "JSPOINT.csv", folder / "JSLINE.csv", "--profile", folder / "p.yaml", "--json"]
    result = run_cim(module_settings, *argv)
    assert result.code == 0, result.err + result.out
    with engine.connect(module_settings) as connection:
        rows = connection.execute(
            "SELECT source_key, code FROM network_node UNION ALL SELECT source_key, code FROM network_edge"
        ).fetchall()
    return module_settings, dict(rows), result.json()[0]


def test_ingest_links_what_the_source_names_and_the_nearest_building(ring):
    settings, code, report = ring
    assert report["service_links"] == {
        "named": 1, "nearest": 1, "unknown": ["420111001001202100009900011"], "unserved": 0, "removed": 0
    }  # fmt: skip
    with engine.connect(settings) as connection:
        rows = connection.execute(
            "SELECT part_code, target_code, method, distance_m, n_customers FROM network_link ORDER BY method"
        ).fetchall()
    named, near = list(HOUSES)
    assert [(*tuple(row[:3]), row[4]) for row in rows] == [(code["KB"], near, "nearest", 1), (code["KA"], named, "source", 12)]
    # The house spans 85-95 m east, the connection stands at 80 m.
    assert rows[0][3] == pytest.approx(5.0, abs=0.02)


def test_a_link_by_hand_stays_when_the_others_are_made_again(ring):
    settings, code, _ = ring
    named, near = list(HOUSES)
    argv = ["network", "link", code["KB"], "--kind", "water", "--serves", named, "--json"]
    assert run_cim(settings, *argv).code == 0
    again = run_cim(settings, *argv)
    assert (again.code, again.json()["error"]["code"]) == (1, "store.conflict")
    # With a link by hand the connection is served: the nearest one is not asked for.
    assert run_cim(settings, "network", "link", "--kind", "water", "--within", 3, "--dry-run", "--json").json()["removed"] == 2
    isolated = run_cim(settings, "network", "isolate", code["B-KB"], "--kind", "water", "--json").json()
    assert {one["code"] for one in isolated["served"]} == {named, near}
    assert run_cim(settings, *argv, "--remove").code == 0
    assert run_cim(settings, "network", "link", "--kind", "water", "--within", 3, "--dry-run", "--json").json()["unserved"] == 1
    missing = run_cim(settings, "network", "link", code["KB"], "--kind", "water", "--serves", "nothing", "--json")
    assert "no building or address" in missing.json()["error"]["message"]


def outage(settings, *argv):
    result = run_cim(settings, "network", "outage", *argv, "--json")
    return result.json() if result.code == 0 else result.json()["error"]


def planned(settings, code, hours):
    start, end = hours
    return outage(
        settings, "open", code, "--kind", "water", "--starts", f"2027-01-01T{start:02d}:00:00+08:00",
        "--ends", f"2027-01-01T{end:02d}:00:00+08:00", "--reason", "works",
    )  # fmt: skip


def test_shutdowns_go_from_state_to_state_and_see_each_other(ring):
    settings, code, _ = ring
    first = planned(settings, code["V1-A"], (8, 12))
    assert first["state"] == "planned"
    assert set(first["result"]["close"]) == {code["V1"], code["V2"]}
    assert first["result"]["customers"] == 12
    assert [one["code"] for one in first["result"]["served"]] == [next(iter(HOUSES))]
    # A and C alone leave B fed; together they cut it off.
    second = planned(settings, code["V3-C"], (11, 14))
    assert (second["state"], second["conflicts_with"]) == ("conflict", first["number"])
    assert second["result"]["overlaps"][0]["shared"] == []
    assert set(second["result"]["overlaps"][0]["more_lines"]) == {code["V2-B"], code["B-V3"], code["B-KB"]}
    apart = planned(settings, code["V3-C"], (12, 14))
    assert apart["state"] == "planned"
    same = planned(settings, code["A-KA"], (9, 10))
    assert code["A-KA"] in same["result"]["overlaps"][0]["shared"]
    refused = outage(settings, "start", second["number"], "--at", "2027-01-01T11:00:00+08:00")
    assert (refused["code"], first["number"] in refused["message"]) == ("store.conflict", True)
    wrong = outage(settings, "finish", first["number"])
    assert "expected in_progress, cancelled, conflict" in wrong["message"]
    assert outage(settings, "start", first["number"], "--at", "2027-01-01T08:05:00+08:00")["state"] == "in_progress"
    done = outage(settings, "finish", first["number"], "--at", "2027-01-01T10:00:00+08:00")
    assert [step["state"] for step in done["steps"]] == ["planned", "in_progress", "finished"]
    # What waited for it is planned again, as far as nothing else is in its way.
    assert outage(settings, "show", same["number"])["state"] == "planned"
    moved = outage(settings, "reschedule", second["number"], "--starts", "2027-01-02T08:00:00+08:00", "--ends", "2027-01-02T09:00:00+08:00")
    assert (moved["state"], moved["result"]["overlaps"]) == ("planned", [])
    assert outage(settings, "cancel", second["number"])["state"] == "cancelled"
    listed = outage(settings, "list", "--state", "cancelled")
    assert [one["number"] for one in listed] == [second["number"]]


def test_an_accident_is_in_progress_at_once_and_bad_times_are_named(ring):
    settings, code, _ = ring
    burst = outage(settings, "open", code["B-KB"], "--kind", "water", "--cause", "accidental", "--reason", "burst", "--broken", code["V3"])
    assert burst["state"] == "in_progress"
    assert set(burst["result"]["close"]) == {code["V2"], code["V4"]}
    assert outage(settings, "finish", burst["number"])["state"] == "finished"
    no_end = outage(settings, "open", code["A-KA"], "--kind", "water", "--reason", "x")
    assert "planned end" in no_end["message"]
    backwards = planned(settings, code["A-KA"], (9, 8))
    assert "a time after the start" in backwards["message"]
    dry = outage(settings, "open", code["A-KA"], "--kind", "water", "--cause", "accidental", "--reason", "x", "--dry-run")
    assert outage(settings, "show", dry["number"])["message"].endswith("no such shutdown")
