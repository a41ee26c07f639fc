"""What the kernel's processes may do to the one that started them, and what becomes of them without it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cim.db import engine
from tests.support.cli import run_cim
from tests.support.ifc_files import write_model
from tests.support.server import environment

# One process per worker, all of them at work for longer than the test takes.
OPENINGS = 1200


def openings(count):
    """Return a wall with so many openings, each a box of its own place; every one is cut."""
    lines = []
    for i in range(count):
        n = 1000 + 10 * i
        x, z = -1.9 + 3.8 * (i % 60) / 60, 0.05 + 2.8 * (i // 60) / max(1, count // 60 + 1)
        lines += [
            f"#{n}=IFCCARTESIANPOINT(({x:.4f},0.,{z:.4f}));", f"#{n + 1}=IFCAXIS2PLACEMENT3D(#{n},$,$);",
            f"#{n + 2}=IFCLOCALPLACEMENT(#10,#{n + 1});",
            f"#{n + 3}=IFCOPENINGELEMENT('{n:022d}',$,'o',$,$,#{n + 2},#902,$,.OPENING.);",
            f"#{n + 4}=IFCRELVOIDSELEMENT('{n + 4:022d}',$,$,$,#18,#{n + 3});",
        ]  # fmt: skip
    return (
        "#900=IFCRECTANGLEPROFILEDEF(.AREA.,$,#12,0.03,3.);\n#901=IFCEXTRUDEDAREASOLID(#900,#2,#14,0.02);\n"
        "#903=IFCSHAPEREPRESENTATION(#3,'Body','SweptSolid',(#901));\n#902=IFCPRODUCTDEFINITIONSHAPE($,$,(#903));\n" + "\n".join(lines)
    )


def family(pid):
    """Return all processes below one."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found += [child, *family(child)]
    return found


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.fixture(scope="module")
def city(module_settings, sample_data):
    assert run_cim(module_settings, "db", "profile", sample_data / "city.yaml").code == 0
    return module_settings


def test_no_child_outlives_a_killed_upload(city, tmp_path):
    model = write_model(tmp_path, openings(OPENINGS))
    argv = [sys.executable, "-m", "cim", "bim", "upload", str(model), "--json"]
    parent = subprocess.Popen(argv, env=environment(city), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while len(below := family(parent.pid)) < 2:
            assert parent.poll() is None, "ended before it had children"
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
    deadline = time.monotonic() + 5
    while any(map(is_alive, below)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [pid for pid in below if is_alive(pid)]


def test_thousands_of_openings_cost_their_wall_and_nothing_else(city, tmp_path, monkeypatch):
    model = write_model(
        tmp_path, openings(2000) + "\n#990=IFCLOCALPLACEMENT($,#2);\n#991=IFCSLAB('0000000000000000000991',$,'slab',$,$,#990,#17,$,$);"
    )
    report = run_cim(city, "bim", "upload", model, "--name", "openings", "--json")
    assert report.code == 0, report.err
    with engine.connect(city) as connection:
        found = dict(
            connection.execute("SELECT name, geom_status FROM bim_element WHERE model_code = %s", [report.json()["code"]]).fetchall()
        )
    assert found["slab"] == "meshed"
    assert found["墙"] in ("meshed", "without_openings", "box")
