"""EPANET kept open: pump failures and closures as EPANET alone gives them, opened anew after an edit or a crash."""

import os
import signal

import numpy as np
import pytest

from cim.access import Principal
from cim.db import changes, engine, profiles
from cim.db.network_graph import load_view
from cim.db.network_pressure import PressureModels
from cim.errors import NotFoundError
from cim.hydraulics.epanet import EngineError
from cim.hydraulics.warm import WarmModel, WarmModels
from cim.process_library import network_models
from cim.processes import Context, processes
from cim.profile import CityProfile
from tests.support.cli import run_cim

en = pytest.importorskip("epanet.toolkit", reason="the extra hydraulics is not installed")
# Pump 1 stands still at the first moment, pump 2 runs.
PUMPS = ("~@Pump-2", "~@Pump-1")


@pytest.fixture(scope="module")
def kentucky(module_settings, real_data):
    names = {"en": "Test", "zh": "测试"}
    city = CityProfile(name=names, division_codes=["420111"], projected_crs="EPSG:3088", vertical_datum="EPSG:5737", geoid_separation_m=0)
    with engine.connect(module_settings) as connection:
        profiles.save_profile(connection, city)
    path = real_data / "networks/water/ky4.inp"
    assert run_cim(module_settings, "ingest", "network", path, "--crs", "EPSG:3089", "--name", "ky4").code == 0
    return module_settings, path.read_bytes()


def alone(content, tmp_path, shut=()):
    """Pressures [m] by node as EPANET gives them for a file that says what is shut: none of our code takes part."""
    told = "".join(f" {name} CLOSED\n" for name in shut)
    text = content.decode("latin-1").replace("[STATUS]", f"[STATUS]\n{told}", 1)
    text = "\n".join(line for line in text.splitlines() if not (line.upper().startswith("LINK ") and line.split()[1] in shut))
    (tmp_path / "m.inp").write_text(text, encoding="latin-1")
    project = en.createproject()
    en.open(project, str(tmp_path / "m.inp"), str(tmp_path / "m.rpt"), "")
    en.setflowunits(project, en.LPS)
    en.openH(project)
    en.initH(project, en.INITFLOW)
    en.runH(project)
    count = en.getcount(project, en.NODECOUNT)
    found = {en.getnodeid(project, i): en.getnodevalue(project, i, en.PRESSURE) for i in range(1, count + 1)}
    en.deleteproject(project)
    return found


def codes(settings, table):
    with engine.connect(settings) as connection:
        return dict(connection.execute(f"SELECT source_key, code FROM {table} WHERE source_dataset = 'ky4'").fetchall())


def ask(settings, models, closed=(), values="all"):
    with engine.connect(settings) as connection:
        event = load_view(connection, "water").last_event
        return models.what_if(connection, "water", "ky4", event, closed=closed, bursts_l_s={}, least_m=10, values=values)


@pytest.mark.filterwarnings("ignore")
def test_a_pump_that_fails_gives_the_pressures_of_epanet_alone(kentucky, tmp_path):
    settings, content = kentucky
    lines, points = codes(settings, "network_edge"), codes(settings, "network_node")
    models = PressureModels()
    try:
        whole = ask(settings, models)["pressure_m"]
        for shut in ((), PUMPS[:1], PUMPS):
            found = ask(settings, models, [lines[name] for name in shut])["pressure_m"]
            expected = {points[key]: value for key, value in alone(content, tmp_path, shut).items()}
            # The engine stops within its accuracy of the flows, 0.001 of the total: centimetres of pressure.
            assert np.allclose([found[code] for code in expected], list(expected.values()), atol=0.05), shut
            assert (found != whole) == bool(shut)
        changed = ask(settings, models, [lines[name] for name in PUMPS], values="changed")
        moved = {code for code in whole if abs(found[code] - whole[code]) >= 0.1}
        assert abs(len(set(changed["pressure_m"]) ^ moved)) <= 2
        assert changed["pressures_changed"] == len(changed["pressure_m"]) > 0
    finally:
        models.close()


def test_the_model_is_opened_once_and_anew_after_an_edit(kentucky, monkeypatch):
    settings, _ = kentucky
    opened = []
    create = WarmModel.__init__
    monkeypatch.setattr(WarmModel, "__init__", lambda self, content: (opened.append(len(content)), create(self, content))[1])
    lines = codes(settings, "network_edge")
    models = PressureModels()
    try:
        before = ask(settings, models)
        busiest = max(before["flow_l_s"], key=lambda code: abs(before["flow_l_s"][code]))
        shut = ask(settings, models, [busiest])
        assert (len(opened), abs(shut["flow_l_s"][busiest]) < 1e-3) == (1, True)
        with engine.connect(settings) as connection:
            change_set = changes.open_change_set(connection, author="test", operation="edit", reason="shut")
            told = "UPDATE network_edge SET state = 'closed', version = version + 1, change_set_id = %s WHERE kind = 'water' AND code = %s"
            connection.execute(told, [change_set, busiest])
        after = ask(settings, models)
        assert len(opened) == 2
        assert abs(after["flow_l_s"][busiest]) < 1e-3 < abs(before["flow_l_s"][busiest])
        assert set(lines.values()) >= set(after["flow_l_s"])
    finally:
        with engine.connect(settings) as connection:
            change_set = changes.open_change_set(connection, author="test", operation="edit", reason="open")
            told = "UPDATE network_edge SET state = NULL, version = version + 1, change_set_id = %s WHERE kind = 'water' AND code = %s"
            connection.execute(told, [change_set, busiest])
        models.close()


def test_a_dead_engine_is_opened_again_and_wrong_codes_leave_it_open(kentucky):
    _, content = kentucky
    models = WarmModels(at_most=1)
    try:
        first = models.ask("a", 1, lambda: WarmModel(content), lambda model: model)
        with pytest.raises(NotFoundError, match="nothing: not in the hydraulic model"):
            first.solve(closed=["nothing"])
        assert models.ask("a", 1, lambda: WarmModel(content), lambda model: model) is first
        os.kill(first._child.pid, signal.SIGKILL)
        first._child.wait()
        with pytest.raises(EngineError, match="ended with status -9"):
            first.solve()
        second = models.ask("a", 1, lambda: WarmModel(content), lambda model: model)
        assert second.solve().pressure_m.shape == first.before.pressure_m.shape
        other = models.ask("b", 1, lambda: WarmModel(content), lambda model: model)
        assert (second.is_alive, other.is_alive) == (False, True)
    finally:
        models.close()
    assert not other.is_alive
    with pytest.raises(EngineError, match="the model is refused"):
        WarmModel(b"[JUNCTIONS]\n A 1\n[PIPES]\n P A B 1 1 1\n[END]\n")


def test_the_process_answers_what_changed(kentucky):
    settings, _ = kentucky
    pump = codes(settings, "network_edge")[PUMPS[0]]
    asked = {"kind": "water", "dataset": "ky4", "closed": [pump], "bursts": [], "least_pressure_m": 10, "values": "changed"}
    try:
        found = processes()["network-simulate"].run(Context(settings, Principal("test", "engineer", frozenset())), asked)["result"]
    finally:
        network_models.close()
    assert found["closed"] == [pump]
    assert 0 < len(found["pressure_m"]) == found["pressures_changed"] < found["points"]
