"""OGC API - Maps (OGC 20-058) and map tiles (OGC API - Tiles) of rasters: PNG, WebP, JPEG, in styles."""

import asyncio
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from cim.crs import transform_box
from cim.db.published_rasters import PublishedRaster
from cim.errors import InvalidParameterError, LimitExceededError, NotFoundError
from cim.raster.pictures import FORMATS, STYLES, Look, stretch
from cim.raster.pictures import picture as picture_of
from cim.raster.places import metres_per_unit
from ogc_api import raster_queries
from ogc_api.access import principal_of
from ogc_api.coverages import chosen_raster
from ogc_api.crs import CRS84
from ogc_api.entity import matches, tag_of
from ogc_api.hot import RawResponse
from ogc_api.negotiation import base_url, language
from ogc_api.parameters import refuse_unknown
from ogc_api.raster_queries import DEFAULT_CRS
from ogc_api.state import ServerState, state_of
from ogc_api.tile_cache import Tile
from ogc_api.tile_matrix import MAP_GRIDS, MATRIX_SETS, TileMatrixSet, matrix_set

_MOST_PIXELS = 4096 * 4096
_WIDTH = 1024
_SPHERE_M = 6_378_137.0
_METRES_PER_DEGREE = 111_319.49
_PARAMETERS = ("f", "bbox", "bbox-crs", "crs", "width", "height")


@dataclass(frozen=True)
class Picture(Tile):
    """A finished map tile; pictures are packed already."""

    @cached_property
    def packed(self) -> bytes:
        """Nothing: compressing a picture again gains nothing."""
        return b""


async def tile(request: Request) -> Response:
    """One map tile: ``{set}/{level}/{row}/{column}``, 256 x 256 pixels."""
    refuse_unknown(request.query_params, ("f",))
    _, raster = await chosen_raster(request)
    path = request.path_params
    column, _, suffix = path["column"].partition(".")
    kind = _format(request, suffix)
    chosen = _grid(path["set"])
    place = (_number(path["level"]), _number(path["row"]), _number(column))
    chosen.check(*place)
    state = state_of(request.app)
    style = _style(request, raster)
    # The file is named by its content: a new version of the raster is another key.
    key = (principal_of(request).cache_key, f"{raster.file}/{style}/{kind}", chosen.id, *place)
    kept = state.tiles.get(key)
    if kept is None:

        async def make() -> Tile:
            reach = chosen.store_box(*place, 0.0)
            west, south, east, north = raster.bbox
            if not (reach[0] <= east and west <= reach[2] and reach[1] <= north and south <= reach[3]):
                return Picture(b"", reach)
            file = state.settings.rasters_dir / raster.file
            return Picture(await asyncio.to_thread(_tile, file, chosen, place, raster, style, kind), reach)

        kept = await state.tiles.make(key, make)
    return _answer(request, state, kept, FORMATS[kind][1])


def _tile(file: Path, grid: TileMatrixSet, place: tuple[int, int, int], raster: PublishedRaster, style: str, kind: str) -> bytes:
    box = grid.box(*place)
    pixel, middle = (box[3] - box[1]) / 256, (box[1] + box[3]) / 2
    if grid.srid == 3857:
        cell = pixel / math.cosh(middle / _SPHERE_M)
        cell_m = (cell, cell)
    else:
        cell = pixel * _METRES_PER_DEGREE
        cell_m = (cell * math.cos(math.radians(middle)), cell)
    return picture_of(file, box, f"EPSG:{grid.srid}", (256, 256), _look(file, raster, style), kind, cell_m)


def _look(file: Path, raster: PublishedRaster, style: str) -> Look:
    if raster.is_terrain:
        return Look(style, raster.low_m or 0.0, raster.high_m or 1.0)
    low, high = stretch(file) if raster.data_type != "uint8" else (0.0, 255.0)
    return Look(style, low, high)


