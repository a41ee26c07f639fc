"""``cim ingest``: files in, register rows out."""

from collections.abc import Sequence
from pathlib import Path

import typer
from rich.console import Console

from cim.cli_support import emit, settings_from, table
from ingest.pipeline import Outcome

app = typer.Typer(no_args_is_help=True, help="Load divisions, census, addresses, networks, terrain.")

AsJson = typer.Option(False, "--json", help="Print one JSON document.")
DryRun = typer.Option(False, "--dry-run", help="Read and check everything, write nothing.")
Name = typer.Option(None, "--name", help="Dataset name, stable over versions; default: stem of the file.")
Synthetic = typer.Option(False, "--synthetic", help="The data are generated; said wherever they are shown.")
Encoding = typer.Option(None, "--encoding", help="Text encoding, where the file does not say.")
_COLUMNS = {
    "en": ("dataset", "read", "accepted", "unchanged", "rejected", "rejected by rule", "warnings by rule"),
    "zh": ("数据集", "读取", "入库", "未变", "拒绝", "拒绝原因", "警告"),
}


def _show(ctx: typer.Context, outcomes: Sequence[Outcome], *, as_json: bool) -> None:
    columns = _COLUMNS[settings_from(ctx).language]

    def rules(outcome: Outcome, key: str) -> str:
        return ", ".join(f"{rule} × {n}" for rule, n in outcome.report.get(key, {}).items())

    def draw(console: Console) -> None:
        rows = [
            [
                o.info.name, o.counts.read, o.counts.accepted, o.counts.unchanged, o.counts.rejected,
                rules(o, "rejected_by_rule"), rules(o, "warnings_by_rule"),
            ]
            for o in outcomes
        ]  # fmt: skip
        console.print(table("Ingest 入库", columns, rows))

    emit([outcome.as_dict() for outcome in outcomes], as_json=as_json, text=draw)


@app.command()
def divisions(
    ctx: typer.Context,
    files: list[Path] = typer.Argument(..., help="Code tables (CSV) and boundary layers."),
    name: str | None = Name,
    as_json: bool = AsJson,
    dry_run: bool = DryRun,
) -> None:
    """Load administrative and statistical divisions: codes, names, boundaries.

    Example: cim ingest divisions divisions.csv boundaries.gpkg
    """
    from ingest.divisions.load import ingest_divisions

    _show(ctx, [ingest_divisions(settings_from(ctx), files, name=name, dry_run=dry_run)], as_json=as_json)


@app.command()
def census(
    ctx: typer.Context,
    file: Path = typer.Argument(..., help="Survey layer: .zip or .shp, .gpkg, .geojson, .fgb."),
    profile: Path = typer.Option(..., "--profile", help="Mapping profile (YAML)."),
    crs: str | None = typer.Option(None, "--crs", help="CRS, where the file names none, e.g. EPSG:4490."),
    encoding: str | None = Encoding,
    name: str | None = Name,
    synthetic: bool = Synthetic,
    licence: str | None = typer.Option(None, "--licence", help="Licence of the data."),
    provider: str | None = typer.Option(None, "--provider", help="Who delivered it."),
    as_json: bool = AsJson,
    dry_run: bool = DryRun,
) -> None:
    """Load a building survey; every accepted building gets its code.

    Example: cim ingest census survey.zip --profile profile.yaml
    """
    from ingest.census.load import ingest_census

    outcome = ingest_census(
        settings_from(ctx), file, profile, crs=crs, encoding=encoding, name=name, synthetic=synthetic, licence=licence,
        provider=provider, dry_run=dry_run,
    )  # fmt: skip
    _show(ctx, [outcome], as_json=as_json)


@app.command()
def addresses(
    ctx: typer.Context,
    file: Path = typer.Argument(..., help="CSV with 原始地址, 经度, 纬度, 坐标系."),
    encoding: str | None = Encoding,
    name: str | None = Name,
    as_json: bool = AsJson,
    dry_run: bool = DryRun,
) -> None:
    """Load addresses and link each to its building.

    Example: cim ingest addresses addresses.csv
    """
    from ingest.addresses.load import ingest_addresses

    _show(ctx, [ingest_addresses(settings_from(ctx), file, encoding=encoding, name=name, dry_run=dry_run)], as_json=as_json)


@app.command()
def network(
    ctx: typer.Context,
    files: list[Path] = typer.Argument(..., help="CJJ 61 point and line tables (CSV)."),
    profile: Path = typer.Option(..., "--profile", help="Network profile (YAML)."),
    name: str | None = Name,
    synthetic: bool = Synthetic,
    as_json: bool = AsJson,
    dry_run: bool = DryRun,
) -> None:
    """Load municipal networks: points, lines, depths, equipment.

    Example: cim ingest network JSPOINT.csv JSLINE.csv --profile networks.yaml
    """
    from ingest.network.load import ingest_network

    outcomes = ingest_network(settings_from(ctx), files, profile, name=name, synthetic=synthetic, dry_run=dry_run)
    _show(ctx, outcomes, as_json=as_json)


@app.command()
def terrain(
    ctx: typer.Context,
    file: Path = typer.Argument(..., help="Elevation raster, one band, metres, projected CRS."),
    vertical_datum: str = typer.Option(..., "--vertical-datum", help="Vertical CRS of the elevations, e.g. EPSG:5737."),
    name: str | None = Name,
    synthetic: bool = Synthetic,
    as_json: bool = AsJson,
    dry_run: bool = DryRun,
) -> None:
    """Store an elevation raster and write the ground elevation of every building.

    Example: cim ingest terrain dem.tif --vertical-datum EPSG:5737
    """
    from ingest.terrain.load import ingest_terrain

    outcome = ingest_terrain(settings_from(ctx), file, vertical_datum=vertical_datum, name=name, synthetic=synthetic, dry_run=dry_run)
    _show(ctx, [outcome], as_json=as_json)
