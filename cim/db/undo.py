"""Taking a change set back: a new change set that restores the states before it; nothing is erased."""

from typing import Any
from uuid import UUID

from psycopg import sql

from cim.db.changes import fetch_change_set, open_change_set
from cim.db.engine import Connection
from cim.db.tables.history import VERSIONED
from cim.errors import ConflictError

_NOT_RESTORED = {"id", "code", "version", "valid_from", "recorded_at", "change_set_id", "kind"}
_COLLECTION = {"division": "divisions", "building": "buildings", "unit": "units", "address": "addresses"}
_NO_UNDO = {"safety": "safety records are never taken back: record a newer appraisal or step instead (cim safety)"}


def undo(connection: Connection, change_set: UUID, *, author: str, reason: str) -> dict[str, Any]:
    """Take a change set back.

    Parameters
    ----------
    connection
        Inside a transaction.
    change_set
        What is taken back.
    author, reason
        Of the new change set.

    Returns
    -------
    dict
        Id of the new change set, and how many rows were restored and retired per table.

    Raises
    ------
    NotFoundError
        There is no such change set.
    ConflictError
        It is undone already, or something it touched was changed again later; names what and by which change set.
    """
    found = fetch_change_set(connection, change_set)
    if found["operation"] in _NO_UNDO:
        raise ConflictError(f"change set {change_set}: {_NO_UNDO[found['operation']]}")
    if found["undone_by"] is not None and _is_in_force(connection, found["undone_by"]):
        raise ConflictError(f"change set {change_set}: taken back already by {found['undone_by']}", hint="cim changes list")
    connection.execute("LOCK TABLE building, address, unit, division IN SHARE ROW EXCLUSIVE MODE")
    _refuse_later_changes(connection, change_set)
    made = open_change_set(connection, author=author, operation="undo", reason=reason, undoes=change_set)
    counts = {}
    for table in VERSIONED:
        restored = _restore(connection, table.name, [c.name for c in table.columns if c.name not in _NOT_RESTORED], change_set, made)
        retired = _retire_created(connection, table.name, change_set, made)
        if restored or retired:
            counts[str(table.name)] = {"restored": restored, "retired": retired}
    connection.execute(
        """INSERT INTO building_lineage (parent_code, child_code, operation, reason, change_set_id)
           SELECT child_code, parent_code, 'undo', %s, %s FROM building_lineage WHERE change_set_id = %s ORDER BY id""",
        [reason, made, change_set],
    )
    connection.execute(
        """UPDATE review_case r SET state = 'open', resolved_by = NULL, resolved_at = NULL, note = NULL WHERE resolved_by = %s
           AND NOT EXISTS (SELECT 1 FROM review_case o WHERE o.dataset_name = r.dataset_name AND o.source_key = r.source_key
                           AND o.state = 'open')""",
        [change_set],
    )
    connection.execute("UPDATE attribute_conflict SET settled_by = NULL WHERE settled_by = %s", [change_set])
    return {"change_set": made, "undoes": change_set, "tables": counts}


def _is_in_force(connection: Connection, undoing: UUID) -> bool:
    """Tell whether an undo was not itself undone."""
    return connection.execute("SELECT 1 FROM change_set WHERE undoes = %s", [undoing]).fetchone() is None


def _same_row(table: str) -> sql.SQL:
    return sql.SQL("t.kind = h.kind AND t.id = h.id") if table.startswith("network_") else sql.SQL("t.id = h.id")


def _touched(table: str) -> sql.Composed:
    """Rows of a table that a change set wrote: still current, or replaced since."""
    keys = sql.SQL("kind, id, code") if table.startswith("network_") else sql.SQL("id, code")
    return sql.SQL(
        "SELECT {keys} FROM {table} WHERE change_set_id = %(id)s UNION SELECT {keys} FROM {history} WHERE change_set_id = %(id)s "
        "UNION SELECT {keys} FROM {history} WHERE retired_by = %(id)s"
    ).format(keys=keys, table=sql.Identifier(table), history=sql.Identifier(f"{table}_history"))


def _refuse_later_changes(connection: Connection, change_set: UUID) -> None:
    for table in VERSIONED:
        rows = connection.execute(
            sql.SQL(
                "SELECT t.code, t.change_set_id FROM {} t JOIN ({}) h ON {} "
                "WHERE t.change_set_id IS DISTINCT FROM %(id)s ORDER BY 1 LIMIT 6"
            ).format(sql.Identifier(table.name), _touched(table.name), _same_row(table.name)),
            {"id": change_set},
        ).fetchall()
        if rows:
            codes = ", ".join(row[0] for row in rows[:5]) + (" …" if len(rows) > 5 else "")
            later = ", ".join(sorted({str(row[1]) for row in rows}))
            raise ConflictError(
                f"change set {change_set}: {table.name} {codes} changed again later", hint=f"take back the later ones first: {later}"
            )


def _restore(connection: Connection, table: str, columns: list[str], change_set: UUID, made: UUID) -> int:
    """Write the state before the change set back as a new version."""
    keys = sql.SQL("kind, id") if table.startswith("network_") else sql.SQL("id")
    return connection.execute(
        sql.SQL(
            "UPDATE {table} t SET {assign}, version = t.version + 1, recorded_at = now(), change_set_id = %(made)s, "
            "valid_from = greatest(now(), t.valid_from + interval '1 microsecond') "
            "FROM (SELECT DISTINCT ON ({keys}) * FROM {history} WHERE retired_by = %(id)s ORDER BY {keys}, version) h "
            "WHERE {same} AND h.change_set_id IS DISTINCT FROM %(id)s"
        ).format(
            table=sql.Identifier(table),
            assign=sql.SQL(", ").join(sql.SQL("{0} = h.{0}").format(sql.Identifier(name)) for name in columns),
            keys=keys,
            history=sql.Identifier(f"{table}_history"),
            same=_same_row(table),
        ),
        {"id": change_set, "made": made},
    ).rowcount


def _retire_created(connection: Connection, table: str, change_set: UUID, made: UUID) -> int:
    """Retire what the change set made; without content hash, so that the same source brings it back under the same code."""
    gone = "abandoned" if table.startswith("network_") else "retired"
    return connection.execute(
        sql.SQL(
            "UPDATE {table} t SET status = %(gone)s, content_hash = NULL, version = t.version + 1, recorded_at = now(), "
            "valid_from = greatest(now(), t.valid_from + interval '1 microsecond'), change_set_id = %(made)s WHERE t.change_set_id = %(id)s"
        ).format(table=sql.Identifier(table)),
        {"id": change_set, "made": made, "gone": gone},
    ).rowcount
