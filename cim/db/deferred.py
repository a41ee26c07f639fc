"""Indexes that are built after a bulk load: a sorted build is several times cheaper than as many insertions."""

from psycopg import sql

from cim.db.engine import Connection


def drop_indexes(connection: Connection, table: str) -> list[sql.Composed]:
    """Drop the indexes and unique constraints of a table that no foreign key refers to.

    Parameters
    ----------
    connection
        Inside a transaction, which restores them when it rolls back.
    table
        Table; readers wait from here to the end of the transaction.

    Returns
    -------
    list of Composed
        Statements that build them again.
    """
    found = connection.execute(
        """SELECT c.relname, pg_get_indexdef(i.indexrelid), pg_get_constraintdef(k.oid)
           FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
           LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x')
           WHERE i.indrelid = %s::regclass
             AND NOT EXISTS (SELECT 1 FROM pg_constraint f WHERE f.conindid = i.indexrelid AND f.contype = 'f')
           ORDER BY c.relname""",
        [table],
    ).fetchall()
    again = []
    for name, definition, constraint in found:
        if constraint is None:
            connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))
            again.append(sql.Composed([sql.SQL(definition)]))
        else:
            connection.execute(sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(sql.Identifier(table), sql.Identifier(name)))
            again.append(
                sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {}").format(sql.Identifier(table), sql.Identifier(name), sql.SQL(constraint))
            )
    return again


def build_indexes(connection: Connection, statements: list[sql.Composed], table: str) -> None:
    """Build dropped indexes again and gather the planner's statistics; nothing happens where none were dropped."""
    for statement in statements:
        connection.execute(statement)
    if statements:
        connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(table)))
