"""EPANET on stored models: mass balance, closed lines, bursts; processes of the API."""

import numpy as np
import pytest

from cim.access import Principal
from cim.db import engine, profiles
from cim.hydraulics.epanet import EngineError, EpanetModel
from cim.processes import Context, processes
from cim.profile import CityProfile
from tests.support.cli import run_cim

pytest.importorskip("epanet", reason="the extra hydraulics is not installed")


@pytest.fixture(scope="module")
def kentucky(module_settings, real_data):
    names = {"en": "Test", "zh": "测试"}
    city = CityProfile(name=names, division_codes=["420111"], projected_crs="EPSG:3088", vertical_datum="EPSG:5737", geoid_separation_m=0)
    with engine.connect(module_settings) as connection:
        profiles.save_profile(connection, city)
    path = real_data / "networks/water/ky4.inp"
    assert run_cim(module_settings, "ingest", "network", path, "--crs", "EPSG:3089", "--name", "ky4").code == 0
    return module_settings


def balance(model, found, ends):
    """What flows in minus what flows out minus the demand, per node [l/s]: 0 by continuity."""
    net = -found.demand_l_s.copy()
    for (start, end), flow in zip(ends, found.flow_l_s, strict=True):
        net[start] -= flow
        net[end] += flow
    return net


@pytest.mark.parametrize("name", ["ky4.inp", "Net3.inp", "L-TOWN.inp"])
def test_flows_balance_at_every_node_and_a_shut_line_carries_nothing(real_data, name):
    content = (real_data / "networks/water" / name).read_bytes()
    with EpanetModel(content) as model:
        en = model._en
        ends = [np.array(en.getlinknodes(model._project, i + 1)) - 1 for i in range(len(model.links))]
        first = model.solve()
        assert np.abs(balance(model, first, ends)).max() < 0.1
        busiest = int(np.argmax(np.abs(first.flow_l_s)))
        shut = model.solve(closed=[model.links[busiest]])
        assert abs(shut.flow_l_s[busiest]) < 1e-3 < abs(first.flow_l_s[busiest])
        assert np.allclose(model.solve().flow_l_s, first.flow_l_s, atol=0.5)


def test_a_broken_model_is_refused_in_words():
    with pytest.raises(EngineError, match="EPANET: the model is refused"):
        EpanetModel(b"[JUNCTIONS]\n A 1\n[PIPES]\n P A B 1 1 1\n[END]\n")


def test_the_command_answers_in_codes(kentucky):
    result = run_cim(kentucky, "network", "simulate", "--dataset", "ky4", "--json").json()
    assert len(result["pressure_m"]) == 964
    assert result["short_of_water"] == []
    point = max(result["pressure_m"], key=result["pressure_m"].get)
    burst = run_cim(kentucky, "network", "simulate", "--dataset", "ky4", "--burst", f"{point}=100", "--json").json()
    assert burst["pressure_m"][point] < result["pressure_m"][point]
    wrong = run_cim(kentucky, "network", "simulate", "--close", "WA420111-L2026999999", "--json")
    assert wrong.code == 1
    assert "not in the model ky4" in wrong.json()["error"]["message"]


def test_network_processes_are_offered_and_answer(kentucky):
    offered = processes()
    code = "WA420111-L2026000001"
    context = Context(kentucky, Principal("test", "viewer", frozenset()))
    inputs = {"kind": "water", "code": code, "broken": [], "inaccessible": [], "proposed": []}
    answer = offered["network-isolation"].run(context, inputs)
    assert code in answer["result"]["dry_lines"]
    traced = offered["network-trace"].run(context, {"kind": "water", "code": code, "direction": "connected", "barriers": []})
    assert traced["result"]["n_points"] == 964
