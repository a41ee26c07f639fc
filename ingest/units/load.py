"""``cim ingest units``: a table of units into the register, under the codes of their buildings."""

from pathlib import Path
from typing import Any
from uuid import UUID

from cim.codes.rooms import floor_number, room_number, staircase_number
from cim.db import units
from cim.db.datasets import Counts, DatasetInfo
from cim.db.engine import Connection
from cim.db.tables.register import USES
from cim.errors import CodeError
from cim.settings import Settings
from ingest import pipeline
from ingest.rejects import RejectLog
from ingest.source import require_file, sha256_of
from ingest.table import read_csv, require_records

REQUIRED = ("建筑编号", "楼层", "室号")
_GONE = ("demolished", "retired")


def ingest_units(settings: Settings, path: Path, *, encoding: str | None, name: str | None, dry_run: bool) -> pipeline.Outcome:
    """Load a table of units.

    Parameters
    ----------
    settings
        Names the store.
    path
        CSV with 建筑编号 (building code or its census number), 楼层, 室号 and optionally 单元, 建筑面积 [m2], 用途, 名称.
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
    info = DatasetInfo("units", name or path.stem, path.name, sha256_of(path, given=(encoding,)))
    earlier = pipeline.already_loaded(settings, info)
    if earlier is not None:
        return earlier
    rows, used = read_csv(path, REQUIRED, encoding=encoding)
    require_records(path, rows)
    info = DatasetInfo("units", info.name, path.name, info.sha256, encoding=used)

    def load(connection: Connection, _: UUID, change_set: UUID, log: RejectLog) -> tuple[Counts, dict[str, Any]]:
        found = _map(connection, rows, path.name, log)
        known = units.fetch_hashes(connection, [unit.code for unit, _ in found])
        prepared = [unit.row(info.name, key) for unit, key in found]
        touched = [row for row in prepared if known.get(row[0], "") != row[-1]]
        inserted, updated = units.load_units(connection, touched, change_set)
        counts = Counts(len(rows), len(touched), len(prepared) - len(touched), len(log.rejects))
        return counts, {"new": inserted, "changed": updated}

    return pipeline.run(settings, info, load, reason=f"units from {info.source}", dry_run=dry_run)


def _map(connection: Connection, rows: list[dict[str, str]], place: str, log: RejectLog) -> list[tuple[units.Unit, str]]:
    buildings = units.fetch_buildings(connection, [row["建筑编号"] for row in rows])
    found: dict[str, tuple[units.Unit, int]] = {}
    for n, row in enumerate(rows):
        where = f"{place}, line {n + 2}"
        number = row["建筑编号"]
        if number not in buildings:
            log.refuse(where, "U01", f"building {number!r} is not in the register", f"建筑 {number!r} 未登记", row)
            continue
        code, status = buildings[number]
        if status in _GONE:
            log.refuse(where, "U02", f"building {number} is {status}, expected a standing one", f"建筑 {number} 已灭失或注销", row)
            continue
        try:
            unit = _unit(code, row)
        except CodeError as error:
            log.refuse(where, "U03", error.message, f"单元、楼层或室号无效: {error.message}", row)
            continue
        if unit.code in found:
            other = found[unit.code][1]
            message = f"room {row['室号']} gets the same number as line {other + 2} ({rows[other]['室号']}), expected different rooms"
            log.refuse(where, "U04", message, f"与第 {other + 2} 行的室号重复", row)
            continue
        found[unit.code] = (unit, n)
    return [(unit, f"{rows[n]['建筑编号']}/{rows[n].get('单元', '')}/{rows[n]['楼层']}/{rows[n]['室号']}") for unit, n in found.values()]


def _unit(code: str, row: dict[str, str]) -> units.Unit:
    area = row.get("建筑面积") or ""
    try:
        floor_area = float(area) if area else None
    except ValueError:
        raise CodeError(f"floor area {area!r}: expected a number in m2") from None
    if floor_area is not None and not 0 < floor_area < 1e6:
        raise CodeError(f"floor area {area!r}: expected 0 to 1,000,000 m2")
    use = row.get("用途") or None
    if use is not None and use not in USES:
        raise CodeError(f"use {use!r}: expected one of {', '.join(USES)}")
    return units.Unit(
        code, staircase_number(row.get("单元")), floor_number(row["楼层"]), room_number(row["室号"]), row["室号"], floor_area,
        row.get("名称") or None, use,
    )  # fmt: skip
