"""Access of a request: who asks, and the connection that sees what he may see.

Every handler takes its principal from `principal_of` and every connection from ``state.requests.acquire(principal.scope)`` (or
``rows(…, scope=principal.scope)``): there is no other way to the rows, so there is none around the filter. Answers that are kept
(counts, tiles, pages) carry ``principal.cache_key`` in their key and entity tag.
"""

from starlette.requests import HTTPConnection

from cim.access import ANONYMOUS, Permission, Principal

PRINCIPAL = "cim.principal"
"""Key in the ASGI scope, set by the gate before any handler runs."""


def principal_of(request: HTTPConnection) -> Principal:
    """Return who asks; anonymous where no token was sent."""
    found = request.scope.get(PRINCIPAL, ANONYMOUS)
    if not isinstance(found, Principal):
        raise TypeError("the gate left no principal")
    return found


def require(request: HTTPConnection, permission: Permission, collection: str | None = None) -> Principal:
    """Return who asks, refused where the permission is missing.

    Raises
    ------
    UnauthenticatedError, ForbiddenError
        As `cim.access.Principal.require`.
    """
    principal = principal_of(request)
    principal.require(permission, collection)
    return principal
