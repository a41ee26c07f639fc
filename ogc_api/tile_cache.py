"""Finished vector tiles in memory, the least used forgotten first, dropped where something changed."""

import asyncio
import gzip
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property

from cim.db.published import Box
from ogc_api.entity import tag_of

Key = tuple[str, str, str, int, int, int]
"""Cache key of the principal, collection, tile matrix set, level, row, column."""

_GZIP_FROM_BYTES = 256
_OVERHEAD_BYTES = 400


@dataclass(frozen=True)
class Tile:
    """A finished tile.

    Parameters
    ----------
    body
        Encoded tile, empty where nothing is there.
    reach
        West, south, east, north [deg], EPSG:4490, with margin.
    """

    body: bytes
    reach: Box

    @cached_property
    def tag(self) -> str:
        """Weak entity tag: the same tile, compressed or not."""
        return f"W/{tag_of(self.body)}"

    @cached_property
    def packed(self) -> bytes:
        """Compressed body."""
        return gzip.compress(self.body, 5) if len(self.body) >= _GZIP_FROM_BYTES else b""


class TileCache:
    """Tiles of one process.

    Parameters
    ----------
    most_bytes
        Memory for tiles, 0 keeps none.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._size = 0
        self._known: OrderedDict[Key, Tile] = OrderedDict()
        self._making: dict[Key, asyncio.Future[Tile]] = {}
        self._generation = 0
        self.hits = 0
        self.misses = 0

    def get(self, key: Key) -> Tile | None:
        """Return a kept tile."""
        found = self._known.get(key)
        if found is not None:
            self._known.move_to_end(key)
            self.hits += 1
        return found

    async def make(self, key: Key, make: Callable[[], Awaitable[Tile]]) -> Tile:
        """Return a tile that is not kept, made once however many ask for it at the same time."""
        running = self._making.get(key)
        if running is not None:
            return await asyncio.shield(running)
        self.misses += 1
        running = self._making[key] = asyncio.get_running_loop().create_future()
        generation = self._generation
        try:
            made = await make()
        except BaseException as error:
            running.set_exception(error if isinstance(error, Exception) else RuntimeError("the tile was given up"))
            running.exception()
            raise
        else:
            running.set_result(made)
            if generation == self._generation:
                self._keep(key, made)
            return made
        finally:
            del self._making[key]

    def drop(self, collection: str, box: Box | None) -> None:
        """Forget the tiles of a collection that meet a box, all of them without one."""
        self._generation += 1
        for key in [key for key, tile in self._known.items() if key[1] == collection and (box is None or _meet(tile.reach, box))]:
            self._forget(key)

    def clear(self) -> None:
        """Forget everything."""
        self._generation += 1
        self._known.clear()
        self._size = 0

    def _keep(self, key: Key, tile: Tile) -> None:
        self._known[key] = tile
        self._size += len(tile.body) + len(tile.packed) + _OVERHEAD_BYTES
        while self._size > self._most and self._known:
            self._forget(next(iter(self._known)))

    def _forget(self, key: Key) -> None:
        tile = self._known.pop(key)
        self._size -= len(tile.body) + len(tile.packed) + _OVERHEAD_BYTES


def _meet(one: Box, other: Box) -> bool:
    return one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]
