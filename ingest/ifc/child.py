"""Runs inside a child process: opens the model, writes semantics as JSON. Never imported by the parent.

``python -m ingest.ifc.child semantics MODEL OUT``
"""

import json
import sys
from pathlib import Path
from typing import Any

import ifcopenshell
import ifcopenshell.util.element
import ifcopenshell.util.unit

from ingest.ifc.georef_facts import read_facts

_SKIPPED = ("IfcFeatureElementSubtraction", "IfcVirtualElement", "IfcFeatureElementAddition")


def _value(wrapped: Any) -> Any:  # noqa: ANN401 - IFC measure
    inner = getattr(wrapped, "wrappedValue", wrapped)
    return inner if isinstance(inner, str | int | float | bool | type(None)) else str(inner)


def _single_properties(definition: Any) -> dict[str, Any]:  # noqa: ANN401 - IFC entity
    values: dict[str, Any] = {}
    for item in getattr(definition, "HasProperties", None) or ():
        if item.is_a("IfcPropertySingleValue"):
            values[item.Name] = _value(item.NominalValue)
        elif item.is_a("IfcPropertyEnumeratedValue"):
            values[item.Name] = [_value(value) for value in item.EnumerationValues or ()]
    for item in getattr(definition, "Quantities", None) or ():
        values[item.Name] = next((_value(v) for k, v in item.get_info().items() if k.endswith("Value") and v is not None), None)
    return values


def _property_sets(model: Any) -> dict[int, dict[str, Any]]:  # noqa: ANN401 - IFC file
    """Collect property sets of all objects in one pass; those of a type first, so that the occurrence overrides."""
    cache: dict[int, tuple[str, dict[str, Any]]] = {}

    def read(definition: Any) -> tuple[str, dict[str, Any]]:  # noqa: ANN401 - IFC entity
        if definition.id() not in cache:
            cache[definition.id()] = (definition.Name or definition.is_a(), _single_properties(definition))
        return cache[definition.id()]

    found: dict[int, dict[str, Any]] = {}
    for relation in model.by_type("IfcRelDefinesByType"):
        for definition in getattr(relation.RelatingType, "HasPropertySets", None) or ():
            name, values = read(definition)
            for target in relation.RelatedObjects:
                found.setdefault(target.id(), {}).setdefault(name, {}).update(values)
    for relation in model.by_type("IfcRelDefinesByProperties"):
        definition = relation.RelatingPropertyDefinition
        if definition.is_a("IfcPropertySetDefinitionSet"):
            continue
        name, values = read(definition)
        for target in relation.RelatedObjects:
            found.setdefault(target.id(), {}).setdefault(name, {}).update(values)
    return found


def semantics(path: str) -> dict[str, Any]:
    """Return everything but geometry as JSON-serialisable values; lengths of the model in project units."""
    model: Any = ifcopenshell.open(path)
    units = [unit for assignment in model.by_type("IfcUnitAssignment") for unit in assignment.Units]
    has_length = any(getattr(unit, "UnitType", None) == "LENGTHUNIT" for unit in units)
    psets = _property_sets(model)
    elements = []
    for element in model.by_type("IfcElement"):
        if any(element.is_a(name) for name in _SKIPPED):
            continue
        spatial: Any = ifcopenshell.util.element.get_container(element)
        material: Any = ifcopenshell.util.element.get_material(element, should_skip_usage=True)
        elements.append({
            "id": element.id(), "global_id": element.GlobalId, "class": element.is_a(), "name": element.Name,
            "object_type": element.ObjectType, "tag": element.Tag,
            "storey": spatial.GlobalId if spatial is not None and spatial.is_a("IfcBuildingStorey") else None,
            "space": spatial.GlobalId if spatial is not None and spatial.is_a("IfcSpace") else None,
            "material": getattr(material, "Name", None) or (material.is_a() if material is not None else None),
            "properties": psets.get(element.id(), {}),
        })  # fmt: skip
    spaces = []
    for space in model.by_type("IfcSpace"):
        above: Any = ifcopenshell.util.element.get_aggregate(space)
        spaces.append({
            "id": space.id(), "global_id": space.GlobalId, "name": space.Name, "long_name": space.LongName,
            "storey": above.GlobalId if above is not None and above.is_a("IfcBuildingStorey") else None,
            "properties": psets.get(space.id(), {}),
        })  # fmt: skip
    storeys = [{"global_id": s.GlobalId, "name": s.Name, "elevation": s.Elevation} for s in model.by_type("IfcBuildingStorey")]
    unit_m = ifcopenshell.util.unit.calculate_unit_scale(model) if has_length else None
    applications = model.by_type("IfcApplication")
    return {
        "schema": model.schema_identifier,
        "n_instances": sum(1 for _ in model),
        "n_products": len(model.by_type("IfcProduct")),
        "unit_m": unit_m,
        "tool": applications[0].ApplicationFullName if applications else None,
        "georef": read_facts(model, psets, unit_m or 1.0),
        "building_texts": [
            str(text)
            for building in model.by_type("IfcBuilding")
            for text in [building.Name, building.LongName, *(v for s in psets.get(building.id(), {}).values() for v in s.values())]
            if text
        ],
        "storeys": storeys,
        "spaces": spaces,
        "elements": elements,
    }


def main(argv: list[str]) -> int:
    """Run the job."""
    Path(argv[2]).write_text(json.dumps(semantics(argv[1]), ensure_ascii=False), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
