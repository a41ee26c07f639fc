"""OpenAPI 3.0 paths of writes, history, files, tiles and styles."""

from typing import Any

from cim.db.catalog import Collection
from cim.db.feature_edits import can_create, writable
from cim.db.vector_tiles import MEDIA_TYPE
from ogc_api.bodies import body_schema
from ogc_api.formats import BULK
from ogc_api.style_documents import ENCODINGS
from ogc_api.tile_matrix import LEVELS, MATRIX_SETS

_OBJECT = {"application/json": {"schema": {"type": "object"}}}
_STATUS = {
    "400": "a parameter or header is not valid", "401": "needs a token", "403": "not allowed", "404": "not there",
    "405": "the collection cannot be edited", "409": "a source with more authority has set an attribute",
    "412": "changed since it was read",
    "415": "media type is not read", "422": "the body does not fit; names the place",
}  # fmt: skip
_SELECTION = ("bbox", "bbox-crs", "crs", "datetime", "q", "filter", "filter-lang", "filter-crs", "properties", "sortby", "skipGeometry")


def collection_paths(collection: Collection) -> dict[str, dict[str, Any]]:
    """Return the operations of a collection besides reading features: path → method → operation."""
    root, name = f"/collections/{collection.id}", collection.id
    files = [f"{name}{suffix}" for suffix, one in BULK.items() if one.carries(collection)]
    selection = [{"$ref": f"#/components/parameters/{one}"} for one in _SELECTION]
    made: dict[str, dict[str, Any]] = {
        f"{root}/export/{{file}}": {
            "get": _operation(
                f"All of {name} as a file", f"export-{name}", [_path("file", enum=files), *selection], _binary(), ("400", "404")
            ),
        },
        f"{root}/items/{{featureId}}/history": {
            "get": _operation(f"Every state of a feature of {name}", f"history-{name}", [_CODE], _geojson(), ("404",)),
        },
        f"{root}/tiles": {"get": _operation(f"Tilesets of {name}", f"tilesets-{name}", [], _json(), ())},
        f"{root}/tiles/{{tileMatrixSetId}}": {"get": _operation(f"Tileset of {name}", f"tileset-{name}", [_SET], _json(), ("404",))},
        f"{root}/tiles/{{tileMatrixSetId}}/{{tileMatrix}}/{{tileRow}}/{{tileCol}}": {
            "get": _operation(f"Vector tile of {name}", f"tile-{name}", [_SET, *_NUMBERS], _tile(), ("400", "404")),
        },
        f"{root}/styles": {"get": _operation(f"Styles of {name}", f"styles-{name}", [], _json(), ())},
    }
    if writable(collection):
        item = f"{root}/items/{{featureId}}"
        made[item] = {
            "put": _write(f"Replace a feature of {name}", f"replace-{name}", collection, whole=True),
            "patch": _write(f"Change a feature of {name}", f"patch-{name}", collection, whole=False),
            "delete": _operation(f"Retire a feature of {name}", f"delete-{name}", [_CODE], _empty("204"), ("401", "403", "404", "412")),
        }
    if can_create(collection):
        create = _write(f"Add a feature to {name}", f"create-{name}", collection, whole=True, responses=_empty("201"))
        create["parameters"] = [one for one in create["parameters"] if one is not _CODE]
        made[f"{root}/items"] = {"post": create}
    return made


def shared_paths() -> dict[str, dict[str, Any]]:
    """Return the operations that belong to no collection."""
    style = {"200": {"description": "the style", "content": {one: {"schema": {"type": "string"}} for one in ENCODINGS.values()}}}
    chosen = {"name": "f", "in": "query", "schema": {"type": "string", "enum": [*ENCODINGS, "json"]}}
    names = {
        "name": "collections",
        "in": "query",
        "style": "form",
        "explode": False,
        "schema": {"type": "array", "items": {"type": "string"}},
    }
    return {
        "/functions": {"get": _operation("Functions that filters may call", "getFunctions", [], _json(), ())},
        "/tileMatrixSets": {"get": _operation("Tile matrix sets", "getTileMatrixSets", [], _json(), ())},
        "/tileMatrixSets/{tileMatrixSetId}": {"get": _operation("A tile matrix set", "getTileMatrixSet", [_SET], _json(), ("404",))},
        "/tiles": {"get": _operation("Tilesets of the city", "getTilesets", [], _json(), ())},
        "/tiles/{tileMatrixSetId}": {"get": _operation("Tileset of the city", "getTileset", [_SET], _json(), ("404",))},
        "/tiles/{tileMatrixSetId}/{tileMatrix}/{tileRow}/{tileCol}": {
            "get": _operation("Vector tile with a layer per collection", "getCityTile", [_SET, *_NUMBERS, names], _tile(), ("400", "404")),
        },
        "/styles": {"get": _operation("Styles", "getStyles", [], _json(), ())},
        "/styles/{styleId}": {"get": _operation("A style", "getStyle", [_path("styleId"), chosen], style, ("400", "404"))},
    }


