"""``cim export``: the register, any division and any date, to files of other software."""

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

import typer

from cim.access import RowScope
from cim.cli_support import emit, progress, say, settings_from
from cim.clock import utc_now
from cim.crs import STORE_SRID, epsg_of, parse_crs, transform_box
from cim.db import citymodel_reads, engine, row_security
from cim.db import export_reads as reads
from cim.db.profiles import fetch_profile
from cim.errors import ConfigError, InvalidParameterError, UnknownCollectionError
from cim.exchange.citymodel import Models
from cim.exchange.formats import FileFormat, format_of
from cim.exchange.model import ExportCollection, Job, Language, Rows
from cim.exchange.whole_file import whole_file
from cim.profile import CityProfile, Names
from cim.settings import Settings

app = typer.Typer()

BATCH_ROWS = 50_000
_HORIZONTAL_AXES = 2
_STORE_CRS = f"EPSG:{STORE_SRID}"


def parse_moment(text: str, now: datetime) -> datetime:
    """Read ``--date``: a day, meant to its end in UTC, or an instant with a time zone.

    Parameters
    ----------
    text
        ISO 8601, e.g. 2026-05-01 or 2026-05-01T08:00:00+08:00.
    now
        Current instant; the day that has begun ends now.

    Raises
    ------
    InvalidParameterError
        Not a date or instant, no time zone, or in the future.
    """
    expected = "2026-05-01, or an instant with a time zone such as 2026-05-01T08:00:00+08:00"
    try:
        if len(text) == len("2026-05-01"):
            start = datetime.combine(date.fromisoformat(text), time(), tzinfo=UTC)
            end = start + timedelta(days=1) - timedelta(microseconds=1)
            moment = min(end, now) if start <= now else end
        else:
            moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise InvalidParameterError("--date", text[:80], expected) from error
    if moment.tzinfo is None:
        raise InvalidParameterError("--date", text[:80], expected)
    if moment > now:
        raise InvalidParameterError(
            "--date", text[:80], f"a moment up to now ({now:%Y-%m-%dT%H:%M:%SZ})", hint="the register knows no future"
        )
    return moment


def _collection(name: str) -> ExportCollection:
    known = reads.export_collections()
    if name not in known:
        raise UnknownCollectionError(f"collection {name[:80]!r}: expected one of {', '.join(known)}")
    return known[name]


def statuses_of(collection: ExportCollection, wanted: list[str]) -> tuple[str, ...]:
    """Return the wanted states, refused where the collection has no such state."""
    allowed = [value for column in collection.columns if column.name == "status" for value, _ in column.values]
    for value in wanted:
        if value not in allowed:
            raise InvalidParameterError("--status", value[:40], f"one of {', '.join(allowed)}")
    return tuple(wanted)


def _srid(connection: engine.Connection, crs: str, made: FileFormat) -> int:
    parsed = parse_crs(crs)
    srid = epsg_of(parsed)
    if srid is None or len(parsed.axis_info) != _HORIZONTAL_AXES or not reads.is_known_srid(connection, srid):
        raise InvalidParameterError("--crs", crs[:80], f"a two-dimensional CRS with an EPSG code that the store knows, e.g. {_STORE_CRS}")
    if made.needs_metres and not (parsed.is_projected and parsed.axis_info[0].unit_conversion_factor == 1):
        raise InvalidParameterError("--crs", crs[:80], f"a projected CRS in metres for {made.name}, e.g. EPSG:4547")
    return srid


def _profile(connection: engine.Connection, made: FileFormat) -> CityProfile | None:
    try:
        return fetch_profile(connection)
    except ConfigError:
        if made.needs_metres:
            raise
        return None


def _origin(srid: int, summary: reads.ExportSummary) -> tuple[float, float]:
    """Return the lower left corner of the data, rounded down, in the units of the output CRS."""
    if summary.bbox is None:
        return 0.0, 0.0
    west, south, east, north = summary.bbox
    area = parse_crs(f"EPSG:{srid}").area_of_use
    if area is not None and (east < area.west or west > area.east or north < area.south or south > area.north):
        place = f"{area.west:g} {area.south:g} {area.east:g} {area.north:g}"
        raise InvalidParameterError(
            "--crs", f"EPSG:{srid}", f"a CRS made for {west:.4f} {south:.4f} {east:.4f} {north:.4f} [deg]; this one is for {place}"
        )
    box = transform_box(_STORE_CRS, f"EPSG:{srid}", summary.bbox)
    if not all(map(math.isfinite, box)):
        raise InvalidParameterError("--crs", f"EPSG:{srid}", "a CRS whose projection reaches the city")
    return float(math.floor(box[0])), float(math.floor(box[1]))


def _note(query: reads.ExportQuery, summary: reads.ExportSummary, first: datetime | None) -> str:
    if summary.n_rows:
        return ""
    name = query.collection.id
    if first is None:
        return f"The store has no {name}: the file has no rows."
    if query.moment is not None and query.moment < first:
        return f"{query.moment.isoformat()} is before the first record of {name} ({first.isoformat()}): the file has no rows."
    return f"No {name} fit --division and --status: the file has no rows."


def _counted(batches: Iterator[Rows], total: int, title: str, on_rows: Callable[[int, int], None] | None) -> Iterator[Rows]:
    done = 0
    with progress() if on_rows is None else contextlib.nullcontext() as bar:
        task = None if bar is None else bar.add_task(title, total=total)
        for rows in batches:
            yield rows
            done += len(rows)
            if bar is not None and task is not None:
                bar.advance(task, len(rows))
            if on_rows is not None:
                on_rows(done, total)


