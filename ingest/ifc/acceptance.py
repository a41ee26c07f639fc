"""``cim bim accept``: an as-built model corrects its building in the register, when a person says so."""

import getpass
from typing import Any

import shapely
import typer

from cim.cli_support import emit, settings_from, table
from cim.db import bim, changes, engine, migrate, succession
from cim.errors import ConflictError
from ingest.ifc.cli_models import AsJson, Code, DryRun

_STAGES = ("completion", "operation")


def accept(
    ctx: typer.Context,
    code: str = Code,
    footprint: bool = typer.Option(False, "--footprint", help="Take the outline of the model as the footprint, too."),
    yes: bool = typer.Option(False, "--yes", help="Do not ask."),
    as_json: bool = AsJson,
    dry_run: bool = DryRun,
) -> None:
    """Correct height, storeys and, if asked for, footprint of the model's building: shows old and new, and asks.

    Example: cim bim accept BIM-2026-000001 --footprint
    """
    settings = settings_from(ctx)
    migrate.require_current(settings)
    with engine.connect(settings) as connection:
        found = bim.fetch_as_built(connection, code)
        _require_as_built(code, found)
        values = {name: found[name] for name in ("height_m", "storeys_above", "storeys_below") if found[name] is not None}
        outline = shapely.from_wkb(found["outline"]) if footprint and found["outline"] is not None else None
        change_set = changes.open_change_set(
            connection, author=getpass.getuser(), operation="edit", reason=f"as-built model {code} accepted",
            source=code, project_code=found["project_code"],
        )  # fmt: skip
        changed = succession.edit(connection, found["building_code"], values, "completion", change_set, outline=outline)
        shown = _shown(found["building_code"], changed)
        agreed = bool(changed) and not dry_run and (yes or _asked(shown, as_json=as_json))
        if not agreed:
            connection.rollback()
    data = {"code": code, "building_code": found["building_code"], "changes": shown, "written": agreed, "dry_run": dry_run}
    words = "written 已写入" if agreed else "nothing written 未写入"
    emit(data, as_json=as_json, text=lambda console: console.print(_table(shown), words))


def _require_as_built(code: str, found: dict[str, Any]) -> None:
    if found["building_code"] is None:
        raise ConflictError(f"model {code} belongs to no building", hint=f"cim bim bind {code} --building-code CODE")
    if found["stage"] not in _STAGES:
        raise ConflictError(
            f"model {code} is of the stage {found['stage']}, expected {' or '.join(_STAGES)}",
            hint=f"cim bim bind {code} --stage completion",
        )
    if found["status"] != "loaded":
        raise ConflictError(f"model {code} has no place", hint=str(found["fix_hint"]))


def _shown(building: str, changed: dict[str, tuple[Any, Any]]) -> list[dict[str, Any]]:
    def of(name: str, value: Any) -> Any:  # noqa: ANN401 - attribute of a building
        if name != "geom" or value is None:
            return value
        shape = shapely.from_wkb(bytes(value) if not isinstance(value, str) else value)
        return f"{shape.geom_type}, {shapely.get_num_coordinates(shape)} corners"

    return [{"building": building, "attribute": name, "old": of(name, old), "new": of(name, new)} for name, (old, new) in changed.items()]


def _table(shown: list[dict[str, Any]]) -> Any:  # noqa: ANN401 - table of rich
    return table("Building 建筑", ["attribute 属性", "old 原值", "new 新值"], [(one["attribute"], one["old"], one["new"]) for one in shown])


def _asked(shown: list[dict[str, Any]], *, as_json: bool) -> bool:
    if as_json:
        raise ConflictError("nobody can be asked with --json", hint="pass --yes, or --dry-run to look")
    for one in shown:
        typer.echo(f"{one['attribute']}: {one['old']} → {one['new']}", err=True)
    return typer.confirm("Write these? 写入?", err=True)
