"""Heights of a model in the city's vertical datum."""

import re
from dataclasses import replace

import numpy as np

from cim.crs import CrsError, height_shift, parse_crs
from ingest.ifc.placement import Placement

_EPSG = re.compile(r"(?:EPSG|urn:ogc:def:crs:EPSG)\s*:{1,2}\s*(\d{4,6})", re.IGNORECASE)
_NAMES = {
    "1985国家高程基准": "EPSG:5737", "国家85高程": "EPSG:5737", "yellow sea 1985": "EPSG:5737", "1985 national height": "EPSG:5737",
    "1956黄海高程": "EPSG:5736", "黄海56": "EPSG:5736", "yellow sea 1956": "EPSG:5736",
}  # fmt: skip
_KNOWN_M = {("EPSG:5736", "EPSG:5737"): 72.2604 - 72.289, ("EPSG:5737", "EPSG:5736"): 72.289 - 72.2604}
"""Shifts that PROJ does not have [m]: the published heights of the national origin of levelling at Qingdao, 72.289 m and 72.2604 m."""


def read_datum(stated: str) -> str | None:
    """Return the vertical CRS that a file names, None where it is not understood.

    Examples
    --------
    >>> read_datum("EPSG:5737"), read_datum("1985国家高程基准"), read_datum("site datum")
    ('EPSG:5737', 'EPSG:5737', None)
    """
    found = _EPSG.search(stated)
    code = f"EPSG:{found[1]}" if found else next((code for name, code in _NAMES.items() if name in stated.lower()), None)
    if code is None:
        return None
    try:
        return code if parse_crs(code).is_vertical else None
    except CrsError:
        return None


def to_city_datum(placement: Placement, stated: str | None, city_datum: str) -> Placement:
    """Bring the heights of a placed model into the city's datum, or say that they were not.

    Parameters
    ----------
    placement
        Where the model stands, heights as the file has them [m].
    stated
        Vertical datum of the file; None leaves everything as it is.
    city_datum
        Vertical CRS of the city, e.g. EPSG:5737.
    """
    if not stated:
        return placement
    datum = read_datum(stated)
    if datum is None:
        return placement.with_evidence(f"vertical datum {stated[:60]!r} not understood, heights taken as they are")
    if datum == city_datum:
        return placement.with_evidence(f"heights in the city's vertical datum {city_datum}")
    shift = _KNOWN_M.get((datum, city_datum))
    if shift is None:
        shift = height_shift(datum, city_datum, float(placement.matrix[2, 3]))
    if shift is None:
        doubt = f"heights in {datum} not converted to the city's {city_datum}: no transformation without a missing grid; check them"
        return replace(placement, confidence="low" if placement.confidence == "low" else "medium").with_evidence(doubt)
    matrix = np.array(placement.matrix)
    matrix[2, 3] += shift
    return replace(placement, matrix=matrix).with_evidence(f"heights converted from {datum} to {city_datum}: {shift:+.4f} m")
