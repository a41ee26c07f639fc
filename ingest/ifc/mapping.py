"""Semantics and meshes → rows of the BIM tables."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from ingest.ifc import outlines, space_measures, storey_rows
from ingest.ifc.placement import Placement
from ingest.ifc.property_rows import Properties, PropertySets
from ingest.ifc.shapes import Mesh


@dataclass(frozen=True)
class ModelRows:
    """Everything of one model, ready to load.

    Parameters
    ----------
    storeys, spaces, elements, meshes, nodes, members
        Rows in the column order of `cim.db.bim`.
    outline
        Outline of the model in its own frame [m], or None.
    outline_hex
        The same where the model stands, hexadecimal EWKB, EPSG:4490, or None.
    base_m, top_m
        Lowest and highest point in the model's frame [m], or None.
    statuses
        Elements by what became of their shape.
    """

    storeys: list[tuple[Any, ...]]
    spaces: list[tuple[Any, ...]]
    elements: list[tuple[Any, ...]]
    meshes: list[tuple[Any, ...]]
    nodes: list[tuple[Any, ...]]
    members: list[tuple[Any, ...]]
    outline: Any
    outline_hex: str | None
    base_m: float | None
    top_m: float | None
    statuses: dict[str, int]


class _Codes:
    """Codes of parts: the GlobalId behind the model's code; where the file repeats one, ``~2``, ``~3``, … behind it."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._seen: Counter[str] = Counter()

    def next(self, global_id: str) -> tuple[str, int]:
        self._seen[global_id] += 1
        n = self._seen[global_id]
        return f"{self._model}/{global_id}" + (f"~{n}" if n > 1 else ""), n

    def ref(self, global_id: str | None) -> str | None:
        return None if global_id is None else f"{self._model}/{global_id}"


class _Heights:
    """Elevations of a placed model."""

    def __init__(self, placement: Placement | None) -> None:
        self._place = placement

    def at(self, z_m: float | None) -> float | None:
        if self._place is None or z_m is None:
            return None
        return float(self._place.matrix[2, 2] * z_m + self._place.matrix[2, 3])


def mesh_hash(mesh: Mesh) -> str:
    """Return a hash of a mesh in the model's frame: its shape, and its place to a hundredth of a millimetre."""
    digest = hashlib.blake2b(mesh.shape.hash.encode(), digest_size=8)
    digest.update(np.rint(mesh.matrix[:3] * 1e5).astype("<i8").tobytes())
    return digest.hexdigest()


