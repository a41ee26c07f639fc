"""Everything of a model but geometry, read inside the child process in one pass over its relations. Nothing is decided here."""

import math
from collections import Counter
from typing import Any

import ifcopenshell
import ifcopenshell.util.placement

from ingest.ifc.georef_facts import read_facts
from ingest.ifc.properties import PropertyReader, text
from ingest.ifc.relations import STOREYS, Relations, guid, of
from ingest.ifc.units import Units

SKIPPED = ("IfcFeatureElement", "IfcVirtualElement")
_KINDS = (
    ("project", "IfcProject"), ("site", "IfcSite"), ("building", "IfcBuilding"), ("facility", "IfcFacility"), ("alignment", "IfcAlignment"),
    ("zone", "IfcZone"), ("zone", "IfcSpatialZone"), ("system", "IfcSystem"), ("group", "IfcGroup"),
)  # fmt: skip
_COUNTED_ELSEWHERE = ("IfcElement", "IfcSpatialElement", "IfcSpatialStructureElement", "IfcAlignment")


def _materials(material: Any, unit_m: float) -> list[dict[str, Any]]:  # noqa: ANN401 - IFC entity
    """Return layers, profiles, constituents or the material itself; thickness [m]."""
    if material is None:
        return []
    for attribute in ("ForLayerSet", "ForProfileSet"):
        if hasattr(material, attribute):
            material = getattr(material, attribute)
            break
    found: list[dict[str, Any]] = []
    parts = next(
        (
            getattr(material, name)
            for name in ("MaterialLayers", "MaterialProfiles", "MaterialConstituents", "Materials")
            if getattr(material, name, None)
        ),
        None,
    )
    for part in parts if parts is not None else (material,):
        inner = getattr(part, "Material", None)
        name = text(getattr(inner if inner is not None else part, "Name", None))
        entry: dict[str, Any] = {"name": name}
        thickness = getattr(part, "LayerThickness", None)
        if thickness is not None:
            entry["thickness_m"] = float(thickness) * unit_m
        category = text(getattr(part, "Category", None) or getattr(inner, "Category", None))
        if category:
            entry["category"] = category
        found.append(entry)
    return found


def _classification(reference: Any) -> dict[str, Any]:  # noqa: ANN401 - IFC entity
    """Return system, code and name of a classification reference as given."""
    if reference.is_a("IfcClassification"):
        return {"system": text(reference.Name), "code": None, "name": None}
    code = text(getattr(reference, "Identification", None) or getattr(reference, "ItemReference", None))
    source, seen = getattr(reference, "ReferencedSource", None), 0
    while source is not None and not source.is_a("IfcClassification") and seen < 20:
        source, seen = getattr(source, "ReferencedSource", None), seen + 1
    return {"system": None if source is None else text(getattr(source, "Name", None)), "code": code, "name": text(reference.Name)}


