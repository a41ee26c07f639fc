"""Where a model stands: an explanation, not a guess.

Sources in order: options of the operator; IfcMapConversion, IfcMapConversionScaled, IfcRigidOperation; ePSet_MapConversion
(IFC2X3); latitude and longitude of IfcSite with true north, unless they are a tool's default. Every source passes the gates
or says why not; what was found, inferred and left out is evidence of the verdict.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cim.crs import CrsError, parse_crs
from cim.errors import GeometryError
from ingest.ifc.crs_names import read_crs_name
from ingest.ifc.placement import Placement, crs_unit_m, in_crs_unit, inside_area_of_use, matrix_of
from ingest.ifc.site_position import metric_crs_at, place_by_site, site_words

FAR_M = 50_000.0
_NEAR_ORIGIN_M = 20_000.0
HINT = "pass --crs EPSG:<projected> --origin E,N,H [--rotation DEG], or --fit-to <building code>"
Box = tuple[float, float, float, float]


class _Rejected(Exception):  # noqa: N818 - no error: the next source is tried
    """A source of the place did not pass a gate; the text says why."""


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
            found = _by_conversion(conversion, facts, said.crs, float(document["unit_m"]), near)
        except _Rejected as reason:
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


def projected_fault(crs: str) -> str:
    """Return why a CRS cannot place a model, an empty text where it can."""
    try:
        known = parse_crs(crs)
    except CrsError as error:
        return error.message
    horizontal = known.sub_crs_list[0] if known.is_compound else known
    return "" if horizontal.is_projected else f"{crs} ({known.name}) is no projected CRS"


def _by_operator(path: str, crs: str, origin: tuple[float, float, float], rotation: float) -> Placement:
    unit = crs_unit_m(crs)
    if not inside_area_of_use(crs, origin[0] * unit, origin[1] * unit):
        raise GeometryError(path, f"{origin[0]:.1f}, {origin[1]:.1f} lies outside the area of use of {crs}", hint="check --origin (E,N,H)")
    note = f"placed by the operator at {origin[0]:.3f}, {origin[1]:.3f}, height {origin[2]:.3f} m in {crs}, rotated {rotation:.4f} deg"
    matrix = matrix_of(origin[0] * unit, origin[1] * unit, origin[2], rotation)
    return Placement(crs, in_crs_unit(matrix, crs), "option", "high", (note, *_feet(crs)))


def _feet(crs: str) -> list[str]:
    unit = crs_unit_m(crs)
    return [] if abs(unit - 1.0) < 1e-12 else [f"{crs} counts in {parse_crs(crs).axis_info[0].unit_name} ({unit:.10g} m)"]


def _by_coordinates(path: str, facts: dict[str, Any], crs: str, reasons: list[str]) -> Placement:
    """Take the coordinates of the model itself as map coordinates (level of georeferencing 30 and 40), by the operator's CRS."""
    centre = facts["centre"]
    if centre is not None and math.hypot(centre[0], centre[1]) > FAR_M and inside_area_of_use(crs, centre[0], centre[1]):
        note = f"placed by its own coordinates, around {centre[0]:.1f}, {centre[1]:.1f} m, in {crs} as the operator says"
        return Placement(crs, in_crs_unit(np.eye(4), crs), "coordinates", "medium", (note, *reasons))
    where = "has no placed element" if centre is None else f"is around {centre[0]:.1f}, {centre[1]:.1f} m"
    reasons = reasons or ["no map conversion"]
    raise GeometryError(path, f"{'; '.join(reasons)}; the model {where}, which is no place in {crs}", hint=HINT)


