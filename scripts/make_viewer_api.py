"""Write viewer/api/openapi.json: the part of this server's OpenAPI document that the viewer speaks, the same for every city.

``npm run types`` in the folder viewer makes TypeScript of it. ``--check`` only tells whether the file is stale.

Example: python scripts/make_viewer_api.py http://127.0.0.1:8000
"""

import json
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

OUT = Path(__file__).resolve().parent.parent / "viewer" / "api" / "openapi.json"
_MODEL = "/collections/buildings"
_PLAIN = (
    "/3dtiles", "/collections", "/jobs/{jobId}", "/jobs/{jobId}/results", "/processes/{processId}/execution", "/records",
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
    made: dict[str, Any] = _plain({"openapi": "3.0.3", "info": info, "paths": paths, "components": {}})
    kept: dict[str, dict[str, Any]] = {}
    todo = [made["paths"]]
    while todo:
        for kind, name in _references(todo.pop()):
            if name not in kept.setdefault(kind, {}):
                kept[kind][name] = _plain(components[kind][name])
                todo.append(kept[kind][name])
    # Which formats a server writes is none of the viewer's business: it reads JSON.
    kept["parameters"]["items-f"]["schema"] = {"type": "string"}
    made["components"] = kept
    return made


def _references(value: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - any JSON value
    if isinstance(value, list):
        for one in value:
            yield from _references(one)
    elif isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield tuple(value["$ref"].split("/")[-2:])
        for one in value.values():
            yield from _references(one)


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
    """Return a value without words, and without defaults and limits, which are settings of a server and not part of a type."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if not isinstance(value, dict):
        return value
    schema = "type" in value and isinstance(value["type"], str)
    dropped = ("default", "minimum", "maximum", "minItems", "maxItems", "minLength", "maxLength", "description") if schema else ()
    made = {key: _plain(one) for key, one in value.items() if key not in dropped}
    if "in" in value:
        made.pop("description", None)
    if value.get("type") == "object" and "properties" not in value:
        # An object of which nothing is said may hold anything; the generator takes it for an empty one.
        made.setdefault("additionalProperties", True)
    return made


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
