"""Around every request: cross-origin headers, preflight answers, metrics."""

import time

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ogc_api.metrics import Metrics

_EXPOSED = b"Content-Crs, Link, OGC-NumberMatched, OGC-NumberReturned, ETag"
_CORS = [(b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", _EXPOSED)]
_PREFLIGHT = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
    "Access-Control-Allow-Headers": "*",
    "Access-Control-Max-Age": "86400",
}


class Edge:
    """Outermost layer of the application.

    Parameters
    ----------
    app
        The application.
    metrics
        Where durations are noted.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] == "OPTIONS" and any(name == b"access-control-request-method" for name, _ in scope["headers"]):
            await Response(status_code=204, headers=_PREFLIGHT)(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def send_open(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if scope["method"] in {"GET", "HEAD"}:
                    message = {**message, "headers": [*message["headers"], *_CORS]}
            await send(message)

        try:
            await self._app(scope, receive, send_open)
        finally:
            route = getattr(scope.get("route"), "path", None) or scope.get("mount", "unmatched")
            self._metrics.observe(scope["method"], str(route), status, time.perf_counter() - started)
