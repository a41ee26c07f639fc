"""``cim changes``: the history of the register, and the operations that make it."""

import getpass
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import typer

from cim.cli_support import emit, say, settings_from, table
from cim.db import authority as ranks
from cim.db import changes, engine, migrate, review, succession
from cim.db import undo as undoing
from cim.db.engine import Connection
from cim.errors import InvalidParameterError
from cim.settings import Settings

app = typer.Typer(no_args_is_help=True, help="List, show, review, undo changes; split, merge, demolish, rebuild buildings.")

AsJson = typer.Option(False, "--json", help="Print one JSON document.")
DryRun = typer.Option(False, "--dry-run", help="Check everything, write nothing.")
Reason = typer.Option(..., "--reason", help="Why, in words; kept with the change.")
Author = typer.Option(None, "--author", help="Who; default: the account.")
Source = typer.Option(None, "--source", help="Document, permit or survey it rests on.")
Project = typer.Option(None, "--project", help="Code of the construction project.")
Set = typer.Option(None, "--set", help="Attribute of the new building, e.g. height_m=12.5; repeatable.")


def _parse(name: str, value: str) -> UUID:
    try:
        return UUID(value)
    except ValueError:
        raise InvalidParameterError(name, value, "an id such as 019a…", hint="cim changes list --json") from None


def _values(given: list[str] | None) -> dict[str, Any]:
    """Read ``name=value`` pairs; numbers become numbers, an empty value nothing."""
    from cim.db.tables.register import building

    out: dict[str, Any] = {}
    for pair in given or []:
        name, sign, value = pair.partition("=")
        if not sign or name not in succession.EDITABLE:
            raise InvalidParameterError("--set", pair, f"NAME=VALUE with NAME one of {', '.join(succession.EDITABLE)}")
        kind = building.columns[name].type.python_type
        try:
            out[name] = None if value == "" else kind(value)
        except ValueError:
            raise InvalidParameterError(name, value, f"a value of type {kind.__name__}") from None
    return out


def _change(
    settings: Settings, operation: str, work: Callable[[Connection, UUID], Any], *, dry_run: bool, author: str | None, reason: str,
    source: str | None = None, project: str | None = None,
) -> tuple[UUID, Any]:  # fmt: skip
    migrate.require_current(settings)
    with engine.connect(settings) as connection:
        change_set = changes.open_change_set(
            connection, author=author or getpass.getuser(), operation=operation, reason=reason, source=source, project_code=project
        )
        result = work(connection, change_set)
        if dry_run:
            connection.rollback()
    return change_set, result


def _show_succession(change_set: UUID, done: succession.Succession, *, as_json: bool, dry_run: bool) -> None:
    data = {"change_set": change_set, **vars(done), "dry_run": dry_run}
    rows = [("retired 注销", ", ".join(done.retired)), ("created 新增", ", ".join(done.created) or "—"),
            ("addresses relinked 改挂地址", done.relinked_addresses), ("change set 变更", change_set)]  # fmt: skip
    emit(data, as_json=as_json, text=lambda console: console.print(table("dry run 试运行" if dry_run else "Change 变更", ["", ""], rows)))
    if done.units:
        say(f"{done.units} units still belong to the retired building; give the new ones theirs: cim units")


@app.command("list")
def list_(
    ctx: typer.Context,
    code: str | None = typer.Option(None, "--code", help="Only changes that touched this code."),
    operation: str | None = typer.Option(None, "--operation", help="ingest, edit, split, merge, demolish, rebuild, review, safety, undo."),
    author: str | None = typer.Option(None, "--author", help="Only changes by this author."),
    since: datetime | None = typer.Option(None, "--since", help="Only changes since this day (UTC)."),
    limit: int = typer.Option(50, "--limit", min=1, max=10_000, help="Most rows."),
    as_json: bool = AsJson,
) -> None:
    """List change sets, newest first.

    Example: cim changes list --code 420111006001202600000100012
    """
    settings = settings_from(ctx)
    migrate.require_current(settings)
    with engine.connect(settings) as connection:
        rows = changes.list_change_sets(connection, code=code, operation=operation, author=author, since=since, limit=limit)
    cells = []
    for row in rows:
        counts = f"+{row['created']} ~{row['updated']} −{row['retired']}"
        undone = " (undone 已撤销)" if row["undone_by"] else ""
        when = f"{row['recorded_at']:%Y-%m-%d %H:%M}"
        cells.append([f"{row['id']}", f"{when} {row['author']}", f"{row['operation']} {counts}{undone}: {row['reason']}"])
    drawn = table("Changes 变更", ["id", "when, who 时间、人员", "what 内容"], cells)
    drawn.columns[0].min_width = 36
    emit(rows, as_json=as_json, text=lambda console: console.print(drawn))


