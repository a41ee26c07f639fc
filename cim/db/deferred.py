"""Indexes that are built after a bulk load: a sorted build is several times cheaper than as many insertions.

What keeps the register right (keys, unique constraints) is built in the transaction of the load. The rest only makes it fast: it is built
when the rows are there for all, on several connections side by side, and by whoever comes next where the load was killed before.
"""

from concurrent.futures import ThreadPoolExecutor

from psycopg import sql

from cim.db import engine
from cim.db.engine import Connection
from cim.settings import Settings

AFTER_COMMIT: dict[str, str] = {
    "building_source_btree": "ON building USING btree (source_dataset, source_key)",
    "building_geom_gist": "ON building USING gist (geom)",
    "external_code_scheme_value_btree": "ON external_code USING btree (scheme, value)",
    "building_name_trgm": "ON building USING gin (name gin_trgm_ops)",
    "building_division_code_btree": "ON building USING btree (division_code, code)",
}
"""Indexes that a first load leaves to `build_missing`, the longest build first."""
_SIDE_BY_SIDE = 2


def missing(connection: Connection) -> list[str]:
    """Return the indexes of `AFTER_COMMIT` that are not there."""
    rows = connection.execute("SELECT n FROM unnest(%s::text[]) AS n WHERE to_regclass('public.' || n) IS NULL", [list(AFTER_COMMIT)])
    absent = {row[0] for row in rows}
    return [name for name in AFTER_COMMIT if name in absent]


def build_missing(settings: Settings) -> list[str]:
    """Build the indexes that a first load left; readers go on, writers of the same table wait.

    Parameters
    ----------
    settings
        Names the store.

    Returns
    -------
    list of str
        Names of the indexes that were missing.
    """
    with engine.connect(settings) as connection:
        if not missing(connection):
            return []
        # Another process may be at it.
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('cim.deferred_indexes'))")
        names = missing(connection)
        with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
            for done in [pool.submit(_build, settings, name) for name in names]:
                done.result()
    return names


def _build(settings: Settings, name: str) -> None:
    with engine.connect(settings) as connection:
        connection.execute(sql.SQL("CREATE INDEX IF NOT EXISTS {} {}").format(sql.Identifier(name), sql.SQL(AFTER_COMMIT[name])))


def drop_indexes(connection: Connection, table: str) -> dict[str, sql.Composed]:
    """Drop the indexes and unique constraints of a table that no foreign key refers to.

    Parameters
    ----------
    connection
        Inside a transaction, which restores them when it rolls back.
    table
        Table; readers wait from here to the end of the transaction.

    Returns
    -------
    dict
        Name → statement that builds it again.
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
    again = {}
    for name, definition, constraint in found:
        if constraint is None:
            connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))
            again[name] = sql.Composed([sql.SQL(definition)])
        else:
            connection.execute(sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(sql.Identifier(table), sql.Identifier(name)))
            again[name] = sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {}").format(
                sql.Identifier(table), sql.Identifier(name), sql.SQL(constraint)
            )
    return again


def build_indexes(connection: Connection, dropped: dict[str, sql.Composed], table: str) -> None:
    """Build dropped indexes again but for those of `AFTER_COMMIT`, and gather the planner's statistics."""
    for name, statement in dropped.items():
        if name not in AFTER_COMMIT:
            connection.execute(statement)
    if dropped:
        connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(table)))
