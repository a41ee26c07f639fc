"""Backup and restore: all or nothing."""

import signal
import subprocess
import sys

import pytest

from cim.db import codes, engine
from cim.settings import DatabaseSettings
from tests.db.test_schema import _insert_building
from tests.support.cli import run_cim
from tests.support.server import environment

CODE = "330109001001202100000100015"


@pytest.fixture
def filled(settings):
    with engine.connect(settings) as connection:
        _insert_building(connection)
    settings.models_dir.mkdir(parents=True)
    (settings.models_dir / "abc.ifc").write_bytes(b"ISO-10303-21;")
    return settings


def test_a_restored_store_has_the_rows_the_files_and_the_sequences(filled, store, tmp_path):
    archive = tmp_path / "city.cimbak"
    written = run_cim(filled, "db", "backup", archive, "--json").json()
    assert written["rows"]["building"] == 1
    name = store.create()
    other = store.settings(name, tmp_path / "other")
    other.data_dir.mkdir()
    assert run_cim(other, "db", "restore", archive).code == 0
    with engine.connect(other) as connection:
        assert connection.execute("SELECT code FROM building").fetchall() == [(CODE,)]
    assert (other.models_dir / "abc.ifc").read_bytes() == b"ISO-10303-21;"
    store.drop(name)


def test_a_store_with_buildings_is_not_replaced_without_force(filled, tmp_path):
    archive = tmp_path / "city.cimbak"
    run_cim(filled, "db", "backup", archive)
    refused = run_cim(filled, "db", "restore", archive)
    assert refused.code == 1
    assert "the store holds 1 buildings, expected an empty one" in refused.err
    assert run_cim(filled, "db", "restore", archive, "--force").code == 0


@pytest.mark.parametrize("damage", ["cut", "flip", "text"])
def test_a_damaged_archive_is_refused_and_the_store_unchanged(filled, tmp_path, damage):
    archive = tmp_path / "city.cimbak"
    run_cim(filled, "db", "backup", archive)
    content = bytearray(archive.read_bytes())
    if damage == "cut":
        content = content[: len(content) // 2]
    elif damage == "flip":
        content[len(content) // 2] ^= 0xFF
    else:
        content = bytearray(b"not an archive")
    archive.write_bytes(content)
    refused = run_cim(filled, "db", "restore", archive, "--force")
    assert refused.code == 1
    assert "city.cimbak" in refused.err
    with engine.connect(filled) as connection:
        assert connection.execute("SELECT code FROM building").fetchall() == [(CODE,)]


_KILLED = """
import os, signal, sys
from pathlib import Path
from cim.db import backup, exchange
from cim.settings import Settings
setattr(exchange, sys.argv[1], lambda settings: os.kill(os.getpid(), signal.SIGKILL))
backup.restore_backup(Settings(), Path(sys.argv[2]), force=True)
"""


@pytest.mark.parametrize("step", ["set_aside", "put_in_place", "drop_replaced"])
def test_kill_9_during_the_exchange_leaves_one_whole_store(filled, tmp_path, step):
    with engine.connect(filled) as connection:
        connection.execute("INSERT INTO code_counter VALUES ('CIM-BC27-v1', %s, 2021, 1)", [CODE[:12]])
    archive = tmp_path / "city.cimbak"
    assert run_cim(filled, "db", "backup", archive).code == 0
    with engine.connect(filled) as connection:
        connection.execute("UPDATE code_counter SET last_sequence = 8")
        then = codes.fetch_counters(connection)
    argv = [sys.executable, "-c", _KILLED, step, str(archive)]
    killed = subprocess.run(argv, env=environment(filled), capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert run_cim(filled, "db", "migrate").code == 0
    with engine.connect(filled) as connection:
        assert connection.execute("SELECT code FROM building").fetchall() == [(CODE,)]
        assert codes.fetch_counters(connection) == then
    # The restore that follows knows what the killed one knew: no code comes again.
    assert run_cim(filled, "db", "restore", archive, "--force").code == 0
    with engine.connect(filled) as connection:
        assert codes.fetch_counters(connection) == then


def test_a_dry_run_writes_nothing(filled, tmp_path):
    archive = tmp_path / "city.cimbak"
    assert run_cim(filled, "db", "backup", archive, "--dry-run").code == 0
    assert not archive.exists()


def test_an_external_server_is_not_started_by_us():
    from cim.settings import Settings

    settings = Settings(database=DatabaseSettings(url="postgresql://cim:x@127.0.0.1:1/cim"))
    refused = run_cim(settings, "db", "start")
    assert refused.code == 1
    assert "manages the private cluster only" in refused.err
