"""Local API tokens: 256 random bits, kept as a hash, with role, grants, row filter and an end."""

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cim.access import ROLES, Permission, Principal, RowScope
from cim.clock import utc_now
from cim.db.engine import Connection
from cim.errors import ConflictError, InvalidParameterError, NotFoundError
from cim.ids import new_id

_PREFIX = "cim_"
_TOKEN = re.compile(r"^cim_[A-Za-z0-9_-]{43}$")
_DIVISION = re.compile(r"^([0-9]{2}|[0-9]{4}|[0-9]{6}|[0-9]{9}|[0-9]{12})$")

LOOKUP = """UPDATE access_token SET last_used_at = date_trunc('minute', now())
            WHERE secret_sha256 = $1 AND last_used_at IS DISTINCT FROM date_trunc('minute', now())"""
"""Notes the use of a token, at most once a minute."""

FIND = """SELECT id::text, subject, role, permissions, collections, writable, divisions FROM access_token
          WHERE secret_sha256 = $1 AND revoked_at IS NULL AND expires_at > now()"""
"""Finds a token in force by its hash (``$1``)."""

COUNTIES = """SELECT coalesce(array_agg(DISTINCT code), '{}') FROM division
              WHERE level = 3 AND (left(code, 2) = ANY ($1::text[]) OR left(code, 4) = ANY ($1::text[]))"""
"""Finds the counties below provinces and cities (``$1``)."""


@dataclass(frozen=True)
class NewToken:
    """What a token is to allow.

    Parameters
    ----------
    name
        What it is for; unique among the tokens in force.
    subject
        Person or account; author of its changes.
    role
        viewer, editor, engineer, operator or admin.
    permissions
        Narrows the role, None for all of it.
    collections, writable
        Visible and editable collections, None for all.
    divisions
        Codes of the divisions whose rows it sees, None for all.
    expires_at
        End of its life.
    """

    name: str
    subject: str
    role: str
    expires_at: datetime
    permissions: tuple[str, ...] | None = None
    collections: tuple[str, ...] | None = None
    writable: tuple[str, ...] | None = None
    divisions: tuple[str, ...] | None = None


def digest(token: str) -> str | None:
    """Return the hash a token is found by, None for a text that is no token of ours."""
    return hashlib.sha256(token.encode()).hexdigest() if _TOKEN.match(token) else None


def check(new: NewToken, collections: frozenset[str]) -> None:
    """Refuse what makes no sense.

    Parameters
    ----------
    collections
        Known collection ids.

    Raises
    ------
    InvalidParameterError
        Names the option and what it accepts.
    """
    if new.role not in ROLES or new.role == "anonymous":
        raise InvalidParameterError("--role", new.role, ", ".join(role for role in ROLES if role != "anonymous"))
    wrong = set(new.permissions or ()) - {one.value for one in ROLES[new.role]}
    if wrong:
        raise InvalidParameterError(
            "--scope", min(wrong), f"some of {', '.join(sorted(one.value for one in ROLES[new.role]))} ({new.role})"
        )
    for option, names in (("--collection", new.collections), ("--writable", new.writable)):
        unknown = set(names or ()) - collections
        if unknown:
            raise InvalidParameterError(option, min(unknown), f"some of {', '.join(sorted(collections))}")
    for code in new.divisions or ():
        if not _DIVISION.match(code):
            raise InvalidParameterError("--division", code, "a division code of 2, 4, 6, 9 or 12 digits")
    if new.expires_at <= utc_now():
        raise InvalidParameterError("--expires", new.expires_at.isoformat(), "a moment in the future")
    if not new.name.strip() or not new.subject.strip():
        raise InvalidParameterError("--name, --subject", "", "a text")


def create(connection: Connection, new: NewToken, *, created_by: str) -> tuple[str, str]:
    """Store a token.

    Returns
    -------
    tuple
        Its id, and the token itself: shown once, kept nowhere.

    Raises
    ------
    ConflictError
        A token in force has the name.
    NotFoundError
        A division is not in the store.
    """
    if connection.execute("SELECT 1 FROM access_token WHERE name = %s AND revoked_at IS NULL", [new.name]).fetchone():
        raise ConflictError(
            f"token {new.name!r}: there is one with this name", hint=f"cim token revoke {new.name!r}, or choose another --name"
        )
    known = {row[0] for row in connection.execute("SELECT code FROM division WHERE code = ANY (%s)", [list(new.divisions or ())])}
    missing = sorted(set(new.divisions or ()) - known)
    if missing:
        raise NotFoundError(f"division {missing[0]}: not in the store", hint="cim ingest divisions loads them")
    token, token_id = _PREFIX + secrets.token_urlsafe(32), new_id()
    connection.execute(
        """INSERT INTO access_token (id, name, subject, role, permissions, collections, writable, divisions, secret_sha256, created_by,
                                     expires_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        [token_id, new.name, new.subject, new.role, *(_listed(part) for part in (new.permissions, new.collections, new.writable)),
         _listed(new.divisions), digest(token), created_by, new.expires_at],
    )  # fmt: skip
    return str(token_id), token


def _listed(part: tuple[str, ...] | None) -> list[str] | None:
    return None if part is None else sorted(set(part))


def revoke(connection: Connection, name: str) -> str:
    """End a token by name or id; return its id.

    Raises
    ------
    NotFoundError
        No token in force has this name or id.
    """
    row = connection.execute(
        "UPDATE access_token SET revoked_at = now() WHERE (name = %s OR id::text = %s) AND revoked_at IS NULL RETURNING id::text",
        [name, name],
    ).fetchone()
    if row is None:
        raise NotFoundError(f"token {name!r}: none in force with this name or id", hint="cim token list --all")
    return str(row[0])


def listing(connection: Connection, *, everything: bool) -> list[dict[str, Any]]:
    """Return the tokens in force, or all, newest first; never their hashes."""
    cursor = connection.execute(
        """SELECT id::text, name, subject, role, permissions, collections, writable, divisions, created_at, created_by, expires_at,
                  revoked_at, last_used_at,
                  CASE WHEN revoked_at IS NOT NULL THEN 'revoked' WHEN expires_at <= now() THEN 'expired' ELSE 'in force' END AS state
           FROM access_token WHERE %s OR (revoked_at IS NULL AND expires_at > now()) ORDER BY created_at DESC""",
        [everything],
    )
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def wide_divisions(divisions: list[str]) -> list[str]:
    """Return the provinces and cities among division codes: their counties are looked up with `COUNTIES`."""
    return [code for code in divisions if len(code) < 6]


def scope_of(divisions: list[str] | None, counties: list[str]) -> RowScope | None:
    """Return the row filter of a list of divisions.

    Parameters
    ----------
    divisions
        As given to the token, None for all rows.
    counties
        Counties below its provinces and cities.
    """
    if divisions is None:
        return None
    by_length = {length: tuple(sorted(code for code in divisions if len(code) == length)) for length in (6, 9, 12)}
    return RowScope(tuple(sorted({*by_length[6], *counties})), by_length[9], by_length[12])


def principal_of_row(row: Any, counties: list[str]) -> Principal:  # noqa: ANN401 - a row of either driver
    """Return who a row of `FIND` stands for."""
    token_id, subject, role, permissions, collections, writable, divisions = row
    allowed = ROLES[role]
    return Principal(
        subject,
        role,
        allowed if permissions is None else allowed & {Permission(one) for one in permissions},
        None if collections is None else frozenset(collections),
        None if writable is None else frozenset(writable),
        scope_of(divisions, counties),
        token_id,
    )
