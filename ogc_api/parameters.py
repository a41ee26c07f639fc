"""Query parameters of items requests: text of a client in, checked `FeatureQuery` out. Unknown parameters are refused."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from starlette.datastructures import QueryParams

from cim.db.catalog import Attribute, Collection
from cim.db.features import FeatureQuery, OutputCrs, SortKey
from cim.db.published import Box
from cim.errors import InvalidParameterError
from cim.settings import ServerSettings
from ogc_api import crs, cursor

PAGE = ("f", "lang", "limit", "offset", "cursor", "bbox", "bbox-crs", "crs", "datetime", "properties", "sortby", "skipGeometry")
"""Parameters of an items request besides the queryables."""

ITEM = ("f", "lang", "crs")
"""Parameters of a single feature's request."""

_TRUE, _FALSE = {"true", "1", "yes"}, {"false", "0", "no"}
_BIGINT = 2**63


@dataclass(frozen=True)
class ItemsRequest:
    """A checked items request.

    Parameters
    ----------
    query
        What to read.
    crs_uri
        CRS of the answer, for ``Content-Crs``.
    """

    query: FeatureQuery
    crs_uri: str


def refuse_unknown(sent: QueryParams, allowed: Iterable[str]) -> None:
    """Refuse parameters the API does not define (part 1, requirement query-param-unknown) and repeated ones.

    Raises
    ------
    InvalidParameterError
        Names the parameter and all allowed ones.
    """
    known = list(allowed)
    seen: set[str] = set()
    for name, value in sent.multi_items():
        if name not in known:
            raise InvalidParameterError(name[:80], value[:80], f"one of the parameters {', '.join(known)}")
        if name in seen:
            raise InvalidParameterError(name, value[:80], "each parameter once")
        seen.add(name)


def parse_items(sent: QueryParams, collection: Collection, choices: dict[str, OutputCrs], limits: ServerSettings) -> ItemsRequest:
    """Check the parameters of an items request.

    Parameters
    ----------
    choices
        Offered CRS by URI.
    limits
        Default and largest page.

    Raises
    ------
    InvalidParameterError
        A parameter is unknown or its value is not allowed.
    UnsupportedCrsError
        ``crs`` or ``bbox-crs`` is not offered.
    """
    filterable = {one.name: one for one in collection.queryables}
    refuse_unknown(sent, [*PAGE, *(name for name in filterable if name not in PAGE)])
    crs_uri = sent.get("crs", crs.CRS84)
    boxes, heights = (
        parse_bbox(sent["bbox"], crs.choose(sent.get("bbox-crs", crs.CRS84), choices, parameter="bbox-crs"))
        if ("bbox" in sent)
        else ((), None)
    )
    sort = parse_sortby(sent["sortby"], collection) if "sortby" in sent else ()
    if "cursor" in sent and "offset" in sent:
        raise InvalidParameterError("offset", sent["offset"][:80], "either offset or cursor")
    query = FeatureQuery(
        collection=collection,
        limit=min(_integer("limit", sent.get("limit", str(limits.page_limit_default)), least=1), limits.page_limit_max),
        offset=_integer("offset", sent.get("offset", "0"), least=0),
        after=cursor.decode(sent["cursor"], collection.id, sort) if "cursor" in sent else None,
        boxes=boxes,
        heights=heights,
        filters=tuple((filterable[name], parse_value(value, filterable[name])) for name, value in sent.items() if name not in PAGE),
        valid_by=parse_datetime(sent["datetime"]) if "datetime" in sent else None,
        properties=_properties(sent["properties"], collection) if "properties" in sent else None,
        sort=sort,
        skip_geometry=_boolean("skipGeometry", sent.get("skipGeometry", "false")),
        crs=crs.choose(crs_uri, choices, parameter="crs"),
    )
    return ItemsRequest(query, crs_uri)


def parse_bbox(text: str, bbox_crs: OutputCrs) -> tuple[tuple[Box, ...], tuple[float, float] | None]:
    """Read ``bbox`` of 4 or 6 numbers.

    Returns
    -------
    tuple
        One box, or two where it crosses the antimeridian (west, south, east, north [deg], EPSG:4490); and lowest and highest
        elevation [m], None without.

    Raises
    ------
    InvalidParameterError
        Another number of values, not finite, or low above high.
    """
    expected = "4 or 6 finite numbers, low before high, e.g. 114.3,30.5,114.4,30.6"
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise InvalidParameterError("bbox", text[:80], expected) from error
    if len(numbers) not in {4, 6} or not all(math.isfinite(number) for number in numbers):
        raise InvalidParameterError("bbox", text[:80], expected)
    heights = None
    if len(numbers) == 6:
        heights = (numbers[2], numbers[5])
        numbers = [numbers[0], numbers[1], numbers[3], numbers[4]]
        if heights[0] > heights[1]:
            raise InvalidParameterError("bbox", text[:80], "lowest before highest elevation")
    west, south, east, north = crs.box_to_store((numbers[0], numbers[1], numbers[2], numbers[3]), bbox_crs)
    if not all(math.isfinite(number) for number in (west, south, east, north)):
        raise InvalidParameterError("bbox", text[:80], "a box inside the area of use of bbox-crs")
    if south > north or not (-90 <= south <= 90 and -90 <= north <= 90 and -180 <= west <= 180 and -180 <= east <= 180):
        raise InvalidParameterError(
            "bbox", text[:80], "longitudes -180 to 180, latitudes -90 to 90, south before north, axis order of bbox-crs"
        )
    if west > east:
        return ((west, south, 180.0, north), (-180.0, south, east, north)), heights
    return ((west, south, east, north),), heights


