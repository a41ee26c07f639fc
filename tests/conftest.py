"""Fixtures: a real PostGIS, the sample city, the real test data, the command line."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as property_limits

from cim.db.pg_programs import find_programs
from cim.errors import ToolMissingError
from cim.settings import Settings
from tests.support.cli import CliResult
from tests.support.cli import run_cim as _run_cim
from tests.support.cluster import TestStore
from tests.support.server import running_server

ROOT = Path(__file__).resolve().parent.parent

# How long an example takes depends on what else the machine does; it says nothing of the code.
property_limits.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
property_limits.load_profile("any machine")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("CIM_"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def store() -> Iterator[TestStore]:
    try:
        find_programs()
    except ToolMissingError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(error.message)
    running = TestStore()
    running.start()
    yield running
    running.stop()


@pytest.fixture
def settings(store: TestStore, tmp_path: Path) -> Iterator[Settings]:
    name = store.create()
    yield store.settings(name, tmp_path / "data")
    store.drop(name)


@pytest.fixture(scope="module")
def module_settings(store: TestStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    name = store.create()
    yield store.settings(name, tmp_path_factory.mktemp("data"))
    store.drop(name)


@pytest.fixture(scope="session")
def sample_data() -> Path:
    return ROOT / "sample_data"


@pytest.fixture(scope="session")
def real_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shared = ROOT.parent / "shared" / "data"
    if not (shared / "unpack.sh").exists():
        pytest.skip("the collection of real test data (../shared/data) is not on this machine")
    if shutil.which("xz") is None:
        pytest.fail("the real test data is packed with xz, but the program xz (package xz-utils) is missing")
    target = ROOT / ".cim" / "test-data"
    subprocess.run(["bash", str(shared / "unpack.sh"), str(target)], check=True, capture_output=True)
    return target


@pytest.fixture
def run_cim(settings: Settings) -> Callable[..., CliResult]:
    def run(*argv: object) -> CliResult:
        return _run_cim(settings, *argv)

    return run


@pytest.fixture(scope="session")
def demo_city(store: TestStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Settings, Any]]:
    """The sample city, loaded once by ``cim demo --no-serve``: settings and the command's report."""
    name = store.create()
    city = store.settings(name, tmp_path_factory.mktemp("demo"))
    result = _run_cim(city, "demo", "--no-serve", "--json")
    assert result.code == 0, result.err
    yield city, result.json()
    store.drop(name)


@pytest.fixture(scope="session")
def demo_server(demo_city: tuple[Settings, Any]) -> Iterator[str]:
    """Base URL of a real server over the sample city."""
    with running_server(demo_city[0]) as url:
        yield url
