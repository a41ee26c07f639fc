"""JSON-FG of pages: which CRS ``place`` is in, and whether buildings have solids there."""

from typing import Any

from cim.crs import STORE_SRID, parse_crs
from cim.db.feature_sql import FeatureQuery
from cim.exchange import jsonfg as writer
from ogc_api import crs, files
from ogc_api.parameters import ItemsRequest
from ogc_api.state import Current

CONFORMS_TO = writer.CONFORMS_TO


def head(query: FeatureQuery, current: Current) -> dict[str, Any]:
    """Return the members of a collection besides features and links."""
    return writer.head(files.job_of(query, current.catalogue.profile, None, STORE_SRID))


def features(rows: list[Any], query: FeatureQuery, parsed: ItemsRequest, current: Current) -> list[bytes]:
    """Return rows (EPSG:4490, lon/lat) as JSON-FG features.

    ``place`` is in the CRS the client asked for; solids are in it where it is projected, else in the city's projected CRS.
    """
    profile = current.catalogue.profile
    asked = parsed.query.crs
    place_all = parsed.crs_uri != crs.CRS84
    projected = not parse_crs(f"EPSG:{asked.srid}").is_geographic and asked.srid != crs.WEB_MERCATOR
    srid = asked.srid if projected else files.projected_srid(profile)
    vertical = files.vertical_number(profile)
    heights = f"http://www.opengis.net/def/crs/EPSG/0/{vertical}" if vertical else None
    if srid is None or (place_all and not projected):
        srid, heights = asked.srid, None
    job = files.job_of(query, profile, current.catalogue.published[query.collection.id].bbox, srid)
    turned = crs.axes_are_turned(srid)
    return list(writer.features(job, rows, turn_axes=turned, place_all=place_all, heights=heights))
