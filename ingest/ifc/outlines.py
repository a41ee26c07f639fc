"""Shapes seen from above."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from cim.crs import STORE_SRID, transform_xy
from ingest.ifc.placement import Placement
from ingest.ifc.shapes import Mesh

FLAT = ("IfcSpace", "IfcSlab", "IfcSlabStandardCase", "IfcRoof", "IfcFooting", "IfcPlate", "IfcCovering", "IfcPavement", "IfcCourse")
"""Classes whose outline is followed inward, too; of others the hull is enough."""
_MOST_FACES = 3000
_GRID_M = 0.001


def hull(mesh: Mesh) -> Any:  # noqa: ANN401 - shapely geometry or None
    """Return the convex outline of a mesh in the model's frame [m], None for a line or point."""
    found = shapely.convex_hull(shapely.multipoints(mesh.vertices[:, :2]))
    return found if found.geom_type == "Polygon" and found.area > 0 else None


def outline(mesh: Mesh) -> Any:  # noqa: ANN401 - shapely geometry or None
    """Return the outline of a mesh in the model's frame [m], with bays and holes; None for a line or point.

    Notes
    -----
    The union of the triangles that look down; of all, where none does. The hull for a mesh of more than 3,000 triangles.
    """
    if len(mesh.faces) > _MOST_FACES:
        return hull(mesh)
    corners = mesh.vertices[:, :2][mesh.faces]
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = (first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) / 2
    chosen = area < -1e-6
    if not chosen.any():
        chosen = np.abs(area) > 1e-6
    if not chosen.any():
        return hull(mesh)
    rings = np.concatenate([corners[chosen], corners[chosen][:, :1]], axis=1)
    joined = shapely.union_all(shapely.polygons(rings), grid_size=_GRID_M)
    found = polygonal(joined)
    return found if found is not None and found.area > 0 else hull(mesh)


def polygonal(geom: Any) -> Any:  # noqa: ANN401 - shapely geometry or None
    """Return the polygons of a geometry, None where there are none."""
    if geom is None or geom.is_empty:
        return None
    if geom.geom_type in ("Polygon", "MultiPolygon"):
        return geom
    if geom.geom_type == "GeometryCollection":
        return polygonal(shapely.union_all([part for part in geom.geoms if part.geom_type in ("Polygon", "MultiPolygon")]))
    return None


def joined(shapes: Sequence[Any]) -> Any:  # noqa: ANN401 - shapely geometries
    """Return the union of outlines, None where there is nothing to join."""
    known = [shape for shape in shapes if shape is not None]
    return polygonal(shapely.union_all(np.array(known, dtype=object))) if known else None


def to_store(shapes: Sequence[Any], placement: Placement | None) -> list[str | None]:
    """Place outlines in one go.

    Parameters
    ----------
    shapes
        Polygons in the model's frame [m], or None.
    placement
        Where the model stands, None = nowhere.

    Returns
    -------
    list
        Hexadecimal EWKB of MultiPolygons, EPSG:4490; None where there is no polygon or no place.
    """
    found: list[str | None] = [None] * len(shapes)
    known = [index for index, shape in enumerate(shapes) if shape is not None]
    if placement is None or not known:
        return found

    def move(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        placed = placement.to_map(np.column_stack([xy, np.zeros(len(xy))]))
        return np.column_stack(transform_xy(placement.crs, "EPSG:4490", placed[:, 0], placed[:, 1]))

    moved = shapely.transform(np.array([shapes[index] for index in known], dtype=object), move)
    # Hulls that touch leave slivers below the nine decimals that are served: snapped, an outline stays valid when written.
    moved = shapely.set_precision(moved, 1e-9)
    for index, geom in zip(known, moved, strict=True):
        found[index] = to_hex(polygonal(geom))
    return found


def to_hex(geom: Any) -> str | None:  # noqa: ANN401 - shapely geometry or None
    """Return hexadecimal EWKB of a MultiPolygon, None where there is none."""
    if geom is None or geom.is_empty or geom.geom_type not in ("Polygon", "MultiPolygon"):
        return None
    multi = geom if geom.geom_type == "MultiPolygon" else shapely.multipolygons([geom])
    return str(shapely.to_wkb(shapely.set_srid(multi, STORE_SRID), hex=True, include_srid=True))


def of_class(ifc_class: str, mesh: Mesh | None) -> Any:  # noqa: ANN401 - shapely geometry or None
    """Return the outline of an element as its class asks for: exact for what lies flat, a hull for the rest; None without a shape."""
    if mesh is None or not len(mesh.vertices):
        return None
    return outline(mesh) if ifc_class in FLAT else hull(mesh)
