"""City profile: the facts of one city, province or nation. Levels are configuration, never code."""

import re
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from cim.crs import CrsError, parse_crs
from cim.errors import ConfigError


class Names(BaseModel):
    """A text in the two languages of the platform."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    en: str = Field(min_length=1)
    zh: str = Field(min_length=1)


class ColourRule(BaseModel):
    """Colours of buildings in 3D Tiles by one of their attributes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    attribute: Literal["use", "structure"] = Field(description="attribute of the buildings")
    colours: dict[str, str] = Field(description="value → #rrggbb")
    default: str = Field(default="#e8e8e4", description="every other value, #rrggbb")

    @field_validator("colours", "default")
    @classmethod
    def _are_colours(cls, told: dict[str, str] | str) -> dict[str, str] | str:
        for text in told.values() if isinstance(told, dict) else [told]:
            if not re.fullmatch("#[0-9a-fA-F]{6}", text):
                raise ValueError(f"found {text!r}, expected #rrggbb")
        return told


class CityProfile(BaseModel):
    """What the platform has to know about the place it serves."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: Names
    level: Literal["city", "province", "nation"] = "city"
    division_codes: list[str] = Field(min_length=1, description="divisions served, 2 to 12 digits each")
    projected_crs: str = Field(description="CRS for work in metres, e.g. EPSG:4547")
    vertical_datum: str = Field(default="EPSG:5737", description="vertical CRS of ground_elevation_m")
    geoid_separation_m: float | None = Field(default=None, ge=-110, le=90, description="ellipsoidal minus normal height [m], constant")
    geoid_grid: str | None = Field(
        default=None, min_length=1, validate_default=True,
        description="GeoTIFF or GTX file of separations [m] in place of a constant; beside the profile",
    )  # fmt: skip
    code_schemes: dict[str, str] = Field(default_factory=lambda: {"building": "CIM-BC27-v1"})
    building_colours: ColourRule | None = Field(default=None, description="colours of buildings in 3D Tiles; empty = one neutral colour")
    languages: tuple[Literal["en", "zh"], ...] = ("en", "zh")
    notices: list[Names] = Field(default_factory=list, description="shown to every user: attribution, synthetic data")

    @field_validator("geoid_grid")
    @classmethod
    def _is_constant_or_grid(cls, grid: str | None, info: ValidationInfo) -> str | None:
        # Refused without either: a city that is taken to lie on the ellipsoid floats or sinks by up to 110 m.
        if "geoid_separation_m" in info.data and (grid is None) == (info.data["geoid_separation_m"] is None):
            found = "neither" if grid is None else "both"
            raise ValueError(f"found {found} of geoid_separation_m and geoid_grid, expected one of them")
        return grid

    @field_validator("projected_crs", "vertical_datum")
    @classmethod
    def _is_known(cls, text: str) -> str:
        try:
            parse_crs(text)
        except CrsError as error:
            raise ValueError(error.message) from error
        return text

    @field_validator("projected_crs")
    @classmethod
    def _is_projected(cls, text: str) -> str:
        if not parse_crs(text).is_projected:
            raise ValueError(f"{text} is not a projected CRS; expected one in metres, e.g. EPSG:4547")
        return text

    @field_validator("division_codes")
    @classmethod
    def _are_codes(cls, codes: list[str]) -> list[str]:
        for code in codes:
            if not (code.isdigit() and 2 <= len(code) <= 12):
                raise ValueError(f"division code {code!r}: expected 2 to 12 digits")
        return codes


def parse_profile(document: dict[str, Any], *, source: str) -> CityProfile:
    """Check a profile document.

    Parameters
    ----------
    document
        Parsed YAML or JSON.
    source
        Name for error messages.

    Raises
    ------
    ConfigError
        A field is missing or wrong; names it.
    """
    try:
        return CityProfile.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{source}: {place}: {first['msg']}", hint="correct the city profile and run again") from None


def read_profile(path: Path) -> CityProfile:
    """Read a profile file (YAML).

    Raises
    ------
    ConfigError
        The file is missing, not YAML, or a field is wrong.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}", hint="pass an existing city profile") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {str(error).splitlines()[0]}", hint="correct the city profile") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: expected a mapping of profile fields, found {type(document).__name__}")
    return parse_profile(document, source=str(path))
