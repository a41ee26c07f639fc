"""Errors to HTTP answers: the one table of status codes.

Bodies are problem documents (RFC 9457) with ``code`` and ``description`` of OGC API - Features as further members.
"""

import logging
from collections.abc import Mapping
from http import HTTPStatus

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from cim.crs import CrsError
from cim.errors import (
    CimError,
    ClusterError,
    ConflictError,
    ForbiddenError,
    GeometryError,
    InvalidBodyError,
    InvalidParameterError,
    LimitExceededError,
    MediaTypeError,
    MethodError,
    NotFoundError,
    PreconditionError,
    RequestError,
    StorageFullError,
    StoreUnavailableError,
    UnauthenticatedError,
    UnknownCollectionError,
    UnsupportedCrsError,
)

_LOG = logging.getLogger(__name__)

PROBLEM = "application/problem+json"

STATUS: dict[type[CimError], int] = {
    RequestError: 400,
    InvalidParameterError: 400,
    UnsupportedCrsError: 400,
    CrsError: 400,
    UnauthenticatedError: 401,
    ForbiddenError: 403,
    LimitExceededError: 413,
    PreconditionError: 412,
    MediaTypeError: 415,
    InvalidBodyError: 422,
    GeometryError: 422,
    MethodError: 405,
    UnknownCollectionError: 404,
    NotFoundError: 404,
    ConflictError: 409,
    StoreUnavailableError: 503,
    # While the server runs: the private cluster is being started again.
    ClusterError: 503,
    StorageFullError: 507,
}
"""Status of each error class; a class without a row has its parent's, 500 at the root."""

_LIMITS = {"rate": 429, "address": 414, "body": 413}
_CODES = {400: "InvalidParameterValue", 404: "NotFound", 405: "MethodNotAllowed", 406: "NotAcceptable", 409: "Conflict", 500: "ServerError"}
_CODES |= {401: "Unauthorized", 403: "Forbidden", 413: "PayloadTooLarge", 414: "URITooLong", 415: "UnsupportedMediaType"}
_CODES |= {412: "PreconditionFailed", 422: "UnprocessableEntity", 429: "TooManyRequests"}
_CODES |= {503: "ServiceUnavailable", 507: "InsufficientStorage"}
_RETRY_AFTER_S = 5
_HIDDEN = {
    500: "The server failed to answer; the operator finds the reason in its log.",
    503: "The store does not answer at the moment; try again in a few seconds.",
    507: "The server has no space left.",
}


def status_of(error: CimError) -> int:
    """Return the HTTP status of an error."""
    if isinstance(error, LimitExceededError):
        return _LIMITS[error.kind]
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)


def body(status: int, description: str, *, hint: str = "") -> bytes:
    """Return a problem document."""
    code = _CODES.get(status, "Error")
    document = {
        "type": "about:blank",
        "title": _title(status),
        "status": status,
        "detail": description,
        "code": code,
        "description": description,
    }
    return orjson.dumps({**document, "hint": hint} if hint else document)


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def answer(status: int, description: str, headers: Mapping[str, str] | None = None, *, hint: str = "") -> Response:
    """Return an error answer."""
    more = dict(headers or {})
    if status == 503:
        more.setdefault("Retry-After", str(_RETRY_AFTER_S))
    if status == 401:
        more.setdefault("WWW-Authenticate", 'Bearer realm="cim"')
    return Response(body(status, description, hint=hint), status, headers=more, media_type=PROBLEM)


async def on_cim_error(request: Request, error: Exception) -> Response:
    """Answer an error raised on purpose; the text of server faults stays in the log."""
    if not isinstance(error, CimError):
        return await on_unexpected(request, error)
    status = status_of(error)
    if isinstance(error, LimitExceededError) and error.retry_after_s:
        return answer(status, error.message, {"Retry-After": str(error.retry_after_s)})
    if status < 500:
        return answer(status, error.message, hint=error.hint)
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
