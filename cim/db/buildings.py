"""Buildings: what is known, bulk insert and update, authority of sources, codes of other schemes."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import pyarrow as pa
from psycopg import sql

from cim.db.arrow_copy import Kind, constant, copy_in, copy_out
from cim.db.created_events import CreatedEvents
from cim.db.deferred import build_indexes, drop_indexes
from cim.db.engine import Connection

VALUES = (
    "name", "address", "height_m", "height_source", "ground_elevation_m", "storeys_above", "storeys_below", "use", "structure",
    "year_built", "footprint_area_m2", "floor_area_m2", "safety_grade", "status", "geom", "attributes",
)  # fmt: skip
"""Columns that a source says something about."""
COLUMNS = ("code", "division_code", *VALUES, "source_dataset", "source_key", "content_hash", "attribute_sources")
INSERTED = ("id", "code_scheme", "county_code", *COLUMNS, "change_set_id")
_KNOWN = pa.schema([("key", pa.string()), ("code", pa.string()), ("hash", pa.string()), ("standing", pa.bool_())])
_OWNED = pa.schema([("key", pa.string()), ("dataset", pa.string())])
_BULK_FROM = 50_000
_SLICE = 20_000
_NOT_TEXT: dict[str, Kind] = {
    "id": "uuid", "change_set_id": "uuid", "geom": "geometry", "attributes": "jsonb", "attribute_sources": "jsonb", "height_m": "float8",
    "ground_elevation_m": "float8", "footprint_area_m2": "float8", "floor_area_m2": "float8", "storeys_above": "int2",
    "storeys_below": "int2", "year_built": "int2",
}  # fmt: skip


_ARROW = {"float8": pa.float64(), "int2": pa.int16(), "uuid": pa.binary(), "geometry": pa.binary()}


def arrow_type(column: str) -> Any:  # noqa: ANN401 - pyarrow ships no types
    """Return the Arrow type in which a column is handed over."""
    return _ARROW.get(_NOT_TEXT.get(column, "text"), pa.string())


def _kinds(columns: Sequence[str]) -> dict[str, Kind]:
    return {name: _NOT_TEXT.get(name, "text") for name in columns}


class Touched(NamedTuple):
    """What an update did.

    Parameters
    ----------
    updated
        Buildings that got a new version.
    same
        Staged rows whose values the register had already.
    conflicts
        Values refused because a source with more authority has another one.
    unexplained
        Codes of the buildings whose structure or year built changed without a reason (rule L01).
    """

    updated: int
    same: int
    conflicts: int
    unexplained: list[str]


def fetch_known(connection: Connection, dataset: str) -> pa.Table:
    """Return natural key, code and content hash of the buildings of a dataset, and whether each still stands."""
    query = sql.SQL(
        "SELECT source_key, code, content_hash, status NOT IN ('demolished', 'retired') FROM building WHERE source_dataset = {}"
    ).format(sql.Literal(dataset))
    return copy_out(connection, query, _KNOWN)


def fetch_owners(connection: Connection, dataset: str) -> pa.Table:
    """Return natural key and dataset of the buildings of all other datasets."""
    query = sql.SQL("SELECT source_key, source_dataset FROM building WHERE source_dataset <> {} AND source_key IS NOT NULL").format(
        sql.Literal(dataset)
    )
    return copy_out(connection, query, _OWNED)


def lock_writers(connection: Connection) -> None:
    """Let no other transaction write buildings until this one ends; readers go on."""
    connection.execute("LOCK TABLE building IN SHARE ROW EXCLUSIVE MODE")


def is_empty(connection: Connection) -> bool:
    """Tell whether the register has no building at all."""
    return connection.execute("SELECT 1 FROM building LIMIT 1").fetchone() is None


def fetch_neighbours(connection: Connection, boxes: Sequence[Sequence[float]]) -> list[dict[str, Any]]:
    """Return the standing buildings whose box meets each box.

    Parameters
    ----------
    connection
        The store.
    boxes
        West, south, east, north [deg], EPSG:4490.

    Returns
    -------
    list
        n (position of the box), code, source_dataset, source_key, name, storeys_above, structure, year_built, wkb.
    """
    if not boxes:
        return []
    with connection.cursor() as cursor:
        rows = cursor.execute(
            """SELECT n - 1 AS n, b.code, b.source_dataset, b.source_key, b.name, b.storeys_above, b.structure, b.year_built,
                      ST_AsBinary(b.geom) AS wkb
               FROM unnest(%s::float8[], %s::float8[], %s::float8[], %s::float8[]) WITH ORDINALITY AS t (w, s, e, n_, n)
               JOIN building b ON b.geom && ST_MakeEnvelope(w, s, e, n_, 4490)
               WHERE b.status NOT IN ('demolished', 'retired') ORDER BY n, b.code""",
            [[float(box[side]) for box in boxes] for side in range(4)],
        ).fetchall()
        names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in rows]


def insert_buildings(
    connection: Connection, tables: Iterable[pa.Table], n: int, change_set: UUID, *, defaults: Sequence[str] = ()
) -> int:  # fmt: skip
    """Copy new buildings in; writers must be locked out (`lock_writers`).

    From 50,000 rows on the outbox is filled by a copy of its own and the count by a statement, instead of triggers, whose transition
    table would hold every row twice; an empty register gets most of its indexes after the rows, some of them only after the transaction
    (`cim.db.deferred.build_missing`). All that is undone with the transaction.

    Parameters
    ----------
    connection
        Inside a transaction.
    tables
        Columns of `INSERTED`, see `cim.db.arrow_copy.binary_rows`, and, from 50,000 rows on, what `CreatedEvents.watch` asks for.
    n
        Rows of all tables.
    change_set
        Change set of the rows.
    defaults
        Columns that are left to the store.

    Returns
    -------
    int
        Rows.
    """
    kinds = _kinds([name for name in INSERTED if name not in defaults])
    if n < _BULK_FROM:
        return copy_in(connection, "building", tables, kinds)
    # Readers of the outbox wait with the readers of the buildings: both tables are empty, or as good as.
    tables_later = ("building", "change_event") if is_empty(connection) else ()
    later = {name: drop_indexes(connection, name) for name in tables_later}
    events = CreatedEvents("buildings")
    connection.execute("ALTER TABLE building DISABLE TRIGGER building_event_insert, DISABLE TRIGGER building_count_insert")
    inserted = copy_in(connection, "building", events.watch(tables), kinds)
    connection.execute("ALTER TABLE building ENABLE TRIGGER building_event_insert, ENABLE TRIGGER building_count_insert")
    connection.execute("SELECT cim_add_count('buildings', %s)", [inserted])
    events.write(connection, change_set)
    for name, statements in later.items():
        build_indexes(connection, statements, name)
    return inserted


def update_buildings(connection: Connection, tables: Iterable[pa.Table], source: str, change_set: UUID) -> Touched:
    """Bring known buildings to the state of a source: equal rows are left alone, attributes with a higher authority stay.

    Parameters
    ----------
    connection
        Inside a transaction, writers locked out.
    tables
        Columns of `COLUMNS`, see `cim.db.arrow_copy.binary_rows`.
    source
        Kind of source, see `cim.db.tables.stewardship.SOURCES`.
    change_set
        Written into every touched row.
    """
    names = sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
    connection.execute("DROP TABLE IF EXISTS staging")
    connection.execute(sql.SQL("CREATE TEMPORARY TABLE staging ON COMMIT DROP AS SELECT {} FROM building WITH NO DATA").format(names))
    staged = copy_in(connection, "staging", tables, _kinds(COLUMNS))
    if staged == 0:
        return Touched(0, 0, 0, [])
    connection.execute("CREATE INDEX ON staging (code)")
    connection.execute("ANALYZE staging")
    # Where no raster covers a building, the ground it was given once stays.
    connection.execute(
        "UPDATE staging s SET ground_elevation_m = b.ground_elevation_m FROM building b "
        "WHERE b.code = s.code AND s.ground_elevation_m IS NULL AND b.ground_elevation_m IS NOT NULL"
    )
    conflicts = keep_authority(connection, source, change_set)
    compared = ("division_code", *VALUES)
    same = connection.execute(
        sql.SQL("DELETE FROM staging s USING building b WHERE b.code = s.code AND ({}) IS NOT DISTINCT FROM ({})").format(
            sql.SQL("ROW({})").format(sql.SQL(", ").join(sql.Identifier("s", name) for name in (*compared, "source_key"))),
            sql.SQL("ROW({})").format(sql.SQL(", ").join(sql.Identifier("b", name) for name in (*compared, "source_key"))),
        )
    ).rowcount
    unexplained = connection.execute(
        """SELECT code FROM staging s JOIN building b USING (code)
           WHERE (s.structure <> b.structure OR s.year_built <> b.year_built) AND s.attributes ->> 'remark' IS NULL"""
    ).fetchall()
    kept = [name for name in COLUMNS if name != "code"]
    updated = connection.execute(
        sql.SQL(
            "UPDATE building b SET {}, version = b.version + 1, valid_from = greatest(now(), b.valid_from + interval '1 microsecond'), "
            "recorded_at = now(), change_set_id = %s FROM staging s WHERE s.code = b.code"
        ).format(sql.SQL(", ").join(sql.SQL("{0} = s.{0}").format(sql.Identifier(name)) for name in kept)),
        [change_set],
    ).rowcount
    return Touched(updated, same, conflicts, [row[0] for row in unexplained])


def keep_authority(connection: Connection, source: str, change_set: UUID) -> int:
    """Put the register's value back into ``staging`` where it came from a source with more authority, and list the conflict.

    Returns
    -------
    int
        Values kept although the source says something else.
    """
    rows = connection.execute(
        """SELECT a.attribute, array_agg(a.source) FROM attribute_authority a
           LEFT JOIN attribute_authority mine ON mine.collection = a.collection AND mine.attribute = a.attribute AND mine.source = %s
           WHERE a.collection = 'buildings' AND a.rank < coalesce(mine.rank, 32767) GROUP BY a.attribute ORDER BY a.attribute""",
        [source],
    ).fetchall()
    conflicts = 0
    # Few buildings have a value from another source than their survey; only those are looked at, once per attribute.
    connection.execute("DROP TABLE IF EXISTS held")
    held = connection.execute(
        """CREATE TEMPORARY TABLE held ON COMMIT DROP AS
           SELECT b.code FROM staging s JOIN building b USING (code) WHERE b.attribute_sources <> '{}'"""
    ).rowcount
    for attribute, stronger in rows if held else ():
        if attribute not in VALUES:
            continue
        column = sql.Identifier(attribute)
        conflicts += connection.execute(
            sql.SQL(
                """INSERT INTO attribute_conflict (collection, code, attribute, kept, kept_source, refused, refused_source, change_set_id)
                   SELECT 'buildings', b.code, %(attribute)s, to_jsonb(b.{0}), b.attribute_sources ->> %(attribute)s, to_jsonb(s.{0}),
                          %(source)s, %(change_set)s
                   FROM held JOIN staging s USING (code) JOIN building b USING (code)
                   WHERE b.attribute_sources ->> %(attribute)s = ANY(%(stronger)s) AND b.{0} IS DISTINCT FROM s.{0} AND s.{0} IS NOT NULL
                   ON CONFLICT (collection, code, attribute) WHERE settled_by IS NULL
                   DO UPDATE SET refused = excluded.refused, refused_source = excluded.refused_source, kept = excluded.kept,
                                 kept_source = excluded.kept_source, change_set_id = excluded.change_set_id, recorded_at = now()"""
            ).format(column),
            {"attribute": attribute, "source": source, "change_set": change_set, "stronger": stronger},
        ).rowcount
        together = {"geom": ("footprint_area_m2",), "height_m": ("height_source",)}.get(attribute, ())
        connection.execute(
            sql.SQL(
                """UPDATE staging s SET {}, attribute_sources = s.attribute_sources
                       || jsonb_build_object(%(attribute)s::text, b.attribute_sources ->> %(attribute)s)
                   FROM held JOIN building b USING (code)
                   WHERE b.code = s.code AND b.attribute_sources ->> %(attribute)s = ANY(%(stronger)s)"""
            ).format(sql.SQL(", ").join(sql.SQL("{0} = b.{0}").format(sql.Identifier(name)) for name in (attribute, *together))),
            {"attribute": attribute, "stronger": stronger},
        )
    return conflicts


def save_external_codes(connection: Connection, scheme: str, codes: pa.Array, values: pa.Array, *, new: bool) -> None:
    """Note codes of another scheme for buildings: building code and value, row by row.

    Parameters
    ----------
    connection
        Inside a transaction.
    scheme
        Scheme of the values.
    codes, values
        Shape (n,).
    new
        The buildings were made in this transaction, so that no row can be there already.
    """
    n = len(codes)
    same = {"collection": "buildings", "scheme": scheme, "match_method": "source"}
    table = pa.table({"code": codes, "value": values, **{name: constant(text, n) for name, text in same.items()}})
    columns = _kinds(["collection", "code", "scheme", "value", "match_method"])
    if new:
        empty = n >= _BULK_FROM and connection.execute("SELECT 1 FROM external_code LIMIT 1").fetchone() is None
        later = drop_indexes(connection, "external_code") if empty else {}
        copy_in(connection, "external_code", (table.slice(at, _SLICE) for at in range(0, n, _SLICE)), columns)
        build_indexes(connection, later, "external_code")
        return
    connection.execute("DROP TABLE IF EXISTS other_codes")
    connection.execute(
        "CREATE TEMPORARY TABLE other_codes (collection text, code text, scheme text, value text, match_method text) ON COMMIT DROP"
    )
    copy_in(connection, "other_codes", [table], columns)
    connection.execute(
        """INSERT INTO external_code (collection, code, scheme, value, match_method)
           SELECT collection, code, scheme, value, match_method FROM other_codes ON CONFLICT DO NOTHING"""
    )
