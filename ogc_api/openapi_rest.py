"""The rest of the OpenAPI document: every path of the server, security, problem documents, and no reference out of the document.

pygeoapi's document refers to schemas on other hosts; client generators and validators inside a closed network cannot read those.
"""

from typing import Any

from ogc_api.openapi_uploads import upload_paths

_OBJECT = {"type": "object"}
_ERRORS = {
    "400": "a parameter or the body is not allowed",
    "401": "needs a valid token",
    "403": "the token does not allow it",
    "404": "no such thing",
    "429": "too many requests; Retry-After says when to come again",
    "500": "a fault of the server",
    "503": "the store does not answer; try again",
}
_LOCAL_RESPONSES = {
    "LandingPage": "landing page",
    "ConformanceDeclaration": "conformance classes",
    "Collections": "collections",
    "Collection": "collection",
    "Queryables": "queryables",
    "200": "done",
    "default": "problem",
}
_PROBLEM = {
    "type": "object",
    "required": ["title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "description": {"type": "string"},
        "hint": {"type": "string"},
    },
}


def finish(document: dict[str, Any]) -> dict[str, Any]:
    """Complete the document; changed in place.

    Parameters
    ----------
    document
        With the paths of collections, items, 3D layers and health.
    """
    components: dict[str, Any] = document["components"]
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer", "description": "a local token or an OpenID Connect one"}}
    # Reading may be open: an empty requirement beside the token.
    document["security"] = [{}, {"token": []}]
    components.setdefault("schemas", {})["problem"] = _PROBLEM
    components["responses"] = {
        f"e{status}": {"description": text, "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/problem"}}}}
        for status, text in _ERRORS.items()
    }
    for path, methods in {**_paths(), **upload_paths()}.items():
        known_methods = document["paths"].setdefault(path, {})
        known_methods.update({name: one for name, one in methods.items() if name not in known_methods})
    for path, methods in document["paths"].items():
        for operation in methods.values():
            if isinstance(operation, dict) and "responses" in operation:
                operation["responses"] = _responses(path, operation["responses"])
    _localise(document)
    used = {tag for methods in document["paths"].values() for one in methods.values() for tag in one.get("tags", [])}
    known = {one["name"]: one for one in document.get("tags", [])}
    document["tags"] = [known.get(name, {"name": name}) for name in sorted(used)]
    return document


def _responses(path: str, made: dict[str, Any]) -> dict[str, Any]:
    good = {status: one for status, one in made.items() if status[0] in "123"}
    wanted = ["400", "401", "403", "429", "500", "503"] if path not in {"/healthz", "/metrics"} else ["500"]
    if "{" in path or path.count("/") > 1:
        wanted.append("404")
    return {
        **(good or {"200": {"description": "done"}}),
        **{status: {"$ref": f"#/components/responses/e{status}"} for status in sorted(wanted)},
    }


def _localise(value: Any) -> None:  # noqa: ANN401 - any part of the document
    if isinstance(value, list):
        for one in value:
            _localise(one)
        return
    if not isinstance(value, dict):
        return
    target = value.get("$ref")
    if isinstance(target, str):
        name = target.rpartition("/")[2]
        if target.startswith("http") or (target.startswith("#/components/responses/") and name in _LOCAL_RESPONSES):
            value.pop("$ref")
            if "/responses/" in target:
                value.update({"description": _LOCAL_RESPONSES.get(name, name), "content": {"application/json": {"schema": _OBJECT}}})
            else:
                value.update(_OBJECT)
        return
    for one in value.values():
        _localise(one)


def _part(name: str, description: str, schema: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "description": description, "schema": schema or {"type": "string"}}


def _listed(name: str, description: str, values: tuple[str, ...]) -> dict[str, Any]:
    one = {"type": "string", "enum": list(values)} if values else {"type": "string"}
    return {
        "name": name, "in": "query", "description": description, "style": "form", "explode": False,
        "schema": {"type": "array", "items": one},
    }  # fmt: skip


