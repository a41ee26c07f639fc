"""Links of pages and features as finished text: made once per address and query, not once per answer."""

from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl, quote, urlencode

import orjson

from cim.db.catalog import Collection, collections
from ogc_api import item_links
from ogc_api.formats import Format, offered
from ogc_api.state import Current

Link = dict[str, str]

_KEPT = 1024
_CODE = "0CODE0OF0THE0FEATURE0"
"""Stands for the code in kept links; safe in an address, in JSON, and too odd to occur elsewhere."""


@dataclass(frozen=True)
class Written:
    """Links in the forms an answer needs.

    Parameters
    ----------
    links
        As objects.
    text
        JSON array without its closing bracket.
    header
        Value of the ``Link`` header.
    """

    links: tuple[Link, ...]
    text: bytes
    header: str


def write(links: list[Link]) -> Written:
    """Write links."""
    header = ", ".join([f'<{link["href"]}>; rel="{link["rel"]}"; type="{link["type"]}"' for link in links])
    return Written(tuple(links), orjson.dumps(links)[:-1], header)


@lru_cache(maxsize=_KEPT)
def of_page(base: str, collection_id: str, query: str, chosen: Format) -> Written:
    """Return the links every page has: its formats and its collection.

    Parameters
    ----------
    query
        Query string of the request.
    """
    collection = collections()[collection_id]
    address = f"{base}/collections/{collection_id}/items"
    links = _formats(address, query, chosen, collection)
    links.append({"rel": "collection", "type": "application/json", "href": address.removesuffix("/items")})
    return write(links)


def next_page(base: str, collection_id: str, query: str, limit: int, cursor: str, chosen: Format) -> Link:
    """Return the link of the page that follows; a cursor holds nothing that an address would have to escape."""
    return {"rel": "next", "type": chosen.media_type, "href": _without_cursor(base, collection_id, query, limit) + cursor}


@lru_cache(maxsize=_KEPT)
def _without_cursor(base: str, collection_id: str, query: str, limit: int) -> str:
    sent = parse_qsl(query, keep_blank_values=True)
    following = [(name, value) for name, value in sent if name not in {"cursor", "offset"}]
    if all(name != "limit" for name, _ in following):
        following.append(("limit", str(limit)))
    return f"{base}/collections/{collection_id}/items?{urlencode([*following, ('cursor', '')])}"


def of_item(current: Current, collection: Collection, code: str, base: str, query: str, chosen: Format) -> list[Link]:
    """Return the links of a feature: its formats, and where it leads to."""
    address = f"{base}/collections/{collection.id}/items/{quote(code, safe='')}"
    return [*_formats(address, query, chosen, collection), *item_links.related(collection, code, base, current.catalogue)]


def item_text(current: Current, collection: Collection, code: str, base: str, query: str, chosen: Format) -> bytes:
    """Return the links of a feature as a JSON array."""
    if collection.id == "bim-models":
        # Which layers a model has depends on its code.
        return orjson.dumps(of_item(current, collection, code, base, query, chosen))
    key = (collection.id, base, query, chosen.name)
    known = current.item_links.get(key)
    if known is None:
        if len(current.item_links) >= _KEPT:
            current.item_links.clear()
        known = current.item_links[key] = orjson.dumps(of_item(current, collection, _CODE, base, query, chosen))
    return known.replace(_CODE.encode(), quote(code, safe="").encode())


def _formats(address: str, query: str, chosen: Format, collection: Collection) -> list[Link]:
    kept = urlencode([(key, value) for key, value in parse_qsl(query, keep_blank_values=True) if key != "f"])
    start = f"{address}?{kept}&f=" if kept else f"{address}?f="
    return [
        {"rel": "self" if one is chosen else "alternate", "type": one.media_type, "href": start + one.name} for one in offered(collection)
    ]
