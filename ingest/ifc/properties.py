"""Property sets and quantities, read inside the child process: each set once, in SI, with what the file said where that differs."""

import math
from typing import Any

from ingest.ifc.units import Unit, Units

MAX_TEXT = 10_000
_QUANTITIES = {
    "IfcQuantityLength": ("LengthValue", "IfcLengthMeasure"), "IfcQuantityArea": ("AreaValue", "IfcAreaMeasure"),
    "IfcQuantityVolume": ("VolumeValue", "IfcVolumeMeasure"), "IfcQuantityWeight": ("WeightValue", "IfcMassMeasure"),
    "IfcQuantityTime": ("TimeValue", "IfcTimeMeasure"), "IfcQuantityCount": ("CountValue", "IfcCountMeasure"),
    "IfcQuantityNumber": ("NumberValue", "IfcNumericMeasure"),
}  # fmt: skip
_LISTS = {"IfcPropertyEnumeratedValue": "EnumerationValues", "IfcPropertyListValue": "ListValues"}
_COMPLEX = {"IfcComplexProperty": "HasProperties", "IfcPhysicalComplexQuantity": "HasQuantities"}
_DEPTH = 4
_ROOT = 4
"""Attributes of IfcRoot, which are no properties of a predefined set."""


def text(value: Any) -> str | None:  # noqa: ANN401 - IFC attribute
    """Return a text of the file, cut to what anybody reads; None for none."""
    if value is None:
        return None
    words = str(value).replace("\x00", "")
    return words if len(words) <= MAX_TEXT else words[: MAX_TEXT - 1] + "…"


def _plain(value: Any) -> Any:  # noqa: ANN401 - IFC value
    inner = getattr(value, "wrappedValue", value)
    if inner is None or isinstance(inner, bool | int):
        return inner
    if isinstance(inner, float):
        return inner if math.isfinite(inner) else None
    if isinstance(inner, tuple | list):
        return [_plain(part) for part in inner]
    return text(inner)


def _measure(*wrapped: Any) -> str | None:  # noqa: ANN401 - IFC values
    """Return the measure of the first value, None where there is none."""
    return wrapped[0].is_a() if wrapped and hasattr(wrapped[0], "is_a") else None


