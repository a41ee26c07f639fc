"""Change sets: who changed what, when and why; listing them and what they touched."""

from datetime import datetime
from typing import Any
from uuid import UUID

from cim.db.engine import Connection
from cim.errors import NotFoundError
from cim.ids import new_id

_COMPARED = (
    "name", "address", "division_code", "height_m", "storeys_above", "storeys_below", "use", "structure", "year_built",
    "footprint_area_m2", "floor_area_m2", "safety_grade", "status",
)  # fmt: skip


def open_change_set(
    connection: Connection,
    *,
    author: str,
    operation: str,
    reason: str,
    dataset_id: UUID | None = None,
    source: str | None = None,
    project_code: str | None = None,
    undoes: UUID | None = None,
) -> UUID:
    """Start a change set in the running transaction and make it the current one for deletes.

    Parameters
    ----------
    connection
        Inside a transaction; the change set lives and dies with it.
    author
        Account or person.
    operation
        ingest, edit, split, merge, demolish, rebuild, review, safety, undo, link.
    reason
        In words.
    dataset_id
        Dataset that is being loaded.
    source
        Document, permit or survey that the change rests on.
    project_code
        Construction project.
    undoes
        Change set that this one takes back.

    Returns
    -------
    UUID
        To be written into ``change_set_id`` of every row touched.
    """
    change_set = new_id()
    connection.execute(
        """INSERT INTO change_set (id, author, operation, reason, dataset_id, source, project_code, undoes)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s)""",
        [change_set, author, operation, reason, dataset_id, source, project_code, undoes],
    )
    connection.execute("SELECT set_config('cim.change_set', %s, true)", [str(change_set)])
    return change_set


def _rows(connection: Connection, statement: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        rows = cursor.execute(statement.encode(), parameters).fetchall()
        names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in rows]


def list_change_sets(
    connection: Connection,
    *,
    code: str | None = None,
    operation: str | None = None,
    author: str | None = None,
    since: datetime | None = None,
    limit: int = 50,
) -> list[dict[str, Any]]:
    """Return change sets, newest first, with the number of things each created, updated and retired.

    Parameters
    ----------
    connection
        The store.
    code
        Only those that touched this code.
    operation, author, since
        Filters.
    limit
        Most rows.
    """
    return _rows(
        connection,
        """SELECT c.id, c.recorded_at, c.author, c.operation, c.reason, c.source, c.project_code, c.undoes,
                  (SELECT u.id FROM change_set u WHERE u.undoes = c.id ORDER BY u.recorded_at DESC LIMIT 1) AS undone_by,
                  d.name AS dataset, coalesce(n.created, 0) AS created, coalesce(n.updated, 0) AS updated, coalesce(n.retired, 0) AS retired
           FROM change_set c LEFT JOIN dataset d ON d.id = c.dataset_id
           LEFT JOIN LATERAL (SELECT count(*) FILTER (WHERE action = 'create') AS created,
                                     count(*) FILTER (WHERE action = 'update') AS updated,
                                     count(*) FILTER (WHERE action = 'retire') AS retired
                              FROM change_event e WHERE e.change_set_id = c.id) n ON true
           WHERE (%(operation)s::text IS NULL OR c.operation = %(operation)s) AND (%(author)s::text IS NULL OR c.author = %(author)s)
             AND (%(since)s::timestamptz IS NULL OR c.recorded_at >= %(since)s)
             AND (%(code)s::text IS NULL OR c.id IN (
                    SELECT change_set_id FROM building WHERE code = %(code)s
                    UNION SELECT change_set_id FROM building_history WHERE code = %(code)s
                    UNION SELECT change_set_id FROM address WHERE code = %(code)s
                    UNION SELECT change_set_id FROM address_history WHERE code = %(code)s
                    UNION SELECT change_set_id FROM unit WHERE code = %(code)s
                    UNION SELECT change_set_id FROM unit_history WHERE code = %(code)s
                    UNION SELECT change_set_id FROM building_lineage WHERE %(code)s IN (parent_code, child_code)))
           ORDER BY c.recorded_at DESC, c.id DESC LIMIT %(limit)s""",
        {"code": code, "operation": operation, "author": author, "since": since, "limit": limit},
    )


