"""``cim db``: the store."""

import json
import os
from pathlib import Path

import typer

from cim import geoid
from cim.cli_support import emit, say, settings_from, table
from cim.db import backup as backups
from cim.db import engine, migrate, profiles
from cim.db.cluster import Cluster
from cim.db.pg_programs import find_programs
from cim.errors import ConfigError
from cim.profile import read_profile

app = typer.Typer(no_args_is_help=True, help="Start, stop, migrate, back up and restore the store.")

AsJson = typer.Option(False, "--json", help="Print one JSON document.")
DryRun = typer.Option(False, "--dry-run", help="Say what would be done and change nothing.")


def _refuse_external(ctx: typer.Context, verb: str) -> None:
    if settings_from(ctx).database.url is not None:
        raise ConfigError(
            f"cim db {verb}: the store is an external server (CIM_DATABASE__URL); this command manages the private cluster only",
            hint=f"{verb} that server with its own tools, or unset CIM_DATABASE__URL",
        )


@app.command()
def start(ctx: typer.Context, as_json: bool = AsJson, dry_run: bool = DryRun) -> None:
    """Start the private cluster, making it when there is none.

    Example: cim db start
    """
    _refuse_external(ctx, "start")
    cluster = Cluster(settings_from(ctx).data_dir)
    if dry_run:
        running = cluster.address() is not None
        emit({"folder": str(cluster.folder), "exists": cluster.exists(), "running": running}, as_json=True)
        return
    address = cluster.start()
    emit(
        {"folder": str(cluster.folder), "port": address.port, "running": True},
        as_json=as_json,
        text=lambda console: console.print(f"store runs on 127.0.0.1:{address.port} ({cluster.folder})"),
    )


@app.command()
def stop(ctx: typer.Context, as_json: bool = AsJson, dry_run: bool = DryRun) -> None:
    """Stop the private cluster.

    Example: cim db stop
    """
    _refuse_external(ctx, "stop")
    cluster = Cluster(settings_from(ctx).data_dir)
    if dry_run:
        emit({"running": cluster.address() is not None}, as_json=True)
        return
    stopped = cluster.stop()
    emit(
        {"stopped": stopped},
        as_json=as_json,
        text=lambda console: console.print("store stopped" if stopped else "store was not running"),
    )


@app.command()
def status(ctx: typer.Context, as_json: bool = AsJson) -> None:
    """Say where the store is, whether it answers, and which schema it has.

    Example: cim db status --json
    """
    settings = settings_from(ctx)
    external = settings.database.url is not None
    cluster = Cluster(settings.data_dir)
    running = external or cluster.address() is not None
    report: dict[str, object] = {"store": engine.address(settings), "external": external, "running": running}
    if not external:
        report["folder"] = str(cluster.folder)
        report["exists"] = cluster.exists()
    if running:
        report["schema"] = migrate.current_version(settings)
        report["schema_expected"] = migrate.newest_version()
        with engine.connect(settings) as connection:
            row = connection.execute(
                "SELECT current_setting('server_version'), pg_size_pretty(pg_database_size(current_database()))"
            ).fetchone()
        if row is not None:
            report["postgresql"], report["size"] = row
    emit(report, as_json=as_json, text=lambda console: console.print(table("Store", ["", ""], list(report.items()))))


@app.command("migrate")
def migrate_(ctx: typer.Context, as_json: bool = AsJson, dry_run: bool = DryRun) -> None:
    """Bring the store's schema to this program's version.

    Example: cim db migrate
    """
    settings = settings_from(ctx)
    if dry_run:
        emit({"from": migrate.current_version(settings), "to": migrate.newest_version()}, as_json=True)
        return
    before, after = migrate.migrate(settings)
    emit(
        {"from": before, "to": after},
        as_json=as_json,
        text=lambda console: console.print(f"schema {after}" + (" (unchanged)" if before == after else f" (was {before or 'empty'})")),
    )


