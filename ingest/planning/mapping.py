"""Records of a planning layer → values of a zone, each fault with its rule."""

import math
import re
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from cim.db.tables.planning import CONTROL_KINDS
from ingest.planning.profile import MEASURES, RATIOS, SHARES, STATES, PlanningProfile, kind_of, type_of

_RANGES = {
    "height_limit_m": (0.0, 1500.0), "elevation_limit_m": (-500.0, 9000.0), "setback_m": (0.0, 1000.0), "far_max": (0.0, 100.0),
    "far_min": (0.0, 100.0), "coverage_max": (0.0, 1.0), "green_ratio_min": (0.0, 1.0),
}  # fmt: skip
_LAND_USE = re.compile(r"^(?:(?:H|E|R|A|B|M|W|S|U|G)\d{0,2}|(?:0[1-9]|1\d|2[0-4])(?:\d{2}){0,2})(?:[+/](?:[A-Z]\d{0,2}|\d{2,6}))*$")
"""Codes of GB 50137-2011 (H to G, two digits) and of the classification of 2023 (01 to 24, two, four or six digits), mixed ones too."""
_NEEDED: dict[str, tuple[str, ...]] = {
    "height_limit": ("height_limit_m", "elevation_limit_m"), "land_use": ("land_use",),
    "plot": ("far_max", "coverage_max", "height_limit_m", "green_ratio_min", "land_use"),
}  # fmt: skip


@dataclass
class Mapped:
    """A zone as its record says it.

    Parameters
    ----------
    faults
        Rule, message in English and in Chinese: the record is refused.
    warnings
        Rules.
    """

    key: str
    values: dict[str, Any] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)
    faults: list[tuple[str, str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def map_record(record: dict[str, Any], profile: PlanningProfile, kind: str | None) -> Mapped:
    """Map a record.

    Parameters
    ----------
    record
        Field → value as read.
    kind
        Kind of control that the command line gave, None = the profile's or the record's.
    """
    parts = [_text(record.get(name)) for name in profile.natural_key]
    made = Mapped(" | ".join(part or "" for part in parts))
    if not all(parts):
        made.faults.append(("Z02", f"{', '.join(profile.natural_key)} is empty, expected a key", "自然键为空"))
    for column, told in profile.fields.items():
        raw = record.get(told.source)
        try:
            value = _value(column, raw, told.values, told.unit)
        except ValueError as error:
            made.faults.append(("Z03", f"{told.source}: found {raw!r}, expected {error}", f"{told.source}:取值 {raw!r} 无效"))
            continue
        if value is None and told.required:
            made.faults.append(("Z03", f"{told.source} is empty, expected a value", f"{told.source} 为空"))
        made.values[column] = value
    made.values["control"] = kind or made.values.get("control") or profile.control
    if made.values["control"] is None and not made.faults:
        made.faults.append(("Z03", f"no kind of control, expected one of {', '.join(CONTROL_KINDS)}", "缺少管控类型"))
    low, high = made.values.get("far_min"), made.values.get("far_max")
    if low is not None and high is not None and low > high:
        made.faults.append(("Z04", f"floor area ratio: found {low} to {high}, expected the least below the greatest", "容积率下限大于上限"))
    needed = _NEEDED.get(made.values["control"] or "", ())
    if needed and all(made.values.get(name) is None for name in needed):
        made.warnings.append("Z06")
    use = made.values.get("land_use")
    if use is not None and not _LAND_USE.match(use):
        made.warnings.append("Z07")
    made.kept = {name: record[name] for name in profile.keep if record.get(name) is not None}
    return made


def _text(value: Any) -> str | None:  # noqa: ANN401 - any value of a table
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()
    return text or None


def _value(column: str, raw: Any, values: dict[str, str], unit: str | None) -> Any:  # noqa: ANN401 - any value of a table
    text = _text(raw)
    if text is None:
        return None
    kind = type_of(column)
    if kind == "enum":
        return _enum(column, text, values)
    if kind == "date":
        return _date(raw, text)
    if kind == "text":
        return values.get(text, text)
    try:
        number = float(text) / (100.0 if unit == "percent" else 1.0)
    except ValueError:
        raise ValueError("a number") from None
    low, high = _RANGES[column]
    scale = 100.0 if unit == "percent" else 1.0
    is_inside = low <= number <= high if column in SHARES else low <= number < high
    if not math.isfinite(number) or not is_inside or (column == "height_limit_m" and number == 0):
        unit_text = " %" if unit == "percent" else " m" if column in MEASURES else "" if column in RATIOS else " (share)"
        raise ValueError(f"{low * scale:g} to {high * scale:g}{unit_text}")
    return number


def _enum(column: str, text: str, values: dict[str, str]) -> str:
    found = values.get(text, text)
    if column == "control":
        kind = kind_of(found)
        if kind is None:
            raise ValueError(f"one of {', '.join([*values] or CONTROL_KINDS)}")
        return kind
    if found not in STATES:
        raise ValueError(f"one of {', '.join([*values] or STATES)}")
    return found


def _date(raw: Any, text: str) -> date:  # noqa: ANN401 - any value of a table
    if isinstance(raw, datetime):
        return raw.date()
    if isinstance(raw, date):
        return raw
    for form in ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%Y年%m月%d日"):
        try:
            return datetime.strptime(text[:11], form).date()  # noqa: DTZ007 - a day has no time zone
        except ValueError:
            continue
    raise ValueError("a day such as 2026-05-01")
