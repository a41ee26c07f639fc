"""``cim worker``: the job queue."""

import typer

from cim.cli_support import emit, settings_from
from cim.db import migrate
from cim.jobs import run_worker

app = typer.Typer()


@app.command()
def worker(
    ctx: typer.Context,
    once: bool = typer.Option(False, "--once", help="Do what is waiting, then end."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON document at the end."),
) -> None:
    """Work on queued jobs and rebuild tiles after changes, until interrupted.

    Example: cim worker --once
    """
    settings = settings_from(ctx)
    migrate.require_current(settings)
    run_worker(settings, once=once)
    if as_json:
        emit({"finished": True}, as_json=True)
