"""Census records → buildings, and the rules that refuse or warn (ids after docs/sources/census.md)."""

import hashlib
import json
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cim.clock import utc_now
from ingest.census.profile import CensusProfile, FieldMapping
from ingest.rejects import RejectLog

METRES_PER_STOREY = 3.0
_LOW_RISE_ONLY = {"MAS", "ETH", "CAV", "MIX"}
_MAX_STOREYS = {"MAS": 7, "ETH": 3, "CAV": 2, "TMB": 6}
_NOT_A_COLUMN = {"class_code", "era", "remark", "division_code"}


class Refused(Exception):  # noqa: N818 - control flow of one record, never leaves this package
    """A record breaks a rule.

    Parameters
    ----------
    rule, message, message_zh
        As in the reject row.
    """

    def __init__(self, rule: str, message: str, message_zh: str) -> None:
        super().__init__(message)
        self.rule, self.message, self.message_zh = rule, message, message_zh


@dataclass
class BuildingRecord:
    """A building as mapped; geometry and division are added later.

    Parameters
    ----------
    row
        Record number in the source, 0-based.
    key
        Natural key.
    values
        Register columns.
    attributes
        Everything else that is kept.
    declared_division
        Village code of the source, 12 digits, or None.
    """

    row: int
    key: str
    values: dict[str, Any]
    attributes: dict[str, Any]
    declared_division: str | None = None
    geom: Any = None
    footprint_area_m2: float = 0.0
    warnings: list[str] = field(default_factory=list)

    def content_hash(self, geom_hex: str) -> str:
        """Return the hash that tells a changed record from an unchanged one."""
        text = json.dumps([self.values, self.attributes, self.declared_division, geom_hex], ensure_ascii=False, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


def _text(value: Any) -> str | None:  # noqa: ANN401 - any cell
    if value is None or (isinstance(value, float) and math.isnan(value)) or (isinstance(value, np.datetime64) and np.isnat(value)):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value).strip()
    return text or None


def _read(record: dict[str, Any], name: str, mapping: FieldMapping) -> Any:  # noqa: ANN401 - text, number or profile value
    raw = _text(record.get(mapping.source))
    source = mapping.source
    if raw is None and mapping.fallback:
        raw, source = _text(record.get(mapping.fallback)), mapping.fallback
    if raw is None:
        if mapping.required:
            raise Refused("A01", f"{source} ({name}) is empty, expected a value", f"必填字段 {source} 为空")
        return None
    if mapping.type == "enum":
        if raw not in mapping.values:
            known = ", ".join(mapping.values)
            raise Refused("A02", f"{source} = {raw!r}, expected one of {known}", f"{source} 的值 {raw!r} 不在字典中")
        return mapping.values[raw]
    if mapping.type == "text":
        return raw
    try:
        number = float(raw)
    except ValueError:
        raise Refused("A02", f"{source} = {raw!r}, expected a number", f"{source} 的值 {raw!r} 不是数字") from None
    if not math.isfinite(number):
        raise Refused("A02", f"{source} = {raw!r}, expected a number", f"{source} 的值 {raw!r} 不是数字")
    if mapping.type == "integer":
        if number != int(number):
            raise Refused("A02", f"{source} = {raw!r}, expected a whole number", f"{source} 的值 {raw!r} 不是整数")
        return int(number)
    return number


def map_record(row: int, record: dict[str, Any], profile: CensusProfile) -> BuildingRecord:
    """Map and check one record.

    Raises
    ------
    Refused
        With the rule it breaks.
    """
    parts = [_text(record.get(name)) for name in profile.natural_key]
    if any(part is None for part in parts):
        raise Refused("A01", f"natural key {'/'.join(profile.natural_key)} is incomplete", "自然键不完整")
    read = {name: _read(record, name, mapping) for name, mapping in profile.fields.items()}
    values = {name: value for name, value in read.items() if name not in _NOT_A_COLUMN}
    kept = {name: _text(record.get(name)) for name in profile.keep if name in record}
    attributes = {name: value for name, value in kept.items() if value is not None}
    attributes.update({name: read[name] for name in ("class_code", "remark") if read.get(name) is not None})
    if read.get("era") is not None:
        attributes["year_built_range"] = read["era"]
    building = BuildingRecord(row, "/".join(str(part) for part in parts), values, attributes, read.get("division_code"))
    _check_values(building, read)
    values["status"] = values.get("status") or "existing"
    if values.get("height_m") is None and values.get("storeys_above"):
        values["height_m"], values["height_source"] = values["storeys_above"] * METRES_PER_STOREY, "storeys"
    elif values.get("height_m") is not None:
        values["height_source"] = "surveyed"
    return building


