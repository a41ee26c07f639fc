"""What a model says about its place, read inside the child process. Nothing is decided here."""

from typing import Any

import ifcopenshell
import ifcopenshell.util.placement
import ifcopenshell.util.unit
import numpy as np

_SAMPLE = 200
_FAR_M = 50_000.0


def unit_metres(unit: Any) -> float:  # noqa: ANN401 - IFC unit
    """Return the length of a unit [m]."""
    return float(ifcopenshell.util.unit.convert_unit(1.0, unit, ifcopenshell.file().createIfcSIUnit(None, "LENGTHUNIT", None, "METRE")))


def read_facts(model: Any, psets: dict[int, dict[str, Any]], unit_m: float) -> dict[str, Any]:  # noqa: ANN401 - IFC file
    """Collect every statement about the place of a model.

    Parameters
    ----------
    model
        Open IFC file.
    psets
        Property sets by instance number.
    unit_m
        Project length unit [m].

    Returns
    -------
    dict
        ``conversions`` (in file order, IFC4 entities before property sets), ``wcs`` (4x4, metres, or None), ``true_north``
        (x, y, or None), ``centre`` (median place of the elements in the model's frame [m], or None), ``site``, ``address``.
    """
    conversions = [] if model.schema == "IFC2X3" else [_operation(item, unit_m) for item in model.by_type("IfcCoordinateOperation")]
    wcs, north = _context(model, unit_m)
    return {
        "conversions": [found for found in conversions if found] + _property_set_conversions(psets),
        "wcs": wcs,
        "true_north": north,
        "centre": _centre(model, unit_m),
        "site": _site(model, unit_m),
        "address": _address(model),
    }


def _operation(item: Any, unit_m: float) -> dict[str, Any] | None:  # noqa: ANN401 - IFC entity
    target = item.TargetCRS
    if target is None:
        return None
    unit = getattr(target, "MapUnit", None)
    texts = getattr(target, "WellKnownText", None) or ()
    known = {
        "source": item.is_a(),
        "crs_class": target.is_a(),
        "crs": target.Name,
        "wkt": texts[0].WellKnownText if texts else None,
        "vertical_datum": getattr(target, "VerticalDatum", None),
        "map_unit_m": unit_m if unit is None else unit_metres(unit),
        "map_unit_given": unit is not None,
    }
    if item.is_a("IfcMapConversion"):
        return known | {
            "eastings": item.Eastings,
            "northings": item.Northings,
            "height": item.OrthogonalHeight,
            "abscissa": item.XAxisAbscissa,
            "ordinate": item.XAxisOrdinate,
            "scale": item.Scale,
            "factors": [item.FactorX, item.FactorY, item.FactorZ] if item.is_a("IfcMapConversionScaled") else None,
        }
    if item.is_a("IfcRigidOperation"):
        first, second = item.FirstCoordinate, item.SecondCoordinate
        return known | {
            "eastings": first.wrappedValue,
            "northings": second.wrappedValue,
            "height": item.Height,
            "is_angle": first.is_a("IfcPlaneAngleMeasure"),
        }
    return None


def _property_set_conversions(psets: dict[int, dict[str, Any]]) -> list[dict[str, Any]]:
    # Meant for IfcProject; exporters put them on IfcSite or IfcBuilding too, and on two objects one half each.
    conversion: dict[str, Any] | None = None
    target: dict[str, Any] | None = None
    for sets in psets.values():
        for name, values in sets.items():
            if name.lower() == "epset_mapconversion":
                conversion = conversion or values
            elif name.lower() == "epset_projectedcrs":
                target = target or values
    if conversion is None:
        return []
    return [
        {
            "source": "ePSet_MapConversion",
            "crs_class": "ePSet_ProjectedCRS",
            "crs": (target or {}).get("Name"),
            "wkt": None,
            "vertical_datum": (target or {}).get("VerticalDatum"),
            "map_unit_m": None,
            "map_unit_given": False,
            "eastings": conversion.get("Eastings"),
            "northings": conversion.get("Northings"),
            "height": conversion.get("OrthogonalHeight"),
            "abscissa": conversion.get("XAxisAbscissa"),
            "ordinate": conversion.get("XAxisOrdinate"),
            "scale": conversion.get("Scale"),
        }
    ]


