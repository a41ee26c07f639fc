"""A model's place by a coordinate operation of the file: the gates that it must pass, and what was inferred on the way."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cim.crs import CrsError, parse_crs
from ingest.ifc.crs_names import read_crs_name
from ingest.ifc.placement import Placement, crs_unit_m, in_crs_unit, inside_area_of_use, matrix_of
from ingest.ifc.site_position import metric_crs_at

FAR_M = 50_000.0
_NEAR_ORIGIN_M = 20_000.0
Box = tuple[float, float, float, float]
"""West, south, east, north [deg]."""


class Rejected(Exception):  # noqa: N818 - no error: the next source is tried
    """A source of the place did not pass a gate; the text says why."""


def projected_fault(crs: str) -> str:
    """Return why a CRS cannot place a model, an empty text where it can."""
    try:
        known = parse_crs(crs)
    except CrsError as error:
        return error.message
    horizontal = known.sub_crs_list[0] if known.is_compound else known
    return "" if horizontal.is_projected else f"{crs} ({known.name}) is no projected CRS"


def feet(crs: str) -> list[str]:
    """Return evidence that a CRS does not count in metres, nothing where it does."""
    unit = crs_unit_m(crs)
    return [] if abs(unit - 1.0) < 1e-12 else [f"{crs} counts in {parse_crs(crs).axis_info[0].unit_name} ({unit:.10g} m)"]


def _number(value: Any) -> float | None:  # noqa: ANN401 - IFC value
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def by_conversion(conversion: dict[str, Any], facts: dict[str, Any], crs: str | None, unit_m: float, near: Box | None) -> Placement:
    """Place a model by a coordinate operation of the file.

    Parameters
    ----------
    conversion
        One of `ingest.ifc.georef_facts.read_facts`.
    facts
        All of them.
    crs
        Of the operator; replaces the one of the file.
    unit_m
        Project length unit [m].
    near
        Extent of the city, west, south, east, north [deg].

    Raises
    ------
    Rejected
        It did not pass a gate.
    """
    source = conversion["source"]
    east, north = _number(conversion.get("eastings")), _number(conversion.get("northings"))
    if east is None or north is None:
        raise Rejected(f"{source} has no eastings and northings")
    if conversion.get("is_angle"):
        return _by_angles(conversion, east, north, facts, near)
    notes = []
    if crs is None:
        reading = read_crs_name(conversion.get("crs"), conversion.get("wkt"))
        if reading is None:
            raise Rejected(f"{source} names the CRS {conversion.get('crs') or ''!r}, expected EPSG:<number> (--crs replaces it)")
        crs, understood = reading.crs, reading.note
        notes += [understood] if understood else []
    else:
        notes.append(f"CRS by the operator, the file says {conversion.get('crs') or ''!r}")
    fault = projected_fault(crs)
    if fault:
        raise Rejected(f"{source}: {fault}")
    centre = facts["centre"]
    is_far = centre is not None and math.hypot(centre[0], centre[1]) > FAR_M
    if east == 0 and north == 0:
        if not (is_far and inside_area_of_use(crs, centre[0], centre[1])):
            raise Rejected(f"{source} is all zero, which is no place")
        notes.insert(
            0, f"placed by its own coordinates in {crs}: {source} is all zero, the model lies at {centre[0]:.1f}, {centre[1]:.1f} m"
        )
        return Placement(crs, in_crs_unit(np.eye(4), crs), "coordinates", "medium", (*notes, *_vertical(conversion, crs)))
    matrix, found = _helmert(conversion, crs, east, north, unit_m, facts, source=source, is_far=is_far)
    notes = [*found[:1], *notes, *found[1:], *feet(crs)]
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
        raise Rejected(f"{source} has the factors {axes[0]:g}, {axes[1]:g}, {axes[2]:g}, expected combined factors near 1")
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
            raise Rejected(
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
    raise Rejected(
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
        raise Rejected(f"{source} names the CRS {conversion.get('crs') or ''!r}, expected EPSG:<number>")
    try:
        area = parse_crs(reading.crs).area_of_use
    except CrsError as error:
        raise Rejected(f"{source}: {error.message}") from error
    box = near or ((-180.0, -90.0, 180.0, 90.0) if area is None else area.bounds)
    orders = [("longitude, latitude", first, second), ("latitude, longitude", second, first)]
    fitting = [order for order in orders if abs(order[2]) <= 90 and _in_box((order[1], order[2]), box)]
    if len(fitting) != 1:
        raise Rejected(f"{source}: {first:g}, {second:g} is {'in both orders' if fitting else 'in no order'} a position in {reading.crs}")
    words, lon, lat = fitting[0]
    if first == 0 and second == 0:
        raise Rejected(f"{source} is all zero, which is no place")
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
    return [f"vertical datum of the file: {str(datum)[:80]}"] if datum else []
