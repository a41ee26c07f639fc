"""Area, height, volume and use of a space: what the model says, else what its mesh has, with the source of each."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ingest.ifc.shapes import Mesh

_AREAS = ("NetFloorArea", "GrossFloorArea", "Area", "GSA BIM Area", "面积")
_HEIGHTS = ("Height", "FinishCeilingHeight", "ClearHeight", "Unbounded Height", "净高", "高度")
_VOLUMES = ("NetVolume", "GrossVolume", "Volume", "体积")
_USES = ("OccupancyType", "Category", "Category Description", "类别", "用途")
Measure = tuple[float | None, str | None]


def _named(sets: dict[str, dict[str, Any]], *, quantities: bool) -> Iterator[dict[str, Any]]:
    for name, values in sets.items():
        if ("quantit" in name.lower() or name.startswith("Qto_")) is quantities:
            yield values


def _said(sets: dict[str, dict[str, Any]], names: tuple[str, ...]) -> Measure:
    for source, quantities in (("quantity", True), ("property", False)):
        for key in names:
            for values in _named(sets, quantities=quantities):
                value = values.get(key)
                if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
                    return float(value), source
    return None, None


def floor_area(sets: dict[str, dict[str, Any]], mesh: Mesh | None) -> Measure:
    """Return the floor area [m2] and its source: quantity, property or mesh (the faces that look down)."""
    said = _said(sets, _AREAS)
    if said[0] is not None or mesh is None:
        return said
    down = _cross(mesh)[:, 2]
    area = float(-down[down < -1e-9].sum() / 2)
    return (area, "mesh") if area > 0 else (None, None)


def height(sets: dict[str, dict[str, Any]], mesh: Mesh | None) -> Measure:
    """Return the height [m] and its source."""
    said = _said(sets, _HEIGHTS)
    if said[0] is not None or mesh is None or not len(mesh.vertices):
        return said
    return float(np.ptp(mesh.vertices[:, 2])), "mesh"


def volume(sets: dict[str, dict[str, Any]], mesh: Mesh | None) -> Measure:
    """Return the volume [m3] and its source; of a mesh by the divergence theorem."""
    said = _said(sets, _VOLUMES)
    if said[0] is not None or mesh is None or not len(mesh.vertices):
        return said
    # Counted from the middle of the mesh: far from the origin the terms would cancel badly.
    first = mesh.vertices[mesh.faces[:, 0]] - mesh.vertices.mean(axis=0)
    total = abs(float((first * _cross(mesh)).sum() / 6))
    return (total, "mesh") if total > 0 else (None, None)


def use(space: dict[str, Any], sets: dict[str, dict[str, Any]]) -> str | None:
    """Return what the model calls the use of a space: classification, category or object type."""
    for reference in space["classifications"]:
        if reference["name"] or reference["code"]:
            return " ".join(part for part in (reference["code"], reference["name"]) if part)
    for key in _USES:
        for values in sets.values():
            if isinstance(values.get(key), str) and values[key].strip():
                return str(values[key])
    return space["object_type"] or None


def _cross(mesh: Mesh) -> Any:  # noqa: ANN401 - array
    a, b, c = (mesh.vertices[mesh.faces[:, index]] for index in range(3))
    return np.cross(b - a, c - a)
