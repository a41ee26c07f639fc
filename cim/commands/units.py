"""``cim units``: dwellings and other units inside buildings."""

import getpass

import typer

from cim.cli_support import emit, say, settings_from, table
from cim.db import changes, engine, migrate, unit_proposals, units
from cim.errors import InvalidParameterError

app = typer.Typer(no_args_is_help=True, help="Dwellings and other units inside buildings.")

AsJson = typer.Option(False, "--json", help="Print one JSON document.")
_PROPOSALS = {"census": unit_proposals.propose_from_census, "bim": unit_proposals.propose_from_bim}
_SHOWN = 20


@app.callback()
def _units() -> None:
    """Stand so that the command keeps its name while it is the only one."""


@app.command()
def propose(
    ctx: typer.Context,
    codes: list[str] = typer.Argument(None, help="Buildings; default: all."),
    source: str = typer.Option(..., "--from", help="census: counts of dwellings and storeys; bim: spaces and zones of linked models."),
    division: str | None = typer.Option(None, "--division", help="Only buildings of this division, 2 to 12 digits."),
    author: str | None = typer.Option(None, "--author", help="Who; default: the account."),
    reason: str | None = typer.Option(None, "--reason", help="Why; default: where they are proposed from."),
    as_json: bool = AsJson,
    dry_run: bool = typer.Option(False, "--dry-run", help="Show what would be proposed, write nothing."),
) -> None:
    """Give units with codes to buildings that have no surveyed ones; they are marked as proposed and replace earlier proposals.

    Example: cim units propose --from census --division 420111
    """
    if source not in _PROPOSALS:
        raise InvalidParameterError("--from", source, f"one of {', '.join(_PROPOSALS)}")
    settings = settings_from(ctx)
    migrate.require_current(settings)
    with engine.connect(settings) as connection:
        found, planned, why = _PROPOSALS[source](connection, division, codes or [])
        change_set = changes.open_change_set(
            connection, author=author or getpass.getuser(), operation="edit", reason=reason or f"units proposed from {source}"
        )
        rows = [unit.row(units.PROPOSED, unit.code) for unit in found]
        done = units.write_units(connection, rows, planned, change_set)
        # A run that changes nothing leaves no change set behind either.
        if dry_run or not done.new + done.changed + done.retired:
            connection.rollback()
    buildings = len({unit.building for unit in found})
    data = {"buildings": buildings, "proposed": len(found), **vars(done), "not_proposed": why, "dry_run": dry_run}
    names = {"buildings": "buildings 建筑", "proposed": "proposed 拟建户室", "new": "new 新增", "changed": "changed 变更",
             "unchanged": "unchanged 未变", "retired": "retired 注销"}  # fmt: skip
    title = "dry run 试运行" if dry_run else "Units 户室"
    emit(
        data, as_json=as_json, text=lambda console: console.print(table(title, ["", ""], [(names[key], data[key]) for key in names]))
    )  # fmt: skip
    if not as_json:
        for thing, cause in list(why.items())[:_SHOWN]:
            say(f"{thing}: {cause}")
        if len(why) > _SHOWN:
            say(f"… and {len(why) - _SHOWN} more, all with --json")