def parse_datetime(text: str) -> datetime | None:
    """Read ``datetime`` (RFC 3339 instant, date, or interval with ``..``) and return its end.

    Returns
    -------
    datetime or None
        End of the interval or the instant itself; None for an open end. Current rows are true from ``valid_from`` on without an
        end, so only the end of an interval decides.

    Raises
    ------
    InvalidParameterError
        Neither an instant nor an interval, or its start comes after its end.
    """
    parts = text.split("/")
    if len(parts) > 2 or (len(parts) == 1 and parts[0] in {"", ".."}):
        raise InvalidParameterError("datetime", text[:80], "an RFC 3339 instant or interval, e.g. 2024-01-01T00:00:00Z/..")
    start = _instant(parts[0], text, last=len(parts) == 1)
    if len(parts) == 1:
        return start
    end = _instant(parts[1], text, last=True)
    if start is not None and end is not None and start > end:
        raise InvalidParameterError("datetime", text[:80], "a start before the end")
    return end


def parse_value(text: str, attribute: Attribute) -> Any:  # noqa: ANN401 - the type is that of the attribute
    """Read the value of a property filter in the attribute's type.

    Raises
    ------
    InvalidParameterError
        Not of that type, or not one of the values of an enumeration.
    """
    if attribute.type == "integer":
        return _integer(attribute.name, text, least=-_BIGINT)
    if attribute.type == "number":
        try:
            number = float(text)
        except ValueError as error:
            raise InvalidParameterError(attribute.name, text[:80], "a number") from error
        if not math.isfinite(number):
            raise InvalidParameterError(attribute.name, text[:80], "a finite number")
        return number
    if attribute.type == "boolean":
        return _boolean(attribute.name, text)
    if attribute.type == "date-time":
        return _instant(text, text, last=False, parameter=attribute.name)
    if attribute.type == "date":
        try:
            return date.fromisoformat(text)
        except ValueError as error:
            raise InvalidParameterError(attribute.name, text[:80], "a date such as 2026-05-01") from error
    if attribute.values and text not in attribute.values:
        raise InvalidParameterError(attribute.name, text[:80], f"one of {', '.join(attribute.values)}")
    if "\x00" in text:
        raise InvalidParameterError(attribute.name, text[:80], "text without NUL characters")
    return text


def parse_sortby(text: str, collection: Collection) -> tuple[SortKey, ...]:
    """Read ``sortby``: property names separated by commas, ``-`` in front for descending.

    Raises
    ------
    InvalidParameterError
        A property is not sortable or named twice.
    """
    names = {one.name: one for one in collection.queryables}
    keys: list[SortKey] = []
    for part in text.split(","):
        # A plus sign in a query string arrives as a space.
        name = part.removeprefix("-").removeprefix("+").strip()
        attribute = names.get(name)
        if attribute is None or any(one is attribute for one, _ in keys):
            raise InvalidParameterError("sortby", text[:80], f"each at most once, of {', '.join(names)}")
        keys.append((attribute, part.startswith("-")))
    return tuple(keys)


def _properties(text: str, collection: Collection) -> tuple[Attribute, ...]:
    wanted = {part.strip() for part in text.split(",")} - {""}
    names = [one.name for one in collection.attributes]
    unknown = sorted(wanted - set(names))
    if unknown:
        raise InvalidParameterError("properties", unknown[0][:80], f"some of {', '.join(names)}")
    return tuple(one for one in collection.attributes if one.name in wanted)


def _integer(name: str, text: str, *, least: int) -> int:
    expected = f"a whole number, {least} or more" if least > -_BIGINT else "a whole number"
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 19):
        raise InvalidParameterError(name, text[:80], expected)
    number = int(text)
    if not least <= number < _BIGINT:
        raise InvalidParameterError(name, text[:80], expected)
    return number


def _boolean(name: str, text: str) -> bool:
    if text.lower() not in _TRUE | _FALSE:
        raise InvalidParameterError(name, text[:80], "true or false")
    return text.lower() in _TRUE


def _instant(part: str, whole: str, *, last: bool, parameter: str = "datetime") -> datetime | None:
    if part in {"", ".."}:
        return None
    try:
        if len(part) == len("2024-01-01"):
            day = date.fromisoformat(part)
            start = datetime.combine(day, time(), tzinfo=UTC)
            return start + timedelta(days=1) - timedelta(microseconds=1) if last else start
        instant = datetime.fromisoformat(part.replace(" ", "+"))
    except (ValueError, OverflowError) as error:
        raise InvalidParameterError(parameter, whole[:80], "RFC 3339, e.g. 2024-01-01T00:00:00Z") from error
    if instant.tzinfo is None:
        raise InvalidParameterError(parameter, whole[:80], "RFC 3339 with a time zone, e.g. 2024-01-01T00:00:00Z")
    return instant
