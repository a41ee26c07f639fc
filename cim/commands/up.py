"""``cim up``: store, schema, worker and server in one command."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from types import FrameType

import typer

from cim.cli import run
from cim.cli_support import say, settings_from
from cim.db import migrate
from cim.db.cluster import Cluster
from cim.errors import ConfigError
from cim.settings import Settings

app = typer.Typer()


def refuse_busy_port(host: str, port: int) -> None:
    """Refuse a port that another program listens on, before anything is started.

    Raises
    ------
    ConfigError
        The address cannot be used; names it and what to do.
    """
    try:
        with socket.create_server((host, port), reuse_port=False):
            pass
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host}:{port}: {error.strerror or error}",
            hint=f"end the program that uses port {port}, or pass --port with another one",
        ) from error


def start_store(settings: Settings) -> bool:
    """Start the private cluster if it is ours to start, and bring the schema up to date.

    Returns
    -------
    bool
        True when this call started the cluster.
    """
    started = False
    if settings.database.url is None:
        cluster = Cluster(settings.data_dir)
        started = cluster.address() is None
        cluster.start()
    migrate.migrate(settings)
    return started


@contextlib.contextmanager
def _worker(settings: Settings) -> Iterator[None]:
    environment = {**os.environ, "CIM_DATA_DIR": str(settings.data_dir.resolve())}
    child = subprocess.Popen([sys.executable, "-m", "cim", "worker"], env=environment, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        child.terminate()
        try:
            child.wait(timeout=15)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def serve_until_interrupted(settings: Settings, host: str, port: int, *, stop_store: bool) -> int:
    """Serve and work on jobs until SIGINT or SIGTERM, then end what was started here.

    Returns
    -------
    int
        Exit code of the server; 0 after an interrupt.
    """
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        with _worker(settings):
            code = run(["serve", "--host", host, "--port", str(port)], obj=settings)
    except KeyboardInterrupt:
        code = 0
    finally:
        signal.signal(signal.SIGTERM, previous)
        if stop_store:
            Cluster(settings.data_dir).stop()
            say("server and store stopped")
    return 0 if code == 130 else code


@app.command()
def up(
    ctx: typer.Context,
    host: str | None = typer.Option(None, "--host", help="Address to listen on; CIM_SERVER__HOST, default 127.0.0.1."),
    port: int | None = typer.Option(None, "--port", help="Port to listen on; CIM_SERVER__PORT, default 8000."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Check the port and the settings, start nothing."),
) -> None:
    """Start the store, bring its schema up to date, serve and work on jobs, until interrupted.

    Example: cim up --port 8080
    """
    settings = settings_from(ctx)
    host, port = host or settings.server.host, settings.server.port if port is None else port
    refuse_busy_port(host, port)
    if dry_run:
        return
    started = start_store(settings)
    raise typer.Exit(serve_until_interrupted(settings, host, port, stop_store=started))
