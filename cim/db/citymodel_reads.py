"""Reads of city objects with their geometries at any moment: for files."""

from collections.abc import Sequence
from datetime import datetime

import orjson
from psycopg import sql as pg
from psycopg.types.json import set_json_loads

from cim.db.engine import Connection
from cim.exchange.citymodel import Models, StoredObject, StoredShape


def models_of_buildings(connection: Connection, moment: datetime | None) -> Models:
    """Return what gives the city objects that show buildings, by their codes.

    Parameters
    ----------
    connection
        Inside the transaction of the export.
    moment
        State that is wanted, None = now.
    """
    set_json_loads(orjson.loads, connection)

    def read(codes: Sequence[str]) -> list[StoredObject]:
        return _objects(connection, codes, moment, "building_code", set())

    return read


def models_by_code(connection: Connection, moment: datetime | None) -> Models:
    """Return what gives city objects by their codes; keys that several datasets use are replaced by the code."""
    statement = pg.SQL("SELECT source_key FROM {} AS o WHERE status = 'existing' GROUP BY 1 HAVING count(*) > 1").format(
        _objects_at(moment)
    )
    set_json_loads(orjson.loads, connection)
    shared = {row[0] for row in connection.execute(statement, {"moment": moment}).fetchall()}

    def read(codes: Sequence[str]) -> list[StoredObject]:
        return _objects(connection, codes, moment, "code", shared)

    return read


def _objects_at(moment: datetime | None) -> pg.Composable:
    return pg.Identifier("city_object") if moment is None else pg.SQL("city_object_as_of(%(moment)s::timestamptz)")


def _objects(
    connection: Connection, codes: Sequence[str], moment: datetime | None, column: str, shared: set[str]
) -> list[StoredObject]:  # fmt: skip
    values = {"codes": list(codes), "moment": moment}
    source = _objects_at(moment)
    rows = connection.execute(
        pg.SQL(
            """SELECT o.code, o.source_key, o.type, p.code, p.source_key, o.building_code, coalesce(o.match_score, 1), o.attributes
               FROM {source} AS o LEFT JOIN {source} AS p ON p.code = o.parent_code AND p.status = 'existing'
               WHERE o.{column} = ANY(%(codes)s) AND o.status = 'existing' ORDER BY o.code"""
        ).format(source=source, column=pg.Identifier(column)),
        values,
    ).fetchall()

    def key(code: str | None, told: str | None) -> str:
        return (code or "") if not told or told in shared else told

    made = {
        row[0]: StoredObject(row[0], key(row[0], row[1]), row[2], row[3] or "", key(row[3], row[4]), row[5] or "", row[6], row[7])
        for row in rows
    }
    values["codes"] = list(made)
    parts = pg.SQL(
        "SELECT parent_code, code, source_key FROM {} AS o WHERE parent_code = ANY(%(codes)s) AND status = 'existing' ORDER BY code"
    ).format(source)
    for parent, code, told in connection.execute(parts, values).fetchall():
        made[parent].children.append(key(code, told))
    at = "valid_to IS NULL" if moment is None else "valid_from <= %(moment)s AND (valid_to IS NULL OR valid_to > %(moment)s)"
    shapes = pg.SQL(
        """SELECT object_code, lod, geometry_type, vertices, boundaries, semantics, appearance FROM representation
           WHERE object_code = ANY(%(codes)s) AND {} ORDER BY object_code, lod"""
    ).format(pg.SQL(at))
    for row in connection.execute(shapes, values).fetchall():
        made[row[0]].shapes.append(StoredShape(*row[1:]))
    return list(made.values())
