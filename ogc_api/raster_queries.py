"""Parameters of coverage, map and EDR requests: boxes, subsets, scales, fields, CRS, formats; every refusal names what is accepted."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from cim.crs import parse_crs, transform_box
from cim.db.feature_sql import WGS84_SRID, OutputCrs
from cim.db.published_rasters import PublishedRaster
from cim.errors import InvalidParameterError, LimitExceededError, UnsupportedCrsError
from cim.raster.pieces import Box, Frame
from ogc_api.coverage_json import fields
from ogc_api.crs import CRS84

MOST_CELLS = 16_777_216
"""Values of a GeoTIFF answer."""
MOST_VALUES = 1_000_000
"""Values of a CoverageJSON or GeoJSON answer."""
_SUBSET = re.compile(r"\s*([A-Za-z]+)\(([^():]+):([^():]+)\)\s*")
_AXES = {"lat": "y", "latitude": "y", "lon": "x", "long": "x", "longitude": "x", "x": "x", "e": "x", "easting": "x", "y": "y",
         "n": "y", "northing": "y"}  # fmt: skip
_GEOGRAPHIC = {"lat", "latitude", "lon", "long", "longitude"}
FORMATS = {
    "json": "coveragejson", "coveragejson": "coveragejson", "covjson": "coveragejson", "application/vnd.cov+json": "coveragejson",
    "application/prs.coverage+json": "coveragejson", "geotiff": "geotiff", "tif": "geotiff", "tiff": "geotiff", "image/tiff": "geotiff",
    "image/tiff; application=geotiff": "geotiff", "geojson": "geojson", "application/geo+json": "geojson",
}  # fmt: skip


@dataclass(frozen=True)
class ChosenCrs:
    """A CRS of a request.

    Parameters
    ----------
    uri
        As the client spells it.
    name
        What PROJ reads, easting or longitude first.
    turned
        The authority puts latitude or northing first.
    """

    uri: str
    name: str
    turned: bool


def storage_uri(raster: PublishedRaster) -> str | None:
    """Return the URI of the raster's own CRS, None where it is in no registry."""
    return f"http://www.opengis.net/def/crs/EPSG/0/{raster.crs.removeprefix('EPSG:')}" if raster.crs.startswith("EPSG:") else None


def offered(raster: PublishedRaster, choices: Mapping[str, OutputCrs]) -> list[str]:
    """Return the URIs of the CRS that requests about a raster may name, the default first."""
    own = storage_uri(raster)
    return [*choices, *([own] if own is not None and own not in choices else [])]


def choose_crs(sent: Mapping[str, str], parameter: str, raster: PublishedRaster, choices: Mapping[str, OutputCrs]) -> ChosenCrs | None:
    """Return the CRS a parameter names (URI, CURIE or EPSG:n), None where it is not sent.

    Raises
    ------
    UnsupportedCrsError
        It is not offered; names those that are.
    """
    text = sent.get(parameter)
    if text is None:
        return None
    plain = text.strip().removeprefix("[").removesuffix("]")
    if plain.upper() in {"CRS84", "OGC:CRS84"}:
        plain = CRS84
    elif re.fullmatch(r"EPSG:\d{4,6}", plain, re.IGNORECASE):
        plain = f"http://www.opengis.net/def/crs/EPSG/0/{plain[5:]}"
    if plain not in offered(raster, choices):
        raise UnsupportedCrsError(f"parameter {parameter}: found {text[:200]!r}, expected one of {', '.join(offered(raster, choices))}")
    if plain == CRS84:
        return ChosenCrs(plain, f"EPSG:{WGS84_SRID}", turned=False)
    name = f"EPSG:{plain.rpartition('/')[2]}"
    return ChosenCrs(plain, name, str(parse_crs(name).axis_info[0].direction) in {"north", "south"})


DEFAULT_CRS = ChosenCrs(CRS84, f"EPSG:{WGS84_SRID}", turned=False)


def numbers(name: str, text: str, n: int | tuple[int, ...]) -> list[float]:
    """Read numbers separated by commas.

    Raises
    ------
    InvalidParameterError
        Not so many, or not finite.
    """
    wanted = (n,) if isinstance(n, int) else n
    expected = f"{' or '.join(map(str, wanted))} finite numbers separated by commas"
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise InvalidParameterError(name, text[:80], expected) from error
    if len(found) not in wanted or not all(map(math.isfinite, found)):
        raise InvalidParameterError(name, text[:80], expected)
    return found


def read_box(sent: Mapping[str, str], crs: ChosenCrs) -> Box | None:
    """Return ``bbox``, easting or longitude first, in its CRS; None where it is not sent.

    Raises
    ------
    InvalidParameterError
        Not four numbers (or six, of which the heights are left out), or the first corner is not the lower one.
    """
    if "bbox" not in sent:
        return None
    found = numbers("bbox", sent["bbox"], (4, 6))
    a, b, c, d = found if len(found) == 4 else (found[0], found[1], found[3], found[4])
    west, south, east, north = (b, a, d, c) if crs.turned else (a, b, c, d)
    if west >= east or south >= north:
        raise InvalidParameterError("bbox", sent["bbox"][:80], f"the lower corner before the upper one, in the axis order of {crs.uri}")
    return west, south, east, north


