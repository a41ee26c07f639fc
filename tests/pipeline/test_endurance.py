"""The short variant of `benchmarks/endurance.py`: a server process is killed and the database crashes under mixed load."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_no_answer_is_wrong_and_no_acknowledged_write_lost_when_processes_die(tmp_path):
    argv = [sys.executable, str(ROOT / "benchmarks/endurance.py"), "--seconds", "9", "--size", "500", "--clients", "4", "--json"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=280, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    wrong, written = json.loads(done.stdout.splitlines()[-1])
    assert wrong["value"] == 0
    assert written["value"] > 0
