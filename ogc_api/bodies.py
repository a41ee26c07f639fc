"""Bodies of writes: JSON of a client in, checked attributes and geometry out, every fault with its place."""

from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any

import orjson
import shapely
from jsonschema import Draft202012Validator

from cim.db.catalog import Attribute, Collection, collections
from cim.db.feature_edits import writable
from cim.db.feature_sql import OutputCrs
from cim.errors import InvalidBodyError, MediaTypeError, MethodError
from ogc_api import crs

_WHOLE = ("application/geo+json", "application/json", "application/fg+json")
_PATCH = ("application/merge-patch+json", *_WHOLE)
_KEPT_WHERE_MISSING = ("status",)


class _Absent:
    """No geometry member was sent."""


ABSENT = _Absent()


@dataclass(frozen=True)
class Sent:
    """What a client sent.

    Parameters
    ----------
    id
        Member ``id``, None without.
    values
        Writable attributes in the store's types.
    others
        Members of ``properties`` that cannot be written.
    geometry
        GeoJSON geometry, or `ABSENT`.
    """

    id: str | None
    values: dict[str, Any]
    others: dict[str, Any]
    geometry: Any


def wrong(place: str, found: object, expected: str) -> InvalidBodyError:
    """Return the error of a fault in a body."""
    return InvalidBodyError(f"body, {place}: found {str(found)[:120]!r}, expected {expected}")


def not_editable(collection_id: str) -> MethodError:
    """Return the error of a write to a collection that has none."""
    return MethodError(f"collection {collection_id}: its features cannot be edited, they come from surveys and models")


def read_feature(body: bytes, content_type: str, collection: Collection, *, whole: bool, creating: bool = False) -> Sent:
    """Check a GeoJSON feature, or a part of one (JSON merge patch, RFC 7396).

    Parameters
    ----------
    whole
        The body is the whole feature: attributes that are missing have no value.
    creating
        It is a new one.

    Raises
    ------
    MediaTypeError
        Another Content-Type.
    InvalidBodyError
        Not JSON, not a feature, an attribute that is unknown or has a wrong value; names the place.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    accepted = _WHOLE if whole else _PATCH
    if media_type not in accepted:
        raise MediaTypeError(f"Content-Type {content_type[:80]!r}: expected one of {', '.join(accepted)}")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise wrong("whole", body[:60].decode(errors="replace"), f"JSON in UTF-8 ({error})") from error
    if (fault := next(iter(_validator(collection.id, whole=whole, creating=creating).iter_errors(document)), None)) is not None:
        place = ".".join(map(str, fault.absolute_path)) or "whole"
        raise InvalidBodyError(f"body, {place}: {fault.message[:300]}; expected what /collections/{collection.id}/schema says")
    properties = document.get("properties") or {}
    names = {one.name: one for one in writable(collection, creating=creating)}
    values = {name: _value(properties[name], one) for name, one in names.items() if name in properties}
    if whole:
        values |= {name: None for name in names if name not in properties and name not in _KEPT_WHERE_MISSING}
    others = {name: value for name, value in properties.items() if name not in names}
    given = document.get("id")
    return Sent(None if given is None else str(given), values, others, document.get("geometry", ABSENT))


def refuse_read_only(sent: Sent, collection: Collection, stored: dict[str, Any]) -> None:
    """Refuse attributes that the store keeps itself, unless they have the stored value: a feature that was read can be sent back.

    Raises
    ------
    InvalidBodyError
        One has another value.
    """
    for name, value in sent.others.items():
        one = collection.attribute(name)
        if one is None or value is None or one.type == "object":
            continue
        found = stored.get(name)
        same = (
            _instant(value) == found if isinstance(found, datetime) else value == (found.isoformat() if isinstance(found, date) else found)
        )
        if not same:
            raise wrong(f"properties.{name}", value, f"{found}: the store keeps it itself")


def placed(geometry: Any, choice: OutputCrs) -> Any:  # noqa: ANN401 - any JSON value
    """Return a GeoJSON geometry in the store CRS, lon/lat, without heights; None for null.

    Raises
    ------
    InvalidBodyError
        Not a geometry, or outside of the area of use of its CRS.
    """
    if geometry is None or geometry is ABSENT:
        return None
    try:
        shape = shapely.from_geojson(orjson.dumps(geometry).decode())
    except (shapely.errors.GEOSException, TypeError, ValueError) as error:
        raise wrong("geometry", geometry, f"a GeoJSON geometry ({error})") from error
    moved = crs.geometry_to_store(shapely.force_2d(shape), choice)
    places = shapely.get_coordinates(moved)
    if not ((abs(places[:, 0]) <= 180.0).all() and (abs(places[:, 1]) <= 90.0).all()):
        raise wrong("geometry", geometry, "positions inside the area of use of Content-Crs, in its axis order")
    return moved


def body_schema(collection: Collection, *, whole: bool, creating: bool = False) -> dict[str, Any]:
    """Return the JSON Schema of a body: a feature, or a part of one."""
    editable = {one.name for one in writable(collection, creating=creating)}
    properties = {one.name: _property(one) if one.name in editable else {} for one in collection.attributes}
    made: dict[str, Any] = {
        "type": "object",
        "properties": {
            "type": {"const": "Feature"},
            "id": {"type": ["string", "null"]},
            "geometry": {"type": ["object", "null"]},
            "properties": {"type": ["object", "null"], "properties": properties, "additionalProperties": False},
        },
    }
    if whole:
        made["required"] = ["type", "geometry", "properties"]
    return made


def _property(one: Attribute) -> dict[str, Any]:
    kind = "string" if one.type in ("date", "date-time") else one.type
    nullable = one.name not in _KEPT_WHERE_MISSING
    made: dict[str, Any] = {"type": [kind, "null"] if nullable else kind}
    if one.values:
        made["enum"] = [*one.values, None] if nullable else list(one.values)
    if one.bounds:
        made |= one.bounds.schema()
    if kind == "string":
        made["maxLength"] = 4000
    return made


@cache
def _validator(collection_id: str, *, whole: bool, creating: bool) -> Draft202012Validator:
    return Draft202012Validator(body_schema(collections()[collection_id], whole=whole, creating=creating))


def _value(value: Any, one: Attribute) -> Any:  # noqa: ANN401 - any JSON value
    if value is None:
        return None
    if isinstance(value, str) and "\x00" in value:
        raise wrong(f"properties.{one.name}", value, "text without NUL characters")
    if one.type == "integer":
        return int(value)
    if one.type == "number":
        return float(value)
    if one.type in ("date", "date-time"):
        try:
            return date.fromisoformat(value) if one.type == "date" else datetime.fromisoformat(value)
        except ValueError as error:
            raise wrong(f"properties.{one.name}", value, f"a {one.type} of RFC 3339") from error
    return value


def _instant(value: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        return None