class PropertyReader:
    """Reads definitions of properties, each one once.

    Parameters
    ----------
    units
        Of the project.
    """

    def __init__(self, units: Units) -> None:
        self._units = units
        self.sets: dict[int, dict[str, Any]] = {}
        """By instance number: name, values (SI), originals, raw (as in the file; sets of map conversions only)."""

    def read(self, definition: Any) -> int:  # noqa: ANN401 - IFC entity
        """Read a set; return its instance number."""
        number = int(definition.id())
        if number in self.sets:
            return number
        values: dict[str, Any] = {}
        originals: dict[str, Any] = {}
        raw: dict[str, Any] = {}
        name = text(getattr(definition, "Name", None)) or definition.is_a()
        items = [*(getattr(definition, "HasProperties", None) or ()), *(getattr(definition, "Quantities", None) or ())]
        keep_raw = name.lower().startswith("epset_")
        for item in items:
            self._item(item, values, originals, depth=0)
            if keep_raw and item.is_a("IfcPropertySingleValue"):
                raw[item.Name] = _plain(item.NominalValue)
        if not items and not definition.is_a("IfcPropertySet") and not definition.is_a("IfcElementQuantity"):
            self._predefined(definition, values, originals)
        self.sets[number] = {"name": name, "values": values}
        if originals:
            self.sets[number]["originals"] = originals
        if raw:
            self.sets[number]["raw"] = raw
        return number

    def _unit(self, item: Any, measure: str | None) -> Unit | None:  # noqa: ANN401 - IFC entity
        own = getattr(item, "Unit", None)
        if own is not None:
            return self._units.of_entity(own)
        return None if measure is None else self._units.of_measure(measure)

    def _put(
        self, name: str, value: Any, unit: Unit | None, values: dict[str, Any], originals: dict[str, Any]  # noqa: ANN401 - IFC value
    ) -> None:  # fmt: skip
        if unit is not None and unit.si and unit.symbol != unit.si and _is_number(value):
            originals[name] = {"value": value, "unit": unit.symbol, "si": unit.si}
            value = [part * unit.factor for part in value] if isinstance(value, list) else value * unit.factor
        values[name] = value

    def _single(self, item: Any, values: dict[str, Any], originals: dict[str, Any]) -> None:  # noqa: ANN401 - IFC entity
        """Read an IfcPropertySingleValue by the places of its attributes, the same in all schemas: most of a model is made of them."""
        name, value, own = item.get_argument(0), item.get_argument(2), item.get_argument(3)
        measure = value.is_a() if hasattr(value, "is_a") else None
        unit = None if measure is None else self._units.of_measure(measure)
        if own is not None:
            unit = self._units.of_entity(own)
        self._put(text(name) or "", _plain(value if measure is None else value.get_argument(0)), unit, values, originals)

    def _item(self, item: Any, values: dict[str, Any], originals: dict[str, Any], depth: int) -> None:  # noqa: ANN401 - IFC entity
        kind = item.is_a()
        if kind == "IfcPropertySingleValue":
            self._single(item, values, originals)
            return
        name = text(item.Name) or ""
        if kind in _QUANTITIES:
            attribute, measure = _QUANTITIES[kind]
            self._put(name, _plain(getattr(item, attribute)), self._unit(item, measure), values, originals)
        elif kind in _LISTS:
            several = getattr(item, _LISTS[kind]) or ()
            self._put(name, [_plain(v) for v in several], self._unit(item, _measure(*several[:1])), values, originals)
        elif kind == "IfcPropertyTableValue":
            values[name] = {
                "defining": [_plain(v) for v in item.DefiningValues or ()],
                "defined": [_plain(v) for v in item.DefinedValues or ()],
            }
        elif kind == "IfcPropertyReferenceValue":
            target = item.PropertyReference
            values[name] = None if target is None else text(getattr(target, "Name", None)) or target.is_a()
        elif kind == "IfcPropertyBoundedValue" or (kind in _COMPLEX and depth < _DEPTH):
            inner: dict[str, Any] = {}
            was: dict[str, Any] = {}
            if kind in _COMPLEX:
                for part in getattr(item, _COMPLEX[kind]) or ():
                    self._item(part, inner, was, depth + 1)
            else:
                self._bounds(item, inner, was)
            values[name] = inner
            if was:
                originals[name] = was

    def _bounds(self, item: Any, values: dict[str, Any], originals: dict[str, Any]) -> None:  # noqa: ANN401 - IFC entity
        for key, attribute in (("lower", "LowerBoundValue"), ("upper", "UpperBoundValue"), ("set_point", "SetPointValue")):
            wrapped = getattr(item, attribute, None)
            if wrapped is not None:
                self._put(key, _plain(wrapped), self._unit(item, _measure(wrapped)), values, originals)

    def _predefined(self, definition: Any, values: dict[str, Any], originals: dict[str, Any]) -> None:  # noqa: ANN401 - IFC entity
        """Read a predefined set (door lining, reinforcement, …), whose properties are attributes of the schema."""
        for index in range(_ROOT, len(definition)):
            value = definition[index]
            if value is None or hasattr(value, "id"):
                continue
            attribute = definition.declaration.attribute_by_index(index)
            kind = attribute.type_of_attribute().as_named_type()
            measure = None if kind is None else kind.declared_type().name()
            self._put(attribute.name(), _plain(value), self._unit(None, measure), values, originals)


def _is_number(value: Any) -> bool:  # noqa: ANN401 - IFC value
    if isinstance(value, list):
        return bool(value) and all(_is_number(part) for part in value)
    return isinstance(value, int | float) and not isinstance(value, bool)
