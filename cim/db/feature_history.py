"""Every state a feature has been in, and for buildings what it came from and went into."""

from typing import Any

import orjson
from psycopg import sql as pg

from cim.db.catalog import Collection
from cim.db.feature_sql import OutputCrs, columns, placed
from cim.db.session import Prepared, Session, prepare
from cim.db.tables.history import HISTORY
from cim.errors import NotFoundError

_MOST = 1000
_LINEAGE = prepare(
    """SELECT parent_code, child_code, operation, reason, recorded_at, change_set_id FROM building_lineage
       WHERE parent_code = %(code)s OR child_code = %(code)s ORDER BY id LIMIT 1000"""
)


async def fetch_history(session: Session, collection: Collection, code: str, crs: OutputCrs) -> list[str]:
    """Return the states of a feature as GeoJSON texts, oldest first.

    Each has ``valid_from``, ``valid_to`` (null for the present state), ``recorded_at``, and the operation, reason and time of the change
    set that made it besides the attributes of the collection.

    Raises
    ------
    NotFoundError
        The collection has no such code, or keeps no history.
    """
    if collection.table not in HISTORY:
        raise NotFoundError(f"collection {collection.id}: keeps no history")
    rows = await session.rows(_states(collection, crs), {"code": code, **({"kind": collection.kind} if collection.kind else {})})
    if not rows:
        raise NotFoundError(f"collection {collection.id}: no feature {code[:80]!r}")
    return [str(row[0]) for row in rows]


async def fetch_steps(session: Session, code: str) -> list[dict[str, Any]]:
    """Return the splits, mergers, demolitions and rebuildings a building took part in, oldest first."""
    names = ("parent_code", "child_code", "operation", "reason", "recorded_at", "change_set_id")
    rows = await session.rows(_LINEAGE, {"code": code})
    return [orjson.loads(orjson.dumps(dict(zip(names, row, strict=True)), default=str)) for row in rows]


def _states(collection: Collection, crs: OutputCrs) -> Prepared:
    attributes = columns(collection.attributes)
    kind = pg.SQL("AND kind = %(kind)s" if collection.kind else "")
    names = pg.SQL(", ").join(pg.Identifier(one.name) for one in collection.attributes if one.name != "valid_from")
    return prepare(
        pg.SQL(
            """SELECT '{{"type":"Feature","id":' || to_json(t.code) || ',"geometry":'
                      || coalesce(ST_AsGeoJSON({geometry}, {digits}, 0), 'null') || ',"properties":' || row_to_json(p) || '}}'
               FROM (SELECT {names}, valid_from, NULL::timestamptz AS valid_to, recorded_at, change_set_id, geom
                     FROM {table} WHERE code = %(code)s {kind}
                     UNION ALL
                     SELECT {names}, valid_from, valid_to, recorded_at, change_set_id, geom
                     FROM {history} WHERE code = %(code)s {kind}) AS t
               LEFT JOIN change_set AS c ON c.id = t.change_set_id
               CROSS JOIN LATERAL (SELECT {attributes}, t.valid_to, t.recorded_at, t.change_set_id, c.operation, c.reason) AS p
               ORDER BY t.valid_from, t.version LIMIT {most}"""
        ).format(
            geometry=placed(crs, pg.SQL("t.geom")),
            digits=pg.Literal(crs.digits),
            names=names,
            table=pg.Identifier(collection.table),
            history=pg.Identifier(f"{collection.table}_history"),
            kind=kind,
            attributes=attributes,
            most=pg.Literal(_MOST),
        )
    )
