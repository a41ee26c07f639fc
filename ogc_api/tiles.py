"""OGC API - Tiles (part 1): tile matrix sets, tilesets, vector tiles of collections and of the whole city, TileJSON."""

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from cim.access import Permission
from cim.db.catalog import Collection
from cim.db.vector_tiles import BUFFER, EXTENT, MEDIA_TYPE, TileAddress, fetch_tile, first_level, tile_attributes
from cim.errors import InvalidParameterError, NotFoundError
from ogc_api.access import principal_of, require
from ogc_api.entity import matches, tag_of
from ogc_api.hot import RawResponse
from ogc_api.negotiation import base_url, language
from ogc_api.parameters import refuse_unknown
from ogc_api.state import Current, ServerState, state_of
from ogc_api.tile_cache import Tile
from ogc_api.tile_matrix import LEVELS, MATRIX_SETS, TileMatrixSet, matrix_set

_DEEPEST = 18
"""Level that clients take for the last one with new content; deeper tiles are served."""
_FORMATS = {"", "mvt", "pbf", "application/vnd.mapbox-vector-tile"}
_GEOMETRY = {"POINT": (0, "Point"), "LINESTRING": (1, "LineString"), "MULTIPOLYGON": (2, "Polygon")}


async def tile(request: Request) -> Response:
    """One tile of a collection: ``{set}/{level}/{row}/{column}``."""
    path = request.path_params
    column, _, suffix = path["column"].partition(".")
    return await _tile(request, path["collection"], path["set"], _number(path["level"]), _number(path["row"]), _number(column), suffix)


async def xyz(request: Request) -> Response:
    """One tile of a collection in the web's order: ``{z}/{x}/{y}``, WebMercatorQuad."""
    path = request.path_params
    y, _, suffix = path["y"].partition(".")
    return await _tile(request, path["collection"], "WebMercatorQuad", _number(path["z"]), _number(y), _number(path["x"]), suffix)


async def city_tile(request: Request) -> Response:
    """One tile with a layer per collection: ``{set}/{level}/{row}/{column}``, all of the city or ``collections=``."""
    path = request.path_params
    refuse_unknown(request.query_params, ("f", "collections"))
    column, _, suffix = path["column"].partition(".")
    _check_format(request, suffix)
    state = state_of(request.app)
    current = await state.current()
    asked = request.query_params.get("collections")
    names = asked.split(",") if asked else [name for name, one in current.catalogue.published.items() if one.bbox is not None]
    chosen = matrix_set(path["set"])
    numbers = (_number(path["level"]), _number(path["row"]), _number(column))
    chosen.check(*numbers)
    principal = principal_of(request)
    visible = [current.collection(name) for name in names if principal.sees(name)]
    made = [await _made(request, state, one, chosen, *numbers) for one in visible]
    return _answer(request, state, Tile(b"".join(one.body for one in made), chosen.store_box(*numbers, BUFFER / EXTENT)))


async def _tile(request: Request, collection_id: str, set_id: str, level: int, row: int, column: int, suffix: str) -> Response:
    if request.query_params:
        refuse_unknown(request.query_params, ("f",))
    _check_format(request, suffix)
    state = state_of(request.app)
    current = await state.current()
    collection = current.collection(collection_id)
    require(request, Permission.READ, collection.id)
    chosen = matrix_set(set_id)
    chosen.check(level, row, column)
    return _answer(request, state, await _made(request, state, collection, chosen, level, row, column))


async def _made(
    request: Request, state: ServerState, collection: Collection, chosen: TileMatrixSet, level: int, row: int, column: int
) -> Tile:
    # The two geographic grids have the same tiles.
    grid = "WorldCRS84Quad" if chosen.srid != 3857 else chosen.id
    key = (principal_of(request).cache_key, collection.id, grid, level, row, column)
    kept = state.tiles.get(key)
    if kept is not None:
        return kept

    async def make() -> Tile:
        reach = chosen.store_box(level, row, column, BUFFER / EXTENT)
        address = TileAddress(level, chosen.srid, chosen.box(level, row, column), reach)
        return Tile(await fetch_tile(state.session(request), collection, address), reach)

    return await state.tiles.make(key, make)


