"""``cim network outage``: shutdowns and their states."""

import getpass
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import typer
from rich.console import Console

from cim.cli_support import emit, settings_from, table
from cim.clock import utc_now
from cim.db import changes, engine, migrate, network_outages
from cim.db.engine import Connection
from cim.db.network_graph import load_view
from cim.errors import InvalidParameterError

app = typer.Typer(no_args_is_help=True, help="Shutdowns: planned and accidental, who is affected, what is in their way.")

AsJson = typer.Option(False, "--json", help="Print one JSON document.")
DryRun = typer.Option(False, "--dry-run", help="Check everything, write nothing.")
Author = typer.Option(None, "--author", help="Who; default: the account.")
Note = typer.Option(None, "--note", help="Remark, kept with the step.")
Number = typer.Argument(..., help="Number, e.g. OUT-2026-000001.")
At = typer.Option(None, "--at", help="Real time (RFC 3339); default: now.")


def _time(name: str, value: str) -> datetime:
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise InvalidParameterError(name, value, "a time with its zone, such as 2026-11-27T08:00:00+08:00")
    return found


def _write(
    ctx: typer.Context, author: str | None, reason: str, work: Callable[[Connection, UUID, str], dict[str, Any]], *, dry_run: bool
) -> dict[str, Any]:
    settings, who = settings_from(ctx), author or getpass.getuser()
    migrate.require_current(settings)
    with engine.connect(settings) as connection:
        change_set = changes.open_change_set(connection, author=who, operation="edit", reason=reason)
        data = work(connection, change_set, who)
        if dry_run:
            connection.rollback()
    return {**data, "dry_run": dry_run}


def _show(data: dict[str, Any], *, as_json: bool) -> None:
    def draw(console: Console) -> None:
        result = data["result"]
        rows = [
            ("state 状态", data["state"]), ("cause 原因", data["cause"]), ("part 管段", data["part_code"]),
            ("from 起", data["starts_at"]), ("to 止", data["ends_at"] or "—"), ("close valves 关阀", ", ".join(result["close"]) or "—"),
            ("lines out of service 停用管段", len(result["dry_lines"]) + len(result["cut_off_lines"])),
            ("customers 受影响用户", result["customers"]), ("buildings and addresses 建筑与地址", len(result["served"])),
            ("in the way 冲突", ", ".join(one["number"] for one in result["overlaps"]) or "—"),
        ]  # fmt: skip
        console.print(table(f"Shutdown 停用 {data['number']}", ["", ""], rows))
        steps = [(one["recorded_at"], one["state"], one["author"], one["note"] or "") for one in data["steps"]]
        console.print(table("Steps 过程", ["", "", "", ""], steps))

    emit(data, as_json=as_json, text=draw)


@app.command("open")
def open_(
    ctx: typer.Context,
    code: str = typer.Argument(..., help="Code of the part that is worked on or burst."),
    kind: str = typer.Option(..., "--kind", help="Kind of the network."),
    cause: str = typer.Option("planned", "--cause", help="planned or accidental."),
    starts: str | None = typer.Option(None, "--starts", help="Start (RFC 3339); default: now."),
    ends: str | None = typer.Option(None, "--ends", help="End (RFC 3339); needed for planned ones."),
    reason: str = typer.Option(..., "--reason", help="Why, in words."),
    broken: list[str] = typer.Option([], "--broken", help="Valve that is broken; may be repeated."),
    inaccessible: list[str] = typer.Option([], "--inaccessible", help="Valve that cannot be reached; may be repeated."),
    author: str | None = Author,
    dry_run: bool = DryRun,
    as_json: bool = AsJson,
) -> None:
    """Record a shutdown: valves to close, customers out of service, other shutdowns in its way.

    Example: cim network outage open WA420111-L2026000001 --kind water --starts 2026-12-01T08:00:00+08:00
    --ends 2026-12-01T17:00:00+08:00 --reason "new hydrant"
    """
    begins = _time("--starts", starts) if starts else utc_now()
    finish = _time("--ends", ends) if ends else None

    def work(connection: Connection, change_set: UUID, who: str) -> dict[str, Any]:
        return network_outages.open_outage(
            connection, load_view(connection, kind), code, cause=cause, starts_at=begins, ends_at=finish, reason=reason, author=who,
            change_set=change_set, broken=broken, inaccessible=inaccessible,
        )  # fmt: skip

    _show(_write(ctx, author, reason, work, dry_run=dry_run), as_json=as_json)


