"""Tilesets and tiles in the store: what is published, and from which input each tile was made."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg import sql
from psycopg.errors import LockNotAvailable
from psycopg.types.json import Jsonb

from cim.db import outbox, tile_reads
from cim.db.engine import Connection

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class TileRow:
    """A tile of a layer.

    Parameters
    ----------
    key
        Quadtree key.
    uri
        Content file, relative to the layer's folder.
    input_hash, content_hash
        Of what it was made from, and of the file.
    n_features, n_bytes
        Features in it; size [byte].
    bbox
        West, south, east, north [deg], EPSG:4490.
    n_vertices
        Of its mesh.
    box
        Lowest and highest corner of the tile and all below it, east north up at the middle of its cell [m]; None where the layer
        plans its tiles anew at every build.
    error_m
        Geometric error [m].
    blocks
        Summary for the far view; None = not read, see `fetch_blocks`.
    is_far
        It shows what is below from afar and holds no codes.
    document
        External tileset that begins at this tile, relative to the layer's folder.
    """

    key: str
    uri: str
    input_hash: str
    content_hash: str
    n_features: int
    n_bytes: int
    bbox: Box
    n_vertices: int = 0
    box: tuple[float, ...] | None = None
    error_m: float = 0.0
    blocks: bytes | None = None
    is_far: bool = False
    document: str | None = None


@dataclass(frozen=True)
class TilesetRow:
    """A published layer.

    Parameters
    ----------
    layer
        buildings, bim/<model code>, networks/<kind>.
    kind
        buildings, bim or network.
    collection
        Collection whose codes the features carry.
    title, note
        In two languages.
    replaces
        Codes of the buildings a model stands for.
    bbox
        West, south, east, north [deg], EPSG:4490.
    min_height_m, max_height_m
        Ellipsoidal [m].
    last_event_id
        Outbox position it reflects.
    parameters
        What all tiles depend on.
    """

    layer: str
    kind: str
    collection: str
    title: dict[str, str]
    note: dict[str, str] | None
    is_synthetic: bool
    replaces: list[str]
    n_features: int
    bbox: Box | None
    min_height_m: float | None
    max_height_m: float | None
    uri: str
    style_version: str
    last_event_id: int
    tiles: list[TileRow] = field(default_factory=list)
    parameters: dict[str, Any] = field(default_factory=dict)


def fetch_tilesets(connection: Connection) -> list[TilesetRow]:
    """Return the published layers, without their tiles."""
    rows = connection.execute(
        """SELECT layer, kind, collection, title, note, is_synthetic, replaces, n_features, ST_XMin(geom), ST_YMin(geom),
                  ST_XMax(geom), ST_YMax(geom), min_height_m, max_height_m, uri, style_version, last_event_id, parameters
           FROM tileset ORDER BY kind, layer"""
    ).fetchall()
    names = (
        "layer", "kind", "collection", "title", "note", "is_synthetic", "replaces", "n_features", "min_height_m", "max_height_m", "uri",
        "style_version", "last_event_id", "parameters",
    )  # fmt: skip
    return [
        TilesetRow(
            bbox=None if row[8] is None else (row[8], row[9], row[10], row[11]), **dict(zip(names, [*row[:8], *row[12:]], strict=True))
        )
        for row in rows
    ]


def fetch_input_hashes(connection: Connection, layer: str) -> dict[str, TileRow]:
    """Return the tiles of a layer by key, without their summaries."""
    with connection.cursor(binary=True) as cursor:
        rows = cursor.execute(
            """SELECT key, uri, input_hash, content_hash, n_features, bytes, ST_XMin(geom), ST_YMin(geom), ST_XMax(geom), ST_YMax(geom),
                      n_vertices, box, error_m, is_far, document
               FROM tile WHERE layer = %s""",
            [layer],
        ).fetchall()
    return {
        row[0]: TileRow(
            row[0], row[1], row[2], row[3], row[4], row[5], (row[6], row[7], row[8], row[9]), row[10],
            None if row[11] is None else tuple(row[11]), row[12], None, row[13], row[14],
        )
        for row in rows
    }  # fmt: skip


def fetch_stamp(connection: Connection, layer: str) -> str:
    """Return a text that is another one after every change of a layer's rows, empty for no such layer."""
    row = connection.execute("SELECT xmin::text || ' ' || ctid::text || ' ' || built_at FROM tileset WHERE layer = %s", [layer]).fetchone()
    return str(row[0]) if row else ""


def fetch_blocks(connection: Connection, layer: str, keys: Sequence[str]) -> dict[str, bytes]:
    """Return the summaries of tiles by key."""
    rows = connection.execute("SELECT key, blocks FROM tile WHERE layer = %s AND key = ANY(%s)", [layer, list(keys)])
    return {row[0]: bytes(row[1] or b"") for row in rows}


