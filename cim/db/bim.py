"""BIM models: load, list, remove, and their link to buildings."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from psycopg import sql
from psycopg.types.json import Jsonb

from cim.db import bim_shapes
from cim.db.engine import Connection
from cim.errors import NotFoundError
from cim.ids import new_id

STOREY = ("code", "model_code", "global_id", "name", "elevation_m", "n_elements", "geom")
SPACE = (
    "code", "model_code", "storey_code", "global_id", "name", "long_name", "floor_area_m2", "area_source", "height_m", "geom", "attributes",
)  # fmt: skip
ELEMENT = (
    "code", "model_code", "storey_code", "space_code", "global_id", "ifc_class", "name", "object_type", "tag", "material",
    "geom_status", "properties", "base_m", "top_m", "geom",
)  # fmt: skip


def find_model(connection: Connection, sha256: str) -> str | None:
    """Return the code of the model made from a file, None where there is none."""
    row = connection.execute("SELECT code FROM bim_model WHERE sha256 = %s", [sha256]).fetchone()
    return None if row is None else str(row[0])


def save_model(connection: Connection, values: dict[str, Any]) -> None:
    """Insert the model row; ``values`` has column names as keys, ``geom`` as hexadecimal EWKB."""
    values = {"id": new_id(), **values}
    names = list(values)
    connection.execute(
        sql.SQL("INSERT INTO bim_model ({}) VALUES ({})").format(
            sql.SQL(", ").join(map(sql.Identifier, names)), sql.SQL(", ").join(sql.Placeholder(name) for name in names)
        ),
        values,
    )


def copy_parts(connection: Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Copy storeys, spaces, elements or meshes into their table."""
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns)))
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def emit_event(connection: Connection, change_set: UUID, code: str, action: str) -> None:
    """Tell the followers of the outbox about a model."""
    connection.execute(
        """INSERT INTO change_event (change_set_id, collection, code, action, bbox)
           SELECT %s, 'bim-models', code, %s, cim_box(geom) FROM bim_model WHERE code = %s""",
        [change_set, action, code],
    )


def note_stage(connection: Connection, sha256: str, stage: str, detail: dict[str, Any] | None = None) -> None:
    """Note that a stage of an upload is done."""
    connection.execute(
        """INSERT INTO bim_stage (sha256, stage, status, detail) VALUES (%s, %s, 'done', %s)
           ON CONFLICT (sha256, stage) DO UPDATE SET status = 'done', detail = excluded.detail, recorded_at = now()""",
        [sha256, stage, Jsonb(detail or {})],
    )


def building_exists(connection: Connection, code: str) -> bool:
    """Tell whether the register has this building."""
    return connection.execute("SELECT 1 FROM building WHERE code = %s", [code]).fetchone() is not None


def fetch_footprint(connection: Connection, code: str) -> tuple[bytes, float | None] | None:
    """Return WKB of a building's footprint (EPSG:4490) and its ground elevation [m]; None where there is none."""
    row = connection.execute(
        "SELECT ST_AsBinary(geom), ground_elevation_m FROM building WHERE code = %s AND geom IS NOT NULL", [code]
    ).fetchone()
    return None if row is None else (bytes(row[0]), row[1])


def overlap_with(connection: Connection, code: str, outline_hex: str) -> float:
    """Return intersection over union of an outline and the footprint of one building, 0 where they do not meet."""
    row = connection.execute(
        """SELECT ST_Area(ST_Intersection(geom, o)) / nullif(ST_Area(ST_Union(geom, o)), 0)
           FROM building, (SELECT %s::geometry AS o) q WHERE code = %s AND geom && o""",
        [outline_hex, code],
    ).fetchone()
    return float(row[0] or 0.0) if row else 0.0


def best_overlaps(connection: Connection, outline_hex: str) -> list[tuple[str, float]]:
    """Return the two buildings whose footprints fit an outline best: code and intersection over union, best first."""
    rows = connection.execute(
        """SELECT code, ST_Area(ST_Intersection(geom, o)) / nullif(ST_Area(ST_Union(geom, o)), 0) AS iou
           FROM building, (SELECT %s::geometry AS o) q WHERE geom && o AND ST_Intersects(geom, o)
             AND status NOT IN ('demolished', 'retired') ORDER BY iou DESC NULLS LAST, code LIMIT 2""",
        [outline_hex],
    ).fetchall()
    return [(row[0], float(row[1] or 0)) for row in rows]


def fetch_models(connection: Connection) -> list[dict[str, Any]]:
    """Return all models for listings."""
    with connection.cursor() as cursor:
        rows = cursor.execute(
            """SELECT m.code, m.name, m.ifc_schema, m.building_code, m.link_method, round(m.link_score::numeric, 2)::float8 AS link_score,
                      m.n_elements, m.georef_method, m.georef_note, m.note, d.source, m.sha256
               FROM bim_model m JOIN dataset d ON d.id = m.dataset_id ORDER BY m.code"""
        ).fetchall()
        names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in rows]


def fetch_model(connection: Connection, code: str) -> dict[str, Any]:
    """Return one model with its counts per class and storey.

    Raises
    ------
    NotFoundError
        No model has this code.
    """
    found = next((model for model in fetch_models(connection) if model["code"] == code), None)
    if found is None:
        raise NotFoundError(f"no BIM model has the code {code!r}", hint="cim bim list")
    classes = connection.execute(
        "SELECT ifc_class, geom_status, count(*) FROM bim_element WHERE model_code = %s GROUP BY 1, 2 ORDER BY 3 DESC, 1", [code]
    ).fetchall()
    storeys = connection.execute(
        "SELECT name, elevation_m, n_elements FROM bim_storey WHERE model_code = %s ORDER BY elevation_m", [code]
    ).fetchall()
    spaces = connection.execute("SELECT count(*) FROM bim_space WHERE model_code = %s", [code]).fetchone()
    found["classes"] = [{"class": row[0], "geometry": row[1], "elements": row[2]} for row in classes]
    found["storeys"] = [{"name": row[0], "elevation_m": row[1], "elements": row[2]} for row in storeys]
    found["spaces"] = spaces[0] if spaces else 0
    return found


def remove_model(connection: Connection, change_set: UUID, code: str) -> str:
    """Remove a model with its parts; return the sha256 of its file.

    Raises
    ------
    NotFoundError
        No model has this code.
    """
    emit_event(connection, change_set, code, "retire")
    row = connection.execute("DELETE FROM bim_model WHERE code = %s RETURNING sha256", [code]).fetchone()
    if row is None:
        raise NotFoundError(f"no BIM model has the code {code!r}", hint="cim bim list")
    connection.execute("DELETE FROM bim_stage WHERE sha256 = %s", [row[0]])
    bim_shapes.remove_orphans(connection)
    return str(row[0])