class _Reader:
    """Reads one model."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401 - IFC file
        self.model = model
        self.units = Units(model)
        self.unit_m = self.units.length_m()
        self.links = Relations(model)
        self.properties = PropertyReader(self.units)

    def set_numbers(self, item: Any) -> list[int]:  # noqa: ANN401 - IFC entity
        """Return the instance numbers of the property sets that hold for an object: of its type first, its own after."""
        kind = self.links.type.get(item.id())
        definitions = [*(getattr(kind, "HasPropertySets", None) or ()), *self.links.definitions.get(item.id(), ())]
        return [self.properties.read(definition) for definition in definitions if not definition.is_a("IfcPropertySetTemplate")]

    def classifications(self, item: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - IFC entity
        """Return the classifications of an object, else those of its type."""
        own = self.links.classes.get(item.id())
        kind = self.links.type.get(item.id())
        found = own or (self.links.classes.get(kind.id()) if kind is not None else None) or []
        return [_classification(reference) for reference in found]

    def predefined(self, item: Any) -> str | None:  # noqa: ANN401 - IFC entity
        """Return the predefined type: of the object, else of its type; the user's word for USERDEFINED."""
        kind = self.links.type.get(item.id())
        own = getattr(item, "PredefinedType", None)
        if own in (None, "NOTDEFINED") and kind is not None:
            own, item = getattr(kind, "PredefinedType", None) or own, kind
        if own == "USERDEFINED":
            return text(getattr(item, "ObjectType", None) or getattr(item, "ElementType", None)) or own
        return None if own is None else str(own)

    def elements(self) -> list[dict[str, Any]]:
        """Return the elements of the model."""
        found = []
        layers: dict[int, list[dict[str, Any]]] = {}
        for element in of(self.model, "IfcElement"):
            if any(element.is_a(name) for name in SKIPPED):
                continue
            number = element.id()
            storey, space = self.links.places(element)
            kind, whole = self.links.type.get(number), self.links.whole(element)
            material = self.links.material.get(number)
            if material is None and kind is not None:
                material = self.links.material.get(kind.id())
            if material is not None and material.id() not in layers:
                layers[material.id()] = _materials(material, self.unit_m or 1.0)
            found.append({
                "id": number, "global_id": guid(element), "class": element.is_a(), "predefined": self.predefined(element),
                "name": text(element.Name), "object_type": text(element.ObjectType), "tag": text(element.Tag),
                "type": None if kind is None else [text(kind.Name), guid(kind)],
                "host": None if whole is None or whole.is_a("IfcSpatialStructureElement") else guid(whole),
                "storey": storey, "space": space, "materials": [] if material is None else layers[material.id()],
                "classifications": self.classifications(element), "sets": self.set_numbers(element),
                "has_shape": element.Representation is not None,
            })  # fmt: skip
        return found

    def spaces(self) -> list[dict[str, Any]]:
        """Return the spaces of the model."""
        return [
            {
                "id": space.id(), "global_id": guid(space), "name": text(space.Name), "long_name": text(space.LongName),
                "object_type": text(space.ObjectType),
                "predefined": self.predefined(space) or text(getattr(space, "InteriorOrExteriorSpace", None)),
                "storey": self.links.places(space)[0], "classifications": self.classifications(space), "sets": self.set_numbers(space),
                "has_shape": space.Representation is not None,
            }
            for space in of(self.model, "IfcSpace")
        ]  # fmt: skip

    def storeys(self) -> list[dict[str, Any]]:
        """Return storeys and parts of facilities; elevations in project units."""
        found = []
        for name in STOREYS:
            for storey in of(self.model, name):
                elevation, source = getattr(storey, "Elevation", None), "attribute"
                if elevation is None and storey.is_a("IfcBuildingStorey"):
                    elevation, source = _height_of(storey), "placement"
                if elevation is not None and not math.isfinite(elevation):
                    elevation = None
                parent = self.links.parent.get(storey.id())
                found.append({
                    "id": storey.id(), "global_id": guid(storey), "class": storey.is_a(),
                    "name": text(storey.Name) or text(storey.LongName),
                    "elevation": elevation, "elevation_source": source, "parent": None if parent is None else guid(parent),
                    "predefined": self.predefined(storey), "sets": self.set_numbers(storey),
                })  # fmt: skip
        return found

    def nodes(self) -> list[dict[str, Any]]:
        """Return the tree above the storeys, and zones, systems and groups with their members."""
        found, seen = [], set()
        for kind, name in _KINDS:
            for node in of(self.model, name):
                if node.id() in seen:
                    continue
                seen.add(node.id())
                parent = self.links.parent.get(node.id())
                found.append({
                    "global_id": guid(node), "kind": kind, "class": node.is_a(), "predefined": self.predefined(node),
                    "name": text(node.Name), "long_name": text(getattr(node, "LongName", None)), "object_type": text(node.ObjectType),
                    "parent": None if parent is None else guid(parent), "classifications": self.classifications(node),
                    "sets": self.set_numbers(node), "members": [guid(part) for part in self.links.members.get(node.id(), ())],
                    "length": _alignment_length(node, self.links) if kind == "alignment" else None,
                })  # fmt: skip
        return found

    def raw_sets(self) -> dict[int, dict[str, dict[str, Any]]]:
        """Return the sets of map conversions by object, as the file has them."""
        found: dict[int, dict[str, dict[str, Any]]] = {}
        for name in ("IfcProject", "IfcSite", "IfcBuilding"):
            for item in of(self.model, name):
                for number in self.set_numbers(item):
                    one = self.properties.sets[number]
                    if one.get("raw"):
                        found.setdefault(item.id(), {})[one["name"]] = one["raw"]
        return found

    def building_texts(self) -> list[str]:
        """Return the texts of the buildings among which a building code may be."""
        found: list[str] = []
        for building in of(self.model, "IfcBuilding"):
            found += [str(word) for word in (building.Name, building.LongName, getattr(building, "Description", None)) if word]
            found += [str(reference["code"]) for reference in self.classifications(building) if reference["code"]]
            for number in self.set_numbers(building):
                found += [value for value in self.properties.sets[number]["values"].values() if isinstance(value, str)]
        return found