def _envelope(box: Box | None) -> dict[str, Any]:
    names = ("w", "s", "e", "n")
    return dict(zip(names, box or (None,) * 4, strict=True))


def save_tileset(connection: Connection, row: TilesetRow) -> None:
    """Replace a layer's rows, in the running transaction."""
    connection.execute("DELETE FROM tile WHERE layer = %s", [row.layer])
    _save_row(connection, row)
    _copy_tiles(connection, row.layer, row.tiles)


def update_tileset(connection: Connection, row: TilesetRow, gone: Sequence[str], made: Sequence[TileRow]) -> None:
    """Replace some tiles of a layer, in the running transaction.

    Parameters
    ----------
    row
        The layer; ``tiles`` are all its tiles.
    gone
        Keys that are no longer there.
    made
        Tiles that are new or different; each has its summary.
    """
    _save_row(connection, row)
    connection.execute("DELETE FROM tile WHERE layer = %s AND key = ANY(%s)", [row.layer, [*gone, *(tile.key for tile in made)]])
    _copy_tiles(connection, row.layer, made)


def _save_row(connection: Connection, row: TilesetRow) -> None:
    connection.execute(
        """INSERT INTO tileset (layer, kind, collection, style_version, title, note, is_synthetic, replaces, n_features, n_tiles, bytes,
                                uri, last_event_id, geom, min_height_m, max_height_m, parameters)
           VALUES (%(layer)s, %(kind)s, %(collection)s, %(style_version)s, %(title)s, %(note)s, %(is_synthetic)s, %(replaces)s,
                   %(n_features)s, %(n_tiles)s, %(bytes)s, %(uri)s, %(last_event_id)s,
                   CASE WHEN %(w)s::float8 IS NULL THEN NULL ELSE ST_MakeEnvelope(%(w)s, %(s)s, %(e)s, %(n)s, 4490) END,
                   %(min_height_m)s, %(max_height_m)s, %(parameters)s)
           ON CONFLICT (layer) DO UPDATE SET kind = excluded.kind, collection = excluded.collection,
                   style_version = excluded.style_version, title = excluded.title, note = excluded.note,
                   is_synthetic = excluded.is_synthetic, replaces = excluded.replaces, n_features = excluded.n_features,
                   n_tiles = excluded.n_tiles, bytes = excluded.bytes, uri = excluded.uri, last_event_id = excluded.last_event_id,
                   geom = excluded.geom, min_height_m = excluded.min_height_m, max_height_m = excluded.max_height_m,
                   parameters = excluded.parameters, built_at = now()""",
        {
            "layer": row.layer, "kind": row.kind, "collection": row.collection, "style_version": row.style_version,
            "title": Jsonb(row.title), "note": None if row.note is None else Jsonb(row.note), "is_synthetic": row.is_synthetic,
            "replaces": Jsonb(row.replaces), "n_features": row.n_features, "n_tiles": len(row.tiles),
            "bytes": sum(tile.n_bytes for tile in row.tiles), "uri": row.uri, "last_event_id": row.last_event_id,
            "min_height_m": row.min_height_m, "max_height_m": row.max_height_m, "parameters": Jsonb(row.parameters),
            **_envelope(row.bbox),
        },
    )  # fmt: skip


def _copy_tiles(connection: Connection, layer: str, tiles: Sequence[TileRow]) -> None:
    columns = """layer, key, uri, input_hash, content_hash, n_features, bytes, geom, n_vertices, box, error_m, blocks, is_far, document"""
    with (
        connection.cursor() as cursor,
        cursor.copy(sql.SQL("COPY tile ({}) FROM STDIN").format(sql.SQL(columns))) as copy,
    ):
        for one in tiles:
            w, s, e, n = one.bbox
            copy.write_row([
                layer, one.key, one.uri, one.input_hash, one.content_hash, one.n_features, one.n_bytes,
                f"SRID=4490;POLYGON(({w} {s},{w} {n},{e} {n},{e} {s},{w} {s}))", one.n_vertices,
                None if one.box is None else list(one.box), one.error_m, one.blocks, one.is_far, one.document,
            ])  # fmt: skip


def touch_tileset(connection: Connection, layer: str, last_event_id: int) -> None:
    """Note that an unchanged layer reflects the outbox up to an event."""
    connection.execute(
        "UPDATE tileset SET last_event_id = %s WHERE layer = %s AND last_event_id < %s", [last_event_id, layer, last_event_id]
    )


def remove_tileset(connection: Connection, layer: str) -> None:
    """Remove a layer's rows."""
    connection.execute("DELETE FROM tileset WHERE layer = %s", [layer])


def lock_layer(connection: Connection, layer: str) -> None:
    """Wait until no other transaction builds this layer."""
    connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [f"tiles:{layer}"])


