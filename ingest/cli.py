"""``cim ingest``: files in, register rows out."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from cim.cli_support import emit, say, settings_from, table
from ingest.pipeline import Outcome

if TYPE_CHECKING:
    from ingest.census.load import CensusOptions

app = typer.Typer(no_args_is_help=True, help="Load divisions, census, addresses, units, networks, terrain, imagery, city models, plans.")

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
    file: Path = typer.Argument(..., help="Survey layer: .zip or .shp, .gpkg, .geojson, .fgb, .parquet, .gdb; or table: .csv, .xlsx."),
    profile: str | None = typer.Option(None, "--profile", help="Mapping profile: YAML file or name of a shipped one."),
    suggest_profile: bool = typer.Option(False, "--suggest-profile", help="Propose a profile for the file and load nothing."),
    crs: str | None = typer.Option(None, "--crs", help="CRS, where the file names none, e.g. EPSG:4490."),
    encoding: str | None = Encoding,
    layer: str | None = typer.Option(None, "--layer", help="Layer of a file with several."),
    geometry: Path | None = typer.Option(None, "--geometry", help="Layer with the outlines of a table."),
    join: str | None = typer.Option(None, "--join", help="Field that table and outlines share: FIELD or FIELD=FIELD."),
    datum: str | None = typer.Option(None, "--datum", help="cgcs2000, gcj02 or bd09; without it a layer that looks shifted is refused."),
    name: str | None = Name,
    synthetic: bool = Synthetic,
    licence: str | None = typer.Option(None, "--licence", help="Licence of the data."),
    provider: str | None = typer.Option(None, "--provider", help="Who delivered it."),
    report: Path | None = typer.Option(None, "--report", help="Folder for report.html, report.json and rejects.gpkg."),
    scheduler: str | None = typer.Option(None, "--scheduler", help="Dask scheduler (tcp://host:port) or local:N; default: this process."),
    as_json: bool = AsJson,
    dry_run: bool = DryRun,
) -> None:
    """Load a building survey; every accepted building gets its code.

    Example: cim ingest census survey.zip --profile rural-single-dwelling --report report/
    """
    from ingest.census.datum import DATUMS
    from ingest.census.load import CensusOptions, ingest_census

    if datum is not None and datum not in DATUMS:
        raise typer.BadParameter(f"expected one of {', '.join(DATUMS)}", param_hint="--datum")
    options = CensusOptions(crs, encoding, layer, geometry, join, datum, name, synthetic, licence, provider, scheduler)
    if suggest_profile:
        _suggest(file, options, as_json=as_json)
        return
    if profile is None:
        raise typer.BadParameter("give a profile, or ask for one with --suggest-profile", param_hint="--profile")
    outcome = ingest_census(settings_from(ctx), file, profile, options, dry_run=dry_run, report=report)
    _show(ctx, [outcome], as_json=as_json)
    if report is not None:
        say(f"report: {report / 'report.html'}")


def _suggest(file: Path, options: "CensusOptions", *, as_json: bool) -> None:
    from ingest.census.suggest import suggest_profile
    from ingest.layer import open_layer

    layer = open_layer(file, crs=options.crs, encoding=options.encoding, layer=options.layer, geometry=options.geometry, join=options.join)
    batch = next(layer.batches(20_000))
    columns = {name: batch.column(name) for name in layer.fields}
    found = suggest_profile(columns, layer.geometry_type, layer.layer, layer.crs)
    emit(
        {"profile": found.profile_yaml, "confidence": found.confidence, "reasons": found.reasons, "open_questions": found.open_questions},
        as_json=as_json,
        text=lambda console: console.out(found.profile_yaml, highlight=False),
    )


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
def units(
    ctx: typer.Context,
    file: Path = typer.Argument(..., help="CSV with 建筑编号, 楼层, 室号 and optionally 单元, 建筑面积, 用途, 名称."),
    encoding: str | None = Encoding,
    name: str | None = Name,
    as_json: bool = AsJson,
    dry_run: bool = DryRun,
) -> None:
    """Load units (户) under the codes of their buildings.

    Example: cim ingest units units.csv
    """
    from ingest.units.load import ingest_units

    _show(ctx, [ingest_units(settings_from(ctx), file, encoding=encoding, name=name, dry_run=dry_run)], as_json=as_json)


@app.command()
def network(
    ctx: typer.Context,
    files: list[Path] = typer.Argument(
        ..., help="CJJ 61 tables (.csv, .xlsx, .dbf, .shp, .gpkg), layers, EPANET or SWMM .inp, pandapipes or pandapower .json, OSM .pbf."
    ),
    profile: Path | None = typer.Option(None, "--profile", help="Profile of CJJ 61 tables or of layers (YAML)."),
    kind: str | None = typer.Option(None, "--kind", help="water, rainwater, sewage, gas, heat, power, …, where the source does not tell."),
    crs: str | None = typer.Option(None, "--crs", help="CRS of the coordinates, where the source names none, e.g. EPSG:4547."),
    georef: Path | None = typer.Option(None, "--georef", help="Control points x,y,X,Y that take local coordinates into --crs."),
    county: str | None = typer.Option(None, "--county", help="County of the parts, 6 digits; default: the profile's or the city's."),
    vertical_datum: str | None = typer.Option(None, "--vertical-datum", help="Vertical CRS of the elevations; default: the city's."),
    name: str | None = Name,
    synthetic: bool = Synthetic,
    licence: str | None = typer.Option(None, "--licence", help="Licence of the data."),
    provider: str | None = typer.Option(None, "--provider", help="Who delivered it."),
    report: Path | None = typer.Option(None, "--report", help="Folder; in it one per dataset: report.html, report.json, rejects.gpkg."),
    as_json: bool = AsJson,
    dry_run: bool = DryRun,
) -> None:
    """Load municipal networks: points, lines, depths, equipment, hydraulic models.

    Example: cim ingest network ky4.inp --crs EPSG:3089 --county 420111
    """
    from cim.db.tables.network import KINDS
    from ingest.network.load import NetworkOptions, ingest_network

    if kind is not None and kind not in KINDS:
        raise typer.BadParameter(f"expected one of {', '.join(KINDS)}", param_hint="--kind")
    if county is not None and not (county.isdecimal() and len(county) == 6):
        raise typer.BadParameter("expected 6 digits", param_hint="--county")
    options = NetworkOptions(name, kind, crs, georef, county, vertical_datum, synthetic, licence, provider)
    outcomes = ingest_network(settings_from(ctx), files, profile, options, dry_run=dry_run, report=report)
    _show(ctx, outcomes, as_json=as_json)
    for outcome in outcomes:
        page = None if report is None else report / outcome.info.name.replace("/", "-") / "report.html"
        if page is not None and page.exists():
            say(f"report: {page}")


@app.command()
def planning(
    ctx: typer.Context,
    file: Path = typer.Argument(..., help="Layer of polygons: .zip or .shp, .gpkg, .geojson, .fgb, .parquet, .gdb."),
    kind: str | None = typer.Option(
        None,
        "--kind",
        help="land-use, plot (far), red-line, green-line, blue-line, height-limit, protection, …; where the file does not tell.",
    ),
    profile: str = typer.Option("plain", "--profile", help="Mapping profile: YAML file or name of a shipped one."),
    crs: str | None = typer.Option(None, "--crs", help="CRS, where the file names none, e.g. EPSG:4547."),
    encoding: str | None = Encoding,
    layer: str | None = typer.Option(None, "--layer", help="Layer of a file with several."),
    datum: str | None = typer.Option(None, "--datum", help="gcj02 or bd09: the shift is taken back; default cgcs2000."),
    county: str | None = typer.Option(None, "--county", help="County of zones that no boundary covers, 6 digits."),
    name: str | None = Name,
    synthetic: bool = Synthetic,
    licence: str | None = typer.Option(None, "--licence", help="Licence of the data."),
    provider: str | None = typer.Option(None, "--provider", help="Who delivered it."),
    report: Path | None = typer.Option(None, "--report", help="Folder for report.html and report.json."),
    as_json: bool = AsJson,
    dry_run: bool = DryRun,
) -> None:
    """Load planning control: zones of land use, plots, control lines, height limits, protection areas, with their rules.

    Example: cim ingest planning plots.gpkg --profile regulatory-plan --report report/
    """
    from cim.db.tables.planning import CONTROL_KINDS
    from ingest.census.datum import DATUMS
    from ingest.planning.load import PlanningOptions, ingest_planning
    from ingest.planning.profile import kind_of

    control = None if kind is None else kind_of(kind)
    if kind is not None and control is None:
        raise typer.BadParameter(f"expected one of {', '.join(one.replace('_', '-') for one in CONTROL_KINDS)}", param_hint="--kind")
    if datum is not None and datum not in DATUMS:
        raise typer.BadParameter(f"expected one of {', '.join(DATUMS)}", param_hint="--datum")
    if county is not None and not (county.isdecimal() and len(county) == 6):
        raise typer.BadParameter("expected 6 digits", param_hint="--county")
    options = PlanningOptions(control, crs, encoding, layer, datum, county, name, synthetic, licence, provider)
    outcome = ingest_planning(settings_from(ctx), file, profile, options, dry_run=dry_run, report=report)
    _show(ctx, [outcome], as_json=as_json)
    if report is not None:
        say(f"report: {report / 'report.html'}")


@app.command()
def terrain(
    ctx: typer.Context,
    files: list[Path] = typer.Argument(..., help="Elevation rasters, one band: GeoTIFF, ASCII grid, VRT, .hgt; several = one mosaic."),
    vertical_datum: str | None = typer.Option(None, "--vertical-datum", help="Vertical CRS, where the files name none, e.g. EPSG:5737."),
    unit: str | None = typer.Option(None, "--unit", help="m, ft or us-ft, where the files name none."),
    crs: str | None = typer.Option(None, "--crs", help="CRS, where the files name none, e.g. EPSG:4547."),
    nodata: float | None = typer.Option(None, "--nodata", help="Value of cells without data, where the files name none or a wrong one."),
    shift: float = typer.Option(0.0, "--shift", help="Added to the elevations to reach the city's vertical datum [m]."),
    name: str | None = Name,
    synthetic: bool = Synthetic,
    licence: str | None = typer.Option(None, "--licence", help="Licence of the data."),
    provider: str | None = typer.Option(None, "--provider", help="Who delivered it."),
    as_json: bool = AsJson,
    dry_run: bool = DryRun,
) -> None:
    """Store elevation rasters and write the ground elevation of every building.

    Example: cim ingest terrain dem.tif --vertical-datum EPSG:5737 --unit m
    """
    from ingest.raster.source import UNITS
    from ingest.raster.terrain import TerrainOptions, ingest_terrain

    if unit is not None and unit not in UNITS:
        raise typer.BadParameter(f"expected one of {', '.join(UNITS)}", param_hint="--unit")
    options = TerrainOptions(vertical_datum, unit, crs, nodata, shift, name, synthetic, licence, provider)
    _show(ctx, [ingest_terrain(settings_from(ctx), files, options, dry_run=dry_run)], as_json=as_json)


@app.command()
def imagery(
    ctx: typer.Context,
    files: list[Path] = typer.Argument(..., help="Orthophotos or satellite images: GeoTIFF, JPEG 2000, VRT, …; several = one mosaic."),
    crs: str | None = typer.Option(None, "--crs", help="CRS, where the files name none, e.g. EPSG:4547."),
    compress: str = typer.Option("deflate", "--compress", help="deflate (lossless), jpeg or webp."),
    acquired_on: datetime | None = typer.Option(None, "--acquired-on", formats=["%Y-%m-%d"], help="Day of the flight."),
    name: str | None = Name,
    synthetic: bool = Synthetic,
    licence: str | None = typer.Option(None, "--licence", help="Licence of the data."),
    provider: str | None = typer.Option(None, "--provider", help="Who delivered it."),
    as_json: bool = AsJson,
    dry_run: bool = DryRun,
) -> None:
    """Store orthophotos and satellite images for map tiles.

    Example: cim ingest imagery ortho.tif --acquired-on 2026-05-01
    """
    from ingest.raster.imagery import ImageryOptions, ingest_imagery

    if compress not in ("deflate", "jpeg", "webp"):
        raise typer.BadParameter("expected deflate, jpeg or webp", param_hint="--compress")
    options = ImageryOptions(crs, compress, acquired_on.date() if acquired_on else None, name, synthetic, licence, provider)
    _show(ctx, [ingest_imagery(settings_from(ctx), files, options, dry_run=dry_run)], as_json=as_json)


@app.command()
def citymodel(
    ctx: typer.Context,
    file: Path = typer.Argument(..., help="CityJSON 1.0 to 2.0 (.json), CityJSON text sequence (.jsonl), CityGML 2.0 or 3.0 (.gml, .xml)."),
    crs: str | None = typer.Option(None, "--crs", help="CRS, where the file names none or a wrong one, e.g. EPSG:7415."),
    vertical_datum: str | None = typer.Option(None, "--vertical-datum", help="Vertical CRS, where the file names none, e.g. EPSG:5737."),
    shift: float = typer.Option(0.0, "--shift", help="Added to the elevations to reach the city's vertical datum [m]."),
    county: str | None = typer.Option(None, "--county", help="County of objects outside of buildings, 6 digits; default: the city's."),
    name: str | None = Name,
    synthetic: bool = Synthetic,
    licence: str | None = typer.Option(None, "--licence", help="Licence of the data."),
    provider: str | None = typer.Option(None, "--provider", help="Who delivered it."),
    report: Path | None = typer.Option(None, "--report", help="Folder for report.html and report.json: what is faulty, and where."),
    as_json: bool = AsJson,
    dry_run: bool = DryRun,
) -> None:
    """Store a city model: objects, geometries per level of detail, links to the buildings of the register.

    Example: cim ingest citymodel delft.city.json --vertical-datum EPSG:5737
    """
    from ingest.citymodel.load import CityModelOptions, ingest_citymodel

    if county is not None and not (county.isdecimal() and len(county) == 6):
        raise typer.BadParameter("expected 6 digits", param_hint="--county")
    options = CityModelOptions(crs, vertical_datum, shift, county, name, synthetic, licence, provider)
    outcome = ingest_citymodel(settings_from(ctx), file, options, dry_run=dry_run, report=report)
    _show(ctx, [outcome], as_json=as_json)
    if report is not None:
        say(f"report: {report / 'report.html'}")
