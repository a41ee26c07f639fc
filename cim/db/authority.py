"""One datum, one source: the ranks of sources, and the conflicts that were refused."""

from typing import Any
from uuid import UUID

from psycopg import sql
from psycopg.types.json import Jsonb

from cim.db.engine import Connection
from cim.db.succession import EDITABLE
from cim.db.tables.stewardship import SOURCES
from cim.errors import ConflictError, InvalidParameterError, NotFoundError


def fetch_ranks(connection: Connection, attribute: str | None = None) -> list[dict[str, Any]]:
    """Return attribute, source and rank, the authority first."""
    rows = connection.execute(
        """SELECT attribute, source, rank FROM attribute_authority
           WHERE collection = 'buildings' AND (%s::text IS NULL OR attribute = %s) ORDER BY attribute, rank, source""",
        [attribute, attribute],
    ).fetchall()
    return [{"attribute": row[0], "source": row[1], "rank": row[2]} for row in rows]


def set_order(connection: Connection, attribute: str, sources: list[str]) -> None:
    """Set the sources of an attribute, the authority first.

    Raises
    ------
    InvalidParameterError
        A source is unknown or named twice, or the attribute has no authority.
    """
    if not fetch_ranks(connection, attribute):
        known = ", ".join(sorted({row["attribute"] for row in fetch_ranks(connection)}))
        raise InvalidParameterError("attribute", attribute, f"one of {known}")
    if len(set(sources)) != len(sources) or set(sources) - set(SOURCES):
        raise InvalidParameterError("sources", ",".join(sources), f"each once, out of {', '.join(SOURCES)}")
    connection.execute("DELETE FROM attribute_authority WHERE collection = 'buildings' AND attribute = %s", [attribute])
    connection.execute(
        """INSERT INTO attribute_authority (collection, attribute, source, rank)
           SELECT 'buildings', %s, source, rank FROM unnest(%s::text[]) WITH ORDINALITY AS t (source, rank)""",
        [attribute, sources],
    )


def list_conflicts(connection: Connection, *, limit: int = 100) -> list[dict[str, Any]]:
    """Return open conflicts, oldest first; an outline is told by its area only."""
    rows = connection.execute(
        """SELECT id, code, attribute, CASE WHEN attribute = 'geom' THEN NULL ELSE kept END, kept_source,
                  CASE WHEN attribute = 'geom' THEN NULL ELSE refused END, refused_source, recorded_at
           FROM attribute_conflict WHERE settled_by IS NULL ORDER BY id LIMIT %s""",
        [limit],
    ).fetchall()
    names = ("id", "code", "attribute", "kept", "kept_source", "refused", "refused_source", "recorded_at")
    return [dict(zip(names, row, strict=True)) for row in rows]


def settle_conflict(connection: Connection, conflict: int, change_set: UUID, *, take: bool) -> dict[str, Any]:
    """Settle a conflict: keep the register's value, or take the refused one.

    Raises
    ------
    NotFoundError
        No open conflict has this number.
    """
    row = connection.execute(
        "SELECT code, attribute, refused, refused_source FROM attribute_conflict WHERE id = %s AND settled_by IS NULL FOR UPDATE",
        [conflict],
    ).fetchone()
    if row is None:
        raise NotFoundError(f"conflict {conflict}: not open", hint="cim changes conflicts")
    code, attribute, refused, source = row
    if take:
        if attribute not in EDITABLE:
            raise ConflictError(f"conflict {conflict}: {attribute} cannot be taken here", hint="load the survey with the authority changed")
        connection.execute(
            sql.SQL(
                "UPDATE building SET {0} = (jsonb_populate_record(building, jsonb_build_object(%(name)s::text, %(value)s::jsonb))).{0}, "
                "attribute_sources = attribute_sources || jsonb_build_object(%(name)s::text, %(source)s::text), version = version + 1, "
                "valid_from = greatest(now(), valid_from + interval '1 microsecond'), recorded_at = now(), change_set_id = %(change_set)s "
                "WHERE code = %(code)s"
            ).format(sql.Identifier(attribute)),
            {"name": attribute, "value": Jsonb(refused), "source": source, "change_set": change_set, "code": code},
        )
    connection.execute("UPDATE attribute_conflict SET settled_by = %s WHERE id = %s", [change_set, conflict])
    return {"code": code, "attribute": attribute, "taken": take}
