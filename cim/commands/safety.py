"""``cim safety``: appraisals, hazards and inspections of buildings."""

import getpass
from collections.abc import Callable
from datetime import date, datetime
from typing import Any
from uuid import UUID

import typer

from cim.cli_support import emit, settings_from, table
from cim.db import changes, engine, migrate, safety
from cim.db.engine import Connection
from cim.errors import InvalidParameterError
from cim.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Appraisals, hazards and inspections of buildings.")
hazard_app = typer.Typer(no_args_is_help=True, help="Hazards: found, measures, eliminated, rechecked.")
app.add_typer(hazard_app, name="hazard")

AsJson = typer.Option(False, "--json", help="Print one JSON document.")
DryRun = typer.Option(False, "--dry-run", help="Check everything, write nothing.")
Code = typer.Argument(..., help="Building code.")
On = typer.Option(..., "--on", formats=["%Y-%m-%d"], help="Day, e.g. 2026-05-02.")
By = typer.Option(..., "--by", help="Body or person.")
Note = typer.Option(None, "--note", help="Remarks.")
Author = typer.Option(None, "--author", help="Who records it; default: the account.")
Reason = typer.Option("safety record", "--reason", help="Why it is recorded.")


def _write(
    settings: Settings, work: Callable[[Connection, UUID], Any], *, dry_run: bool, author: str | None, reason: str
) -> dict[str, Any]:
    migrate.require_current(settings)
    with engine.connect(settings) as connection:
        change_set = changes.open_change_set(connection, author=author or getpass.getuser(), operation="safety", reason=reason)
        result = work(connection, change_set)
        if dry_run:
            connection.rollback()
    return {"change_set": change_set, "dry_run": dry_run, **(result if isinstance(result, dict) else {"id": result})}


def _show(data: dict[str, Any], *, as_json: bool) -> None:
    emit(data, as_json=as_json, text=lambda console: console.print(table("Safety 安全", ["", ""], list(data.items()))))


def _id(value: str) -> UUID:
    try:
        return UUID(value)
    except ValueError:
        raise InvalidParameterError("hazard", value, "the id of a hazard", hint="cim safety hazard list") from None


@app.command()
def appraise(
    ctx: typer.Context,
    code: str = Code,
    grade: str = typer.Option(..., "--grade", help="A safe, B locally affected, C local danger, D whole building dangerous."),
    on: datetime = On,
    by: str = By,
    report: str | None = typer.Option(None, "--report", help="Number of the report."),
    valid_until: datetime | None = typer.Option(None, "--valid-until", formats=["%Y-%m-%d"], help="Last day it is valid."),
    note: str | None = Note,
    author: str | None = Author,
    reason: str = Reason,
    as_json: bool = AsJson,
    dry_run: bool = DryRun,
) -> None:
    """Record an appraisal; the newest one sets the building's safety grade.

    Example: cim safety appraise 420111006001202600000100012 --grade C --on 2026-05-02 --by "Appraisal centre"
    """
    until: date | None = valid_until.date() if valid_until else None
    done = _write(
        settings_from(ctx),
        lambda c, s: safety.appraise(
            c, code, s, grade=grade, appraised_on=on.date(), appraiser=by, report_no=report, valid_until=until, note=note
        ),
        dry_run=dry_run, author=author, reason=reason,
    )  # fmt: skip
    _show(done, as_json=as_json)


@hazard_app.command("add")
def add_hazard(
    ctx: typer.Context,
    code: str = Code,
    kind: str = typer.Option(..., "--kind", help="structure, facade, fire, gas, electric, illegal_alteration, foundation, other."),
    level: str = typer.Option(..., "--level", help="low, medium, high."),
    description: str = typer.Option(..., "--description", help="What is wrong, and where."),
    on: datetime = On,
    by: str = By,
    photo: list[str] | None = typer.Option(None, "--photo", help="Name of a photo file; repeatable."),
    author: str | None = Author,
    reason: str = Reason,
    as_json: bool = AsJson,
    dry_run: bool = DryRun,
) -> None:
    """Record a hazard.

    Example: cim safety hazard add 420111006001202600000100012 --kind gas --level high --description leak --on 2026-05-02 --by census
    """
    done = _write(
        settings_from(ctx),
        lambda c, s: safety.add_hazard(
            c, code, s, kind=kind, level=level, description=description, found_by=by, found_on=on.date(), photos=photo or ()
        ),
        dry_run=dry_run, author=author, reason=reason,
    )  # fmt: skip
    _show(done, as_json=as_json)


