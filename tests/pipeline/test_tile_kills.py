"""A build killed at any moment leaves the city servable, and the next one goes on where it was."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.cli import run_cim
from tests.support.many_buildings import change, fill
from tests.support.server import environment
from tiles.build import build_layers, rebuild_changed
from tiles.validate import validate_layer


@pytest.fixture(scope="module")
def city(module_settings):
    return fill(module_settings)


@pytest.mark.parametrize("by", [(), ("--scheduler", "local:2")], ids=["here", "cluster"])
def test_a_killed_build_goes_on_where_it_was(city, by):
    change(city, "UPDATE building SET height_m = height_m + 1, change_set_id = %(by)s, version = version + 1")
    root = Path(city.tiles_url) / "buildings"
    child = subprocess.Popen([sys.executable, "-m", "cim", "tiles", "build", "buildings"], env=environment(city), stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while child.poll() is None and time.monotonic() < deadline and not list(root.glob(".build-*")):
        time.sleep(0.002)
    child.send_signal(signal.SIGKILL)
    child.wait()
    notes = list(root.glob(".build-*"))
    if not notes:
        pytest.skip("the build was over before it could be killed")
    finished = {row["key"] for note in notes for row in json.loads(note.read_text())}
    told = run_cim(city, "tiles", "build", "buildings", *by, "--json")
    assert told.code == 0, told.err
    result = told.json()[0]
    assert result["written"] == result["tiles"] - len(finished)
    assert not list(root.glob(".build-*"))
    assert validate_layer(city, "buildings").faults == []


def test_a_killed_build_leaves_a_servable_city_and_the_next_one_finishes(city):
    change(city, "UPDATE building SET height_m = height_m + 1, change_set_id = %(by)s, version = version + 1")
    content = Path(city.tiles_url) / "buildings/content"
    old = set(content.iterdir())
    for _ in range(2):
        child = subprocess.Popen(
            [sys.executable, "-m", "cim", "tiles", "build", "buildings"], env=environment(city), stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 60
        while child.poll() is None and time.monotonic() < deadline and len(set(content.iterdir()) - old) < 20:
            time.sleep(0.005)
        child.send_signal(signal.SIGKILL)
        child.wait()
        # What is published is whole: every file its documents lead to is there and well-formed.
        faults = validate_layer(city, "buildings", sample=0).faults
        assert [fault for fault in faults if "no tile refers to it" not in fault] == []
    rebuild_changed(city)
    build_layers(city, ["buildings"])
    assert validate_layer(city, "buildings").faults == []
