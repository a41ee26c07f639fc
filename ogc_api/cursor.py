"""Cursor of next links: where the page before ended, signed, opaque to clients, refused when it does not fit the request."""

import base64
import binascii
import contextlib
import hmac
import os
import secrets
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from cim.db.catalog import Attribute
from cim.db.feature_sql import SortKey
from cim.errors import InvalidParameterError
from cim.settings import Settings

_TAG_BYTES = 12
_EXPECTED = "the cursor of a next link of this collection with the same sortby"


class Signer:
    """Signs cursors, so that clients can only go where a next link has led them.

    Parameters
    ----------
    settings
        Name the key, or the data folder where one is kept.
    """

    def __init__(self, settings: Settings) -> None:
        given = settings.server.cursor_key
        self._key = given.get_secret_value().encode() if given else _kept_key(settings.data_dir.resolve() / "cursor.key")

    def encode(self, collection: str, sort: Sequence[SortKey], key: Sequence[Any]) -> str:
        """Return the cursor behind a feature.

        Parameters
        ----------
        key
            Sort values and internal id of the feature.
        """
        text = orjson.dumps(list(key), default=str)
        return base64.urlsafe_b64encode(self._tag(collection, sort, text) + text).decode().rstrip("=")

    def decode(self, text: str, collection: str, sort: Sequence[SortKey]) -> tuple[Any, ...]:
        """Return sort values and internal id of a cursor.

        Raises
        ------
        InvalidParameterError
            Not a cursor of this server, or one of another collection or order.
        """
        try:
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            tag, body = raw[:_TAG_BYTES], raw[_TAG_BYTES:]
            if not hmac.compare_digest(tag, self._tag(collection, sort, body)):
                raise InvalidParameterError("cursor", text[:80], _EXPECTED)
            parts = orjson.loads(body)
            return (*(_typed(value, one) for value, (one, _) in zip(parts[:-1], sort, strict=True)), str(UUID(parts[-1])))
        except (binascii.Error, ValueError, TypeError, AttributeError) as error:
            raise InvalidParameterError("cursor", text[:80], _EXPECTED) from error

    def _tag(self, collection: str, sort: Sequence[SortKey], text: bytes) -> bytes:
        order = ",".join(f"{'-' if descending else ''}{one.name}" for one, descending in sort)
        return hmac.digest(self._key, f"{collection}?{order}?".encode() + text, "sha256")[:_TAG_BYTES]


def _kept_key(file: Path) -> bytes:
    """Return the key of a file, made where there is none; all workers of a data folder have the same."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        fresh = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(handle, secrets.token_bytes(32))
        finally:
            os.close(handle)
        try:
            # Link, not rename: of two workers that start at once the second takes the key of the first.
            os.link(fresh, file)
        finally:
            fresh.unlink()
    return file.read_bytes()


def _typed(value: Any, attribute: Attribute) -> Any:  # noqa: ANN401 - any JSON value
    if value is None:
        return None
    if attribute.type == "date-time":
        return datetime.fromisoformat(str(value))
    return date.fromisoformat(str(value)) if attribute.type == "date" else value
