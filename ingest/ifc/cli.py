"""``cim bim``: models of engineers in the city."""

from dataclasses import asdict
from pathlib import Path

import typer

from cim.cli_support import EXIT_FAULT, emit, progress, settings_from
from ingest.ifc import cli_models, cli_remote
from ingest.ifc.check import DELIVERY, check_file
from ingest.ifc.check_output import draw, to_html, write_bcf
from ingest.ifc.cli_links import add_links
from ingest.ifc.load import UploadOptions, upload_model

app = typer.Typer(no_args_is_help=True, help="Check, upload, list and remove BIM models (IFC).")

AsJson = typer.Option(False, "--json", help="Print one JSON document.")
DryRun = typer.Option(False, "--dry-run", help="Do everything but writing.")
Crs = typer.Option(None, "--crs", help="Projected CRS, e.g. EPSG:4547, of --origin or in place of the CRS the file names.")
Origin = typer.Option(None, "--origin", help="Easting,northing,height [m] of the model's origin.")
FitTo = typer.Option(None, "--fit-to", help="Lay the model onto the footprint of this building; says how well it fits.")
Rotation = typer.Option(None, "--rotation", help="Angle from east to the model's x axis, counter-clockwise [deg].")


_origin = cli_models.parse_origin
_draw_report = cli_models.draw_report


@app.command()
def upload(
    ctx: typer.Context,
    file: Path = typer.Argument(..., help="Model, .ifc or .ifczip."),
    name: str | None = typer.Option(None, "--name", help="Name for people, default: stem of the file."),
    building_code: str | None = typer.Option(None, "--building-code", help="Building it belongs to; else found by property or overlap."),
    stage: str | None = cli_models.Stage,
    note: str | None = typer.Option(None, "--note", help="Shown with the model."),
    crs: str | None = Crs,
    origin: str | None = Origin,
    rotation: float | None = Rotation,
    fit_to: str | None = FitTo,
    version_of: str | None = typer.Option(
        None, "--version-of", help="Model it is a new version of; else the one with its project and name."
    ),
    project: str | None = typer.Option(None, "--project", help="Code of the construction project."),
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
    cli_models.require_stage(stage)
    options = UploadOptions(name, stage, note, building_code, crs, _origin(origin), rotation, fit_to, version_of, project)
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
    cli_models.say_fix(report)


cli_remote.add_status(app, _draw_report)
add_links(app)
cli_models.add_commands(app)


@app.command()
def check(
    files: list[Path] = typer.Argument(..., help="Models, .ifc or .ifczip."),
    ids: list[Path] = typer.Option([], "--ids", help="IDS file of your own; may be given several times."),
    no_profile: bool = typer.Option(False, "--no-profile", help="Leave out the delivery profile schemas/ids/cim-delivery.ids."),
    crs: str | None = Crs,
    origin: str | None = Origin,
    rotation: float | None = Rotation,
    html: Path | None = typer.Option(None, "--html", help="Write the results as a web page, English and Chinese."),
    bcf: Path | None = typer.Option(None, "--bcf", help="Write errors and warnings as BCF 2.1 for the authoring tool."),
    as_json: bool = AsJson,
) -> None:
    """Say what models hold, where they stand and why, and what is wrong; needs no store. Exit 1 when one does not pass.

    Example: cim bim check tower.ifc --ids delivery.ids --html report.html --bcf issues.bcf
    """
    options = UploadOptions(crs=crs, origin=_origin(origin), rotation_deg=rotation)
    profiles = [*([] if no_profile else [DELIVERY]), *ids]
    results = []
    with progress() as shown:
        task = shown.add_task("checking 检查", total=len(files))
        for file in files:
            results.append(check_file(file, options, profiles))
            shown.advance(task)
    if html is not None:
        html.write_text(to_html(results), encoding="utf-8")
    if bcf is not None:
        write_bcf(results, bcf)
    passed = all(result["passed"] for result in results)
    emit({"passed": passed, "files": results}, as_json=as_json, text=draw(results))
    if not passed:
        raise typer.Exit(EXIT_FAULT)
