"""The one importer of pygeoapi (0.24): embedding, provider, HTML. An upgrade of pygeoapi touches this file only."""

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
from pygeoapi.api import API, APIRequest, describe_collections, landing_page, openapi_
from pygeoapi.l10n import str2locale
from pygeoapi.openapi import get_oas
from pygeoapi.provider.base import BaseProvider
from pygeoapi.util import render_j2_template
from starlette.requests import Request
from starlette.responses import Response

from cim.db.catalog import collections
from ogc_api.pygeoapi_config import BASE

Edit = Callable[[dict[str, Any]], dict[str, Any]]

HTML_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
}
_FUNCTIONS: dict[str, Callable[..., tuple[dict[str, str], int, str | bytes]]] = {
    "landing": landing_page,
    "openapi": openapi_,
    "collections": describe_collections,
}


class CimProvider(BaseProvider):  # type: ignore[misc]  # pygeoapi ships no types
    """Tells pygeoapi the fields of a collection (OpenAPI, documents); features are served by `ogc_api.items` and by nobody else.

    pygeoapi knows nothing of principals: a provider that read rows would be a way around their row filter.
    """

    def __init__(self, provider_def: dict[str, Any]) -> None:
        super().__init__(provider_def)
        self._collection = collections()[self.data["collection"]]
        self.get_fields()

    def get_fields(self) -> dict[str, dict[str, Any]]:
        """Return the attributes with their JSON types."""
        self._fields: dict[str, dict[str, Any]] = {
            one.name: {"type": "string", "format": one.type} if one.type in ("date", "date-time") else {"type": one.type}
            for one in self._collection.queryables
        }
        return self._fields


class RasterProvider(BaseProvider):  # type: ignore[misc]  # pygeoapi ships no types
    """Tells pygeoapi what a raster holds; cells are served by `ogc_api.coverages`, `ogc_api.edr` and `ogc_api.raster_maps`."""

    def __init__(self, provider_def: dict[str, Any]) -> None:
        super().__init__(provider_def)
        self._coverage_properties: dict[str, Any] = self.data["grid"]
        self.get_fields()

    def get_fields(self) -> dict[str, dict[str, Any]]:
        """Return the values with their JSON types."""
        self._fields: dict[str, dict[str, Any]] = dict(self.data["fields"])
        return self._fields

    def get_query_types(self) -> list[str]:
        """Return the queries of EDR."""
        return list(self.data["queries"])

    def get_parameters(self) -> dict[str, Any]:
        """Return the parameters as CoverageJSON describes them."""
        return dict(self.data["parameters"])


class Front:
    """pygeoapi over one state of the catalogue.

    Parameters
    ----------
    config
        Made by `ogc_api.pygeoapi_config.configuration`.
    edit_openapi
        Corrects the OpenAPI document pygeoapi makes.
    """

    def __init__(self, config: dict[str, Any], edit_openapi: Edit) -> None:
        self._api = API(config, edit_openapi(get_oas(config)))

    async def document(self, name: str, request: Request, *path: str | None, edit: Edit | None = None, base: str) -> Response:
        """Return a document of pygeoapi.

        Parameters
        ----------
        name
            landing, openapi, collections.
        edit
            Changes the JSON document before it is sent.
        base
            Address of the landing page as the client sees it.
        """
        asked = await APIRequest.from_starlette(request, self._api.locales)
        headers, status, body = await asyncio.to_thread(_FUNCTIONS[name], self._api, asked, *path)
        media_type = headers.get("Content-Type", "application/json")
        raw = body.encode() if isinstance(body, str) else body
        if "json" in media_type:
            document = _unescaped(orjson.loads(raw))
            raw = orjson.dumps(edit(document) if edit and int(status) == 200 else document)
        kept = {"Content-Language": headers["Content-Language"]} if "Content-Language" in headers else {}
        extra = HTML_HEADERS if "html" in media_type else {}
        return Response(raw.replace(BASE.encode(), base.encode()), int(status), headers={**kept, **extra}, media_type=media_type)

    async def json(self, name: str, request: Request, *path: str | None, edit: Edit) -> dict[str, Any]:
        """Return a document as JSON, whatever the client asked for, with the placeholder of the address in it; as `document`."""
        asked = await APIRequest.from_starlette(request, self._api.locales)
        asked._format = "json"  # noqa: SLF001 - pygeoapi takes it from the request only
        _, _, body = await asyncio.to_thread(_FUNCTIONS[name], self._api, asked, *path)
        return edit(_unescaped(orjson.loads(body)))

    def html(self, template: str, data: dict[str, Any], language: str, *, base: str) -> Response:
        """Return a page drawn by one of the templates."""
        text = render_j2_template(self._api.tpl_config, self._api.config["server"]["templates"], template, data, str2locale(language))
        return Response(
            text.replace(BASE, base), headers={**HTML_HEADERS, "Content-Language": language}, media_type="text/html; charset=utf-8"
        )


def _unescaped(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Undo what pygeoapi's serialiser does to ``<`` and ``>`` in every text."""
    if isinstance(value, str):
        return value.replace("&lt;", "<").replace("&gt;", ">")
    if isinstance(value, list):
        return [_unescaped(one) for one in value]
    if isinstance(value, dict):
        return {key: _unescaped(one) for key, one in value.items()}
    return value
