"""OGC API - Styles (draft 20-009): a style per collection and one of the city, as MapLibre style, QML and SLD."""

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from cim.db.catalog import Collection
from cim.errors import InvalidParameterError, NotFoundError
from ogc_api import raster_maps, style_documents
from ogc_api.coverages import chosen_raster
from ogc_api.entity import tag_of
from ogc_api.negotiation import base_url, language
from ogc_api.parameters import refuse_unknown
from ogc_api.state import Current, state_of
from ogc_api.style_documents import ENCODINGS

CITY = "city"
_IN_THE_CITY = {"divisions", "buildings", "addresses"}


async def styles(request: Request) -> Response:
    """The styles, or those of a collection."""
    refuse_unknown(request.query_params, ("f", "lang"))
    state = state_of(request.app)
    current = await state.current()
    base, spoken = base_url(request, state.settings), language(request, state.settings.language)
    name = request.path_params.get("collection")
    if name in current.catalogue.rasters:
        _, raster = await chosen_raster(request)
        return await raster_maps.styles(raster, spoken, base)
    listed = [current.collection(name)] if name is not None else [one.collection for one in current.catalogue.published.values()]
    made = [_entry(one.id, getattr(one.title, spoken), base, list(ENCODINGS)) for one in listed]
    if name is None:
        made.insert(0, _entry(CITY, "全市" if spoken == "zh" else "City", base, ["mapbox"]))
    return _answer(orjson.dumps({"styles": made, "default": made[0]["id"]}), "application/json")


async def style(request: Request) -> Response:
    """One style: MapLibre, or ``f=qml`` and ``f=sld10`` of a collection."""
    refuse_unknown(request.query_params, ("f", "lang"))
    state = state_of(request.app)
    current = await state.current()
    base, spoken = base_url(request, state.settings), language(request, state.settings.language)
    name = request.path_params["style"]
    if name != CITY and name not in current.catalogue.published:
        raise NotFoundError(f"style {name[:60]!r}: expected {CITY} or a collection")
    if "collection" in request.path_params and request.path_params["collection"] != name:
        raise NotFoundError(f"style {name[:60]!r}: not one of collection {request.path_params['collection'][:60]!r}")
    encoding = _encoding(request)
    if name == CITY and encoding != "mapbox":
        raise InvalidParameterError("f", encoding, "mapbox: one layer has one QML or SLD, the city has many")
    if encoding == "mapbox":
        chosen = _city(current) if name == CITY else [current.collection(name)]
        title = ("全市" if spoken == "zh" else "City") if name == CITY else getattr(chosen[0].title, spoken)
        bbox = current.catalogue.bbox
        centre = [(bbox[0] + bbox[2]) / 2, (bbox[1] + bbox[3]) / 2] if bbox else None
        return _answer(orjson.dumps(style_documents.maplibre(chosen, title, base, centre)), ENCODINGS[encoding])
    write = style_documents.qml if encoding == "qml" else style_documents.sld
    return _answer(write(current.collection(name), spoken).encode(), ENCODINGS[encoding])


def _encoding(request: Request) -> str:
    asked = request.query_params.get("f")
    if asked is not None:
        if asked == "json":
            return "mapbox"
        if asked not in ENCODINGS:
            raise InvalidParameterError("f", asked[:40], f"one of {', '.join(ENCODINGS)}")
        return asked
    accept = request.headers.get("accept", "")
    return "qml" if "qml" in accept else "sld10" if "sld" in accept else "mapbox"


def _city(current: Current) -> list[Collection]:
    published = current.catalogue.published.values()
    return [one.collection for one in published if one.bbox is not None and (one.collection.kind or one.collection.id in _IN_THE_CITY)]


def _entry(name: str, title: str, base: str, encodings: list[str]) -> dict[str, Any]:
    links = [{"rel": "stylesheet", "type": ENCODINGS[one], "href": f"{base}/styles/{name}?f={one}"} for one in encodings]
    return {"id": name, "title": title, "links": links}


def _answer(body: bytes, media_type: str) -> Response:
    return Response(body, headers={"ETag": tag_of(body), "Cache-Control": "no-cache"}, media_type=media_type)
