"""``cim tiles``: 3D Tiles out of the store."""

from dataclasses import asdict
from pathlib import Path

import typer

from cim.cli_support import EXIT_FAULT, emit, progress, settings_from, table
from cim.db import engine, migrate, tilesets

app = typer.Typer(no_args_is_help=True, help="Build, list and validate 3D Tiles.")

AsJson = typer.Option(False, "--json", help="Print one JSON document.")
Layers = typer.Argument(None, help="Layers: buildings, terrain, bim/<model code>, networks/<kind>; none = all.")


@app.command()
def build(
    ctx: typer.Context,
    layers: list[str] = Layers,
    force: bool = typer.Option(False, "--force", help="Make every tile anew."),
    changed: bool = typer.Option(False, "--changed", help="Only what changed since the last build, out of the outbox."),
    scheduler: str | None = typer.Option(None, "--scheduler", help="Dask scheduler (tcp://host:port) or local:N; default: this process."),
    points: list[Path] = typer.Option([], "--points", help="LAS or LAZ of a scan, again for each file: makes the layer points/<name>."),
    name: str | None = typer.Option(None, "--name", help="Name of the scan; default: that of its first file."),
    crs: str | None = typer.Option(None, "--crs", help="CRS of the scan, e.g. EPSG:4547; default: as its files say."),
    as_json: bool = AsJson,
    dry_run: bool = typer.Option(False, "--dry-run", help="Say which tiles would be written and write none."),
) -> None:
    """Build tilesets; only tiles whose features changed are written.

    Example: cim tiles build buildings
    """
    from tiles.build import LayerResult, build_layers, rebuild_changed
    from tiles.terrain import FOLDER, build_terrain

    if points:
        _build_points(ctx, layers, points, name or points[0].stem.lower().replace("_", "-"), crs, as_json=as_json, dry_run=dry_run)
        return

    if changed:
        if layers or force or dry_run:
            raise typer.BadParameter("takes neither layers nor --force nor --dry-run", param_hint="--changed")
        rebuilt = rebuild_changed(settings_from(ctx))
        emit({"rebuilt": rebuilt}, as_json=as_json, text=lambda console: console.print(", ".join(rebuilt) or "nothing has changed"))
        return

    wanted = [layer for layer in layers or [] if layer != FOLDER]
    with progress() as shown:
        task = shown.add_task("tiles 切片", total=None)
        results = [] if layers and not wanted else build_layers(
            settings_from(ctx), wanted, force=force, dry_run=dry_run, scheduler=scheduler,
            progress=lambda layer: shown.update(task, description=f"tiles 切片 {layer}"),
        )  # fmt: skip
        if not layers or FOLDER in layers:
            ground = shown.add_task("terrain 地形", total=None)
            made = build_terrain(
                settings_from(ctx), force=force, dry_run=dry_run,
                progress=lambda done, total: shown.update(ground, completed=done, total=total),
            )  # fmt: skip
            if made.tiles:
                results.append(LayerResult(FOLDER, 0, made.tiles, made.written, removed=False, bad=[]))
    emit(
        [asdict(result) for result in results],
        as_json=as_json,
        text=lambda console: console.print(
            table(
                "Tiles 切片",
                ["layer", "features", "tiles", "written", "bad"],
                [[r.layer, r.features, r.tiles, r.written, len(r.bad)] for r in results],
            )
        ),
    )


def _build_points(
    ctx: typer.Context, layers: list[str] | None, files: list[Path], name: str, crs: str | None, *, as_json: bool, dry_run: bool
) -> None:
    from tiles.points import build_points

    if layers:
        raise typer.BadParameter("takes no layers", param_hint="--points")
    settings = settings_from(ctx)
    migrate.require_current(settings)
    with progress() as shown:
        shown.add_task(f"tiles 切片 points/{name}", total=None)
        n, tiles = build_points(settings, files, name, crs=crs, dry_run=dry_run)
    emit(
        {"layer": f"points/{name}", "points": n, "tiles": tiles},
        as_json=as_json,
        text=lambda console: console.print(f"points/{name}: {n} points, {tiles} tiles"),
    )