@app.command()
def show(ctx: typer.Context, change_set: str = typer.Argument(..., help="Id of a change set."), as_json: bool = AsJson) -> None:
    """Show what a change set touched, with old and new values.

    Example: cim changes show 019a2f00-0000-7000-8000-000000000000
    """
    settings = settings_from(ctx)
    migrate.require_current(settings)
    with engine.connect(settings) as connection:
        found = changes.fetch_change_set(connection, _parse("change set", change_set))

    def draw(console: Any) -> None:  # noqa: ANN401 - rich console
        head = [(k, v) for k, v in found.items() if not isinstance(v, list) and v is not None]
        console.print(table(str(found["id"]), ["", ""], head))
        console.print(table("Counts 计数", ["collection", "action", "n"], [list(row.values()) for row in found["counts"]]))
        if found["differences"]:
            console.print(
                table("Values 取值", ["code", "attribute", "old 旧", "new 新"], [list(row.values()) for row in found["differences"]])
            )
        if found["lineage"]:
            console.print(
                table("Lineage 沿革", ["from 原", "to 新", "operation", "reason"], [list(row.values()) for row in found["lineage"]])
            )

    emit(found, as_json=as_json, text=draw)


@app.command()
def lineage(ctx: typer.Context, code: str = typer.Argument(..., help="Building code."), as_json: bool = AsJson) -> None:
    """Show which buildings a building came from and went into.

    Example: cim changes lineage 420111006001202600000100012
    """
    settings = settings_from(ctx)
    migrate.require_current(settings)
    with engine.connect(settings) as connection:
        succession.fetch_building(connection, code)
        rows = changes.fetch_lineage(connection, code)
    columns = ("parent_code", "child_code", "operation", "reason", "recorded_at", "change_set_id")
    emit(
        rows, as_json=as_json, text=lambda console: console.print(table(f"Lineage 沿革 {code}", columns, [list(r.values()) for r in rows]))
    )


@app.command()
def split(
    ctx: typer.Context,
    code: str = typer.Argument(..., help="Building to divide."),
    parts: Path = typer.Option(..., "--parts", help="Layer with one polygon per part (GeoPackage, GeoJSON)."),
    reason: str = Reason,
    author: str | None = Author,
    source: str | None = Source,
    project: str | None = Project,
    as_json: bool = AsJson,
    dry_run: bool = DryRun,
) -> None:
    """Divide a building; every part gets a new code, the old one is retired.

    Example: cim changes split 420111006001202600000100012 --parts parts.gpkg --reason "tower and podium"
    """
    from cim.exchange.outlines import read_outlines

    outlines = list(read_outlines(parts))
    change_set, done = _change(
        settings_from(ctx), "split", lambda c, s: succession.split(c, code, outlines, s, reason=reason),
        dry_run=dry_run, author=author, reason=reason, source=source, project=project,
    )  # fmt: skip
    _show_succession(change_set, done, as_json=as_json, dry_run=dry_run)


@app.command()
def merge(
    ctx: typer.Context,
    codes: list[str] = typer.Argument(..., help="Buildings to join, two or more."),
    set_: list[str] | None = Set,
    reason: str = Reason,
    author: str | None = Author,
    source: str | None = Source,
    project: str | None = Project,
    as_json: bool = AsJson,
    dry_run: bool = DryRun,
) -> None:
    """Join touching buildings into one with a new code.

    Example: cim changes merge 4201110060012026000001 4201110060012026000002 --reason "one house, surveyed twice"
    """
    values = _values(set_)
    change_set, done = _change(
        settings_from(ctx), "merge", lambda c, s: succession.merge(c, codes, s, reason=reason, values=values),
        dry_run=dry_run, author=author, reason=reason, source=source, project=project,
    )  # fmt: skip
    _show_succession(change_set, done, as_json=as_json, dry_run=dry_run)


@app.command()
def demolish(
    ctx: typer.Context,
    codes: list[str] = typer.Argument(..., help="Buildings that are gone."),
    reason: str = Reason,
    author: str | None = Author,
    source: str | None = Source,
    project: str | None = Project,
    as_json: bool = AsJson,
    dry_run: bool = DryRun,
) -> None:
    """Note that buildings are gone (灭失); their codes are never used again.

    Example: cim changes demolish 420111006001202600000100012 --reason "expropriation 2026-17"
    """
    change_set, done = _change(
        settings_from(ctx), "demolish", lambda c, s: succession.demolish(c, codes, s, reason=reason),
        dry_run=dry_run, author=author, reason=reason, source=source, project=project,
    )  # fmt: skip
    _show_succession(change_set, done, as_json=as_json, dry_run=dry_run)


