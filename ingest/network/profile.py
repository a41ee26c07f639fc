"""Network profiles: tables by file prefix, vocabularies, axis order, depth reference."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from cim.crs import parse_crs
from cim.errors import CimError, MappingError
from ingest.profiles import read_document, read_model

Kind = Literal["water", "rainwater", "sewage", "gas", "heat", "power", "lighting", "telecom", "road", "tunnel"]


class KindTables(BaseModel):
    """One kind of network."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Kind
    points: str
    lines: str
    depth_reference: Literal["crown", "invert", "centre"]


class NetworkProfile(BaseModel):
    """A network profile; vocabularies map words of the survey to canonical ones."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    profile: str
    crs: str
    axis: Literal["northing-easting", "easting-northing"]
    vertical_datum: str
    encoding: str | None = None
    county_code: str = Field(pattern=r"^\d{6}$")
    kinds: dict[str, KindTables]
    points: dict[str, Any]
    lines: dict[str, Any]

    def words(self, table: Literal["points", "lines"], field: str) -> dict[str, str]:
        """Return the vocabulary of a field."""
        section = (self.points if table == "points" else self.lines).get(field)
        values = section.get("values", {}) if isinstance(section, dict) else {}
        return {str(key): str(value) for key, value in values.items()}


def read_network_profile(path: Path) -> NetworkProfile:
    """Read and check a network profile.

    Raises
    ------
    MappingError
        Names the faulty place.
    """
    profile = read_model(path, NetworkProfile)
    try:
        horizontal, vertical = parse_crs(profile.crs), parse_crs(profile.vertical_datum)
    except CimError as error:
        raise MappingError(path, error.message, where="crs, vertical_datum") from error
    if not horizontal.is_projected:
        raise MappingError(path, f"found {profile.crs}, expected a projected CRS in metres", where="crs")
    if not vertical.is_vertical:
        raise MappingError(path, f"found {profile.vertical_datum}, expected a vertical CRS, e.g. EPSG:5737", where="vertical_datum")
    return profile


def profile_format(path: Path) -> str:
    """Return what a profile describes: ``layers``, or ``cjj61`` where it does not say.

    Raises
    ------
    MappingError
        The file cannot be read.
    """
    document = read_document(path)
    return str(document.get("format", "cjj61")) if isinstance(document, dict) else "cjj61"
