"""``cim units``: dwellings and other units inside buildings."""

import getpass

import typer

from cim.cli_support import emit, say, settings_from, table
from cim.db import changes, engine, migrate, units
from cim.errors import InvalidParameterError

app = typer.Typer(no_args_is_help=True, help="Dwellings and other units inside buildings.")

AsJson = typer.Option(False, "--json", help="Print one JSON document.")
_SOURCES = ("census", "bim")


@app.callback()
def _units() -> None:
    """Stand so that the command keeps its name while it is the only one."""


@app.command()
def propose(
    ctx: typer.Context,
    codes: list[str] = typer.Argument(None, help="Buildings; default: all."),
    source: str = typer.Option(..., "--from", help="census: counts of dwellings and storeys; bim: spaces of linked models."),
    division: str | None = typer.Option(None, "--division", help="Only buildings of this division, 2 to 12 digits (census)."),
    author: str | None = typer.Option(None, "--author", help="Who; default: the account."),
    as_json: bool = AsJson,
    dry_run: bool = typer.Option(False, "--dry-run", help="Show what would be proposed, write nothing."),
) -> None:
    """Give units with codes to buildings that have no surveyed ones; they are marked as proposed.

    Example: cim units propose --from census --division 420111
    """
    if source not in _SOURCES:
        raise InvalidParameterError("--from", source, f"one of {', '.join(_SOURCES)}")
    settings = settings_from(ctx)
    migrate.require_current(settings)
    with engine.connect(settings) as connection:
        if source == "census":
            found, why = units.propose_from_census(connection, division, codes or [])
        else:
            found, why = units.propose_from_bim(connection, codes or [])
        reason = f"units proposed from {source}"
        change_set = changes.open_change_set(connection, author=author or getpass.getuser(), operation="edit", reason=reason)
        known = units.fetch_hashes(connection, [unit.code for unit in found])
        rows = [unit.row(units.PROPOSED, unit.code) for unit in found]
        inserted, updated = units.load_units(connection, [row for row in rows if known.get(row[0], "") != row[-1]], change_set)
        # A run that changes nothing leaves no change set behind either.
        if dry_run or not inserted + updated:
            connection.rollback()
    buildings = len({unit.building for unit in found})
    data = {
        "buildings": buildings, "proposed": len(found), "new": inserted, "changed": updated, "unchanged": len(found) - inserted - updated,
        "not_proposed": why, "dry_run": dry_run,
    }  # fmt: skip
    cells = [(name, data[name]) for name in ("buildings", "proposed", "new", "changed", "unchanged")]
    emit(data, as_json=as_json, text=lambda console: console.print(table("Units 户室", ["", ""], cells)))
    for code, reason_ in list(why.items())[:20] if not as_json else ():
        say(f"{code}: {reason_}")