@app.command()
def rebuild(
    ctx: typer.Context,
    code: str = typer.Argument(..., help="Building that is replaced."),
    outline: Path | None = typer.Option(None, "--outline", help="Layer with the new footprint; default: the old one."),
    set_: list[str] | None = Set,
    reason: str = Reason,
    author: str | None = Author,
    source: str | None = Source,
    project: str | None = Project,
    as_json: bool = AsJson,
    dry_run: bool = DryRun,
) -> None:
    """Replace a building by a new one on its site, with a new code.

    Example: cim changes rebuild 420111006001202600000100012 --set height_m=54 --project P-2026-8 --reason "completed"
    """
    from cim.exchange.outlines import read_outlines

    shapes = [] if outline is None else list(read_outlines(outline))
    if len(shapes) > 1:
        raise InvalidParameterError("--outline", f"{len(shapes)} polygons", "one polygon")
    values = _values(set_)
    change_set, done = _change(
        settings_from(ctx), "rebuild",
        lambda c, s: succession.rebuild(c, code, s, reason=reason, outline=shapes[0] if shapes else None, values=values),
        dry_run=dry_run, author=author, reason=reason, source=source, project=project,
    )  # fmt: skip
    _show_succession(change_set, done, as_json=as_json, dry_run=dry_run)


@app.command()
def edit(
    ctx: typer.Context,
    code: str = typer.Argument(..., help="Building."),
    set_: list[str] = typer.Option(..., "--set", help="NAME=VALUE, e.g. height_m=12.5; repeatable."),
    kind: str = typer.Option("edit", "--as", help="Kind of source: edit, completion, bim, permit, census, change_detection."),
    reason: str = Reason,
    author: str | None = Author,
    source: str | None = Source,
    project: str | None = Project,
    as_json: bool = AsJson,
    dry_run: bool = DryRun,
) -> None:
    """Set attributes of a building, if the kind of source has the authority for them.

    Example: cim changes edit 420111006001202600000100012 --set height_m=54.2 --as completion --reason "as-built survey"
    """
    from cim.db.tables.stewardship import SOURCES

    if kind not in SOURCES:
        raise InvalidParameterError("--as", kind, f"one of {', '.join(SOURCES)}")
    values = _values(set_)
    change_set, done = _change(
        settings_from(ctx), "edit", lambda c, s: succession.edit(c, code, values, kind, s),
        dry_run=dry_run or False, author=author, reason=reason, source=source, project=project,
    )  # fmt: skip
    rows = [(name, old, new) for name, (old, new) in done.items()]
    data = {
        "change_set": change_set,
        "code": code,
        "changed": {name: {"old": old, "new": new} for name, old, new in rows},
        "dry_run": dry_run,
    }
    emit(data, as_json=as_json, text=lambda console: console.print(table(f"{code}", ["attribute", "old 旧", "new 新"], rows)))


@app.command()
def undo(
    ctx: typer.Context,
    change_set: str = typer.Argument(..., help="Id of the change set to take back."),
    reason: str = Reason,
    author: str | None = Author,
    as_json: bool = AsJson,
    dry_run: bool = DryRun,
) -> None:
    """Take a change set back by a new one; nothing is erased.

    Example: cim changes undo 019a2f00-0000-7000-8000-000000000000 --reason "wrong file"
    """
    settings, chosen = settings_from(ctx), _parse("change set", change_set)
    migrate.require_current(settings)
    with engine.connect(settings) as connection:
        done = undoing.undo(connection, chosen, author=author or getpass.getuser(), reason=reason)
        if dry_run:
            connection.rollback()
    rows = [(name, counts["restored"], counts["retired"]) for name, counts in done["tables"].items()]
    emit(
        {**done, "dry_run": dry_run},
        as_json=as_json,
        text=lambda console: console.print(table(f"Undo 撤销 {chosen}", ["table", "restored 恢复", "retired 注销"], rows)),
    )


