"""Where a model stands: an explanation, not a guess.

Sources in order: options of the operator; IfcMapConversion, IfcMapConversionScaled, IfcRigidOperation; ePSet_MapConversion
(IFC2X3); latitude and longitude of IfcSite with true north, unless they are a tool's default. Every source passes the gates
or says why not; what was found, inferred and left out is evidence of the verdict.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from cim.errors import GeometryError
from ingest.ifc.conversion import FAR_M, Box, Rejected, by_conversion, feet, projected_fault
from ingest.ifc.placement import Placement, crs_unit_m, in_crs_unit, inside_area_of_use, matrix_of
from ingest.ifc.site_position import place_by_site, site_words

HINT = "pass --crs EPSG:<projected> --origin E,N,H [--rotation DEG], or --fit-to <building code>"


@dataclass(frozen=True)
class PlaceOptions:
    """What the operator says about the place; it wins over the file.

    Parameters
    ----------
    crs
        Projected CRS of ``origin``; without ``origin`` it replaces the CRS the file names.
    origin
        Easting, northing, height [m] of the model's origin.
    rotation_deg
        Angle from the easting axis to the model's x axis, counter-clockwise [deg].
    """

    crs: str | None = None
    origin: tuple[float, float, float] | None = None
    rotation_deg: float | None = None


def place_model(path: str, document: dict[str, Any], options: PlaceOptions | None = None, *, near: Box | None = None) -> Placement:
    """Decide where the model stands.

    Parameters
    ----------
    path
        For messages.
    document
        Result of `ingest.ifc.sandbox.read_semantics`.
    options
        The operator's word.
    near
        Extent of the city, west, south, east, north [deg]; decides between two readings that are both possible.

    Raises
    ------
    GeometryError
        No usable georeference; the message has one reason per source, the hint the command that places the model.
    """
    said = options or PlaceOptions()
    if said.origin is not None and said.crs is None:
        raise GeometryError(path, "--origin needs --crs", hint="pass --crs EPSG:<projected> too")
    if said.rotation_deg is not None and said.origin is None:
        raise GeometryError(path, "--rotation needs --crs and --origin", hint=HINT)
    if said.crs is not None:
        fault = projected_fault(said.crs)
        if fault:
            raise GeometryError(path, fault, hint="pass --crs with a projected CRS such as EPSG:4547")
        if said.origin is not None:
            return _by_operator(path, said.crs, said.origin, said.rotation_deg or 0.0)
    facts = document["georef"]
    reasons: list[str] = []
    for conversion in facts["conversions"]:
        try:
            found = by_conversion(conversion, facts, said.crs, float(document["unit_m"]), near)
        except Rejected as reason:
            reasons += [str(reason)] if str(reason) not in reasons else []
            continue
        return found.with_evidence(*reasons, *_left_out(facts, found))
    if said.crs is not None:
        return _by_coordinates(path, facts, said.crs, reasons)
    by_site, words = place_by_site(facts)
    if by_site is not None:
        return by_site.with_evidence(*reasons)
    if not reasons:
        reasons.append("no map conversion")
    if facts.get("address"):
        words += f"; the address {facts['address']!r} is only a hint"
    raise GeometryError(path, f"the model has no usable georeference: {'; '.join([*reasons, words])}", hint=HINT)


def _by_operator(path: str, crs: str, origin: tuple[float, float, float], rotation: float) -> Placement:
    unit = crs_unit_m(crs)
    if not inside_area_of_use(crs, origin[0] * unit, origin[1] * unit):
        raise GeometryError(path, f"{origin[0]:.1f}, {origin[1]:.1f} lies outside the area of use of {crs}", hint="check --origin (E,N,H)")
    note = f"placed by the operator at {origin[0]:.3f}, {origin[1]:.3f}, height {origin[2]:.3f} m in {crs}, rotated {rotation:.4f} deg"
    matrix = matrix_of(origin[0] * unit, origin[1] * unit, origin[2], rotation)
    return Placement(crs, in_crs_unit(matrix, crs), "option", "high", (note, *feet(crs)))


def _by_coordinates(path: str, facts: dict[str, Any], crs: str, reasons: list[str]) -> Placement:
    """Take the coordinates of the model itself as map coordinates (level of georeferencing 30 and 40), by the operator's CRS."""
    centre = facts["centre"]
    if centre is not None and math.hypot(centre[0], centre[1]) > FAR_M and inside_area_of_use(crs, centre[0], centre[1]):
        note = f"placed by its own coordinates, around {centre[0]:.1f}, {centre[1]:.1f} m, in {crs} as the operator says"
        return Placement(crs, in_crs_unit(np.eye(4), crs), "coordinates", "medium", (note, *reasons))
    where = "has no placed element" if centre is None else f"is around {centre[0]:.1f}, {centre[1]:.1f} m"
    reasons = reasons or ["no map conversion"]
    raise GeometryError(path, f"{'; '.join(reasons)}; the model {where}, which is no place in {crs}", hint=HINT)


def _left_out(facts: dict[str, Any], place: Placement) -> list[str]:
    """Say what was seen and not used."""
    notes = []
    if len(facts["conversions"]) > 1:
        notes.append(f"{len(facts['conversions'])} coordinate operations in the file, one used")
    north = facts["true_north"]
    if north is not None and (abs(north[0]) > 1e-9 or north[1] < 0):
        notes.append("TrueNorth not added (the rotation of the conversion counts from grid north)")
    words = site_words(facts.get("site"), place, facts["centre"])
    return [*notes, words] if words else notes
