"""CRS names as exporters write them → a CRS that PROJ knows. A name with two meanings is refused, never guessed."""

import re
from dataclasses import dataclass

from cim.crs import CrsError, epsg_of, gauss_kruger_epsg, parse_crs

_EPSG = re.compile(r"^\W*(?:urn:ogc:def:crs:)?EPSG\s*[:_/\s]\s*(?:[\d.]*:)?(\d{4,6})\b(?!\w)", re.IGNORECASE)
_BARE = re.compile(r"^\s*(\d{4,6})\s*$")
_WKT = re.compile(r"^\s*(?:PROJCS|PROJCRS|COMPD_CS|COMPOUNDCRS|GEOGCS|GEOGCRS|BOUNDCRS)\s*\[", re.IGNORECASE)
_AUTHORITY = re.compile(r"(?:AUTHORITY|ID)\s*\[\s*\"EPSG\"\s*,\s*\"?(\d{4,6})\"?\s*\]\s*\]\s*$", re.IGNORECASE)
_UTM = re.compile(
    r"(ETRS\s*89|ETRF\s*89|WGS\s*(?:19)?84|CGCS\s*2000)?[\s/_-]*UTM[\s/_-]*(?:zone)?[\s/_-]*(\d{1,2})\s*([NS])?\b", re.IGNORECASE
)
_GK_MERIDIAN = re.compile(r"(?:CM|中央子午线|中央经线)[\s_:=]*(\d{2,3})", re.IGNORECASE)
_CHINA = re.compile(r"CGCS\s*_?2000|2000\s*国家大地坐标系|国家\s*2000", re.IGNORECASE)
_UTM_BASE = {"ETRS89": (25800, 28, 38), "WGS84": (32600, 1, 60)}


@dataclass(frozen=True)
class CrsReading:
    """A CRS read from a name.

    Parameters
    ----------
    crs
        ``EPSG:<number>`` where there is one, else WKT.
    note
        How the name was understood; empty where it is a plain EPSG code.
    """

    crs: str
    note: str


def read_crs_name(name: str | None, wkt: str | None = None) -> CrsReading | None:
    """Read the name of a CRS.

    Parameters
    ----------
    name
        ``Name`` of IfcProjectedCRS or ePSet_ProjectedCRS: ``EPSG:4547``, ``urn:ogc:def:crs:EPSG::25832``, ``25832``,
        ``ETRS89/UTM32``, ``CGCS2000 / 3-degree Gauss-Kruger CM 114E``, ``CGCS2000_3_Degree_GK_CM_114E``, WKT.
    wkt
        IfcWellKnownText of the CRS (IFC4X3).

    Returns
    -------
    CrsReading or None
        None where the name says no CRS for certain.

    Notes
    -----
    The name of IfcCoordinateReferenceSystem is to be an EPSG code (IFC 4.3.2, 8.18.3.4; rule GRF002 of the buildingSMART
    validation service); exporters write other things.
    """
    text = (name or "").strip()
    match = _EPSG.match(text) or _BARE.match(text)
    if match:
        return _known(f"EPSG:{match.group(1)}", "")
    for candidate, where in ((wkt, "IfcWellKnownText"), (text, "the CRS name")):
        if candidate and _WKT.match(candidate):
            return _known(candidate, f"{where} holds WKT")
    if not text or re.match(r"^\W*EPSG\b", text, re.IGNORECASE):
        return None
    understood = _utm(text) or _gauss_kruger(text)
    if understood:
        return _known(understood, f"the CRS name {text!r} means {understood}")
    # PROJ knows many CRS by their registered name; a short word (NC83, Local) matches things of other software by accident.
    return _known(text, f"the CRS name {text!r} is known to PROJ") if "/" in text and len(text) > 8 else None


def _known(crs: str, note: str) -> CrsReading | None:
    try:
        parsed = parse_crs(crs)
    except CrsError:
        # An EPSG number that PROJ has not: the number is kept for the message of the caller.
        return CrsReading(crs, note) if crs.startswith("EPSG:") else None
    if crs.startswith("EPSG:"):
        return CrsReading(crs, note)
    stated = _AUTHORITY.search(crs)
    number = int(stated.group(1)) if stated else epsg_of(parsed)
    return CrsReading(crs if number is None else f"EPSG:{number}", note)


def _utm(text: str) -> str | None:
    match = _UTM.search(text)
    if match is None or match.group(1) is None:
        return None
    datum = re.sub(r"\s", "", match.group(1).upper()).replace("ETRF89", "ETRS89").replace("WGS1984", "WGS84")
    zone, south = int(match.group(2)), (match.group(3) or "").upper() == "S"
    if datum not in _UTM_BASE:
        return None
    base, first, last = _UTM_BASE[datum]
    if not first <= zone <= last or (south and datum == "ETRS89"):
        return None
    if datum == "WGS84" and match.group(3) is None:
        return None
    return f"EPSG:{base + zone + (100 if south else 0)}"


def _gauss_kruger(text: str) -> str | None:
    meridian = _GK_MERIDIAN.search(text)
    if _CHINA.search(text) is None or meridian is None:
        return None
    degrees = int(meridian.group(1))
    # A six-degree zone shares its meridian with a three-degree zone and has the same numbers; the width only limits its use.
    return f"EPSG:{gauss_kruger_epsg(degrees)}" if 75 <= degrees <= 135 and degrees % 3 == 0 else None
