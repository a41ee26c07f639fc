"""Features over HTTP: pages and single features in the format the client wants."""

import asyncio
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response

from cim.clock import utc_now
from cim.db.catalog import Collection
from cim.db.feature_sql import FeatureQuery, OutputCrs
from cim.db.features import Page, TextPage, fetch_item, fetch_item_row, fetch_page, fetch_text_page
from cim.db.published import Published
from cim.db.session import Session
from ogc_api import crs, files, item_links, jsonfg, maps
from ogc_api.entity import matches, tag_of
from ogc_api.formats import CITYJSON_SEQ, HTML, JSON, JSONFG, Format, offered, wanted
from ogc_api.negotiation import base_url, language
from ogc_api.parameters import ITEM, ItemsRequest, parse_items, past, refuse_unknown
from ogc_api.state import Current, ServerState, state_of

Link = dict[str, str]


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
        links = _page_links(request, state, collection, parsed.query, text, chosen)
        body = _collection_text(text, links)
        return Response(body, headers=_headers(parsed.crs_uri, text, links), media_type=chosen.media_type)
    if chosen is HTML:
        text = await fetch_text_page(session, parsed.query, state.counter, state.signal, mode=parsed.count)
        return _html_page(request, state, current, parsed, text)
    query, crs_uri = _file_query(parsed, chosen, current)
    body, page = await _file_page(session, state, current, query, parsed, chosen)
    if chosen is JSONFG:
        links = _page_links(request, state, collection, parsed.query, page, chosen)
        head = {**_head(page), "links": links, **jsonfg.head(query, current)}
        body = b"".join([orjson.dumps(head)[:-1], b',"features":[', body, b"]}"])
        return Response(body, headers=_headers(parsed.crs_uri, page, links), media_type=chosen.media_type)
    links = _page_links(request, state, collection, parsed.query, page, chosen)
    named = {"Content-Disposition": f'inline; filename="{collection.id}{chosen.suffix}"'}
    return Response(body, headers={**_headers(crs_uri, page, links), **named}, media_type=chosen.media_type)


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
    base = base_url(request, state.settings)
    address = f"{base}/collections/{collection.id}/items/{quote(code, safe='')}"
    links = [
        *_formats(address, request.query_params.multi_items(), chosen, collection),
        *item_links.related(collection, code, base, current.catalogue),
    ]
    if chosen not in (JSON, HTML):
        return await _file_item(session, current, collection, code, choice, chosen, links)
    text, version = await fetch_item(session, collection, code, choice, moment)
    # The tag names the state of the feature, whatever the format or CRS it is written in: it is what If-Match compares.
    tag = tag_of(collection.id, code, version if version is not None else text)
    if chosen is JSON:
        headers = {"Content-Crs": f"<{crs_uri}>", "ETag": tag, "Cache-Control": "no-cache", "Vary": "Accept, Authorization"}
        if matches(request.headers.get("if-none-match", ""), tag):
            return Response(status_code=304, headers=headers)
        body = b"".join([text[:-1].encode(), b',"links":', orjson.dumps(links), b"}"])
        return Response(body, headers=headers, media_type=chosen.media_type)
    spoken = language(request, state.settings.language)
    titles = {one.name: one.title.zh if spoken == "zh" else one.title.en for one in collection.attributes}
    feature = orjson.loads(text)
    data = {**_html_data(current, collection, base, spoken), **feature, "titles": titles, "links": links, "map": maps.outline([feature])}
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
    page = await fetch_page(session, query, state.counter, state.signal, mode=parsed.count, output="rows")
    if chosen is JSONFG:
        made = await asyncio.to_thread(jsonfg.features, page.features, query, parsed, current)
        return b",".join(made), page
    return await _written(current.catalogue.published[query.collection.id], query, current, chosen, page.features), page


