"""Cells that a build has finished, so that one that was killed goes on where it was: one small file per cell, gone after the switch."""

import base64
from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Any

import orjson

from cim.db.tilesets import TileRow
from cim.errors import TileError
from tiles.store import TileStore

PREFIX = ".build-"


def note(store: TileStore, layer: str, key: str, rows: Iterable[TileRow]) -> None:
    """Note the finished tiles of a cell; their files must be complete.

    Parameters
    ----------
    key
        Of the cell.
    rows
        With their summaries.
    """
    body = [asdict(row) | {"blocks": base64.b64encode(row.blocks or b"").decode()} for row in rows]
    store.write(f"{layer}/{PREFIX}{key or 'root'}.json", orjson.dumps(body))


def finished(store: TileStore, layer: str, names: Iterable[str]) -> dict[str, TileRow]:
    """Return the tiles that a killed build finished, by key; those whose file is gone are left out.

    Parameters
    ----------
    names
        Files of the layer.
    """
    there = set(names)
    found: dict[str, TileRow] = {}
    for name in sorted(one for one in there if one.startswith(f"{layer}/{PREFIX}")):
        try:
            rows = [_row(told) for told in orjson.loads(store.read(name))]
        except (TileError, ValueError, TypeError, KeyError):
            # A note that cannot be read costs the work of one cell, nothing else.
            continue
        found |= {row.key: row for row in rows if f"{layer}/{row.uri}" in there}
    return found


def _row(told: dict[str, Any]) -> TileRow:
    row = TileRow(**told)
    w, s, e, n = told["bbox"]
    return replace(row, bbox=(w, s, e, n), box=tuple(told["box"]), blocks=base64.b64decode(told["blocks"]))
