"""Features of the public collections as GeoJSON text, made inside the store.

Identifiers come from the catalogue (`cim.db.catalog`), values of clients are bound parameters. Rows are stored longitude,
latitude; the axes are turned only where the output CRS demands it. CGCS2000 to WGS 84 is a null transformation.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from psycopg import sql as pg

from cim.crs import STORE_SRID
from cim.db.catalog import Attribute, Collection
from cim.db.published import Box
from cim.db.read_pool import ReadPool
from cim.errors import NotFoundError

WGS84_SRID = 4326
_CASTS = {
    "string": "text", "integer": "bigint", "number": "double precision", "boolean": "boolean", "date": "date", "date-time": "timestamptz",
}  # fmt: skip
_COUNTS_KEPT = 2048

SortKey = tuple[Attribute, bool]


@dataclass(frozen=True)
class OutputCrs:
    """CRS of the answer.

    Parameters
    ----------
    srid
        EPSG code; `STORE_SRID` and `WGS84_SRID` leave the stored numbers as they are.
    turn_axes
        Write the second stored axis first (authority order latitude/longitude or northing/easting).
    digits
        Decimal places of a coordinate.
    """

    srid: int = STORE_SRID
    turn_axes: bool = False
    digits: int = 9


@dataclass(frozen=True)
class FeatureQuery:
    """One page of a collection.

    Parameters
    ----------
    limit
        Features per page.
    offset
        Features to skip.
    after
        Sort values and internal id of the last feature of the page before, None for the first page.
    boxes
        Any of them must meet the geometry: west, south, east, north [deg], EPSG:4490.
    heights
        Lowest and highest elevation [m] in the city's vertical datum, for collections with a third coordinate.
    filters
        Attribute and value, all must be equal.
    valid_by
        Latest allowed ``valid_from``.
    properties
        Attributes to write, None for all.
    sort
        Attribute and whether descending; ties are broken by internal id.
    """

    collection: Collection
    limit: int
    offset: int = 0
    after: tuple[Any, ...] | None = None
    boxes: tuple[Box, ...] = ()
    heights: tuple[float, float] | None = None
    filters: tuple[tuple[Attribute, Any], ...] = ()
    valid_by: datetime | None = None
    properties: tuple[Attribute, ...] | None = None
    sort: tuple[SortKey, ...] = ()
    skip_geometry: bool = False
    crs: OutputCrs = OutputCrs()


@dataclass(frozen=True)
class Page:
    """Features of a page.

    Parameters
    ----------
    features
        GeoJSON features, comma-separated text.
    returned, matched
        Features on this page and in all pages.
    last
        Sort values and internal id of the last feature, None where no page follows.
    """

    features: str
    returned: int
    matched: int
    last: list[Any] | None


class FeatureReader:
    """Reads pages and single features; remembers counts for as long as nothing was committed.

    Parameters
    ----------
    pool
        Connections of the server.
    """

    def __init__(self, pool: ReadPool) -> None:
        self._pool = pool
        self._counts: OrderedDict[tuple[Any, ...], tuple[str, int]] = OrderedDict()

    async def page(self, query: FeatureQuery) -> Page:
        """Return a page.

        Raises
        ------
        StoreUnavailableError
            No answer in time.
        """
        statement, parameters = page_statement(query)
        found, features, last, snapshot = (await self._pool.rows(statement, parameters))[0]
        has_more = found > query.limit
        returned = min(found, query.limit)
        if not has_more and query.after is None and (returned or query.offset == 0):
            matched = query.offset + returned
        else:
            matched = await self._count(query, snapshot)
        return Page(features or "", returned, matched, last if has_more else None)

    async def item(self, collection: Collection, code: str, crs: OutputCrs) -> str:
        """Return one feature as GeoJSON text.

        Raises
        ------
        NotFoundError
            The collection has no such code.
        """
        statement, parameters = item_statement(collection, code, crs)
        rows = await self._pool.rows(statement, parameters)
        if not rows:
            raise NotFoundError(f"collection {collection.id}: no feature {code[:80]!r}")
        return str(rows[0][0])

    async def _count(self, query: FeatureQuery, snapshot: str) -> int:
        # Two equal snapshots see the same rows (no transaction ended in between), so the number is exact, not a guess.
        key = (query.collection.id, query.boxes, query.heights, query.filters, query.valid_by)
        known = self._counts.get(key)
        if known is not None and known[0] == snapshot:
            self._counts.move_to_end(key)
            return known[1]
        statement, parameters = count_statement(query)
        matched, seen_at = (await self._pool.rows(statement, parameters))[0]
        self._counts[key] = (seen_at, matched)
        while len(self._counts) > _COUNTS_KEPT:
            self._counts.popitem(last=False)
        return int(matched)


def page_statement(query: FeatureQuery) -> tuple[pg.Composed, dict[str, Any]]:
    """Return the statement of a page: number of rows (one more than asked where more follow), features, last key, snapshot."""
    parameters: dict[str, Any] = {"max_rows": query.limit + 1, "page_rows": query.limit, "skipped": query.offset}
    conditions = [*_conditions(query, parameters), *_after(query, parameters)]
    order = [
        pg.SQL("{} DESC NULLS LAST" if descending else "{} ASC NULLS LAST").format(pg.Identifier(one.name))
        for one, descending in query.sort
    ]
    keys = pg.SQL(", ").join([*(pg.SQL("t.{}").format(pg.Identifier(one.name)) for one, _ in query.sort), pg.SQL("t.id")])
    statement = pg.SQL(
        """SELECT count(*), string_agg(feature, ',') FILTER (WHERE place <= %(page_rows)s),
                  (array_agg(key) FILTER (WHERE place = %(page_rows)s))[1], pg_current_snapshot()::text
           FROM (SELECT row_number() OVER () AS place, {feature} AS feature, jsonb_build_array({keys}) AS key
                 FROM (SELECT * FROM {table} WHERE {conditions} ORDER BY {order} LIMIT %(max_rows)s OFFSET %(skipped)s) AS t
                 CROSS JOIN LATERAL (SELECT {properties}) AS p) AS made"""
    ).format(
        feature=_feature(query.crs, skip_geometry=query.skip_geometry),
        keys=keys,
        table=pg.Identifier(query.collection.table),
        conditions=_all(conditions),
        order=pg.SQL(", ").join([*order, pg.SQL("id")]),
        properties=_columns(query.properties if query.properties is not None else query.collection.attributes),
    )
    return statement, parameters


def count_statement(query: FeatureQuery) -> tuple[pg.Composed, dict[str, Any]]:
    """Return the statement that counts all features of a query, whatever the page, with the snapshot it saw."""
    parameters: dict[str, Any] = {}
    statement = pg.SQL("SELECT count(*), pg_current_snapshot()::text FROM {table} WHERE {conditions}").format(
        table=pg.Identifier(query.collection.table), conditions=_all(_conditions(replace(query, after=None), parameters))
    )
    return statement, parameters


def item_statement(collection: Collection, code: str, crs: OutputCrs) -> tuple[pg.Composed, dict[str, Any]]:
    """Return the statement of one feature by code."""
    parameters: dict[str, Any] = {"code": code}
    conditions = [*_conditions(FeatureQuery(collection, 1), parameters), pg.SQL("t.code = %(code)s")]
    statement = pg.SQL("SELECT {feature} FROM {table} AS t CROSS JOIN LATERAL (SELECT {properties}) AS p WHERE {conditions}").format(
        feature=_feature(crs, skip_geometry=False),
        table=pg.Identifier(collection.table),
        properties=_columns(collection.attributes),
        conditions=_all(conditions),
    )
    return statement, parameters


def _all(conditions: Sequence[pg.Composable]) -> pg.Composed:
    return pg.SQL(" AND ").join(conditions) if conditions else pg.Composed([pg.SQL("true")])


def _columns(attributes: Sequence[Attribute]) -> pg.Composed:
    return pg.SQL(", ").join(pg.SQL("t.{}").format(pg.Identifier(one.name)) for one in attributes)


def _feature(crs: OutputCrs, *, skip_geometry: bool) -> pg.Composed:
    geometry: pg.Composable = pg.SQL("'null'")
    if not skip_geometry:
        placed: pg.Composable = pg.SQL("t.geom")
        if crs.srid not in {STORE_SRID, WGS84_SRID}:
            # Relabelled, not transformed: CGCS2000 to WGS 84 is a null transformation, whatever PROJ would pick.
            source = pg.SQL("ST_SetSRID({}, 4326)").format(placed) if crs.srid == 3857 else placed
            placed = pg.SQL("ST_Transform({}, {})").format(source, pg.Literal(crs.srid))
        if crs.turn_axes:
            placed = pg.SQL("ST_FlipCoordinates({})").format(placed)
        # Option 0: without it PostGIS writes a `crs` member into every geometry that is not EPSG:4326.
        geometry = pg.SQL("coalesce(ST_AsGeoJSON({}, {}, 0), 'null')").format(placed, pg.Literal(crs.digits))
    return pg.SQL(
        """'{{"type":"Feature","id":' || to_json(t.code) || ',"geometry":' || {geometry} || ',"properties":' || row_to_json(p) || '}}'"""
    ).format(geometry=geometry)


def _conditions(query: FeatureQuery, parameters: dict[str, Any]) -> list[pg.Composable]:
    made: list[pg.Composable] = []
    if query.collection.kind is not None:
        parameters["kind"] = query.collection.kind
        made.append(pg.SQL("kind = %(kind)s"))
    if query.boxes:
        made.append(pg.SQL("({})").format(pg.SQL(" OR ").join(_meets(index, box, parameters) for index, box in enumerate(query.boxes))))
    if query.heights is not None and query.collection.has_z:
        parameters["lowest"], parameters["highest"] = query.heights
        made.append(pg.SQL("ST_ZMax(geom) >= %(lowest)s::float8 AND ST_ZMin(geom) <= %(highest)s::float8"))
    if query.valid_by is not None and query.collection.is_versioned:
        parameters["valid_by"] = query.valid_by
        made.append(pg.SQL("valid_from <= %(valid_by)s::timestamptz"))
    for index, (attribute, value) in enumerate(query.filters):
        parameters[f"filter{index}"] = value
        made.append(pg.SQL("{} = {}").format(pg.Identifier(attribute.name), _bound(f"filter{index}", attribute)))
    return made


def _bound(name: str, attribute: Attribute) -> pg.Composed:
    return pg.SQL("{}::{}").format(pg.Placeholder(name), pg.SQL(_CASTS[attribute.type]))


def _meets(index: int, box: Box, parameters: dict[str, Any]) -> pg.Composable:
    names = [f"{side}{index}" for side in ("west", "south", "east", "north")]
    parameters.update(zip(names, box, strict=True))
    # The constant is in the store CRS, never the column transformed: so the GiST index is used.
    corners = pg.SQL(", ").join(pg.SQL("{}::float8").format(pg.Placeholder(name)) for name in names)
    envelope = pg.SQL("ST_MakeEnvelope({}, {})").format(corners, pg.Literal(STORE_SRID))
    return pg.SQL("(geom && {0} AND ST_Intersects(geom, {0}))").format(envelope)


def _after(query: FeatureQuery, parameters: dict[str, Any]) -> list[pg.Composable]:
    """Return the condition that a row comes after the key: (a, b, id) > (a0, b0, id0) with nulls last and mixed directions."""
    if query.after is None:
        return []
    parameters["after_id"] = query.after[-1]
    alternatives: list[pg.Composable] = []
    equal: list[pg.Composable] = []
    for index, ((attribute, descending), value) in enumerate(zip(query.sort, query.after[:-1], strict=True)):
        column = pg.Identifier(attribute.name)
        if value is None:
            equal.append(pg.SQL("{} IS NULL").format(column))
            continue
        parameters[f"after{index}"] = value
        bound = _bound(f"after{index}", attribute)
        beyond = pg.SQL("({0} < {1} OR {0} IS NULL)" if descending else "({0} > {1} OR {0} IS NULL)").format(column, bound)
        alternatives.append(_all([*equal, beyond]))
        equal.append(pg.SQL("{} = {}").format(column, bound))
    alternatives.append(_all([*equal, pg.SQL("id > %(after_id)s::uuid")]))
    return [pg.SQL("({})").format(pg.SQL(" OR ").join(alternatives))]
