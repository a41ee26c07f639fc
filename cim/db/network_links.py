"""Service links: which point or line of a network serves which building or address."""

from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

from psycopg import sql

from cim.db.engine import Connection
from cim.errors import ConflictError, InvalidParameterError, NotFoundError
from cim.model.network import CUSTOMERS

NEAREST_WITHIN_M = 30.0
_NAMED = {
    "buildings": ("building", ("building_code", "BUILDING_CODE", "BLDG_CODE", "建筑编码")),
    "addresses": ("address", ("address_code", "ADDRESS_CODE", "ADDR_CODE", "地址编码")),
}
_PARTS = {"node": "network_node", "edge": "network_edge"}


@dataclass(frozen=True)
class Linked:
    """What linking did.

    Parameters
    ----------
    named
        Links the source names by code.
    nearest
        Connections linked to the nearest building.
    unknown
        Codes the source names that are in no register.
    unserved
        Connections that no building is near enough to.
    removed
        Earlier links that were replaced.
    """

    named: int
    nearest: int
    unknown: list[str]
    unserved: int
    removed: int


def link(
    connection: Connection, kind: str, change_set: UUID, *, within_m: float = NEAREST_WITHIN_M, dataset: str | None = None,
    only_changed: bool = False,
) -> Linked:  # fmt: skip
    """Link parts to what they serve: by the code the source names, else connections to the nearest building. Links made by hand stay.

    Parameters
    ----------
    connection
        Inside a transaction.
    kind
        Kind of network.
    change_set
        Written into every link.
    within_m
        Greatest distance from a connection to a footprint [m].
    dataset
        Parts of this dataset only, None = all.
    only_changed
        Parts of this change set only.

    Notes
    -----
    Attributes ``building_code`` and ``address_code`` name what is served, ``customers`` how many there are. Footprints are compared on the
    ellipsoid; of two at the same distance the lower code is taken.
    """
    told = {"kind": kind, "dataset": dataset, "changed": change_set if only_changed else None, "change": change_set, "within": within_m,
            "customers": sorted(CUSTOMERS)}  # fmt: skip
    removed, named, unknown = 0, 0, set[str]()
    for part, table in _PARTS.items():
        names = {"table": sql.Identifier(table), "part": sql.Literal(part), "of": _CHOSEN}
        removed += connection.execute(sql.SQL(_REMOVE).format(**names), told).rowcount
    for collection, (register, keys) in _NAMED.items():
        for part, table in _PARTS.items():
            code = sql.SQL(", ").join(sql.SQL("p.attributes ->> {}").format(sql.Literal(key)) for key in keys)
            given = sql.SQL(_GIVEN).format(
                code=code, customers=_CUSTOMERS, table=sql.Identifier(table), of=_CHOSEN, keys=sql.Literal(list(keys))
            )
            names = {"given": given, "register": sql.Identifier(register), "part": sql.Literal(part), "collection": sql.Literal(collection)}
            named += connection.execute(sql.SQL(_INSERT_NAMED).format(**names), told).rowcount
            unknown |= {str(row[0]) for row in connection.execute(sql.SQL(_UNKNOWN).format(**names), told).fetchall()}
    nearest = connection.execute(sql.SQL(_NEAREST).format(of=_CHOSEN, customers=_CUSTOMERS), told).rowcount
    row = connection.execute(sql.SQL(_UNSERVED).format(of=_CHOSEN), told).fetchone()
    return Linked(named, nearest, sorted(unknown), int(row[0]) if row else 0, removed)


_CHOSEN = sql.SQL(
    "p.kind = %(kind)s AND p.status <> 'abandoned' AND (%(dataset)s::text IS NULL OR p.source_dataset = %(dataset)s) "
    "AND (%(changed)s::uuid IS NULL OR p.change_set_id = %(changed)s)"
)
_CUSTOMERS = sql.SQL(
    "CASE WHEN p.attributes ->> 'customers' ~ '^[0-9]{1,8}$' THEN greatest((p.attributes ->> 'customers')::int, 1) ELSE 1 END"
)
_REMOVE: LiteralString = """DELETE FROM network_link l USING {table} p
    WHERE l.kind = %(kind)s AND l.part = {part} AND l.method <> 'edit' AND l.part_code = p.code AND {of}"""
_GIVEN: LiteralString = """SELECT p.code AS part_code, coalesce({code}) AS target, {customers} AS n FROM {table} p
    WHERE {of} AND p.attributes ?| {keys}"""
_INSERT_NAMED: LiteralString = """INSERT INTO network_link
    (kind, part, part_code, collection, target_code, method, n_customers, change_set_id)
    SELECT %(kind)s, {part}, g.part_code, {collection}, g.target, 'source', g.n, %(change)s
    FROM ({given}) g JOIN {register} r ON r.code = g.target
    ON CONFLICT (kind, part_code, collection, target_code) DO NOTHING"""