@app.command("list")
def list_(ctx: typer.Context, as_json: bool = AsJson) -> None:
    """List the published tilesets.

    Example: cim tiles list --json
    """
    settings = settings_from(ctx)
    migrate.require_current(settings)
    with engine.connect(settings) as connection:
        rows = tilesets.fetch_tilesets(connection)
    emit(
        [{key: value for key, value in asdict(row).items() if key != "tiles"} for row in rows],
        as_json=as_json,
        text=lambda console: console.print(
            table(
                "Tilesets 三维图层",
                ["layer", "title", "features", "synthetic"],
                [[r.layer, f"{r.title['en']} {r.title['zh']}", r.n_features, r.is_synthetic] for r in rows],
            )
        ),
    )


@app.command()
def export(
    ctx: typer.Context,
    layer: str = typer.Argument(help="Layer: buildings, bim/<model code>, networks/<kind>."),
    target: Path = typer.Argument(help="File to write, *.3tz; a new folder with --b3dm or --implicit."),
    b3dm: bool = typer.Option(False, "--b3dm", help="3D Tiles 1.0 with b3dm contents, for old clients."),
    implicit: bool = typer.Option(False, "--implicit", help="3D Tiles 1.1 as an implicit quadtree with subtrees."),
    as_json: bool = AsJson,
    dry_run: bool = typer.Option(False, "--dry-run", help="Say what would be written and write nothing."),
) -> None:
    """Write a layer to one file (3TZ: a ZIP with an index), as 3D Tiles 1.0, or as an implicit quadtree.

    Example: cim tiles export buildings city.3tz
    """
    from tiles.archive import write_3tz
    from tiles.implicit import write_implicit
    from tiles.legacy import write_b3dm

    if b3dm and implicit:
        raise typer.BadParameter("cannot be combined with --b3dm", param_hint="--implicit")
    if not b3dm and not implicit and target.suffix != ".3tz":
        raise typer.BadParameter(f"found {target.name}, expected a name that ends in .3tz", param_hint="TARGET")
    write = write_b3dm if b3dm else write_implicit if implicit else write_3tz
    n = 0 if dry_run else write(settings_from(ctx), layer, target)
    emit(
        {"layer": layer, "target": str(target), "files": n},
        as_json=as_json,
        text=lambda console: console.print(f"{layer}: {n} files in {target}"),
    )


@app.command()
def validate(
    ctx: typer.Context,
    layers: list[str] = Layers,
    folder: Path | None = typer.Option(None, "--folder", help="Check a tileset of anybody in a folder; no store is asked."),
    sample: int = typer.Option(1000, "--sample", min=0, help="Buildings decoded and compared with the store."),
    as_json: bool = AsJson,
) -> None:
    """Check tilesets: files, boxes, errors, buffers, and that codes and places are those of the store. Exit 1 on any fault.

    Example: cim tiles validate
    """
    from tiles.validate import validate_folder, validate_layer

    if folder is not None:
        reports = [validate_folder(folder)]
    else:
        settings = settings_from(ctx)
        migrate.require_current(settings)
        with engine.connect(settings) as connection:
            names = layers or [row.layer for row in tilesets.fetch_tilesets(connection)]
        reports = [validate_layer(settings, layer, sample=sample) for layer in names]
    emit(
        [asdict(report) for report in reports],
        as_json=as_json,
        text=lambda console: console.print(
            table(
                "Validation 校验",
                ["layer", "tiles", "far", "features", "compared", "largest offset [m]", "faults"],
                [
                    [r.layer, r.tiles, r.far_tiles, r.features, r.compared, f"{r.largest_offset_m:.4f}", "; ".join(r.faults[:5]) or "none"]
                    for r in reports
                ],
            )
        ),
    )
    if any(report.faults for report in reports):
        raise typer.Exit(EXIT_FAULT)
