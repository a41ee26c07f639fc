"""Mapping profiles: source field → register field, declared per dataset, because numbers differ between survey systems."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from cim.errors import MappingError
from cim.model.building import GRADES, STATUSES, STRUCTURES, USES
from cim.profile import Names
from ingest.profiles import read_model, shipped_in

ENUMERATIONS: dict[str, tuple[str, ...]] = {
    "use": USES,
    "structure": STRUCTURES,
    "safety_grade": GRADES,
    "status": STATUSES,
}
COLUMNS = (
    "name", "address", "height_m", "storeys_above", "storeys_below", "use", "structure", "year_built", "floor_area_m2",
    "safety_grade", "status",
)  # fmt: skip
"""Profile fields that are columns of the register."""
HELPERS = ("division_code", "era")
"""Profile fields that are used and not kept under their own name."""
ATTRIBUTES = (
    "class_code", "remark", "house_type", "dwelling_type", "build_mode", "isolation", "protected_level", "professional_design",
    "professional_builder", "property_registered", "property_management", "estate_name", "dwelling_units", "households", "residents",
    "appraised", "appraisal_year", "appraisal_safe", "seismic_measures", "seismic_retrofit", "retrofit_year", "renovated",
    "renovation_year", "renovation_content", "self_extended", "extension_year", "visible_damage", "photo_ids", "damage_photo_ids",
    "other_use", "other_structure", "structure_sub", "education_key", "medical_key", "survey_status", "skip_reason", "surveyed_on",
    "census_no",
)  # fmt: skip
"""Profile fields that are kept under their own name in ``attributes``."""
SHIPPED = Path(__file__).resolve().parents[2] / "schemas" / "mappings"
_MEASURES = ("height_m", "floor_area_m2")


class FieldMapping(BaseModel):
    """How one register field is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    fallback: str | None = None
    type: Literal["text", "integer", "number", "enum", "boolean", "multi"]
    required: bool = False
    unit: Literal["m", "m2"] | None = None
    values: dict[str, Any] = Field(default_factory=dict)


class CensusProfile(BaseModel):
    """A mapping profile."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    profile: str
    title: Names
    sheet: Literal["UR", "UN", "RI", "RC", "RA", "RN"] | None = None
    source_kind: Literal["census", "completion", "permit", "change_detection"] = "census"
    natural_key: list[str] = Field(min_length=1)
    crs: str = "from-file"
    fields: dict[str, FieldMapping]
    keep: list[str] = Field(default_factory=list)
    drop_personal: list[str] = Field(default_factory=list)
    keep_encrypted: list[str] = Field(default_factory=list)
    id_card: str | None = None

    @property
    def personal(self) -> set[str]:
        """Fields that never reach the register or the reject rows."""
        return {*self.drop_personal, *self.keep_encrypted}

    def sources(self) -> list[str]:
        """Return every source field the profile reads, personal ones too, without repetition."""
        names = [*self.natural_key]
        for mapping in self.fields.values():
            names += [mapping.source] if mapping.fallback is None else [mapping.source, mapping.fallback]
        return list(dict.fromkeys([*names, *self.keep, *self.drop_personal, *self.keep_encrypted]))


def shipped_profiles() -> dict[str, Path]:
    """Return the profiles that come with the platform, by name."""
    return shipped_in(SHIPPED)


def read_census_profile(path: Path) -> CensusProfile:
    """Read and check a profile.

    Raises
    ------
    MappingError
        Not YAML, a field is wrong, or an enumeration maps to a value the register does not have; names the place.
    """
    profile = read_model(path, CensusProfile)
    known = (*COLUMNS, *HELPERS, *ATTRIBUTES)
    for field in profile.fields:
        if field not in known:
            raise MappingError(path, f"unknown register field, expected one of {', '.join(known)}", where=f"fields.{field}")
    for field, allowed in ENUMERATIONS.items():
        for source, value in (profile.fields[field].values if field in profile.fields else {}).items():
            if value not in allowed:
                raise MappingError(
                    path, f"{source!r} maps to {value!r}, expected one of {', '.join(allowed)}", where=f"fields.{field}.values"
                )
    for field in _MEASURES:
        if field in profile.fields and profile.fields[field].unit is None:
            raise MappingError(path, "names no unit, expected m or m2", where=f"fields.{field}.unit")
    return profile


def require_fields(profile: CensusProfile, path: Path, found: list[str]) -> None:
    """Refuse a file that lacks fields the profile needs.

    Raises
    ------
    MappingError
        Names the missing fields and those found.
    """
    needed = [*profile.natural_key, *(m.source for m in profile.fields.values() if m.required and m.fallback is None)]
    missing = sorted(set(needed) - set(found))
    if missing:
        raise MappingError(
            path, f"missing fields {', '.join(missing)}; found {', '.join(found)}", hint=f"correct profile {profile.profile}"
        )
