"""CRS of requests and answers: URIs, axis order as the authority says (OGC API - Features, part 2)."""

from functools import cache
from typing import Any

import numpy as np
import shapely

from cim.crs import STORE_SRID, epsg_of, parse_crs, transform_box, transform_xy
from cim.db.feature_sql import WGS84_SRID, OutputCrs
from cim.db.published import Box
from cim.errors import UnsupportedCrsError
from cim.profile import CityProfile

CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
STORAGE_CRS = f"http://www.opengis.net/def/crs/EPSG/0/{STORE_SRID}"
_EPSG = "http://www.opengis.net/def/crs/EPSG/0/"
WEB_MERCATOR = 3857


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
    srids = [STORE_SRID, WGS84_SRID, WEB_MERCATOR]
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


def uri_of(chosen: OutputCrs, choices: dict[str, OutputCrs]) -> str:
    """Return the URI of an offered CRS."""
    return next(uri for uri, one in choices.items() if one == chosen)


def utm_srid(bbox: Box | None) -> int:
    """Return the EPSG code of the UTM zone (WGS 84) around a box, for cities without a projected CRS of their own."""
    longitude, latitude = ((bbox[0] + bbox[2]) / 2, (bbox[1] + bbox[3]) / 2) if bbox else (114.0, 30.0)
    zone = min(max(int((longitude + 180) // 6) + 1, 1), 60)
    return (32_600 if latitude >= 0 else 32_700) + zone


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
    geographic = f"EPSG:{WGS84_SRID if crs.srid == WEB_MERCATOR else STORE_SRID}"
    return transform_box(f"EPSG:{crs.srid}", geographic, box)


def geometry_to_store(shape: Any, crs: OutputCrs) -> Any:  # noqa: ANN401 - shapely geometry
    """Bring a geometry of a request into the store CRS, lon/lat [deg]; a third coordinate stays as it is.

    Parameters
    ----------
    shape
        In ``crs`` and its axis order.
    """
    if crs.turn_axes:
        shape = shapely.transform(shape, lambda places: np.column_stack([places[:, 1], places[:, 0], places[:, 2:]]), include_z=shape.has_z)
    if crs.srid in {STORE_SRID, WGS84_SRID}:
        return shape
    geographic = f"EPSG:{WGS84_SRID if crs.srid == WEB_MERCATOR else STORE_SRID}"

    def move(places: Any) -> Any:  # noqa: ANN401 - float array
        return np.column_stack([*transform_xy(f"EPSG:{crs.srid}", geographic, places[:, 0], places[:, 1]), places[:, 2:]])

    return shapely.transform(shape, move, include_z=shape.has_z)
