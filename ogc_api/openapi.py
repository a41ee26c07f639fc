"""Corrections to the OpenAPI document of pygeoapi: what this server really offers, with parameters clients can read."""

from typing import Any

from cim.db.catalog import Attribute, collections
from cim.settings import ServerSettings
from ogc_api.crs import CRS84
from ogc_api.formats import FORMATS
from ogc_api.openapi_answers import describe_answers
from ogc_api.openapi_paths import collection_paths, shared_paths
from ogc_api.openapi_rasters import raster_ids, raster_paths
from ogc_api.openapi_rest import finish

_DROPPED = ("/asyncapi", "/TileMatrixSets", "/TileMatrixSets/{tileMatrixSetId}")
_JSON_OBJECT = {"schema": {"type": "object"}}
_DATETIME = (
    "RFC 3339 instant or interval. An instant selects the state of then, an interval the last state in it; collections without "
    "history have one state."
)
_SHARED = (
    "items-f", "lang", "limit", "offset", "cursor", "count", "bbox", "bbox-crs", "crs", "datetime", "q", "filter", "filter-lang",
    "filter-crs", "properties", "sortby", "skipGeometry",
)  # fmt: skip


def complete(document: dict[str, Any], settings: ServerSettings) -> dict[str, Any]:
    """Return the document with this server's own paths and parameters.

    Parameters
    ----------
    document
        As pygeoapi makes it; changed in place.
    settings
        Page limits.
    """
    paths: dict[str, Any] = document["paths"]
    for path in [*_DROPPED, *(one for one in paths if one.startswith("/stac"))]:
        paths.pop(path, None)
    parameters: dict[str, Any] = document["components"]["parameters"]
    parameters.update(_parameters(settings))
    parameters.pop("vendorSpecificParameters", None)
    for collection in collections().values():
        items, item = f"/collections/{collection.id}/items", f"/collections/{collection.id}/items/{{featureId}}"
        if items not in paths:
            continue
        paths[items] = {"get": {**paths[items]["get"], "parameters": _item_parameters(collection.queryables), "responses": _responses()}}
        code = {"name": "featureId", "in": "path", "required": True, "description": "code of the feature", "schema": {"type": "string"}}
        shared = [{"$ref": f"#/components/parameters/{name}"} for name in ("crs", "datetime", "items-f", "lang")]
        paths[item] = {"get": {**paths[item]["get"], "parameters": [code, *shared], "responses": _responses("404")}}
        for path, operations in collection_paths(collection).items():
            paths.setdefault(path, {}).update(operations)
    for raster in raster_ids(paths):
        for path in [one for one in paths if one.startswith(f"/collections/{raster}/")]:
            paths.pop(path)
        paths.update(raster_paths(raster))
    paths.update(shared_paths())
    paths.update(_own_paths())
    made: dict[str, Any] = _local(document, set(parameters))
    return describe_answers(finish(made))


def _local(value: Any, parameters: set[str]) -> Any:  # noqa: ANN401 - any JSON value
    """Return a document without references to other hosts: clients are generated from it where there is no internet."""
    if isinstance(value, list):
        return [_local(one, parameters) for one in value]
    if not isinstance(value, dict):
        return value
    reference = value.get("$ref")
    if not isinstance(reference, str) or not reference.startswith("http"):
        return {key: _local(one, parameters) for key, one in value.items()}
    _, kind, name = reference.rsplit("/", 2)
    if kind == "parameters":
        if name in parameters:
            return {"$ref": f"#/components/parameters/{name}"}
        return {"name": name, "in": "query", "required": False, "schema": {"type": "string"}}
    return {"description": name, "content": {"application/json": _JSON_OBJECT}} if kind == "responses" else {"type": "object"}


