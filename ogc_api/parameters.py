"""Query parameters of items requests: text of a client in, checked `FeatureQuery` out. Unknown parameters are refused."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from typing import Any, cast, get_args

from starlette.datastructures import QueryParams

from cim.clock import utc_now
from cim.cql2.parse import parse_filter
from cim.db.catalog import Attribute, Collection, collections
from cim.db.cql2_sql import compile_filter, field_types
from cim.db.feature_sql import Condition, FeatureQuery, OutputCrs, SortKey
from cim.db.features import CountMode
from cim.db.published import Box
from cim.errors import InvalidParameterError
from cim.settings import ServerSettings
from ogc_api import crs
from ogc_api.cursor import Signer

SELECTION = ("bbox", "bbox-crs", "crs", "datetime", "q", "filter", "filter-lang", "filter-crs", "properties", "sortby", "skipGeometry")
"""Parameters that choose features and what is written of them."""

PAGE = ("f", "lang", "limit", "offset", "cursor", "count", *SELECTION)
"""Parameters of an items request besides the queryables."""

ITEM = ("f", "lang", "crs", "datetime")
"""Parameters of a single feature's request."""

_TRUE, _FALSE = {"true", "1", "yes"}, {"false", "0", "no"}
_BIGINT = 2**63
_SEARCH_LENGTH, _SEARCH_WORDS = 200, 8


@dataclass(frozen=True)
class ItemsRequest:
    """A checked items request.

    Parameters
    ----------
    query
        What to read.
    crs_uri
        CRS of the answer, for ``Content-Crs``.
    count
        Whether and how to count what matches.
    """

    query: FeatureQuery
    crs_uri: str
    count: CountMode = "auto"


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


def parse_items(
    sent: QueryParams, collection: Collection, choices: dict[str, OutputCrs], limits: ServerSettings, cursors: Signer
) -> ItemsRequest:
    """Check the parameters of an items request.

    Parameters
    ----------
    choices
        Offered CRS by URI.
    limits
        Default and largest page.
    cursors
        Reads the cursors of next links.

    Raises
    ------
    InvalidParameterError
        A parameter is unknown or its value is not allowed.
    UnsupportedCrsError
        ``crs``, ``bbox-crs`` or ``filter-crs`` is not offered.
    """
    _refuse_unknown(sent, PAGE, collection)
    query, crs_uri = _selection(sent, collection, choices, PAGE)
    if "cursor" in sent and "offset" in sent:
        raise InvalidParameterError("offset", sent["offset"][:80], "either offset or cursor")
    count = sent.get("count", "auto")
    if count not in get_args(CountMode):
        raise InvalidParameterError("count", count[:80], f"one of {', '.join(get_args(CountMode))}")
    query = replace(
        query,
        limit=min(_integer("limit", sent.get("limit", str(limits.page_limit_default)), least=1), limits.page_limit_max),
        offset=_integer("offset", sent["offset"], least=0) if "offset" in sent else 0,
        after=cursors.decode(sent["cursor"], collection.id, query.sort) if "cursor" in sent else None,
    )
    return ItemsRequest(query, crs_uri, cast("CountMode", count))


def parse_selection(sent: QueryParams, collection: Collection, choices: dict[str, OutputCrs], more: tuple[str, ...] = ()) -> ItemsRequest:
    """Check the parameters of a request for everything that matches: as `parse_items`, without pages.

    Parameters
    ----------
    more
        Further parameters, which the caller reads.
    """
    known = (*SELECTION, *more)
    _refuse_unknown(sent, known, collection)
    return ItemsRequest(*_selection(sent, collection, choices, known))


def _refuse_unknown(sent: QueryParams, known: tuple[str, ...], collection: Collection) -> None:
    filterable = _filterable(collection)
    if len(sent) != len(sent.multi_items()) or not all(name in known or name in filterable for name in sent):
        refuse_unknown(sent, [*known, *(name for name in filterable if name not in known)])


