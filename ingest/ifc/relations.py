"""The relations of a model by instance number, read in one pass inside the child process."""

from collections import defaultdict
from typing import Any

from ingest.ifc.properties import text

STOREYS = ("IfcBuildingStorey", "IfcFacilityPart")
"""Classes whose objects hold elements level by level."""


def guid(item: Any) -> str:  # noqa: ANN401 - IFC entity
    """Return the GlobalId of an object; its number in the file where it has none."""
    return (text(item.GlobalId) or f"#{item.id()}")[:40]


def of(model: Any, name: str) -> list[Any]:  # noqa: ANN401 - IFC file
    """Return the entities of a class, none where the schema has no such class."""
    try:
        return list(model.by_type(name))
    except RuntimeError:
        return []


class Relations:
    """The relations of a model by instance number."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401 - IFC file
        self.parent: dict[int, Any] = {}
        self.children: dict[int, list[Any]] = defaultdict(list)
        self.container: dict[int, Any] = {}
        self.type: dict[int, Any] = {}
        self.host: dict[int, Any] = {}
        self.definitions: dict[int, list[Any]] = defaultdict(list)
        self.material: dict[int, Any] = {}
        self.classes: dict[int, list[Any]] = defaultdict(list)
        self.members: dict[int, list[Any]] = defaultdict(list)
        self._read_tree(model)
        self._read_definitions(model)
        self._read_groups(model)

    def _read_tree(self, model: Any) -> None:  # noqa: ANN401 - IFC file
        for name in ("IfcRelAggregates", "IfcRelNests"):
            for relation in of(model, name):
                for part in relation.RelatedObjects or ():
                    self.parent.setdefault(part.id(), relation.RelatingObject)
                    self.children[relation.RelatingObject.id()].append(part)
        for relation in of(model, "IfcRelContainedInSpatialStructure"):
            for part in relation.RelatedElements or ():
                self.container.setdefault(part.id(), relation.RelatingStructure)
        opened = {relation.RelatedOpeningElement.id(): relation.RelatingBuildingElement for relation in of(model, "IfcRelVoidsElement")}
        for relation in of(model, "IfcRelFillsElement"):
            host = opened.get(relation.RelatingOpeningElement.id())
            if host is not None:
                self.host[relation.RelatedBuildingElement.id()] = host

    def _read_definitions(self, model: Any) -> None:  # noqa: ANN401 - IFC file
        for relation in of(model, "IfcRelDefinesByType"):
            for part in relation.RelatedObjects or ():
                self.type[part.id()] = relation.RelatingType
        for relation in of(model, "IfcRelDefinesByProperties"):
            definition = relation.RelatingPropertyDefinition
            # IfcPropertySetDefinitionSet is a list of definitions in place of one.
            several = definition.wrappedValue if definition.is_a("IfcPropertySetDefinitionSet") else (definition,)
            for part in relation.RelatedObjects or ():
                self.definitions[part.id()].extend(several)
        for relation in of(model, "IfcRelAssociatesMaterial"):
            for part in relation.RelatedObjects or ():
                self.material.setdefault(part.id(), relation.RelatingMaterial)
        for relation in of(model, "IfcRelAssociatesClassification"):
            for part in relation.RelatedObjects or ():
                self.classes[part.id()].append(relation.RelatingClassification)

    def _read_groups(self, model: Any) -> None:  # noqa: ANN401 - IFC file
        for relation in of(model, "IfcRelAssignsToGroup"):
            if relation.RelatingGroup is not None:
                self.members[relation.RelatingGroup.id()].extend(relation.RelatedObjects or ())
        for relation in of(model, "IfcRelReferencedInSpatialStructure"):
            if relation.RelatingStructure.is_a("IfcSpatialZone"):
                self.members[relation.RelatingStructure.id()].extend(relation.RelatedElements or ())

    def whole(self, item: Any) -> Any:  # noqa: ANN401 - IFC entities
        """Return what an element is part of, or whose opening it fills; None where it stands alone."""
        return self.parent.get(item.id()) or self.host.get(item.id())

    def places(self, item: Any) -> tuple[str | None, str | None]:  # noqa: ANN401 - IFC entity
        """Return GlobalIds of the storey and of the space that hold an element, itself or by what it is part of."""
        storey = space = None
        seen: set[int] = set()
        while item is not None and item.id() not in seen:
            seen.add(item.id())
            if item.is_a("IfcSpace") and space is None and len(seen) > 1:
                space = guid(item)
            if any(item.is_a(name) for name in STOREYS) and len(seen) > 1:
                storey = guid(item)
                break
            item = self.container.get(item.id()) or self.whole(item)
        return storey, space