def _answer(request: Request, state: ServerState, made: Tile) -> Response:
    age = state.settings.server.tile_max_age_s
    scope = "private" if principal_of(request).is_restricted else "public"
    headers = [
        (b"etag", made.tag.encode()),
        (b"cache-control", f"{scope}, max-age={age}".encode() if age else f"{scope}, no-cache".encode()),
        (b"vary", b"Accept-Encoding"),
    ]
    sent = request.headers
    if matches(sent.get("if-none-match", ""), made.tag.removeprefix("W/")):
        return RawResponse(b"", headers, 304)
    if not made.body:
        return RawResponse(b"", headers, 204)
    body = made.body
    if made.packed and "gzip" in sent.get("accept-encoding", ""):
        body = made.packed
        headers.append((b"content-encoding", b"gzip"))
    headers += [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    return RawResponse(body, headers)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 8):
        raise NotFoundError(f"tile {text[:40]!r}: expected level, row and column as whole numbers")
    return int(text)


def _check_format(request: Request, suffix: str) -> None:
    asked = request.query_params.get("f", "")
    if asked not in _FORMATS or suffix not in _FORMATS:
        raise InvalidParameterError("f", (asked or suffix)[:40], "mvt")


async def sets(request: Request) -> Response:
    """The tile matrix sets."""
    refuse_unknown(request.query_params, ("f", "lang"))
    base = base_url(request, state_of(request.app).settings)
    listed = [
        {
            "id": one.id, "title": one.title, "crs": one.crs, **({"uri": one.uri} if one.uri else {}),
            "links": [{"rel": "self", "type": "application/json", "href": f"{base}/tileMatrixSets/{one.id}"}],
        }
        for one in MATRIX_SETS.values()
    ]  # fmt: skip
    return _json({"tileMatrixSets": listed})


async def one_set(request: Request) -> Response:
    """The definition of a tile matrix set."""
    refuse_unknown(request.query_params, ("f", "lang"))
    return _json(matrix_set(request.path_params["set"]).document())


async def tilesets(request: Request) -> Response:
    """The tilesets of a collection, or of the whole city."""
    refuse_unknown(request.query_params, ("f", "lang"))
    state = state_of(request.app)
    current = await state.current()
    collection = _collection(request, current)
    base, spoken = base_url(request, state.settings), language(request, state.settings.language)
    listed = [_tileset(current, collection, one, base, spoken, brief=True) for one in MATRIX_SETS.values()]
    return _json({"tilesets": listed, "links": [{"rel": "self", "type": "application/json", "href": f"{_root(base, collection)}/tiles"}]})


async def tileset(request: Request) -> Response:
    """Metadata of a tileset."""
    refuse_unknown(request.query_params, ("f", "lang"))
    state = state_of(request.app)
    current = await state.current()
    chosen = matrix_set(request.path_params["set"])
    base, spoken = base_url(request, state.settings), language(request, state.settings.language)
    return _json(_tileset(current, _collection(request, current), chosen, base, spoken, brief=False))


async def tilejson(request: Request) -> Response:
    """TileJSON 3.0 of a collection or of the whole city, WebMercatorQuad."""
    refuse_unknown(request.query_params, ("f", "lang"))
    state = state_of(request.app)
    current = await state.current()
    collection = _collection(request, current)
    base, spoken = base_url(request, state.settings), language(request, state.settings.language)
    return _json(tilejson_document(current, collection, base, spoken))


def tilejson_document(current: Current, collection: Collection | None, base: str, spoken: str) -> dict[str, Any]:
    """Return TileJSON 3.0."""
    layers = [collection] if collection else _layers(current)
    bbox = current.catalogue.published[collection.id].bbox if collection else current.catalogue.bbox
    made: dict[str, Any] = {
        "tilejson": "3.0.0",
        "name": _title(collection, spoken),
        "scheme": "xyz",
        "tiles": [f"{_root(base, collection)}/tiles/WebMercatorQuad/{{z}}/{{y}}/{{x}}?f=mvt"],
        "minzoom": min((first_level(one) for one in layers), default=0),
        "maxzoom": _DEEPEST,
        "vector_layers": [_vector_layer(one, spoken) for one in layers],
    }
    if bbox:
        made["bounds"] = list(bbox)
        made["center"] = [(bbox[0] + bbox[2]) / 2, (bbox[1] + bbox[3]) / 2, 14]
    return made


