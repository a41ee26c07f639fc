"""Features over HTTP: pages and single features. The features themselves are text made in the store."""

from typing import Any
from urllib.parse import quote, urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response

from cim.clock import utc_now
from cim.db.catalog import Collection
from cim.db.features import FeatureQuery, Page
from ogc_api import crs, cursor
from ogc_api.negotiation import base_url, language, output_format
from ogc_api.parameters import ITEM, parse_items, refuse_unknown
from ogc_api.state import Current, state_of

GEOJSON = "application/geo+json"

Link = dict[str, str]


async def items(request: Request) -> Response:
    """A page of features."""
    state = state_of(request.app)
    current = await state.current()
    collection = current.collection(request.path_params["collection"])
    parsed = parse_items(request.query_params, collection, current.choices, state.settings.server)
    wanted = output_format(request)
    page = await state.reader.page(parsed.query)
    base = base_url(request, state.settings)
    address = f"{base}/collections/{collection.id}/items"
    links = _page_links(request, address, collection, parsed.query, page, wanted)
    headers = {
        "Content-Crs": f"<{parsed.crs_uri}>",
        "OGC-NumberMatched": str(page.matched),
        "OGC-NumberReturned": str(page.returned),
        "Link": ", ".join(f'<{link["href"]}>; rel="{link["rel"]}"; type="{link["type"]}"' for link in links),
    }
    if wanted == "json":
        return Response(_collection_text(page, links), headers=headers, media_type=GEOJSON)
    spoken = language(request, state.settings.language)
    data = {
        **_html_data(current, collection, base, spoken),
        "features": orjson.loads(f"[{page.features}]"),
        "columns": [one.name for one in (parsed.query.properties if parsed.query.properties is not None else collection.attributes)],
        "numberMatched": page.matched,
        "numberReturned": page.returned,
        "links": links,
    }
    return current.front.html("collections/items/index.html", data, spoken, base=base)


async def item(request: Request) -> Response:
    """One feature, by code."""
    state = state_of(request.app)
    current = await state.current()
    collection = current.collection(request.path_params["collection"])
    refuse_unknown(request.query_params, ITEM)
    crs_uri = request.query_params.get("crs", crs.CRS84)
    choice = crs.choose(crs_uri, current.choices, parameter="crs")
    wanted = output_format(request)
    code = request.path_params["code"]
    text = await state.reader.item(collection, code, choice)
    base = base_url(request, state.settings)
    address = f"{base}/collections/{collection.id}/items/{quote(code, safe='')}"
    links = [
        *_formats(address, request.query_params.multi_items(), wanted),
        {"rel": "collection", "type": "application/json", "href": f"{base}/collections/{collection.id}"},
    ]
    if wanted == "json":
        body = b"".join([text[:-1].encode(), b',"links":', orjson.dumps(links), b"}"])
        return Response(body, headers={"Content-Crs": f"<{crs_uri}>"}, media_type=GEOJSON)
    spoken = language(request, state.settings.language)
    titles = {one.name: one.title.zh if spoken == "zh" else one.title.en for one in collection.attributes}
    data = {**_html_data(current, collection, base, spoken), **orjson.loads(text), "titles": titles, "links": links}
    return current.front.html("collections/items/item.html", data, spoken, base=base)


def _collection_text(page: Page, links: list[Link]) -> bytes:
    head = {
        "type": "FeatureCollection",
        "numberMatched": page.matched,
        "numberReturned": page.returned,
        "timeStamp": utc_now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        "links": links,
    }
    return b"".join([orjson.dumps(head)[:-1], b',"features":[', page.features.encode(), b"]}"])


def _page_links(request: Request, address: str, collection: Collection, query: FeatureQuery, page: Page, wanted: str) -> list[Link]:
    sent = request.query_params.multi_items()
    links = _formats(address, sent, wanted)
    links.append({"rel": "collection", "type": "application/json", "href": address.removesuffix("/items")})
    if page.last is not None:
        following = [(name, value) for name, value in sent if name not in {"cursor", "offset"}]
        if "limit" not in request.query_params:
            following.append(("limit", str(query.limit)))
        following.append(("cursor", cursor.encode(collection.id, query.sort, page.last)))
        media_type = GEOJSON if wanted == "json" else "text/html"
        links.append({"rel": "next", "type": media_type, "href": f"{address}?{urlencode(following)}"})
    return links


def _formats(address: str, sent: list[tuple[str, str]], wanted: str) -> list[Link]:
    def link(name: str, media_type: str) -> Link:
        parameters = [(key, value) for key, value in sent if key != "f"] + [("f", name)]
        return {"rel": "self" if name == wanted else "alternate", "type": media_type, "href": f"{address}?{urlencode(parameters)}"}

    return [link("json", GEOJSON), link("html", "text/html")]


def _html_data(current: Current, collection: Collection, base: str, spoken: str) -> dict[str, Any]:
    return {
        "title": collection.title.zh if spoken == "zh" else collection.title.en,
        "collections_path": f"{base}/collections",
        "dataset_path": f"{base}/collections/{collection.id}",
        "items_path": f"{base}/collections/{collection.id}/items",
        "synthetic": current.catalogue.published[collection.id].is_synthetic,
    }
