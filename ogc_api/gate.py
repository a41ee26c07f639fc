"""The gate before every handler: sizes, rate, who asks, and no write without a name."""

import time
from collections import OrderedDict

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cim.access import Permission
from cim.errors import CimError, LimitExceededError, UnauthenticatedError
from cim.settings import ServerSettings
from ogc_api import errors
from ogc_api.access import PRINCIPAL
from ogc_api.state import ServerState
from ogc_api.volumes import PREFIX

_SAFE = {"GET", "HEAD", "OPTIONS"}
_OPEN_PATHS = ("/healthz", "/readyz", "/viewer", "/static/")
"""Paths without data: answered whoever asks."""
_NAMELESS = ("/processes/",)
"""Paths where a POST without a name may only read; the process itself asks for its permission."""
_VOLUMES = f"/collections/{PREFIX}"
"""Volumes are no collections of features: `ogc_api.volumes` shows those of visible collections."""
_UPLOADS = ("/bim/models", "/bim/uploads")
_LONGEST_PATH = 2048
_LONGEST_QUERY = 16_384
_CLIENTS = 10_000


class RateLimit:
    """Token buckets, one per client.

    Parameters
    ----------
    per_s
        Requests per second, 0 for no limit.
    burst
        Requests at once.
    """

    def __init__(self, per_s: float, burst: int) -> None:
        self._per_s = per_s
        self._burst = float(burst)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> float:
        """Take one request; return 0, or the time until the next one is allowed [s]."""
        if not self._per_s:
            return 0.0
        now = time.monotonic()
        left, seen = self._buckets.pop(client, (self._burst, now))
        left = min(self._burst, left + (now - seen) * self._per_s)
        wait = 0.0 if left >= 1 else (1 - left) / self._per_s
        self._buckets[client] = (left - 1 if not wait else left, now)
        if len(self._buckets) > _CLIENTS:
            self._buckets.popitem(last=False)
        return wait


class Gate:
    """Refuses what no handler should see, and leaves the principal in the scope.

    Parameters
    ----------
    app
        The application.
    state
        Authenticates.
    """

    def __init__(self, app: ASGIApp, state: ServerState) -> None:
        self._app = app
        self._state = state
        self._server: ServerSettings = state.settings.server
        self._rate = RateLimit(self._server.rate_limit_per_s, self._server.rate_burst)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on or answer its refusal."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            receive = await self._checked(scope, receive)
        except CimError as error:
            response = await errors.on_cim_error(Request(scope), error)
            await response(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        except LimitExceededError as error:  # raised while the body was read, before an answer began
            response = await errors.on_cim_error(Request(scope), error)
            await response(scope, _nothing, send)

    async def _checked(self, scope: Scope, receive: Receive) -> Receive:
        if len(scope.get("raw_path") or b"") > _LONGEST_PATH or len(scope["query_string"]) > _LONGEST_QUERY:
            raise LimitExceededError(
                f"address: expected at most {_LONGEST_PATH} bytes of path and {_LONGEST_QUERY} of query", kind="address"
            )
        authorization = next((value for name, value in scope["headers"] if name == b"authorization"), None)
        authenticator = self._state.authenticator
        if authorization is None:
            principal = authenticator.anonymous
        else:
            principal = await authenticator.principal(authorization.decode("latin-1"))
        if self._server.rate_limit_per_s:
            client = scope.get("client")
            wait = self._rate.take(
                principal.token_id or (principal.subject if not principal.is_anonymous else f"@{client[0] if client else ''}")
            )
            if wait:
                message = f"more than {self._server.rate_limit_per_s:g} requests per second"
                raise LimitExceededError(message, kind="rate", retry_after_s=max(1, round(wait + 0.5)))
        scope[PRINCIPAL] = principal
        path: str = scope["path"]
        if principal.collections is not None and path.startswith("/collections/") and not path.startswith(_VOLUMES):
            # Here and not in the handlers, so that no path below a collection can forget it.
            principal.require(Permission.READ, path.split("/")[2])
        if principal.is_anonymous:
            if not path.startswith(_OPEN_PATHS):
                principal.require(Permission.READ)
            if scope["method"] not in _SAFE and not path.startswith(_NAMELESS):
                raise UnauthenticatedError(f"{scope['method']} {path[:200]}: needs a token", hint="cim token create makes one")
        if scope["method"] in _SAFE:
            return receive
        limit = self._server.upload_limit_bytes if path.startswith(_UPLOADS) else self._server.body_limit_bytes
        return _limited(receive, scope, limit)


def _limited(receive: Receive, scope: Scope, limit: int) -> Receive:
    declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    if not declared.isdigit() or int(declared) > limit:
        raise LimitExceededError(f"body: found {declared[:20].decode('latin-1')} bytes, expected at most {limit}", kind="body")
    seen = 0

    async def receive_counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            raise LimitExceededError(f"body: found more than {limit} bytes, expected at most that", kind="body")
        return message

    return receive_counted


async def _nothing() -> Message:
    return {"type": "http.disconnect"}
