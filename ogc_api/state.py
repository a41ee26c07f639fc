"""State of a running server: connections, and the published catalogue with the documents made from it."""

import asyncio
import time
from dataclasses import dataclass
from functools import partial

from cim.db.catalog import Collection
from cim.db.features import FeatureReader, OutputCrs
from cim.db.published import Catalogue, fetch_catalogue, fetch_signal
from cim.db.read_pool import ReadPool
from cim.db.request_pool import RequestPool
from cim.errors import UnknownCollectionError
from cim.settings import Settings
from ogc_api import crs, openapi
from ogc_api.pygeoapi_adapter import Front, ReaderHandle
from ogc_api.pygeoapi_config import configuration

_LOOK_EVERY_S = 2.0


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
    """

    catalogue: Catalogue
    front: Front
    choices: dict[str, OutputCrs]

    def collection(self, collection_id: str) -> Collection:
        """Return a published collection.

        Raises
        ------
        UnknownCollectionError
            It is not published.
        """
        found = self.catalogue.published.get(collection_id)
        if found is None:
            raise UnknownCollectionError(f"no collection {collection_id[:80]!r}; expected one of {', '.join(self.catalogue.published)}")
        return found.collection


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
        self.reader = FeatureReader(self.pool)
        self._current: Current | None = None
        self._looked_at = float("-inf")
        self._lock = asyncio.Lock()

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

    async def _look(self) -> None:
        known = self._current
        if known is None or await fetch_signal(self.pool) != known.catalogue.signal:
            catalogue = await fetch_catalogue(self.pool)
            handle = ReaderHandle(self.reader, asyncio.get_running_loop())
            config = configuration(catalogue, self.settings, handle)
            front = await asyncio.to_thread(Front, config, partial(openapi.complete, settings=self.settings.server))
            self._current = Current(catalogue, front, crs.offered(catalogue.profile))
        self._looked_at = time.monotonic()


def state_of(app: object) -> ServerState:
    """Return the state of an application made by `ogc_api.app.create_app`."""
    found = getattr(getattr(app, "state", None), "server", None)
    if not isinstance(found, ServerState):
        raise TypeError("not an application of create_app")
    return found