_COLLECTION = _part("collectionId", "id of a collection")
_F = {"name": "f", "in": "query", "description": "format", "schema": {"type": "string", "enum": ["json", "html"]}}
_LANG = {"name": "lang", "in": "query", "description": "language", "schema": {"type": "string", "enum": ["en", "zh"]}}
_LIMIT = {"name": "limit", "in": "query", "description": "most entries", "schema": {"type": "integer", "minimum": 1, "maximum": 1000}}
_OFFSET = {"name": "offset", "in": "query", "description": "entries to skip", "schema": {"type": "integer", "minimum": 0}}
_SEARCH = (
    {**_F, "schema": {"type": "string", "enum": ["json", "html", "dcat"]}},
    _LANG,
    _LIMIT,
    _OFFSET,
    {"name": "q", "in": "query", "description": "words that must all occur", "schema": {"type": "string", "maxLength": 200}},
    {
        "name": "type", "in": "query", "description": "kind of record",
        "schema": {"type": "string", "enum": ["dataset", "dataset-series", "service"]},
    },
    {"name": "ids", "in": "query", "description": "ids, separated by commas", "schema": {"type": "string"}},
    {"$ref": "#/components/parameters/bbox"},
    {"name": "datetime", "in": "query", "description": "instant or interval of loading, RFC 3339", "schema": {"type": "string"}},
)  # fmt: skip
_JOB_CHOICES = (
    _listed("type", "kinds of jobs", ("process",)),
    _listed("processID", "ids of processes", ()),
    _listed("status", "states", ("accepted", "running", "successful", "failed", "dismissed")),
    {"name": "datetime", "in": "query", "description": "instant or interval of creation, RFC 3339", "schema": {"type": "string"}},
    {"name": "minDuration", "in": "query", "description": "shortest time it ran [s]", "schema": {"type": "integer", "minimum": 0}},
    {"name": "maxDuration", "in": "query", "description": "longest time it ran [s]", "schema": {"type": "integer", "minimum": 0}},
)
_JSON = "application/json"


def _operation(
    summary: str,
    name: str,
    tag: str,
    *parameters: dict[str, Any],
    media: str = _JSON,
    status: str = "200",
    body: dict[str, Any] | None = None,
) -> dict[str, Any]:
    schema = _OBJECT if "json" in media else {"type": "string", "format": "binary"}
    made: dict[str, Any] = {
        "summary": summary,
        "operationId": name,
        "tags": [tag],
        "parameters": list(parameters),
        "responses": {status: {"description": summary, "content": {media: {"schema": schema}}}},
    }
    if body is not None:
        made["requestBody"] = {"required": True, "content": {_JSON: {"schema": body}}}
    return made


def _execute_body() -> dict[str, Any]:
    uri = {"type": "string", "format": "uri"}
    return {
        "type": "object",
        "properties": {
            "inputs": _OBJECT,
            "outputs": _OBJECT,
            "response": {"type": "string", "enum": ["raw", "document"], "default": "document"},
            "subscriber": {"type": "object", "properties": {"successUri": uri, "failedUri": uri, "inProgressUri": uri}},
        },
    }


