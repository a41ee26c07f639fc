"""Filling a partition anew: rows first, indexes after, then one short exchange with the partition readers know."""

import contextlib
from collections.abc import Iterator
from typing import LiteralString

from psycopg import sql

from cim.db.engine import Connection


@contextlib.contextmanager
def refilled(connection: Connection, parent: str, kind: str) -> Iterator[str]:
    """Give a copy of a partition without indexes to copy rows into; it takes the partition's place at the end.

    Readers see the old partition until the transaction ends and wait only for the exchange itself. Triggers of the parent do not see the
    rows. The caller must have locked writers out.

    Parameters
    ----------
    connection
        Inside a transaction, as owner of the tables; a rollback undoes everything.
    parent
        Table partitioned by list of ``kind``.
    kind
        Value of the partition, which is named ``<parent>_<kind>``.

    Yields
    ------
    str
        Name of the table to copy into; it holds the rows of the partition.
    """
    old, new = f"{parent}_{kind}", f"{parent}_{kind}_next"
    names = {"parent": sql.Identifier(parent), "old": sql.Identifier(old), "new": sql.Identifier(new), "kind": sql.Literal(kind)}

    def run(statement: LiteralString) -> None:
        connection.execute(sql.SQL(statement).format(**names))

    run("CREATE TABLE {new} (LIKE {old} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE INCLUDING COMMENTS)")
    run("INSERT INTO {new} SELECT * FROM {old}")
    yield new
    indexes = _copy_indexes(connection, old, new)
    # A valid check of the partition's bound spares ATTACH a scan under its lock.
    run("ALTER TABLE {new} ADD CONSTRAINT partition_bound CHECK (kind IS NOT NULL AND kind = {kind})")
    _copy_grants(connection, old, new)
    run("ANALYZE {new}")
    run("ALTER TABLE {parent} DETACH PARTITION {old}")
    run("DROP TABLE {old}")
    run("ALTER TABLE {new} RENAME TO {old}")
    for last, first in indexes:
        connection.execute(sql.SQL("ALTER INDEX {} RENAME TO {}").format(sql.Identifier(last), sql.Identifier(first)))
    run("ALTER TABLE {parent} ATTACH PARTITION {old} FOR VALUES IN ({kind})")
    run("ALTER TABLE {old} DROP CONSTRAINT partition_bound")


def _copy_indexes(connection: Connection, old: str, new: str) -> list[tuple[str, str]]:
    """Build the indexes and unique constraints of one table on another; return their names there and on the first."""
    found = connection.execute(
        """SELECT c.relname, pg_get_indexdef(i.indexrelid), pg_get_constraintdef(k.oid)
           FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
           LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.contype IN ('p', 'u')
           WHERE i.indrelid = %s::regclass ORDER BY c.relname""",
        [old],
    ).fetchall()
    renamed = []
    for at, (name, definition, constraint) in enumerate(found):
        other = f"{new}_{at}"
        if constraint is None:
            _, _, tail = definition.partition(" USING ")
            unique = sql.SQL("UNIQUE ") if definition.startswith("CREATE UNIQUE") else sql.SQL("")
            connection.execute(
                sql.SQL("CREATE {}INDEX {} ON {} USING {}").format(unique, sql.Identifier(other), sql.Identifier(new), sql.SQL(tail))
            )
        else:
            connection.execute(
                sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {}").format(sql.Identifier(new), sql.Identifier(other), sql.SQL(constraint))
            )
        renamed.append((other, name))
    return renamed


def _copy_grants(connection: Connection, old: str, new: str) -> None:
    rows = connection.execute(
        """SELECT CASE WHEN a.grantee = 0 THEN NULL ELSE pg_get_userbyid(a.grantee) END, a.privilege_type
           FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = %s::regclass AND a.grantee <> c.relowner""",
        [old],
    ).fetchall()
    for role, privilege in rows:
        to = sql.SQL("PUBLIC") if role is None else sql.Identifier(role)
        connection.execute(sql.SQL("GRANT {} ON {} TO {}").format(sql.SQL(privilege), sql.Identifier(new), to))
