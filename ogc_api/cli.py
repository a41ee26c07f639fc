"""``cim serve``: the HTTP server."""

import os
import signal
import socket
import tempfile
import threading
import time
from functools import partial
from typing import Any

import structlog
import typer
import uvicorn
from starlette.applications import Starlette
from uvicorn.supervisors import Multiprocess

from cim import log
from cim.cli_support import emit, say, settings_from
from cim.db import engine, index_check, migrate, row_security
from cim.errors import ConfigError
from cim.settings import Settings
from ogc_api.app import create_app
from ogc_api.protocol import JoiningProtocol

app = typer.Typer(help="Serve OGC API, 3D Tiles and the viewer.")

_CLOSING_S = 5
_SILENT_S = 60
"""A process that answers its parent for so long with nothing is replaced; starting on a busy machine takes a while [s]."""
_log = structlog.get_logger("ogc_api.server")


@app.command()
def start(
    ctx: typer.Context,
    host: str | None = typer.Option(None, "--host", help="Address to listen on; default CIM_SERVER__HOST or 127.0.0.1."),
    port: int | None = typer.Option(None, "--port", min=0, max=65_535, help="Port to listen on, 0 = any free one; default 8000."),
    workers: int | None = typer.Option(None, "--workers", min=1, max=64, help="Server processes; CIM_SERVER__WORKERS, default 1."),
    as_json: bool = typer.Option(False, "--json", help="Print the address as one JSON document."),
) -> None:
    """Serve OGC API, 3D Tiles and the viewer until interrupted.

    Example: cim serve --host 127.0.0.1 --port 8000
    """
    settings = settings_from(ctx)
    if workers is not None:
        settings = settings.model_copy(update={"server": settings.server.model_copy(update={"workers": workers})})
    serve(settings, host or settings.server.host, settings.server.port if port is None else port, as_json=as_json)


def serve(settings: Settings, host: str, port: int, *, as_json: bool = False) -> None:
    """Serve until interrupted; requests that run then are finished, at most for five seconds.

    Parameters
    ----------
    settings
        Deployment settings.
    host, port
        Where to listen; port 0 takes any free one.

    Raises
    ------
    ConfigError
        The port is taken or the address is not one of this machine.
    MigrationError, StoreUnavailableError
        The store has another schema, or does not answer; nothing is served then.
    """
    with listen(host, port) as listening:
        migrate.require_current(settings)
        bound = listening.getsockname()[1]
        # What is open to everybody depends on where the server really listens.
        settings = settings.model_copy(update={"server": settings.server.model_copy(update={"host": host, "port": bound})})
        log.configure(as_json=settings.server.log_json)
        _warn_of_problems(settings)
        name = f"[{host}]" if ":" in host else host
        shown = "127.0.0.1" if host in {"0.0.0.0", "::"} else name  # noqa: S104 - compared, not bound
        address = settings.server.public_url or f"http://{shown}:{bound}"
        emit(
            {"url": address, "port": bound},
            as_json=as_json,
            text=lambda console: console.print(f"serving on {address}/ (viewer: {address}/viewer/)"),
        )
        _run(settings, listening)
    say("server stopped")


def _run(settings: Settings, listening: socket.socket) -> None:
    options: dict[str, Any] = {"log_level": "warning", "access_log": False, "server_header": False, "log_config": None}
    options["http"] = JoiningProtocol
    options["timeout_graceful_shutdown"] = _CLOSING_S
    if settings.server.workers == 1:
        uvicorn.Server(uvicorn.Config(create_app(settings), **options)).run(sockets=[listening])
        return
    with tempfile.TemporaryDirectory(prefix="cim-metrics-") as folder:
        # Read by prometheus_client when the processes import it: their numbers are added up.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        try:
            options |= {"workers": settings.server.workers, "timeout_worker_healthcheck": _SILENT_S}
            config = uvicorn.Config(partial(_worker_app, settings, os.getpid()), factory=True, **options)
            Multiprocess(config, sockets=[listening]).run()
        finally:
            del os.environ["PROMETHEUS_MULTIPROC_DIR"]


def _worker_app(settings: Settings, parent: int) -> Starlette:
    """Make the application in a server process of its own, which ends when its parent does."""
    threading.Thread(target=_end_with, args=[parent], daemon=True).start()
    log.configure(as_json=settings.server.log_json)
    return create_app(settings)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)


def _warn_of_problems(settings: Settings) -> None:
    with engine.connect(settings) as connection:
        found = [*row_security.problems(connection), *index_check.problems(connection)]
    for one in found:
        _log.warning(one.what, hint=one.hint)


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Raises
    ------
    ConfigError
        The port is taken, forbidden, or the address is not one of this machine.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        # With the protocol named, asyncio turns off Nagle's algorithm on accepted connections; without, every answer waits 40 ms.
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # uvloop does not: accepted connections inherit it from the listening one.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            listening.bind((host, port))
            listening.listen(2048)
        except OSError:
            listening.close()
            raise
    except OSError as error:
        raise ConfigError(
            f"{host} port {port}: {error.strerror or error}; expected an address of this machine and a free port",
            hint=f"stop the program that uses port {port}, or choose another one: cim serve --port {port + 1 if 0 < port < 65_535 else 0}",
        ) from error
    return listening
