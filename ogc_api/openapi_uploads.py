"""OpenAPI paths of model uploads."""

from typing import Any

_JSON = "application/json"
_TEXT = {"type": "string"}
_STATE = {
    "type": "object",
    "required": ["id", "file", "size", "received", "state"],
    "properties": {
        "id": {"type": "string", "format": "uuid"}, "file": _TEXT, "size": {"type": "integer", "description": "[byte]"},
        "received": {"type": "integer", "description": "[byte]"},
        "state": {"type": "string", "enum": ["receiving", "accepted", "running", "successful", "failed", "dismissed"]},
        "progress": {"type": "integer", "description": "[%]"}, "message": _TEXT, "job": {"type": "string", "nullable": True},
        "report": {"type": "object", "nullable": True, "description": "what cim bim upload prints"},
        "error": {"type": "object", "nullable": True, "properties": {"code": _TEXT, "message": _TEXT, "hint": _TEXT}},
    },
}  # fmt: skip
_OPTIONS: dict[str, dict[str, Any]] = {
    "name": {**_TEXT, "description": "name for people"},
    "stage": {"type": "string", "enum": ["planning", "design", "construction_drawing", "construction", "completion", "operation"]},
    "note": {**_TEXT, "description": "shown with the model"},
    "building_code": {**_TEXT, "description": "building it belongs to"},
    "crs": {**_TEXT, "description": "projected CRS, e.g. EPSG:4547"},
    "origin": {**_TEXT, "description": "easting,northing,height of the model's origin [m]"},
    "rotation_deg": {"type": "number", "description": "from east to the model's x axis, counter-clockwise [deg]"},
    "fit_to": {**_TEXT, "description": "lay the model onto the footprint of this building"},
    "version_of": {**_TEXT, "description": "model it is a new version of"},
    "project_code": {**_TEXT, "description": "code of the construction project"},
    "dry_run": {"type": "boolean", "description": "do everything but writing"},
    "filename": {**_TEXT, "description": "name of the file, ends in .ifc, .ifczip or .zip"},
    "sha256": {**_TEXT, "description": "of the file; compared with what arrived"},
}
_BINARY = {"type": "string", "format": "binary"}
_ID = {"name": "uploadId", "in": "path", "required": True, "description": "id of an upload", "schema": {"type": "string", "format": "uuid"}}


def _header(name: str, description: str, *, required: bool = False) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": required, "description": description, "schema": _TEXT}


_TUS = _header("Tus-Resumable", "1.0.0", required=True)
_LENGTH = _header("Upload-Length", "length of the file [byte]", required=True)
_OFFSET = _header("Upload-Offset", "where these bytes go [byte]", required=True)
_METADATA = _header("Upload-Metadata", f"key and base64 of UTF-8, by commas; keys: {', '.join(_OPTIONS)}")
_CHECKSUM = _header("Upload-Checksum", "algorithm (sha1, sha256, md5) and base64 of the digest of this body")


def _operation(summary: str, name: str, *parameters: dict[str, Any], responses: dict[str, str], **more: Any) -> dict[str, Any]:  # noqa: ANN401 - parts of OpenAPI
    made = {status: {"description": text} for status, text in responses.items()}
    # Reading may be open on a server; these operations never are.
    return {
        "summary": summary, "operationId": name, "tags": ["bim"], "parameters": list(parameters), "responses": made,
        "security": [{"token": []}], **more,
    }  # fmt: skip


def upload_paths() -> dict[str, dict[str, Any]]:
    """Return the operations on models and uploads: path → method → operation."""
    state = {_JSON: {"schema": _STATE}}
    query = [{"name": key, "in": "query", "required": False, "schema": schema} for key, schema in _OPTIONS.items()]
    form = {"type": "object", "required": ["file"], "properties": {"file": _BINARY, **_OPTIONS}}
    whole = _operation(
        "Upload a model in one request", "postModel", *query, responses={},
        requestBody={
            "required": True,
            "content": {
                "multipart/form-data": {"schema": form}, "application/octet-stream": {"schema": _BINARY},
                "application/x-step": {"schema": _BINARY}, "application/zip": {"schema": _BINARY},
            },
        },
    )  # fmt: skip
    whole["responses"] = {"202": {"description": "arrived; Location leads to its state", "content": state}}
    asked = _operation("State of an upload, its report or error", "getUpload", _ID, responses={})
    asked["responses"] = {"200": {"description": "state", "content": state}}
    report = _operation(
        "Report of a model or of an upload", "getModelReport",
        {"name": "modelId", "in": "path", "required": True, "description": "code of a model, or id of an upload", "schema": _TEXT},
        responses={},
    )  # fmt: skip
    report["responses"] = {"200": {"description": "report", "content": {_JSON: {"schema": {"type": "object"}}}}}
    body = {"required": True, "content": {"application/offset+octet-stream": {"schema": _BINARY}}}
    listing = _operation("Uploads of whoever asks", "getUploads", query[-1], responses={})
    listing["responses"] = {"200": {"description": "uploads", "content": {_JSON: {"schema": {"type": "object"}}}}}
    return {
        "/bim/models": {"post": whole},
        "/bim/models/{modelId}/report": {"get": report},
        "/bim/uploads": {
            "get": listing,
            "post": _operation(
                "Begin a resumable upload (tus 1.0)", "postUpload", _TUS, _LENGTH, _METADATA,
                responses={"201": "begun; Location is where the bytes go"},
            ),
        },
        "/bim/uploads/{uploadId}": {
            "get": asked,
            "head": _operation("Offset of an upload (tus 1.0)", "headUpload", _TUS, _ID, responses={"200": "its header Upload-Offset"}),
            "patch": _operation(
                "More bytes of an upload (tus 1.0)", "patchUpload", _TUS, _ID, _OFFSET, _CHECKSUM, responses={"204": "taken"},
                requestBody=body,
            ),
            "delete": _operation("Drop an upload (tus 1.0)", "deleteUpload", _TUS, _ID, responses={"204": "dropped"}),
        },
    }  # fmt: skip