def _answer(request: Request, state: ServerState, made: Tile, media_type: str) -> Response:
    age = state.settings.server.tile_max_age_s
    scope = "private" if principal_of(request).is_restricted else "public"
    headers = [
        (b"etag", made.tag.encode()),
        (b"cache-control", f"{scope}, max-age={age}".encode() if age else f"{scope}, no-cache".encode()),
        (b"vary", b"Accept"),
    ]
    if matches(request.headers.get("if-none-match", ""), made.tag.removeprefix("W/")):
        return RawResponse(b"", headers, 304)
    if not made.body:
        return RawResponse(b"", headers, 204)
    headers += [(b"content-type", media_type.encode()), (b"content-length", str(len(made.body)).encode())]
    return RawResponse(made.body, headers)


def _style(request: Request, raster: PublishedRaster) -> str:
    known = STYLES[raster.kind]
    style = request.path_params.get("style") or next(iter(known))
    if style not in known:
        raise NotFoundError(f"style {style[:60]!r}: expected one of {', '.join(known)}")
    return str(style)


def _grid(name: str) -> TileMatrixSet:
    if name not in MAP_GRIDS:
        raise NotFoundError(f"tile matrix set {name[:60]!r}: map tiles are cut in {' and '.join(MAP_GRIDS)}")
    return matrix_set(name)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 8):
        raise NotFoundError(f"tile {text[:40]!r}: expected level, row and column as whole numbers")
    return int(text)


def _format(request: Request, suffix: str = "") -> str:
    asked = request.query_params.get("f") or suffix
    if asked:
        chosen = next((name for name, (_, media_type) in FORMATS.items() if asked in {name, media_type}), None)
        chosen = "jpeg" if asked == "jpg" else chosen
        if chosen is None:
            raise InvalidParameterError("f", asked[:40], ", ".join(FORMATS))
        return chosen
    accept = request.headers.get("accept", "")
    wanted = [name for name, (_, media_type) in FORMATS.items() if media_type in accept]
    # Browsers name WebP before everything else in an <img>.
    return "webp" if "webp" in wanted and "png" not in wanted else wanted[0] if wanted else "png"


