"""Writing rows of versioned tables in bulk: new ones are inserted, known ones get their new state."""

from collections.abc import Iterable
from typing import Any

import orjson
from psycopg import sql
from psycopg.types.json import Jsonb

from cim.db.engine import Connection

Row = dict[str, Any]


def save_rows(connection: Connection, table: str, columns: dict[str, str], rows: Iterable[Row]) -> None:
    """Insert rows with new codes and update those whose code the table has; code and county never change.

    Parameters
    ----------
    columns
        Names and types of the columns written; ``geom`` is hexadecimal EWKB.
    """
    target, staged = sql.Identifier(table), sql.Identifier(f"staged_{table}")
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(staged))
    connection.execute(sql.SQL("CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA").format(staged, names, target))
    copy_rows(connection, f"staged_{table}", columns, rows)
    kept = [name for name in columns if name not in ("code", "county_code")]
    connection.execute(
        sql.SQL(
            """UPDATE {} o SET {}, status = 'existing', version = o.version + 1, valid_from = now(), recorded_at = now()
               FROM {} s WHERE o.code = s.code"""
        ).format(target, sql.SQL(", ").join(sql.SQL("{0} = s.{0}").format(sql.Identifier(name)) for name in kept), staged)
    )
    connection.execute(
        sql.SQL(
            """INSERT INTO {target} ({names}) SELECT {names} FROM {staged} s
               WHERE NOT EXISTS (SELECT 1 FROM {target} o WHERE o.code = s.code)"""
        ).format(target=target, names=names, staged=staged)
    )


def copy_rows(connection: Connection, table: str, columns: dict[str, str], rows: Iterable[Row]) -> None:
    """Append rows to a table."""
    # Geometry comes as hexadecimal text; everything else goes the short way.
    is_binary = "geometry" not in columns.values()
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    form = sql.SQL(" WITH (FORMAT BINARY)") if is_binary else sql.SQL("")
    statement = sql.SQL("COPY {} ({}) FROM STDIN{}").format(sql.Identifier(table), names, form)
    wrapped = [kind == "jsonb" for kind in columns.values()]
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        if is_binary:
            copy.set_types(list(columns.values()))
        for row in rows:
            values = map(row.get, columns)
            copy.write_row(
                [Jsonb(value, orjson.dumps) if wrap and value is not None else value for value, wrap in zip(values, wrapped, strict=True)]
            )
