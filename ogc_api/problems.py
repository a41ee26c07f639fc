"""Problem documents with a type of their own (RFC 9457), for the exceptions that OGC API - Processes names."""

from collections.abc import Mapping

import orjson
from starlette.responses import Response

from ogc_api import errors

EXCEPTIONS = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0"


def problem(status: int, detail: str, *, kind: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return an error answer of a type.

    Parameters
    ----------
    kind
        URI of the type.
    """
    document = {**orjson.loads(errors.body(status, detail)), "type": kind}
    return Response(orjson.dumps(document), status, headers=dict(headers or {}), media_type=errors.PROBLEM)
