"""EPANET models drafted from survey data: what EPANET makes of them against the formula by hand, and what is refused by name."""

import pytest

from cim.db import engine, profiles
from cim.exchange.epanet_new import HAZEN_WILLIAMS
from cim.hydraulics.epanet import EpanetModel
from cim.profile import CityProfile
from tests.support.cli import run_cim

pytest.importorskip("epanet", reason="the extra hydraulics is not installed")
_E, _N = 536000.0, 3374000.0
_PROFILE = """profile: line
crs: EPSG:4547
axis: easting-northing
vertical_datum: EPSG:5737
county_code: '420111'
kinds: {JS: {kind: water, points: JSPOINT.csv, lines: JSLINE.csv, depth_reference: crown}}
points: {feature: {values: {}}, appendage: {values: {}}}
lines: {}
"""
# S – A – V – B in a row, V a valve; A has 300 customers, B 200. C hangs on B. 28 m is the level of every pipe.
_POINTS = {
    "S": (0, "SOURCE", ""),
    "A": (400, "CUSTOMER", "300"),
    "V": (600, "VALVE", ""),
    "B": (1000, "CUSTOMER", "200"),
    "C": (1100, "", ""),
}
_LINES = {
    "P1": ("S", "A", "DCI", "DN200"),
    "P2": ("A", "V", "PE", "DN150"),
    "P3": ("V", "B", "PE", "DN150"),
    "P4": ("B", "C", "LEAD", "DN100"),
}


@pytest.fixture(scope="module")
def line(module_settings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("line")
    names = {"en": "T", "zh": "测"}
    city = CityProfile(name=names, division_codes=["420111"], projected_crs="EPSG:4547", vertical_datum="EPSG:5737", geoid_separation_m=0)
    with engine.connect(module_settings) as connection:
        profiles.save_profile(connection, city)
    points = ["EXP_NO,X,Y,HIGH,FEATURE,SUBSID,customers"]
    points += [f"{key},{_E + x},{_N},30,,{what},{n}" for key, (x, what, n) in _POINTS.items()]
    lines = ["LNO,S_EXP,S_X,S_Y,S_DEEP,E_EXP,E_X,E_Y,E_DEEP,MATERIAL,PSIZE,FLOWDIR"]
    for key, (a, b, material, size) in _LINES.items():
        lines.append(f"{key},{a},{_E + _POINTS[a][0]},{_N},2,{b},{_E + _POINTS[b][0]},{_N},2,{material},{size},")
    for name, text in (("JSPOINT.csv", "\n".join(points)), ("JSLINE.csv", "\n".join(lines)), ("p.yaml", _PROFILE)):
        (folder / name).write_text(text + "\n", encoding="utf-8")
    result = run_cim(module_settings, "ingest", "network", folder / "JSPOINT.csv", folder / "JSLINE.csv", "--profile", folder / "p.yaml")
    assert result.code == 0, result.err + result.out
    with engine.connect(module_settings) as connection:
        rows = connection.execute("SELECT source_key, code FROM network_node UNION ALL SELECT source_key, code FROM network_edge")
        return module_settings, dict(rows.fetchall())


def export(settings, path, *argv):
    return run_cim(settings, "network", "export", path, "--kind", "water", "--format", "epanet", *argv, "--json")


def loss_m(flow_l_s, diameter_mm, c, length_m):
    """Hazen-Williams head loss [m]: 4.727 C^-1.852 d^-4.871 L q^1.852 in feet and cfs (EPANET 2.2 User Manual, table 3.1)."""
    foot = 0.3048
    q = flow_l_s / 1000 / foot**3
    return 4.727 * c**-1.852 * (diameter_mm / 1000 / foot) ** -4.871 * (length_m / foot) * q**1.852 * foot


def test_epanet_gives_the_pressures_worked_out_by_hand(line, tmp_path):
    settings, code = line
    out = tmp_path / "m.inp"
    told = export(settings, out, "--demand", "8640", "--head", f"{code['S']}=80", "--roughness", "100")
    assert told.code == 0, told.out + told.err
    report = told.json()
    assert (report["points"], report["lines"], report["customers"]) == (5, 4, 500)
    # 8,640 l/d are 0.1 l/s: 30 l/s at A, 20 l/s at B.
    assert report["demand_l_s"] == pytest.approx(50.0)
    assert any("8640 l/d" in one for one in report["assumed"])
    at_a = 80 - loss_m(50, 200, HAZEN_WILLIAMS["DCI"], 400) - 28
    at_b = at_a - loss_m(20, 150, HAZEN_WILLIAMS["PE"], 600)
    with EpanetModel(out.read_bytes()) as model:
        found = model.solve()
        pressure = dict(zip(found.nodes, found.pressure_m, strict=True))
        flow = dict(zip(found.links, found.flow_l_s, strict=True))
    assert pressure[code["A"]] == pytest.approx(at_a, abs=0.02)
    assert pressure[code["B"]] == pytest.approx(at_b, abs=0.02)
    assert flow[code["P3"]] == pytest.approx(20, abs=1e-3)
    assert pressure[code["C"]] == pytest.approx(at_b, abs=0.02)


def test_a_closed_valve_shuts_the_way(line, tmp_path):
    settings, code = line
    out = tmp_path / "m.inp"
    try:
        with engine.connect(settings) as connection:
            connection.execute("UPDATE network_node SET state = 'closed' WHERE code = %s", [code["V"]])
        assert export(settings, out, "--demand", "86.4", "--head", f"{code['S']}=80", "--roughness", "100").code == 0
    finally:
        with engine.connect(settings) as connection:
            connection.execute("UPDATE network_node SET state = NULL WHERE code = %s", [code["V"]])
    with EpanetModel(out.read_bytes()) as model:
        found = model.solve()
    flow = dict(zip(found.links, found.flow_l_s, strict=True))
    assert min(abs(flow[code["P2"]]), abs(flow[code["P3"]])) < 1e-3


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ((), "litres per customer and day"),
        (("--demand", "200"), "1 sources without a head"),
        (("--demand", "200", "--head", "S=80"), "1 lines of unknown material"),
        (("--demand", "200", "--head", "A=80"), "a source of this network"),
        (("--demand", "200", "--head", "S=high"), "CODE=METRES"),
    ],
)
def test_what_is_missing_is_named_and_nothing_is_written(line, tmp_path, argv, expected):
    settings, code = line
    told = [one.replace("S=", f"{code['S']}=").replace("A=", f"{code['A']}=") for one in argv]
    result = export(settings, tmp_path / "m.inp", *told)
    assert result.code == 1
    assert expected in result.json()["error"]["message"]
    assert not list(tmp_path.iterdir())
    if "unknown material" in expected:
        assert code["P4"] in result.json()["error"]["message"]


def test_a_part_that_nothing_feeds_is_named(line, tmp_path):
    settings, code = line
    try:
        with engine.connect(settings) as connection:
            connection.execute("UPDATE network_edge SET status = 'abandoned' WHERE code = %s", [code["P2"]])
        result = export(settings, tmp_path / "m.inp", "--demand", "200", "--head", f"{code['S']}=80", "--roughness", "100")
    finally:
        with engine.connect(settings) as connection:
            connection.execute("UPDATE network_edge SET status = 'in_use' WHERE code = %s", [code["P2"]])
    message = result.json()["error"]["message"]
    assert "3 points without a line to a source" in message
    assert code["B"] in message
