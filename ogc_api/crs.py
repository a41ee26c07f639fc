"""CRS of requests and answers: URIs, axis order as the authority says (OGC API - Features, part 2)."""

from functools import cache

from cim.crs import STORE_SRID, epsg_of, parse_crs, transform_box
from cim.db.features import WGS84_SRID, OutputCrs
from cim.db.published import Box
from cim.errors import UnsupportedCrsError
from cim.profile import CityProfile

CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
STORAGE_CRS = f"http://www.opengis.net/def/crs/EPSG/0/{STORE_SRID}"
_EPSG = "http://www.opengis.net/def/crs/EPSG/0/"
_WEB_MERCATOR = 3857


@cache
def axes_are_turned(srid: int) -> bool:
    """Return whether the authority puts latitude or northing first, by PROJ's copy of the EPSG registry."""
    return str(parse_crs(f"EPSG:{srid}").axis_info[0].direction) in {"north", "south"}


def offered(profile: CityProfile | None) -> dict[str, OutputCrs]:
    """Return the CRS every collection is offered in, by URI; the default first.

    Parameters
    ----------
    profile
        City profile; its projected CRS is offered where it has an EPSG code.
    """
    srids = [STORE_SRID, WGS84_SRID, _WEB_MERCATOR]
    projected = epsg_of(parse_crs(profile.projected_crs)) if profile else None
    if projected is not None and projected not in srids:
        srids.append(projected)
    made = {CRS84: OutputCrs()}
    for srid in srids:
        digits = 9 if parse_crs(f"EPSG:{srid}").is_geographic else 4
        made[f"{_EPSG}{srid}"] = OutputCrs(srid=srid, turn_axes=axes_are_turned(srid), digits=digits)
    return made


def choose(uri: str, choices: dict[str, OutputCrs], *, parameter: str) -> OutputCrs:
    """Return the CRS of a URI.

    Raises
    ------
    UnsupportedCrsError
        It is not offered; names those that are.
    """
    found = choices.get(uri)
    if found is None:
        raise UnsupportedCrsError(f"parameter {parameter}: found {uri[:200]!r}, expected one of {', '.join(choices)}")
    return found


def box_to_store(box: Box, crs: OutputCrs) -> Box:
    """Bring a box of a request into the store CRS.

    Parameters
    ----------
    box
        First axis low, second axis low, first axis high, second axis high in ``crs`` and its axis order.

    Returns
    -------
    tuple
        West, south, east, north [deg], EPSG:4490, covering the curved edges; west > east across the antimeridian.
    """
    if crs.turn_axes:
        box = (box[1], box[0], box[3], box[2])
    if crs.srid in {STORE_SRID, WGS84_SRID}:
        return box
    # WGS 84 for web mercator, the store CRS for the rest: no datum shift either way.
    geographic = f"EPSG:{WGS84_SRID if crs.srid == _WEB_MERCATOR else STORE_SRID}"
    return transform_box(f"EPSG:{crs.srid}", geographic, box)
