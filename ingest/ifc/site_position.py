"""Latitude and longitude of IfcSite: weak evidence, often a tool's default."""

import math
from typing import Any

import numpy as np
import pyproj

from cim.crs import gauss_kruger_epsg, parse_crs, transform_xy
from ingest.ifc.placement import Placement, matrix_of

# Positions that tools write when nobody set one, read from files they exported [deg].
TOOL_DEFAULTS = {
    "Boston (Revit)": (42.3585, -71.0580), "Boston (Revit, older)": (42.2130, -71.0330), "Beijing (Revit)": (39.9160, 116.4330),
    "London (Revit)": (51.5002, -0.1262), "London (Revit 2017)": (51.5064, -0.1272), "Madrid (Revit)": (40.4203, -3.7058),
    "Abu Dhabi (SketchUp)": (24.4667, 54.4167), "Amersfoort (ArchiCAD)": (52.15, 5.3833), "San Francisco (BricsCAD)": (37.795, 122.394),
    "zero": (0.0, 0.0),
}  # fmt: skip
_DEFAULT_RADIUS_DEG = 0.01
_CHINA = (73.5, 3.5, 136.5, 54.0)


def degrees(parts: list[int]) -> float:
    """Return decimal degrees of an IfcCompoundPlaneAngleMeasure: degrees, minutes, seconds, millionths, each with the sign."""
    weights = (1.0, 60.0, 3600.0, 3600.0 * 1_000_000)
    return sum(part / weight for part, weight in zip(parts, weights, strict=False))


def default_of_a_tool(lat: float, lon: float) -> str | None:
    """Return the name of the default position that a latitude and longitude [deg] is, None where it is none."""
    for name, (default_lat, default_lon) in TOOL_DEFAULTS.items():
        if abs(lat - default_lat) < _DEFAULT_RADIUS_DEG and abs(lon - default_lon) < _DEFAULT_RADIUS_DEG:
            return name
    return None


def metric_crs_at(lon: float, lat: float) -> tuple[str, float, float, float, float]:
    """Return a metric CRS at a position, and how its grid lies there.

    Parameters
    ----------
    lon, lat
        EPSG:4490 [deg].

    Returns
    -------
    tuple
        ``EPSG:<n>`` (CGCS2000 three-degree zone, or UTM outside China), easting, northing [m], convergence (clockwise from
        true north to grid north) [deg], point scale factor.
    """
    if _CHINA[0] <= lon <= _CHINA[2] and _CHINA[1] <= lat <= _CHINA[3]:
        crs = f"EPSG:{gauss_kruger_epsg(min(135, max(75, round(lon / 3) * 3)))}"
    else:
        crs = f"EPSG:{(32600 if lat >= 0 else 32700) + min(60, int((lon + 180) // 6) + 1)}"
    east, north = transform_xy("EPSG:4490", crs, np.array([lon]), np.array([lat]))
    factors = pyproj.Proj(parse_crs(crs)).get_factors(lon, lat)
    return crs, float(east[0]), float(north[0]), float(factors.meridian_convergence), float(factors.meridional_scale)


def place_by_site(facts: dict[str, Any]) -> tuple[Placement | None, str]:
    """Place a model by its site.

    Parameters
    ----------
    facts
        Result of `ingest.ifc.georef_facts.read_facts`.

    Returns
    -------
    tuple
        The placement, or None with the reason in words.
    """
    site = facts.get("site")
    if not site:
        return None, "IfcSite has no latitude and longitude"
    lat, lon = degrees(site["latitude"]), degrees(site["longitude"])
    default = default_of_a_tool(lat, lon)
    if default:
        return None, f"IfcSite says {lat:.4f}, {lon:.4f}, the default of a tool: {default}"
    if not (abs(lat) <= 84 and abs(lon) <= 180):
        return None, f"IfcSite says {lat:.4f}, {lon:.4f}, which is no usable position"
    crs, east, north, convergence, scale = metric_crs_at(lon, lat)
    x, y = facts["true_north"] or (0.0, 1.0)
    # TrueNorth points north in the model's frame; on the grid, true north lies `convergence` to the left of grid north.
    rotation = 90.0 - math.degrees(math.atan2(y, x)) + convergence
    matrix = matrix_of(east, north, site["elevation_m"] or 0.0, rotation, (scale, scale, 1.0))
    shift = np.eye(4)
    shift[:3, 3] = [-value for value in site["origin"]]
    evidence = (
        f"placed by latitude and longitude of IfcSite, {lat:.6f}, {lon:.6f}, in {crs}",
        f"true north {'of the file' if facts['true_north'] else 'taken as the y axis'}",
        f"convergence {convergence:.4f} deg, scale {scale:.8f}",
        "low confidence: no coordinate operation in the file",
    )
    return Placement(crs, matrix @ shift, "IfcSite", "low", evidence), ""


def site_words(site: dict[str, Any] | None, place: Placement, centre: list[float] | None) -> str:
    """Say how the site's position compares with a place found otherwise; empty where it says nothing."""
    if not site:
        return ""
    lat, lon = degrees(site["latitude"]), degrees(site["longitude"])
    default = default_of_a_tool(lat, lon)
    if default:
        return f"IfcSite {lat:.4f}, {lon:.4f} ignored, the default of a tool: {default}"
    there = place.lon_lat(np.array(centre or [0.0, 0.0, 0.0]))
    if not all(math.isfinite(value) for value in there):
        return ""
    _, _, distance = pyproj.Geod(ellps="GRS80").inv(lon, lat, *there)
    if distance < 1_000:
        return f"IfcSite agrees ({distance:.0f} m away)"
    return f"IfcSite {lat:.4f}, {lon:.4f} is {distance / 1000:.0f} km away and not used"
