"""Network nodes and edges: what is known, bulk insert and update, models as received."""

import zlib
from collections.abc import Iterator, Sequence
from typing import Any, Literal
from uuid import UUID

import pyarrow as pa
import shapely
from psycopg import sql

from cim.db import divisions
from cim.db.arrow_copy import Kind, copy_in, copy_out
from cim.db.created_events import CreatedEvents
from cim.db.engine import Connection
from cim.db.partitions import refilled
from cim.errors import NotFoundError

_EQUIPMENT = ("component_code", "state", "condition", "maintainer")
NODE_COLUMNS = (
    "id", "kind", "code", "county_code", "division_code", "survey_no", "feature", "appendage", "type_code", "ground_elevation_m",
    "elevation_m", "depth_m", "owner", "status", *_EQUIPMENT, "geom", "attributes", "source_dataset", "source_key", "content_hash",
    "change_set_id",
)  # fmt: skip
EDGE_COLUMNS = (
    "id", "kind", "code", "county_code", "division_code", "start_node", "end_node", "feature", "type_code", "diameter_mm", "width_mm",
    "height_mm", "material", "embedding", "depth_reference", "start_depth_m", "end_depth_m", "length_m", "slope", "flow_direction",
    "pressure", "voltage", "n_cables", "year_laid", "roughness", "roughness_kind", "owner", "status", *_EQUIPMENT, "geom", "attributes",
    "source_dataset", "source_key", "content_hash", "change_set_id",
)  # fmt: skip
_NOT_TEXT: dict[str, Kind] = {
    "id": "uuid", "change_set_id": "uuid", "geom": "geometry", "attributes": "jsonb", "ground_elevation_m": "float8",
    "elevation_m": "float8", "depth_m": "float8", "diameter_mm": "float8", "width_mm": "float8", "height_mm": "float8",
    "start_depth_m": "float8", "end_depth_m": "float8", "length_m": "float8", "slope": "float8", "flow_direction": "int2",
    "n_cables": "int2", "year_laid": "int2", "roughness": "float8",
}  # fmt: skip
_COLUMNS = {"network_node": NODE_COLUMNS, "network_edge": EDGE_COLUMNS}
_COLLECTION = {"network_node": "points", "network_edge": "lines"}
_KNOWN = pa.schema([("key", pa.string()), ("code", pa.string()), ("hash", pa.string()), ("component", pa.string())])
_BULK_FROM = 50_000
_VILLAGES = 5
"""Level of villages and communities among the divisions."""


def _kinds(columns: Sequence[str]) -> dict[str, Kind]:
    return {name: _NOT_TEXT.get(name, "text") for name in columns}


def lock_writers(connection: Connection) -> None:
    """Let no other transaction write network parts until this one ends; readers go on."""
    connection.execute("LOCK TABLE network_node, network_edge IN SHARE ROW EXCLUSIVE MODE")


def fetch_known(connection: Connection, table: str, kind: str, dataset: str) -> pa.Table:
    """Return source key, code, content hash and component code of a dataset's nodes (``network_node``) or edges (``network_edge``)."""
    query = sql.SQL("SELECT source_key, code, content_hash, component_code FROM {} WHERE kind = {} AND source_dataset = {}").format(
        sql.Identifier(table), sql.Literal(kind), sql.Literal(dataset)
    )
    return copy_out(connection, query, _KNOWN)


def insert(connection: Connection, table: str, kind: str, rows: pa.Table, change_set: UUID) -> int:
    """Copy new nodes or edges in; ``rows`` has the columns of `NODE_COLUMNS` or `EDGE_COLUMNS`, without the division: places tell it.

    From 50,000 rows on the outbox and the count are written by statements after the copy instead of triggers, whose transition table
    would hold every row twice; a partition that holds less than what comes is filled anew, its indexes after the rows. Writers must be
    locked out (`lock_writers`).
    """
    if not rows.num_rows:
        return 0
    if rows.num_rows < _BULK_FROM:
        return copy_in(connection, table, _placed(connection, rows), _kinds(_COLUMNS[table]))
    collection = f"{kind}-{_COLLECTION[table]}"
    events = CreatedEvents(collection)
    copied = (events.watch(_placed(connection, rows)), _kinds(_COLUMNS[table]))
    if _count(connection, table, kind) < rows.num_rows:
        with refilled(connection, table, kind) as target:
            done = copy_in(connection, target, *copied)
    else:
        _set_triggers(connection, table, "DISABLE")
        done = copy_in(connection, table, *copied)
        _set_triggers(connection, table, "ENABLE")
        connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(f"{table}_{kind}")))
    connection.execute("SELECT cim_add_count(%s, %s)", [collection, done])
    events.write(connection, change_set)
    return done


def _set_triggers(connection: Connection, table: str, word: Literal["DISABLE", "ENABLE"]) -> None:
    for name in ("event", "count"):
        trigger = sql.Identifier(f"{table}_{name}_insert")
        connection.execute(sql.SQL("ALTER TABLE {} {} TRIGGER {}").format(sql.Identifier(table), sql.SQL(word), trigger))