def _number(value: Any) -> float | None:  # noqa: ANN401 - IFC value
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _by_conversion(conversion: dict[str, Any], facts: dict[str, Any], crs: str | None, unit_m: float, near: Box | None) -> Placement:
    source = conversion["source"]
    east, north = _number(conversion.get("eastings")), _number(conversion.get("northings"))
    if east is None or north is None:
        raise _Rejected(f"{source} has no eastings and northings")
    if conversion.get("is_angle"):
        return _by_angles(conversion, east, north, facts, near)
    notes = []
    if crs is None:
        reading = read_crs_name(conversion.get("crs"), conversion.get("wkt"))
        if reading is None:
            raise _Rejected(f"{source} names the CRS {conversion.get('crs') or ''!r}, expected EPSG:<number> (--crs replaces it)")
        crs, understood = reading.crs, reading.note
        notes += [understood] if understood else []
    else:
        notes.append(f"CRS by the operator, the file says {conversion.get('crs') or ''!r}")
    fault = projected_fault(crs)
    if fault:
        raise _Rejected(f"{source}: {fault}")
    centre = facts["centre"]
    is_far = centre is not None and math.hypot(centre[0], centre[1]) > FAR_M
    if east == 0 and north == 0:
        if not (is_far and inside_area_of_use(crs, centre[0], centre[1])):
            raise _Rejected(f"{source} is all zero, which is no place")
        notes.insert(
            0, f"placed by its own coordinates in {crs}: {source} is all zero, the model lies at {centre[0]:.1f}, {centre[1]:.1f} m"
        )
        return Placement(crs, in_crs_unit(np.eye(4), crs), "coordinates", "medium", (*notes, *_vertical(conversion, crs)))
    matrix, found = _helmert(conversion, crs, east, north, unit_m, facts, source=source, is_far=is_far)
    notes = [*found[:1], *notes, *found[1:], *_feet(crs)]
    place = Placement(crs, in_crs_unit(matrix, crs), source, "high", (*notes, *_vertical(conversion, crs)))
    return _once(place, centre, near) if is_far else place


def _helmert(
    conversion: dict[str, Any],
    crs: str,
    east: float,
    north: float,
    unit_m: float,
    facts: dict[str, Any],
    *,
    source: str,
    is_far: bool,
) -> tuple[NDArray[np.float64], list[str]]:
    """Return matrix and evidence of a conversion in metres."""
    height = _number(conversion.get("height")) or 0.0
    x, y = _number(conversion.get("abscissa")), _number(conversion.get("ordinate"))
    x, y = (1.0, 0.0) if x is None or y is None or (x == 0 and y == 0) else (x, y)
    rotation = math.degrees(math.atan2(y, x))
    notes = [f"placed by {source} in {crs}, rotated {rotation:.4f} deg"]
    map_unit, words = _map_unit(conversion, crs, east, north, unit_m, source, is_far=is_far)
    notes += words
    scale = _number(conversion.get("scale"))
    factor = 1.0 if scale is None else scale * map_unit / unit_m
    if not 0.99 < factor < 1.01:
        notes.append(f"Scale {scale:g} contradicts the units (factor {factor:g}); taken as 1")
        factor = 1.0
    if scale is None and abs(map_unit / unit_m - 1) > 1e-9:
        notes.append(f"Scale absent, {unit_m / map_unit:g} inferred from the units")
    axes = [factor * (_number(value) or 1.0) for value in conversion.get("factors") or (1.0, 1.0, 1.0)]
    if any(not 0.99 < value < 1.01 for value in axes):
        raise _Rejected(f"{source} has the factors {axes[0]:g}, {axes[1]:g}, {axes[2]:g}, expected combined factors near 1")
    if max(abs(value - 1) for value in axes) > 1e-12:
        notes.append(f"combined factors {axes[0]:.8g}, {axes[1]:.8g}, {axes[2]:.8g} (x, y, z)")
    matrix = matrix_of(east * map_unit, north * map_unit, height * map_unit, rotation, (axes[0], axes[1], axes[2]))
    if facts["wcs"] is not None:
        # The conversion counts from the world coordinate system of the context, shapes and placements from the frame below it.
        matrix = matrix @ np.linalg.inv(np.array(facts["wcs"], dtype=np.float64))
        notes.append("world coordinate system of the context taken off first")
    return matrix, notes


def _map_unit(
    conversion: dict[str, Any], crs: str, east: float, north: float, unit_m: float, source: str, *, is_far: bool
) -> tuple[float, list[str]]:
    # Exporters write millimetres with and without saying so: the unit that lands in the CRS's area of use is taken, and said.
    stated = conversion.get("map_unit_m")
    tried = [stated] if stated else []
    for unit in (crs_unit_m(crs), 1.0, unit_m, 0.001):
        # International and US survey feet differ by 2e-6, which is metres at the eastings of a state plane: told apart.
        tried += [unit] if all(abs(unit - other) > 1e-9 for other in tried) else []
    for unit in tried:
        if inside_area_of_use(crs, east * unit, north * unit):
            break
    else:
        if not is_far:
            raise _Rejected(
                f"{source}: easting {east:g}, northing {north:g} lie outside the area of use of {crs} in metres and in millimetres"
            )
        unit = tried[0]
    name = {1.0: "metres", 0.001: "millimetres"}.get(unit, f"units of {unit:g} m")
    if stated is None or abs(unit - stated) > 1e-9:
        return unit, [f"eastings taken as {name} (found by the area of use)"]
    return unit, [f"eastings in {name} as MapUnit says"] if conversion.get("map_unit_given") and unit != 1.0 else []