@app.command()
def profile(
    ctx: typer.Context,
    file: Path | None = typer.Argument(None, help="City profile (YAML); without it the stored one is shown."),
    as_json: bool = AsJson,
    dry_run: bool = DryRun,
) -> None:
    """Show or set the city profile: name, projected CRS, vertical datum, geoid separation or grid.

    Example: cim db profile sample_data/city.yaml
    """
    settings = settings_from(ctx)
    migrate.require_current(settings)
    if file is None:
        with engine.connect(settings) as connection:
            emit(profiles.fetch_profile(connection).model_dump(mode="json"), as_json=True)
        return
    read = read_profile(file)
    changed = False
    if read.geoid_grid is not None:
        grid = geoid.check_grid(file.parent / read.geoid_grid, settings.rasters_dir)
        with engine.connect(settings) as connection:
            for collection, box in profiles.fetch_extents(connection).items():
                grid.check_covers(box, collection)
        kept = grid if dry_run else geoid.keep_grid(grid, settings.rasters_dir)
        read = read.model_copy(update={"geoid_grid": kept.token})
    if not dry_run:
        with engine.connect(settings) as connection:
            changed = profiles.save_profile(connection, read)
    emit(
        {"city": read.name.en, "changed": changed},
        as_json=as_json,
        text=lambda console: console.print(f"city profile: {read.name.en} {read.name.zh}" + ("" if changed else " (unchanged)")),
    )


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def psql(ctx: typer.Context) -> None:
    """Open psql on the store; further arguments go to psql.

    Example: cim db psql -- -c 'SELECT count(*) FROM building'
    """
    settings = settings_from(ctx)
    parts = engine.conninfo_parts(settings)
    # The password travels in the environment: command lines are visible to every user of the machine.
    environment = {**os.environ, "PGPASSWORD": str(parts.pop("password", ""))}  # noqa: TID251,RUF100 - the child needs our environment
    for name in ("options", "application_name", "connect_timeout"):
        parts.pop(name, None)
    program = find_programs().path("psql")
    extra = [argument for argument in ctx.args if argument != "--"]
    os.execve(program, [program, engine.join_conninfo(parts), *extra], environment)  # noqa: S606 - no shell is wanted


@app.command()
def backup(
    ctx: typer.Context,
    file: Path = typer.Argument(..., help="Archive to write, e.g. city-2026-11-20.cimbak"),
    as_json: bool = AsJson,
    dry_run: bool = DryRun,
) -> None:
    """Write the database, the models and the rasters to one archive.

    Example: cim db backup /backup/city.cimbak
    """
    settings = settings_from(ctx)
    migrate.require_current(settings)
    if dry_run:
        emit({"file": str(file), "schema": migrate.newest_version()}, as_json=True)
        return
    manifest = backups.write_backup(settings, file)
    emit(
        manifest,
        as_json=as_json,
        text=lambda console: console.print(
            f"{file}: {manifest['bytes']:,} bytes, schema {manifest['schema']}, {json.dumps(manifest['rows'])}"
        ),
    )


@app.command()
def restore(
    ctx: typer.Context,
    file: Path = typer.Argument(..., help="Archive made by `cim db backup`"),
    force: bool = typer.Option(False, "--force", help="Replace a store that holds data."),
    as_json: bool = AsJson,
    dry_run: bool = DryRun,
) -> None:
    """Replace the store by an archive: all or nothing.

    Example: cim db restore /backup/city.cimbak
    """
    settings = settings_from(ctx)
    manifest = backups.read_manifest(file)
    if dry_run:
        emit(manifest, as_json=True)
        return
    raised = backups.restore_backup(settings, file, force=force)
    if raised:
        say(f"{raised} code counters were raised, so that no code issued after the backup is issued again; see the table code_gap.")
    say("The tiles are not part of a backup; build them with `cim tiles build`.")
    emit(
        manifest,
        as_json=as_json,
        text=lambda console: console.print(f"restored {file}: {json.dumps(manifest['rows'])}"),
    )
