"""``cim up`` as an operator runs it: one command starts everything, one signal ends it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from urllib.error import URLError

import pytest

from cim.db.cluster import Cluster
from cim.errors import StorageFullError
from tests.support.cli import run_cim
from tests.support.server import free_port


@pytest.fixture
def data_dir():
    made = Path(tempfile.mkdtemp(prefix="cim-up-"))
    made.chmod(0o755)
    yield made
    Cluster(made).stop()
    shutil.rmtree(made, ignore_errors=True)


def _wait(url, child, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert child.poll() is None, "cim up ended"
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own server
                return json.loads(answer.read())
        except (URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    raise AssertionError(f"{url} did not answer")


def test_up_makes_the_store_serves_works_and_ends_cleanly_on_sigterm(data_dir):
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CIM_")} | {"CIM_DATA_DIR": str(data_dir)}
    child = subprocess.Popen(
        [sys.executable, "-m", "cim", "up", "--port", str(port)], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        assert _wait(f"http://127.0.0.1:{port}/healthz", child)
        workers = subprocess.run(["pgrep", "-P", str(child.pid), "-f", "cim worker"], capture_output=True, text=True, check=False)
        assert workers.stdout.strip()
        child.send_signal(signal.SIGTERM)
        assert child.wait(timeout=30) == 0
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
    assert Cluster(data_dir).address() is None
    left = subprocess.run(["pgrep", "-f", str(data_dir)], capture_output=True, text=True, check=False)
    assert left.stdout == ""


def test_a_full_disk_is_said_before_anything_is_made(data_dir, monkeypatch):
    monkeypatch.setattr("cim.db.cluster.shutil.disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 1000))
    with pytest.raises(StorageFullError, match="0 MB free, expected at least 200 MB") as caught:
        Cluster(data_dir).start()
    assert caught.value.retryable
    assert not Cluster(data_dir).exists()


def test_the_worker_does_what_waits_and_ends(settings):
    from tests.support.server import environment

    done = subprocess.run(
        [sys.executable, "-m", "cim", "worker", "--once", "--json"],
        env=environment(settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, json.loads(done.stdout)) == (0, {"finished": True})


def test_serving_needs_a_migrated_store(store, tmp_path):
    name = store.create("template0")
    result = run_cim(store.settings(name, tmp_path), "serve", "--port", "0")
    assert result.code == 1
    assert "Hint: cim db migrate" in result.err
    store.drop(name)
