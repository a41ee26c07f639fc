"""``cim ingest network``: survey tables, models, extracts and layers into one network model."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from cim.crs import parse_crs, transform_box
from cim.db import divisions, engine, migrate, network_links, networks, profiles
from cim.db.datasets import Counts, DatasetInfo
from cim.db.engine import Connection
from cim.db.rasters import stored_rasters
from cim.errors import ConfigError, MappingError, MissingCrsError, UnsupportedFormatError
from cim.profile import CityProfile
from cim.settings import Settings
from ingest import pipeline
from ingest.network.build import Place, build
from ingest.network.cjj61 import LINE_COLUMNS, POINT_COLUMNS, map_survey, read_cjj_table
from ingest.network.epanet import map_epanet
from ingest.network.georef import Georeference, read_georeference
from ingest.network.inp import dialect, read_inp
from ingest.network.layers import LayersProfile, map_layers, read_layers_profile
from ingest.network.osm import is_osm, map_osm
from ingest.network.pandanet import map_pandas_net
from ingest.network.profile import KindTables, NetworkProfile, profile_format, read_network_profile
from ingest.network.report import report_network
from ingest.network.survey import Survey
from ingest.network.swmm import map_swmm
from ingest.network.write import Writer
from ingest.rejects import RejectLog
from ingest.source import require_file, sha256_of

_RASTERS = (".tif", ".tiff", ".img", ".asc", ".hgt")


@dataclass(frozen=True)
class NetworkOptions:
    """What the operator says of the files.

    Parameters
    ----------
    name
        Dataset name, stable over versions.
    kind
        Kind of network, where the source does not tell.
    crs
        CRS of the coordinates, where the source names none.
    georef
        Control points that take local coordinates into ``crs``.
    county
        6 digits; None = the one county of the city.
    vertical_datum
        Vertical CRS of the elevations; None = the city's.
    synthetic
        The data are generated.
    licence, provider
        For the dataset row.
    """

    name: str | None = None
    kind: str | None = None
    crs: str | None = None
    georef: Path | None = None
    county: str | None = None
    vertical_datum: str | None = None
    synthetic: bool = False
    licence: str | None = None
    provider: str | None = None


@dataclass(frozen=True)
class _Job:
    """A dataset to load: its name, what goes into its hash, and how to read it."""

    name: str
    files: tuple[Path, ...]
    read: Any
    county: str | None = None
    encoding: str | None = None
    profile_path: Path | None = None
    vertical_datum: str | None = None


def ingest_network(
    settings: Settings, paths: list[Path], profile_path: Path | None, options: NetworkOptions, *, dry_run: bool,
    report: Path | None = None,
) -> list[pipeline.Outcome]:  # fmt: skip
    """Load networks; each kind of each source is one dataset and one transaction.

    Parameters
    ----------
    settings
        Names the store.
    paths
        CJJ 61 tables and layers (with a profile), EPANET or SWMM models, pandapipes or pandapower files, OSM extracts.
    profile_path
        Profile of tables or layers, None for the others.
    options
        What the operator says.
    dry_run
        Check only.
    report
        Folder that gets a folder per dataset with its report, None = no report.

    Raises
    ------
    SourceError
        A file or the profile cannot be used; nothing of it is written.
    """
    for path in paths:
        require_file(path)
    migrate.require_current(settings)
    with engine.connect(settings) as connection:
        city = profiles.fetch_profile(connection)
    _check_datum(city, options.vertical_datum, "--vertical-datum")
    georeference = read_georeference(options.georef) if options.georef else None
    outcomes = []
    for job in _jobs(paths, profile_path, options, city):
        if job.vertical_datum is not None:
            _check_datum(city, job.vertical_datum, job.profile_path or job.files[0])
        outcomes += _load_job(settings, job, options, city, georeference, dry_run=dry_run, report=report)
    return outcomes


def _check_datum(city: CityProfile, told: str | None, place: Path | str) -> None:
    if told is not None and not parse_crs(told).equals(parse_crs(city.vertical_datum)):
        raise MappingError(
            place,
            f"found {told}, but the city keeps its elevations in {city.vertical_datum}",
            where="vertical_datum",
            hint=f"convert the elevations to {city.vertical_datum}",
        )


def _jobs(paths: list[Path], profile_path: Path | None, options: NetworkOptions, city: CityProfile) -> list[_Job]:
    if profile_path is not None and profile_format(profile_path) == "layers":
        profile = read_layers_profile(profile_path)
        return [_layers_job(paths, profile, profile_path, options, city)]
    if profile_path is not None:
        return _cjj_jobs(paths, read_network_profile(profile_path), profile_path, options)
    return [_model_job(path, options) for path in paths]


def _layers_job(paths: list[Path], profile: LayersProfile, profile_path: Path, options: NetworkOptions, city: CityProfile) -> _Job:
    def read(log: RejectLog) -> list[Survey]:
        return map_layers(paths, profile, log, crs=options.crs, plane=city.projected_crs)

    name = options.name or (paths[0].stem if len(paths) == 1 else profile.profile)
    return _Job(name, (*paths, profile_path), read, profile.county_code, None, profile_path)


def _cjj_jobs(paths: list[Path], profile: NetworkProfile, profile_path: Path, options: NetworkOptions) -> list[_Job]:
    """One job per kind whose point and line table are both among the files (or layers of one file)."""
    used = {table for kind in profile.kinds.values() for table in (kind.points, kind.lines)}
    by_stem = {_stem(path.name): (path, None) for path in paths}
    for path in paths:
        if path.suffix.lower() == ".gpkg" and _stem(path.name) not in {_stem(table) for table in used}:
            from ingest.network.layers import layers_of

            del by_stem[_stem(path.name)]
            by_stem |= {name: (path, name) for name, _ in layers_of(path)}  # type: ignore[misc]  # layer of a file with several
    strangers = sorted(set(by_stem) - {_stem(table) for table in used})
    if strangers:
        raise MappingError(by_stem[strangers[0]][0], f"is no table of profile {profile.profile}; expected {', '.join(sorted(used))}")
    jobs = []
    for tables in profile.kinds.values():
        points, lines = by_stem.get(_stem(tables.points)), by_stem.get(_stem(tables.lines))
        if points is None and lines is None:
            continue
        if points is None or lines is None:
            present = (points or lines or (profile_path, None))[0]
            raise MappingError(present, f"its partner {tables.lines if points else tables.points} is missing", hint="give both tables")
        jobs.append(_cjj_job(points, lines, tables, profile, profile_path, options))
    return jobs


def _stem(name: str) -> str:
    return Path(name).stem


def _cjj_job(
    points: tuple[Path, str | None], lines: tuple[Path, str | None], tables: KindTables, profile: NetworkProfile, profile_path: Path,
    options: NetworkOptions,
) -> _Job:  # fmt: skip
    def read(log: RejectLog) -> list[Survey]:
        point_rows = read_cjj_table(points[0], POINT_COLUMNS, encoding=profile.encoding, layer=points[1])
        line_rows = read_cjj_table(lines[0], LINE_COLUMNS, encoding=profile.encoding, layer=lines[1])
        return [map_survey(point_rows, line_rows, (points[0], lines[0]), tables, profile, log)]

    return _Job(
        f"{options.name or profile.profile}-{tables.kind}", (points[0], lines[0], profile_path), read, profile.county_code,
        profile.encoding, profile_path, profile.vertical_datum,
    )  # fmt: skip


def _model_job(path: Path, options: NetworkOptions) -> _Job:
    suffix = path.suffix.lower()
    if is_osm(path):
        read: Any = lambda _: map_osm(path)  # noqa: E731 - one of several readers
    elif suffix == ".inp":
        _need_crs(path, options)
        read = lambda _: [_read_inp(path, options)]  # noqa: E731 - as above
    elif suffix == ".json":
        read = lambda _: [map_pandas_net(path, options.crs, kind=options.kind)]  # noqa: E731 - as above
    elif suffix in _RASTERS:
        raise UnsupportedFormatError(path, "found a raster, expected a network", hint=f"cim ingest terrain {path.name}")
    elif suffix == ".sql":
        raise UnsupportedFormatError(path, "found a database dump, expected a network file", hint="restore it and export a GeoPackage")
    else:
        raise UnsupportedFormatError(
            path, "found tables or layers without a profile", hint="pass --profile PROFILE.yaml (docs/sources/network.md)"
        )
    return _Job(options.name or path.stem, (path,), read)


def _need_crs(path: Path, options: NetworkOptions) -> None:
    if options.crs is None:
        raise MissingCrsError(
            path, "an .inp file names no coordinate reference system, and its coordinates are often local",
            hint="pass --crs EPSG:<number>; for local coordinates also --georef POINTS.csv (x,y,X,Y of two or more control points)",
        )  # fmt: skip
    parse_crs(options.crs)


def _read_inp(path: Path, options: NetworkOptions) -> Survey:
    file = read_inp(path)
    if dialect(file) == "epanet":
        return map_epanet(file, str(options.crs), kind=options.kind or "water")
    if options.kind not in ("rainwater", "sewage"):
        raise ConfigError(f"{path}: a SWMM model does not tell whether it carries rain or sewage", hint="pass --kind rainwater or sewage")
    return map_swmm(file, str(options.crs), kind=options.kind)


def _load_job(
    settings: Settings, job: _Job, options: NetworkOptions, city: CityProfile, georeference: Georeference | None, *, dry_run: bool,
    report: Path | None,
) -> list[pipeline.Outcome]:  # fmt: skip
    county = options.county or job.county or _only_county(city)
    georef = [options.georef] if options.georef else []
    sha256 = sha256_of(*job.files, *georef, given=(options.crs, options.kind, options.county) if _told(options) else ())
    source = ", ".join(dict.fromkeys(path.name for path in job.files if path != job.profile_path))
    log = RejectLog()
    surveys = job.read(log)
    outcomes = []
    for survey in surveys:
        single = len(surveys) == 1 and job.name.endswith(f"-{survey.kind}")
        name = job.name if single or len(surveys) == 1 else f"{job.name}-{survey.kind}"
        info = DatasetInfo(
            "network", name, source, sha256, survey.crs, job.encoding, options.licence, options.provider, is_synthetic=options.synthetic
        )
        own = log if survey is surveys[0] else RejectLog()
        earlier = pipeline.already_loaded(settings, info)
        if earlier is not None:
            outcomes.append(earlier)
            continue
        outcomes.append(_load_survey(settings, survey, info, county, city, georeference, own, dry_run=dry_run, report=report))
    return outcomes


def _told(options: NetworkOptions) -> bool:
    return any(value is not None for value in (options.crs, options.kind, options.county))


def _only_county(city: CityProfile) -> str:
    counties = sorted({code[:6] for code in city.division_codes if len(code) >= 6})
    if len(counties) != 1:
        raise ConfigError(f"the city has {len(counties)} counties, expected to know the one of the network", hint="pass --county 420111")
    return counties[0]


def _load_survey(
    settings: Settings,
    survey: Survey,
    info: DatasetInfo,
    county: str,
    city: CityProfile,
    georeference: Georeference | None,
    log: RejectLog,
    *,
    dry_run: bool,
    report: Path | None,
) -> pipeline.Outcome:
    areas: list[Any] = []

    def load(connection: Connection, dataset_id: UUID, change_set: UUID, log: RejectLog) -> tuple[Counts, dict[str, Any]]:
        areas.append(divisions.fetch_areas(connection, 5).areas if report else None)
        place = Place(_extent(connection, city), city.projected_crs, county, stored_rasters(connection, settings), georeference)
        built = build(survey, place, log)
        written = Writer(connection, info, survey.kind, county, survey.depth_reference, change_set).write(built)
        if survey.model is not None:
            networks.save_model(connection, dataset_id, survey.kind, info.name, survey.model)
        linked = network_links.link(connection, survey.kind, change_set, dataset=info.name, only_changed=True)
        refused = len(log.rejects)
        read = written.inserted + written.updated + written.unchanged + refused
        counts = Counts(read, written.inserted + written.updated, written.unchanged, refused)
        facts = {
            "kind_of_network": survey.kind, "points": built.nodes.num_rows, "lines": built.edges.num_rows,
            "missing_from_source": written.missing, "component_codes_issued": written.components,
            "vertical_datum": city.vertical_datum, "service_links": vars(linked), **survey.notes,
        }  # fmt: skip
        if georeference is not None:
            facts["georeference"] = georeference.as_dict()
        return counts, facts

    outcome = pipeline.run(settings, info, load, reason=f"{survey.kind} network from {info.source}", dry_run=dry_run, log=log)
    if report is not None:
        # A dataset may be named like a path.
        folder = report / info.name.replace("/", "-")
        report_network(folder, outcome, log, survey, georeference, areas[0] if areas else None, language=settings.language)
    return outcome


def _extent(connection: Connection, city: CityProfile) -> tuple[float, float, float, float]:
    """Return the box of the divisions; without any, the area of use of the city's projected CRS."""
    found = divisions.fetch_extent(connection)
    if found is not None:
        return found
    area = parse_crs(city.projected_crs).area_of_use
    return area.bounds if area is not None else transform_box("EPSG:4490", "EPSG:4490", (-180.0, -90.0, 180.0, 90.0))
