"""Division records → rows of the register."""

import hashlib
import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from cim.clock import utc_now
from cim.crs import STORE_SRID, transform_xy
from ingest.rejects import RejectLog
from ingest.source import read_vector
from ingest.table import read_csv

LEVELS = {
    "province": (1, 2),
    "city": (2, 4),
    "county": (3, 6),
    "district": (3, 6),
    "town": (4, 9),
    "street": (4, 9),
    "village": (5, 12),
    "community": (5, 12),
}
"""Level name → level number and length of the code."""


@dataclass
class DivisionRecord:
    """A division, merged from the code table and the boundary layer.

    Parameters
    ----------
    code
        2, 4, 6, 9 or 12 digits.
    place
        Where it was read.
    """

    code: str
    place: str
    name: str
    level: int
    parent_code: str | None
    urban_rural_class: str | None = None
    is_synthetic: bool = False
    geom: Any = None
    n_records: int = 1
    effective_from: date | None = None
    effective_to: date | None = None
    successor_code: str | None = None

    @property
    def is_retired(self) -> bool:
        """Whether the code has been withdrawn by today."""
        return self.effective_to is not None and self.effective_to <= utc_now().date()


def _flag(value: Any) -> bool | None:  # noqa: ANN401 - any cell
    """Return a flag, False for an empty cell, None for a word that is none."""
    text = "" if value is None or value != value else str(value).strip().lower()
    return {"": False, "0": False, "0.0": False, "false": False, "1": True, "1.0": True, "true": True}.get(text)


def _day(value: Any) -> date | None:  # noqa: ANN401 - any cell
    """Return a day, None for an empty cell.

    Raises
    ------
    ValueError
        Not a day such as 2024-07-01.
    """
    text = "" if value is None or value != value else str(value).strip()
    return date.fromisoformat(text[:10]) if text and text != "NaT" else None


def short_code(code: str, level_name: str) -> tuple[str, int] | None:
    """Cut a zero-padded 12-digit code to its level; None when code and level do not fit (GB/T 2260, GB/T 10114).

    Examples
    --------
    >>> short_code("420100000000", "city")
    ('4201', 2)
    >>> short_code("420111006000", "city") is None
    True
    """
    if level_name not in LEVELS or not code.isdigit():
        return None
    level, length = LEVELS[level_name]
    if len(code) not in (length, 12) or code[length:].strip("0"):
        return None
    return code[:length], level


def read_records(paths: list[Path], log: RejectLog) -> tuple[dict[str, DivisionRecord], int]:
    """Read code tables and boundary layers; return records by code and the number of records read."""
    found: dict[str, DivisionRecord] = {}
    n_read = 0
    for path in sorted(paths, key=lambda p: p.suffix.lower() != ".csv"):
        if path.suffix.lower() == ".csv":
            rows, _ = read_csv(path, ("code", "name", "level"))
            records: list[tuple[str, dict[str, Any], Any]] = [(f"{path.name}, line {n}", row, None) for n, row in enumerate(rows, 2)]
        else:
            table = read_vector(path)
            missing = {"code", "name", "level"} - set(table.columns)
            if missing:
                from cim.errors import MappingError

                raise MappingError(
                    path, f"found fields {', '.join(table.columns)}, missing {', '.join(sorted(missing))}", where=table.layer
                )
            geometry = shapely.transform(
                table.geometry, lambda xy, crs=table.crs: np.column_stack(transform_xy(crs, "EPSG:4490", xy[:, 0], xy[:, 1]))
            )
            records = [
                (f"{path.name}, {table.layer}, row {n + 1}", {name: values[n] for name, values in table.columns.items()}, geometry[n])
                for n in range(len(table))
            ]
        for place, row, geom in records:
            n_read += 1
            _merge(found, place, row, geom, log)
    return found, n_read


def _merge(found: dict[str, DivisionRecord], place: str, row: dict[str, Any], geom: Any, log: RejectLog) -> None:  # noqa: ANN401 - shapely geometry
    cut = short_code(str(row["code"] or ""), str(row["level"] or "").strip().lower())
    if cut is None:
        log.refuse(
            place,
            "D01",
            f"code {row['code']!r} does not fit level {row['level']!r}",
            f"编码 {row['code']!r} 与级别 {row['level']!r} 不符",
            row,
        )
        return
    code, level = cut
    flag = _flag(row.get("synthetic"))
    if flag is None:
        log.refuse(
            place, "D03", f"synthetic is {row['synthetic']!r}, expected 0 or 1", f"synthetic 为 {row['synthetic']!r},应为 0 或 1", row
        )
        return
    polygon = geom is None or geom.geom_type in ("Polygon", "MultiPolygon")
    if geom is not None and not (polygon and shapely.is_valid(geom) and shapely.area(geom) > 0):
        repaired = shapely.make_valid(geom, method="structure", keep_collapsed=False)
        if repaired.is_empty or repaired.geom_type not in ("Polygon", "MultiPolygon"):
            log.refuse(place, "G01", f"boundary is no polygon: {shapely.is_valid_reason(geom)}", "边界不是有效多边形", row)
            return
        log.note("G01")
        geom = repaired
    known = found.get(code)
    if known is None:
        parents = [length for _, length in sorted(LEVELS.values()) if length < len(code)]
        parent = code[: max(parents)] if parents else None
        known = DivisionRecord(code, place, str(row["name"]), level, parent)
        known.urban_rural_class = str(row.get("urban_rural_class") or "") or None
        try:
            known.effective_from, known.effective_to = _day(row.get("effective_from")), _day(row.get("effective_to"))
        except ValueError:
            given = f"{row.get('effective_from')} to {row.get('effective_to')}"
            message = f"effective {given}, expected days such as 2024-07-01"
            log.refuse(place, "D04", message, f"生效或停用日期 {given} 无效,应如 2024-07-01", row)
            return
        known.successor_code = str(row.get("successor") or "").strip() or None
        found[code] = known
    elif geom is None or known.geom is not None:
        log.refuse(place, "D02", f"code {code} occurs twice", f"编码 {code} 重复", row)
        return
    else:
        known.n_records += 1
    if geom is not None:
        known.geom, known.is_synthetic = geom, flag


def to_row(record: DivisionRecord, dataset: str) -> tuple[Any, ...]:
    """Return the columns that `cim.db.divisions.load_divisions` takes."""
    geom = None
    if record.geom is not None:
        multi = record.geom if record.geom.geom_type == "MultiPolygon" else shapely.multipolygons([record.geom])
        geom = shapely.to_wkb(shapely.set_srid(shapely.force_2d(multi), STORE_SRID), hex=True, include_srid=True)
    validity = (record.effective_from, record.effective_to, record.successor_code)
    status = "retired" if record.is_retired else "existing"
    content = [record.name, record.level, record.parent_code, record.urban_rural_class, record.is_synthetic, geom]
    if any(validity):
        content += [*map(str, validity), status]
    digest = hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()
    return (
        record.code, record.name, record.level, record.parent_code, record.urban_rural_class, record.is_synthetic, geom, *validity,
        status, dataset, record.code, digest,
    )  # fmt: skip
