"""Around every request: request id, cross-origin and security headers, preflight answers, metrics, log, audit."""

import itertools
import re
import secrets
import time
from collections import deque
from typing import Any

import structlog
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cim.access import ANONYMOUS
from cim.clock import utc_now
from cim.settings import Settings
from ogc_api.access import PRINCIPAL
from ogc_api.audit import Audit
from ogc_api.metrics import Metrics

AUDIT_ACTION = "cim.audit"
"""Key in the ASGI scope: a handler names its action there (export, upload, execute …) to have it audited."""

_EXPOSED = (
    b"Content-Crs, Link, Location, OGC-NumberMatched, OGC-NumberReturned, ETag, Retry-After, Allow, X-Request-ID, "
    b"Tus-Resumable, Tus-Version, Tus-Extension, Tus-Max-Size, Upload-Offset, Upload-Length, Upload-Metadata, Upload-Expires"
)
_SECURITY = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"strict-origin-when-cross-origin"),
    (b"x-permitted-cross-domain-policies", b"none"),
]
_OVERRIDABLE = {b"x-content-type-options", b"referrer-policy", b"x-permitted-cross-domain-policies", b"strict-transport-security"}
_HSTS = (b"strict-transport-security", b"max-age=31536000")
_METHODS = "GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE"
_SENT = (
    "Authorization, Content-Type, Content-Crs, If-Match, If-None-Match, Prefer, Cim-Reason, X-Request-ID, Range, "
    "Tus-Resumable, Upload-Length, Upload-Offset, Upload-Metadata, Upload-Checksum, X-HTTP-Method-Override"
)
_REQUEST_ID = re.compile(rb"^[A-Za-z0-9._\-]{1,64}$")
_ACTIONS = {"POST": "create", "PUT": "replace", "PATCH": "update", "DELETE": "delete"}
_log = structlog.get_logger("ogc_api.request")


_SLOW: deque[dict[str, Any]] = deque(maxlen=100)


def slow_requests() -> list[dict[str, Any]]:
    """Return the last slow requests of this process, newest first."""
    return list(reversed(_SLOW))


class Edge:
    """Outermost layer of the application.

    Parameters
    ----------
    app
        The application.
    metrics
        Where durations are noted.
    settings
        Origins, logging, public address.
    audit
        Where writes are noted.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, settings: Settings, audit: Audit) -> None:
        self._app = app
        self._metrics = metrics
        self._audit = audit
        self._server = settings.server
        origins = [part.strip() for part in self._server.cors_origins.split(",") if part.strip()]
        self._any_origin = "*" in origins
        self._origins = {origin.encode() for origin in origins}
        # Names do not repeat: a random part per process, a count per request.
        self._prefix, self._numbers = secrets.token_hex(4), itertools.count(1)
        self._security = [*_SECURITY, _HSTS] if self._server.public_url.startswith("https:") else _SECURITY
        self._to_all = [*self._security, *self._cors(b"*")]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        origin = sent_id = None
        is_preflight = False
        for name, value in scope["headers"]:
            if name == b"origin":
                origin = value
            elif name == b"x-request-id" and _REQUEST_ID.match(value):
                sent_id = value
            elif name == b"access-control-request-method":
                is_preflight = scope["method"] == "OPTIONS"
        allowed = self._allowed(origin)
        if is_preflight:
            await self._preflight(allowed)(scope, receive, send)
            return
        request_id = sent_id or f"{self._prefix}-{next(self._numbers):x}".encode()
        scope["cim.request_id"] = request_id.decode()
        added = [(b"x-request-id", request_id), *(self._to_all if self._any_origin else [*self._security, *self._cors(allowed)])]
        started, status = time.perf_counter(), 500

        async def send_open(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message["headers"]
                # Handlers that set a security header themselves mean it.
                present = {name for name, _ in headers} & _OVERRIDABLE
                more = [one for one in added if one[0] not in present] if present else added
                message = {**message, "headers": [*headers, *more]}
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=scope["cim.request_id"]):
            try:
                await self._app(scope, receive, send_open)
            finally:
                self._note(scope, status, time.perf_counter() - started)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = str(getattr(scope.get("route"), "path", None) or scope.get("mount", "unmatched"))
        method: str = scope["method"]
        self._metrics.observe(method, route, status, seconds)
        client = scope.get("client")
        address = client[0] if client else None
        principal = scope.get(PRINCIPAL, ANONYMOUS)
        if route.endswith("/export/{file}"):
            scope[AUDIT_ACTION] = "export"
        action = scope.get(AUDIT_ACTION) or (_ACTIONS.get(method) if PRINCIPAL in scope else None)
        if action is not None:
            self._audit.note(principal, action, scope["path"], status, address=address, request_id=scope["cim.request_id"])
        if seconds >= self._server.slow_request_s:
            made = {"at": utc_now().isoformat(timespec="seconds"), "method": method, "path": scope["path"][:300], "status": status}
            _SLOW.append({**made, "seconds": round(seconds, 3), "request_id": scope["cim.request_id"]})
        if self._server.access_log or status >= 500 or status in {401, 403, 429} or seconds >= self._server.slow_request_s:
            # The path without its query: codes and filters may be personal data.
            _log.info(
                "request",
                method=method,
                path=scope["path"],
                status=status,
                seconds=round(seconds, 4),
                subject=principal.subject,
                client=address,
            )

    def _allowed(self, origin: bytes | None) -> bytes | None:
        if self._any_origin:
            return b"*"
        return origin if origin in self._origins else None

    def _cors(self, allowed: bytes | None) -> list[tuple[bytes, bytes]]:
        vary = [] if self._any_origin else [(b"vary", b"Origin")]
        if allowed is None:
            return vary
        return [*vary, (b"access-control-allow-origin", allowed), (b"access-control-expose-headers", _EXPOSED)]

    def _preflight(self, allowed: bytes | None) -> Response:
        if allowed is None:
            return Response(status_code=403)
        headers = {
            "Access-Control-Allow-Origin": allowed.decode("latin-1"),
            "Access-Control-Allow-Methods": _METHODS,
            "Access-Control-Allow-Headers": _SENT,
            "Access-Control-Max-Age": "86400",
            "Vary": "Origin",
        }
        return Response(status_code=204, headers=headers)
