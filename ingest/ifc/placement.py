"""Where a model stands: an explanation, not a guess.

Sources in order: options of the operator, IfcMapConversion with IfcProjectedCRS (IFC4 and newer), ePSet_MapConversion with
ePSet_ProjectedCRS (IFC2X3). A latitude/longitude of IfcSite alone places nothing: it is a tool's default too often.
"""

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cim.crs import CrsError, parse_crs, transform_xy
from cim.errors import GeometryError

_EPSG = re.compile(r"EPSG[:\s]*(?:\d*:)*(\d{4,6})", re.IGNORECASE)
TOOL_DEFAULTS = {
    "Boston (Revit)": (42.35, -71.06), "Beijing (Revit)": (39.916, 116.433), "Abu Dhabi (ArchiCAD, SketchUp)": (24.467, 54.417),
    "London (Revit)": (51.5, -0.126), "Chicago (sample)": (41.874, -87.639), "zero": (0.0, 0.0),
}  # fmt: skip
_DEFAULT_RADIUS_DEG = 0.2


@dataclass(frozen=True)
class Placement:
    """A model's place.

    Parameters
    ----------
    crs
        Projected CRS, e.g. EPSG:4547.
    matrix
        Shape (4, 4), float64: model frame [m] → easting, northing, height [m].
    method
        IfcMapConversion, ePSet_MapConversion or option.
    note
        Why it stands there, in words.
    """

    crs: str
    matrix: NDArray[np.float64]
    method: str
    note: str

    def to_map(self, xyz: NDArray[np.float64]) -> NDArray[np.float64]:
        """Place model coordinates, shape (n, 3) [m]; returns easting, northing, height [m]."""
        placed: NDArray[np.float64] = xyz @ self.matrix[:3, :3].T + self.matrix[:3, 3]
        return placed


def matrix_of(easting: float, northing: float, height: float, rotation_deg: float, scale: float = 1.0) -> NDArray[np.float64]:
    """Return the placement matrix.

    Parameters
    ----------
    easting, northing, height
        Place of the model's origin [m].
    rotation_deg
        Angle from the easting axis to the model's x axis, counter-clockwise [deg].
    scale
        Map metres per model metre, for easting and northing.
    """
    angle = math.radians(rotation_deg)
    cos, sin = math.cos(angle) * scale, math.sin(angle) * scale
    return np.array([[cos, -sin, 0, easting], [sin, cos, 0, northing], [0, 0, 1, height], [0, 0, 0, 1]], dtype=np.float64)


def _number(value: Any) -> float | None:  # noqa: ANN401 - IFC value
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _site_words(site: dict[str, Any] | None) -> str:
    if not site or not site.get("latitude") or not site.get("longitude"):
        return "IfcSite has no latitude and longitude"
    lat, lon = (_degrees(site[name]) for name in ("latitude", "longitude"))
    for name, (default_lat, default_lon) in TOOL_DEFAULTS.items():
        if abs(lat - default_lat) < _DEFAULT_RADIUS_DEG and abs(lon - default_lon) < _DEFAULT_RADIUS_DEG:
            return f"IfcSite says {lat:.4f}, {lon:.4f}, the default of a tool: {name}"
    return f"IfcSite says {lat:.4f}, {lon:.4f}, which is no position in a projected CRS"


def _degrees(parts: list[int]) -> float:
    """Return decimal degrees of an IfcCompoundPlaneAngleMeasure: degrees, minutes, seconds, millionths, each with the sign."""
    weights = (1.0, 60.0, 3600.0, 3600.0 * 1_000_000)
    return sum(part / weight for part, weight in zip(parts, weights, strict=False))


def _inside_area_of_use(crs: str, easting: float, northing: float) -> bool:
    area = parse_crs(crs).area_of_use
    lon, lat = transform_xy(crs, "EPSG:4490", np.array([easting]), np.array([northing]))
    if not (np.isfinite(lon[0]) and np.isfinite(lat[0])):
        return False
    return area is None or (area.west - 1 <= lon[0] <= area.east + 1 and area.south - 1 <= lat[0] <= area.north + 1)


