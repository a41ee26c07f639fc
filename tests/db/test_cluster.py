"""The private cluster: made from nothing, explained when broken, alive after kill -9."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from cim.db import engine, migrate
from cim.db.cluster import Cluster
from cim.errors import ClusterError, MigrationError, StoreError, StoreUnavailableError
from cim.settings import DatabaseSettings, Settings
from tests.support.cli import run_cim
from tests.support.server import environment


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="cim-cluster-"))
    made.chmod(0o755)
    yield made
    Cluster(made).stop()
    shutil.rmtree(made, ignore_errors=True)


def test_a_store_is_made_migrated_and_stopped_by_the_commands(folder):
    settings = Settings(data_dir=folder)
    assert run_cim(settings, "db", "start", "--json").json()["running"] is True
    assert run_cim(settings, "db", "migrate", "--json").json() == {"from": None, "to": migrate.newest_version()}
    assert run_cim(settings, "db", "migrate", "--json").json()["from"] == migrate.newest_version()
    status = run_cim(settings, "db", "status", "--json").json()
    assert (status["running"], status["schema"]) == (True, migrate.newest_version())
    with engine.connect(settings) as connection:
        assert connection.execute("SHOW jit").fetchone() == ("off",)
        assert connection.execute("SHOW server_encoding").fetchone() == ("UTF8",)
        assert connection.execute("SHOW data_checksums").fetchone() == ("on",)
    assert run_cim(settings, "db", "stop", "--json").json() == {"stopped": True}
    assert run_cim(settings, "db", "stop", "--json").json() == {"stopped": False}


def test_the_password_file_is_for_its_owner_only(folder):
    Cluster(folder).start()
    assert stat.S_IMODE((folder / "postgres.secret").stat().st_mode) == 0o600


def test_a_connection_without_the_password_is_refused(folder):
    cluster = Cluster(folder)
    address = cluster.start()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(f"host=127.0.0.1 port={address.port} dbname=cim user=cim password=wrong")


def test_committed_data_survives_kill_9_of_the_server(folder):
    cluster = Cluster(folder)
    cluster.start()
    with psycopg.connect(cluster.conninfo()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    pid = int((cluster.folder / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while cluster.address() is not None and time.monotonic() < deadline:
        time.sleep(0.1)
    cluster.start()
    with psycopg.connect(cluster.conninfo()) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_a_stale_pid_file_of_another_program_does_not_stop_the_start(folder):
    cluster = Cluster(folder)
    cluster.start()
    cluster.stop()
    (cluster.folder / "postmaster.pid").write_text(f"{os.getpid()}\n{cluster.folder}\n")
    assert cluster.address() is None
    cluster.start()
    assert cluster.address() is not None


def test_a_killed_initdb_leaves_nothing_that_looks_like_a_cluster(folder):
    part = folder / "postgres.part"
    part.mkdir()
    (part / "PG_VERSION").write_text("15\n")
    cluster = Cluster(folder)
    assert not cluster.exists()
    cluster.start()
    assert cluster.exists()
    assert not part.exists()


def test_foreign_files_in_the_place_of_the_cluster_are_refused_and_kept(folder):
    place = folder / "postgres"
    place.mkdir()
    (place / "letter.txt").write_text("mine")
    with pytest.raises(ClusterError, match="found files but no PG_VERSION"):
        Cluster(folder).start()
    assert (place / "letter.txt").read_text() == "mine"


def test_a_stopped_store_says_how_to_start_it(folder):
    with pytest.raises(ClusterError) as caught, engine.connect(Settings(data_dir=folder)):
        pass
    assert caught.value.hint == "cim db start"


def test_an_unreachable_server_is_a_retryable_error_without_its_password():
    settings = Settings(database=DatabaseSettings(url="postgresql://cim:s3cret@127.0.0.1:1/cim"))
    with pytest.raises(StoreUnavailableError, match=r"127\.0\.0\.1:1/cim: does not answer") as caught, engine.connect(settings):
        pass
    assert "s3cret" not in str(caught.value)
    assert run_cim(settings, "db", "migrate").code == 75


def test_a_wrong_password_is_named_but_not_shown(store):
    name = store.create()
    url = store.url(name).replace(store.cluster.password, "s3cret-wrong")
    settings = Settings(database=DatabaseSettings(url=url))
    with pytest.raises(StoreError, match="user or password refused") as caught, engine.connect(settings):
        pass
    assert "s3cret-wrong" not in str(caught.value)
    store.drop(name)


def test_a_newer_schema_is_refused_and_left_alone(settings):
    with engine.connect(settings) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    for refuse in (migrate.migrate, migrate.require_current):
        with pytest.raises(MigrationError, match="found version 9999, newer than"):
            refuse(settings)


def test_an_empty_database_says_to_migrate(store, tmp_path):
    name = store.create("template0")
    with pytest.raises(MigrationError) as caught:
        migrate.require_current(store.settings(name, tmp_path))
    assert caught.value.hint == "cim db migrate"
    store.drop(name)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts the server under another account")
def test_a_data_folder_that_the_server_account_cannot_enter_keeps_the_cluster_elsewhere(folder):
    folder.chmod(0o700)
    cluster = Cluster(folder)
    cluster.start()
    try:
        assert not (folder / "postgres").exists()
        assert cluster.folder == Path((folder / "postgres.location").read_text())
        with psycopg.connect(cluster.conninfo()) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        cluster.stop()
        shutil.rmtree(cluster.folder.parent)


def test_psql_opens_the_store_without_showing_its_password(folder):
    Cluster(folder).start()
    settings = Settings(data_dir=folder)
    argv = [sys.executable, "-m", "cim", "db", "psql", "--", "-Atc", "SELECT current_user, current_setting('jit')"]
    done = subprocess.run(argv, env=environment(settings), capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "cim|off\n")
    assert Cluster(folder).password not in done.stdout + done.stderr


def test_a_sound_machine_passes_the_doctor(settings):
    report = run_cim(settings, "doctor", "--json")
    assert [line for line in report.json() if line["state"] == "error"] == []
    assert report.code == 0
    assert {"store", "extensions", "disk", "PROJ", "IFC kernel"} <= {line["name"] for line in report.json()}