def read_subset(sent: Mapping[str, str], frame: Frame, crs: ChosenCrs | None) -> Box | None:
    """Return ``subset`` as a box in the CRS of ``frame``: Lat and Lon in subset-crs (CRS84), E and N or x and y in the raster's own.

    Raises
    ------
    InvalidParameterError
        Not ``axis(low:high)``, or an axis that is not there.
    """
    text = sent.get("subset")
    if text is None:
        return None
    low, high, names = dict[str, float](), dict[str, float](), set[str]()
    for part in text.split(","):
        found = _SUBSET.fullmatch(part)
        axis = _AXES.get(found[1].lower()) if found else None
        expected = (
            "axis(low:high) of the axes Lat and Lon, or E and N (x and y) in the CRS of the raster, e.g. Lat(30.1:30.2),Lon(114.1:114.2)"
        )
        if found is None or axis is None or axis in low:
            raise InvalidParameterError("subset", text[:120], expected)
        try:
            low[axis], high[axis] = (
                -math.inf if found[2].strip() == "*" else float(found[2]),
                math.inf if found[3].strip() == "*" else float(found[3]),
            )
        except ValueError as error:
            raise InvalidParameterError("subset", text[:120], expected) from error
        if not low[axis] <= high[axis]:
            raise InvalidParameterError("subset", text[:120], "low before high")
        names.add(found[1].lower())
    if len({name in _GEOGRAPHIC for name in names}) == 2:
        raise InvalidParameterError("subset", text[:120], "axes of one CRS: Lat and Lon, or E and N")
    chosen = crs.name if crs else DEFAULT_CRS.name if names <= _GEOGRAPHIC else frame.crs
    west, south, east, north = frame.box if chosen == frame.crs else transform_box(frame.crs, chosen, frame.box)
    box = (max(low.get("x", west), west), max(low.get("y", south), south), min(high.get("x", east), east), min(high.get("y", north), north))
    if box[0] > box[2] or box[1] > box[3]:
        raise InvalidParameterError("subset", text[:120], f"a part of {west:.6f} to {east:.6f} and {south:.6f} to {north:.6f}")
    return box if chosen == frame.crs else transform_box(chosen, frame.crs, box)


def read_fields(sent: Mapping[str, str], name: str, raster: PublishedRaster) -> list[str]:
    """Return the chosen values of a raster, all where none is named.

    Raises
    ------
    InvalidParameterError
        One that is not there.
    """
    known = list(fields(raster))
    asked = sent[name].split(",") if name in sent else known
    unknown = [one for one in asked if one not in known]
    if unknown or len(set(asked)) != len(asked):
        raise InvalidParameterError(name, (unknown or asked)[0][:60], f"some of {', '.join(known)}")
    return asked


def read_scale(sent: Mapping[str, str], width: int, height: int) -> tuple[int, int] | None:
    """Return columns and rows of ``scale-factor`` (2 = every second cell), ``scale-size`` or ``width`` and ``height``.

    Raises
    ------
    InvalidParameterError
        Not a number above 0; more cells than there are by scale-factor.
    """
    if "scale-factor" in sent:
        (factor,) = numbers("scale-factor", sent["scale-factor"], 1)
        if not 1 <= factor <= max(width, height):
            raise InvalidParameterError("scale-factor", sent["scale-factor"][:40], f"1 to {max(width, height)}")
        return max(1, round(width / factor)), max(1, round(height / factor))
    text = sent.get("scale-size")
    if text is None:
        return None
    found = {}
    for part in text.split(","):
        matched = re.fullmatch(r"\s*([A-Za-z]+)\((\d{1,6})\)\s*", part)
        axis = _AXES.get(matched[1].lower()) if matched else None
        if matched is None or axis is None or axis in found or int(matched[2]) < 1:
            raise InvalidParameterError("scale-size", text[:80], "axis(cells) of the axes, e.g. Lon(400),Lat(300) or E(400),N(300)")
        found[axis] = int(matched[2])
    columns = found.get("x") or max(1, round(width * found["y"] / height))
    return columns, found.get("y") or max(1, round(height * columns / width))


def read_format(sent: Mapping[str, str], accept: str, allowed: tuple[str, ...]) -> str:
    """Return the format by ``f=``, else by the Accept header, else the first of ``allowed``.

    Raises
    ------
    InvalidParameterError
        Another ``f=``.
    """
    asked = sent.get("f")
    if asked is not None:
        chosen = FORMATS.get(asked.strip().lower())
        if chosen not in allowed:
            raise InvalidParameterError("f", asked[:60], f"one of {', '.join(allowed)}")
        return chosen
    for part in accept.split(","):
        chosen = FORMATS.get(part.partition(";q=")[0].strip().lower())
        if chosen in allowed:
            return chosen
    return allowed[0]


def check_size(n_values: int, chosen: str, *, hint: str) -> None:
    """Refuse an answer that is too large.

    Raises
    ------
    LimitExceededError
        Says how many values were asked for, and how many a format carries.
    """
    most = MOST_CELLS if chosen == "geotiff" else MOST_VALUES
    if n_values > most:
        raise LimitExceededError(f"answer: found {n_values} values, expected at most {most} as {chosen}", kind="body", hint=hint)
