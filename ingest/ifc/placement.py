"""A place of a model: CRS and matrix, with the evidence that led to it."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cim.crs import parse_crs, transform_xy


@dataclass(frozen=True)
class Placement:
    """A model's place.

    Parameters
    ----------
    crs
        Projected CRS, e.g. EPSG:4547.
    matrix
        Shape (4, 4), float64: model frame [m] → easting, northing in the unit of the CRS (metres, or feet where it counts in feet),
        height [m].
    method
        IfcMapConversion, IfcMapConversionScaled, IfcRigidOperation, ePSet_MapConversion, coordinates, IfcSite, fit or option.
    confidence
        high, medium or low.
    evidence
        Why it stands there, one statement each, in words.
    """

    crs: str
    matrix: NDArray[np.float64]
    method: str
    confidence: str
    evidence: tuple[str, ...]

    @property
    def note(self) -> str:
        """The evidence as one text."""
        return "; ".join(self.evidence)

    def with_evidence(self, *more: str) -> "Placement":
        """Return the placement with more evidence."""
        return replace(self, evidence=(*self.evidence, *more))

    def to_map(self, xyz: NDArray[np.float64]) -> NDArray[np.float64]:
        """Place model coordinates, shape (n, 3) [m]; returns easting, northing [unit of the CRS], height [m]."""
        placed: NDArray[np.float64] = xyz @ self.matrix[:3, :3].T + self.matrix[:3, 3]
        return placed

    def lon_lat(self, xyz: NDArray[np.float64]) -> tuple[float, float]:
        """Return EPSG:4490 longitude and latitude [deg] of one point of the model, shape (3,) [m]."""
        placed = self.to_map(xyz[None, :])
        lon, lat = transform_xy(self.crs, "EPSG:4490", placed[:, 0], placed[:, 1])
        return float(lon[0]), float(lat[0])


def matrix_of(
    easting: float,
    northing: float,
    height: float,
    rotation_deg: float,
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> NDArray[np.float64]:
    """Return the placement matrix.

    Parameters
    ----------
    easting, northing, height
        Place of the model's origin [m].
    rotation_deg
        Angle from the easting axis to the model's x axis, counter-clockwise [deg].
    scale
        Map metres per model metre along the model's x, y, z (IFC 4.3.2, 8.18.3.7 IfcMapConversion, 8.18.3.8 for the factors).
    """
    angle = math.radians(rotation_deg)
    cos, sin = math.cos(angle), math.sin(angle)
    x, y, z = scale
    return np.array([[cos * x, -sin * y, 0, easting], [sin * x, cos * y, 0, northing], [0, 0, z, height], [0, 0, 0, 1]], dtype=np.float64)


def crs_unit_m(crs: str) -> float:
    """Return the length of the unit that eastings of a projected CRS count in [m]."""
    axes = parse_crs(crs).axis_info
    return float(axes[0].unit_conversion_factor) if axes else 1.0


def in_crs_unit(matrix: NDArray[np.float64], crs: str) -> NDArray[np.float64]:
    """Return a placement matrix in metres as one that gives eastings and northings in the unit of the CRS."""
    unit = crs_unit_m(crs)
    if abs(unit - 1.0) < 1e-12:
        return matrix
    return np.diag([1 / unit, 1 / unit, 1.0, 1.0]) @ matrix


def inside_area_of_use(crs: str, easting: float, northing: float) -> bool:
    """Tell whether a position [m] lies in the area of use of a projected CRS, with one degree of tolerance.

    Notes
    -----
    The position must also come back from longitude and latitude: far outside, a projection may fold over into its own area.
    """
    area, unit = parse_crs(crs).area_of_use, crs_unit_m(crs)
    easting, northing = easting / unit, northing / unit
    lon, lat = transform_xy(crs, "EPSG:4490", np.array([easting]), np.array([northing]))
    if not (np.isfinite(lon[0]) and np.isfinite(lat[0])):
        return False
    back, _ = transform_xy("EPSG:4490", crs, lon, lat)
    if not abs(back[0] - easting) < 1.0:
        return False
    return area is None or (area.west - 1 <= lon[0] <= area.east + 1 and area.south - 1 <= lat[0] <= area.north + 1)
