"""The private PostgreSQL cluster: made, started, stopped and explained.

It lives in the data folder, runs as an unprivileged account, listens on a unix socket and on a free loopback port, and asks every
connection for a password that only the owner of the data folder can read.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import psycopg

from cim.db.memory import server_parameters
from cim.db.pg_programs import PgPrograms, as_server, find_programs, reachable_by, server_account
from cim.db.replaced import put_back_database
from cim.errors import ClusterError, StorageFullError

_DATABASE = "cim"
_USER = "cim"
_START_TIMEOUT_S = 60
_MIN_FREE_BYTES = 200 * 1024 * 1024


@dataclass(frozen=True)
class ClusterAddress:
    """How to reach a running private cluster.

    Parameters
    ----------
    socket_dir
        Folder of the unix socket.
    port
        Loopback port, also the socket's number.
    """

    socket_dir: str
    port: int


class Cluster:
    """One private cluster.

    Parameters
    ----------
    data_dir
        Data folder of the platform; the cluster is its ``postgres`` subfolder, or, where the server's account cannot enter it
        (for example below ``/root``), a folder under ``/var/lib/cim`` that a pointer file names.
    durable
        False only for tests: no fsync.
    """

    def __init__(self, data_dir: Path, *, durable: bool = True) -> None:
        self._data_dir = data_dir.resolve()
        self._durable = durable

    @property
    def folder(self) -> Path:
        """Folder of the cluster's files."""
        pointer = self._data_dir / "postgres.location"
        if pointer.exists():
            return Path(pointer.read_text(encoding="utf-8").strip())
        return self._data_dir / "postgres"

    @property
    def log_file(self) -> Path:
        """The server's log."""
        return self.folder.with_name(self.folder.name + ".log")

    @property
    def _socket_dir(self) -> Path:
        digest = hashlib.sha256(str(self._data_dir).encode()).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"cim-{os.geteuid()}-{digest}"

    @property
    def _secret_file(self) -> Path:
        return self._data_dir / "postgres.secret"

    @property
    def password(self) -> str:
        """Password of the cluster's owner role, never to be printed.

        Raises
        ------
        ClusterError
            The file is gone.
        """
        try:
            return self._secret_file.read_text(encoding="utf-8").strip()
        except FileNotFoundError as error:
            raise ClusterError(
                f"{self._secret_file}: missing; the cluster in {self.folder} cannot be opened without it",
                hint="restore the file from a backup, or move the data folder away and run `cim db start` for a new one",
            ) from error

    def exists(self) -> bool:
        """Tell whether a complete cluster is there (a half-made one never has this name)."""
        return (self.folder / "PG_VERSION").exists()

    def address(self) -> ClusterAddress | None:
        """Return where the cluster listens, or None when it does not run."""
        if self._server_pid() is None:
            return None
        try:
            return ClusterAddress(**json.loads((self._data_dir / "postgres.address.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def conninfo(self, database: str = _DATABASE) -> str:
        """Return libpq parameters of the running cluster.

        Raises
        ------
        ClusterError
            It does not run.
        """
        address = self.address()
        if address is None:
            raise ClusterError(f"the store in {self._data_dir} is not running", hint="cim db start")
        return psycopg.conninfo.make_conninfo(host="127.0.0.1", port=address.port, dbname=database, user=_USER, password=self.password)

    def start(self) -> ClusterAddress:
        """Make the cluster if there is none, start it if it does not run, and wait until it answers.

        Raises
        ------
        ClusterError
            It cannot be made or started; the message carries the end of the server's log.
        ToolMissingError
            PostgreSQL with PostGIS is not installed.
        StorageFullError
            Less than 200 MB are free.
        """
        self._data_dir.mkdir(parents=True, exist_ok=True)
        with self._locked():
            running = self.address()
            if running is not None and self._answers(running):
                return running
            free = shutil.disk_usage(self._data_dir).free
            if free < _MIN_FREE_BYTES:
                raise StorageFullError(
                    f"{self._data_dir}: {free // 1024**2} MB free, expected at least {_MIN_FREE_BYTES // 1024**2} MB",
                    hint="free some disk space or set CIM_DATA_DIR to another disk",
                )
            programs, account = find_programs(), server_account()
            if not self.exists():
                self._choose_folder(account)
                self._make(programs, account)
            self._refuse_other_version(programs)
            return self._launch(programs, account)

    def stop(self) -> bool:
        """Stop the cluster; return False when it did not run.

        Raises
        ------
        ClusterError
            It does not stop within 60 s.
        """
        self._data_dir.mkdir(parents=True, exist_ok=True)
        with self._locked():
            if self._server_pid() is None:
                return False
            programs, account = find_programs(), server_account()
            argv = [programs.path("pg_ctl"), "-D", str(self.folder), "-m", "fast", "-w", "-t", "60", "stop"]
            done = subprocess.run(as_server(argv, account), capture_output=True, text=True, check=False, cwd="/")
            if done.returncode != 0 and self._server_pid() is not None:
                raise ClusterError(f"the store did not stop: {done.stderr.strip()}", hint=f"see {self.log_file}")
            shutil.rmtree(self._socket_dir, ignore_errors=True)
            return True

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with (self._data_dir / "postgres.lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def _choose_folder(self, account: pwd.struct_passwd | None) -> None:
        if reachable_by(account, self._data_dir):
            return
        digest = hashlib.sha256(str(self._data_dir).encode()).hexdigest()[:12]
        elsewhere = Path("/var/lib/cim") / digest / "postgres"
        elsewhere.parent.mkdir(parents=True, exist_ok=True)
        for parent in (elsewhere.parent, elsewhere.parent.parent):
            parent.chmod(0o755)
        (self._data_dir / "postgres.location").write_text(str(elsewhere), encoding="utf-8")

    def _make(self, programs: PgPrograms, account: pwd.struct_passwd | None) -> None:
        target = self.folder
        if target.exists() and any(target.iterdir()):
            raise ClusterError(
                f"{target}: found files but no PG_VERSION, expected a PostgreSQL cluster or nothing",
                hint=f"move {target} away and run again",
            )
        # Made under another name and renamed when complete: a killed initdb leaves nothing that looks like a cluster.
        part = target.with_name(target.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(mode=0o700, parents=True)
        password = secrets.token_urlsafe(24)
        secret_copy = part.with_name("initdb.secret")
        for file in (self._secret_file, secret_copy):
            file.unlink(missing_ok=True)
            file.touch(mode=0o600)
            file.write_text(password, encoding="utf-8")
        if account is not None:
            os.chown(part, account.pw_uid, account.pw_gid)
            os.chown(secret_copy, account.pw_uid, account.pw_gid)
        argv = [
            programs.path("initdb"), "-D", str(part), "-U", _USER, f"--pwfile={secret_copy}", "--auth=scram-sha-256",
            "--encoding=UTF8", "--locale=C.UTF-8", "--lc-collate=C", "--data-checksums",
        ]  # fmt: skip
        if not self._durable:
            argv.append("--no-sync")
        done = subprocess.run(as_server(argv, account), capture_output=True, text=True, check=False, cwd="/")
        secret_copy.unlink(missing_ok=True)
        if done.returncode != 0:
            shutil.rmtree(part, ignore_errors=True)
            raise ClusterError(f"initdb failed in {part}: {(done.stderr or done.stdout).strip()[-600:]}")
        with (part / "postgresql.conf").open("a", encoding="utf-8") as conf:
            conf.write("\ninclude_if_exists = 'cim.conf'\n")
        if target.exists():
            target.rmdir()
        part.rename(target)

    def _refuse_other_version(self, programs: PgPrograms) -> None:
        found = (self.folder / "PG_VERSION").read_text(encoding="utf-8").strip()
        if found != str(programs.major):
            raise ClusterError(
                f"{self.folder}: made by PostgreSQL {found}, but version {programs.major} is installed",
                hint=f"install PostgreSQL {found}, `cim db backup`, then restore under version {programs.major}",
            )

    def _launch(self, programs: PgPrograms, account: pwd.struct_passwd | None) -> ClusterAddress:
        self._clear_stale_pid()
        address = ClusterAddress(str(self._socket_dir), _free_port())
        self._socket_dir.mkdir(mode=0o700, exist_ok=True)
        self.log_file.touch(mode=0o600, exist_ok=True)
        conf = self.folder / "cim.conf"
        conf.write_text(server_parameters(durable=self._durable), encoding="utf-8")
        if account is not None:
            for path in (self._socket_dir, self.log_file, conf):
                os.chown(path, account.pw_uid, account.pw_gid)
        options = f"-p {address.port} -k {address.socket_dir} -c listen_addresses=127.0.0.1"
        argv = [
            programs.path("pg_ctl"), "-D", str(self.folder), "-l", str(self.log_file), "-w", "-t", str(_START_TIMEOUT_S),
            "-o", options, "start",
        ]  # fmt: skip
        for attempt in range(4):
            done = subprocess.run(as_server(argv, account), capture_output=True, text=True, check=False, cwd="/")
            if done.returncode == 0:
                break
            # After a kill -9 the orphaned server processes need a moment to notice and let go of the shared memory.
            time.sleep(1 + attempt)
        else:
            raise ClusterError(f"the store in {self.folder} does not start: {self._log_end()}", hint=f"see {self.log_file}")
        state = self._data_dir / "postgres.address.json"
        part = state.with_suffix(".part")
        part.write_text(json.dumps(asdict(address)), encoding="utf-8")
        part.replace(state)
        self._create_database()
        return address

    def _create_database(self) -> None:
        with psycopg.connect(self.conninfo("postgres"), autocommit=True, connect_timeout=10) as connection:
            # A restore that was killed between its renames: an empty store in the old one's place would hide it.
            put_back_database(connection, _DATABASE)
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [_DATABASE]).fetchone() is None:
                connection.execute("CREATE DATABASE cim")

    def _pid_in_file(self) -> int | None:
        try:
            return int((self.folder / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0])
        except (OSError, ValueError):
            return None

    def _server_pid(self) -> int | None:
        pid = self._pid_in_file()
        if pid is None or not _is_postgres(pid, self.folder):
            return None
        return pid

    def _clear_stale_pid(self) -> None:
        pid = self._pid_in_file()
        if pid is not None and self._server_pid() is None:
            (self.folder / "postmaster.pid").unlink(missing_ok=True)

    def _answers(self, address: ClusterAddress) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", address.port), timeout=5):
                return True
        except OSError:
            return False

    def _log_end(self) -> str:
        try:
            lines = self.log_file.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        except OSError:
            return "no log"
        return " / ".join(lines[-4:])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_postgres(pid: int, folder: Path) -> bool:
    """Tell whether a process is the postmaster of a cluster; a number alone may have been given to another program."""
    try:
        os.kill(pid, 0)
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except ProcessLookupError:
        return False
    except (OSError, PermissionError):
        return True
    return b"postgres" in command[0] and str(folder).encode() in command
