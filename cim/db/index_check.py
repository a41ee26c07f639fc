"""Check of indexes: what clients filter and sort by at will must not scan a city."""

from cim.db import deferred
from cim.db.catalog import collections
from cim.db.engine import Connection
from cim.db.row_security import Problem

REQUIRED: tuple[str, ...] = ("geom", "code")
"""Columns of every collection that must lead an index: the box and the feature id of OGC API - Features."""

_INDEXED = """SELECT DISTINCT c.relname, a.attname
              FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
              JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey::int2[])
              WHERE i.indisvalid AND c.relname = ANY (%s) AND c.relnamespace = 'public'::regnamespace"""


def indexed_columns(connection: Connection) -> dict[str, set[str]]:
    """Return the columns that are part of a valid index, by table."""
    tables = sorted({one.table for one in collections().values()})
    found: dict[str, set[str]] = {name: set() for name in tables}
    for table, column in connection.execute(_INDEXED, [tables]).fetchall():
        found[table].add(column)
    return found


def problems(connection: Connection, *, large_from: int = 100_000) -> list[Problem]:
    """Return what is missing: the place and the id always, any other queryable where its table is large.

    Parameters
    ----------
    large_from
        Estimated rows from which on a filter without an index is too slow.
    """
    found = [
        Problem(f"index {name} is missing: a load ended before it was built", "cim db migrate") for name in deferred.missing(connection)
    ]
    indexed = indexed_columns(connection)
    sizes = {
        row[0]: row[1]
        for row in connection.execute(
            """SELECT c.relname, coalesce(sum(coalesce(p.reltuples, c.reltuples)), 0) FROM pg_class c
               LEFT JOIN pg_inherits h ON h.inhparent = c.oid LEFT JOIN pg_class p ON p.oid = h.inhrelid
               WHERE c.relname = ANY (%s) AND c.relnamespace = 'public'::regnamespace GROUP BY c.relname""",
            [sorted(indexed)],
        ).fetchall()
    }
    seen: set[tuple[str, str]] = set()
    for one in collections().values():
        wanted = [*REQUIRED, *(attribute.name for attribute in one.queryables)] if sizes.get(one.table, 0) >= large_from else list(REQUIRED)
        for column in wanted:
            if column not in indexed[one.table] and (one.table, column) not in seen:
                seen.add((one.table, column))
                hint = f"CREATE INDEX CONCURRENTLY ON {one.table} ({column})"
                found.append(Problem(f"{one.id}: no index on {one.table}.{column}; filters on it read the whole table", hint))
    return found
