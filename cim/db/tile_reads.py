"""What the tiler reads: rows in a stable order, geometry as well-known binary in EPSG:4490."""

from collections.abc import Sequence
from typing import Any

from cim.db.engine import Connection


def fetch_buildings(connection: Connection) -> Sequence[tuple[Any, ...]]:
    """Return standing buildings with an outline.

    Each: code, name, height_m, ground_elevation_m, storeys_above, use, structure, year_built, height_source, WKB.
    """
    return connection.execute(
        """SELECT code, name, height_m, ground_elevation_m, storeys_above, use, structure, year_built, height_source,
                  ST_AsBinary(ST_Force2D(geom), 'NDR')
           FROM building WHERE status IN ('existing', 'under_construction') AND NOT ST_IsEmpty(geom) ORDER BY code"""
    ).fetchall()


def fetch_edges(connection: Connection, kind: str) -> Sequence[tuple[Any, ...]]:
    """Return edges: code, material, diameter_mm, width_mm, height_mm, depth_reference, mean depth, WKB (LineString Z)."""
    return connection.execute(
        """SELECT code, material, diameter_mm, width_mm, height_mm, depth_reference, (start_depth_m + end_depth_m) / 2,
                  ST_AsBinary(geom, 'NDR')
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


def fetch_meshes(connection: Connection, code: str) -> Sequence[tuple[Any, ...]]:
    """Return meshed elements by storey: code, class, name, storey name, vertices, faces, face materials, colours."""
    return connection.execute(
        """SELECT e.code, e.ifc_class, e.name, s.name, m.vertices, m.faces, m.face_materials, m.colours
           FROM bim_mesh m JOIN bim_element e ON e.code = m.element_code LEFT JOIN bim_storey s ON s.code = e.storey_code
           WHERE m.model_code = %s ORDER BY s.elevation_m NULLS FIRST, e.code""",
        [code],
    ).fetchall()


def is_synthetic(connection: Connection, kind: str) -> bool:
    """Tell whether any newest dataset of a kind is generated."""
    row = connection.execute(
        """SELECT bool_or(is_synthetic)
           FROM (SELECT DISTINCT ON (name) is_synthetic FROM dataset WHERE kind = %s ORDER BY name, version DESC) d""",
        [kind],
    ).fetchone()
    return bool(row and row[0])
