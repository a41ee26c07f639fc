"""The report of a network ingest, and the check for networks that meet where they must not, on a street drawn by hand."""

import json

import numpy as np
import pyogrio
import pytest

from cim.analysis.network.graph import build_graph
from cim.analysis.network.mixed import check_media, check_shared_points
from cim.db import engine, profiles
from cim.profile import CityProfile
from tests.support.cli import run_cim

_E, _N = 536000.0, 3374000.0
_PROFILE = """profile: street
crs: EPSG:4547
axis: northing-easting
vertical_datum: EPSG:5737
county_code: '420111'
kinds:
  YS: {kind: rainwater, points: YSPOINT.csv, lines: YSLINE.csv, depth_reference: invert}
  WS: {kind: sewage, points: WSPOINT.csv, lines: WSLINE.csv, depth_reference: invert}
points: {feature: {values: {}}, appendage: {values: {}}}
lines: {}
"""


def write(folder, name, points, lines):
    rows = ["EXP_NO,X,Y,HIGH,FEATURE,SUBSID"] + [f"{key},{_N + y},{_E + x},{high},," for key, x, y, high in points]
    (folder / f"{name}POINT.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    at = {key: (x, y) for key, x, y, _ in reversed(points)}
    rows = ["LNO,S_EXP,S_X,S_Y,S_DEEP,E_EXP,E_X,E_Y,E_DEEP,MATERIAL,PSIZE,FLOWDIR,TYPE"]
    for key, a, b, deep, size, code in lines:
        (ax, ay), (bx, by) = at.get(a, (0, 0)), at.get(b, (0, 0))
        rows.append(f"{key},{a},{_N + ay},{_E + ax},{deep},{b},{_N + by},{_E + bx},{deep},PE,{size},,{code}")
    (folder / f"{name}LINE.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def street(module_settings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("street")
    names = {"en": "T", "zh": "测"}
    city = CityProfile(name=names, division_codes=["420111"], projected_crs="EPSG:4547", vertical_datum="EPSG:5737", geoid_separation_m=0)
    with engine.connect(module_settings) as connection:
        profiles.save_profile(connection, city)
    (folder / "p.yaml").write_text(_PROFILE, encoding="utf-8")
    # L3 ends in a point that is not there; L4 has no size that can be read; L2 lies 20 m deep.
    points = [("Y1", 0, 0, 30), ("Y2", 50, 0, 30), ("Y3", 100, 0, 30), ("Y3", 120, 0, 30)]
    lines = [("L1", "Y1", "Y2", 2, "DN300", "YS"), ("L2", "Y2", "Y3", 20, "DN300", "WS"), ("L3", "Y2", "Y9", 2, "DN300", "YS"),
             ("L4", "Y1", "Y3", 2, "wide", "YS")]  # fmt: skip
    write(folder, "YS", points, lines)
    # W2 stands in the very place and at the level of Y1; W3 in the place of Y2, but higher.
    write(folder, "WS", [("W1", 0, 40, 30), ("W2", 0, 0.05, 30), ("W3", 50, 0, 33)],
          [("M1", "W1", "W2", 2, "DN400", "WS"), ("M2", "W2", "W3", 2, "DN400", "WS")])  # fmt: skip
    argv = ["ingest", "network", *sorted(folder.glob("*.csv")), "--profile", folder / "p.yaml", "--report", folder / "report", "--json"]
    result = run_cim(module_settings, *argv)
    assert result.code == 0, result.err + result.out
    return module_settings, folder


def test_the_report_adds_up_and_shows_where(street):
    _, folder = street
    rain = folder / "report" / "street-rainwater"
    report = json.loads((rain / "report.json").read_text(encoding="utf-8"))
    counts = report["counts"]
    assert counts["read"] == 8 == counts["accepted"] + counts["rejected"]
    assert sorted((one["rule"], one["place"]) for one in report["rejects"]) == [
        ("N01", "YSPOINT.csv, line 5"), ("N02", "YSLINE.csv, line 5"), ("N04", "YSLINE.csv, line 4"),
    ]  # fmt: skip
    assert {one["rule"]: one["warnings"] for one in report["rules"] if one["warnings"]}["N07"] == 1
    refused = pyogrio.read_dataframe(rain / "rejects.gpkg")
    assert refused.crs.to_epsg() == 4547
    # The second Y3 lies where its row says, northing first in the table, easting first in the file.
    drawn = dict(zip(refused["_rule"], refused.geometry, strict=True))
    assert (drawn["N01"].x, drawn["N01"].y) == pytest.approx((_E + 120, _N))
    assert drawn["N02"].length == pytest.approx(100)
    assert (drawn["N04"].x, drawn["N04"].y) == pytest.approx((_E + 50, _N))
    warned = pyogrio.read_dataframe(rain / "warnings.gpkg")
    assert warned[warned["key"] == "L2"]["_rule"].iloc[0].startswith("N07")
    page = (rain / "report.html").read_text(encoding="utf-8")
    assert "a line ends in points that exist" in page
    assert "管线端点在点表中" in page
    assert "<circle" in page
    assert (folder / "report" / "street-sewage" / "report.html").exists()


def test_media_and_networks_that_meet_are_found(street):
    settings, _ = street
    with engine.connect(settings) as connection:
        code = dict(connection.execute("SELECT kind || survey_no, code FROM network_node").fetchall())
    found = run_cim(settings, "network", "check", "--kind", "rainwater", "--json").json()["findings"]
    mixed = {(one["code"], one["other"]) for one in found if one["rule"] == "T13"}
    # At Y2 a line called sewage joins rain; Y1 and W2 are one point.
    assert mixed == {(code["rainwaterY2"], None), (code["rainwaterY1"], code["sewageW2"])}


def test_what_may_meet_and_what_may_not():
    graph = build_graph(4, np.array([0, 1, 2]), np.array([1, 2, 3]))
    assert [one.at for one in check_media(graph, np.array(["YS", "HS", "WS"], object))] == []
    assert [one.at for one in check_media(graph, np.array(["JS", "GS", None], object))] == [1]
    here, there = np.array([[0.0, 0, 5], [10, 0, 5]]), np.array([[0.09, 0, 5.2], [10, 0, 5.5]])
    assert [(one.at, one.other) for one in check_shared_points(here, there, 0.1, 0.3)] == [(0, 0)]
