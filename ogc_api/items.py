"""Features over HTTP: pages and single features in the format the client wants."""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from cim.db.catalog import Collection
from cim.db.feature_sql import FeatureQuery, OutputCrs
from cim.db.features import Page, TextPage, fetch_item, fetch_item_row, fetch_page, fetch_text_page
from cim.db.session import Session
from cim.exchange.model import Job
from ogc_api import crs, files, jsonfg, links, maps
from ogc_api.entity import matches, tag_of
from ogc_api.formats import CITYJSON_SEQ, FLATGEOBUF, HTML, JSON, JSONFG, Format, wanted
from ogc_api.hot import RawResponse
from ogc_api.links import Link, Written
from ogc_api.negotiation import base_url, language
from ogc_api.parameters import ITEM, ItemsRequest, parse_items, past, refuse_unknown
from ogc_api.state import Current, ServerState, state_of


async def items(request: Request) -> Response:
    """A page of features."""
    state = state_of(request.app)
    current = await state.current()
    collection = current.collection(request.path_params["collection"])
    parsed = parse_items(request.query_params, collection, current.choices, state.settings.server, state.cursors)
    chosen = wanted(request, collection)
    session = state.session(request)
    if chosen is JSON:
        text = await fetch_text_page(session, parsed.query, state.counter, state.signal, mode=parsed.count)
        return _text_answer(request, state, parsed, text)
    if chosen is HTML:
        text = await fetch_text_page(session, parsed.query, state.counter, state.signal, mode=parsed.count)
        return _html_page(request, state, current, parsed, text)
    query, crs_uri = _file_query(parsed, chosen, current)
    body, page = await _file_page(session, state, current, query, parsed, chosen)
    if chosen is JSONFG:
        made = _links(request, state, parsed.query, page, chosen)
        head = {**_head(page), "links": made.links, **jsonfg.head(query, current)}
        body = b"".join([orjson.dumps(head)[:-1], b',"features":[', body, b"]}"])
        return Response(body, headers=_headers(parsed.crs_uri, page, made.header), media_type=chosen.media_type)
    made = _links(request, state, parsed.query, page, chosen)
    named = {"content-disposition": f'inline; filename="{collection.id}{chosen.suffix}"'}
    return Response(body, headers={**_headers(crs_uri, page, made.header), **named}, media_type=chosen.media_type)


async def item(request: Request) -> Response:
    """One feature, by code."""
    state = state_of(request.app)
    current = await state.current()
    collection = current.collection(request.path_params["collection"])
    refuse_unknown(request.query_params, ITEM)
    crs_uri = request.query_params.get("crs", crs.CRS84)
    choice = crs.choose(crs_uri, current.choices, parameter="crs")
    moment = past(request.query_params["datetime"], collection) if "datetime" in request.query_params else None
    chosen = wanted(request, collection)
    code = request.path_params["code"]
    session = state.session(request)
    base, query = base_url(request, state.settings), request.scope["query_string"].decode("latin-1")
    if chosen not in (JSON, HTML):
        return await _file_item(
            session, current, collection, code, choice, chosen, links.of_item(current, collection, code, base, query, chosen)
        )
    text, version = await fetch_item(session, collection, code, choice, moment)
    # The tag names the state of the feature, whatever the format or CRS it is written in: it is what If-Match compares.
    tag = tag_of(collection.id, code, version if version is not None else text)
    if chosen is JSON:
        headers = [
            (b"content-crs", f"<{crs_uri}>".encode()), (b"etag", tag.encode()), (b"cache-control", b"no-cache"),
            (b"vary", b"Accept, Authorization"),
        ]  # fmt: skip
        if matches(request.headers.get("if-none-match", ""), tag):
            return RawResponse(b"", headers, 304)
        body = b"".join([text[:-1].encode(), b',"links":', links.item_text(current, collection, code, base, query, chosen), b"}"])
        headers += [(b"content-type", chosen.media_type.encode()), (b"content-length", str(len(body)).encode())]
        return RawResponse(body, headers)
    spoken = language(request, state.settings.language)
    titles = {one.name: one.title.zh if spoken == "zh" else one.title.en for one in collection.attributes}
    feature = orjson.loads(text)
    data = {
        **_html_data(current, collection, base, spoken),
        **feature,
        "titles": titles,
        "links": links.of_item(current, collection, code, base, query, chosen),
        "map": maps.outline([feature]),
    }
    return current.front.html("collections/items/item.html", data, spoken, base=base)


def _file_query(parsed: ItemsRequest, chosen: Format, current: Current) -> tuple[FeatureQuery, str]:
    """Return the query of a file format: its coordinates are x/y, and those of solids in metres."""
    if chosen is JSONFG:
        return replace(parsed.query, crs=OutputCrs()), parsed.crs_uri
    if chosen is CITYJSON_SEQ:
        srid = files.projected_srid(current.catalogue.profile) or crs.utm_srid(current.catalogue.bbox)
        return replace(parsed.query, crs=OutputCrs(srid=srid), properties=None), f"http://www.opengis.net/def/crs/EPSG/0/{srid}"
    return replace(parsed.query, crs=files.xy_order(parsed.query.crs)), parsed.crs_uri


