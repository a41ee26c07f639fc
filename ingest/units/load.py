"""``cim ingest units``: a table of units into the register, under the codes of their buildings."""

import re
from pathlib import Path
from typing import Any
from uuid import UUID

from cim.codes.rooms import floor_number, room_number, staircase_number
from cim.db import labels, units
from cim.db.datasets import Counts, DatasetInfo
from cim.db.engine import Connection
from cim.errors import CodeError, SourceSyntaxError
from cim.settings import Settings
from ingest import pipeline
from ingest.rejects import RejectLog
from ingest.source import require_file, sha256_of
from ingest.table import read_csv, require_records

REQUIRED = ("楼层", "室号")
_BUILDING = ("建筑编号", "房屋编号", "建筑编码")
_AREA = ("建筑面积", "面积")
_BASEMENT = re.compile(r"((?:[Bb]|负|地下)\s*\d{1,2}\s*层?)\s*[-_]")
_GONE = ("demolished", "retired")
_USES = {
    **{word: use for use, words in labels.VALUES["use"].items() for word in (use, *words)},
    "住宅": "residential", "成套住宅": "residential", "非成套住宅": "residential", "宿舍": "residential", "公寓": "residential",
    "商铺": "commercial", "店铺": "commercial", "商业用房": "commercial", "办公用房": "office", "写字楼": "office",
    "仓库": "storage", "储藏室": "storage", "储藏": "storage", "厂房": "industrial", "车间": "industrial", "学校": "education",
    "酒店": "hotel", "车库": "transport", "车位": "transport",
}  # fmt: skip
"""Word of a survey → canonical use."""


def ingest_units(settings: Settings, path: Path, *, encoding: str | None, name: str | None, dry_run: bool) -> pipeline.Outcome:
    """Load a table of units; it replaces what was proposed for its buildings.

    Parameters
    ----------
    settings
        Names the store.
    path
        CSV with 建筑编号 or 房屋编号 (building code or census number), 楼层, 室号 and optionally 单元, 建筑面积 or 面积 [m2],
        用途, 名称.
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
    if _column(rows[0], _BUILDING) is None:
        raise SourceSyntaxError(path, f"found columns {', '.join(rows[0])}, missing one of {', '.join(_BUILDING)}", where="line 1")
    info = DatasetInfo("units", info.name, path.name, info.sha256, encoding=used)

    def load(connection: Connection, _: UUID, change_set: UUID, log: RejectLog) -> tuple[Counts, dict[str, Any]]:
        found = _map(connection, rows, path.name, log)
        prepared = [unit.row(info.name, key) for unit, key in found]
        done = units.write_units(connection, prepared, {unit.building for unit, _ in found}, change_set)
        counts = Counts(len(rows), done.new + done.changed, done.unchanged, len(log.rejects))
        missing = units.count_missing(connection, info.name, [unit.code for unit, _ in found])
        return counts, {"new": done.new, "changed": done.changed, "proposals_retired": done.retired, "missing_from_source": missing}

    return pipeline.run(settings, info, load, reason=f"units from {info.source}", dry_run=dry_run)


def _column(row: dict[str, str], names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in row), None)


def _map(connection: Connection, rows: list[dict[str, str]], place: str, log: RejectLog) -> list[tuple[units.Unit, str]]:
    key = _column(rows[0], _BUILDING) or _BUILDING[0]
    buildings = units.fetch_buildings(connection, [row[key] for row in rows])
    found: dict[str, tuple[units.Unit, int]] = {}
    for n, row in enumerate(rows):
        where = f"{place}, line {n + 2}"
        number = row[key]
        named = buildings.get(number, [])
        standing = [code for code, status in named if status not in _GONE]
        if not named:
            log.refuse(where, "U01", f"building {number!r} is not in the register", f"建筑 {number!r} 未登记", row)
            continue
        if not standing:
            log.refuse(where, "U02", f"building {number} is {named[0][1]}, expected a standing one", f"建筑 {number} 已灭失或注销", row)
            continue
        if len(standing) > 1:
            message = f"building {number} may be {' or '.join(standing[:3])}, expected one: give the building code"
            log.refuse(where, "U05", message, f"建筑 {number} 对应多栋建筑,请填写建筑编码", row)
            continue
        try:
            unit = _unit(standing[0], row)
        except CodeError as error:
            log.refuse(where, "U03", error.message, f"单元、楼层或室号无效: {error.message}", row)
            continue
        if unit.code in found:
            other = found[unit.code][1]
            message = f"room {row['室号']} gets the same number as line {other + 2} ({rows[other]['室号']}), expected different rooms"
            log.refuse(where, "U04", message, f"与第 {other + 2} 行的室号重复", row)
            continue
        found[unit.code] = (unit, n)
    return [(unit, f"{rows[n][key]}/{rows[n].get('单元', '')}/{rows[n]['楼层']}/{rows[n]['室号']}") for unit, n in found.values()]


def _unit(code: str, row: dict[str, str]) -> units.Unit:
    area = row.get(_column(row, _AREA) or "") or ""
    try:
        floor_area = float(area) if area else None
    except ValueError:
        raise CodeError(f"floor area {area!r}: expected a number in m2") from None
    if floor_area is not None and not 0 < floor_area < 1e6:
        raise CodeError(f"floor area {area!r}: expected 0 to 1,000,000 m2")
    word = row.get("用途") or None
    if word is not None and word not in _USES:
        raise CodeError(f"use {word!r}: expected one of {', '.join(_USES)}")
    floor = floor_number(row["楼层"])
    written = _BASEMENT.match(row["室号"])
    if written and floor_number(written[1]) != floor:
        raise CodeError(f"room {row['室号']!r} on floor {row['楼层']!r}: expected the same floor in both")
    return units.Unit(
        code, staircase_number(row.get("单元")), floor, room_number(row["室号"]), row["室号"], floor_area,
        row.get("名称") or None, None if word is None else _USES[word],
    )  # fmt: skip
