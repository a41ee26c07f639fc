"""Mapping profiles: source field → register field, declared per dataset, because numbers differ between survey systems."""

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cim.db.tables import register
from cim.errors import MappingError
from cim.profile import Names

ENUMERATIONS: dict[str, tuple[str, ...]] = {
    "use": register.USES,
    "structure": register.STRUCTURES,
    "safety_grade": register.GRADES,
    "status": register.STATUSES,
}


class FieldMapping(BaseModel):
    """How one register field is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    fallback: str | None = None
    type: Literal["text", "integer", "number", "enum"]
    required: bool = False
    unit: Literal["m", "m2"] | None = None
    values: dict[str, Any] = Field(default_factory=dict)


class CensusProfile(BaseModel):
    """A mapping profile."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    profile: str
    title: Names
    natural_key: list[str] = Field(min_length=1)
    crs: str = "from-file"
    fields: dict[str, FieldMapping]
    keep: list[str] = Field(default_factory=list)
    drop_personal: list[str] = Field(default_factory=list)


def read_census_profile(path: Path) -> CensusProfile:
    """Read and check a profile.

    Raises
    ------
    MappingError
        Not YAML, a field is wrong, or an enumeration maps to a value the register does not have; names the place.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        profile = CensusProfile.model_validate(document)
    except OSError as error:
        raise MappingError(path, error.strerror or "cannot be read", hint="pass --profile FILE.yaml") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise MappingError(path, f"not YAML in UTF-8: {str(error).splitlines()[0]}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise MappingError(path, first["msg"], where=".".join(map(str, first["loc"]))) from None
    for field, allowed in ENUMERATIONS.items():
        for source, value in (profile.fields[field].values if field in profile.fields else {}).items():
            if value not in allowed:
                raise MappingError(
                    path, f"{source!r} maps to {value!r}, expected one of {', '.join(allowed)}", where=f"fields.{field}.values"
                )
    for field in ("height_m", "floor_area_m2"):
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