def _own_statuses(query: reads.ExportQuery, made: FileFormat) -> tuple[str, ...]:
    # A retired city object has no geometry any more: a city model without it is whole.
    return ("existing",) if made.needs_metres and query.collection.id == "city-objects" else ()


def _models(connection: engine.Connection, query: reads.ExportQuery) -> Models:
    make = citymodel_reads.models_by_code if query.collection.id == "city-objects" else citymodel_reads.models_of_buildings
    return make(connection, query.moment)


def run_export(
    settings: Settings,
    query: reads.ExportQuery,
    file: Path,
    *,
    crs: str | None = None,
    aliases: Literal["zh", "en", "none"] | None = None,
    dry_run: bool = False,
    scope: RowScope | None = None,
    on_rows: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Write a collection to a file.

    Parameters
    ----------
    settings
        Deployment settings.
    query
        What to write; its CRS is taken from ``crs``.
    file
        Target; its suffix names the format, see `FORMATS`. What is there is replaced.
    crs
        Output CRS; None for the store's, in CityJSON for the city's projected one.
    aliases
        Language of the names for people; None for the format's own choice.
    dry_run
        Check and count, write nothing.
    scope
        Row filter of who asked, None for all rows.
    on_rows
        Called with rows written so far and rows in all, instead of a progress bar.

    Returns
    -------
    dict
        File, format, rows, bytes, CRS, moment, seconds and a note where there are no rows.

    Raises
    ------
    InvalidParameterError
        The format, the CRS or the division does not fit.
    NotFoundError
        The division is unknown.
    """
    started = perf_counter()
    made = format_of(file, query.collection.id)
    language: Language | None = made.default_language if aliases is None else None if aliases == "none" else aliases
    with engine.connect(settings) as connection:
        reads.begin_snapshot(connection)
        row_security.enter(connection, scope)
        profile = _profile(connection, made)
        wanted = crs or (profile.projected_crs if made.needs_metres and profile else _STORE_CRS)
        query = replace(query, srid=_srid(connection, wanted, made), statuses=query.statuses or _own_statuses(query, made))
        if query.division is not None:
            reads.require_division(connection, query.division)
            reads.require_boundary(connection, query)
        summary = reads.fetch_summary(connection, query)
        note = "" if summary.n_rows else _note(query, summary, reads.fetch_first_record(connection, query.collection))
        job = Job(
            collection=query.collection,
            srid=query.srid,
            language=language,
            all_placed=summary.n_placed == summary.n_rows,
            origin=_origin(query.srid, summary),
            city=profile.name if profile else Names(en="City", zh="城市"),
            vertical_datum=profile.vertical_datum if profile else "",
            moment=query.moment or utc_now(),
            models=_models(connection, query) if made.needs_metres else None,
        )
        if not dry_run:
            with whole_file(file) as part:
                batches = reads.read_batches(connection, query, size=BATCH_ROWS)
                made.write(part, job, _counted(batches, summary.n_rows, job.title, on_rows))
    return {
        "file": str(file),
        "collection": query.collection.id,
        "format": made.name,
        "rows": summary.n_rows,
        "bytes": None if dry_run else file.stat().st_size,
        "crs": f"EPSG:{query.srid}",
        "moment": job.moment.isoformat(),
        "division": query.division,
        "note": note,
        "written": not dry_run,
        **(
            {"buildings_from_models": job.counts.get("buildings_from_models", 0)}
            if job.models and query.collection.id == "buildings"
            else {}
        ),
        "seconds": round(perf_counter() - started, 3),
    }


@app.command()
def export(
    ctx: typer.Context,
    collection: str = typer.Argument(
        ..., help="divisions, buildings, units, addresses, city-objects, planning-controls, or water-lines, water-points, … of a network."
    ),
    file: Path = typer.Argument(..., help="File to write: .gpkg, .parquet, .fgb, .csv, or .city.json for buildings and city-objects."),
    division: str | None = typer.Option(None, "--division", help="Division of any level, 2 to 12 digits."),
    day: str | None = typer.Option(None, "--date", help="State at the end of a day (UTC) or at an instant, ISO 8601; default now."),
    status: list[str] = typer.Option([], "--status", help="Only rows of this status; may be repeated."),
    crs: str | None = typer.Option(None, "--crs", help="Output CRS, default EPSG:4490; CityJSON: the city's projected CRS."),
    aliases: Literal["zh", "en", "none"] | None = typer.Option(
        None, "--aliases", help="Language of the names for people, default zh; CSV and CityJSON keep attribute names."
    ),
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace the file where it exists."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Check and count, write nothing."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> None:
    """Write a collection to GeoPackage, GeoParquet, FlatGeobuf, CSV or CityJSON; all rows with their status.

    Example: cim export buildings out.gpkg --division 420111 --date 2026-05-01
    """
    chosen = _collection(collection)
    format_of(file, collection)
    if file.is_dir() or (file.exists() and not overwrite):
        raise InvalidParameterError("FILE", str(file), "a file that does not exist yet", hint="pass --overwrite to replace it")
    moment = None if day is None else parse_moment(day, utc_now())
    query = reads.ExportQuery(chosen, division=division, moment=moment, statuses=statuses_of(chosen, status))
    report = run_export(settings_from(ctx), query, file, crs=crs, aliases=aliases, dry_run=dry_run)
    if report["note"]:
        say(str(report["note"]))
    verb = "Would write" if dry_run else "Wrote"
    emit(
        report,
        as_json=as_json,
        text=lambda console: console.print(
            f"{verb} {report['rows']} {collection} to {file} ({report['format']}, {report['crs']}, {report['seconds']} s)", markup=False
        ),
    )
