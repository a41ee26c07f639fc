"""Write viewer/api/openapi.json: the part of this server's OpenAPI document that the viewer speaks, the same for every city.

``npm run types`` in the folder viewer makes TypeScript of it. ``--check`` only tells whether the file is stale.

Example: python scripts/make_viewer_api.py http://127.0.0.1:8000
"""

import json
import sys
import urllib.request
from pathlib import Path
from typing import Annotated, Any

import typer

OUT = Path(__file__).resolve().parent.parent / "viewer" / "api" / "openapi.json"
_MODEL = "/collections/buildings"
_PLAIN = (
    "/3dtiles", "/bim/models", "/collections", "/jobs/{jobId}", "/jobs/{jobId}/results", "/processes/{processId}/execution", "/records",
    "/records/{recordId}",
)  # fmt: skip
_OF_COLLECTION = ("/items", "/items/{featureId}", "/items/{featureId}/history", "/schema")
_ANSWERS = ("application/json", "application/geo+json", "application/problem+json")


def reduced(document: dict[str, Any]) -> dict[str, Any]:
    """Return the paths the viewer uses; those of one collection stand for those of all.

    Parameters
    ----------
    document
        The server's OpenAPI 3.0 document.
    """
    paths: dict[str, Any] = {path: document["paths"][path] for path in _PLAIN}
    collection = {"name": "collectionId", "in": "path", "required": True, "schema": {"type": "string"}}
    for rest in _OF_COLLECTION:
        methods = document["paths"][_MODEL + rest]
        paths["/collections/{collectionId}" + rest] = {
            method: _generic(one, method, collection) for method, one in methods.items() if method in ("get", "patch")
        }
    for methods in paths.values():
        for operation in methods.values():
            _trim(operation)
    components = document["components"]
    info = {"title": "What the viewer speaks", "version": "1"}
    kept = {name: components[name] for name in ("parameters", "responses", "schemas", "securitySchemes")}
    return _plain({"openapi": "3.0.3", "info": info, "paths": paths, "components": kept})


def _generic(operation: dict[str, Any], method: str, collection: dict[str, Any]) -> dict[str, Any]:
    # Attributes as parameters are those of one collection only.
    shared = [one for one in operation["parameters"] if "$ref" in one or one["in"] != "query" or one["name"] in ("f", "lang")]
    made = {**operation, "parameters": [collection, *shared]}
    if method == "patch":
        schema = {"type": "object", "additionalProperties": True}
        made["requestBody"] = {"required": True, "content": {"application/merge-patch+json": {"schema": schema}}}
    return made


def _trim(operation: dict[str, Any]) -> None:
    for name in ("summary", "description", "tags", "operationId"):
        operation.pop(name, None)
    for response in operation["responses"].values():
        if "content" in response:
            response["content"] = {name: one for name, one in response["content"].items() if name in _ANSWERS}


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return a value without defaults and limits, which are settings of a server and not part of a type."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if not isinstance(value, dict):
        return value
    schema = "type" in value and isinstance(value["type"], str)
    return {key: _plain(one) for key, one in value.items() if not (schema and key in ("default", "minimum", "maximum"))}


def read(base: str) -> dict[str, Any]:
    """Return the OpenAPI document of a running server."""
    with urllib.request.urlopen(f"{base}/openapi?f=json", timeout=30) as answer:  # noqa: S310 - the operator names the server
        document: dict[str, Any] = json.loads(answer.read())
    return document


def text(document: dict[str, Any]) -> str:
    """Return the file's text."""
    return json.dumps(reduced(document), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def main(
    server: Annotated[str, typer.Argument(help="Base URL of a running server.")],
    check: Annotated[bool, typer.Option("--check", help="Only tell whether the file is current.")] = False,
) -> None:
    """Write or check viewer/api/openapi.json."""
    wanted = text(read(server))
    if check:
        stale = not OUT.is_file() or OUT.read_text(encoding="utf-8") != wanted
        print("stale" if stale else "current", file=sys.stderr)
        raise typer.Exit(1 if stale else 0)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(wanted, encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