def _count(connection: Connection, table: str, kind: str) -> int:
    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(f"{table}_{kind}"))).fetchone()
    return int(row[0]) if row else 0


def _placed(connection: Connection, rows: pa.Table) -> Iterator[pa.Table]:
    """Return the rows in parts, with the village or community that each lies in."""
    # Now, not with the first part: the connection is busy copying then.
    return _parts(rows, divisions.fetch_areas(connection, _VILLAGES))


def _parts(rows: pa.Table, areas: divisions.DivisionAreas, size: int = 50_000) -> Iterator[pa.Table]:
    for start in range(0, rows.num_rows, size):
        part = rows.slice(start, size).combine_chunks()
        yield part.append_column("division_code", _divisions(areas, part.column("geom")))


def _divisions(areas: divisions.DivisionAreas, shapes: Any) -> Any:  # noqa: ANN401 - pyarrow ships no types
    if not len(areas.areas):
        return pa.nulls(len(shapes), pa.string())
    at = areas.index_at(middles(shapely.from_wkb(shapes.to_numpy())))
    return pa.array(areas.codes.tolist(), pa.string()).take(pa.array(at, mask=at < 0))


def middles(shapes: Any) -> Any:  # noqa: ANN401 - shapely geometries
    """Return where network parts of one table lie, shape (n,): points themselves, lines at half their length in the plane."""
    if not len(shapes) or shapely.get_dimensions(shapes[0]) == 0:
        return shapes
    return shapely.line_interpolate_point(shapes, 0.5, normalized=True)


def update(connection: Connection, table: str, rows: pa.Table, change_set: UUID) -> int:
    """Bring known nodes or edges to the state of their source; a component code that is there stays."""
    if not rows.num_rows:
        return 0
    columns = [name for name in _COLUMNS[table] if name not in ("id", "change_set_id")]
    connection.execute("DROP TABLE IF EXISTS staging")
    connection.execute(
        sql.SQL("CREATE TEMPORARY TABLE staging ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA").format(
            sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier(table)
        )
    )
    copy_in(connection, "staging", _placed(connection, rows), _kinds(columns))
    connection.execute("ANALYZE staging")
    kept = [name for name in columns if name not in ("kind", "code", "component_code", "county_code")]
    return connection.execute(
        sql.SQL(
            "UPDATE {} t SET {}, component_code = coalesce(t.component_code, s.component_code), version = t.version + 1, "
            "recorded_at = now(), change_set_id = %s, valid_from = greatest(now(), t.valid_from + interval '1 microsecond') "
            "FROM staging s WHERE t.kind = s.kind AND t.code = s.code"
        ).format(sql.Identifier(table), sql.SQL(", ").join(sql.SQL("{0} = s.{0}").format(sql.Identifier(name)) for name in kept)),
        [change_set],
    ).rowcount


def save_model(connection: Connection, dataset_id: UUID, kind: str, dataset: str, model: tuple[str, bytes]) -> None:
    """Keep a hydraulic model as it was received."""
    connection.execute(
        "INSERT INTO network_source_model (dataset_id, kind, dataset, format, content) VALUES (%s, %s, %s, %s, %s)",
        [dataset_id, kind, dataset, model[0], zlib.compress(model[1])],
    )


def find_model(connection: Connection, kind: str, dataset: str | None) -> tuple[UUID, str, str]:
    """Return dataset id, dataset and format of the newest model of a kind.

    Raises
    ------
    NotFoundError
        There is none; names what there is.
    """
    row = connection.execute(
        """SELECT m.dataset_id, m.dataset, m.format FROM network_source_model m JOIN dataset d ON d.id = m.dataset_id
           WHERE m.kind = %s AND (%s::text IS NULL OR m.dataset = %s) ORDER BY d.loaded_at DESC LIMIT 1""",
        [kind, dataset, dataset],
    ).fetchone()
    if row is None:
        there = [f"{r[0]} ({r[1]})" for r in connection.execute("SELECT DISTINCT kind, dataset FROM network_source_model").fetchall()]
        raise NotFoundError(
            f"no hydraulic model of kind {kind}{f' named {dataset}' if dataset else ''}; found {', '.join(there) or 'none'}",
            hint="cim ingest network MODEL.inp --crs EPSG:<number>",
        )
    return row[0], str(row[1]), str(row[2])


def has_model(connection: Connection, kind: str, dataset: str | None) -> bool:
    """Tell whether there is a hydraulic model of a kind and dataset (None = any)."""
    query = "SELECT EXISTS (SELECT 1 FROM network_source_model WHERE kind = %s AND (%s::text IS NULL OR dataset = %s))"
    row = connection.execute(query, [kind, dataset, dataset]).fetchone()
    return bool(row and row[0])


def fetch_model(connection: Connection, kind: str, dataset: str | None) -> tuple[str, str, bytes]:
    """Return dataset, format and bytes of the newest model of a kind, as it was received.

    Raises
    ------
    NotFoundError
        As `find_model`.
    """
    dataset_id, name, form = find_model(connection, kind, dataset)
    row = connection.execute("SELECT content FROM network_source_model WHERE dataset_id = %s", [dataset_id]).fetchone()
    return name, form, zlib.decompress(row[0]) if row else b""