def _path(name: str, *, enum: list[str] | None = None, integer: bool = False) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "integer", "minimum": 0} if integer else {"type": "string"}
    if enum:
        schema["enum"] = enum
    return {"name": name, "in": "path", "required": True, "schema": schema}


_CODE = {**_path("featureId"), "description": "code of the feature"}
_SET = _path("tileMatrixSetId", enum=list(MATRIX_SETS))
_LEVEL = {**_path("tileMatrix", integer=True), "schema": {"type": "integer", "minimum": 0, "maximum": LEVELS - 1}}
_NUMBERS = (_LEVEL, _path("tileRow", integer=True), _path("tileCol", integer=True))
_IF_MATCH = {"name": "If-Match", "in": "header", "schema": {"type": "string"}, "description": "ETag of the state that was read"}
_CONTENT_CRS = {"name": "Content-Crs", "in": "header", "schema": {"type": "string"}, "description": "<URI> of the CRS of the body"}
_REASON = {"name": "Cim-Reason", "in": "header", "schema": {"type": "string"}, "description": "why, percent-encoded UTF-8"}


def _operation(
    summary: str, name: str, parameters: list[dict[str, Any]], responses: dict[str, Any], errors: tuple[str, ...]
) -> dict[str, Any]:
    faults = {status: {"description": _STATUS[status], "content": _OBJECT} for status in errors}
    return {"summary": summary, "operationId": name, "tags": ["features"], "parameters": parameters, "responses": {**responses, **faults}}


def _write(summary: str, name: str, collection: Collection, *, whole: bool, responses: dict[str, Any] | None = None) -> dict[str, Any]:
    schema = _openapi_schema(body_schema(collection, whole=whole, creating=responses is not None))
    media_types = ("application/geo+json",) if whole else ("application/merge-patch+json",)
    errors = ("400", "401", "403", "404", "405", "409", "412", "415", "422")
    made = _operation(summary, name, [_CODE, _IF_MATCH, _CONTENT_CRS, _REASON], responses or _empty("204"), errors)
    return {**made, "requestBody": {"required": True, "content": {one: {"schema": schema} for one in media_types}}}


def _openapi_schema(schema: Any) -> Any:  # noqa: ANN401 - any JSON Schema
    """Return a JSON Schema in the dialect of OpenAPI 3.0: no lists of types, no ``const``, exclusive bounds as flags."""
    if isinstance(schema, list):
        return [_openapi_schema(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _openapi_schema(value) for key, value in schema.items()}
    if isinstance(made.get("type"), list):
        kinds = [one for one in made["type"] if one != "null"]
        made |= {"type": kinds[0], "nullable": True}
    for bound, flag in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(made.get(flag), int):
            made |= {bound: made[flag], flag: True}
    if isinstance(made.get("const"), str):
        made = {"type": "string", "enum": [made["const"]]}
    return made


def _json() -> dict[str, Any]:
    return {"200": {"description": "as asked", "content": _OBJECT}}


def _geojson() -> dict[str, Any]:
    return {"200": {"description": "as asked", "content": {"application/geo+json": {"schema": {"type": "object"}}}}}


def _binary() -> dict[str, Any]:
    content = {one.media_type: {"schema": {"type": "string", "format": "binary"}} for one in BULK.values()}
    return {"200": {"description": "the file", "content": content}}


def _tile() -> dict[str, Any]:
    content = {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}
    return {"200": {"description": "the tile", "content": content}, "204": {"description": "nothing is there"}}


def _empty(status: str) -> dict[str, Any]:
    headers = {name: {"schema": {"type": "string"}} for name in (("Location", "ETag") if status == "201" else ("ETag",))}
    return {status: {"description": "done", "headers": headers}}
