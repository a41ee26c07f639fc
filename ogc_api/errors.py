"""Errors to HTTP answers: the one table of status codes. Bodies are JSON with ``code`` and ``description``."""

import logging

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from cim.crs import CrsError
from cim.errors import (
    CimError,
    ConflictError,
    ForbiddenError,
    InvalidParameterError,
    LimitExceededError,
    NotFoundError,
    RequestError,
    StorageFullError,
    StoreUnavailableError,
    UnauthenticatedError,
    UnknownCollectionError,
    UnsupportedCrsError,
)

_LOG = logging.getLogger(__name__)

STATUS: dict[type[CimError], int] = {
    RequestError: 400,
    InvalidParameterError: 400,
    UnsupportedCrsError: 400,
    CrsError: 400,
    UnauthenticatedError: 401,
    ForbiddenError: 403,
    LimitExceededError: 429,
    UnknownCollectionError: 404,
    NotFoundError: 404,
    ConflictError: 409,
    StoreUnavailableError: 503,
    StorageFullError: 507,
}
"""Status of each error class; a class without a row has its parent's, 500 at the root."""

_CODES = {400: "InvalidParameterValue", 404: "NotFound", 405: "MethodNotAllowed", 406: "NotAcceptable", 409: "Conflict", 500: "ServerError"}
_CODES |= {503: "ServiceUnavailable", 507: "InsufficientStorage"}
_RETRY_AFTER_S = 5
_HIDDEN = {
    500: "The server failed to answer; the operator finds the reason in its log.",
    503: "The store does not answer at the moment; try again in a few seconds.",
    507: "The server has no space left.",
}


def status_of(error: CimError) -> int:
    """Return the HTTP status of an error."""
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)


def body(status: int, description: str) -> bytes:
    """Return an error document."""
    return orjson.dumps({"code": _CODES.get(status, "Error"), "description": description})


def answer(status: int, description: str, headers: dict[str, str] | None = None) -> Response:
    """Return an error answer."""
    retry = {"Retry-After": str(_RETRY_AFTER_S)} if status == 503 else {}
    return Response(body(status, description), status, headers={**(headers or {}), **retry}, media_type="application/json")


async def on_cim_error(request: Request, error: Exception) -> Response:
    """Answer an error raised on purpose; the text of server faults stays in the log."""
    if not isinstance(error, CimError):
        return await on_unexpected(request, error)
    status = status_of(error)
    if status < 500:
        return answer(status, error.message)
    # The standard logger: a trace without the values of local variables, which may hold passwords.
    _LOG.error("%s: [%s] %s", request.url.path, error.code, error.message, exc_info=error if status == 500 else None)
    return answer(status, _HIDDEN[status])


async def on_http_error(_: Request, error: Exception) -> Response:
    """Answer what the router found: no such path, method not allowed."""
    if not isinstance(error, HTTPException):
        raise error
    return answer(error.status_code, error.detail, dict(error.headers or {}))


async def on_unexpected(_: Request, __: Exception) -> Response:
    """Answer a fault of ours; the server logs the trace, the client never sees it."""
    return answer(500, _HIDDEN[500])