_UNKNOWN: LiteralString = """SELECT DISTINCT g.target FROM ({given}) g
    WHERE NOT EXISTS (SELECT 1 FROM {register} r WHERE r.code = g.target)"""
_UNSERVED: LiteralString = """SELECT count(*) FROM network_node p
    WHERE {of} AND (p.appendage = ANY(%(customers)s) OR p.feature = ANY(%(customers)s))
      AND NOT EXISTS (SELECT 1 FROM network_link l WHERE l.kind = p.kind AND l.part_code = p.code)"""
# A degree of latitude is 110,567 m or more (GRS 80); one of longitude shrinks with the cosine.
_NEAREST: LiteralString = """INSERT INTO network_link
    (kind, part, part_code, collection, target_code, method, distance_m, n_customers, change_set_id)
    SELECT %(kind)s, 'node', p.code, 'buildings', b.code, 'nearest', round(b.away::numeric, 2), {customers}, %(change)s
    FROM network_node p JOIN LATERAL (
        SELECT f.code, ST_Distance(f.geom::geography, ST_Force2D(p.geom)::geography) AS away FROM building f
        WHERE f.geom && ST_Expand(
                ST_Force2D(p.geom), %(within)s / (110000 * cos(radians(least(abs(ST_Y(p.geom)), 89)))), %(within)s / 110000)
          AND f.status NOT IN ('demolished', 'retired')
        ORDER BY away, f.code LIMIT 1) b ON b.away <= %(within)s
    WHERE {of} AND (p.appendage = ANY(%(customers)s) OR p.feature = ANY(%(customers)s))
      AND NOT EXISTS (SELECT 1 FROM network_link l WHERE l.kind = p.kind AND l.part_code = p.code)"""


def set_link(connection: Connection, kind: str, part_code: str, target_code: str, change_set: UUID, *, remove: bool = False) -> None:
    """Make or remove one link by hand.

    Raises
    ------
    NotFoundError
        No such part, building or address, or no such link.
    ConflictError
        The link is there already.
    """
    row = connection.execute(
        """SELECT 'node' FROM network_node WHERE kind = %(k)s AND code = %(c)s
           UNION ALL SELECT 'edge' FROM network_edge WHERE kind = %(k)s AND code = %(c)s""",
        {"k": kind, "c": part_code},
    ).fetchone()
    if row is None:
        raise NotFoundError(f"{part_code}: no part of the {kind} network", hint=f"look it up in {kind}-points or {kind}-lines")
    if remove:
        gone = connection.execute(
            "DELETE FROM network_link WHERE kind = %s AND part_code = %s AND target_code = %s", [kind, part_code, target_code]
        ).rowcount
        if not gone:
            raise NotFoundError(f"{part_code} does not serve {target_code}", hint=f"cim network link --kind {kind} --json")
        return
    target = connection.execute(
        """SELECT 'buildings' FROM building WHERE code = %(t)s AND status NOT IN ('demolished', 'retired')
           UNION ALL SELECT 'addresses' FROM address WHERE code = %(t)s AND status NOT IN ('demolished', 'retired')""",
        {"t": target_code},
    ).fetchone()
    if target is None:
        raise NotFoundError(f"{target_code}: no building or address in the register", hint="take a code of buildings or addresses")
    made = connection.execute(
        """INSERT INTO network_link (kind, part, part_code, collection, target_code, method, change_set_id)
           VALUES (%s, %s, %s, %s, %s, 'edit', %s) ON CONFLICT (kind, part_code, collection, target_code) DO NOTHING""",
        [kind, row[0], part_code, target[0], target_code, change_set],
    ).rowcount
    if not made:
        raise ConflictError(f"{part_code} serves {target_code} already")


def fetch_links(connection: Connection, kind: str, codes: list[str], *, limit: int = 10_000) -> list[dict[str, Any]]:
    """Return the links of some parts or served codes; all of the kind where none are given."""
    if limit < 1:
        raise InvalidParameterError("limit", str(limit), "1 or more")
    rows = connection.execute(
        """SELECT part, part_code, collection, target_code, method, distance_m, n_customers FROM network_link
           WHERE kind = %s AND (%s::text[] = '{}' OR part_code = ANY(%s) OR target_code = ANY(%s))
           ORDER BY part_code, target_code LIMIT %s""",
        [kind, codes, codes, codes, limit],
    ).fetchall()
    names = ("part", "part_code", "collection", "target_code", "method", "distance_m", "n_customers")
    return [dict(zip(names, row, strict=True)) for row in rows]
