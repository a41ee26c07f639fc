"""Semantics and meshes → rows of the BIM tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from psycopg.types.json import Jsonb

from cim.crs import STORE_SRID, transform_xy
from ingest.ifc.placement import Placement
from ingest.ifc.shapes import Mesh

_AREA_NAMES = ("NetFloorArea", "GrossFloorArea", "Area", "GSA BIM Area", "面积")


@dataclass(frozen=True)
class ModelRows:
    """Everything of one model, ready to load.

    Parameters
    ----------
    storeys, spaces, elements, meshes
        Rows in the column order of `cim.db.bim`.
    outline
        Outline of the placed model, EPSG:4490, or None.
    base_m, top_m
        Lowest and highest point in the model's frame [m], or None.
    """

    storeys: list[tuple[Any, ...]]
    spaces: list[tuple[Any, ...]]
    elements: list[tuple[Any, ...]]
    meshes: list[tuple[Any, ...]]
    outline: Any
    base_m: float | None
    top_m: float | None


def footprint(mesh: Mesh, placement: Placement) -> Any:  # noqa: ANN401 - shapely geometry or None
    """Return the convex outline of a mesh seen from above, EPSG:4490 lon/lat [deg], or None for a line or point."""
    hull = shapely.convex_hull(shapely.multipoints(mesh.vertices[:, :2]))
    if hull.geom_type != "Polygon" or hull.area <= 0:
        return None
    corners = shapely.get_coordinates(hull)
    placed = placement.to_map(np.column_stack([corners, np.zeros(len(corners))]))
    lon, lat = transform_xy(placement.crs, "EPSG:4490", placed[:, 0], placed[:, 1])
    polygon = shapely.polygons(np.column_stack([lon, lat]))
    return polygon if polygon.is_valid and polygon.area > 0 else shapely.make_valid(polygon)


def to_hex(geom: Any) -> str | None:  # noqa: ANN401 - shapely geometry or None
    """Return hexadecimal EWKB of a MultiPolygon, None where there is none."""
    if geom is None or geom.is_empty or geom.geom_type not in ("Polygon", "MultiPolygon"):
        return None
    multi = geom if geom.geom_type == "MultiPolygon" else shapely.multipolygons([geom])
    return str(shapely.to_wkb(shapely.set_srid(multi, STORE_SRID), hex=True, include_srid=True))


def _floor_area(properties: dict[str, dict[str, Any]], mesh: Mesh | None) -> tuple[float | None, str | None]:
    for kind, wanted in (("quantity", True), ("property", False)):
        for name, values in properties.items():
            if ("quantit" in name.lower() or name.startswith("Qto_")) is not wanted:
                continue
            for key in _AREA_NAMES:
                value = values.get(key)
                if isinstance(value, int | float) and value > 0:
                    return float(value), kind
    if mesh is None:
        return None, None
    a, b, c = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    cross = np.cross(b - a, c - a)
    down = cross[:, 2] < -1e-9
    area = float(-cross[down, 2].sum() / 2)
    return (area, "mesh") if area > 0 else (None, None)


def build_rows(
    code: str, document: dict[str, Any], meshes: Mapping[int, Mesh], faults: Mapping[int, str], placement: Placement
) -> ModelRows:
    """Map a model.

    Parameters
    ----------
    code
        Model code.
    document
        Result of `ingest.ifc.sandbox.read_semantics`.
    meshes, faults
        By instance number.
    placement
        Where the model stands.
    """
    unit = float(document["unit_m"])
    prints: dict[int, Any] = {number: footprint(mesh, placement) for number, mesh in meshes.items()}
    solid = {element["id"] for element in document["elements"]}
    polygons = [prints[number] for number in solid if prints.get(number) is not None]
    outline = shapely.union_all(np.array(polygons, dtype=object)) if polygons else None
    if outline is not None and outline.geom_type == "GeometryCollection":
        outline = shapely.union_all([g for g in outline.geoms if g.geom_type in ("Polygon", "MultiPolygon")])
    if outline is not None:
        # Hulls that touch leave slivers below the nine decimals that are served: snapped, the outline stays valid when written.
        outline = shapely.set_precision(outline, 1e-9)
    heights = [meshes[number].vertices[:, 2] for number in solid if number in meshes]
    low = min((float(h.min()) for h in heights), default=None)
    high = max((float(h.max()) for h in heights), default=None)
    counts: dict[str, int] = {}
    elements, mesh_rows = [], []
    for element in document["elements"]:
        number, element_code = element["id"], f"{code}/{element['global_id']}"
        mesh = meshes.get(number)
        if element["storey"]:
            counts[element["storey"]] = counts.get(element["storey"], 0) + 1
        status = mesh.status if mesh is not None else "failed" if number in faults else "empty"
        z = None if mesh is None else mesh.vertices[:, 2]
        elements.append((
            element_code, code, _ref(code, element["storey"]), _ref(code, element["space"]), element["global_id"], element["class"],
            element["name"], element["object_type"], element["tag"], element["material"], status, Jsonb(element["properties"]),
            None if z is None else float(z.min()), None if z is None else float(z.max()), to_hex(prints.get(number)),
        ))  # fmt: skip
        if mesh is not None:
            mesh_rows.append((element_code, code, mesh.shape.hash, mesh.matrix[:3].ravel().tolist()))
    storeys = [
        (
            f"{code}/{s['global_id']}", code, s["global_id"], s["name"],
            None if s["elevation"] is None else float(s["elevation"]) * unit, counts.get(s["global_id"], 0), to_hex(outline),
        )
        for s in document["storeys"]
    ]  # fmt: skip
    spaces = []
    for space in document["spaces"]:
        mesh = meshes.get(space["id"])
        area, source = _floor_area(space["properties"], mesh)
        height = None if mesh is None else float(np.ptp(mesh.vertices[:, 2]))
        spaces.append((
            f"{code}/{space['global_id']}", code, _ref(code, space["storey"]), space["global_id"], space["name"], space["long_name"],
            area, source, height, to_hex(prints.get(space["id"])), Jsonb(space["properties"]),
        ))  # fmt: skip
    return ModelRows(storeys, spaces, elements, mesh_rows, outline, low, high)


def _ref(code: str, global_id: str | None) -> str | None:
    return None if global_id is None else f"{code}/{global_id}"