def _paths() -> dict[str, dict[str, Any]]:
    job, process = _part("jobId", "id of a job"), _part("processId", "id of a process")
    prefer = {"name": "Prefer", "in": "header", "description": "respond-async for a job", "schema": {"type": "string"}}
    executed = _operation("Execute a process", "execute", "processes", process, prefer, body=_execute_body())
    executed["responses"]["201"] = {"description": "a job was made; Location leads to it", "content": {_JSON: {"schema": _OBJECT}}}
    return {
        **_tile_paths(),
        "/functions": {"get": _operation("Functions of the filter language", "getFunctions", "server", _F, _LANG)},
        "/collections/{collectionId}/items/{featureId}/history": {
            "get": _operation("Past states of a feature", "getHistory", "server", _COLLECTION, _part("featureId", "code of the feature"))
        },
        "/collections/{collectionId}/export/{file}": {
            "get": _operation(
                "A whole collection as a file", "getExport", "server", _COLLECTION, _part("file", "e.g. buildings.gpkg"),
                media="application/octet-stream",
            )
        },
        "/processes": {"get": _operation("Processes", "getProcesses", "processes", _F, _LANG, _LIMIT)},
        "/processes/{processId}": {"get": _operation("Description of a process", "getProcess", "processes", process, _F, _LANG)},
        "/processes/{processId}/execution": {"post": executed},
        "/jobs": {"get": _operation("Jobs, newest first", "getJobs", "jobs", _F, _LANG, _LIMIT, _OFFSET, *_JOB_CHOICES)},
        "/jobs/{jobId}": {
            "get": _operation("Status of a job", "getStatus", "jobs", job, _F, _LANG),
            "delete": _operation("Dismiss a job", "dismiss", "jobs", job),
        },
        "/jobs/{jobId}/results": {"get": _operation("Results of a job", "getResult", "jobs", job)},
        "/jobs/{jobId}/results/{output}": {
            "get": _operation("One result of a job", "getOneResult", "jobs", job, _part("output", "name of the output"))
        },
        "/3dtiles/{layer}/live/tile/{key}.glb": {
            "get": _operation(
                "A 3D tile made on request", "getLive3dTile", "server", _part("layer", "buildings"), _part("key", "quadtree key"),
                media="model/gltf-binary",
            )
        },
        "/records": {"get": _operation("Data resource catalogue", "getRecords", "records", *_SEARCH)},
        "/records/{recordId}": {
            "get": _operation("A record of the catalogue", "getRecord", "records", _part("recordId", "id of a record"), _F, _LANG)
        },
        "/metrics": {"get": _operation("Metrics for Prometheus", "getMetrics", "server", media="text/plain")},
        "/admin/queries": {"get": _operation("Slow and running queries", "getQueries", "server", _F, _LANG)},
    }  # fmt: skip


def _tile_paths() -> dict[str, dict[str, Any]]:
    matrix_set = _part("tileMatrixSetId", "e.g. WebMercatorQuad")
    whole = {"type": "integer", "minimum": 0}
    place = (_part("tileMatrix", "zoom level", whole), _part("tileRow", "row", whole), _part("tileCol", "column", whole))
    made: dict[str, dict[str, Any]] = {
        "/tileMatrixSets": {"get": _operation("Tile matrix sets", "getTileMatrixSets", "tiles", _F, _LANG)},
        "/tileMatrixSets/{tileMatrixSetId}": {"get": _operation("A tile matrix set", "getTileMatrixSet", "tiles", matrix_set)},
        "/styles": {"get": _operation("Styles", "getStyles", "styles")},
        "/styles/{styleId}": {"get": _operation("A style", "getStyle", "styles", _part("styleId", "id of a style"))},
    }
    for root, name, more in (("", "City", ()), ("/collections/{collectionId}", "Collection", (_COLLECTION,))):
        made |= {
            f"{root}/tiles": {"get": _operation("Tilesets", f"get{name}Tilesets", "tiles", *more)},
            f"{root}/tiles/tilejson.json": {"get": _operation("TileJSON", f"get{name}TileJson", "tiles", *more)},
            f"{root}/tiles/{{tileMatrixSetId}}": {"get": _operation("A tileset", f"get{name}Tileset", "tiles", *more, matrix_set)},
            f"{root}/tiles/{{tileMatrixSetId}}/{{tileMatrix}}/{{tileRow}}/{{tileCol}}": {
                "get": _operation(
                    "A vector tile", f"get{name}Tile", "tiles", *more, matrix_set, *place, media="application/vnd.mapbox-vector-tile"
                )
            },
        }
    made["/collections/{collectionId}/tiles/xyz/{z}/{x}/{y}"] = {
        "get": _operation(
            "A vector tile by column and row, as MapLibre asks", "getXyzTile", "tiles", _COLLECTION, _part("z", "zoom level", whole),
            _part("x", "column", whole), _part("y", "row", whole), media="application/vnd.mapbox-vector-tile",
        )
    }  # fmt: skip
    made["/collections/{collectionId}/styles"] = {"get": _operation("Styles of a collection", "getCollectionStyles", "styles", _COLLECTION)}
    made["/collections/{collectionId}/styles/{styleId}"] = {
        "get": _operation("A style of a collection", "getCollectionStyle", "styles", _COLLECTION, _part("styleId", "id of a style"))
    }
    return made