def _vector_layer(collection: Collection, spoken: str) -> dict[str, Any]:
    fields = {one.name: one.title.zh if spoken == "zh" else one.title.en for one in tile_attributes(collection, LEVELS)}
    return {
        "id": collection.id,
        "description": _title(collection, spoken),
        "minzoom": first_level(collection),
        "maxzoom": _DEEPEST,
        "fields": fields,
    }


def _tileset(
    current: Current, collection: Collection | None, chosen: TileMatrixSet, base: str, spoken: str, *, brief: bool
) -> dict[str, Any]:
    root = _root(base, collection)
    template = f"{root}/tiles/{chosen.id}/{{tileMatrix}}/{{tileRow}}/{{tileCol}}?f=mvt"
    made: dict[str, Any] = {
        "title": _title(collection, spoken),
        "dataType": "vector",
        "crs": chosen.crs,
        "tileMatrixSetURI": chosen.uri or f"{base}/tileMatrixSets/{chosen.id}",
        "tileMatrixSetId": chosen.id,
        "links": [
            {"rel": "self", "type": "application/json", "href": f"{root}/tiles/{chosen.id}"},
            {"rel": "item", "type": MEDIA_TYPE, "href": template, "templated": True},
            {
                "rel": "http://www.opengis.net/def/rel/ogc/1.0/tiling-scheme", "type": "application/json",
                "href": f"{base}/tileMatrixSets/{chosen.id}",
            },
        ],
    }  # fmt: skip
    if chosen.id == "WebMercatorQuad":
        made["links"].append({"rel": "describedby", "type": "application/json", "title": "TileJSON", "href": f"{root}/tiles/tilejson.json"})
    if brief:
        return made
    bbox = current.catalogue.published[collection.id].bbox if collection else current.catalogue.bbox
    if bbox:
        made["boundingBox"] = {
            "lowerLeft": [bbox[0], bbox[1]],
            "upperRight": [bbox[2], bbox[3]],
            "crs": "http://www.opengis.net/def/crs/OGC/1.3/CRS84",
        }
        made["tileMatrixSetLimits"] = chosen.limits(bbox)
    made["layers"] = [
        {
            "id": one.id, "title": _title(one, spoken), "dataType": "vector", "geometryDimension": _GEOMETRY[one.geometry][0],
            "minTileMatrix": str(first_level(one)), "maxTileMatrix": str(LEVELS - 1),
            "propertiesSchema": {
                "type": "object",
                "properties": _property_types(one),
            },
        }
        for one in ([collection] if collection else _layers(current))
    ]  # fmt: skip
    return made


def _property_types(collection: Collection) -> dict[str, Any]:
    dated = ("date", "date-time")
    return {one.name: {"type": "string" if one.type in dated else one.type} for one in tile_attributes(collection, LEVELS)}


def _layers(current: Current) -> list[Collection]:
    return [one.collection for one in current.catalogue.published.values() if one.bbox is not None]


def _collection(request: Request, current: Current) -> Collection | None:
    name = request.path_params.get("collection")
    return current.collection(name) if name is not None else None


def _root(base: str, collection: Collection | None) -> str:
    return f"{base}/collections/{collection.id}" if collection else base


def _title(collection: Collection | None, spoken: str) -> str:
    if collection is None:
        return "全市" if spoken == "zh" else "City"
    return collection.title.zh if spoken == "zh" else collection.title.en


def _json(document: object) -> Response:
    body = orjson.dumps(document)
    return Response(body, headers={"ETag": tag_of(body), "Cache-Control": "no-cache"}, media_type="application/json")
