"""Utility tunnels: a kind of its own with codes, collections and tiles; what is laid inside is not too close to it."""

import json

import pytest

from cim.db import engine, profiles
from cim.profile import CityProfile
from tests.support.cli import run_cim
from tests.support.send import send
from tests.support.server import running_server

_E, _N = 536000.0, 3374000.0
_PROFILE = """profile: avenue
crs: EPSG:4547
axis: easting-northing
vertical_datum: EPSG:5737
county_code: '420111'
kinds:
  ZH: {kind: tunnel, points: ZHPOINT.csv, lines: ZHLINE.csv, depth_reference: centre}
  GD: {kind: power, points: GDPOINT.csv, lines: GDLINE.csv, depth_reference: centre}
points: {feature: {values: {}}, appendage: {values: {人员出入口: ENTRANCE, 投料口: HATCH}}}
lines: {embedding: {values: {综合管廊: GALLERY, 直埋: DIRECT}}}
"""
# A tunnel 4 m wide and 3 m high along the avenue; one cable in it, another one buried that crosses it.
_POINTS = {"ZH": {"Z1": (0, 0, "人员出入口"), "Z2": (100, 0, "投料口")},
           "GD": {"C1": (0, 1, ""), "C2": (100, 1, ""), "D1": (50, -30, ""), "D2": (50, 30, "")}}  # fmt: skip
_LINES = {"ZH": [("T1", "Z1", "Z2", "4000X3000", "")], "GD": [("G1", "C1", "C2", "DN100", "综合管廊"), ("G2", "D1", "D2", "DN100", "直埋")]}


@pytest.fixture(scope="module")
def avenue(module_settings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("avenue")
    names = {"en": "T", "zh": "测"}
    city = CityProfile(name=names, division_codes=["420111"], projected_crs="EPSG:4547", vertical_datum="EPSG:5737", geoid_separation_m=0)
    with engine.connect(module_settings) as connection:
        profiles.save_profile(connection, city)
    for kind, points in _POINTS.items():
        rows = ["EXP_NO,X,Y,HIGH,FEATURE,SUBSID"] + [f"{key},{_E + x},{_N + y},30,,{what}" for key, (x, y, what) in points.items()]
        (folder / f"{kind}POINT.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
        rows = ["LNO,S_EXP,S_X,S_Y,S_DEEP,E_EXP,E_X,E_Y,E_DEEP,MATERIAL,PSIZE,FLOWDIR,EMBED"]
        for key, a, b, size, laid in _LINES[kind]:
            (ax, ay, _), (bx, by, _) = points[a], points[b]
            rows.append(f"{key},{a},{_E + ax},{_N + ay},5,{b},{_E + bx},{_N + by},5,RC,{size},,{laid}")
        (folder / f"{kind}LINE.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "p.yaml").write_text(_PROFILE, encoding="utf-8")
    result = run_cim(module_settings, "ingest", "network", *sorted(folder.glob("*.csv")), "--profile", folder / "p.yaml", "--json")
    assert result.code == 0, result.err + result.out
    return module_settings


def test_tunnels_have_codes_collections_and_tiles(avenue, tmp_path):
    assert run_cim(avenue, "tiles", "build", "--json").code == 0
    with running_server(avenue) as base:
        lines = send(f"{base}/collections/tunnel-lines/items").json()
        points = send(f"{base}/collections/tunnel-points/items").json()["features"]
        title = send(f"{base}/collections/tunnel-lines?lang=zh").json()["title"]
        layers = json.loads(send(f"{base}/3dtiles").body)
    assert lines["numberMatched"] == 1
    code = lines["features"][0]["id"]
    assert code.startswith("UT420111-L")
    assert (lines["features"][0]["properties"]["width_mm"], lines["features"][0]["properties"]["height_mm"]) == (4000, 3000)
    assert {one["properties"]["appendage"] for one in points} == {"ENTRANCE", "HATCH"}
    assert "综合管廊" in title
    assert "networks/tunnel" in json.dumps(layers)


def test_a_cable_in_the_tunnel_is_no_conflict_but_one_through_it_is(avenue):
    with engine.connect(avenue) as connection:
        code = dict(connection.execute("SELECT source_key, code FROM network_edge").fetchall())
    for kind, mine, theirs in (("tunnel", "T1", "G2"), ("power", "G2", "T1")):
        found = run_cim(avenue, "network", "check", "--kind", kind, "--json").json()["findings"]
        assert {(one["code"], one["other"]) for one in found if one["rule"] == "T10"} == {(code[mine], code[theirs])}