def _check_values(building: BuildingRecord, read: dict[str, Any]) -> None:
    values = building.values
    storeys, height, year = values.get("storeys_above"), values.get("height_m"), values.get("year_built")
    this_year = utc_now().year
    if storeys is not None and not 1 <= storeys <= 150:
        raise Refused("A04", f"storeys above ground = {storeys}, expected 1 to 150", f"地上层数为 {storeys},应为 1 至 150")
    below = values.get("storeys_below")
    if below is not None and not 0 <= below <= 10:
        raise Refused("A04", f"storeys below ground = {below}, expected 0 to 10", f"地下层数为 {below},应为 0 至 10")
    if height is not None and not 0 < height < 1000:
        raise Refused("A05", f"height = {height} m, expected 0 to 1000 m", f"建筑高度 {height} 米超出范围")
    if height is not None and storeys and not 2.2 <= height / storeys <= 15:
        building.warnings.append("A05")
    if year is not None and not 1800 <= year <= this_year:
        raise Refused("A07", f"year built = {year}, expected 1800 to {this_year}", f"建成年份 {year} 应在 1800 至 {this_year} 之间")
    era = read.get("era")
    if year is not None and era and ((era[0] and year < era[0]) or (era[1] and year > era[1])):
        raise Refused("A07", f"year built = {year} contradicts era {era[0] or ''}-{era[1] or ''}", f"建成年份 {year} 与建造年代不符")
    structure = values.get("structure")
    if structure in _LOW_RISE_ONLY and storeys is not None and storeys >= 10:
        raise Refused(
            "A12", f"structure {structure} with {storeys} storeys, expected fewer than 10", f"{structure} 结构不应有 {storeys} 层"
        )
    if structure in _MAX_STOREYS and storeys is not None and storeys > _MAX_STOREYS[structure]:
        building.warnings.append("A11")


def check_area(building: BuildingRecord) -> None:
    """Warn where floor area and footprint do not fit (A06) or the footprint is unusual (G03)."""
    footprint, area = building.footprint_area_m2, building.values.get("floor_area_m2")
    if not 4 <= footprint <= 50_000:
        building.warnings.append("G03")
    storeys = (building.values.get("storeys_above") or 0) + (building.values.get("storeys_below") or 0)
    if area and storeys and not 0.4 * footprint * (building.values.get("storeys_above") or 1) <= area <= 1.3 * footprint * storeys:
        building.warnings.append("A06")


def natural_keys(columns: dict[str, Any], n: int, profile: CensusProfile) -> list[str | None]:
    """Return the natural key of every record of the source, refused ones too; None where it is incomplete."""
    parts = [[_text(value) for value in columns[name]] for name in profile.natural_key]
    return [None if None in key else "/".join(map(str, key)) for key in zip(*parts, strict=True)][:n]


def map_records(columns: dict[str, Any], n: int, place: str, profile: CensusProfile, log: RejectLog) -> list[BuildingRecord]:
    """Map all records; refused ones go to the log, duplicates of a natural key too (A03, the first one stays)."""
    seen: set[str] = set()
    buildings = []
    for row in range(n):
        record = {name: values[row] for name, values in columns.items()}
        where = f"{place}, row {row + 1}"
        try:
            building = map_record(row, record, profile)
        except Refused as refusal:
            log.refuse(where, refusal.rule, refusal.message, refusal.message_zh, record)
            continue
        if building.key in seen:
            message = f"natural key {building.key} occurs twice, expected once"
            log.refuse(where, "A03", message, f"自然键 {building.key} 重复", record)
            continue
        seen.add(building.key)
        buildings.append(building)
    return buildings
