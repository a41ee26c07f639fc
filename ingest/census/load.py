"""``cim ingest census``: a survey layer into the register, with codes."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import shapely
from psycopg.types.json import Jsonb

from cim.clock import utc_now
from cim.codes.beidou import grid_code
from cim.db import buildings as register
from cim.db import divisions, profiles
from cim.db.codes import issue_building_codes
from cim.db.datasets import Counts, DatasetInfo
from cim.db.engine import Connection
from cim.settings import Settings
from ingest import pipeline
from ingest.census.geometry import assign_divisions, place_records, to_hex
from ingest.census.mapping import BuildingRecord, map_records, natural_keys
from ingest.census.profile import CensusProfile, read_census_profile, require_fields
from ingest.rejects import RejectLog
from ingest.source import VectorTable, read_vector, require_file, sha256_of
from ingest.terrain.sample import ground_from, stored_rasters

SCHEME = "census_fwbh"


def ingest_census(
    settings: Settings,
    path: Path,
    profile_path: Path,
    *,
    crs: str | None = None,
    encoding: str | None = None,
    name: str | None = None,
    synthetic: bool = False,
    licence: str | None = None,
    provider: str | None = None,
    dry_run: bool = False,
) -> pipeline.Outcome:
    """Load a building survey.

    Parameters
    ----------
    settings
        Names the store.
    path, profile_path
        The layer and its mapping profile.
    crs, encoding
        Where the file does not say.
    name
        Dataset name, default: stem of the file.
    synthetic, licence, provider
        Noted with the dataset.
    dry_run
        Check everything, write nothing.

    Raises
    ------
    SourceError
        File or profile cannot be used; nothing is written.
    """
    require_file(path)
    profile = read_census_profile(profile_path)
    sha256 = sha256_of(path, profile_path, given=(crs, encoding))
    dataset = name or path.stem
    early = DatasetInfo("census", dataset, path.name, sha256, is_synthetic=synthetic, licence=licence, provider=provider)
    earlier = pipeline.already_loaded(settings, early)
    if earlier is not None:
        return earlier
    table = read_vector(path, crs=crs or (None if profile.crs == "from-file" else profile.crs), encoding=encoding)
    require_fields(profile, path, list(table.columns))
    # Dropped before anything looks at the records: personal data reach neither the register nor the reject rows.
    public = {field: values for field, values in table.columns.items() if field not in profile.drop_personal}
    table = replace(table, columns=public)
    info = DatasetInfo("census", dataset, path.name, sha256, table.crs[:60], table.encoding, licence, provider, synthetic)

    def load(connection: Connection, _: UUID, change_set: UUID, log: RejectLog) -> tuple[Counts, dict[str, Any]]:
        return _load(connection, table, profile, info, stored_rasters(connection, settings), change_set, log)

    return pipeline.run(settings, info, load, reason=f"census from {info.source}", dry_run=dry_run)


def _load(
    connection: Connection,
    table: VectorTable,
    profile: CensusProfile,
    info: DatasetInfo,
    rasters: list[Path],
    change_set: UUID,
    log: RejectLog,
) -> tuple[Counts, dict[str, Any]]:
    city = profiles.fetch_profile(connection)
    mapped = map_records(table.columns, len(table), table.layer, profile, log)
    owned = _refuse_owned(connection, mapped, table, info, log)
    placed = place_records(owned, table, table.layer, divisions.fetch_extent(connection), city.projected_crs, log)
    known_divisions = divisions.fetch_codes(connection, 5)
    records, areas = assign_divisions(placed, table, table.layer, divisions.fetch_areas(connection, 5), known_divisions, log)
    known = register.fetch_known(connection, info.name, [record.key for record in records])
    hexes = [to_hex(record.geom) for record in records]
    hashes = [record.content_hash(geom) for record, geom in zip(records, hexes, strict=True)]
    touched = [i for i, record in enumerate(records) if record.key not in known or known[record.key].content_hash != hashes[i]]
    new = [i for i in touched if records[i].key not in known]
    codes = _issue(connection, records, areas, new)
    ground = dict(zip(touched, ground_from(rasters, [records[i].geom for i in touched]), strict=True))
    rows = []
    for i in touched:
        before = known.get(records[i].key)
        code = codes[i] if before is None else before.code
        # Where no raster covers the building, the ground it was given once stays.
        level = before.ground_elevation_m if ground[i] is None and before is not None else ground[i]
        rows.append(_row(records[i], code, areas[i], level, hexes[i], hashes[i], info.name))
    register.load_buildings(connection, rows, change_set)
    register.save_external_codes(connection, SCHEME, [(code, records[i].key.rpartition("/")[2]) for i, code in codes.items()])
    counts = Counts(len(table), len(touched), len(records) - len(touched), len(log.rejects))
    in_source = [key for key in natural_keys(table.columns, len(table), profile) if key is not None]
    missing = register.count_missing(connection, info.name, in_source)
    return counts, {"new": len(new), "changed": len(touched) - len(new), "missing_from_source": missing, "profile": profile.profile}


def _refuse_owned(
    connection: Connection, records: list[BuildingRecord], table: VectorTable, info: DatasetInfo, log: RejectLog
) -> list[BuildingRecord]:
    """Refuse records whose natural key stands in another dataset (A03): it would be overwritten, or coded twice."""
    owners = register.fetch_owners(connection, info.name, [record.key for record in records])
    for record in records:
        if record.key in owners:
            owner = owners[record.key]
            message = f"natural key {record.key} belongs to dataset {owner!r}; a new version of it is loaded with --name {owner}"
            found = {name: values[record.row] for name, values in table.columns.items()}
            log.refuse(f"{table.layer}, row {record.row + 1}", "A03", message, f"自然键 {record.key} 已属于数据集 {owner}", found)
    return [record for record in records if record.key not in owners]


def _issue(connection: Connection, records: list[BuildingRecord], areas: list[str], new: list[int]) -> dict[int, str]:
    """Issue codes in the deterministic order division, grid cell, natural key."""
    if not new:
        return {}
    points = shapely.point_on_surface(np.array([records[i].geom for i in new], dtype=object))
    grid = {i: grid_code(float(shapely.get_x(p)), float(shapely.get_y(p))) for i, p in zip(new, points, strict=True)}
    order = sorted(new, key=lambda i: (areas[i], grid[i], records[i].key))
    return dict(zip(order, issue_building_codes(connection, [areas[i] for i in order], utc_now().year), strict=True))


def _row(record: BuildingRecord, code: str, area: str, ground: float | None, geom: str, digest: str, dataset: str) -> tuple[Any, ...]:
    v = record.values
    return (
        code, "CIM-BC27-v1", code[:6], area, v.get("name"), v.get("address"), v.get("height_m"), v.get("height_source"), ground,
        v.get("storeys_above"), v.get("storeys_below"), v.get("use"), v.get("structure"), v.get("year_built"),
        record.footprint_area_m2, v.get("floor_area_m2"), v.get("safety_grade"), v["status"], geom, Jsonb(record.attributes), dataset,
        record.key, digest,
    )  # fmt: skip
