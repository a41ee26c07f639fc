"""``cim serve``: the HTTP server."""

import socket

import typer
import uvicorn

from cim.cli_support import emit, say, settings_from
from cim.db import migrate
from cim.errors import ConfigError
from cim.settings import Settings
from ogc_api.app import create_app

app = typer.Typer(help="Serve OGC API, 3D Tiles and the viewer.")

_CLOSING_S = 5


@app.command()
def start(
    ctx: typer.Context,
    host: str | None = typer.Option(None, "--host", help="Address to listen on; default CIM_SERVER__HOST or 127.0.0.1."),
    port: int | None = typer.Option(None, "--port", min=0, max=65_535, help="Port to listen on, 0 = any free one; default 8000."),
    as_json: bool = typer.Option(False, "--json", help="Print the address as one JSON document."),
) -> None:
    """Serve OGC API, 3D Tiles and the viewer until interrupted.

    Example: cim serve --host 127.0.0.1 --port 8000
    """
    settings = settings_from(ctx)
    serve(settings, host or settings.server.host, settings.server.port if port is None else port, as_json=as_json)


def serve(settings: Settings, host: str, port: int, *, as_json: bool = False) -> None:
    """Serve until interrupted.

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
        name = f"[{host}]" if ":" in host else host
        shown = "127.0.0.1" if host in {"0.0.0.0", "::"} else name  # noqa: S104 - compared, not bound
        address = settings.server.public_url or f"http://{shown}:{bound}"
        emit(
            {"url": address, "port": bound},
            as_json=as_json,
            text=lambda console: console.print(f"serving on {address}/ (viewer: {address}/viewer/)"),
        )
        config = uvicorn.Config(
            create_app(settings), log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=_CLOSING_S
        )
        uvicorn.Server(config).run(sockets=[listening])
    say("server stopped")


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
