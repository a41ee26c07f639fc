"""What the tiler reads: rows in a stable order, geometry as well-known binary in EPSG:4490."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg import sql

from cim.db.engine import Connection

if TYPE_CHECKING:
    # Loads pandas, which only layers of buildings need.
    import pyarrow as pa

    from cim.db.arrow_read import ArrowReader

_STANDING = sql.SQL("status IN ('existing', 'under_construction') AND NOT ST_IsEmpty(geom)")
_BUILDING_COLUMNS = sql.SQL(
    "code, height_m, height_source, ground_elevation_m, storeys_above, use, structure, year_built, ST_AsBinary(geom, 'NDR') AS geom"
)


@dataclass(frozen=True)
class BuildingSource:
    """Which buildings are drawn.

    Parameters
    ----------
    rows
        Table or expression to select from.
    condition
        Of which to draw.
    """

    rows: sql.Composable
    condition: sql.Composable


STANDING = BuildingSource(sql.SQL("building"), _STANDING)
"""The buildings that stand now."""


def fetch_building_cells(reader: "ArrowReader", level: int, source: BuildingSource) -> "tuple[pa.Table, float | None]":
    """Return how many buildings each cell of the global grid holds, and their mean ground.

    Parameters
    ----------
    reader
        The store.
    level
        The earth as a square of 360 degrees has 2 ** level cells along each side.
    source
        Which buildings.

    Returns
    -------
    table
        column, row, n, vertices (of the outlines).
    float or None
        Mean of the known ground elevations [m].
    """
    found = reader.fetch(
        sql.SQL(
            """SELECT floor(((CASE WHEN ST_XMax(geom) - ST_XMin(geom) <= 180 THEN (ST_XMin(geom) + ST_XMax(geom)) / 2
                              ELSE ST_XMin(ST_ShiftLongitude(geom)) / 2 + ST_XMax(ST_ShiftLongitude(geom)) / 2 END
                              + 180.0) / 360.0) * {side})::int AS column,
                      floor((((ST_YMin(geom) + ST_YMax(geom)) / 2 + 180.0) / 360.0) * {side})::int AS row,
                      count(*) AS n, sum(ST_NPoints(geom)) AS vertices, sum(ground_elevation_m) AS ground,
                      count(ground_elevation_m) AS known
               FROM {rows} WHERE {condition} GROUP BY 1, 2"""
        ).format(side=sql.Literal(float(1 << level)), rows=source.rows, condition=source.condition)
    )
    known = sum(found.column("known").to_pylist())
    total = sum(value for value in found.column("ground").to_pylist() if value is not None)
    return found, total / known if known else None


SAMPLE_ROWS = 50_000
"""Rows looked at to share out the work of a build; smaller stores are counted."""


def fetch_building_sample(reader: "ArrowReader", level: int) -> "pa.Table":
    """Return about how many standing buildings each cell of the global grid holds, out of a sample of the table's pages.

    Parameters
    ----------
    reader
        The store.
    level
        As of `fetch_building_cells`.

    Returns
    -------
    table
        column, row, n (estimated where the store is large; cells with few buildings may be missing then).
    """
    known = reader.fetch(sql.SQL("SELECT greatest(reltuples, 1)::float8 AS n FROM pg_class WHERE oid = 'building'::regclass"))
    part = min(1.0, SAMPLE_ROWS / known.column("n")[0].as_py())
    sampled = sql.SQL("building") if part > 0.5 else sql.SQL("building TABLESAMPLE SYSTEM ({}) REPEATABLE (1)").format(100.0 * part)
    return reader.fetch(
        sql.SQL(
            """SELECT floor(((ST_XMin(geom) + ST_XMax(geom)) / 2 + 180.0) / 360.0 * {side})::int AS column,
                      floor(((ST_YMin(geom) + ST_YMax(geom)) / 2 + 180.0) / 360.0 * {side})::int AS row,
                      (count(*) / {part})::int8 AS n
               FROM {rows} WHERE {condition} GROUP BY 1, 2"""
        ).format(side=float(1 << level), part=1.0 if part > 0.5 else part, rows=sampled, condition=_STANDING)
    )


def fetch_mean_ground(reader: "ArrowReader") -> float | None:
    """Return the mean of the known ground elevations of standing buildings [m]."""
    # NaN is greater than infinity to PostgreSQL.
    known = "ground_elevation_m > '-Infinity' AND ground_elevation_m < 'Infinity'"
    found = reader.fetch(sql.SQL("SELECT avg(ground_elevation_m) AS mean FROM building WHERE {} AND {}").format(_STANDING, sql.SQL(known)))
    mean: float | None = found.column("mean")[0].as_py()
    return mean


def fetch_building_table(reader: "ArrowReader", box: tuple[float, float, float, float], source: BuildingSource) -> "pa.Table":
    """Return the buildings that touch a box.

    Parameters
    ----------
    reader
        The store.
    box
        West, south, east, north [deg], EPSG:4490.
    source
        Which buildings.

    Returns
    -------
    table
        code, height_m, height_source, ground_elevation_m, storeys_above, use, structure, year_built, geom (WKB, little-endian).
    """
    return reader.fetch(
        sql.SQL("SELECT {columns} FROM {rows} WHERE geom && ST_MakeEnvelope({w}, {s}, {e}, {n}, 4490) AND {condition}").format(
            columns=_BUILDING_COLUMNS, rows=source.rows, condition=source.condition,
            **dict(zip(("w", "s", "e", "n"), map(sql.Literal, box), strict=True)),
        )
    )  # fmt: skip


def fetch_outlines(connection: Connection, codes: Sequence[str]) -> Sequence[tuple[Any, ...]]:
    """Return buildings by code: code, height_m, ground_elevation_m, storeys_above, WKB."""
    return connection.execute(
        "SELECT code, height_m, ground_elevation_m, storeys_above, ST_AsBinary(geom, 'NDR') FROM building WHERE code = ANY(%s)",
        [list(codes)],
    ).fetchall()


def fetch_edges(connection: Connection, kind: str) -> Sequence[tuple[Any, ...]]:
    """Return edges: code, material, diameter_mm, width_mm, height_mm, depth_reference, mean depth, WKB (LineString Z), year laid."""
    return connection.execute(
        """SELECT code, material, diameter_mm, width_mm, height_mm, depth_reference, (start_depth_m + end_depth_m) / 2,
                  ST_AsBinary(geom, 'NDR'), year_laid
           FROM network_edge WHERE kind = %s AND status <> 'abandoned' AND NOT ST_IsEmpty(geom) ORDER BY code""",
        [kind],
    ).fetchall()


def fetch_nodes(connection: Connection, kind: str) -> Sequence[tuple[Any, ...]]:
    """Return nodes: code, feature, appendage, ground_elevation_m, depth_m, x, y, z."""
    return connection.execute(
        """SELECT code, feature, appendage, ground_elevation_m, depth_m, ST_X(geom), ST_Y(geom), ST_Z(geom)
           FROM network_node WHERE kind = %s AND status <> 'abandoned' AND NOT ST_IsEmpty(geom) ORDER BY code""",
        [kind],
    ).fetchall()


def fetch_model(connection: Connection, code: str) -> tuple[Any, ...] | None:
    """Return a model: name, placement, projected_crs, building_code, note, whether its dataset is generated."""
    return connection.execute(
        """SELECT m.name, m.placement, m.projected_crs, m.building_code, m.note, d.is_synthetic
           FROM bim_model m JOIN dataset d ON d.id = m.dataset_id WHERE m.code = %s""",
        [code],
    ).fetchone()


def fetch_model_shape(connection: Connection, code: str) -> tuple[Any, ...] | None:
    """Return the outline of a model as WKB (EPSG:4490), None without; and its lowest and highest point, normal height [m]."""
    return connection.execute(
        "SELECT ST_AsBinary(geom, 'NDR'), base_elevation_m, base_elevation_m + height_m FROM bim_model WHERE code = %s", [code]
    ).fetchone()


def fetch_storeys(connection: Connection, code: str) -> Sequence[tuple[Any, ...]]:
    """Return storeys from below: code, name, elevation in the model's frame [m], outline as WKB (EPSG:4490)."""
    return connection.execute(
        """SELECT code, name, elevation_m, ST_AsBinary(geom, 'NDR') FROM bim_storey WHERE model_code = %s
           ORDER BY elevation_m NULLS FIRST, code""",
        [code],
    ).fetchall()


