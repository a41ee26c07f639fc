"""``cim ingest planning``: layers of plans into the store, zone by zone, with history."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import orjson
import shapely
from numpy.typing import NDArray

from cim.db import divisions, profiles
from cim.db import planning as rows
from cim.db.datasets import Counts, DatasetInfo
from cim.db.engine import Connection
from cim.errors import MappingError
from cim.profile import CityProfile
from cim.settings import Settings
from ingest import pipeline
from ingest.census.datum import to_cgcs2000
from ingest.census.geometry import transformed
from ingest.layer import GEOMETRY, SurveyLayer, open_layer
from ingest.planning.mapping import Mapped, map_record
from ingest.planning.profile import SHIPPED, PlanningProfile, read_profile
from ingest.profiles import find_profile
from ingest.rejects import RejectLog
from ingest.report import write_report
from ingest.source import sha256_of

_VERSION = "planning-1"
_BATCH = 5000
_LEAST_M2 = 1.0
_MOST_REPAIRED = 0.01
"""Largest change of the area that a repair may make."""
_EXCLUSIVE = ("land_use", "plot")
_COUNTY_LEVELS = (3, 4, 5)


@dataclass(frozen=True)
class PlanningOptions:
    """What the command line says about a planning layer.

    Parameters
    ----------
    kind
        Kind of control of all zones, None = the profile's or the record's.
    crs, encoding, layer
        Where the file does not say.
    datum
        cgcs2000, gcj02 or bd09: what the coordinates are in.
    county
        County of zones that no boundary of a division covers.
    name, synthetic, licence, provider
        Of the dataset.
    """

    kind: str | None = None
    crs: str | None = None
    encoding: str | None = None
    layer: str | None = None
    datum: str | None = None
    county: str | None = None
    name: str | None = None
    synthetic: bool = False
    licence: str | None = None
    provider: str | None = None


@dataclass
class _Zone:
    row: int
    mapped: Mapped
    shape: Any
    county: str = ""
    repaired: bool = False


@dataclass
class _Read:
    n: int = 0
    zones: list[_Zone] = field(default_factory=list)
    records: dict[int, dict[str, Any]] = field(default_factory=dict)


def ingest_planning(
    settings: Settings, path: Path, profile: str = "plain", options: PlanningOptions = PlanningOptions(), *, dry_run: bool = False,
    report: Path | None = None,
) -> pipeline.Outcome:  # fmt: skip
    """Load a layer of a plan; zones that a newer version no longer has are retired.

    Parameters
    ----------
    settings
        Names the store.
    path
        Layer of polygons: Shapefile, GeoPackage, GeoJSON, FlatGeobuf, GeoParquet, file geodatabase.
    profile
        Mapping profile, a file or the name of a shipped one.
    options
        See `PlanningOptions`.
    dry_run
        Check everything, write nothing.
    report
        Folder for the report (HTML, JSON).

    Raises
    ------
    SourceError
        File or profile cannot be used; nothing is written.
    """
    profile_file = find_profile(profile, SHIPPED, "cim ingest planning")
    told = read_profile(profile_file)
    layer = open_layer(
        path, crs=options.crs or (None if told.crs == "from-file" else told.crs), encoding=options.encoding, layer=options.layer
    )
    missing = sorted({*told.natural_key, *(one.source for one in told.fields.values() if one.required)} - set(layer.fields))
    if missing:
        raise MappingError(
            path,
            f"missing fields {', '.join(missing)}; found {', '.join(layer.fields)}",
            hint=f"another --profile, or correct {told.profile}",
        )
    given = (options.kind, options.crs, options.encoding, options.layer, options.datum, options.county, _VERSION)
    info = DatasetInfo(
        "planning", options.name or path.stem, path.name, sha256_of(path, profile_file, given=given), layer.crs[:60], layer.encoding,
        options.licence, options.provider, options.synthetic,
    )  # fmt: skip
    if report is None:
        earlier = pipeline.already_loaded(settings, info)
        if earlier is not None:
            return earlier
    log = RejectLog()

    def load(connection: Connection, _: UUID, change_set: UUID, log: RejectLog) -> tuple[Counts, dict[str, Any]]:
        city = profiles.fetch_profile(connection)
        with pipeline.stages() as stages:
            step = stages.stage("zones", "管控分区")
            read = _Read()
            for batch in _records(layer):
                _take(read, batch, layer, told, options, log)
                step(len(batch[0]))
        _locate(connection, read, city, options, log, layer)
        _flag_overlaps(read.zones, city, log)
        return _write(connection, read, info.name, change_set, log, told)

    outcome = pipeline.run(settings, info, load, reason=f"planning control from {info.source}", dry_run=dry_run, log=log)
    if report is not None:
        write_report(report, outcome, log.rejects, None, language=settings.language)
    return outcome


def _records(layer: SurveyLayer) -> Iterator[tuple[list[dict[str, Any]], NDArray[Any]]]:
    for batch in layer.batches(_BATCH):
        wkb = batch.column(GEOMETRY).to_numpy(zero_copy_only=False)
        shapes = np.asarray(shapely.from_wkb(wkb, on_invalid="ignore"), dtype=object)
        yield batch.drop_columns([GEOMETRY]).to_pylist(), shapes


def _take(
    read: _Read, batch: tuple[list[dict[str, Any]], NDArray[Any]], layer: SurveyLayer, profile: PlanningProfile, options: PlanningOptions,
    log: RejectLog,
) -> None:  # fmt: skip
    """Map and check the records of a batch; geometries become valid multipolygons in EPSG:4490."""
    records, shapes = batch
    seen = {zone.mapped.key for zone in read.zones}
    for record, shape in zip(records, shapes, strict=True):
        row, read.n = read.n, read.n + 1
        made = map_record(record, profile, options.kind)
        polygons, repaired, fault = _polygons(shape)
        faults = [*made.faults, *([fault] if fault else [])]
        if not faults and made.key in seen:
            faults.append(("Z02", f"key {made.key!r} occurs a second time in the file", f"自然键 {made.key} 重复"))
        if faults:
            rule, message, message_zh = faults[0]
            log.refuse(f"{layer.layer}, row {row + 1}", rule, message, message_zh, record, row=row)
            continue
        seen.add(made.key)
        read.records[row] = record
        read.zones.append(_Zone(row, made, polygons, repaired=repaired))
    fresh = [zone for zone in read.zones if shapely.get_srid(zone.shape) == 0]
    if fresh:
        lonlat = transformed(np.array([zone.shape for zone in fresh], dtype=object), layer.crs, "EPSG:4490")
        lonlat = shapely.set_srid(to_cgcs2000(lonlat, options.datum or "cgcs2000"), 4490)
        for zone, shape in zip(fresh, lonlat, strict=True):
            zone.shape = shape


def _polygons(shape: Any) -> tuple[Any, bool, tuple[str, str, str] | None]:  # noqa: ANN401 - shapely ships no types
    if shape is None or shapely.is_empty(shape):
        return None, False, ("Z01", "no geometry, expected a polygon", "缺少几何")
    if shape.geom_type not in ("Polygon", "MultiPolygon"):
        return (
            None,
            False,
            ("Z01", f"found {shape.geom_type}, expected a polygon: a line encloses no area", f"几何类型为 {shape.geom_type},应为面"),
        )
    flat = shapely.force_2d(shape)
    if shapely.is_valid(flat):
        return _multi(flat), False, None
    repaired = shapely.make_valid(flat)
    parts = [part for part in shapely.get_parts(repaired) if part.geom_type in ("Polygon", "MultiPolygon")]
    made = shapely.union_all(parts) if parts else None
    before = abs(shapely.area(shapely.buffer(flat, 0)))
    if made is None or shapely.is_empty(made) or abs(shapely.area(made) - before) > _MOST_REPAIRED * shapely.area(made):
        return None, False, ("Z01", f"invalid and not to be repaired: {shapely.is_valid_reason(flat)}", "几何无效且无法修复")
    return _multi(made), True, None


def _multi(shape: Any) -> Any:  # noqa: ANN401 - shapely ships no types
    return shape if shape.geom_type == "MultiPolygon" else shapely.multipolygons([shape])


def _planar(zones: list[_Zone], city: CityProfile) -> NDArray[Any]:
    shapes = np.array([zone.shape for zone in zones], dtype=object)
    return transformed(shapes, "EPSG:4490", city.projected_crs)


def _locate(connection: Connection, read: _Read, city: CityProfile, options: PlanningOptions, log: RejectLog, layer: SurveyLayer) -> None:
    """Give each zone its county; refuse those outside of the city and those without area."""
    if not read.zones:
        return
    area = shapely.area(_planar(read.zones, city))
    points = shapely.point_on_surface(np.array([zone.shape for zone in read.zones], dtype=object))
    found: list[str | None] = [None] * len(read.zones)
    for level in _COUNTY_LEVELS:
        areas = divisions.fetch_areas(connection, level)
        at = areas.codes_at(points) if len(areas.codes) else found
        found = [old or new for old, new in zip(found, at, strict=True)]
    counties = sorted({code[:6] for code in city.division_codes if len(code) >= 6})
    default = options.county or (counties[0] if len(counties) == 1 else None)
    extent = divisions.fetch_extent(connection)
    kept = []
    for zone, code, size in zip(read.zones, found, area, strict=True):
        place = f"{layer.layer}, row {zone.row + 1}"
        box = shapely.bounds(zone.shape)
        is_near = extent is None or (box[0] < extent[2] and box[2] > extent[0] and box[1] < extent[3] and box[3] > extent[1])
        if not np.isfinite(size) or size < _LEAST_M2:
            log.refuse(
                place,
                "Z01",
                f"area {size:.2f} m2, expected at least {_LEAST_M2:g} m2",
                "面积小于1平方米",
                read.records[zone.row],
                row=zone.row,
            )
        elif code is None and (default is None or not is_near):
            log.refuse(
                place, "Z05", f"lies at {box[0]:.5f} {box[1]:.5f}, in no division of the city", "不在本市任何区划范围内",
                read.records[zone.row], row=zone.row,
            )  # fmt: skip
        else:
            zone.county = code[:6] if code else str(default)
            kept.append(zone)
            if zone.repaired:
                log.flag("Z01", [zone.row])
            for rule in zone.mapped.warnings:
                log.flag(rule, [zone.row])
    read.zones = kept


def _flag_overlaps(zones: list[_Zone], city: CityProfile, log: RejectLog) -> None:
    for control in _EXCLUSIVE:
        mine = [zone for zone in zones if zone.mapped.values["control"] == control]
        if len(mine) < 2:
            continue
        flat = _planar(mine, city)
        first, second = shapely.STRtree(flat).query(flat, predicate="intersects")
        first, second = first[first < second], second[first < second]
        shared = shapely.area(shapely.intersection(flat[first], flat[second]))
        bad = shared > np.maximum(_LEAST_M2, 0.001 * np.minimum(shapely.area(flat[first]), shapely.area(flat[second])))
        log.flag("Z08", sorted({mine[n].row for n in np.concatenate((first[bad], second[bad])).tolist()}))


def _write(
    connection: Connection, read: _Read, dataset: str, change_set: UUID, log: RejectLog, profile: PlanningProfile
) -> tuple[Counts, dict[str, Any]]:  # fmt: skip
    known = rows.fetch_known(connection, dataset)
    fresh: list[tuple[_Zone, str]] = []
    for zone in read.zones:
        facts = orjson.dumps([_VERSION, zone.mapped.values, zone.mapped.kept], default=str, option=orjson.OPT_SORT_KEYS)
        digest = hashlib.sha256(facts + shapely.to_wkb(zone.shape)).hexdigest()
        old = known.get(zone.mapped.key)
        if old is None or old.content_hash != digest or old.status != "existing":
            fresh.append((zone, digest))
    new = [zone for zone, _ in fresh if zone.mapped.key not in known]
    issued = dict(zip([zone.mapped.key for zone in new], rows.issue_codes(connection, [zone.county for zone in new]), strict=True))
    names = [name for name in rows.COLUMNS if name in profile.fields or name == "control"]

    def row_of(zone: _Zone, digest: str) -> dict[str, Any]:
        old = known.get(zone.mapped.key)
        return {name: zone.mapped.values.get(name) for name in names} | {
            "code": old.code if old else issued[zone.mapped.key], "county_code": old.county if old else zone.county,
            "geom": shapely.to_wkb(zone.shape, hex=True, include_srid=True), "attributes": _plain(zone.mapped.kept),
            "change_set_id": change_set, "source_dataset": dataset, "source_key": zone.mapped.key, "content_hash": digest,
        }  # fmt: skip

    rows.save_zones(connection, (row_of(zone, digest) for zone, digest in fresh))
    # A record that was refused this time is not gone: its zone stays as it was.
    refused = {" | ".join(str(one.record.get(name)) for name in profile.natural_key) for one in log.rejects}
    here = {zone.mapped.key for zone in read.zones} | refused
    gone = [old.code for key, old in known.items() if key not in here and old.status == "existing"]
    if gone:
        rows.retire_zones(connection, gone, change_set)
    n_refused = len(log.rejects)
    counts = Counts(read.n, len(fresh), read.n - len(fresh) - n_refused, n_refused)
    by_control = Counter(zone.mapped.values["control"] for zone in read.zones)
    return counts, {"profile": profile.profile, "zones_by_control": dict(sorted(by_control.items())), "new": len(new), "retired": len(gone)}


def _plain(kept: dict[str, Any]) -> dict[str, Any]:
    return {name: value if isinstance(value, str | int | float | bool) else str(value) for name, value in kept.items()}
