"""The shortest way to pages, features and tiles: most requests by far, found without walking through all routes."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from cim.errors import CimError
from ogc_api import errors

Handler = Callable[[Request], Awaitable[Response]]
_N_TILE = 4


class RawResponse(Response):
    """An answer whose headers are bytes already.

    Parameters
    ----------
    body
        Content.
    headers
        Names in lower case and values, with content type and length.
    status
        HTTP status.
    """

    def __init__(self, body: bytes, headers: list[tuple[bytes, bytes]], status: int = 200) -> None:
        self.status_code = status
        self.body = body
        self.raw_headers = headers
        self.background = None


class HotPaths:
    """Answers GET of items, of one item and of a tile itself, and hands everything else on.

    Parameters
    ----------
    app
        The router with all routes.
    items, item, tile
        The same routes that the router has.
    """

    def __init__(self, app: ASGIApp, items: Route, item: Route, tile: Route) -> None:
        self._app = app
        self._items, self._item, self._tile = items, item, tile

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        found = self._find(scope) if scope["type"] == "http" and scope["method"] == "GET" and not scope.get("root_path") else None
        if found is None:
            await self._app(scope, receive, send)
            return
        route, scope["path_params"] = found
        scope["route"], scope["endpoint"] = route, route.endpoint
        request = Request(scope, receive, send)
        try:
            response = await route.endpoint(request)
        except CimError as error:
            response = await errors.on_cim_error(request, error)
        except HTTPException as error:
            response = await errors.on_http_error(request, error)
        await response(scope, receive, send)

    def _find(self, scope: Scope) -> tuple[Route, Mapping[str, Any]] | None:
        path: str = scope["path"]
        if not path.startswith("/collections/"):
            return None
        parts = path.split("/", 4)
        if len(parts) < 4 or not parts[2]:
            return None
        if parts[3] == "items":
            if len(parts) == 4:
                return self._items, {"collection": parts[2]}
            if parts[4] and not parts[4].endswith("/history"):
                return self._item, {"collection": parts[2], "code": parts[4]}
        elif parts[3] == "tiles" and len(parts) > 4:
            numbers = parts[4].split("/")
            if len(numbers) == _N_TILE and numbers[0] != "xyz" and all(numbers):
                return self._tile, dict(zip(("collection", "set", "level", "row", "column"), (parts[2], *numbers), strict=True))
        return None