def fetch_meshes(connection: Connection, code: str) -> Sequence[tuple[Any, ...]]:
    """Return meshed elements: code, GlobalId, class, name, storey code, storey name, shape hash, matrix (row-major 3x4)."""
    return connection.execute(
        """SELECT e.code, e.global_id, e.ifc_class, e.name, s.code, s.name, m.shape_hash, m.matrix
           FROM bim_mesh m JOIN bim_element e ON e.code = m.element_code LEFT JOIN bim_storey s ON s.code = e.storey_code
           WHERE m.model_code = %s ORDER BY e.code""",
        [code],
    ).fetchall()


def fetch_shapes(connection: Connection, code: str) -> dict[str, tuple[Any, ...]]:
    """Return the shapes of a model: hash → step_m, points, faces, face materials, colours."""
    rows = connection.execute(
        """SELECT hash, step_m, points, faces, face_materials, colours FROM bim_shape
           WHERE hash IN (SELECT shape_hash FROM bim_mesh WHERE model_code = %s)""",
        [code],
        binary=True,
    ).fetchall()
    return {row[0]: tuple(row[1:]) for row in rows}


def is_synthetic(connection: Connection, kind: str) -> bool:
    """Tell whether any newest dataset of a kind is generated."""
    row = connection.execute(
        """SELECT bool_or(is_synthetic)
           FROM (SELECT DISTINCT ON (name) is_synthetic FROM dataset WHERE kind = %s ORDER BY name, version DESC) d""",
        [kind],
    ).fetchone()
    return bool(row and row[0])