@app.command("review")
def review_(
    ctx: typer.Context,
    case: str | None = typer.Argument(None, help="Id of a case; without it the open ones are listed."),
    match: str | None = typer.Option(None, "--match", help="The record is this building: it becomes its new state."),
    new: bool = typer.Option(False, "--new", help="The record is a new building: it gets a code."),
    dismiss: bool = typer.Option(False, "--dismiss", help="The record is not to be loaded."),
    reason: str | None = typer.Option(None, "--reason", help="Why, in words."),
    author: str | None = Author,
    dataset: str | None = typer.Option(None, "--dataset", help="Only cases of this dataset."),
    limit: int = typer.Option(100, "--limit", min=1, max=10_000, help="Most rows."),
    as_json: bool = AsJson,
    dry_run: bool = DryRun,
) -> None:
    """List survey records that may be one of several buildings, or decide one.

    Example: cim changes review 019a2f00-0000-7000-8000-000000000000 --match 420111006001202600000100012 --reason "seen on site"
    """
    settings = settings_from(ctx)
    if case is None:
        migrate.require_current(settings)
        with engine.connect(settings) as connection:
            rows = review.list_cases(connection, dataset=dataset, limit=limit)
        cells = [
            (r["id"], r["dataset_name"], r["source_key"], "; ".join(f"{c['code']} ({c['evidence']})" for c in r["candidates"][:3]))
            for r in rows
        ]
        emit(
            rows,
            as_json=as_json,
            text=lambda console: console.print(table("Review 待审", ["id", "dataset", "key", "may be 可能为"], cells)),
        )
        return
    if (match is not None) + new + dismiss != 1 or not reason:
        raise typer.BadParameter("give one of --match, --new, --dismiss, and --reason")
    chosen = _parse("case", case)

    def work(connection: Connection, change_set: UUID) -> str | None:
        if dismiss:
            review.fetch_case(connection, chosen)
            review.close_case(connection, chosen, "dismissed", reason, change_set)
            return None
        return review.settle(connection, chosen, change_set, code=match, note=reason)

    change_set, code = _change(settings, "review", work, dry_run=dry_run, author=author, reason=reason)
    emit({"change_set": change_set, "case": chosen, "code": code, "dry_run": dry_run}, as_json=as_json,
         text=lambda console: console.print(f"{chosen}: {code or 'dismissed 不予采用'}"))  # fmt: skip


@app.command()
def conflicts(
    ctx: typer.Context,
    conflict: int | None = typer.Argument(None, help="Number of a conflict; without it the open ones are listed."),
    keep: bool = typer.Option(False, "--keep", help="The register's value stays."),
    take: bool = typer.Option(False, "--take", help="The refused value is right."),
    reason: str | None = typer.Option(None, "--reason", help="Why, in words."),
    author: str | None = Author,
    as_json: bool = AsJson,
    dry_run: bool = DryRun,
) -> None:
    """List values refused because a source with more authority has another one, or settle one.

    Example: cim changes conflicts 12 --keep --reason "as-built survey is right"
    """
    settings = settings_from(ctx)
    if conflict is None:
        migrate.require_current(settings)
        with engine.connect(settings) as connection:
            rows = ranks.list_conflicts(connection)
        cells = [[row[name] for name in row] for row in rows]
        columns = list(rows[0]) if rows else ["id"]
        emit(rows, as_json=as_json, text=lambda console: console.print(table("Conflicts 冲突", columns, cells)))
        return
    if keep == take or not reason:
        raise typer.BadParameter("give one of --keep, --take, and --reason")
    change_set, done = _change(
        settings, "edit", lambda c, s: ranks.settle_conflict(c, conflict, s, take=take), dry_run=dry_run, author=author, reason=reason
    )
    emit({"change_set": change_set, **done, "dry_run": dry_run}, as_json=as_json)


@app.command()
def authority(
    ctx: typer.Context,
    attribute: str | None = typer.Argument(None, help="Attribute of buildings."),
    order: str | None = typer.Option(None, "--order", help="New order of its sources, the authority first, separated by commas."),
    as_json: bool = AsJson,
    dry_run: bool = DryRun,
) -> None:
    """Show or set which kind of source decides an attribute (一数一源).

    Example: cim changes authority height_m --order edit,completion,bim,census
    """
    settings = settings_from(ctx)
    migrate.require_current(settings)
    with engine.connect(settings) as connection:
        if order is not None:
            if attribute is None:
                raise typer.BadParameter("give the attribute", param_hint="ATTRIBUTE")
            ranks.set_order(connection, attribute, [part.strip() for part in order.split(",")])
        rows = ranks.fetch_ranks(connection, attribute)
        if dry_run:
            connection.rollback()
    emit(
        rows,
        as_json=as_json,
        text=lambda console: console.print(table("Authority 权威来源", ["attribute", "source", "rank"], [list(r.values()) for r in rows])),
    )
