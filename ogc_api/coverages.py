"""OGC API - Coverages (part 1, draft 19-087): cells of a raster as CoverageJSON or GeoTIFF, cut, scaled, in another CRS."""

import asyncio
from pathlib import Path
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from cim.access import Permission
from cim.crs import transform_box
from cim.db.published_rasters import PublishedRaster
from cim.errors import InvalidParameterError, NotFoundError
from cim.raster.pieces import Frame, Piece, frame_of, geotiff, read_piece
from ogc_api import coverage_json, raster_queries
from ogc_api.access import principal_of, require
from ogc_api.coverage_json import fields
from ogc_api.entity import matches, tag_of
from ogc_api.parameters import refuse_unknown
from ogc_api.raster_queries import DEFAULT_CRS
from ogc_api.state import Current, state_of

GEOTIFF = "image/tiff; application=geotiff"
_PARAMETERS = ("f", "bbox", "bbox-crs", "subset", "subset-crs", "scale-factor", "scale-size", "properties", "crs")
_SMALLER = "cut with bbox or subset, or ask for less cells with scale-factor or scale-size"


async def chosen_raster(request: Request) -> tuple[Current, PublishedRaster]:
    """Return the raster of a request.

    Raises
    ------
    UnknownCollectionError
        There is none of this id.
    ForbiddenError
        It is not granted.
    """
    current = await state_of(request.app).current()
    raster = current.raster(request.path_params["collection"])
    require(request, Permission.READ, raster.id)
    return current, raster


async def coverage(request: Request) -> Response:
    """The cells of a raster."""
    refuse_unknown(request.query_params, _PARAMETERS)
    current, raster = await chosen_raster(request)
    sent = dict(request.query_params)
    state = state_of(request.app)
    path = state.settings.rasters_dir / raster.file
    kind = raster_queries.read_format(sent, request.headers.get("accept", ""), ("geotiff", "coveragejson"))
    tag = tag_of(raster.file, principal_of(request).cache_key, kind, sorted(sent.items()))
    if matches(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers={"ETag": tag})
    return await asyncio.to_thread(_answer, current, raster, path, sent, kind, tag)


def _answer(current: Current, raster: PublishedRaster, path: Path, sent: dict[str, str], kind: str, tag: str) -> Response:
    wanted = raster_queries.choose_crs(sent, "crs", raster, current.choices)
    frame = frame_of(path, None if wanted is None or wanted.name == raster.crs else wanted.name)
    names = raster_queries.read_fields(sent, "properties", raster)
    if "bbox" in sent and "subset" in sent:
        raise InvalidParameterError("subset", sent["subset"][:80], "bbox or subset, not both")
    box_crs = raster_queries.choose_crs(sent, "bbox-crs", raster, current.choices) or DEFAULT_CRS
    box = raster_queries.read_box(sent, box_crs)
    if box is not None:
        box = box if box_crs.name == frame.crs else transform_box(box_crs.name, frame.crs, box)
    else:
        box = raster_queries.read_subset(sent, frame, raster_queries.choose_crs(sent, "subset-crs", raster, current.choices))
    window = frame.window(box)
    if not window[2]:
        raise InvalidParameterError("bbox", sent.get("bbox", "")[:80], f"a box that meets the raster: {', '.join(map(str, raster.bbox))}")
    size = raster_queries.read_scale(sent, window[2], window[3])
    columns, rows = size or window[2:]
    raster_queries.check_size(columns * rows * len(names), kind, hint=_SMALLER)
    known = fields(raster)
    piece = read_piece(path, frame, window, [known[name] for name in names], size)
    return grid_answer(piece, raster, names, kind, {"ETag": tag, "Cache-Control": "no-cache"})


def grid_answer(piece: Piece, raster: PublishedRaster, names: list[str], kind: str, headers: dict[str, str]) -> Response:
    """Return cells as GeoTIFF or CoverageJSON."""
    made = {**headers, **_content_crs(piece.frame)}
    if kind == "geotiff":
        made["Content-Disposition"] = 'attachment; filename="coverage.tif"'
        return Response(geotiff(piece, names, "m" if raster.is_terrain else None), headers=made, media_type=GEOTIFF)
    return Response(orjson.dumps(coverage_json.of_grid(piece, raster, names)), headers=made, media_type=coverage_json.MEDIA_TYPE)


def _content_crs(frame: Frame) -> dict[str, str]:
    if not frame.crs.startswith("EPSG:"):
        return {}
    return {"Content-Crs": f"<http://www.opengis.net/def/crs/EPSG/0/{frame.crs.removeprefix('EPSG:')}>"}


def schema(raster: PublishedRaster, language: str, address: str) -> dict[str, Any]:
    """Return the JSON Schema of the values of a raster (OGC API - Common part 3)."""
    properties: dict[str, Any] = {}
    for n, name in enumerate(fields(raster)):
        english, chinese = coverage_json.field_titles(name)
        one: dict[str, Any] = {"title": chinese if language == "zh" else english, "x-ogc-propertySeq": n + 1}
        one["type"] = "number" if raster.data_type.startswith("float") else "integer"
        if raster.is_terrain:
            one |= {"x-ogc-unit": "m", "x-ogc-unitLang": "UCUM"}
        if raster.nodata is not None:
            one["x-ogc-nilValues"] = [raster.nodata]
        properties[name] = one
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema", "$id": address, "type": "object",
        "title": raster.title.zh if language == "zh" else raster.title.en, "properties": properties,
    }  # fmt: skip


def no_queryables(raster: PublishedRaster) -> NotFoundError:
    """Return the error of a request for the queryables of a raster."""
    return NotFoundError(f"queryables of {raster.id!r}: a raster has none; its values are in /collections/{raster.id}/schema")