def _once(place: Placement, centre: list[float], near: Box | None) -> Placement:
    """Decide whether a model that lies far from its own origin is placed twice: by its coordinates and by the conversion."""
    point = np.array(centre, dtype=np.float64)
    unit = crs_unit_m(place.crs)
    placed = place.to_map(point[None, :])[0] * [unit, unit, 1.0]
    plain = Placement(place.crs, in_crs_unit(np.eye(4), place.crs), "coordinates", "medium", ())
    both, alone = inside_area_of_use(place.crs, placed[0], placed[1]), inside_area_of_use(place.crs, point[0], point[1])
    if both and alone:
        if near is not None:
            both, alone = _in_box(place.lon_lat(point), near), _in_box(plain.lon_lat(point), near)
        if both == alone:
            alone = math.hypot(point[0] - place.matrix[0, 3] * unit, point[1] - place.matrix[1, 3] * unit) < _NEAR_ORIGIN_M
            both = not alone
    if both:
        return place
    if alone:
        note = (
            f"georeferenced twice: the coordinates (around {point[0]:.1f}, {point[1]:.1f}) are map coordinates of {place.crs} already; "
            f"{place.method} not applied again"
        )
        return replace(plain, evidence=(note,))
    raise _Rejected(
        f"the model would stand at {placed[0]:.1f}, {placed[1]:.1f}, outside the area of use of {place.crs}, with {place.method} or without"
    )


def _in_box(position: tuple[float, float], box: Box) -> bool:
    return box[0] <= position[0] <= box[2] and box[1] <= position[1] <= box[3]


def _by_angles(conversion: dict[str, Any], first: float, second: float, facts: dict[str, Any], near: Box | None) -> Placement:
    """Place by IfcRigidOperation in a geographic CRS: axes to east and north at a position [deg]."""
    # Exporters write longitude first or latitude first; the order that lands in the CRS's area of use (and the city) is taken.
    reading = read_crs_name(conversion.get("crs"), conversion.get("wkt"))
    source = conversion["source"]
    if reading is None:
        raise _Rejected(f"{source} names the CRS {conversion.get('crs') or ''!r}, expected EPSG:<number>")
    try:
        area = parse_crs(reading.crs).area_of_use
    except CrsError as error:
        raise _Rejected(f"{source}: {error.message}") from error
    box = near or ((-180.0, -90.0, 180.0, 90.0) if area is None else area.bounds)
    orders = [("longitude, latitude", first, second), ("latitude, longitude", second, first)]
    fitting = [order for order in orders if abs(order[2]) <= 90 and _in_box((order[1], order[2]), box)]
    if len(fitting) != 1:
        raise _Rejected(f"{source}: {first:g}, {second:g} is {'in both orders' if fitting else 'in no order'} a position in {reading.crs}")
    words, lon, lat = fitting[0]
    if first == 0 and second == 0:
        raise _Rejected(f"{source} is all zero, which is no place")
    crs, east, north, convergence, scale = metric_crs_at(lon, lat)
    matrix = matrix_of(east, north, _number(conversion.get("height")) or 0.0, convergence, (scale, scale, 1.0))
    if facts["wcs"] is not None:
        matrix = matrix @ np.linalg.inv(np.array(facts["wcs"], dtype=np.float64))
    note = (
        f"placed by {source} in {reading.crs}, read as {words}; carried in {crs} with convergence {convergence:.4f} deg, scale {scale:.8f}"
    )
    return Placement(crs, matrix, source, "medium", (note,))


def _vertical(conversion: dict[str, Any], crs: str) -> list[str]:
    datum = conversion.get("vertical_datum")
    known = parse_crs(crs)
    if not datum and known.is_compound:
        datum = known.sub_crs_list[1].name
    return [f"heights in {str(datum)[:80]}, taken as heights of the city's vertical datum"] if datum else []


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
