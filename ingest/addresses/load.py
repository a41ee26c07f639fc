"""``cim ingest addresses``: a CSV list of addresses with positions, linked to the register's buildings."""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import shapely
from psycopg.types.json import Jsonb

from cim.address.fold import fold
from cim.address.parse import parse
from cim.clock import utc_now
from cim.crs import STORE_SRID, transform_xy
from cim.db import addresses, divisions
from cim.db.codes import reserve_sequences
from cim.db.datasets import Counts, DatasetInfo
from cim.db.engine import Connection
from cim.db.geocode import fetch_gazetteer
from cim.errors import CimError
from cim.settings import Settings
from ingest import pipeline
from ingest.addresses.link import REACH_M, link
from ingest.census.write import SCHEME
from ingest.rejects import RejectLog
from ingest.source import require_file, sha256_of
from ingest.table import read_csv, require_records

REQUIRED = ("原始地址", "经度", "纬度", "坐标系")


@dataclass
class AddressRecord:
    """An address as mapped.

    Parameters
    ----------
    row
        Record number, 0-based.
    key
        Natural key: address code of the source, or the text.
    text
        Address, white space normalised.
    lon, lat
        Position [deg], EPSG:4490.
    """

    row: int
    key: str
    text: str
    lon: float
    lat: float
    building_number: str | None
    is_synthetic: bool
    origin: str


def _text(row: dict[str, str]) -> str:
    return re.sub(r"\s+", " ", row["原始地址"]).strip()


def _key(row: dict[str, str]) -> str:
    return row.get("地址编码") or _text(row)


def _map(rows: list[dict[str, str]], place: str, box: tuple[float, float, float, float] | None, log: RejectLog) -> list[AddressRecord]:
    records, seen = [], set()
    for n, row in enumerate(rows):
        where = f"{place}, line {n + 2}"
        text = _text(row)
        if not text:
            log.refuse(where, "A01", "原始地址 is empty, expected an address", "原始地址为空", row)
            continue
        try:
            x, y = transform_xy(row["坐标系"], "EPSG:4490", np.array([float(row["经度"])]), np.array([float(row["纬度"])]))
        except (ValueError, CimError) as error:
            log.refuse(where, "G02", f"position {row['经度']} {row['纬度']} {row['坐标系']}: {error}", "坐标或坐标系无效", row)
            continue
        lon, lat = float(x[0]), float(y[0])
        if box is not None and not (box[0] <= lon <= box[2] and box[1] <= lat <= box[3]):
            log.refuse(where, "G02", f"lies at {lon:.5f} {lat:.5f}, outside the city's divisions", "坐标不在本市范围内", row)
            continue
        key = _key(row)
        if key in seen:
            log.refuse(where, "A03", f"{key} occurs twice, expected once", f"{key} 重复", row)
            continue
        seen.add(key)
        flag = row.get("synthetic", "0") in ("1", "true")
        records.append(AddressRecord(n, key, text, lon, lat, row.get("建筑编号") or None, flag, row.get("来源", "")))
    return records


def ingest_addresses(settings: Settings, path: Path, *, encoding: str | None, name: str | None, dry_run: bool) -> pipeline.Outcome:
    """Load an address list and link every address to its building.

    Parameters
    ----------
    settings
        Names the store.
    path
        CSV with 原始地址, 经度, 纬度, 坐标系 and optionally 地址编码, 建筑编号, 来源, synthetic.
    encoding
        Where it is neither UTF-8 nor GB18030.
    name
        Dataset name, default: stem of the file.
    dry_run
        Check only.

    Raises
    ------
    SourceError
        The file cannot be used; nothing is written.
    """
    require_file(path)
    sha256 = sha256_of(path, given=(encoding,))
    info = DatasetInfo("addresses", name or path.stem, path.name, sha256)
    earlier = pipeline.already_loaded(settings, info)
    if earlier is not None:
        return earlier
    rows, used = read_csv(path, REQUIRED, encoding=encoding)
    require_records(path, rows)
    info = DatasetInfo("addresses", info.name, path.name, sha256, crs="per record", encoding=used)

    def load(connection: Connection, _: UUID, change_set: UUID, log: RejectLog) -> tuple[Counts, dict[str, Any]]:
        extent = divisions.fetch_extent(connection)
        box = None if extent is None else (extent[0] - 0.01, extent[1] - 0.01, extent[2] + 0.01, extent[3] + 0.01)
        records = _map(rows, path.name, box, log)
        return _load(connection, records, rows, info, change_set, log)

    return pipeline.run(settings, info, load, reason=f"addresses from {info.source}", dry_run=dry_run)


def _load(
    connection: Connection,
    records: list[AddressRecord],
    source: list[dict[str, str]],
    info: DatasetInfo,
    change_set: UUID,
    log: RejectLog,
) -> tuple[Counts, dict[str, Any]]:
    areas = divisions.fetch_areas(connection, 5)
    points = shapely.points(np.array([record.lon for record in records]), np.array([record.lat for record in records]))
    places = areas.codes_at(points)
    kept = [i for i, place in enumerate(places) if place is not None]
    for i in sorted(set(range(len(records))) - set(kept)):
        row = records[i].row
        log.refuse(f"{info.source}, line {row + 2}", "G07", "no village or community contains it", "找不到所在的村(居)委会", source[row])
    gazetteer = fetch_gazetteer(connection)
    parts = {i: parse(records[i].text, gazetteer) for i in kept}
    positions, given = [(records[i].lon, records[i].lat) for i in kept], [records[i].building_number for i in kept]
    neighbours = addresses.fetch_neighbours(connection, positions, given, SCHEME, REACH_M)
    links = [link(parts[i], found) for i, found in zip(kept, neighbours, strict=True)]
    known = addresses.fetch_known(connection, info.name)
    hashes = {}
    for i, linked in zip(kept, links, strict=True):
        said = [records[i].text, records[i].lon, records[i].lat, records[i].is_synthetic, places[i], (linked.building, linked.method)]
        content = json.dumps(said, ensure_ascii=False)
        hashes[i] = hashlib.sha256(content.encode()).hexdigest()
    touched = [(i, linked) for i, linked in zip(kept, links, strict=True) if known.get(records[i].key, ("", None))[1] != hashes[i]]
    new = [i for i, _ in touched if records[i].key not in known]
    counties = [str(places[i])[:6] for i in new]
    numbers = reserve_sequences(connection, "CIM-AD-v1", counties, utc_now().year)
    codes = {i: f"AD{county}-{utc_now().year}{number:06d}" for i, county, number in zip(new, counties, numbers, strict=True)}
    rows = []
    for i, linked in touched:
        record, place = records[i], str(places[i])
        geom = shapely.to_wkb(shapely.set_srid(points[i], STORE_SRID), hex=True, include_srid=True)
        code = codes.get(i) or known[record.key][0]
        rows.append((
            code, code[2:8], place, record.text, parts[i].road or None, parts[i].house_number or None, linked.building, linked.method,
            linked.distance_m, record.is_synthetic, geom, Jsonb({"origin": record.origin}), fold(record.text), Jsonb(parts[i].as_dict()),
            linked.score, Jsonb(dict(linked.evidence)), info.name, record.key, hashes[i],
        ))  # fmt: skip
    addresses.load_addresses(connection, rows, change_set)
    counts = Counts(len(source), len(touched), len(kept) - len(touched), len(log.rejects))
    missing = addresses.count_missing(connection, info.name, [_key(row) for row in source])
    return counts, {"linked": sum(linked.building is not None for linked in links), "new": len(new), "missing_from_source": missing}