@hazard_app.command()
def advance(
    ctx: typer.Context,
    hazard: str = typer.Argument(..., help="Id of the hazard."),
    state: str = typer.Option(..., "--state", help="measures, eliminated, rechecked; measures again after a re-check that failed."),
    on: datetime = On,
    by: str = By,
    note: str | None = Note,
    author: str | None = Author,
    reason: str = Reason,
    as_json: bool = AsJson,
    dry_run: bool = DryRun,
) -> None:
    """Bring a hazard to its next state.

    Example: cim safety hazard advance 019a2f00-0000-7000-8000-000000000000 --state measures --on 2026-05-09 --by "Owner"
    """
    chosen = _id(hazard)
    done = _write(
        settings_from(ctx),
        lambda c, s: {
            "id": chosen, "after": state,
            "before": safety.advance_hazard(c, chosen, s, state=state, done_on=on.date(), done_by=by, note=note),
        },
        dry_run=dry_run, author=author, reason=reason,
    )  # fmt: skip
    _show(done, as_json=as_json)


@hazard_app.command("list")
def list_hazards(
    ctx: typer.Context,
    division: str | None = typer.Option(None, "--division", help="Division of any level, 2 to 12 digits."),
    state: str | None = typer.Option(None, "--state", help="Only this state; default: all that are not closed."),
    level: str | None = typer.Option(None, "--level", help="Only this level."),
    limit: int = typer.Option(1000, "--limit", min=1, max=100_000, help="Most rows."),
    as_json: bool = AsJson,
) -> None:
    """List hazards, the worst and oldest first.

    Example: cim safety hazard list --division 420111 --level high
    """
    settings = settings_from(ctx)
    migrate.require_current(settings)
    with engine.connect(settings) as connection:
        rows = safety.list_hazards(connection, division=division, state=state, level=level, limit=limit)
    columns = ("id", "building_code", "name", "kind", "level", "state", "found_on", "days", "description")
    emit(rows, as_json=as_json, text=lambda console: console.print(table("Hazards 隐患", columns, [[r[c] for c in columns] for r in rows])))


@app.command()
def inspect(
    ctx: typer.Context,
    code: str = Code,
    result: str = typer.Option(..., "--result", help="no_finding, finding, not_accessible."),
    on: datetime = On,
    by: str = By,
    hazard: str | None = typer.Option(None, "--hazard", help="Hazard that it found or re-checked."),
    note: str | None = Note,
    author: str | None = Author,
    reason: str = Reason,
    as_json: bool = AsJson,
    dry_run: bool = DryRun,
) -> None:
    """Record an inspection.

    Example: cim safety inspect 420111006001202600000100012 --result no_finding --on 2026-05-02 --by "Street office"
    """
    chosen = _id(hazard) if hazard else None
    done = _write(
        settings_from(ctx),
        lambda c, s: safety.inspect(c, code, s, inspected_on=on.date(), inspector=by, result=result, note=note, hazard=chosen),
        dry_run=dry_run, author=author, reason=reason,
    )  # fmt: skip
    _show(done, as_json=as_json)


@app.command()
def show(ctx: typer.Context, code: str = Code, as_json: bool = AsJson) -> None:
    """Show the safety archive of a building.

    Example: cim safety show 420111006001202600000100012
    """
    settings = settings_from(ctx)
    migrate.require_current(settings)
    with engine.connect(settings) as connection:
        found = safety.archive(connection, code)

    def draw(console: Any) -> None:  # noqa: ANN401 - rich console
        console.print(f"{code} {found['name'] or ''}  grade 等级 {found['safety_grade'] or '—'}")
        for title, key in (("Appraisals 鉴定", "appraisals"), ("Hazards 隐患", "hazards"), ("Inspections 巡查", "inspections")):
            rows = found[key]
            if rows:
                console.print(table(title, list(rows[0]), [list(row.values()) for row in rows]))

    emit(found, as_json=as_json, text=draw)
