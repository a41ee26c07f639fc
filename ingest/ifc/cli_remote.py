"""``cim bim upload --server`` and ``cim bim status``: models on another machine."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from cim import upload_jobs
from cim.cli_support import emit, say, settings_from, table
from cim.db import migrate
from cim.errors import ConfigError
from cim.settings import Settings
from ingest.ifc import remote

ServerOption = typer.Option(None, "--server", help="Address of the server to upload to; else CIM_CLIENT__SERVER.")
TokenOption = typer.Option(None, "--token", help="Token for the server; others on this machine can see it, --token-file is safer.")
TokenFileOption = typer.Option(None, "--token-file", help="File that holds the token; else CIM_CLIENT__TOKEN.")
Draw = Callable[[dict[str, Any]], Callable[[Console], None]]


def server_of(settings: Settings, address: str | None, token: str | None, token_file: Path | None) -> remote.Server | None:
    """Return the server that was asked for, None for the local store.

    Raises
    ------
    ConfigError
        A token without a server, no token, or a token file that cannot be read.
    """
    address = address or settings.client.server
    if not address:
        if token or token_file:
            raise ConfigError("a token, but no server", hint="pass --server URL, or set CIM_CLIENT__SERVER")
        return None
    if token_file is not None:
        try:
            token = token_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"token file {token_file}: {error}") from error
    if token is None and settings.client.token is not None:
        token = settings.client.token.get_secret_value()
    return remote.Server(address, token or "", say=say)


def upload_to(
    server: remote.Server, file: Path, options: dict[str, Any], *, detach: bool, as_json: bool, draw: Draw
) -> None:  # fmt: skip
    """Upload a model, wait for its job unless told otherwise, print the report that a local upload prints."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as shown:
        task = shown.add_task("uploading 上传", total=None)
        upload_id = remote.send_model(server, file, options, lambda done, of: shown.update(task, completed=done, total=of))
    if detach:
        state = remote.follow(server, upload_id, lambda _: None, wait=False)
        emit(state, as_json=as_json, text=lambda out: out.print(f"{upload_id}: {state['state']}; cim bim status {upload_id} --follow"))
        return
    report = remote.report_from(_followed(server, upload_id))
    emit(report, as_json=as_json, text=draw(report))


def _followed(server: remote.Server, upload_id: str) -> dict[str, Any]:
    console = Console(stderr=True)
    if not console.is_terminal:
        return remote.follow(server, upload_id, lambda _: None, wait=True)
    with Progress(TextColumn("{task.description}"), BarColumn(), console=console, transient=True) as shown:
        task = shown.add_task("waiting 排队", total=100)

        def tell(state: dict[str, Any]) -> None:
            words = state.get("message") or state.get("state", "")
            shown.update(task, completed=state.get("progress", 100), description=str(words)[:60])

        return remote.follow(server, upload_id, tell, wait=True)


def add_status(app: typer.Typer, draw: Draw) -> None:
    """Add the command ``status``."""

    @app.command()
    def status(
        ctx: typer.Context,
        name: str | None = typer.Argument(None, metavar="[ID]", help="Id of an upload, or code of a model; without: your uploads."),
        follow: bool = typer.Option(False, "--follow", help="Wait until its job has ended, then print its report."),
        server: str | None = ServerOption,
        token: str | None = TokenOption,
        token_file: Path | None = TokenFileOption,
        as_json: bool = typer.Option(False, "--json", help="Print one JSON document."),
    ) -> None:
        """Say how far an upload is and what came of it; exit 1 when its job failed.

        Example: cim bim status 0193f0aa-5d4e-7c3a-9b1e-3f2a7c9d1e55 --follow --server https://cim.example.org --token-file token.txt
        """
        settings = settings_from(ctx)
        there = server_of(settings, server, token, token_file)
        if name is None:
            _emit_list(_list(settings, there), as_json=as_json)
            return
        if there is not None:
            state = _followed(there, name) if follow else remote.follow(there, name, lambda _: None, wait=False)
        else:
            migrate.require_current(settings)
            state = upload_jobs.followed(settings, name, wait=follow)
        report = remote.report_from(state)
        emit(state if "state" in state and not follow else report, as_json=as_json, text=draw(report))


def _list(settings: Settings, server: remote.Server | None) -> list[dict[str, Any]]:
    if server is not None:
        found: list[dict[str, Any]] = server.ask("GET", "/bim/uploads").json()["uploads"]
        return found
    migrate.require_current(settings)
    return upload_jobs.states(settings)


def _emit_list(uploads: list[dict[str, Any]], *, as_json: bool) -> None:
    columns = ["id", "file", "state", "received", "size", "message"]
    rows = [[one[name] for name in columns] for one in uploads]
    emit(uploads, as_json=as_json, text=lambda console: console.print(table("Uploads 上传", columns, rows)))
