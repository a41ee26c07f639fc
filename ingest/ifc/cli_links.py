"""``cim bim review`` and ``accept``: a person decides about model and building."""

import getpass
import sys
from typing import Any

import typer

from cim.cli_support import emit, settings_from, table
from cim.db import acceptance, bim_links, changes, engine, migrate
from cim.errors import ConfigError, InvalidParameterError

AsJson = typer.Option(False, "--json", help="Print one JSON document.")
DryRun = typer.Option(False, "--dry-run", help="Show what would be done, write nothing.")
Author = typer.Option(None, "--author", help="Who decides; default: the account.")
Yes = typer.Option(False, "--yes", help="Do not ask.")
PARTS = ("height_m", "storeys_above", "storeys_below", "footprint")


def add_links(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("review")(review)
    app.command("accept")(accept)


def review(ctx: typer.Context, as_json: bool = AsJson) -> None:
    """List the models that are bound to no building, with the buildings they lie on.

    Example: cim bim review
    """
    settings = settings_from(ctx)
    migrate.require_current(settings)
    with engine.connect(settings) as connection:
        found = bim_links.list_open(connection)
    rows = [
        (one["code"], one["name"], "; ".join(f"{c['code']} {c['name'] or ''} IoU {c['iou']}" for c in one["candidates"]) or "—")
        for one in found
    ]
    drawn = table("Models without a building 未关联建筑的模型", ["model 模型", "name 名称", "candidates 候选"], rows)
    emit(found, as_json=as_json, text=lambda console: console.print(drawn))


def accept(
    ctx: typer.Context,
    model: str = typer.Argument(..., help="Code of an as-built model (stage completion)."),
    only: list[str] = typer.Option([], "--only", help="Take only height_m, storeys_above, storeys_below or footprint; repeatable."),
    document: str | None = typer.Option(None, "--source", help="Document that the acceptance rests on."),
    project: str | None = typer.Option(None, "--project", help="Code of the construction project."),
    author: str | None = Author,
    yes: bool = Yes,
    as_json: bool = AsJson,
    dry_run: bool = DryRun,
) -> None:
    """Take height, storeys and footprint of an as-built model over into its building: shows old and new, asks, writes one change set.

    Example: cim bim accept BIM-2026-000001 --source "acceptance certificate 2026-118"
    """
    unknown = set(only) - set(PARTS)
    if unknown:
        raise InvalidParameterError("--only", min(unknown), f"one of {', '.join(PARTS)}")
    wanted = set(only or PARTS)
    settings = settings_from(ctx)
    migrate.require_current(settings)
    with engine.connect(settings) as connection:
        proposal = acceptance.propose(connection, model)
        rows = _rows(proposal, wanted)
        data: dict[str, Any] = {
            "model": model, "building": proposal.building, "changes": {name: {"old": old, "new": new} for name, old, new in rows},
            "iou": proposal.overlap, "notes": proposal.notes, "change_set": None, "dry_run": dry_run,
        }  # fmt: skip
        drawn = table(f"{proposal.building} ← {model}", ["attribute 属性", "old 旧", "new 新"], rows)
        if not as_json:
            emit(data, as_json=False, text=lambda console: console.print(drawn, *proposal.notes, sep="\n"))
        if rows and not dry_run and _agreed(yes=yes):
            change_set = changes.open_change_set(
                connection, author=author or getpass.getuser(), operation="edit", reason=f"as-built acceptance of {model}", source=document,
                project_code=project,
            )  # fmt: skip
            acceptance.accept(connection, proposal, change_set, wanted)
            data["change_set"] = change_set
    if as_json:
        emit(data, as_json=True)
    elif data["change_set"]:
        typer.echo(f"change set {data['change_set']}; cim changes undo takes it back")


def _agreed(*, yes: bool) -> bool:
    if yes:
        return True
    if not sys.stdin.isatty():
        raise ConfigError("nobody can be asked here, nothing was written", hint="pass --yes, or --dry-run to look only")
    return typer.confirm("Write these values into the register? 写入登记?", err=True)


def _rows(proposal: acceptance.Proposal, wanted: set[str]) -> list[tuple[str, Any, Any]]:
    rows = [(name, old, new) for name, (old, new) in proposal.values.items() if name in wanted]
    if proposal.outline is not None and "footprint" in wanted:
        rows.append(("footprint", f"IoU {proposal.overlap:.2f}", "outline of the ground floor 首层轮廓"))
    return rows
