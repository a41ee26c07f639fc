"""Statements over the public collections: pages, counts, single features.

Identifiers come from the catalogue (`cim.db.catalog`), values of clients are bound parameters. Rows are stored longitude,
latitude; the axes are turned only where the output CRS demands it. CGCS2000 to WGS 84 is a null transformation.

Composing a statement costs more than running the small ones, so each is composed once per *shape*: the query without its values.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from psycopg import sql as pg

from cim.crs import STORE_SRID
from cim.db.catalog import Attribute, Collection
from cim.db.published import Box
from cim.db.session import Prepared, prepare
from cim.db.tables.history import HISTORY

WGS84_SRID = 4326
WEB_MERCATOR_SRID = 3857
CASTS = {
    "string": "text", "integer": "bigint", "number": "double precision", "boolean": "boolean", "date": "date", "date-time": "timestamptz",
}  # fmt: skip
_SHAPES_KEPT = 2000

SortKey = tuple[Attribute, bool]
Output = Literal["geojson", "rows", "binary"]


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
class Condition:
    """A condition on the rows of a collection, made from a filter expression.

    Parameters
    ----------
    statement
        SQL over the unqualified columns of the table.
    parameters
        Values by placeholder name.
    shape
        Equal for conditions that differ in values only.
    """

    statement: pg.Composable
    parameters: dict[str, Any] = field(hash=False)
    shape: str


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
    where
        Filter expression.
    search
        Words that must all occur in the texts of a feature.
    moment
        State of then, None for now.
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
    where: Condition | None = None
    search: tuple[str, ...] = ()
    moment: datetime | None = None
    properties: tuple[Attribute, ...] | None = None
    sort: tuple[SortKey, ...] = ()
    skip_geometry: bool = False
    crs: OutputCrs = OutputCrs()

    @property
    def is_whole(self) -> bool:
        """Whether it asks for everything that is current in the collection."""
        return not (self.boxes or self.heights or self.filters or self.where or self.search or self.moment)

    @property
    def is_steady(self) -> bool:
        """Whether one plan is good for all values: walk the key of the table from somewhere on."""
        return self.is_whole and not self.sort and not self.offset

    @property
    def written(self) -> tuple[Attribute, ...]:
        """Attributes of the answer."""
        return self.collection.attributes if self.properties is None else self.properties


class _Statements:
    """Composed statements by shape, the oldest forgotten first."""

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], Prepared] = {}

    def get(self, shape: tuple[Any, ...]) -> Prepared | None:
        return self._known.get(shape)

    def keep(self, shape: tuple[Any, ...], statement: pg.Composed, *, steady: bool = False) -> Prepared:
        if len(self._known) >= _SHAPES_KEPT:
            del self._known[next(iter(self._known))]
        made = self._known[shape] = replace(prepare(statement), steady=steady)
        return made


_STATEMENTS = _Statements()


def page_statement(query: FeatureQuery, output: Output = "geojson") -> tuple[Prepared, dict[str, Any]]:
    """Return the statement of a page, one row more than asked, and its values.

    The columns are the feature as GeoJSON text (``geojson``), or the written attributes and the geometry as ISO WKB (``rows``), or both as
    one composite value in the binary form of the store, the geometry as EWKB (``binary``); then the sort values and the internal id.
    """
    parameters = _parameters(query)
    parameters["max_rows"] = query.limit + 1
    if query.offset:
        parameters["skipped"] = query.offset
    shape = ("page", output, *_shape(query), *_output_shape(query))
    known = _STATEMENTS.get(shape)
    return known or _STATEMENTS.keep(shape, _page(query, output)), parameters


def text_statement(query: FeatureQuery, *, with_total: bool) -> tuple[Prepared, dict[str, Any]]:
    """Return the statement of a page as one GeoJSON text.

    The columns are the features, comma-separated, as UTF-8 bytes; the number of rows, one more than asked where more follow; the sort
    values and internal id of the last feature where more follow; the maintained total of the collection ``with_total``.
    """
    parameters = _parameters(query) | {"max_rows": query.limit + 1, "page_rows": query.limit, "collection": query.collection.id}
    if query.offset:
        parameters["skipped"] = query.offset
    # A plan that is kept must know how many rows are wanted: the planner takes an unknown limit for a tenth of the table.
    shape = ("text", with_total, query.limit if query.is_steady else None, *_shape(query), *_output_shape(query))
    known = _STATEMENTS.get(shape)
    return known or _STATEMENTS.keep(shape, _text(query, with_total=with_total), steady=query.is_steady), parameters


def _text(query: FeatureQuery, *, with_total: bool) -> pg.Composed:
    total = ", (SELECT sum(n)::bigint FROM feature_count WHERE collection = %(collection)s)" if with_total else ", NULL::bigint"
    page_rows = pg.Literal(query.limit) if query.is_steady else pg.SQL("%(page_rows)s::bigint")
    lateral = pg.SQL("CROSS JOIN LATERAL (SELECT {}) AS p").format(columns(query.written)) if query.written else pg.SQL("")
    return pg.SQL(
        """WITH page AS MATERIALIZED (SELECT * FROM {source} WHERE {conditions} ORDER BY {order} LIMIT {max_rows} {offset})
           SELECT made.features, made.n, last.* {total}
           FROM (SELECT convert_to(string_agg({feature}, ','), 'UTF8') AS features, (SELECT count(*) FROM page) AS n
                 FROM (SELECT * FROM page LIMIT {page_rows}) AS t {lateral}) AS made
           LEFT JOIN LATERAL (SELECT {keys} FROM page AS t OFFSET {page_rows} - 1 LIMIT 1) AS last ON made.n > {page_rows}"""
    ).format(
        feature=_written(query, "geojson"),
        lateral=lateral,
        max_rows=pg.Literal(query.limit + 1) if query.is_steady else pg.SQL("%(max_rows)s::bigint"),
        page_rows=page_rows,
        source=source(query),
        conditions=all_of([*_conditions(query), *_after(query)]),
        order=_order(query),
        offset=pg.SQL("OFFSET %(skipped)s::bigint" if query.offset else ""),
        total=pg.SQL(total),
        keys=_keys(query),
    )


def all_statement(query: FeatureQuery, output: Output) -> tuple[Prepared, dict[str, Any]]:
    """Return the statement of everything a query matches, without paging; columns as `page_statement`."""
    whole = replace(query, after=None, offset=0)
    shape = ("all", output, *_shape(whole), *_output_shape(whole))
    known = _STATEMENTS.get(shape)
    return known or _STATEMENTS.keep(shape, _page(whole, output, paged=False)), _parameters(whole)


def copy_statement(query: FeatureQuery) -> str | None:
    """Return the statement of everything a query matches as GeoJSON texts with a comma before each, None where it needs values."""
    if not query.is_whole or query.sort:
        return None
    shape = ("copy", *_shape(query), *_output_shape(query))
    known = _STATEMENTS.get(shape)
    if known is None:
        lateral = pg.SQL("CROSS JOIN LATERAL (SELECT {}) AS p").format(columns(query.written)) if query.written else pg.SQL("")
        statement = pg.SQL("SELECT ',' || {} FROM (SELECT * FROM {} WHERE {} ORDER BY id) AS t {}").format(
            _written(query, "geojson"), source(query), all_of(_conditions(query)), lateral
        )
        known = _STATEMENTS.keep(shape, statement)
    return known.text


def count_statement(query: FeatureQuery, most: int | None) -> tuple[Prepared, dict[str, Any]]:
    """Return the statement that counts all features of a query, whatever the page, up to a number."""
    whole = replace(query, after=None)
    parameters = _parameters(whole)
    if most is not None:
        parameters["most"] = most
    shape = ("count", most is None, *_shape(whole))
    known = _STATEMENTS.get(shape)
    if known is None:
        statement = pg.SQL("SELECT count(*) FROM {} WHERE {}" if most is None else "SELECT count(*) FROM (SELECT FROM {} WHERE {}{}) AS n")
        parts = [source(whole), all_of(_conditions(whole)), *([] if most is None else [pg.SQL(" LIMIT %(most)s::bigint")])]
        known = _STATEMENTS.keep(shape, statement.format(*parts))
    return known, parameters


def estimate_statement(query: FeatureQuery) -> tuple[Prepared, dict[str, Any]]:
    """Return the statement whose plan tells how many features the planner expects."""
    whole = replace(query, after=None)
    shape = ("estimate", *_shape(whole))
    known = _STATEMENTS.get(shape)
    if known is None:
        statement = pg.SQL("EXPLAIN (FORMAT JSON) SELECT FROM {} WHERE {}").format(source(whole), all_of(_conditions(whole)))
        known = _STATEMENTS.keep(shape, statement)
    return known, _parameters(whole)


def item_statement(
    collection: Collection, code: str, crs: OutputCrs, moment: datetime | None = None, output: Output = "geojson"
) -> tuple[Prepared, dict[str, Any]]:
    """Return the statement of one feature by code: feature (or its values and WKB), version or None."""
    query = FeatureQuery(collection, 1, crs=crs, moment=moment)
    parameters = {**_parameters(query), "code": code}
    shape = ("item", output, *_shape(query), *_output_shape(query))
    known = _STATEMENTS.get(shape)
    if known is None:
        version = pg.SQL("t.version") if collection.attribute("version") else pg.SQL("NULL::int")
        statement = pg.SQL("SELECT {}, {} FROM {} AS t CROSS JOIN LATERAL (SELECT {}) AS p WHERE {}").format(
            _written(query, output),
            version,
            source(query),
            columns(collection.attributes),
            all_of([*_conditions(query), pg.SQL("t.code = %(code)s")]),
        )
        known = _STATEMENTS.keep(shape, statement, steady=moment is None)
    return known, parameters


def _page(query: FeatureQuery, output: Output, *, paged: bool = True) -> pg.Composed:
    limit = pg.SQL("LIMIT %(max_rows)s::bigint" + (" OFFSET %(skipped)s::bigint" if query.offset else "") if paged else "")
    lateral: pg.Composable = pg.SQL("")
    if output == "binary":
        geometry = pg.SQL("NULL::geometry") if query.skip_geometry else placed(query.crs, pg.SQL("t.geom"))
        lateral = pg.SQL("CROSS JOIN LATERAL (SELECT {}) AS p").format(pg.SQL(", ").join([*_plain(query), geometry]))
    elif query.written:
        lateral = pg.SQL("CROSS JOIN LATERAL (SELECT {}) AS p").format(columns(query.written))
    return pg.SQL("SELECT {}, {} FROM (SELECT * FROM {} WHERE {} ORDER BY {} {}) AS t {}").format(
        _written(query, output),
        _keys(query),
        source(query),
        all_of([*_conditions(query), *_after(query)]),
        _order(query),
        limit,
        lateral,
    )


def _order(query: FeatureQuery) -> pg.Composed:
    order = [
        pg.SQL("{} DESC NULLS LAST" if descending else "{} ASC NULLS LAST").format(pg.Identifier(one.name))
        for one, descending in query.sort
    ]
    return pg.SQL(", ").join([*order, pg.SQL("id")])


def _keys(query: FeatureQuery) -> pg.Composed:
    return pg.SQL(", ").join([*(pg.SQL("t.{}").format(pg.Identifier(one.name)) for one, _ in query.sort), pg.SQL("t.id")])


def _plain(query: FeatureQuery) -> list[pg.Composed]:
    """Return the written attributes as columns, objects as text."""
    return [pg.SQL("t.{0}::text AS {0}" if one.type == "object" else "t.{0}").format(pg.Identifier(one.name)) for one in query.written]


def _shape(query: FeatureQuery) -> tuple[Any, ...]:
    after = None if query.after is None else tuple(value is None for value in query.after)
    return (
        query.collection.id,
        len(query.boxes),
        query.heights is not None,
        tuple(one.name for one, _ in query.filters),
        query.where.shape if query.where else None,
        len(query.search),
        query.moment is not None,
        after,
        query.offset > 0,
        tuple((one.name, descending) for one, descending in query.sort),
    )


def _output_shape(query: FeatureQuery) -> tuple[Any, ...]:
    chosen = None if query.properties is None else tuple(one.name for one in query.properties)
    return chosen, query.skip_geometry, query.crs.srid, query.crs.turn_axes, query.crs.digits


def _parameters(query: FeatureQuery) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if query.moment is not None and query.collection.is_versioned:
        made["moment"] = query.moment
    for index, box in enumerate(query.boxes):
        made.update(zip((f"west{index}", f"south{index}", f"east{index}", f"north{index}"), box, strict=True))
    if query.heights is not None and query.collection.has_z:
        made["lowest"], made["highest"] = query.heights
    for index, (_, value) in enumerate(query.filters):
        made[f"filter{index}"] = value
    if query.where is not None:
        made.update(query.where.parameters)
    for index, word in enumerate(query.search):
        made[f"word{index}"] = "%" + word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    if query.after is not None:
        made["after_id"] = query.after[-1]
        made.update({f"after{index}": value for index, value in enumerate(query.after[:-1]) if value is not None})
    return made


def source(query: FeatureQuery) -> pg.Composable:
    """Return what rows are read from: the table, or its state at a past moment."""
    if query.moment is None or query.collection.table not in HISTORY:
        return pg.Identifier(query.collection.table)
    return pg.SQL("{}(%(moment)s::timestamptz)").format(pg.Identifier(f"{query.collection.table}_as_of"))


def all_of(conditions: Sequence[pg.Composable]) -> pg.Composed:
    """Join conditions with AND."""
    return pg.SQL(" AND ").join(conditions) if conditions else pg.Composed([pg.SQL("true")])


def columns(attributes: Sequence[Attribute]) -> pg.Composed:
    """Return attributes as columns of the row ``t``."""
    return pg.SQL(", ").join(pg.SQL("t.{}").format(pg.Identifier(one.name)) for one in attributes)


def placed(crs: OutputCrs, geometry: pg.Composable) -> pg.Composable:
    """Return a stored geometry in the output CRS and its axis order."""
    if crs.srid not in {STORE_SRID, WGS84_SRID}:
        # Relabelled, not transformed: CGCS2000 to WGS 84 is a null transformation, whatever PROJ would pick.
        relabelled = pg.SQL("ST_SetSRID({}, 4326)").format(geometry) if crs.srid == WEB_MERCATOR_SRID else geometry
        geometry = pg.SQL("ST_Transform({}, {})").format(relabelled, pg.Literal(crs.srid))
    return pg.SQL("ST_FlipCoordinates({})").format(geometry) if crs.turn_axes else geometry


def _written(query: FeatureQuery, output: Output) -> pg.Composed:
    geometry = placed(query.crs, pg.SQL("t.geom"))
    if output == "binary":
        return pg.Composed([pg.SQL("record_send(p)")])
    if output == "rows":
        wkb = pg.SQL("NULL::bytea") if query.skip_geometry else pg.SQL("ST_AsBinary({}, 'NDR')").format(geometry)
        return pg.SQL(", ").join([*_plain(query), wkb])
    # Option 0: without it PostGIS writes a `crs` member into every geometry that is not EPSG:4326.
    text = pg.SQL("coalesce(ST_AsGeoJSON({}, {}, 0), 'null')").format(geometry, pg.Literal(query.crs.digits))
    return pg.SQL("""'{{"type":"Feature","id":' || to_json(t.code) || ',"geometry":' || {} || ',"properties":' || {} || '}}'""").format(
        pg.SQL("'null'") if query.skip_geometry else text, pg.SQL("row_to_json(p)" if query.written else "'{}'")
    )


def _conditions(query: FeatureQuery) -> list[pg.Composable]:
    made: list[pg.Composable] = []
    if query.collection.kind is not None:
        # Written out, so that the partition is known when the statement is planned; it comes from the catalogue.
        made.append(pg.SQL("kind = {}").format(pg.Literal(query.collection.kind)))
    if query.boxes:
        made.append(pg.SQL("({})").format(pg.SQL(" OR ").join(_meets(index) for index in range(len(query.boxes)))))
    if query.heights is not None and query.collection.has_z:
        made.append(pg.SQL("ST_ZMax(geom) >= %(lowest)s::float8 AND ST_ZMin(geom) <= %(highest)s::float8"))
    for index, (attribute, _) in enumerate(query.filters):
        made.append(pg.SQL("{} = {}").format(pg.Identifier(attribute.name), bound(f"filter{index}", attribute.type)))
    if query.where is not None:
        made.append(query.where.statement)
    for index in range(len(query.search)):
        word = pg.Placeholder(f"word{index}")
        texts = pg.SQL(" OR ").join(pg.SQL("{} ILIKE {}::text").format(pg.Identifier(n), word) for n in query.collection.searched)
        made.append(pg.SQL("({})").format(texts))
    return made


def conditions_of(query: FeatureQuery) -> list[pg.Composable]:
    """Return the conditions on the rows of a query, without its page."""
    return _conditions(replace(query, after=None))


def parameters_of(query: FeatureQuery) -> dict[str, Any]:
    """Return the values that `conditions_of` and `source` name."""
    return _parameters(replace(query, after=None))


def bound(name: str, kind: str) -> pg.Composed:
    """Return a placeholder cast to the type of an attribute."""
    return pg.SQL("{}::{}").format(pg.Placeholder(name), pg.SQL(CASTS[kind]))


def _meets(index: int) -> pg.Composable:
    # The constant is in the store CRS, never the column transformed: so the GiST index is used.
    names = [f"{side}{index}" for side in ("west", "south", "east", "north")]
    corners = pg.SQL(", ").join(pg.SQL("{}::float8").format(pg.Placeholder(name)) for name in names)
    envelope = pg.SQL("ST_MakeEnvelope({}, {})").format(corners, pg.Literal(STORE_SRID))
    return pg.SQL("(geom && {0} AND ST_Intersects(geom, {0}))").format(envelope)


def _after(query: FeatureQuery) -> list[pg.Composable]:
    """Return the condition that a row comes after the key: (a, b, id) > (a0, b0, id0) with nulls last and mixed directions."""
    if query.after is None:
        return []
    alternatives: list[pg.Composable] = []
    equal: list[pg.Composable] = []
    for index, ((attribute, descending), value) in enumerate(zip(query.sort, query.after[:-1], strict=True)):
        column = pg.Identifier(attribute.name)
        if value is None:
            equal.append(pg.SQL("{} IS NULL").format(column))
            continue
        value_bound = bound(f"after{index}", attribute.type)
        beyond = pg.SQL("({0} < {1} OR {0} IS NULL)" if descending else "({0} > {1} OR {0} IS NULL)").format(column, value_bound)
        alternatives.append(all_of([*equal, beyond]))
        equal.append(pg.SQL("{} = {}").format(column, value_bound))
    alternatives.append(all_of([*equal, pg.SQL("id > %(after_id)s::uuid")]))
    return [pg.SQL("({})").format(pg.SQL(" OR ").join(alternatives))]
