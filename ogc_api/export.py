"""Whole collections, or all that a filter matches, as one file: ``/collections/{id}/export/{name}.{suffix}``.

GeoJSON, JSON-FG and FlatGeobuf are streamed out of one state of the store with flat memory; the other formats are written to a temporary
file first, because what stands at their beginning or end says what there is.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import orjson
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse

from cim.access import Permission
from cim.clock import utc_now
from cim.db.feature_sql import FeatureQuery, OutputCrs
from cim.db.features import stream_features, stream_geojson
from cim.db.session import Session
from cim.errors import NotFoundError
from cim.exchange.model import Job
from ogc_api import crs, files, jsonfg
from ogc_api.access import require
from ogc_api.formats import BULK, CITYJSON_SEQ, FLATGEOBUF, JSON, JSONFG
from ogc_api.parameters import ItemsRequest, parse_selection
from ogc_api.state import Current, state_of


async def export(request: Request) -> Response:
    """Everything of a collection that the parameters select, as a file."""
    state = state_of(request.app)
    current = await state.current()
    collection = current.collection(request.path_params["collection"])
    # Where everybody may read everything page by page, a file of it is no secret.
    is_open = state.authenticator.anonymous.may(Permission.READ) and state.authenticator.anonymous.sees(collection.id)
    principal = require(request, Permission.READ if is_open else Permission.EXPORT, collection.id)
    name = request.path_params["file"]
    suffix = next((one for one in sorted(BULK, key=len, reverse=True) if name == f"{collection.id}{one}"), None)
    if suffix is None or not BULK[suffix].carries(collection):
        usable = [f"{collection.id}{one}" for one, made in BULK.items() if made.carries(collection)]
        raise NotFoundError(f"export {name[:80]!r}: expected one of {', '.join(usable)}")
    chosen = BULK[suffix]
    parsed = parse_selection(request.query_params, collection, current.choices)
    session = state.session(request)
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Content-Crs": f"<{parsed.crs_uri}>",
        "Cache-Control": "private, no-store" if principal.is_restricted else "no-cache",
    }
    if chosen is JSON:
        return await _streamed(_geojson(session, parsed.query), chosen.media_type, headers)
    if chosen is JSONFG:
        query = replace(parsed.query, crs=OutputCrs())
        return await _streamed(_jsonfg(session, query, parsed, current), chosen.media_type, headers)
    query = replace(parsed.query, crs=files.xy_order(parsed.query.crs))
    if chosen is FLATGEOBUF:
        job = files.job_of(query, current.catalogue.profile, current.catalogue.published[collection.id].bbox, query.crs.srid)
        return await _streamed(_flatgeobuf(session, query, job), chosen.media_type, headers)
    if chosen is CITYJSON_SEQ:
        srid = files.projected_srid(current.catalogue.profile) or crs.utm_srid(current.catalogue.bbox)
        query = replace(query, crs=OutputCrs(srid=srid), properties=None)
    job = files.job_of(query, current.catalogue.profile, current.catalogue.published[collection.id].bbox, query.crs.srid)
    path = await files.write_file(files.writer_of(chosen), job, _rows(session, query), suffix)
    return FileResponse(
        path, headers=headers, media_type=chosen.media_type, background=BackgroundTask(shutil.rmtree, path.parent, ignore_errors=True)
    )


async def _streamed(parts: AsyncIterator[bytes], media_type: str, headers: dict[str, str]) -> Response:
    # The first part is made before the answer begins, so that a refusal of the store still has its status.
    first = await anext(parts)

    async def whole() -> AsyncIterator[bytes]:
        yield first
        async for part in parts:
            yield part

    return StreamingResponse(whole(), media_type=media_type, headers=headers)


async def _rows(session: Session, query: FeatureQuery) -> AsyncIterator[list[tuple[Any, ...]]]:
    """Yield values and geometry, without the sort values and the id behind them."""
    n_keys = len(query.sort) + 1
    async for batch in stream_features(session, query, "rows"):
        yield [tuple(row)[:-n_keys] for row in batch]


async def _geojson(session: Session, query: FeatureQuery) -> AsyncIterator[bytes]:
    head = f'{{"type":"FeatureCollection","timeStamp":"{utc_now():%Y-%m-%dT%H:%M:%SZ}","features":['.encode()
    async for part in stream_geojson(session, query):
        yield head + part if head else part
        head = b""
    yield head + b"]}\n"


async def _flatgeobuf(session: Session, query: FeatureQuery, job: Job) -> AsyncIterator[bytes]:
    from cim.exchange import flatgeobuf

    head = await asyncio.to_thread(flatgeobuf.head, job, None)
    async for batch in stream_features(session, query, "binary"):
        yield head + await asyncio.to_thread(flatgeobuf.features, job.collection.columns, [row[0] for row in batch])
        head = b""
    if head:
        yield head


async def _jsonfg(session: Session, query: FeatureQuery, parsed: ItemsRequest, current: Current) -> AsyncIterator[bytes]:
    head = orjson.dumps({"type": "FeatureCollection", **jsonfg.head(query, current)})[:-1] + b',"features":[\n'
    async for rows in _rows(session, query):
        yield head + b",\n".join(await asyncio.to_thread(jsonfg.features, rows, query, parsed, current))
        head = b",\n"
    yield b"]}\n" if head == b",\n" else head + b"]}\n"
