"""``cim audit``: who wrote, exported or executed what."""

from datetime import UTC, datetime

import typer

from cim.cli_support import emit, settings_from, table
from cim.db import audit as events
from cim.db import engine
from cim.errors import InvalidParameterError

app = typer.Typer()


@app.command()
def audit(
    ctx: typer.Context,
    since: str = typer.Option("", "--since", help="Only events from this day or instant on, UTC."),
    subject: str = typer.Option("", "--subject", help="Only events of this person or account."),
    limit: int = typer.Option(100, "--limit", min=1, max=100_000, help="Most events."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> None:
    """List writes, exports, processes and tokens, newest first.

    Example: cim audit --since 2026-11-01 --subject li.na
    """
    try:
        start = datetime.fromisoformat(since) if since else None
    except ValueError as error:
        raise InvalidParameterError("--since", since[:40], "a day or instant such as 2026-11-01 or 2026-11-01T08:00:00+08:00") from error
    if start is not None and start.tzinfo is None:
        start = start.replace(tzinfo=UTC)
    with engine.connect(settings_from(ctx)) as connection:
        rows = events.listing(connection, since=start, subject=subject or None, limit=limit)
    names = ["recorded_at", "subject", "role", "action", "target", "status", "address"]
    emit(rows, as_json=as_json, text=lambda console: console.print(table("Audit", names, [[row[name] for name in names] for row in rows])))
