"""``cim bim list|show|diff|place|bind|remove``: models that are in the store."""

import getpass
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from cim.cli_support import emit, progress, say, settings_from, table
from cim.db import bim, bim_stages, bim_versions, changes, engine, migrate
from cim.errors import ConflictError, InvalidParameterError
from cim.settings import Settings
from ingest.ifc.load import UploadOptions, upload_model

STAGES = ("planning", "design", "construction_drawing", "construction", "completion", "operation")
Stage = typer.Option(None, "--stage", help=f"Project stage: {', '.join(STAGES)}; default completion.")
AsJson = typer.Option(False, "--json", help="Print one JSON document.")
DryRun = typer.Option(False, "--dry-run", help="Do everything but writing.")
Code = typer.Argument(..., help="Model code.")
_LONG = ("findings", "warnings", "georeference_evidence", "link_candidates", "link_words")


def require_stage(stage: str | None) -> None:
    """Refuse a stage that is none.

    Raises
    ------
    InvalidParameterError
        Lists the stages.
    """
    if stage is not None and stage not in STAGES:
        raise InvalidParameterError("--stage", stage, f"one of {', '.join(STAGES)}")


def parse_origin(text: str | None) -> tuple[float, float, float] | None:
    """Return easting, northing, height [m] of an option."""
    if text is None:
        return None
    parts = text.split(",")
    try:
        east, north, height = (float(part) for part in parts)
    except ValueError:
        raise typer.BadParameter(f"--origin {text!r}: expected easting,northing,height in metres, e.g. 537121.7,3376150.9,24.9") from None
    return east, north, height