def place_model(
    path: str,
    document: dict[str, Any],
    *,
    crs: str | None = None,
    origin: tuple[float, float, float] | None = None,
    rotation_deg: float | None = None,
) -> Placement:
    """Decide where the model stands.

    Parameters
    ----------
    path
        For messages.
    document
        Result of `ingest.ifc.sandbox.read_semantics`.
    crs, origin, rotation_deg
        Options of the operator: projected CRS, easting/northing/height [m] of the model's origin, rotation [deg]; they win.

    Raises
    ------
    GeometryError
        No usable georeference, unknown or unprojected CRS, or a place outside the CRS's area of use.
    """
    if (crs is None) != (origin is None):
        raise GeometryError(path, "--crs and --origin belong together", hint="pass both, or none")
    if crs is not None and origin is not None:
        _require_projected(path, crs)
        note = (
            f"placed by the operator at {origin[0]:.3f}, {origin[1]:.3f}, {origin[2]:.3f} m in {crs}, rotated {rotation_deg or 0:.4f} deg"
        )
        return _checked(path, Placement(crs, matrix_of(*origin, rotation_deg or 0.0), "option", note))
    conversion = document.get("conversion")
    hint = "pass --crs EPSG:<projected> --origin E,N,H [--rotation DEG]"
    if conversion is None:
        raise GeometryError(
            path, f"the model has no usable georeference: no map conversion; {_site_words(document.get('site'))}", hint=hint
        )
    name = str(conversion.get("crs") or "")
    match = _EPSG.search(name)
    if match is None:
        raise GeometryError(path, f"{conversion['source']} names the CRS {name!r}, expected EPSG:<number>", hint=hint)
    found = f"EPSG:{match.group(1)}"
    _require_projected(path, found)
    east, north = _number(conversion.get("eastings")), _number(conversion.get("northings"))
    if east is None or north is None or (east == 0 and north == 0):
        raise GeometryError(path, f"{conversion['source']} is all zero or empty, which is no place", hint=hint)
    return _from_conversion(path, document, conversion, found, east, north)


def _from_conversion(path: str, document: dict[str, Any], conversion: dict[str, Any], crs: str, east: float, north: float) -> Placement:
    height = _number(conversion.get("height")) or 0.0
    x, y = _number(conversion.get("abscissa")), _number(conversion.get("ordinate"))
    x, y = (1.0, 0.0) if x is None or y is None or (x == 0 and y == 0) else (x, y)
    rotation = math.degrees(math.atan2(y, x))
    unit_m, scale = float(document["unit_m"]), _number(conversion.get("scale"))
    notes = [f"placed by {conversion['source']} in {crs}, rotated {rotation:.4f} deg"]
    candidates = [conversion["map_unit_m"]] if conversion.get("map_unit_m") else []
    # Exporters write millimetres with and without saying so: the unit that lands in the CRS's area of use is taken, and said.
    candidates += [unit for unit in (1.0, unit_m, 0.001) if unit not in candidates]
    for map_unit in candidates:
        if _inside_area_of_use(crs, east * map_unit, north * map_unit):
            break
    else:
        raise GeometryError(
            path, f"easting {east:g}, northing {north:g} lie outside the area of use of {crs} in metres and in millimetres",
            hint="correct the map conversion, or pass --crs and --origin",
        )  # fmt: skip
    if conversion.get("map_unit_given") is False or map_unit != candidates[0]:
        notes.append(f"eastings taken as {'metres' if map_unit == 1 else f'{map_unit:g} m'} (found by the area of use)")
    factor = 1.0 if scale is None else scale * map_unit / unit_m
    if not 0.99 < factor < 1.01:
        notes.append(f"Scale {scale:g} contradicts the units (factor {factor:g}); taken as 1")
        factor = 1.0
    if scale is None:
        notes.append("Scale absent, taken from the units")
    matrix = matrix_of(east * map_unit, north * map_unit, height * map_unit, rotation, factor)
    return Placement(crs, matrix, str(conversion["source"]), "; ".join(notes))


def _require_projected(path: str, crs: str) -> None:
    try:
        known = parse_crs(crs)
    except CrsError as error:
        raise GeometryError(path, error.message, hint=error.hint) from error
    horizontal = known.sub_crs_list[0] if known.is_compound else known
    if not horizontal.is_projected:
        raise GeometryError(path, f"{crs} ({known.name}) is no projected CRS", hint="pass --crs with a projected CRS such as EPSG:4547")


def _checked(path: str, placement: Placement) -> Placement:
    easting, northing = placement.matrix[0, 3], placement.matrix[1, 3]
    if not _inside_area_of_use(placement.crs, easting, northing):
        raise GeometryError(
            path, f"{easting:.1f}, {northing:.1f} lies outside the area of use of {placement.crs}", hint="check --origin (E,N,H)"
        )
    return placement
