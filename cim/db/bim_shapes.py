"""Shapes of BIM elements: kept once by their content, found again by what defines them, removed when nobody has them."""

from collections.abc import Iterable, Sequence
from typing import Any

from psycopg import sql

from cim.db.engine import Connection

SHAPE = ("hash", "step_m", "points", "faces", "face_materials", "colours")
MESH = ("element_code", "model_code", "shape_hash", "matrix")
DEFINITION = ("key", "shape_hash", "matrix")
_TYPES = {
    "bim_shape": ("text", "float8", "bytea", "bytea", "bytea", "bytea"),
    "bim_mesh": ("text", "text", "text", "float8[]"),
    "bim_definition": ("text", "text", "float8[]"),
}
_COLUMNS = {"bim_shape": SHAPE, "bim_mesh": MESH, "bim_definition": DEFINITION}


def find_definitions(connection: Connection, keys: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    """Return the shapes of definitions that were meshed before: key → hash, matrix, step_m, points, faces, face materials, colours."""
    rows = connection.execute(
        """SELECT d.key, d.shape_hash, d.matrix, s.step_m, s.points, s.faces, s.face_materials, s.colours
           FROM bim_definition d JOIN bim_shape s ON s.hash = d.shape_hash WHERE d.key = ANY(%s)""",
        [list(keys)],
        binary=True,
    ).fetchall()
    return {row[0]: tuple(row[1:]) for row in rows}


def save_shapes(
    connection: Connection, shapes: Iterable[Sequence[Any]], definitions: Iterable[Sequence[Any]]
) -> None:  # fmt: skip
    """Keep shapes and what defines them; those that are there already stay as they are.

    Parameters
    ----------
    shapes, definitions
        In the order of `SHAPE` and `DEFINITION`.
    """
    # Nobody removes a shape between this look and the end of the transaction.
    connection.execute("SELECT pg_advisory_xact_lock(hashtext('bim-shapes'))")
    rows = list(shapes)
    known = {row[0] for row in connection.execute("SELECT hash FROM bim_shape WHERE hash = ANY(%s)", [[row[0] for row in rows]]).fetchall()}
    _copy(connection, "bim_shape", (row for row in rows if row[0] not in known))
    named = list(definitions)
    found = connection.execute("SELECT key FROM bim_definition WHERE key = ANY(%s)", [[row[0] for row in named]]).fetchall()
    defined = {row[0] for row in found}
    _copy(connection, "bim_definition", (row for row in named if row[0] not in defined))


def copy_meshes(connection: Connection, rows: Iterable[Sequence[Any]]) -> None:
    """Copy the shapes that elements have, in the order of `MESH`."""
    _copy(connection, "bim_mesh", rows)


def _copy(connection: Connection, table: str, rows: Iterable[Sequence[Any]]) -> None:
    columns = sql.SQL(", ").join(map(sql.Identifier, _COLUMNS[table]))
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(sql.Identifier(table), columns)
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(_TYPES[table])
        for row in rows:
            copy.write_row(row)


def remove_orphans(connection: Connection) -> int:
    """Remove shapes that no element has any more, and what defined them; return how many."""
    connection.execute("SELECT pg_advisory_xact_lock(hashtext('bim-shapes'))")
    return connection.execute("DELETE FROM bim_shape s WHERE NOT EXISTS (SELECT 1 FROM bim_mesh m WHERE m.shape_hash = s.hash)").rowcount
