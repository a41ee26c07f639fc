"""Schemas of the answers that clients are generated from: what the bundled viewer reads is typed by these.

Only members a client may rely on are named; further ones may come along (OGC documents are open).
"""

from typing import Any

_TEXT = {"type": "string"}
_NUMBER = {"type": "number"}
_WHOLE = {"type": "integer"}
_TRUTH = {"type": "boolean"}
_ANY_OBJECT = {"type": "object", "additionalProperties": True}
_MOMENT = {"type": "string", "format": "date-time"}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _list(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": of}


def _object(required: str = "", /, **properties: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        made["required"] = required.split()
    return made


_NAMES = _object(en=_TEXT, zh=_TEXT)
_BOX = {**_list(_NUMBER), "minItems": 4, "maxItems": 6}
_COUNTS = {"numberMatched": _WHOLE, "numberReturned": _WHOLE}

SCHEMAS: dict[str, dict[str, Any]] = {
    "localised": _NAMES,
    "link": _object("rel href", rel=_TEXT, href=_TEXT, type=_TEXT, title=_TEXT),
    "geometry": _object("type", type=_TEXT, coordinates={"type": "array", "items": {}}, geometries=_list(_ref("geometry"))),
    "feature": _object(
        "type geometry properties",
        type={"type": "string", "enum": ["Feature"]},
        id={"oneOf": [_TEXT, _WHOLE]},
        geometry={"allOf": [_ref("geometry")], "nullable": True},
        properties=_ANY_OBJECT,
    ),
    "featureCollection": _object("type features", type=_TEXT, features=_list(_ref("feature")), links=_list(_ref("link")), **_COUNTS),
    "lineage": _object(parent_code=_TEXT, child_code=_TEXT, operation=_TEXT, reason=_TEXT),
    "history": _object("features lineage", features=_list(_ref("feature")), lineage=_list(_ref("lineage"))),
    "collection": _object("id", id=_TEXT, title=_TEXT, description=_TEXT, links=_list(_ref("link"))),
    "collections": _object("collections", collections=_list(_ref("collection"))),
    "attribute": _object(
        title=_TEXT,
        type={"oneOf": [_TEXT, _list(_TEXT)]},
        format=_TEXT,
        description=_TEXT,
        readOnly=_TRUTH,
        minimum=_NUMBER,
        maximum=_NUMBER,
        enum=_list({}),
        oneOf=_list(_object(const={}, title=_TEXT)),
        **{"x-ogc-unit": _TEXT, "x-ogc-propertySeq": _WHOLE, "x-ogc-role": _TEXT},
    ),
    "collectionSchema": _object("properties", title=_TEXT, properties={"type": "object", "additionalProperties": _ref("attribute")}),
    "layer3d": _object(
        "id title href kind collection",
        id=_TEXT,
        title=_ref("localised"),
        href=_TEXT,
        kind={"type": "string", "enum": ["buildings", "bim", "network", "terrain", "citymodel", "pointcloud"]},
        collection=_TEXT,
        code_property=_TEXT,
        n_features={"type": "integer", "nullable": True},
        bbox={**_BOX, "nullable": True},
        synthetic=_TRUTH,
        note={"allOf": [_ref("localised")], "nullable": True},
        replaces=_list(_TEXT),
        ground_height_m={**_NUMBER, "nullable": True},
    ),
    "city3d": _object(
        name=_ref("localised"), bbox=_BOX, notices=_list(_ref("localised")), ground_height_m=_NUMBER, geoid_separation_m=_NUMBER
    ),
    "layers3d": _object("layers city", layers=_list(_ref("layer3d")), city=_ref("city3d")),
    "quality": _object(read=_WHOLE, accepted=_WHOLE, unchanged=_WHOLE, rejected=_WHOLE, acceptedShare={"type": "number", "nullable": True}),
    "recordProperties": _object(
        "type title",
        type=_TEXT,
        title=_TEXT,
        titles=_ref("localised"),
        description=_TEXT,
        created=_MOMENT,
        updated=_MOMENT,
        license=_TEXT,
        accessGrade=_TEXT,
        standard=_TEXT,
        crs=_TEXT,
        synthetic=_TRUTH,
        count=_WHOLE,
        quality=_ref("quality"),
        keywords=_list(_TEXT),
    ),
    "record": _object(
        "id properties",
        id=_TEXT,
        properties=_ref("recordProperties"),
        links=_list(_ref("link")),
    ),
    "records": _object("features", features=_list(_ref("record")), links=_list(_ref("link")), **_COUNTS),
    "statusInfo": _object(
        "jobID status",
        processID=_TEXT,
        jobID=_TEXT,
        status={"type": "string", "enum": ["accepted", "running", "successful", "failed", "dismissed"]},
        message=_TEXT,
        progress=_NUMBER,
        created=_MOMENT,
        started=_MOMENT,
        finished=_MOMENT,
        updated=_MOMENT,
        links=_list(_ref("link")),
    ),
    "results": _ANY_OBJECT,
}

_ANSWERS: dict[tuple[str, str, str], str] = {
    ("/3dtiles", "get", "200"): "layers3d",
    ("/collections", "get", "200"): "collections",
    ("/records", "get", "200"): "records",
    ("/records/{recordId}", "get", "200"): "record",
    ("/jobs/{jobId}", "get", "200"): "statusInfo",
    ("/jobs/{jobId}", "delete", "200"): "statusInfo",
    ("/jobs/{jobId}/results", "get", "200"): "results",
    ("/processes/{processId}/execution", "post", "200"): "results",
    ("/processes/{processId}/execution", "post", "201"): "statusInfo",
}
"""Path, method, status → schema, where the path stands for itself."""


_JSON = ("application/json", "application/geo+json", "application/schema+json")


def describe_answers(document: dict[str, Any]) -> dict[str, Any]:
    """Give the answers of an OpenAPI document their schemas; changed in place and returned."""
    document["components"].setdefault("schemas", {}).update(SCHEMAS)
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            responses = operation.get("responses", {})
            for status, response in responses.items():
                name = _ANSWERS.get((path, method, status)) or _of_collection(path, method)
                if name is not None and status[0] == "2" and "content" in response:
                    # Anew: operations share the objects of their answers.
                    content = {kind: {"schema": _ref(name)} if kind in _JSON else one for kind, one in response["content"].items()}
                    responses[status] = {**response, "content": content}
    return document


def _of_collection(path: str, method: str) -> str | None:
    parts = path.strip("/").split("/")
    if parts[0] != "collections" or method != "get" or len(parts) < 2:
        return None
    kinds = {"": "collection", "items": "featureCollection", "schema": "collectionSchema"}
    if len(parts) <= 3:
        return kinds.get(parts[2] if len(parts) == 3 else "")
    if parts[2] != "items":
        return None
    return "history" if parts[-1] == "history" else "feature"
