"""Who asks and what that allows: roles, permissions, grants per collection, row filter by division. Pure: no I/O."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from cim.errors import ForbiddenError, UnauthenticatedError


class Permission(StrEnum):
    """What a request may do."""

    READ = "read"
    """Collections, tiles, documents."""
    RUN = "run"
    """Processes that only read."""
    EDIT = "edit"
    """Features: create, replace, change, delete."""
    MODELS = "models"
    """BIM models: upload, check, remove."""
    EXPORT = "export"
    """Whole collections as files."""
    BUILD = "build"
    """Tiles, and every job of everybody."""
    ADMIN = "admin"
    """Tokens, slow queries, audit."""


_VIEWER = frozenset({Permission.READ, Permission.RUN})

ROLES: dict[str, frozenset[Permission]] = {
    "anonymous": _VIEWER,
    "viewer": _VIEWER,
    "editor": _VIEWER | {Permission.EDIT, Permission.EXPORT},
    "engineer": _VIEWER | {Permission.MODELS, Permission.EXPORT},
    "operator": _VIEWER | {Permission.EDIT, Permission.MODELS, Permission.EXPORT, Permission.BUILD},
    "admin": frozenset(Permission),
}
"""Permissions of each role; a token may narrow them by its scopes, never widen them."""


RASTERS = ("terrain", "imagery")
"""Kinds of rasters; the collection of a raster is named by its kind, a hyphen and its name."""


@dataclass(frozen=True)
class RowScope:
    """Rows a restricted principal may see and write; a row passes when any of the three lists holds its place.

    Parameters
    ----------
    counties
        County codes, 6 digits.
    towns
        Town and street codes, 9 digits.
    villages
        Village and community codes, 12 digits.
    """

    counties: tuple[str, ...] = ()
    towns: tuple[str, ...] = ()
    villages: tuple[str, ...] = ()

    def allows(self, county_code: str | None, division_code: str | None) -> bool:
        """Return whether a row at this place passes; the same rule as the policies in the store."""
        division = division_code or ""
        return county_code in self.counties or division[:9] in self.towns or division in self.villages


@dataclass(frozen=True)
class Principal:
    """Who asks.

    Parameters
    ----------
    subject
        Name for the audit and the author of changes.
    role
        Key of `ROLES`.
    permissions
        What is allowed, at most what the role has.
    collections
        Collections that are visible, None for all.
    writable
        Collections that may be edited, None for all visible ones.
    scope
        Row filter, None for all rows.
    token_id
        Token it came with, None for OIDC and anonymous.
    """

    subject: str
    role: str
    permissions: frozenset[Permission]
    collections: frozenset[str] | None = None
    writable: frozenset[str] | None = None
    scope: RowScope | None = None
    token_id: str | None = None

    @property
    def is_anonymous(self) -> bool:
        """Whether nobody proved who asks."""
        return self.role == "anonymous"

    @property
    def is_restricted(self) -> bool:
        """Whether answers differ from those of an unrestricted reader."""
        return self.scope is not None or self.collections is not None

    @cached_property
    def cache_key(self) -> str:
        """Text that belongs into every cache key and entity tag; empty where the principal sees everything."""
        if not self.is_restricted:
            return ""
        seen = (sorted(self.collections) if self.collections is not None else None, self.scope)
        return hashlib.sha256(repr(seen).encode()).hexdigest()[:16]

    def may(self, permission: Permission) -> bool:
        """Return whether a permission is held."""
        return permission in self.permissions

    def sees(self, collection: str) -> bool:
        """Return whether a collection is visible; a grant of terrain or imagery covers every raster of the kind."""
        if self.collections is None or collection in self.collections:
            return True
        family, hyphen, _ = collection.partition("-")
        return bool(hyphen) and family in RASTERS and family in self.collections

    def require(self, permission: Permission, collection: str | None = None) -> None:
        """Refuse what is not allowed.

        Parameters
        ----------
        collection
            Collection it is about; an edit needs it among the writable ones.

        Raises
        ------
        UnauthenticatedError
            Nobody is logged in and the permission needs somebody.
        ForbiddenError
            The role, the token's scopes or the grants do not allow it.
        """
        allowed = self.may(permission)
        if allowed and collection is not None:
            grants = self.writable if permission is Permission.EDIT else None
            allowed = self.sees(collection) and (grants is None or collection in grants)
        if allowed:
            return
        about = f" on {collection}" if collection else ""
        if self.is_anonymous:
            raise UnauthenticatedError(
                f"{permission}{about}: needs a token", hint="send Authorization: Bearer TOKEN; cim token create makes one"
            )
        raise ForbiddenError(
            f"{permission}{about}: not allowed to {self.role} {self.subject}", hint="ask an administrator for another token"
        )


ANONYMOUS = Principal("anonymous", "anonymous", ROLES["anonymous"])
"""Nobody in particular, where reading is open."""

LOCKED_OUT = Principal("anonymous", "anonymous", frozenset())
"""Nobody in particular, where reading needs a token."""
