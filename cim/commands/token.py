"""``cim token``: local API tokens."""

import getpass
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import typer
from rich.console import Console

from cim.access import RASTERS
from cim.cli_support import emit, settings_from, table
from cim.clock import utc_now
from cim.db import audit, engine, migrate, tokens
from cim.db.catalog import collections
from cim.errors import InvalidParameterError

app = typer.Typer(help="Create, list and revoke API tokens.", no_args_is_help=True)

_LIFE = re.compile(r"^([1-9][0-9]{0,4})([hdy])$")
_HOURS = {"h": 1, "d": 24, "y": 24 * 366}
_LONGEST = timedelta(days=366 * 5)


def parse_expiry(text: str, now: datetime) -> datetime:
    """Read ``--expires``: a life such as 12h, 90d, 1y, or a day, meant to its end in UTC.

    Parameters
    ----------
    now
        Current instant.

    Raises
    ------
    InvalidParameterError
        Neither, in the past, or more than five years away.
    """
    expected = "12h, 90d, 1y or a day such as 2027-06-30, in the future and at most five years away"
    match = _LIFE.match(text)
    try:
        end = now + timedelta(hours=int(match[1]) * _HOURS[match[2]]) if match else datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise InvalidParameterError("--expires", text[:40], expected) from error
    if not match:
        end = end.replace(tzinfo=end.tzinfo or UTC) + (timedelta(days=1) if len(text) == len("2027-06-30") else timedelta())
    if not now < end <= now + _LONGEST:
        raise InvalidParameterError("--expires", text[:40], expected)
    return end


@app.command()
def create(
    ctx: typer.Context,
    name: str = typer.Option(..., "--name", help="What the token is for; unique among those in force."),
    role: str = typer.Option("viewer", "--role", help="viewer, editor, engineer, operator or admin."),
    subject: str = typer.Option("", "--subject", help="Person or account, author of its changes; default: the name."),
    scopes: list[str] = typer.Option([], "--scope", help="Narrow the role to read, run, edit, models, export, build, admin; repeatable."),
    visible: list[str] = typer.Option([], "--collection", help="Collection it sees; repeatable; default: all."),
    writable: list[str] = typer.Option([], "--writable", help="Collection it may edit; repeatable; default: all it sees."),
    divisions: list[str] = typer.Option(
        [], "--division", help="Division whose rows it sees and edits, any level; repeatable; default: all."
    ),
    expires: str = typer.Option("90d", "--expires", help="End of its life: 12h, 90d, 1y or a day."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Check only, create nothing."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> None:
    """Create a token and show it, once; the store keeps its hash only.

    Example: cim token create --name qgis-hongshan --role editor --division 420111 --writable buildings --expires 90d
    """
    settings = settings_from(ctx)
    new = tokens.NewToken(
        name=name,
        subject=subject or name,
        role=role,
        expires_at=parse_expiry(expires, utc_now()),
        permissions=tuple(scopes) or None,
        collections=tuple(visible) or None,
        writable=tuple(writable) or None,
        divisions=tuple(divisions) or None,
    )
    tokens.check(new, frozenset(collections()) | frozenset(RASTERS))
    migrate.require_current(settings)
    with engine.connect(settings) as connection:
        token_id, token = tokens.create(connection, new, created_by=getpass.getuser())
        facts = {"role": role, "divisions": divisions or None, "collections": visible or None, "expires_at": new.expires_at.isoformat()}
        audit.add(connection, subject=getpass.getuser(), action="token", target=f"create {name}", detail=facts)
        if dry_run:
            connection.rollback()
    document = {"id": token_id, "name": name, "role": role, "subject": new.subject, "expires_at": new.expires_at.isoformat()}
    if dry_run:
        emit({**document, "id": None, "dry_run": True}, as_json=as_json, text=lambda console: console.print(f"would create token {name}"))
        return

    def show(console: Console) -> None:
        console.print(f"token {name} ({role}, until {new.expires_at:%Y-%m-%d %H:%M} UTC); it is shown this once:")
        console.print(token, markup=False, highlight=False)
        console.print("send it as: Authorization: Bearer TOKEN", markup=False)

    emit({**document, "token": token}, as_json=as_json, text=show)


@app.command("list")
def list_(
    ctx: typer.Context,
    everything: bool = typer.Option(False, "--all", help="Expired and revoked ones too."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> None:
    """List tokens: what they allow, when they end, when they were used last; never the tokens themselves.

    Example: cim token list --all
    """
    with engine.connect(settings_from(ctx)) as connection:
        rows = tokens.listing(connection, everything=everything)

    def cell(row: dict[str, Any], name: str) -> str:
        value = row[name]
        return (
            "all" if value is None and name in {"divisions", "collections"} else ", ".join(value) if isinstance(value, list) else str(value)
        )

    names = ["name", "subject", "role", "divisions", "collections", "state", "expires_at", "last_used_at"]
    emit(rows, as_json=as_json, text=lambda console: console.print(table("Tokens", names, [[cell(row, n) for n in names] for row in rows])))


@app.command()
def revoke(
    ctx: typer.Context,
    name: str = typer.Argument(..., help="Name or id of the token."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Check only, revoke nothing."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> None:
    """Revoke a token; running servers refuse it within five seconds.

    Example: cim token revoke qgis-hongshan
    """
    with engine.connect(settings_from(ctx)) as connection:
        token_id = tokens.revoke(connection, name)
        audit.add(connection, subject=getpass.getuser(), action="token", target=f"revoke {name}", detail={"id": token_id})
        if dry_run:
            connection.rollback()
    document = {"id": token_id, "name": name, "revoked": not dry_run}
    emit(document, as_json=as_json, text=lambda console: console.print(f"{'would revoke' if dry_run else 'revoked'} token {name}"))
