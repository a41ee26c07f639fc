"""3D Tiles over HTTP: the list of layers and the files of the tile store."""

import asyncio
import gzip
import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec
import orjson
import structlog
from fsspec.implementations.local import LocalFileSystem
from starlette.requests import Request
from starlette.responses import Response

from cim.db.published import Box, Tileset, fetch_tilesets
from cim.errors import ConfigError, NotFoundError
from cim.geoid import Geoid, geoid_of
from cim.remote_files import reaching
from ogc_api.access import principal_of
from ogc_api.layer_access import require_file, visible_layers
from ogc_api.parameters import refuse_unknown
from ogc_api.state import state_of

MEDIA_TYPES = {
    ".json": "application/json",
    ".glb": "model/gltf-binary",
    ".gltf": "model/gltf+json",
    ".subtree": "application/octet-stream",
    ".bin": "application/octet-stream",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".terrain": "application/vnd.quantized-mesh",
    ".pnts": "application/octet-stream",
}
"""Kinds of files that are served; nothing else in the tile store is."""

_TERRAIN = "terrain/layer.json"
_TERRAIN_TITLE = {"en": "Terrain", "zh": "地形"}
_GZIP_FROM_BYTES = 1024
_log = structlog.get_logger("tiles3d")
_GZIP_MAGIC = b"\x1f\x8b"


class TileStore:
    """Files below one folder or object store prefix.

    Parameters
    ----------
    url
        fsspec URL or local folder.
    """

    def __init__(self, url: str) -> None:
        # Another process writes: what was listed once is not what is there.
        self._files, root = fsspec.core.url_to_fs(url, **({"use_listings_cache": False} if "://" in url else {}))
        self._url, self._root = url, root.rstrip("/")

    def read(self, path: str) -> tuple[bytes, str]:
        """Return a file and its entity tag.

        Raises
        ------
        NotFoundError
            No such file, a kind that is not served, or a path that leaves the store.
        """
        full = self._full(path)
        try:
            with reaching(self._url, path, is_refusal_missing=True):
                tag = self._tag(full)
                return self._files.cat_file(full), tag
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError) as error:
            raise NotFoundError(f"no tile {path[:200]!r}") from error

    def tag(self, path: str) -> str:
        """Return the entity tag of a file without reading it; errors as `read`."""
        try:
            with reaching(self._url, path, is_refusal_missing=True):
                return self._tag(self._full(path))
        except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
            raise NotFoundError(f"no tile {path[:200]!r}") from error

    def _tag(self, full: str) -> str:
        facts = self._files.info(full)
        if facts["type"] != "file":
            raise FileNotFoundError(full)
        # Local folders tell time (with its fraction) and size, object stores an ETag or an update time.
        seen = [facts.get(name) for name in ("mtime", "size", "ino", "ETag", "LastModified", "updated", "etag", "created")]
        return f'"{hashlib.sha256(repr(seen).encode()).hexdigest()[:24]}"'

    def _full(self, path: str) -> str:
        parts = path.split("/")
        unsafe = any(part in {"", ".", ".."} or part.startswith(".") or "\\" in part or "\x00" in part for part in parts)
        if unsafe or PurePosixPath(path).suffix.lower() not in MEDIA_TYPES:
            raise NotFoundError(f"no tile {path[:200]!r}")
        full = "/".join([self._root, *parts])
        # A link inside a local store must not lead out of it.
        if isinstance(self._files, LocalFileSystem) and not Path(full).resolve().is_relative_to(Path(self._root).resolve()):
            raise NotFoundError(f"no tile {path[:200]!r}")
        return full


@lru_cache(maxsize=1)
def open_store(url: str) -> TileStore:
    """Return the tile store of a URL, kept open."""
    return TileStore(url)


def _separation(geoid: Geoid, bbox: Box | None) -> float | None:
    """Return the separation in the middle of the city [m]; None where a grid cannot tell it, which the builds of tiles report."""
    if geoid.constant_m is not None or bbox is None:
        return geoid.constant_m
    try:
        return round(geoid.at_one((bbox[0] + bbox[2]) / 2, (bbox[1] + bbox[3]) / 2), 3)
    except ConfigError as error:
        _log.warning("no geoid separation", reason=error.message)
        return None


def layer_document(one: Tileset) -> dict[str, Any]:
    """Return the entry of a layer; the box is west, south, east, north [deg], CRS84."""
    return {
        "id": one.layer,
        "title": one.title,
        "href": f"3dtiles/{one.layer}/tileset.json",
        "kind": one.kind,
        "collection": one.collection,
        "code_property": "code",
        "n_features": one.n_features,
        "bbox": list(one.bbox) if one.bbox else None,
        "synthetic": one.is_synthetic,
        "note": one.note,
        "replaces": one.replaces,
    }


