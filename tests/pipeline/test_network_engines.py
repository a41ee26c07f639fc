"""SWMM and pandapipes on stored real models: flooding under a design storm, gas and heat with a line shut; answers in codes."""

import pytest

from cim.db import engine, profiles
from cim.hydraulics.child import ask
from cim.profile import CityProfile
from tests.support.cli import run_cim

pytest.importorskip("pyswmm", reason="the extra hydraulics is not installed")


@pytest.fixture(scope="module")
def models(module_settings, real_data):
    city = CityProfile(
        name={"en": "T", "zh": "测"},
        division_codes=["420111"],
        projected_crs="EPSG:25832",
        vertical_datum="EPSG:5737",
        geoid_separation_m=0,
    )
    with engine.connect(module_settings) as connection:
        profiles.save_profile(connection, city)
    folder = real_data / "networks"
    for argv in (
        (folder / "drainage/bellinge_small.inp", "--crs", "EPSG:25832", "--kind", "sewage"),
        (folder / "one_village_schutterwald/heat_schutterwald.json", "--crs", "EPSG:31467"),
    ):
        result = run_cim(module_settings, "ingest", "network", *argv, "--json")
        assert result.code == 0, result.err
    # Three junctions of the heat network have no position: they and the five lines at them, two of which are pipes,
    # are refused; the engine keeps them.
    assert result.json()[0]["rejected"] == 3 + 5, result.out
    return module_settings


def simulate(settings, *argv):
    result = run_cim(settings, "network", "simulate", *argv, "--json")
    return result.json() if result.code == 0 else result.json()["error"]


def test_a_stronger_storm_floods_more_and_the_result_is_in_codes(models, tmp_path):
    formula = ("--kind", "sewage", "--storm", "9.58,0.846,7.0,0.656", "--duration", 60)
    weak = simulate(models, *formula, "--return-period", 0.3)
    strong = simulate(models, *formula, "--return-period", 50, "--out", tmp_path / "f.gpkg")
    # 9.58 (1 + 0.846 lg 50) 60 / 67^0.656 by hand.
    assert strong["rain_mm"] == pytest.approx(88.81, abs=0.02)
    assert strong["flooded_m3"] > weak["flooded_m3"]
    assert set(weak["flooded"]) <= set(strong["flooded"])
    with engine.connect(models) as connection:
        known = {row[0] for row in connection.execute("SELECT code FROM network_node WHERE kind = 'sewage'")}
    assert set(strong["max_depth_m"]) == known
    assert (tmp_path / "f.gpkg").stat().st_size > 0


def test_rain_files_and_codes_that_are_wrong_are_named(models, tmp_path):
    (tmp_path / "r.csv").write_text("minute,mm_per_h\n0,10\n5,-3\n", encoding="utf-8")
    assert "found -3.0 mm/h" in simulate(models, "--kind", "sewage", "--rain", tmp_path / "r.csv")["message"]
    (tmp_path / "r.csv").write_text("minute,mm_per_h\n0,10\n5,20\n15,0\n", encoding="utf-8")
    assert "one step" in simulate(models, "--kind", "sewage", "--rain", tmp_path / "r.csv")["message"]
    assert "A,C,b,n" in simulate(models, "--kind", "sewage", "--storm", "9.58,0.846")["message"]
    assert "not in the model" in simulate(models, "--kind", "sewage", "--close", "SE420111-L2026999999")["message"]


def test_heat_flows_as_consumers_draw(models):
    found = simulate(models, "--kind", "heat")
    # Pressure and temperature of the circulation pump's flow side, as the file gives them: 9 bar, 343.15 K.
    assert max(found["temperature_k"].values()) == pytest.approx(343.15, abs=0.05)
    assert max(found["pressure_bar"].values()) == pytest.approx(9.0, abs=0.1)
    assert found["without_supply"] == []
    assert len(found["flow_kg_s"]) == found["lines"] - 2
    with engine.connect(models) as connection:
        known = {row[0] for row in connection.execute("SELECT code FROM network_edge WHERE kind = 'heat'")}
    assert set(found["flow_kg_s"]) <= known


def test_what_hangs_on_a_shut_pipe_has_no_supply():
    # Drawn by hand: feed at 0, pipes 0-1-2, a sink of 0.1 kg/s at 2; without pipe 1 nothing reaches junction 2.
    rows = [{"pn_bar": 1.0, "tfluid_k": 283.15, "height_m": 0.0}] * 3
    tables = {
        "junction": dict(enumerate(rows)), "ext_grid": {0: {"junction": 0, "p_bar": 1.0, "t_k": 283.15, "type": "pt"}},
        "pipe": {i: {"from_junction": i, "to_junction": i + 1, "length_km": 0.1, "diameter_m": 0.1, "k_mm": 0.1} for i in (0, 1)},
        "sink": {0: {"junction": 2, "mdot_kg_per_s": 0.1}},
    }  # fmt: skip
    tables = {name: {str(i): row for i, row in table.items()} for name, table in tables.items()}
    found = ask("cim.hydraulics.pipes_worker", {"tables": tables, "fluid": "hgas", "closed": ["pipe/1/name"]})
    assert found["before"]["flow_kg_s"] == pytest.approx({"pipe/0": 0.1, "pipe/1": 0.1})
    assert (sorted(found["before"]["pressure_bar"]), sorted(found["after"]["pressure_bar"])) == (["0", "1", "2"], ["0", "1"])