async def _written(published: Published, query: FeatureQuery, current: Current, chosen: Format, rows: list[Any]) -> bytes:
    job = files.job_of(query, current.catalogue.profile, published.bbox, query.crs.srid)
    path = await files.write_file(files.writer_of(chosen), job, files.one_batch(rows), chosen.suffix)
    try:
        return await asyncio.to_thread(path.read_bytes)
    finally:
        await asyncio.to_thread(files.remove, path)


async def _file_item(
    session: Session, current: Current, collection: Collection, code: str, choice: OutputCrs, chosen: Format, links: list[Link]
) -> Response:
    parsed = ItemsRequest(FeatureQuery(collection, 1, crs=choice), crs.uri_of(choice, current.choices))
    query, crs_uri = _file_query(parsed, chosen, current)
    row = await fetch_item_row(session, collection, code, query.crs)
    headers = {"Content-Crs": f"<{crs_uri}>"}
    if chosen is JSONFG:
        feature = jsonfg.features([row], query, parsed, current)[0]
        extra = orjson.dumps({"conformsTo": jsonfg.CONFORMS_TO, "coordRefSys": crs.CRS84, "links": links})
        return Response(b"".join([feature[:-1], b",", extra[1:]]), headers=headers, media_type=chosen.media_type)
    body = await _written(current.catalogue.published[collection.id], query, current, chosen, [row])
    named = {"Content-Disposition": f'inline; filename="{collection.id}{chosen.suffix}"'}
    return Response(body, headers={**headers, **named}, media_type=chosen.media_type)


def _head(page: Page | TextPage) -> dict[str, Any]:
    made: dict[str, Any] = {"type": "FeatureCollection"}
    if page.matched.is_exact and page.matched.number is not None:
        made["numberMatched"] = page.matched.number
    elif page.matched.number is not None:
        made["numberMatchedEstimate"] = page.matched.number
    return made | {"numberReturned": page.returned, "timeStamp": utc_now().strftime("%Y-%m-%dT%H:%M:%SZ")}


def _collection_text(page: TextPage, links: list[Link]) -> bytes:
    head = {**_head(page), "links": links}
    return b"".join([orjson.dumps(head)[:-1], b',"features":[', page.features, b"]}"])


def _headers(crs_uri: str, page: Page | TextPage, links: list[Link]) -> dict[str, str]:
    made = {
        "Content-Crs": f"<{crs_uri}>",
        "OGC-NumberReturned": str(page.returned),
        "Link": ", ".join([f'<{link["href"]}>; rel="{link["rel"]}"; type="{link["type"]}"' for link in links]),
        "Vary": "Accept, Authorization",
    }
    if page.matched.number is not None:
        made["OGC-NumberMatched" if page.matched.is_exact else "OGC-NumberMatched-Estimate"] = str(page.matched.number)
    return made


def _page_links(
    request: Request, state: ServerState, collection: Collection, query: FeatureQuery, page: Page | TextPage, chosen: Format
) -> list[Link]:
    address = f"{base_url(request, state.settings)}/collections/{collection.id}/items"
    sent = request.query_params.multi_items()
    links = _formats(address, sent, chosen, collection)
    links.append({"rel": "collection", "type": "application/json", "href": address.removesuffix("/items")})
    if page.last is not None:
        following = [(name, value) for name, value in sent if name not in {"cursor", "offset"}]
        if "limit" not in request.query_params:
            following.append(("limit", str(query.limit)))
        following.append(("cursor", state.cursors.encode(collection.id, query.sort, page.last)))
        links.append({"rel": "next", "type": chosen.media_type, "href": f"{address}?{urlencode(following)}"})
    return links


def _formats(address: str, sent: list[tuple[str, str]], chosen: Format, collection: Collection) -> list[Link]:
    kept = urlencode([(key, value) for key, value in sent if key != "f"])
    start = f"{address}?{kept}&f=" if kept else f"{address}?f="
    return [
        {"rel": "self" if one is chosen else "alternate", "type": one.media_type, "href": start + one.name} for one in offered(collection)
    ]


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
        "links": _page_links(request, state, collection, parsed.query, page, HTML),
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
