"""Binary-safe bulk loading: COPY into a staging table of the running transaction."""

from collections.abc import Iterable, Sequence
from typing import Any

from psycopg import sql

from cim.db.engine import Connection


def stage(connection: Connection, like: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, extra: str = "") -> int:
    """Copy rows into a temporary table ``staging`` shaped after columns of a table.

    Parameters
    ----------
    connection
        Inside a transaction; the table goes with it.
    like
        Table whose column types are taken.
    columns
        Columns to stage, in the order of the rows. Geometry is given as hexadecimal EWKB.
    rows
        Values.
    extra
        Name of one more text column at the end of each row, empty for none.

    Returns
    -------
    int
        Rows staged.
    """
    names = [sql.Identifier(name) for name in columns]
    connection.execute("DROP TABLE IF EXISTS staging")
    connection.execute(
        sql.SQL("CREATE TEMPORARY TABLE staging ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA").format(
            sql.SQL(", ").join(names), sql.Identifier(like)
        )
    )
    if extra:
        connection.execute(sql.SQL("ALTER TABLE staging ADD COLUMN {} text").format(sql.Identifier(extra)))
        names.append(sql.Identifier(extra))
    n = 0
    statement = sql.SQL("COPY staging ({}) FROM STDIN").format(sql.SQL(", ").join(names))
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)
            n += 1
    connection.execute("ANALYZE staging")
    return n


def upsert(connection: Connection, table: str, key: Sequence[str], columns: Sequence[str], change_set: Any) -> tuple[int, int]:  # noqa: ANN401 - UUID
    """Move staged rows into a versioned table: new keys are inserted, rows with another content hash updated, others left alone.

    Parameters
    ----------
    connection
        Inside a transaction, after `stage`.
    table
        Versioned table.
    key
        Columns that identify a row, staged too.
    columns
        Columns to write, ``content_hash`` among them.
    change_set
        Written into every touched row.

    Returns
    -------
    tuple of int
        Rows inserted and rows updated.
    """
    # A row that an undo took back has no content hash; the same source brings it back to life.
    alive = sql.SQL(
        ", status = CASE WHEN t.content_hash IS NULL AND t.status IN ('retired', 'abandoned') THEN {} ELSE t.status END"
    ).format(sql.Literal("in_use" if table.startswith("network_") else "existing"))
    same = sql.SQL(" AND ").join(sql.SQL("t.{0} = s.{0}").format(sql.Identifier(name)) for name in key)
    kept = [name for name in columns if name not in key]
    updated = connection.execute(
        sql.SQL(
            "UPDATE {table} t SET {assign}{alive}, version = t.version + 1, recorded_at = now(), change_set_id = %s, "
            "valid_from = greatest(now(), t.valid_from + interval '1 microsecond') "
            "FROM staging s WHERE {same} AND t.content_hash IS DISTINCT FROM s.content_hash"
        ).format(
            table=sql.Identifier(table),
            assign=sql.SQL(", ").join(sql.SQL("{0} = s.{0}").format(sql.Identifier(name)) for name in kept),
            same=same,
            alive=sql.SQL("") if "status" in columns else alive,
        ),
        [change_set],
    ).rowcount
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    inserted = connection.execute(
        sql.SQL(
            "INSERT INTO {table} ({names}, change_set_id) SELECT {picked}, %s FROM staging s "
            "WHERE NOT EXISTS (SELECT 1 FROM {table} t WHERE {same})"
        ).format(
            table=sql.Identifier(table),
            names=names,
            picked=sql.SQL(", ").join(sql.SQL("s.{}").format(sql.Identifier(name)) for name in columns),
            same=same,
        ),
        [change_set],
    ).rowcount
    return inserted, updated
