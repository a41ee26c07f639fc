"""Writes (OGC API - Features, part 4): POST, PUT, PATCH and DELETE of features, each one change set and one transaction."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote
from uuid import UUID

import orjson
from starlette.requests import Request
from starlette.responses import Response

from cim.access import Permission, Principal
from cim.db import engine, feature_edits, row_security
from cim.db.catalog import Collection
from cim.db.changes import open_change_set
from cim.db.engine import Connection
from cim.db.feature_edits import State
from cim.db.feature_sql import OutputCrs
from cim.errors import InvalidParameterError
from ogc_api import bodies, crs, items
from ogc_api.access import principal_of, require
from ogc_api.bodies import Sent
from ogc_api.entity import matches, tag_of
from ogc_api.negotiation import base_url
from ogc_api.parameters import refuse_unknown
from ogc_api.state import Current, ServerState, state_of

_REASON = "edited over the API"
_LONGEST_REASON = 2000


@dataclass(frozen=True)
class _Write:
    """What a write has to know of its request."""

    state: ServerState
    current: Current
    collection: Collection
    principal: Principal
    reason: str
    if_match: str


async def all_items(request: Request) -> Response:
    """Everything under ``items``: read a page, add a feature, say what is allowed."""
    if request.method == "POST":
        return await _create(request)
    if request.method == "OPTIONS":
        return await _options(request, ("POST",))
    return await items.items(request)


async def one_item(request: Request) -> Response:
    """Everything under ``items/{code}``: read, replace, change, delete, say what is allowed."""
    work = {"PUT": _replace, "PATCH": _patch, "DELETE": _delete}.get(request.method)
    if work is not None:
        return await work(request)
    if request.method == "OPTIONS":
        return await _options(request, ("PUT", "PATCH", "DELETE"))
    return await items.item(request)


async def _options(request: Request, writes: tuple[str, ...]) -> Response:
    state = state_of(request.app)
    collection = (await state.current()).collection(request.path_params["collection"])
    principal = principal_of(request)
    may = principal.may(Permission.EDIT) and principal.sees(collection.id)
    may = may and (principal.writable is None or collection.id in principal.writable) and bool(feature_edits.writable(collection))
    allowed = [one for one in writes if may and (one != "POST" or feature_edits.can_create(collection))]
    methods = ", ".join(["GET", "HEAD", "OPTIONS", *allowed])
    return Response(
        status_code=204, headers={"Allow": methods, "Accept-Patch": "application/merge-patch+json"} if allowed else {"Allow": methods}
    )


async def _create(request: Request) -> Response:
    write = await _begin(request)
    choice = _content_crs(request, write.current)
    body, content_type = await request.body(), request.headers.get("content-type", "")
    sent = bodies.read_feature(body, content_type, write.collection, whole=True, creating=True)
    outline = None
    if sent.geometry is not None or write.collection.geometry != "LINESTRING":
        outline = feature_edits.check_outline(bodies.placed(sent.geometry, choice), write.collection.geometry)

    def work(connection: Connection, change_set: UUID) -> tuple[str, int]:
        return feature_edits.create_feature(connection, write.collection, sent.values, outline, change_set), 1

    code, version = await _run(write, "edit", work)
    address = f"{base_url(request, write.state.settings)}/collections/{write.collection.id}/items/{quote(code, safe='')}"
    body = orjson.dumps({"id": code})
    headers = {"Location": address, "ETag": tag_of(write.collection.id, code, version)}
    return Response(body, 201, headers=headers, media_type="application/json")


async def _replace(request: Request) -> Response:
    return await _change(request, whole=True)


async def _patch(request: Request) -> Response:
    return await _change(request, whole=False)


async def _change(request: Request, *, whole: bool) -> Response:
    write = await _begin(request)
    code = request.path_params["code"]
    choice = _content_crs(request, write.current)
    sent = bodies.read_feature(await request.body(), request.headers.get("content-type", ""), write.collection, whole=whole)
    if sent.id is not None and sent.id != code:
        raise bodies.wrong("id", sent.id, f"{code}: a code never changes")
    outline = _outline(sent, write.collection, choice) if sent.geometry is not bodies.ABSENT else None

    def work(connection: Connection, change_set: UUID) -> tuple[str, int]:
        state = _locked(connection, write, code)
        bodies.refuse_read_only(sent, write.collection, state.values)
        different = feature_edits.change_feature(connection, write.collection, state, sent.values, outline, change_set)
        return code, state.version + different

    _, version = await _run(write, "edit", work)
    return Response(status_code=204, headers={"ETag": tag_of(write.collection.id, code, version)})


async def _delete(request: Request) -> Response:
    write = await _begin(request)
    code = request.path_params["code"]

    def work(connection: Connection, change_set: UUID) -> tuple[str, int]:
        state = _locked(connection, write, code)
        feature_edits.retire_feature(connection, write.collection, state, change_set, reason=write.reason)
        return code, state.version + 1

    await _run(write, "demolish" if write.collection.id == "buildings" else "edit", work)
    return Response(status_code=204)


async def _begin(request: Request) -> _Write:
    refuse_unknown(request.query_params, ())
    state = state_of(request.app)
    current = await state.current()
    collection = current.collection(request.path_params["collection"])
    principal = require(request, Permission.EDIT, collection.id)
    if not feature_edits.writable(collection):
        raise bodies.not_editable(collection.id)
    # Header values are Latin-1; other text comes percent-encoded.
    reason = unquote(request.headers.get("cim-reason", "")).strip() or _REASON
    if len(reason) > _LONGEST_REASON or "\x00" in reason:
        raise InvalidParameterError("Cim-Reason", reason[:80], f"at most {_LONGEST_REASON} characters")
    return _Write(state, current, collection, principal, reason, request.headers.get("if-match", ""))


def _content_crs(request: Request, current: Current) -> OutputCrs:
    uri = request.headers.get("content-crs", f"<{crs.CRS84}>").strip().removeprefix("<").removesuffix(">")
    return crs.choose(uri, current.choices, parameter="Content-Crs")


def _outline(sent: Sent, collection: Collection, choice: OutputCrs) -> Any:  # noqa: ANN401 - shapely geometry
    if not feature_edits.can_move(collection):
        return None
    return feature_edits.check_outline(bodies.placed(sent.geometry, choice), collection.geometry)


def _locked(connection: Connection, write: _Write, code: str) -> State:
    state = feature_edits.lock_feature(connection, write.collection, code, None)
    if write.if_match and not matches(write.if_match, tag_of(write.collection.id, code, state.version)):
        # Compared again with a version that cannot be: the error says what was found.
        feature_edits.lock_feature(connection, write.collection, code, -1)
    return state


async def _run(write: _Write, operation: str, work: Callable[[Connection, UUID], tuple[str, int]]) -> tuple[str, int]:
    def transaction() -> tuple[str, int]:
        with engine.connect(write.state.settings) as connection:
            row_security.enter(connection, write.principal.scope, writing=True)
            change_set = open_change_set(
                connection, author=write.principal.subject, operation=operation, reason=write.reason, source="OGC API - Features"
            )
            return work(connection, change_set)

    done = await asyncio.to_thread(transaction)
    write.state.look_soon()
    return done
