"""Formats of features: names for ``f=``, media types, and which one a client wants."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from starlette.requests import Request

from cim.db.catalog import Collection
from cim.errors import InvalidParameterError


@dataclass(frozen=True)
class Format:
    """A format of features.

    Parameters
    ----------
    name
        Value of ``f=``.
    media_type
        As sent.
    title
        For links.
    source
        What it is made from: ``text`` GeoJSON of the store, ``rows``, ``page`` HTML.
    suffix
        Of downloads.
    accepts
        Further media types of Accept headers that mean it.
    collections
        Collections it can carry, empty for all.
    """

    name: str
    media_type: str
    title: str
    source: Literal["text", "rows", "page"]
    suffix: str
    accepts: tuple[str, ...] = ()
    collections: tuple[str, ...] = ()

    def carries(self, collection: Collection) -> bool:
        """Return whether it can carry a collection."""
        return not self.collections or collection.id in self.collections


JSON = Format("json", "application/geo+json", "GeoJSON", "text", ".geojson", ("application/json",))
HTML = Format("html", "text/html", "HTML", "page", ".html", ("application/xhtml+xml",))
JSONFG = Format("jsonfg", "application/fg+json", "JSON-FG", "rows", ".fg.json", ("application/vnd.ogc.fg+json",))
FLATGEOBUF = Format("fgb", "application/flatgeobuf", "FlatGeobuf", "rows", ".fgb", ("application/vnd.flatgeobuf",))
CSV = Format("csv", "text/csv; charset=utf-8", "CSV", "rows", ".csv", ("text/csv",))
GEOPARQUET = Format("parquet", "application/vnd.apache.parquet", "GeoParquet", "rows", ".parquet")
GEOPACKAGE = Format("gpkg", "application/geopackage+sqlite3", "GeoPackage", "rows", ".gpkg", ("application/x-sqlite3",))
CITYJSON_SEQ = Format(
    "cityjsonseq", "application/city+json-seq", "CityJSONSeq", "rows", ".city.jsonl", ("application/city+json",), ("buildings",)
)

FORMATS: dict[str, Format] = {one.name: one for one in (JSON, HTML, JSONFG, FLATGEOBUF, CSV, GEOPARQUET, GEOPACKAGE, CITYJSON_SEQ)}
BULK: dict[str, Format] = {one.suffix: one for one in (JSON, JSONFG, FLATGEOBUF, CSV, GEOPARQUET, GEOPACKAGE, CITYJSON_SEQ)}
"""Formats of whole collections by the suffix of the file."""


def offered(collection: Collection) -> list[Format]:
    """Return the formats of a collection, the default first."""
    return [one for one in FORMATS.values() if one.carries(collection)]


def wanted(request: Request, collection: Collection) -> Format:
    """Return the format a client wants: by ``f=``, else by the Accept header, else GeoJSON.

    Raises
    ------
    InvalidParameterError
        Another ``f=``.

    Notes
    -----
    An Accept header that names nothing offered gets GeoJSON (RFC 9110, 12.4.1 allows it): map clients send odd ones.
    """
    asked = request.query_params.get("f")
    if asked is not None:
        found = FORMATS.get(asked)
        if found is None or not found.carries(collection):
            raise InvalidParameterError("f", asked[:80], f"one of {', '.join(one.name for one in offered(collection))}")
        return found
    accept = request.headers.get("accept", "*/*")
    return _by_accept(accept, collection.id if collection.id in CITYJSON_SEQ.collections else "")


@lru_cache(maxsize=512)
def _by_accept(accept: str, collection_id: str) -> Format:
    ranked: list[tuple[float, int, str]] = []
    for place, part in enumerate(accept.split(",")):
        media_type, *options = (piece.strip() for piece in part.split(";"))
        quality = next((option[2:] for option in options if option.startswith("q=")), "1")
        try:
            ranked.append((-float(quality), place, media_type.lower()))
        except ValueError:
            continue
    usable = [one for one in FORMATS.values() if not one.collections or collection_id in one.collections]
    for quality_, _, media_type in sorted(ranked):
        if quality_ == 0:
            continue
        if media_type in {"*/*", "application/*", ""}:
            return JSON
        if media_type == "text/*":
            return HTML
        for one in usable:
            if media_type in {one.media_type.partition(";")[0], *one.accepts}:
                return one
    return JSON
