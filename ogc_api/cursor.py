"""Cursor of next links: where the page before ended, opaque to clients, refused when it does not fit the request."""

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from cim.db.catalog import Attribute
from cim.db.features import SortKey
from cim.errors import InvalidParameterError

_EXPECTED = "the cursor of a next link of this collection with the same sortby"


def encode(collection: str, sort: Sequence[SortKey], key: Sequence[Any]) -> str:
    """Return the cursor behind a feature.

    Parameters
    ----------
    key
        Sort values and internal id of the feature, JSON values.
    """
    text = json.dumps([_fingerprint(collection, sort), *key], separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(text: str, collection: str, sort: Sequence[SortKey]) -> tuple[Any, ...]:
    """Return sort values and internal id of a cursor.

    Raises
    ------
    InvalidParameterError
        Not a cursor, or one of another collection or order.
    """
    try:
        parts = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if not isinstance(parts, list) or len(parts) != len(sort) + 2 or parts[0] != _fingerprint(collection, sort):
            raise InvalidParameterError("cursor", text[:80], _EXPECTED)
        values = [_checked(value, one) for value, (one, _) in zip(parts[1:-1], sort, strict=True)]
        return (*values, str(UUID(parts[-1])))
    except (binascii.Error, ValueError, TypeError, AttributeError) as error:
        raise InvalidParameterError("cursor", text[:80], _EXPECTED) from error


def _fingerprint(collection: str, sort: Sequence[SortKey]) -> str:
    order = ",".join(f"{'-' if descending else ''}{one.name}" for one, descending in sort)
    return hashlib.sha256(f"{collection}?{order}".encode()).hexdigest()[:12]


def _checked(value: object, attribute: Attribute) -> object:
    kinds: dict[str, tuple[type, ...]] = {"integer": (int,), "number": (int, float), "boolean": (bool,)}
    if value is None:
        return None
    if not isinstance(value, kinds.get(attribute.type, (str,))) or (isinstance(value, bool) and attribute.type != "boolean"):
        raise ValueError(attribute.name)
    if attribute.type == "date-time":
        return datetime.fromisoformat(str(value))
    if attribute.type == "date":
        return date.fromisoformat(str(value))
    return value