def _shown(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    return ", ".join(f"{k} × {v}" for k, v in value.items()) if isinstance(value, dict) else value


def draw_report(report: dict[str, Any]) -> Callable[[Console], None]:
    """Return what prints the report of an upload."""
    rows = [(key, _shown(value)) for key, value in report.items() if key not in _LONG]

    def draw(console: Console) -> None:
        console.print(table("BIM model 模型", ["", ""], rows))
        found = [(one["severity"], one["en"], one["zh"]) for one in report.get("findings", ()) if one["severity"] != "info"]
        if found:
            console.print(table("Findings 检查发现", ["", "", ""], found))

    return draw


def say_fix(report: dict[str, Any]) -> None:
    """Tell how a quarantined model gets its place."""
    if report.get("fix"):
        say(f"not placed 未定位: {report.get('unplaced')}")
        say(f"Next 下一步: {report['fix']}")


def _opened(ctx: typer.Context) -> Settings:
    settings = settings_from(ctx)
    migrate.require_current(settings)
    return settings


def add_commands(app: typer.Typer) -> None:
    """Add the commands."""
    for name, function in (
        ("list", list_models), ("show", show), ("diff", diff), ("place", place), ("bind", bind), ("remove", remove),
    ):  # fmt: skip
        app.command(name)(function)


def list_models(
    ctx: typer.Context,
    quarantined: bool = typer.Option(False, "--quarantined", help="Only those without a place."),
    unbound: bool = typer.Option(False, "--unbound", help="Only those without a building: the review list."),
    building: str | None = typer.Option(None, "--building", help="Only those of this building."),
    as_json: bool = AsJson,
) -> None:
    """List the models in the store.

    Example: cim bim list --quarantined
    """
    with engine.connect(_opened(ctx)) as connection:
        models = bim.fetch_models(connection, status="quarantined" if quarantined else None, building=building)
    models = [model for model in models if not unbound or model["building_code"] is None]
    columns = ["code", "version", "name", "status", "ifc_schema", "building_code", "link_method", "n_elements", "fix_hint"]
    emit(
        models,
        as_json=as_json,
        text=lambda console: console.print(table("BIM models 模型", columns, [[model[c] for c in columns] for model in models])),
    )


def show(ctx: typer.Context, code: str = Code, as_json: bool = AsJson) -> None:
    """Show a model: place, link, storeys, elements per class, zones and systems, versions, stages of the last upload.

    Example: cim bim show BIM-2026-000001
    """
    with engine.connect(_opened(ctx)) as connection:
        model = bim.fetch_model(connection, code)
        model["versions"] = bim_versions.fetch_versions(connection, code)
        model["stages"] = bim_stages.fetch_stages(connection, model["sha256"])
    emit(model, as_json=as_json)


def diff(
    ctx: typer.Context,
    old: str = typer.Argument(..., help="Model, or a version of it such as BIM-2026-000001@1."),
    new: str = typer.Argument(..., help="Model or version to compare with."),
    as_json: bool = AsJson,
) -> None:
    """Say which elements were added, removed and changed from one version to another, by GlobalId.

    Example: cim bim diff BIM-2026-000001@1 BIM-2026-000001@2
    """
    with engine.connect(_opened(ctx)) as connection:
        found = bim_versions.compare(connection, old, new)

    def draw(console: Console) -> None:
        words = {"added": "added 新增", "removed": "removed 删除", "changed": "changed 变更"}
        rows = [
            (words[kind], one["global_id"], one["class"], one["name"], ", ".join(one.get("what", ())))
            for kind in words
            for one in found[kind]
        ]
        console.print(table(f"{found['from']} → {found['to']}", ["", "GlobalId", "class 类", "name 名称", "what 内容"], rows))
        console.print(f"unchanged 未变: {found['unchanged']}")

    emit(found, as_json=as_json, text=draw)


def place(
    ctx: typer.Context,
    code: str = Code,
    crs: str | None = typer.Option(None, "--crs", help="Projected CRS, e.g. EPSG:4547."),
    origin: str | None = typer.Option(None, "--origin", help="Easting,northing,height [m] of the model's origin."),
    rotation: float | None = typer.Option(None, "--rotation", help="Angle from east to the model's x axis, counter-clockwise [deg]."),
    fit_to: str | None = typer.Option(None, "--fit-to", help="Lay it onto the footprint of this building."),
    as_json: bool = AsJson,
    dry_run: bool = DryRun,
) -> None:
    """Give a model that is in the store a place, or another one; the file of the store is used, its next version is made.

    Example: cim bim place BIM-2026-000001 --fit-to 420106001001202100000100015
    """
    settings = _opened(ctx)
    options = UploadOptions(crs=crs, origin=parse_origin(origin), rotation_deg=rotation, fit_to=fit_to, version_of=code)
    if not options.says_place:
        raise InvalidParameterError("place", code, "--fit-to, or --crs and --origin")
    with engine.connect(settings) as connection:
        file = stored_file(settings, str(bim_versions.fetch_current(connection, code)["sha256"]))
    with progress() as shown:
        task = shown.add_task("meshing 网格化", total=None)
        report = upload_model(
            settings, file, options, dry_run=dry_run, progress=lambda done, of: shown.update(task, completed=done, total=of)
        )
    emit(report, as_json=as_json, text=draw_report(report))
    say_fix(report)


def stored_file(settings: Settings, sha256: str) -> Path:
    """Return the kept file of a model.

    Raises
    ------
    ConflictError
        It is not there any more.
    """
    file = settings.models_dir / f"{sha256}.ifc"
    if not file.is_file():
        raise ConflictError(f"the file of the model is not in {settings.models_dir.name}/ any more", hint="cim bim upload FILE again")
    return file


def bind(
    ctx: typer.Context,
    code: str = Code,
    building_code: str | None = typer.Option(None, "--building-code", help="Building it belongs to."),
    stage: str | None = Stage,
    project: str | None = typer.Option(None, "--project", help="Code of the construction project."),
    as_json: bool = AsJson,
    dry_run: bool = DryRun,
) -> None:
    """Bind a model to a building, a stage or a project by the word of the operator.

    Example: cim bim bind BIM-2026-000001 --building-code 420106001001202100000100015 --stage design
    """
    require_stage(stage)
    values = {"building_code": building_code, "stage": stage, "project_code": project}
    given: dict[str, Any] = {key: value for key, value in values.items() if value is not None}
    if not given:
        raise InvalidParameterError("bind", code, "--building-code, --stage or --project")
    with engine.connect(_opened(ctx)) as connection:
        if building_code is not None:
            if not bim.building_exists(connection, building_code):
                raise ConflictError(f"--building-code {building_code}: the register has no such building", hint="cim codes check CODE")
            given |= {"link_method": "option", "link_score": None}
        change_set = changes.open_change_set(connection, author=getpass.getuser(), operation="link", reason=f"BIM model {code} bound")
        bim.bind_model(connection, code, {**given, "change_set_id": change_set})
        bim.emit_event(connection, change_set, code, "update")
        model = bim.fetch_model(connection, code)
        if dry_run:
            connection.rollback()
    shown = {key: model[key] for key in ("code", "building_code", "link_method", "stage", "project_code")}
    emit(shown, as_json=as_json, text=draw_report(shown))


def remove(ctx: typer.Context, code: str = Code, as_json: bool = AsJson, dry_run: bool = DryRun) -> None:
    """Remove a model with all its versions from the city; its code is never used again.

    Example: cim bim remove BIM-2026-000001
    """
    settings = _opened(ctx)
    unused: list[str] = []
    with engine.connect(settings) as connection:
        bim.fetch_model(connection, code)
        if not dry_run:
            change_set = changes.open_change_set(connection, author="cim bim", operation="edit", reason=f"BIM model {code} removed")
            unused = bim.remove_model(connection, change_set, code)
    for sha256 in unused:
        (settings.models_dir / f"{sha256}.ifc").unlink(missing_ok=True)
    emit({"code": code, "removed": not dry_run}, as_json=as_json, text=lambda console: console.print(f"{code} removed"))