def _filterable(collection: Collection) -> dict[str, Attribute]:
    return _queryables(collection.id)


@cache
def _queryables(collection_id: str) -> dict[str, Attribute]:
    return {one.name: one for one in collections()[collection_id].queryables}


def _selection(
    sent: QueryParams, collection: Collection, choices: dict[str, OutputCrs], known: tuple[str, ...]
) -> tuple[FeatureQuery, str]:
    filterable = _filterable(collection)
    crs_uri = sent.get("crs", crs.CRS84)
    # Checked even where there is no box: a CRS that is not offered is a mistake whatever else was sent.
    bbox_crs = crs.choose(sent.get("bbox-crs", crs.CRS84), choices, parameter="bbox-crs")
    boxes, heights = parse_bbox(sent["bbox"], bbox_crs) if "bbox" in sent else ((), None)
    query = FeatureQuery(
        collection=collection,
        limit=1,
        boxes=boxes,
        heights=heights,
        filters=tuple((filterable[name], parse_value(value, filterable[name])) for name, value in sent.items() if name not in known),
        where=_where(sent, collection, choices) if "filter" in sent else None,
        search=_words(sent["q"]) if "q" in sent else (),
        moment=past(sent["datetime"], collection) if "datetime" in sent else None,
        properties=_properties(sent["properties"], collection) if "properties" in sent else None,
        sort=parse_sortby(sent["sortby"], collection) if "sortby" in sent else (),
        skip_geometry=_boolean("skipGeometry", sent.get("skipGeometry", "false")),
        crs=crs.choose(crs_uri, choices, parameter="crs"),
    )
    for name in ("filter-lang", "filter-crs"):
        if name in sent and "filter" not in sent:
            _filter_options(sent, choices)
    return query, crs_uri


def past(text: str, collection: Collection) -> datetime | None:
    """Read ``datetime`` and return the moment whose state is meant, None for the present one.

    An instant means the state of then; an interval the last state in it. A collection without history has one state only.
    """
    end = parse_datetime(text)
    return end if end is not None and collection.is_versioned and end < utc_now() else None


def _filter_options(sent: QueryParams, choices: dict[str, OutputCrs]) -> tuple[str, OutputCrs]:
    language = sent.get("filter-lang", "cql2-text")
    if language not in {"cql2-text", "cql2-json"}:
        raise InvalidParameterError("filter-lang", language[:80], "cql2-text or cql2-json")
    return language, crs.choose(sent.get("filter-crs", crs.CRS84), choices, parameter="filter-crs")


def _where(sent: QueryParams, collection: Collection, choices: dict[str, OutputCrs]) -> Condition:
    language, chosen = _filter_options(sent, choices)
    return _compiled(sent["filter"], language, collection.id, chosen)


@lru_cache(maxsize=512)
def _compiled(text: str, language: str, collection_id: str, filter_crs: OutputCrs) -> Condition:
    collection = collections()[collection_id]
    node = parse_filter(text, language, field_types(collection), lambda shape: crs.geometry_to_store(shape, filter_crs))
    return compile_filter(node, collection)


def _words(text: str) -> tuple[str, ...]:
    if "\x00" in text or len(text) > _SEARCH_LENGTH:
        raise InvalidParameterError("q", text[:80], f"words, at most {_SEARCH_LENGTH} characters")
    # Commas separate alternatives in other servers; here every word must occur.
    words = tuple(dict.fromkeys(text.replace(",", " ").split()))
    if not words or len(words) > _SEARCH_WORDS:
        raise InvalidParameterError("q", text[:80], f"1 to {_SEARCH_WORDS} words")
    return words


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


def parse_interval(text: str) -> tuple[datetime | None, datetime | None]:
    """Read ``datetime`` and return its start and end, None where open; a day is an interval. Errors as `parse_datetime`."""
    end = parse_datetime(text)
    return _instant(text.partition("/")[0], text, last=False), end


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