_PLACED_MODELS = """
    SELECT code FROM bim_model m WHERE placement IS NOT NULL AND EXISTS (SELECT 1 FROM bim_mesh s WHERE s.model_code = m.code) ORDER BY 1"""


def fetch_layer_names(connection: Connection) -> list[str]:
    """Return the layers that the data ask for: buildings, city models, models, networks."""
    names: list[str] = []
    standing = "SELECT 1 FROM building WHERE status IN ('existing', 'under_construction') AND NOT ST_IsEmpty(geom) LIMIT 1"
    if connection.execute(standing).fetchone():
        names.append("buildings")
    if connection.execute("SELECT 1 FROM representation WHERE valid_to IS NULL LIMIT 1").fetchone():
        names.append("citymodels")
    names += [f"bim/{row[0]}" for row in connection.execute(_PLACED_MODELS)]
    names += [
        f"networks/{row[0]}" for row in connection.execute("SELECT DISTINCT kind FROM network_edge WHERE status <> 'abandoned' ORDER BY 1")
    ]
    # Scans are not in the store: their tiles are all there is of them.
    names += [row[0] for row in connection.execute("SELECT layer FROM tileset WHERE kind = 'pointcloud' ORDER BY 1")]
    return names


def fetch_used_files(connection: Connection, layer: str, names: Sequence[str]) -> set[str]:
    """Return those of some files, relative to the layer's folder, that a tile refers to."""
    rows = connection.execute(
        "SELECT unnest(ARRAY[uri, document]) FROM tile WHERE layer = %(layer)s AND (uri = ANY(%(names)s) OR document = ANY(%(names)s))",
        {"layer": layer, "names": list(names)},
    )
    return {row[0] for row in rows}


def fetch_touched_boxes(connection: Connection, collection: str, reader: str, at_most: int) -> list[Box] | None:
    """Return the boxes [deg] that events of a collection touch, old and new places; None where there are too many to be worth it.

    Parameters
    ----------
    connection
        The store.
    collection
        E.g. buildings.
    reader
        Follower of the outbox; events it has not read are looked at.
    at_most
        More boxes than this are too many.
    """
    rows = connection.execute(
        """SELECT DISTINCT ST_XMin(bbox), ST_YMin(bbox), ST_XMax(bbox), ST_YMax(bbox) FROM change_event
           WHERE id > coalesce((SELECT last_event_id FROM outbox_reader WHERE name = %s), 0) AND collection = %s
                 AND bbox IS NOT NULL AND NOT ST_IsEmpty(bbox) LIMIT %s""",
        [reader, collection, at_most + 1],
    ).fetchall()
    return None if len(rows) > at_most else [(row[0], row[1], row[2], row[3]) for row in rows]


def fetch_touched_collections(connection: Connection, reader: str) -> set[str]:
    """Return the collections with events that a follower of the outbox has not read, with the codes of models."""
    rows = connection.execute(
        """SELECT DISTINCT CASE WHEN collection = 'bim-models' THEN 'bim/' || code ELSE collection END FROM change_event
           WHERE id > coalesce((SELECT last_event_id FROM outbox_reader WHERE name = %s), 0)""",
        [reader],
    )
    return {row[0] for row in rows}


def fetch_settled_event(connection: Connection) -> int | None:
    """Return the id of the newest event below which none can appear any more, None while somebody is writing events.

    Ids are given at the insert and seen at the commit: a long transaction may still publish events below the newest one in sight.
    """
    try:
        with connection.transaction():
            connection.execute("LOCK TABLE change_event IN SHARE MODE NOWAIT")
            return outbox.newest_event(connection)
    except LockNotAvailable:
        return None


def sample_codes(connection: Connection, layer: str) -> Sequence[str]:
    """Return the codes a layer must hold, for validation."""
    if layer == "buildings":
        rows = connection.execute("SELECT code FROM building WHERE status IN ('existing', 'under_construction') AND NOT ST_IsEmpty(geom)")
    elif layer.startswith("points/"):
        return []
    elif layer == "citymodels":
        return tile_reads.fetch_city_object_codes(connection)
    elif layer.startswith("bim/"):
        rows = connection.execute("SELECT element_code FROM bim_mesh WHERE model_code = %s", [layer[4:]])
    else:
        kind = layer.removeprefix("networks/")
        rows = connection.execute(
            """SELECT code FROM network_edge WHERE kind = %(kind)s AND status <> 'abandoned' AND NOT ST_IsEmpty(geom)
               UNION ALL SELECT code FROM network_node WHERE kind = %(kind)s AND status <> 'abandoned' AND NOT ST_IsEmpty(geom)""",
            {"kind": kind},
        )
    return [row[0] for row in rows]
