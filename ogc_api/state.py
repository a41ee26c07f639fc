"""State of a running server: connections, and the published catalogue with the documents made from it."""

import asyncio
import logging
import time
from dataclasses import dataclass, field
from functools import partial

from starlette.requests import HTTPConnection

from cim.db.catalog import Collection
from cim.db.feature_sql import OutputCrs
from cim.db.features import Counter
from cim.db.published import Catalogue, Changes, fetch_catalogue, fetch_changes, fetch_signal
from cim.db.published_rasters import PublishedRaster
from cim.db.read_pool import ReadPool
from cim.db.request_pool import RequestPool
from cim.db.session import Session
from cim.errors import CimError, UnknownCollectionError
from cim.settings import Settings
from ogc_api import crs, cursor, openapi
from ogc_api.access import principal_of
from ogc_api.audit import Audit
from ogc_api.authentication import Authenticator
from ogc_api.pygeoapi_adapter import Front
from ogc_api.pygeoapi_config import configuration
from ogc_api.queue import Queue
from ogc_api.tile_cache import TileCache

_LOG = logging.getLogger(__name__)
_LOOK_EVERY_S = 2.0
_WAIT_UP_TO_S = 1.0
"""A catalogue that was read faster than this is waited for; a slower one is read behind the scenes while the old one is served [s]."""
_SHARE = 10.0
"""At most one part in so many of the time is spent on reading the catalogue."""


@dataclass(frozen=True)
class Current:
    """One state of the catalogue; replaced as a whole.

    Parameters
    ----------
    catalogue
        What is published.
    front
        pygeoapi over it.
    choices
        Offered CRS by URI.
    item_links
        Kept by `ogc_api.links`.
    """

    catalogue: Catalogue
    front: Front
    choices: dict[str, OutputCrs]
    item_links: dict[tuple[str, ...], bytes] = field(default_factory=dict)

    def collection(self, collection_id: str) -> Collection:
        """Return a published collection.

        Raises
        ------
        UnknownCollectionError
            It is not published.
        """
        found = self.catalogue.published.get(collection_id)
        if found is None:
            if collection_id in self.catalogue.rasters:
                raise UnknownCollectionError(
                    f"collection {collection_id[:80]!r} is a raster, it has no features", hint=f"ask /collections/{collection_id}/coverage"
                )
            known = ", ".join([*self.catalogue.published, *self.catalogue.rasters])
            raise UnknownCollectionError(f"no collection {collection_id[:80]!r}; expected one of {known}")
        return found.collection

    def raster(self, collection_id: str) -> PublishedRaster:
        """Return a published raster.

        Raises
        ------
        UnknownCollectionError
            It is not published, or is a collection of features.
        """
        found = self.catalogue.rasters.get(collection_id)
        if found is None:
            known = ", ".join(self.catalogue.rasters) or "none: the store has no raster"
            raise UnknownCollectionError(f"no raster {collection_id[:80]!r}; expected one of {known}")
        return found


class ServerState:
    """Shared by all requests of one process.

    Parameters
    ----------
    settings
        Deployment settings.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.pool = ReadPool(settings)
        self.requests = RequestPool(settings)
        self.counter = Counter(settings.server.count_exact_to)
        self.tiles = TileCache(settings.server.tile_cache_mb * 1_000_000)
        self._changes: Changes | None = None
        self.cursors = cursor.Signer(settings)
        self.signal = ""
        """Changes whenever something was published; at most two seconds old."""
        self.records = RequestPool(settings, writing=True)
        self.authenticator = Authenticator(settings, self.records)
        self.audit = Audit(self.records)
        self.queue = Queue(settings)
        self._current: Current | None = None
        self._looked_at = float("-inf")
        self._read_at = float("-inf")
        self._took_s = 0.0
        self._lock = asyncio.Lock()
        self._reading: asyncio.Task[None] | None = None

    def session(self, request: HTTPConnection) -> Session:
        """Return the way to the rows for a request: whoever asks, with his row filter. There is no other way."""
        return Session(self.requests, principal_of(request))

    async def current(self) -> Current:
        """Return the catalogue, read again when the store has changed; looks at most every two seconds.

        Raises
        ------
        StoreUnavailableError
            The store does not answer.
        """
        known = self._current
        if known is not None and (time.monotonic() - self._looked_at < _LOOK_EVERY_S or self._lock.locked()):
            return known
        async with self._lock:
            if self._current is None or time.monotonic() - self._looked_at >= _LOOK_EVERY_S:
                await self._look()
        if self._current is None:
            raise RuntimeError("catalogue was not read")
        return self._current

    def look_soon(self) -> None:
        """Make the next request look at the store: something was just written by this process."""
        self._looked_at = float("-inf")

    async def _look(self) -> None:
        known = self._current
        signal = await fetch_signal(self.pool)
        if signal != self.signal:
            self._changes = await fetch_changes(self.pool, self._changes)
            if self._changes.touched is None:
                self.tiles.clear()
            for collection, box in self._changes.touched or ():
                self.tiles.drop(collection, box)
            self.signal = signal
        self._looked_at = time.monotonic()
        if known is not None and self.signal == known.catalogue.signal:
            return
        if known is None or self._took_s < _WAIT_UP_TO_S:
            await self._read()
        elif (self._reading is None or self._reading.done()) and time.monotonic() - self._read_at > _SHARE * self._took_s:
            self._reading = asyncio.create_task(self._read_quietly())

    async def _read_quietly(self) -> None:
        try:
            await self._read()
        except CimError as error:
            _LOG.warning("the catalogue could not be read again: [%s] %s", error.code, error.message)

    async def _read(self) -> None:
        started = time.monotonic()
        catalogue = await fetch_catalogue(self.pool)
        config = configuration(catalogue, self.settings)
        front = await asyncio.to_thread(Front, config, partial(openapi.complete, settings=self.settings.server))
        self._current = Current(catalogue, front, crs.offered(catalogue.profile))
        self._read_at = time.monotonic()
        self._took_s = self._read_at - started


def state_of(app: object) -> ServerState:
    """Return the state of an application made by `ogc_api.app.create_app`."""
    found = getattr(getattr(app, "state", None), "server", None)
    if not isinstance(found, ServerState):
        raise TypeError("not an application of create_app")
    return found
