"""``cim bim``: models of engineers in the city."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from cim.cli_support import emit, progress, settings_from, table
from cim.db import bim, changes, engine, migrate
from ingest.ifc import cli_remote
from ingest.ifc.cli_links import add_links
from ingest.ifc.load import UploadOptions, check_model, upload_model

app = typer.Typer(no_args_is_help=True, help="Check, upload, list and remove BIM models (IFC).")

AsJson = typer.Option(False, "--json", help="Print one JSON document.")
DryRun = typer.Option(False, "--dry-run", help="Do everything but writing.")
Crs = typer.Option(None, "--crs", help="Projected CRS, e.g. EPSG:4547, of --origin or in place of the CRS the file names.")
Origin = typer.Option(None, "--origin", help="Easting,northing,height [m] of the model's origin.")
FitTo = typer.Option(None, "--fit-to", help="Lay the model onto the footprint of this building; says how well it fits.")
Rotation = typer.Option(None, "--rotation", help="Angle from east to the model's x axis, counter-clockwise [deg].")


def _origin(text: str | None) -> tuple[float, float, float] | None:
    if text is None:
        return None
    parts = text.split(",")
    try:
        east, north, height = (float(part) for part in parts)
    except ValueError:
        raise typer.BadParameter(f"--origin {text!r}: expected easting,northing,height in metres, e.g. 537121.7,3376150.9,24.9") from None
    return east, north, height


def _draw_report(report: dict[str, Any]) -> Any:  # noqa: ANN401 - function for emit
    rows = [(key, ", ".join(f"{k} × {v}" for k, v in value.items()) if isinstance(value, dict) else value) for key, value in report.items()]

    def draw(console: Console) -> None:
        console.print(table("BIM model 模型", ["", ""], rows))

    return draw


@app.command()
def upload(
    ctx: typer.Context,
    file: Path = typer.Argument(..., help="Model, .ifc or .ifczip."),
    name: str | None = typer.Option(None, "--name", help="Name for people, default: stem of the file."),
    building_code: str | None = typer.Option(None, "--building-code", help="Building it belongs to; else found by property or overlap."),
    stage: str = typer.Option("completion", "--stage", help="Project stage: planning, design, construction, completion."),
    note: str | None = typer.Option(None, "--note", help="Shown with the model."),
    crs: str | None = Crs,
    origin: str | None = Origin,
    rotation: float | None = Rotation,
    fit_to: str | None = FitTo,
    server: str | None = cli_remote.ServerOption,
    token: str | None = cli_remote.TokenOption,
    token_file: Path | None = cli_remote.TokenFileOption,
    detach: bool = typer.Option(False, "--detach", help="With a server: do not wait for the job, print the id of the upload."),
    as_json: bool = AsJson,
    dry_run: bool = DryRun,
) -> None:
    """Check a model, place it, bind it to its building, and load storeys, spaces, elements and meshes; here, or on a server.

    Example: cim bim upload tower.ifc --server https://cim.example.org --token-file token.txt
    """
    options = UploadOptions(name, stage, note, building_code, crs, _origin(origin), rotation, fit_to)
    there = cli_remote.server_of(settings_from(ctx), server, token, token_file)
    if there is not None:
        cli_remote.upload_to(there, file, {**asdict(options), "dry_run": dry_run}, detach=detach, as_json=as_json, draw=_draw_report)
        return
    with progress() as shown:
        task = shown.add_task("meshing 网格化", total=None)
        report = upload_model(
            settings_from(ctx), file, options, dry_run=dry_run, progress=lambda done, of: shown.update(task, completed=done, total=of)
        )
    emit(report, as_json=as_json, text=_draw_report(report))


cli_remote.add_status(app, _draw_report)
add_links(app)


@app.command()
def check(
    file: Path = typer.Argument(..., help="Model, .ifc or .ifczip."),
    crs: str | None = Crs,
    origin: str | None = Origin,
    rotation: float | None = Rotation,
    as_json: bool = AsJson,
) -> None:
    """Say what a model holds, where it stands and why, and what is wrong; needs no store. Exit 1 when it is refused.

    Example: cim bim check tower.ifc
    """
    report = check_model(file, UploadOptions(crs=crs, origin=_origin(origin), rotation_deg=rotation)).as_dict()
    emit(report, as_json=as_json, text=_draw_report(report))


@app.command("list")
def list_models(ctx: typer.Context, as_json: bool = AsJson) -> None:
    """List the models in the store.

    Example: cim bim list
    """
    settings = settings_from(ctx)
    migrate.require_current(settings)
    with engine.connect(settings) as connection:
        models = bim.fetch_models(connection)
    columns = ["code", "name", "ifc_schema", "building_code", "link_method", "n_elements"]
    emit(
        models,
        as_json=as_json,
        text=lambda console: console.print(table("BIM models 模型", columns, [[model[c] for c in columns] for model in models])),
    )


@app.command()
def show(ctx: typer.Context, code: str = typer.Argument(..., help="Model code."), as_json: bool = AsJson) -> None:
    """Show a model: place, link, storeys, elements per class.

    Example: cim bim show BIM-2026-000001
    """
    settings = settings_from(ctx)
    migrate.require_current(settings)
    with engine.connect(settings) as connection:
        model = bim.fetch_model(connection, code)
    emit(model, as_json=as_json)


@app.command()
def remove(
    ctx: typer.Context,
    code: str = typer.Argument(..., help="Model code."),
    as_json: bool = AsJson,
    dry_run: bool = DryRun,
) -> None:
    """Remove a model from the city; its code is never used again.

    Example: cim bim remove BIM-2026-000001
    """
    settings = settings_from(ctx)
    migrate.require_current(settings)
    with engine.connect(settings) as connection:
        sha256 = bim.fetch_model(connection, code)["sha256"]
        if not dry_run:
            change_set = changes.open_change_set(connection, author="cim bim", operation="edit", reason=f"BIM model {code} removed")
            bim.remove_model(connection, change_set, code)
    if not dry_run:
        (settings.models_dir / f"{sha256}.ifc").unlink(missing_ok=True)
    emit({"code": code, "removed": not dry_run}, as_json=as_json, text=lambda console: console.print(f"{code} removed"))