def fetch_change_set(connection: Connection, change_set: UUID) -> dict[str, Any]:
    """Return a change set with what it touched: at most 200 codes, lineage, and old and new values of buildings.

    Raises
    ------
    NotFoundError
        There is none with this id.
    """
    head = _rows(
        connection,
        """SELECT c.id, c.recorded_at, c.author, c.operation, c.reason, c.source, c.project_code, c.undoes,
                  (SELECT u.id FROM change_set u WHERE u.undoes = c.id ORDER BY u.recorded_at DESC LIMIT 1) AS undone_by, d.name AS dataset
           FROM change_set c LEFT JOIN dataset d ON d.id = c.dataset_id WHERE c.id = %(id)s""",
        {"id": change_set},
    )
    if not head:
        raise NotFoundError(f"change set {change_set}: not in the store", hint="cim changes list")
    touched = _rows(
        connection,
        "SELECT collection, code, action FROM change_event WHERE change_set_id = %(id)s ORDER BY collection, code LIMIT 200",
        {"id": change_set},
    )
    counts = _rows(
        connection,
        """SELECT collection, action, count(*) AS n FROM change_event WHERE change_set_id = %(id)s
           GROUP BY collection, action ORDER BY collection, action""",
        {"id": change_set},
    )
    lineage = _rows(
        connection,
        "SELECT parent_code, child_code, operation, reason FROM building_lineage WHERE change_set_id = %(id)s ORDER BY id",
        {"id": change_set},
    )
    return {**head[0], "counts": counts, "touched": touched, "lineage": lineage, "differences": _differences(connection, change_set)}


def _differences(connection: Connection, change_set: UUID) -> list[dict[str, Any]]:
    """Return code, attribute, old and new value of the buildings a change set updated, at most 200 values."""
    pairs = ", ".join(f"('{name}', to_jsonb(o.{name}), to_jsonb(n.{name}))" for name in _COMPARED)
    return _rows(
        connection,
        f"""WITH o AS (SELECT DISTINCT ON (id) * FROM building_history WHERE retired_by = %(id)s ORDER BY id, version),
                 n AS (SELECT id, {", ".join(_COMPARED)} FROM building WHERE change_set_id = %(id)s
                       UNION ALL SELECT id, {", ".join(_COMPARED)} FROM building_history WHERE change_set_id = %(id)s
                                 AND retired_by IS DISTINCT FROM %(id)s)
            SELECT o.code, v.attribute, v.old, v.new FROM o JOIN n USING (id)
            CROSS JOIN LATERAL (VALUES {pairs}) AS v (attribute, old, new)
            WHERE v.old IS DISTINCT FROM v.new AND o.change_set_id IS DISTINCT FROM %(id)s
            ORDER BY o.code, v.attribute LIMIT 200""",  # noqa: S608 - names are constants of this module
        {"id": change_set},
    )


def fetch_lineage(connection: Connection, code: str) -> list[dict[str, Any]]:
    """Return every building that a code came from or went into, over any number of steps, oldest step first."""
    return _rows(
        connection,
        """WITH RECURSIVE up AS (
               SELECT id FROM building_lineage WHERE child_code = %(code)s
               UNION SELECT p.id FROM building_lineage p
                     JOIN building_lineage c ON c.parent_code = p.child_code JOIN up ON up.id = c.id),
           down AS (
               SELECT id FROM building_lineage WHERE parent_code = %(code)s
               UNION SELECT c.id FROM building_lineage c
                     JOIN building_lineage p ON c.parent_code = p.child_code JOIN down ON down.id = p.id)
           SELECT l.parent_code, l.child_code, l.operation, l.reason, l.recorded_at, l.change_set_id
           FROM building_lineage l WHERE l.id IN (SELECT id FROM up UNION SELECT id FROM down) ORDER BY l.id""",
        {"code": code},
    )