def terrain_document(store: TileStore) -> dict[str, Any] | None:
    """Return the entry of the terrain; None where none was built. The ground height is that of the ellipsoid, where no raster tells [m]."""
    try:
        found = orjson.loads(store.read(_TERRAIN)[0])
    except NotFoundError:
        return None
    return {
        "id": "terrain",
        "title": _TERRAIN_TITLE,
        "href": f"3dtiles/{_TERRAIN}",
        "kind": "terrain",
        # No features: the elevation itself is a raster.
        "collection": "",
        "n_features": None,
        "bbox": found["bounds"],
        "synthetic": bool(found.get("synthetic", False)),
        "ground_height_m": found.get("ground_height_m"),
        "note": None,
        "replaces": [],
    }


async def layers(request: Request) -> Response:
    """List of 3D layers and the facts of the city that a viewer needs."""
    refuse_unknown(request.query_params, ("f", "lang"))
    state = state_of(request.app)
    current = await state.current()
    profile, bbox = current.catalogue.profile, current.catalogue.bbox
    city: dict[str, Any] = {"notices": [one.model_dump() for one in profile.notices] if profile else []}
    if profile:
        city["name"] = profile.name.model_dump()
        separation = await asyncio.to_thread(_separation, geoid_of(profile, state.settings.rasters_dir), bbox)
        if separation is not None:
            city["geoid_separation_m"] = separation
    if bbox:
        city["bbox"] = list(bbox)
    made = [_live_document(one.tileset) if one.is_live else layer_document(one.tileset) for one in await layers_of(request)]
    terrain = await asyncio.to_thread(terrain_document, open_store(state.settings.tiles_url))
    if terrain is not None:
        made.append(terrain)
    document = {"layers": made, "city": city}
    return Response(orjson.dumps(document), media_type="application/json", headers={"Cache-Control": "no-cache"})


@dataclass(frozen=True)
class Layer:
    """A 3D layer as somebody may see it.

    Parameters
    ----------
    is_live
        Its tiles are made for who asks.
    """

    tileset: Tileset
    is_live: bool = False

    @property
    def href(self) -> str:
        """Address of the tileset below the landing page."""
        return f"3dtiles/{self.tileset.layer}/{'live/' if self.is_live else ''}tileset.json"


async def layers_of(request: Request) -> list[Layer]:
    """Return the layers that the one who asks may see."""
    state = state_of(request.app)
    principal, published = principal_of(request), await fetch_tilesets(state.pool)
    made = [Layer(one) for one in await visible_layers(principal, state.pool, published)]
    if principal.scope is not None and principal.sees("buildings"):
        made = [*(Layer(one, is_live=True) for one in published if one.layer == "buildings"), *made]
    return made


def _live_document(one: Tileset) -> dict[str, Any]:
    """Return the entry of a layer whose tiles are made for who asks; how many features that are nobody has counted."""
    return {**layer_document(one), "href": Layer(one, is_live=True).href, "n_features": None, "replaces": []}


async def file(request: Request) -> Response:
    """One file of the tile store."""
    state = state_of(request.app)
    store = open_store(state.settings.tiles_url)
    path = request.path_params["path"]
    principal = principal_of(request)
    if principal.is_restricted:
        await require_file(principal, state.pool, (await state.current()).catalogue.tilesets, path)
    headers = {"Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    asked = request.headers.get("if-none-match", "")
    tag = await asyncio.to_thread(store.tag, path)
    if asked == "*" or tag in [part.strip().removeprefix("W/") for part in asked.split(",")]:
        return Response(status_code=304, headers={**headers, "ETag": f"W/{tag}"})
    body, tag = await asyncio.to_thread(store.read, path)
    media_type = MEDIA_TYPES[PurePosixPath(path).suffix.lower()]
    headers["ETag"] = f"W/{tag}"
    if media_type == MEDIA_TYPES[".terrain"] and body.startswith(_GZIP_MAGIC):
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
        else:
            body = await asyncio.to_thread(gzip.decompress, body)
    if "json" in media_type and len(body) >= _GZIP_FROM_BYTES and "gzip" in request.headers.get("accept-encoding", ""):
        body = await asyncio.to_thread(gzip.compress, body, 6)
        headers["Content-Encoding"] = "gzip"
    return Response(body, headers=headers, media_type=media_type)