def _json(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return orjson.dumps(value).decode()


def _element_hash(element: dict[str, Any], properties: Properties) -> str:
    own = [
        element[k]
        for k in ("class", "predefined", "name", "object_type", "tag", "type", "host", "storey", "space", "materials", "classifications")
    ]
    return hashlib.blake2b(orjson.dumps(own) + properties.digest.encode(), digest_size=8).hexdigest()


def build_rows(
    code: str, document: dict[str, Any], meshes: Mapping[int, Mesh], faults: Mapping[int, str], placement: Placement | None,
    known: Mapping[int, Any] | None = None,
) -> ModelRows:  # fmt: skip
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
        Where the model stands; None = nowhere, then no row has a geometry or an elevation.
    known
        Outlines of elements that were made before, by instance number.
    """
    sets = PropertySets(document["sets"])
    elements, spaces, storeys = document["elements"], document["spaces"], document["storeys"]
    made = known or {}
    shapes = {
        one["id"]: made[one["id"]] if one["id"] in made else outlines.of_class(one.get("class", "IfcSpace"), meshes.get(one["id"]))
        for one in (*elements, *spaces)
    }
    whole = outlines.joined([shapes[e["id"]] for e in elements])
    spans = [_span(meshes[e["id"]]) for e in elements if e["id"] in meshes]
    base, top = min((s[0] for s in spans), default=None), max((s[1] for s in spans), default=None)
    floors = _storey_outlines(elements, spaces, shapes)
    parts = [
        *(shapes[e["id"]] for e in elements),
        *(shapes[s["id"]] for s in spaces),
        *(floors.get(s["global_id"]) for s in storeys),
        whole,
    ]
    placed = outlines.to_store(parts, placement)
    at = _Heights(placement)
    n, m = len(elements), len(elements) + len(spaces)
    element_rows, mesh_rows = _elements(code, elements, sets, meshes, faults, placed[:n], at)
    nodes, members = _nodes(code, document, sets)
    return ModelRows(
        storeys=_storeys(code, document, sets, placed[m:-1], at, top),
        spaces=_spaces(code, spaces, sets, meshes, placed[n:m], at),
        elements=element_rows,
        meshes=mesh_rows,
        nodes=nodes,
        members=members,
        outline=whole,
        outline_hex=placed[-1],
        base_m=base,
        top_m=top,
        statuses=dict(Counter(row[_STATUS] for row in element_rows)),
    )


_STATUS = 17
"""Place of geom_status in a row of `cim.db.bim.ELEMENT`."""


def _span(mesh: Mesh) -> tuple[float, float]:
    z = mesh.vertices[:, 2]
    return float(z.min()), float(z.max())


def _storey_outlines(elements: list[dict[str, Any]], spaces: list[dict[str, Any]], shapes: dict[int, Any]) -> dict[str, Any]:
    by_storey: dict[str, list[Any]] = {}
    for part in (*elements, *spaces):
        if part["storey"] and shapes[part["id"]] is not None:
            by_storey.setdefault(part["storey"], []).append(shapes[part["id"]])
    return {storey: outlines.joined(found) for storey, found in by_storey.items()}


def _elements(
    code: str, elements: list[dict[str, Any]], sets: PropertySets, meshes: Mapping[int, Mesh], faults: Mapping[int, str],
    placed: list[str | None], at: _Heights,
) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:  # fmt: skip
    codes, rows, mesh_rows = _Codes(code), [], []
    for element, geom in zip(elements, placed, strict=True):
        own, occurrence = codes.next(element["global_id"])
        mesh = meshes.get(element["id"])
        low, high = (None, None) if mesh is None else _span(mesh)
        status = mesh.status if mesh is not None else "failed" if element["id"] in faults else "empty"
        properties = sets.of(element["sets"])
        kind = element["type"] or (None, None)
        materials = element["materials"]
        rows.append((
            own, code, codes.ref(element["storey"]), codes.ref(element["space"]), element["global_id"], occurrence, element["class"],
            element["predefined"], element["name"], kind[0], kind[1], element["host"], element["object_type"], element["tag"],
            materials[0]["name"] if materials else None, _json(materials), _json(element["classifications"]), status, properties.text,
            properties.originals, _element_hash(element, properties), None if mesh is None else mesh_hash(mesh), at.at(low), at.at(high),
            low, high, geom,
        ))  # fmt: skip
        if mesh is not None:
            mesh_rows.append((own, code, mesh.shape.hash, mesh.matrix[:3].ravel().tolist()))
    return rows, mesh_rows


def _storeys(
    code: str, document: dict[str, Any], sets: PropertySets, placed: list[str | None], at: _Heights, top: float | None
) -> list[tuple[Any, ...]]:
    storeys = document["storeys"]
    heights = storey_rows.elevations_m(storeys, float(document["unit_m"]))
    numbers, tall = storey_rows.numbers(storeys, heights), storey_rows.storey_heights_m(storeys, heights, top)
    counts = Counter(element["storey"] for element in document["elements"])
    codes, rows = _Codes(code), []
    for storey, geom in zip(storeys, placed, strict=True):
        guid = storey["global_id"]
        rows.append((
            codes.next(guid)[0], code, guid, storey["name"], storey["class"], numbers.get(guid), storey["parent"], heights.get(guid),
            at.at(heights.get(guid)), tall.get(guid), counts.get(guid, 0), geom, sets.of(storey["sets"]).text,
        ))  # fmt: skip
    return rows


def _spaces(
    code: str, spaces: list[dict[str, Any]], sets: PropertySets, meshes: Mapping[int, Mesh], placed: list[str | None], at: _Heights
) -> list[tuple[Any, ...]]:
    codes, rows = _Codes(code), []
    for space, geom in zip(spaces, placed, strict=True):
        mesh, properties = meshes.get(space["id"]), sets.of(space["sets"])
        area, height, volume = (
            measure(properties.sets, mesh) for measure in (space_measures.floor_area, space_measures.height, space_measures.volume)
        )
        rows.append((
            codes.next(space["global_id"])[0], code, codes.ref(space["storey"]), space["global_id"], space["name"], space["long_name"],
            space["predefined"], space_measures.use(space, properties.sets), *area, *height, *volume,
            None if mesh is None else at.at(_span(mesh)[0]), _json(space["classifications"]), geom, properties.text,
        ))  # fmt: skip
    return rows


def _nodes(code: str, document: dict[str, Any], sets: PropertySets) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    codes, rows, members = _Codes(code), [], []
    unit = float(document["unit_m"])
    known = {part["global_id"] for name in ("elements", "spaces", "storeys", "nodes") for part in document[name]}
    for node in document["nodes"]:
        own = codes.next(node["global_id"])[0]
        length = None if node["length"] is None else node["length"] * unit
        rows.append((
            own, code, node["global_id"], node["kind"], node["class"], node["predefined"], node["name"], node["long_name"],
            node["object_type"], node["parent"], length, _json(node["classifications"]), sets.of(node["sets"]).text,
        ))  # fmt: skip
        members += [(own, codes.ref(member), code) for member in dict.fromkeys(node["members"]) if member in known]
    return rows, members