def _height_of(storey: Any) -> float | None:  # noqa: ANN401 - IFC entity
    try:
        return (
            None if storey.ObjectPlacement is None else float(ifcopenshell.util.placement.get_local_placement(storey.ObjectPlacement)[2, 3])
        )
    except (RecursionError, AttributeError, TypeError, ValueError, RuntimeError):
        return None


def _alignment_length(node: Any, links: Relations) -> float | None:  # noqa: ANN401 - IFC entity
    """Return the sum of the horizontal segments of an alignment, in project units; None where it has none."""
    lengths = [
        float(segment.DesignParameters.SegmentLength)
        for layout in links.children.get(node.id(), ())
        if layout.is_a("IfcAlignmentHorizontal")
        for segment in links.children.get(layout.id(), ())
        if getattr(getattr(segment, "DesignParameters", None), "SegmentLength", None) is not None
    ]
    return sum(lengths) if lengths else None


def _header(model: Any) -> dict[str, Any]:  # noqa: ANN401 - IFC file
    """Return what the header of the file says of itself."""
    try:
        name, description = model.header.file_name, model.header.file_description
        return {
            "description": [text(part) for part in description.description or ()],
            "implementation_level": text(description.implementation_level),
            "name": text(name.name), "time_stamp": text(name.time_stamp), "author": [text(part) for part in name.author or ()],
            "organization": [text(part) for part in name.organization or ()], "preprocessor": text(name.preprocessor_version),
            "originating_system": text(name.originating_system),
        }  # fmt: skip
    except (AttributeError, RuntimeError, TypeError, UnicodeDecodeError):
        return {}


def read_semantics(model: Any) -> dict[str, Any]:  # noqa: ANN401 - IFC file
    """Return everything but geometry as JSON-serialisable values; lengths of storeys and alignments in project units.

    Parameters
    ----------
    model
        Open IFC file.
    """
    reader = _Reader(model)
    applications = of(model, "IfcApplication")
    raw = reader.raw_sets()
    elements, spaces, storeys, nodes = reader.elements(), reader.spaces(), reader.storeys(), reader.nodes()
    others = Counter(
        product.is_a() for product in of(model, "IfcProduct") if not any(product.is_a(name) for name in _COUNTED_ELSEWHERE)
    )  # fmt: skip
    others.update(item.is_a() for item in of(model, "IfcElement") if any(item.is_a(name) for name in SKIPPED))
    return {
        "schema": model.schema_identifier,
        "n_instances": len(model.entity_names()),
        "n_products": len(of(model, "IfcProduct")),
        "unit_m": reader.unit_m,
        "header": _header(model),
        "tool": text(applications[0].ApplicationFullName) if applications else None,
        "project_global_id": next((node["global_id"] for node in nodes if node["kind"] == "project"), None),
        "georef": read_facts(model, raw, reader.unit_m or 1.0),
        "building_texts": reader.building_texts(),
        "storeys": storeys,
        "spaces": spaces,
        "elements": elements,
        "nodes": nodes,
        "other_products": dict(others),
        "sets": {number: {key: value for key, value in one.items() if key != "raw"} for number, one in reader.properties.sets.items()},
    }