def _parameters(settings: ServerSettings) -> dict[str, Any]:
    limit = {"type": "integer", "minimum": 1, "maximum": settings.page_limit_max, "default": settings.page_limit_default}
    number_list = {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 6}
    uri = {"type": "string", "format": "uri", "default": CRS84}
    name_list = {"type": "array", "items": {"type": "string"}}
    return {
        "limit": _query("limit", "features per page", limit),
        "offset": _query("offset", "features to skip; following next links is faster", {"type": "integer", "minimum": 0, "default": 0}),
        "cursor": _query("cursor", "position taken from a next link", {"type": "string"}),
        "bbox": _query("bbox", "4 or 6 numbers in the axis order of bbox-crs; west above east crosses the antimeridian", number_list),
        "bbox-crs": _query("bbox-crs", "CRS of bbox, one of the collection's crs", uri),
        "crs": _query("crs", "CRS of the answer, one of the collection's crs", uri),
        "datetime": _query("datetime", _DATETIME, {"type": "string"}),
        "count": _query("count", "auto: exact up to a threshold, then an estimate", {"type": "string", "enum": ["auto", "exact", "none"]}),
        "q": _query("q", "words that must all occur in codes, names and addresses", {"type": "string", "maxLength": 200}),
        "filter": _query("filter", "CQL2 expression over the queryables", {"type": "string"}),
        "filter-lang": _query(
            "filter-lang", "language of filter", {"type": "string", "enum": ["cql2-text", "cql2-json"], "default": "cql2-text"}
        ),
        "filter-crs": _query("filter-crs", "CRS of geometries in filter, one of the collection's crs", uri),
        "properties": _query("properties", "attributes to write", name_list),
        "sortby": _query("sortby", "attributes to sort by, - in front for descending", name_list),
        "skipGeometry": _query("skipGeometry", "leave the geometry out", {"type": "boolean", "default": False}),
        "items-f": _query("f", "format", {"type": "string", "enum": list(FORMATS), "default": "json"}),
    }


def _query(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "description": description,
        "required": False,
        "schema": schema,
        "style": "form",
        "explode": False,
    }


def _item_parameters(attributes: tuple[Attribute, ...]) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = [{"$ref": f"#/components/parameters/{name}"} for name in _SHARED]
    for one in attributes:
        schema: dict[str, Any] = {"type": "string", "format": one.type} if one.type in ("date", "date-time") else {"type": one.type}
        if one.values:
            schema["enum"] = list(one.values)
        made.append(_query(one.name, one.title.en, schema))
    return made


def _responses(*more: str) -> dict[str, Any]:
    error = {"application/json": {"schema": {"type": "object", "required": ["code"], "properties": {"code": {"type": "string"}}}}}
    texts = {"400": "invalid parameter", "404": "no such feature", "503": "the store does not answer; try again"}
    good = {
        "description": "features as GeoJSON",
        "content": {
            "application/geo+json": _JSON_OBJECT,
            "text/html": {"schema": {"type": "string"}},
            **{one.media_type: {"schema": {"type": "string", "format": "binary"}} for one in FORMATS.values() if one.source == "rows"},
        },
    }
    return {"200": good, **{status: {"description": texts[status], "content": error} for status in ("400", *more, "503")}}


_LANG = {"name": "lang", "in": "query", "description": "language", "schema": {"type": "string", "enum": ["en", "zh"]}}


def _own_paths() -> dict[str, Any]:
    layer = {"name": "layer", "in": "path", "required": True, "schema": {"type": "string"}, "description": "e.g. buildings"}
    volume = {
        "name": "volumeId",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "pattern": "^3d-"},
        "description": "3d-buildings",
    }
    one = _get("Volume of 3D layers (OGC API - 3D GeoVolumes)", "getVolume", volume, _LANG)
    one["get"]["responses"]["404"] = {"description": "no such volume"}
    return {
        "/collections/{volumeId}": one,
        "/3dtiles": _get("3D layers of the city", "get3dLayers", _LANG),
        "/3dtiles/{layer}/tileset.json": _get("3D Tiles 1.1 tileset of a layer", "get3dTileset", layer),
        "/3dtiles/{layer}/live/tileset.json": _get(
            "3D Tiles 1.1 made on request: takes the filters and the datetime of the items", "getLive3dTileset", layer
        ),
        "/bim/models": _get("BIM models", "getBimModels"),
        "/healthz": _get("Whether the process is alive", "getHealth"),
        "/readyz": _get("Whether the server can answer", "getReadiness"),
    }


def _get(summary: str, operation: str, *parameters: dict[str, Any]) -> dict[str, Any]:
    responses = {"200": {"description": summary, "content": {"application/json": _JSON_OBJECT}}}
    return {
        "get": {"summary": summary, "operationId": operation, "tags": ["server"], "parameters": list(parameters), "responses": responses}
    }