_SHOWN_OBJECTS = """
    SELECT DISTINCT ON (o.code) o.code, r.id, r.lod, r.cim_level, r.n_faces, r.content_hash
    FROM representation r JOIN city_object o ON o.code = r.object_code
    WHERE r.valid_to IS NULL AND r.n_faces > 0 AND r.cim_level < 5 AND o.status = 'existing' AND o.type NOT IN ('TINRelief', 'LandUse')
          AND o.geom IS NOT NULL AND NOT ST_IsEmpty(o.geom) AND o.base_m IS NOT NULL AND o.top_m IS NOT NULL
    ORDER BY o.code, r.cim_level DESC, r.lod DESC"""


def fetch_city_objects(connection: Connection) -> Sequence[tuple[Any, ...]]:
    """Return what the layer of city models shows: each object in its highest level of detail, interiors and terrain left out.

    Returns
    -------
    sequence
        code, building_code, type, name, lod, cim_level, n_faces, content_hash, longitude and latitude of the middle [deg], base_m, top_m
        [m, vertical datum of the city], west, south, east, north [deg].
    """
    return connection.execute(
        f"""WITH shown AS ({_SHOWN_OBJECTS})
            SELECT o.code, o.building_code, o.type, o.name, s.lod, s.cim_level, s.n_faces, s.content_hash,
                   (ST_XMin(o.geom) + ST_XMax(o.geom)) / 2, (ST_YMin(o.geom) + ST_YMax(o.geom)) / 2, o.base_m, o.top_m,
                   ST_XMin(o.geom), ST_YMin(o.geom), ST_XMax(o.geom), ST_YMax(o.geom)
            FROM shown s JOIN city_object o ON o.code = s.code ORDER BY o.code"""  # noqa: S608 - a constant of this module
    ).fetchall()


def fetch_city_object_codes(connection: Connection) -> list[str]:
    """Return the codes of the objects that the layer of city models shows."""
    return [row[0] for row in connection.execute(f"SELECT code FROM ({_SHOWN_OBJECTS}) s")]  # noqa: S608 - a constant of this module


def fetch_representations(connection: Connection, codes: Sequence[str]) -> Sequence[tuple[Any, ...]]:
    """Return the meshes of `fetch_city_objects` by code, in the order of the codes: code, vertices, faces, surfaces, colours."""
    return connection.execute(
        f"""WITH shown AS ({_SHOWN_OBJECTS})
            SELECT s.code, r.vertices, r.faces, r.surfaces, r.colours FROM unnest(%s::text[]) WITH ORDINALITY AS wanted (code, number)
            JOIN shown s USING (code) JOIN representation r ON r.id = s.id ORDER BY wanted.number""",  # noqa: S608 - as above
        [list(codes)],
    ).fetchall()
