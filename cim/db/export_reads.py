"""Reads of whole collections for files: any division, any moment, in batches of a server-side cursor."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from psycopg import IsolationLevel
from psycopg import sql as pg
from sqlalchemy import Boolean, CheckConstraint, Column, Date, DateTime, Float, Integer, SmallInteger, Table
from sqlalchemy.dialects.postgresql import JSONB

from cim.crs import STORE_SRID, epsg_of, parse_crs
from cim.db import labels
from cim.db.engine import Connection
from cim.db.tables import citymodel, network, planning, register
from cim.errors import InvalidParameterError, NotFoundError
from cim.exchange.model import ColumnType, ExportCollection, ExportColumn
from cim.profile import Names

DIVISION_LENGTHS = {2: "province", 4: "city", 6: "county", 9: "town", 12: "village"}
_WGS84_SRID = 4326
_COUNTY_DIGITS = 6
_BUILDING_COLUMNS = (
    "code", "name", "address", "division_code", "height_m", "ground_elevation_m", "storeys_above", "storeys_below", "use", "structure",
    "year_built", "footprint_area_m2", "floor_area_m2", "safety_grade", "status", "source_dataset", "version", "valid_from",
)  # fmt: skip
_ONE_OF = re.compile(r"^(\w+) IN \((.*)\)$")
_BY_COUNTY = ("city_object", "planning_control")
"""Tables whose rows belong to a county and to what lies below it by place."""
_HIDDEN = {"id", "geom", "kind", "county_code", "code_scheme", "recorded_at", "change_set_id", "source_key", "content_hash"} | {
    "attribute_sources", "norm_text", "components", "match_score", "match_evidence",
}  # fmt: skip
"""Book-keeping of the store: not part of what the register says about a thing."""


@dataclass(frozen=True)
class ExportQuery:
    """What to read.

    Parameters
    ----------
    srid
        EPSG code of the geometry returned; x/y order (lon/lat, easting/northing) whatever the CRS.
    division
        Code of 2, 4, 6, 9 or 12 digits, None for all.
    moment
        Rows as they stood then, None for now.
    statuses
        Wanted values of ``status``, empty for all.
    """

    collection: ExportCollection
    srid: int = STORE_SRID
    division: str | None = None
    moment: datetime | None = None
    statuses: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExportSummary:
    """What a query will return.

    Parameters
    ----------
    n_rows, n_placed
        Rows, and rows with a geometry.
    bbox
        West, south, east, north [deg], EPSG:4490; None where no row has a geometry.
    """

    n_rows: int
    n_placed: int
    bbox: tuple[float, float, float, float] | None


_FAMILIES = """t.county_code = %(county)s AND t.code IN (
    WITH RECURSIVE up AS (
        SELECT o.code, o.parent_code FROM {source} AS o JOIN division AS d ON d.code = %(division)s
        WHERE o.county_code = %(county)s AND ST_Intersects(o.geom, d.geom)
        UNION SELECT o.code, o.parent_code FROM {source} AS o JOIN up ON o.code = up.parent_code),
    down AS (SELECT code FROM up UNION SELECT o.code FROM {source} AS o JOIN down ON o.parent_code = down.code)
    SELECT code FROM down)"""
"""City objects that touch the division, with what they are parts of and all parts of that: a model is cut out whole."""


@cache
def export_collections() -> dict[str, ExportCollection]:
    """Return all collections that can be exported, by id."""
    made = [
        _core("divisions", register.division),
        _core("buildings", register.building, _BUILDING_COLUMNS),
        _core("units", register.unit),
        _core("addresses", register.address),
        _core("city-objects", citymodel.city_object),
        _core("planning-controls", planning.planning_control),
    ]
    for kind in network.KINDS:
        made.append(_network(kind, network.network_edge, "lines", "lines", "管段"))
        made.append(_network(kind, network.network_node, "points", "points", "管点"))
    return {one.id: one for one in made}


def require_division(connection: Connection, code: str) -> None:
    """Check that a division is known, or at least a part of it is.

    Raises
    ------
    InvalidParameterError
        Not a division code.
    NotFoundError
        The store has no such division.
    """
    if not (code.isascii() and code.isdigit() and len(code) in DIVISION_LENGTHS):
        lengths = ", ".join(f"{digits} ({level})" for digits, level in DIVISION_LENGTHS.items())
        raise InvalidParameterError("--division", code[:40], f"digits, as many as the level has: {lengths}")
    row = connection.execute("SELECT EXISTS (SELECT FROM division WHERE starts_with(code, %s))", [code]).fetchone()
    if row is None or not row[0]:
        raise NotFoundError(f"division {code}: not in the store", hint="cim ingest divisions FILE, or correct --division")


def require_boundary(connection: Connection, query: ExportQuery) -> None:
    """Check that a filter which needs the boundary of the division has one: of what belongs to a county, parts below it.

    Raises
    ------
    NotFoundError
        The division has no boundary.
    """
    is_by_place = query.collection.kind is not None or query.collection.table in _BY_COUNTY
    if not is_by_place or query.division is None or len(query.division) <= _COUNTY_DIGITS:
        return
    row = connection.execute("SELECT geom IS NOT NULL FROM division WHERE code = %s", [query.division]).fetchone()
    if row is None or not row[0]:
        raise NotFoundError(
            f"division {query.division}: no boundary in the store; {query.collection.id} below the county are cut out by the boundary",
            hint=f"--division {query.division[:_COUNTY_DIGITS]}, or cim ingest divisions with boundaries",
        )


def is_known_srid(connection: Connection, srid: int) -> bool:
    """Return whether the store can transform to a CRS."""
    return connection.execute("SELECT FROM spatial_ref_sys WHERE srid = %s", [srid]).fetchone() is not None


def fetch_first_record(connection: Connection, collection: ExportCollection) -> datetime | None:
    """Return when the oldest state of a collection begins, None where it has none."""
    statement = pg.SQL(
        """SELECT min(valid_from) FROM (SELECT valid_from FROM {table} WHERE {kind}
                                        UNION ALL SELECT valid_from FROM {history} WHERE {kind}) AS states"""
    ).format(
        table=pg.Identifier(collection.table),
        history=pg.Identifier(f"{collection.table}_history"),
        kind=pg.SQL("kind = %(kind)s") if collection.kind else pg.SQL("true"),
    )
    row = connection.execute(statement, {"kind": collection.kind}).fetchone()
    return None if row is None else row[0]


def begin_snapshot(connection: Connection) -> None:
    """Make all reads of the coming transaction see one state of the store, and no write possible."""
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    connection.read_only = True


def fetch_summary(connection: Connection, query: ExportQuery) -> ExportSummary:
    """Return what a query will return."""
    parameters: dict[str, Any] = {}
    statement = pg.SQL(
        """SELECT n, placed, ST_XMin(e), ST_YMin(e), ST_XMax(e), ST_YMax(e)
           FROM (SELECT count(*) AS n, count(t.geom) AS placed, ST_Extent(t.geom) AS e FROM {source} AS t WHERE {conditions}) AS s"""
    ).format(source=_source(query.collection.table, query, parameters), conditions=_conditions(query, parameters))
    row = connection.execute(statement, parameters).fetchone()
    if row is None:
        return ExportSummary(0, 0, None)
    return ExportSummary(row[0], row[1], None if row[2] is None else (row[2], row[3], row[4], row[5]))


def read_batches(connection: Connection, query: ExportQuery, *, size: int) -> Iterator[list[tuple[Any, ...]]]:
    """Read the rows of a query by code, a batch at a time.

    Parameters
    ----------
    connection
        Inside a transaction, which has to last until the last batch is taken.
    size
        Rows per batch.

    Yields
    ------
    list of tuple
        Values of the collection's columns, JSON as text, then the geometry as little-endian ISO WKB or None.
    """
    parameters: dict[str, Any] = {}
    statement = pg.SQL("SELECT {columns}, ST_AsBinary({geometry}, 'NDR') FROM {source} AS t WHERE {conditions} ORDER BY t.code").format(
        columns=pg.SQL(", ").join(_column(one) for one in query.collection.columns),
        geometry=_placed(query.srid),
        source=_source(query.collection.table, query, parameters),
        conditions=_conditions(query, parameters),
    )
    with connection.cursor(name="cim_export") as cursor:
        cursor.execute(statement, parameters, binary=True)
        while rows := cursor.fetchmany(size):
            yield rows


def _core(collection_id: str, table: Table, names: tuple[str, ...] | None = None) -> ExportCollection:
    title_en, title_zh, text_en, text_zh = labels.COLLECTIONS[collection_id]
    return _collection(collection_id, table, None, Names(en=title_en, zh=title_zh), Names(en=text_en, zh=text_zh), names)


def _network(kind: str, table: Table, suffix: str, part_en: str, part_zh: str) -> ExportCollection:
    english, chinese = labels.KINDS[kind]
    title = Names(en=f"{english} network: {part_en}", zh=f"{chinese}管线:{part_zh}")
    text = Names(
        en=f"{part_en.capitalize()} of the {english.lower()} network; z is the elevation [m] in the city's vertical datum.",
        zh=f"{chinese}网络的{part_zh};z 为城市高程基准下的高程(米)。",
    )
    return _collection(f"{kind}-{suffix}", table, kind, title, text, None)


def _collection(
    collection_id: str, table: Table, kind: str | None, title: Names, description: Names, names: tuple[str, ...] | None
) -> ExportCollection:
    allowed = _allowed(table)
    wanted = names or tuple(str(column.name) for column in table.columns if column.name not in _HIDDEN)
    columns = tuple(
        ExportColumn(
            name=name,
            type=_type(table.columns[name]),
            note=table.columns[name].comment or "",
            title=labels.field_title(name, table.name),
            values=tuple((value, labels.value_title(name, value)) for value in allowed.get(name, tuple(labels.VALUES.get(name, ())))),
        )
        for name in wanted
    )
    geometry: Any = table.columns["geom"].type
    shape = str(geometry.geometry_type).removesuffix("Z")
    return ExportCollection(collection_id, table.name, kind, shape, geometry.dimension == 3, columns, title, description)


def _allowed(table: Table) -> dict[str, tuple[str, ...]]:
    checks = (_ONE_OF.match(str(one.sqltext)) for one in table.constraints if isinstance(one, CheckConstraint))
    return {match[1]: tuple(part.strip().strip("'") for part in match[2].split(",")) for match in checks if match}


def _type(column: Column[Any]) -> ColumnType:
    kinds: tuple[tuple[type, ColumnType], ...] = (
        (Boolean, "boolean"), (SmallInteger, "int16"), (Integer, "int32"), (Float, "float64"), (Date, "date"), (DateTime, "timestamp"),
        (JSONB, "json"),
    )  # fmt: skip
    return next((name for kind, name in kinds if isinstance(column.type, kind)), "string")


def _column(column: ExportColumn) -> pg.Composed:
    return pg.SQL("t.{}::text" if column.type == "json" else "t.{}").format(pg.Identifier(column.name))


def _placed(srid: int) -> pg.Composable:
    if srid in {STORE_SRID, _WGS84_SRID}:
        return pg.SQL("t.geom")
    geodetic = parse_crs(f"EPSG:{srid}").geodetic_crs
    # Relabelled, not transformed: CGCS2000 to WGS 84 is a null transformation, whatever PROJ would pick.
    on_wgs84 = geodetic is not None and epsg_of(geodetic) == _WGS84_SRID
    return pg.SQL("ST_Transform({}, {})").format(pg.SQL("ST_SetSRID(t.geom, 4326)" if on_wgs84 else "t.geom"), pg.Literal(srid))


def _source(table: str, query: ExportQuery, parameters: dict[str, Any]) -> pg.Composed:
    if query.moment is None:
        return pg.SQL("{}").format(pg.Identifier(table))
    parameters["moment"] = query.moment
    return pg.SQL("{}(%(moment)s::timestamptz)").format(pg.Identifier(f"{table}_as_of"))


def _conditions(query: ExportQuery, parameters: dict[str, Any]) -> pg.Composed:
    made: list[pg.Composable] = [pg.SQL("true")]
    if query.collection.kind is not None:
        parameters["kind"] = query.collection.kind
        made.append(pg.SQL("t.kind = %(kind)s"))
    if query.statuses:
        parameters["statuses"] = list(query.statuses)
        made.append(pg.SQL("t.status = ANY(%(statuses)s)"))
    if query.division is not None:
        made.append(_within(query, query.division, parameters))
    return pg.SQL(" AND ").join(made)


def _within(query: ExportQuery, division: str, parameters: dict[str, Any]) -> pg.Composable:
    parameters["division"] = division
    # The range lets an index be used whatever the collation of the store; starts_with makes it exact.
    begins = "({0} >= %(division)s AND {0} < %(beyond)s AND starts_with({0}, %(division)s))"
    parameters["beyond"] = str(int(division) + 1).zfill(len(division))
    if len(parameters["beyond"]) > len(division):
        begins = "starts_with({0}, %(division)s)"
    table = query.collection.table
    if table == "division":
        return pg.SQL(begins).format(pg.SQL("t.code"))
    if table == "unit":
        return pg.SQL("t.building_code IN (SELECT b.code FROM {} AS b WHERE {})").format(
            _source("building", query, parameters),
            pg.SQL(begins).format(pg.SQL("b.division_code")),
        )
    if query.collection.kind is None and table not in _BY_COUNTY:
        return pg.SQL(begins).format(pg.SQL("t.division_code"))
    if len(division) <= _COUNTY_DIGITS:
        return pg.SQL(begins).format(pg.SQL("t.county_code"))
    parameters["county"] = division[:_COUNTY_DIGITS]
    if table == "city_object":
        return pg.SQL(_FAMILIES).format(source=_source(table, query, parameters))
    return pg.SQL("t.county_code = %(county)s AND ST_Intersects(t.geom, (SELECT d.geom FROM division AS d WHERE d.code = %(division)s))")