def _move(
    ctx: typer.Context, number: str, state: str, author: str | None, note: str | None, at: str | None, *, accept: bool = False,
    dry_run: bool, as_json: bool,
) -> None:  # fmt: skip
    moment = _time("--at", at) if at else utc_now()

    def work(connection: Connection, _: UUID, who: str) -> dict[str, Any]:
        view = load_view(connection, network_outages.fetch_outage(connection, number)["kind"])
        return network_outages.move_outage(connection, view, number, state, author=who, note=note, at=moment, accept_conflict=accept)

    _show(_write(ctx, author, note or f"{number}: {state}", work, dry_run=dry_run), as_json=as_json)


@app.command()
def start(
    ctx: typer.Context, number: str = Number, at: str | None = At,
    accept_conflict: bool = typer.Option(False, "--accept-conflict", help="Start although another shutdown is in the way."),
    note: str | None = Note, author: str | None = Author, dry_run: bool = DryRun, as_json: bool = AsJson,
) -> None:  # fmt: skip
    """Start a planned shutdown; it is isolated anew on the network as it is.

    Example: cim network outage start OUT-2026-000001
    """
    _move(ctx, number, "in_progress", author, note, at, accept=accept_conflict, dry_run=dry_run, as_json=as_json)


@app.command()
def finish(
    ctx: typer.Context, number: str = Number, at: str | None = At, note: str | None = Note, author: str | None = Author,
    dry_run: bool = DryRun, as_json: bool = AsJson,
) -> None:  # fmt: skip
    """Finish a shutdown that is in progress.

    Example: cim network outage finish OUT-2026-000001 --at 2026-12-01T16:20:00+08:00
    """
    _move(ctx, number, "finished", author, note, at, dry_run=dry_run, as_json=as_json)


@app.command()
def cancel(
    ctx: typer.Context, number: str = Number, note: str | None = Note, author: str | None = Author, dry_run: bool = DryRun,
    as_json: bool = AsJson,
) -> None:  # fmt: skip
    """Cancel a planned shutdown; others that waited for it are planned again.

    Example: cim network outage cancel OUT-2026-000001 --note "rain"
    """
    _move(ctx, number, "cancelled", author, note, None, dry_run=dry_run, as_json=as_json)


@app.command()
def reschedule(
    ctx: typer.Context, number: str = Number,
    starts: str = typer.Option(..., "--starts", help="New start (RFC 3339)."),
    ends: str = typer.Option(..., "--ends", help="New end (RFC 3339)."),
    note: str | None = Note, author: str | None = Author, dry_run: bool = DryRun, as_json: bool = AsJson,
) -> None:  # fmt: skip
    """Give a planned shutdown another time.

    Example: cim network outage reschedule OUT-2026-000002 --starts 2026-12-02T08:00:00+08:00 --ends 2026-12-02T12:00:00+08:00
    """
    begins, finish_ = _time("--starts", starts), _time("--ends", ends)

    def work(connection: Connection, _: UUID, who: str) -> dict[str, Any]:
        view = load_view(connection, network_outages.fetch_outage(connection, number)["kind"])
        return network_outages.reschedule_outage(connection, view, number, starts_at=begins, ends_at=finish_, author=who, note=note)

    _show(_write(ctx, author, note or f"{number}: rescheduled", work, dry_run=dry_run), as_json=as_json)


@app.command()
def show(ctx: typer.Context, number: str = Number, as_json: bool = AsJson) -> None:
    """Show a shutdown with the valves, the affected customers and every step.

    Example: cim network outage show OUT-2026-000001 --json
    """
    settings = settings_from(ctx)
    migrate.require_current(settings)
    with engine.connect(settings) as connection:
        data = network_outages.fetch_outage(connection, number)
    _show(data, as_json=as_json)


@app.command("list")
def list_(
    ctx: typer.Context,
    kind: str | None = typer.Option(None, "--kind", help="One kind; default: all."),
    state: str | None = typer.Option(None, "--state", help="planned, conflict, in_progress, finished or cancelled."),
    as_json: bool = AsJson,
) -> None:
    """List shutdowns, the newest first.

    Example: cim network outage list --state in_progress
    """
    settings = settings_from(ctx)
    migrate.require_current(settings)
    with engine.connect(settings) as connection:
        rows = network_outages.list_outages(connection, kind, state=state)
    names = ("number", "kind", "state", "part_code", "starts_at", "ends_at", "lines", "customers", "conflicts_with")
    emit(rows, as_json=as_json, text=lambda c: c.print(table("Shutdowns 停用", names, [[row[n] for n in names] for row in rows])))