async def _file_page(
    session: Session, state: ServerState, current: Current, query: FeatureQuery, parsed: ItemsRequest, chosen: Format
) -> tuple[bytes, Page]:
    if chosen is FLATGEOBUF:
        page = await fetch_page(session, query, state.counter, state.signal, mode=parsed.count, output="binary")
        return await asyncio.to_thread(files.flatgeobuf, page.features, _job(query, current)), page
    page = await fetch_page(session, query, state.counter, state.signal, mode=parsed.count, output="rows")
    if chosen is JSONFG:
        made = await asyncio.to_thread(jsonfg.features, page.features, query, parsed, current)
        return b",".join(made), page
    return await _written(query, current, chosen, page.features), page


def _job(query: FeatureQuery, current: Current) -> Job:
    return files.job_of(query, current.catalogue.profile, current.catalogue.published[query.collection.id].bbox, query.crs.srid)


async def _written(query: FeatureQuery, current: Current, chosen: Format, rows: list[Any]) -> bytes:
    path = await files.write_file(files.writer_of(chosen), _job(query, current), files.one_batch(rows), chosen.suffix)
    try:
        return await asyncio.to_thread(path.read_bytes)
    finally:
        await asyncio.to_thread(files.remove, path)


async def _file_item(
    session: Session, current: Current, collection: Collection, code: str, choice: OutputCrs, chosen: Format, related: list[Link]
) -> Response:
    parsed = ItemsRequest(FeatureQuery(collection, 1, crs=choice), crs.uri_of(choice, current.choices))
    query, crs_uri = _file_query(parsed, chosen, current)
    row = await fetch_item_row(session, collection, code, query.crs)
    headers = {"Content-Crs": f"<{crs_uri}>"}
    if chosen is JSONFG:
        feature = jsonfg.features([row], query, parsed, current)[0]
        extra = orjson.dumps({"conformsTo": jsonfg.CONFORMS_TO, "coordRefSys": crs.CRS84, "links": related})
        return Response(b"".join([feature[:-1], b",", extra[1:]]), headers=headers, media_type=chosen.media_type)
    body = await _written(query, current, chosen, [row])
    named = {"Content-Disposition": f'inline; filename="{collection.id}{chosen.suffix}"'}
    return Response(body, headers={**headers, **named}, media_type=chosen.media_type)


def _head(page: Page | TextPage) -> dict[str, Any]:
    made: dict[str, Any] = {"type": "FeatureCollection"}
    if page.matched.is_exact and page.matched.number is not None:
        made["numberMatched"] = page.matched.number
    elif page.matched.number is not None:
        made["numberMatchedEstimate"] = page.matched.number
    return made | {"numberReturned": page.returned, "timeStamp": _second(int(time.time()))}


@lru_cache(maxsize=1)
def _second(epoch_s: int) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _text_answer(request: Request, state: ServerState, parsed: ItemsRequest, page: TextPage) -> Response:
    made = _links(request, state, parsed.query, page, JSON)
    body = b"".join([orjson.dumps(_head(page))[:-1], b',"links":', made.text, b'],"features":[', page.features, b"]}"])
    headers = [(name.encode(), value.encode("latin-1")) for name, value in _headers(parsed.crs_uri, page, made.header).items()]
    headers += [(b"content-type", JSON.media_type.encode()), (b"content-length", str(len(body)).encode())]
    return RawResponse(body, headers)


def _headers(crs_uri: str, page: Page | TextPage, link: str) -> dict[str, str]:
    made = {"content-crs": f"<{crs_uri}>", "ogc-numberreturned": str(page.returned), "link": link, "vary": "Accept, Authorization"}
    if page.matched.number is not None:
        made["ogc-numbermatched" if page.matched.is_exact else "ogc-numbermatched-estimate"] = str(page.matched.number)
    return made


def _links(request: Request, state: ServerState, query: FeatureQuery, page: Page | TextPage, chosen: Format) -> Written:
    base, sent = base_url(request, state.settings), request.scope["query_string"].decode("latin-1")
    always = links.of_page(base, query.collection.id, sent, chosen)
    if page.last is None:
        return always
    cursor = state.cursors.encode(query.collection.id, query.sort, page.last)
    more = links.write([links.next_page(base, query.collection.id, sent, query.limit, cursor, chosen)])
    return Written((*always.links, *more.links), b"".join([always.text, b",", more.text[1:]]), f"{always.header}, {more.header}")


def _html_page(request: Request, state: ServerState, current: Current, parsed: ItemsRequest, page: TextPage) -> Response:
    collection = parsed.query.collection
    base = base_url(request, state.settings)
    spoken = language(request, state.settings.language)
    features = orjson.loads(b"[" + page.features + b"]")
    data = {
        **_html_data(current, collection, base, spoken),
        "features": features,
        "columns": [one.name for one in parsed.query.written],
        "numberMatched": page.matched.number if page.matched.is_exact else f"≈ {page.matched.number}",
        "numberReturned": page.returned,
        "links": _links(request, state, parsed.query, page, HTML).links,
        "map": maps.outline(features),
    }
    return current.front.html("collections/items/index.html", data, spoken, base=base)


def _html_data(current: Current, collection: Collection, base: str, spoken: str) -> dict[str, Any]:
    return {
        "title": collection.title.zh if spoken == "zh" else collection.title.en,
        "collections_path": f"{base}/collections",
        "dataset_path": f"{base}/collections/{collection.id}",
        "items_path": f"{base}/collections/{collection.id}/items",
        "synthetic": current.catalogue.published[collection.id].is_synthetic,
    }