async def picture(request: Request) -> Response:
    """A map of a box, by default of the whole raster."""
    refuse_unknown(request.query_params, _PARAMETERS)
    current, raster = await chosen_raster(request)
    sent, state = dict(request.query_params), state_of(request.app)
    kind, style = _format(request), _style(request, raster)
    wanted = raster_queries.choose_crs(sent, "crs", raster, current.choices) or DEFAULT_CRS
    box_crs = raster_queries.choose_crs(sent, "bbox-crs", raster, current.choices) or DEFAULT_CRS
    box = raster_queries.read_box(sent, box_crs)
    from_crs = box_crs.name if box is not None else "EPSG:4490"
    box = box if box is not None else raster.bbox
    box = box if from_crs == wanted.name else transform_box(from_crs, wanted.name, box)
    if not (all(map(math.isfinite, box)) and box[0] < box[2] and box[1] < box[3]):
        raise InvalidParameterError("bbox", sent.get("bbox", "")[:80], f"a box inside the area of use of {wanted.uri}")
    east, north = metres_per_unit(wanted.name, (box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    size = _size(sent, (box[2] - box[0]) * east, (box[3] - box[1]) * north)
    tag = tag_of(raster.file, principal_of(request).cache_key, style, kind, sorted(sent.items()))
    headers = {
        "ETag": tag,
        "Cache-Control": "no-cache",
        "Vary": "Accept",
        "Content-Crs": f"<{wanted.uri}>",
        "Content-Bbox": ",".join(f"{v:.9g}" for v in box),
    }
    if matches(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=headers)
    cell_m = ((box[2] - box[0]) * east / size[0], (box[3] - box[1]) * north / size[1])
    file = state.settings.rasters_dir / raster.file

    def draw() -> bytes:
        return picture_of(file, box, wanted.name, size, _look(file, raster, style), kind, cell_m)

    body = await asyncio.to_thread(draw)
    return Response(body, headers=headers, media_type=FORMATS[kind][1]) if body else Response(status_code=204, headers=headers)


def _size(sent: dict[str, str], width_m: float, height_m: float) -> tuple[int, int]:
    """Return width and height [pixel]; the one that is not asked for keeps the form on the ground."""
    given = {}
    for name in ("width", "height"):
        if name in sent:
            if not (sent[name].isascii() and sent[name].isdigit() and 0 < int(sent[name][:9]) <= 100_000):
                raise InvalidParameterError(name, sent[name][:20], "a number of pixels, at least 1")
            given[name] = int(sent[name])
    width = given.get("width") or (round(given["height"] * width_m / height_m) if "height" in given else _WIDTH)
    height = given.get("height") or round(width * height_m / width_m)
    width, height = max(1, width), max(1, height)
    if width * height > _MOST_PIXELS:
        raise LimitExceededError(
            f"map: found {width} x {height} pixels, expected at most {_MOST_PIXELS}", kind="body", hint="ask for less, or for map tiles"
        )
    return width, height


async def tilesets(request: Request) -> Response:
    """The map tilesets of a raster, or the metadata of one."""
    refuse_unknown(request.query_params, ("f", "lang"))
    _, raster = await chosen_raster(request)
    state = state_of(request.app)
    base, spoken = base_url(request, state.settings), language(request, state.settings.language)
    style = _style(request, raster)
    styled = f"/styles/{style}" if "style" in request.path_params else ""
    root = f"{base}/collections/{raster.id}{styled}/map/tiles"
    if "set" in request.path_params:
        return _json(_tileset(raster, _grid(request.path_params["set"]), root, base, spoken, brief=False))
    listed = [_tileset(raster, MATRIX_SETS[name], root, base, spoken, brief=True) for name in MAP_GRIDS]
    return _json({"tilesets": listed, "links": [{"rel": "self", "type": "application/json", "href": root}]})


def _tileset(raster: PublishedRaster, grid: TileMatrixSet, root: str, base: str, spoken: str, *, brief: bool) -> dict[str, Any]:
    template = f"{root}/{grid.id}/{{tileMatrix}}/{{tileRow}}/{{tileCol}}"
    made: dict[str, Any] = {
        "title": raster.title.zh if spoken == "zh" else raster.title.en, "dataType": "map", "crs": grid.crs, "tileMatrixSetURI": grid.uri,
        "tileMatrixSetId": grid.id,
        "links": [
            {"rel": "self", "type": "application/json", "href": f"{root}/{grid.id}"},
            *(
                {"rel": "item", "type": media_type, "href": f"{template}?f={name}", "templated": True}
                for name, (_, media_type) in FORMATS.items()
            ),
            {"rel": "http://www.opengis.net/def/rel/ogc/1.0/tiling-scheme", "type": "application/json",
             "href": f"{base}/tileMatrixSets/{grid.id}"},
        ],
    }  # fmt: skip
    if not brief:
        west, south, east, north = raster.bbox
        made["boundingBox"] = {"lowerLeft": [west, south], "upperRight": [east, north], "crs": CRS84}
        deepest = deepest_level(raster, grid)
        made["tileMatrixSetLimits"] = grid.limits(raster.bbox)[: deepest + 1]
    return made


def deepest_level(raster: PublishedRaster, grid: TileMatrixSet) -> int:
    """Return the level from which tiles show nothing new: its pixels are smaller than the cells."""
    middle = math.radians((raster.bbox[1] + raster.bbox[3]) / 2)
    metres = grid.span / 256 * (math.cos(middle) if grid.srid == 3857 else _METRES_PER_DEGREE)
    return min(20, max(0, math.ceil(math.log2(metres / raster.resolution_m))))


async def styles(raster: PublishedRaster, spoken: str, base: str) -> Response:
    """The styles of a raster."""
    known = STYLES[raster.kind]
    root = f"{base}/collections/{raster.id}/styles"
    rel = "http://www.opengis.net/def/rel/ogc/1.0"
    listed = [
        {
            "id": name,
            "title": title.zh if spoken == "zh" else title.en,
            "links": [
                {"rel": f"{rel}/map", "type": "image/png", "href": f"{root}/{name}/map"},
                {"rel": f"{rel}/tilesets-map", "type": "application/json", "href": f"{root}/{name}/map/tiles"},
            ],
        }
        for name, title in known.items()
    ]
    return _json({"styles": listed, "default": next(iter(known))})


def _json(document: object) -> Response:
    body = orjson.dumps(document)
    return Response(body, headers={"ETag": tag_of(body), "Cache-Control": "no-cache"}, media_type="application/json")
