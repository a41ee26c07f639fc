"""What the operator says about a model."""

from dataclasses import asdict, dataclass
from typing import Any

from ingest.ifc.georef import PlaceOptions

_FOR_PEOPLE = ("name", "note", "version_of")


@dataclass(frozen=True)
class UploadOptions:
    """What the operator says about a model; everything may be left out.

    Parameters
    ----------
    name, stage, note
        For people.
    building_code
        The building it belongs to.
    crs, origin, rotation_deg
        Where it stands; they win over the file.
    fit_to
        Building whose footprint the model is laid onto; wins over the file.
    version_of
        Model it is a new version of; else the model with the same project and name.
    project_code
        Construction project it belongs to.
    """

    name: str | None = None
    stage: str | None = None
    note: str | None = None
    building_code: str | None = None
    crs: str | None = None
    origin: tuple[float, float, float] | None = None
    rotation_deg: float | None = None
    fit_to: str | None = None
    version_of: str | None = None
    project_code: str | None = None

    @property
    def place(self) -> PlaceOptions:
        """The options that say where the model stands."""
        return PlaceOptions(self.crs, self.origin, self.rotation_deg)

    @property
    def says_place(self) -> bool:
        """Whether the operator says where the model stands."""
        return self.fit_to is not None or self.place != PlaceOptions()

    def as_dict(self) -> dict[str, Any]:
        """Return what decides about the content, for the store and for comparison."""
        kept = {key: value for key, value in asdict(self).items() if value is not None and key not in _FOR_PEOPLE}
        return {key: list(value) if isinstance(value, tuple) else value for key, value in kept.items()}
