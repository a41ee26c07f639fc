"""BIM models: load, list, remove, and their link to buildings."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from psycopg import sql

from cim.db import bim_shapes
from cim.db.engine import Connection
from cim.errors import ConflictError, NotFoundError
from cim.ids import new_id

STOREY = (
    "code", "model_code", "global_id", "name", "ifc_class", "number", "parent_global_id", "elevation_m", "base_elevation_m", "height_m",
    "n_elements", "geom", "attributes",
)  # fmt: skip
SPACE = (
    "code", "model_code", "storey_code", "global_id", "name", "long_name", "predefined_type", "use", "floor_area_m2", "area_source",
    "height_m", "height_source", "volume_m3", "volume_source", "base_elevation_m", "classifications", "geom", "attributes",
)  # fmt: skip
ELEMENT = (
    "code", "model_code", "storey_code", "space_code", "global_id", "occurrence", "ifc_class", "predefined_type", "name", "type_name",
    "type_global_id", "host_global_id", "object_type", "tag", "material", "materials", "classifications", "geom_status", "properties",
    "original_units", "property_hash", "geometry_hash", "base_elevation_m", "top_elevation_m", "base_m", "top_m", "geom",
)  # fmt: skip
NODE = (
    "code", "model_code", "global_id", "kind", "ifc_class", "predefined_type", "name", "long_name", "object_type", "parent_global_id",
    "length_m", "classifications", "properties",
)  # fmt: skip
MEMBER = ("node_code", "member_code", "model_code")


def find_model(connection: Connection, sha256: str) -> str | None:
    """Return the code of the model made from a file, None where there is none."""
    row = connection.execute("SELECT code FROM bim_model WHERE sha256 = %s", [sha256]).fetchone()
    return None if row is None else str(row[0])


def model_exists(connection: Connection, code: str) -> bool:
    """Tell whether there is a model with this code, for who asks."""
    return connection.execute("SELECT 1 FROM bim_model WHERE code = %s", [code]).fetchone() is not None


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


def update_model(connection: Connection, code: str, values: dict[str, Any]) -> None:
    """Write the next version of the model row; ``values`` as in `save_model`."""
    names = [name for name in values if name != "code"]
    connection.execute(
        sql.SQL("UPDATE bim_model SET {}, version = version + 1, valid_from = now(), recorded_at = now() WHERE code = {}").format(
            sql.SQL(", ").join(sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in names),
            sql.Placeholder("code"),
        ),
        {**values, "code": code},
    )


def remove_parts(connection: Connection, code: str) -> None:
    """Remove storeys, spaces, elements and nodes of a model, for its next version."""
    for table in ("bim_node", "bim_element", "bim_space", "bim_storey"):
        connection.execute(sql.SQL("DELETE FROM {} WHERE model_code = %s").format(sql.Identifier(table)), [code])


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


_MODELS = """
    SELECT m.code, m.name, m.version, m.status, m.ifc_schema, m.building_code, m.link_method,
           round(m.link_score::numeric, 2)::float8 AS link_score,
           m.stage, m.project_code, m.n_elements, m.georef_method, m.georef_note, m.fix_hint, m.note, d.source, m.sha256, m.recorded_at
    FROM bim_model m JOIN dataset d ON d.id = m.dataset_id"""


def fetch_models(connection: Connection, *, status: str | None = None, building: str | None = None) -> list[dict[str, Any]]:
    """Return models for listings: all, or those with a status or of a building."""
    with connection.cursor() as cursor:
        rows = cursor.execute(
            _MODELS
            + """ WHERE (%(status)s::text IS NULL OR m.status = %(status)s)
                            AND (%(building)s::text IS NULL OR m.building_code = %(building)s) ORDER BY m.code""",
            {"status": status, "building": building},
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
        "SELECT number, name, ifc_class, elevation_m, n_elements FROM bim_storey WHERE model_code = %s ORDER BY elevation_m, name", [code]
    ).fetchall()
    spaces = connection.execute("SELECT count(*), sum(floor_area_m2) FROM bim_space WHERE model_code = %s", [code]).fetchone()
    nodes = connection.execute(
        """SELECT n.kind, n.ifc_class, n.name, count(m.member_code) FROM bim_node n LEFT JOIN bim_member m ON m.node_code = n.code
           WHERE n.model_code = %s GROUP BY n.code, n.kind, n.ifc_class, n.name ORDER BY n.kind, n.name""",
        [code],
    ).fetchall()
    found["classes"] = [{"class": row[0], "geometry": row[1], "elements": row[2]} for row in classes]
    found["storeys"] = [dict(zip(("number", "name", "class", "elevation_m", "elements"), row, strict=True)) for row in storeys]
    found["nodes"] = [dict(zip(("kind", "class", "name", "members"), row, strict=True)) for row in nodes]
    found["spaces"], found["space_area_m2"] = spaces or (0, None)
    return found


def remove_model(connection: Connection, change_set: UUID, code: str) -> list[str]:
    """Remove a model with its parts and versions; return the sha256 of the files that nothing refers to any more.

    Raises
    ------
    NotFoundError
        No model has this code.
    """
    emit_event(connection, change_set, code, "retire")
    files = [r[0] for r in connection.execute("SELECT sha256 FROM bim_version WHERE model_code = %s", [code]).fetchall()]
    row = connection.execute("DELETE FROM bim_model WHERE code = %s RETURNING sha256", [code]).fetchone()
    if row is None:
        raise NotFoundError(f"no BIM model has the code {code!r}", hint="cim bim list")
    files = sorted({*files, str(row[0])})
    kept = {r[0] for r in connection.execute("SELECT sha256 FROM bim_version WHERE sha256 = ANY(%s)", [files]).fetchall()}
    unused = [one for one in files if one not in kept]
    connection.execute("DELETE FROM bim_stage WHERE sha256 = ANY(%s)", [unused])
    bim_shapes.remove_orphans(connection)
    return unused


def find_buildings(connection: Connection, texts: Sequence[str]) -> list[tuple[str, str]]:
    """Return buildings of the register whose code, or whose code in another scheme, is among some texts: text and building code."""
    rows = connection.execute(
        """SELECT t, code FROM (
               SELECT b.code AS t, b.code FROM building b WHERE b.code = ANY(%(texts)s)
               UNION SELECT e.value, e.code FROM external_code e JOIN building b ON b.code = e.code
               WHERE e.collection = 'buildings' AND e.value = ANY(%(texts)s)) found ORDER BY array_position(%(texts)s::text[], t), code""",
        {"texts": list(texts)},
    ).fetchall()
    return [(row[0], row[1]) for row in rows]


def bind_model(connection: Connection, code: str, values: dict[str, Any]) -> None:
    """Write building, stage or project of a model by the word of the operator.

    Raises
    ------
    NotFoundError
        No model has this code.
    """
    names = list(values)
    done = connection.execute(
        sql.SQL("UPDATE bim_model SET {} WHERE code = {} RETURNING code").format(
            sql.SQL(", ").join(sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in names),
            sql.Placeholder("code"),
        ),
        {**values, "code": code},
    ).fetchone()
    if done is None:
        raise NotFoundError(f"no BIM model has the code {code!r}", hint="cim bim list")


def county_of(connection: Connection, building: str) -> str | None:
    """Return the county of a building."""
    row = connection.execute("SELECT county_code FROM building WHERE code = %s", [building]).fetchone()
    return None if row is None else str(row[0])


def require_place(connection: Connection, code: str) -> None:
    """Refuse a model that has no place.

    Raises
    ------
    ConflictError
        With the command that places it.
    """
    row = connection.execute("SELECT georef_note, fix_hint FROM bim_model WHERE code = %s AND placement IS NULL", [code]).fetchone()
    if row is not None:
        raise ConflictError(f"model {code} has no place: {row[0]}", hint=row[1] or f"cim bim place {code} --fit-to <building code>")