def _context(model: Any, unit_m: float) -> tuple[list[list[float]] | None, list[float] | None]:  # noqa: ANN401 - IFC file
    contexts = list(model.by_type("IfcGeometricRepresentationContext", include_subtypes=False))
    contexts.sort(key=lambda context: context.ContextType != "Model")
    for context in contexts:
        wcs = None
        if context.WorldCoordinateSystem is not None:
            matrix = np.array(ifcopenshell.util.placement.get_axis2placement(context.WorldCoordinateSystem), dtype=np.float64)
            matrix[:3, 3] *= unit_m
            if np.isfinite(matrix).all() and not np.allclose(matrix, np.eye(4), atol=1e-9):
                wcs = matrix.tolist()
        north = list(context.TrueNorth.DirectionRatios[:2]) if context.TrueNorth is not None else None
        return wcs, north
    return None, None


def _matrix(placement: Any) -> Any:  # noqa: ANN401 - IFC entity in, 4x4 array or None out
    try:
        matrix = np.array(ifcopenshell.util.placement.get_local_placement(placement), dtype=np.float64)
    except (RecursionError, AttributeError, TypeError, ValueError, RuntimeError):
        # A placement that refers to itself, or of a kind the library does not resolve, says nothing about the place.
        return None
    return matrix if np.isfinite(matrix).all() else None


def _far_point(model: Any, element: Any, unit_m: float) -> list[float] | None:  # noqa: ANN401 - IFC entities
    """Return the first point of a shape that lies further than 50 km from the shape's own origin [m]."""
    if element.Representation is None:
        return None
    for item in model.traverse(element.Representation, 9):
        if item.is_a("IfcCartesianPoint"):
            points = [item.Coordinates]
        elif item.is_a("IfcCartesianPointList3D"):
            points = item.CoordList[:1]
        else:
            continue
        for point in points:
            if len(point) == 3 and max(abs(point[0]), abs(point[1])) * unit_m > _FAR_M:
                return [value * unit_m for value in point]
    return None


def _centre(model: Any, unit_m: float) -> list[float] | None:  # noqa: ANN401 - IFC file
    elements = [item for item in model.by_type("IfcProduct") if item.Representation is not None and item.ObjectPlacement is not None]
    places = []
    for element in elements[:: max(1, len(elements) // _SAMPLE)]:
        matrix = _matrix(element.ObjectPlacement)
        if matrix is None:
            continue
        place = matrix[:3, 3] * unit_m
        far = _far_point(model, element, unit_m)
        places.append(place if far is None else place + matrix[:3, :3] @ np.array(far))
    if not places:
        return None
    return [float(value) for value in np.median(np.array(places), axis=0)]


def _site(model: Any, unit_m: float) -> dict[str, Any] | None:  # noqa: ANN401 - IFC file
    for site in model.by_type("IfcSite"):
        if site.RefLatitude and site.RefLongitude:
            matrix = None if site.ObjectPlacement is None else _matrix(site.ObjectPlacement)
            return {
                "latitude": list(site.RefLatitude),
                "longitude": list(site.RefLongitude),
                "elevation_m": None if site.RefElevation is None else site.RefElevation * unit_m,
                "origin": [0.0, 0.0, 0.0] if matrix is None else [float(value) * unit_m for value in matrix[:3, 3]],
            }
    return None


def _address(model: Any) -> str | None:  # noqa: ANN401 - IFC file
    for address in model.by_type("IfcPostalAddress"):
        parts = [*(address.AddressLines or ()), address.Town, address.Region, address.Country]
        text = ", ".join(part.strip() for part in parts if part and part.strip())
        if text:
            return text
    return None
