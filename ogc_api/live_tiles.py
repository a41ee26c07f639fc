"""3D Tiles made on request: any filter of the items, any past date, out of the store as it is now."""

import asyncio
from collections import OrderedDict
from importlib.metadata import entry_points
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from cim.access import Permission
from cim.db import live_tiles
from cim.db.feature_sql import FeatureQuery
from cim.db.session import Session
from cim.errors import NotFoundError
from cim.geoid import Geoid, geoid_of
from ogc_api.access import require
from ogc_api.entity import matches, tag_of
from ogc_api.parameters import parse_selection
from ogc_api.state import ServerState, state_of

_MOST = 256
_MAX_KEY = 26
_LAYER = "buildings"
_OF_CLIENTS = ("v",)
"""CesiumJS appends the version of the tileset to the address of every content."""


class TileCache:
    """The tiles made last, by entity tag.

    Parameters
    ----------
    most
        Tiles kept.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._kept: OrderedDict[str, bytes] = OrderedDict()

    def get(self, tag: str) -> bytes | None:
        """Return a tile and note that it was asked for."""
        if tag in self._kept:
            self._kept.move_to_end(tag)
        return self._kept.get(tag)

    def put(self, tag: str, body: bytes) -> None:
        """Keep a tile."""
        self._kept[tag] = body
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)


_CACHE = TileCache()


def _kernel(layer: str) -> Any:  # noqa: ANN401 - module behind an entry point
    found = entry_points(group="cim.live_tiles", name=layer)
    if not found:
        raise NotFoundError(f"no live tiles of {layer[:80]!r}; expected {_LAYER}")
    return next(iter(found)).load()


async def tileset(request: Request) -> Response:
    """The tileset.json over tiles made on request."""
    state, kernel, query, session = await _asked(request)
    newest, ground = await live_tiles.fetch_state(session)
    geoid = await _geoid(state)
    tag = _tag(request, session, newest, ground, f"tileset {geoid.token}")
    if matches(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=_headers(tag))
    body = _CACHE.get(tag)
    if body is None:
        cells = await live_tiles.fetch_cells(session, query, kernel.LEVEL)
        made: bytes = await asyncio.to_thread(kernel.tileset, cells, geoid, ground, request.url.query)
        _CACHE.put(tag, body := made)
    return Response(body, headers=_headers(tag), media_type="application/json")


async def tile(request: Request) -> Response:
    """One tile made on request."""
    state, kernel, query, session = await _asked(request)
    key = request.path_params["key"]
    if not key or len(key) > _MAX_KEY or set(key) - set("0123"):
        raise NotFoundError(f"no tile {key[:40]!r}; expected up to {_MAX_KEY} digits 0-3")
    newest, ground = await live_tiles.fetch_state(session)
    geoid = await _geoid(state)
    tag = _tag(request, session, newest, ground, f"{key} {geoid.token}")
    if matches(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=_headers(tag))
    body = _CACHE.get(tag)
    if body is None:
        rows = await live_tiles.fetch_rows(session, query, kernel.bounds(key))
        compress = state.settings.tiles.meshopt
        profile = (await state.current()).catalogue.profile
        colours = profile.building_colours if profile else None
        made: bytes | None = await asyncio.to_thread(lambda: kernel.tile(rows, key, geoid, ground, compress=compress, colours=colours))
        if made is None:
            raise NotFoundError(f"no building in tile {key!r}")
        _CACHE.put(tag, body := made)
    return Response(body, headers=_headers(tag), media_type="model/gltf-binary")


async def _asked(request: Request) -> tuple[ServerState, Any, FeatureQuery, Session]:
    state = state_of(request.app)
    kernel = _kernel(request.path_params["layer"])
    current = await state.current()
    collection = current.collection(_LAYER)
    require(request, Permission.READ, _LAYER)
    query = parse_selection(request.query_params, collection, current.choices, _OF_CLIENTS).query
    return state, kernel, query, state.session(request)


async def _geoid(state: ServerState) -> Geoid:
    profile = (await state.current()).catalogue.profile
    return geoid_of(profile, state.settings.rasters_dir) if profile else Geoid(0.0)


def _tag(request: Request, session: Session, newest: int, ground: float, key: str) -> str:
    return tag_of(newest, ground, key, sorted(request.query_params.multi_items()), repr(session.principal.scope))


def _headers(tag: str) -> dict[str, str]:
    return {"ETag": tag, "Cache-Control": "no-cache", "Vary": "Authorization"}
