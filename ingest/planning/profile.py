"""Mapping profiles of planning layers: source field → rule of the zone, because every plan names its fields in its own way."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from cim.db.tables.planning import CONTROL_KINDS
from cim.errors import MappingError
from cim.profile import Names
from ingest.profiles import read_model

SHIPPED = Path(__file__).resolve().parents[2] / "schemas" / "mappings" / "planning"
TEXTS = ("name", "land_use", "plan_name", "approval_no")
MEASURES = ("height_limit_m", "elevation_limit_m", "setback_m")
SHARES = ("coverage_max", "green_ratio_min")
RATIOS = ("far_max", "far_min")
STATES = ("draft", "approved", "withdrawn")
COLUMNS = (*TEXTS, *MEASURES, *SHARES, *RATIOS, "control", "plan_status", "approved_on")
_TYPES = dict.fromkeys(TEXTS, "text") | dict.fromkeys((*MEASURES, *SHARES, *RATIOS), "number") | {
    "control": "enum", "plan_status": "enum", "approved_on": "date",
}  # fmt: skip
_VALUES = {"control": CONTROL_KINDS, "plan_status": STATES}
ALIASES = {"red_line": "road_red_line", "far": "plot", "protection": "protection_area", "ecological": "ecological_red_line"}
"""Short names of kinds, as the command line takes them."""


class ZoneField(BaseModel):
    """How one column is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    unit: Literal["m", "percent", "ratio"] | None = None
    required: bool = False
    values: dict[str, str] = Field(default_factory=dict)


class PlanningProfile(BaseModel):
    """A mapping profile; ``control`` is the kind of all zones, unless a field or the command line says it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    profile: str
    title: Names
    control: str | None = None
    natural_key: list[str] = Field(min_length=1)
    crs: str = "from-file"
    fields: dict[str, ZoneField]
    keep: list[str] = Field(default_factory=list)


def kind_of(text: str) -> str | None:
    """Return the kind of control that a word of the command line names, None where there is none."""
    name = text.strip().lower().replace("-", "_")
    name = ALIASES.get(name, name)
    return name if name in CONTROL_KINDS else None


def read_profile(path: Path) -> PlanningProfile:
    """Read and check a profile.

    Raises
    ------
    MappingError
        Not YAML, or a field, unit or value is wrong; names the place.
    """
    profile = read_model(path, PlanningProfile)
    if profile.control is not None and profile.control not in CONTROL_KINDS:
        raise MappingError(path, f"found {profile.control!r}, expected one of {', '.join(CONTROL_KINDS)}", where="control")
    for name, told in profile.fields.items():
        _check_field(path, name, told)
    return profile


def _check_field(path: Path, name: str, told: ZoneField) -> None:
    if name not in COLUMNS:
        raise MappingError(path, f"unknown column, expected one of {', '.join(COLUMNS)}", where=f"fields.{name}")
    units: tuple[str | None, ...] = ("m",) if name in MEASURES else ("percent", "ratio") if name in SHARES else (None,)
    if told.unit not in units:
        expected = " or ".join(str(one) for one in units) if units != (None,) else "none"
        raise MappingError(path, f"found unit {told.unit}, expected {expected}", where=f"fields.{name}.unit")
    allowed = _VALUES.get(name)
    for source, value in told.values.items():
        if allowed is not None and value not in allowed:
            raise MappingError(
                path, f"{source!r} maps to {value!r}, expected one of {', '.join(allowed)}", where=f"fields.{name}.values"
            )  # fmt: skip


def type_of(column: str) -> str:
    """Return how a column is read: text, number, enum or date."""
    return _TYPES[column]
