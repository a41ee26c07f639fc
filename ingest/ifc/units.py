"""Units of a model, read inside the child process: what a measure counts in, and its factor to SI."""

from dataclasses import dataclass
from typing import Any

import ifcopenshell.util.unit

_SYMBOLS = {
    "METRE": "m", "SQUARE_METRE": "m2", "CUBIC_METRE": "m3", "GRAM": "g", "SECOND": "s", "RADIAN": "rad", "NEWTON": "N", "PASCAL": "Pa",
    "JOULE": "J", "WATT": "W", "KELVIN": "K", "DEGREE_CELSIUS": "Cel", "AMPERE": "A", "VOLT": "V", "OHM": "Ohm", "HERTZ": "Hz", "LUX": "lx",
    "LUMEN": "lm", "CANDELA": "cd", "MOLE": "mol", "COULOMB": "C", "FARAD": "F", "SIEMENS": "S", "HENRY": "H", "TESLA": "T", "WEBER": "Wb",
    "STERADIAN": "sr",
}  # fmt: skip
_PREFIXES = {"EXA": "E", "PETA": "P", "TERA": "T", "GIGA": "G", "MEGA": "M", "KILO": "k", "HECTO": "h", "DECA": "da", "DECI": "d",
             "CENTI": "c", "MILLI": "m", "MICRO": "u", "NANO": "n", "PICO": "p"}  # fmt: skip
_KILOGRAM = 1e-3


@dataclass(frozen=True)
class Unit:
    """A unit of the file.

    Parameters
    ----------
    factor
        SI value of one.
    symbol, si
        UCUM-like symbols of the unit and of the SI unit.
    """

    factor: float
    symbol: str
    si: str


def _named(unit: Any) -> Unit:  # noqa: ANN401 - IFC entity
    if unit.is_a("IfcSIUnit"):
        name = unit.Name.replace("METER", "METRE")
        factor = float(ifcopenshell.util.unit.get_named_unit_scale(unit))
        symbol = _PREFIXES.get(unit.Prefix or "", "") + _SYMBOLS.get(name, name.lower())
        if name == "GRAM":
            return Unit(factor * _KILOGRAM, symbol, "kg")
        return Unit(factor, symbol, _SYMBOLS.get(name, name.lower()))
    if unit.is_a("IfcConversionBasedUnit"):
        base = _named(unit.ConversionFactor.UnitComponent)
        return Unit(float(unit.ConversionFactor.ValueComponent.wrappedValue) * base.factor, str(unit.Name).lower(), base.si)
    return Unit(1.0, str(getattr(unit, "Name", None) or getattr(unit, "UnitType", "")), "")


def read_unit(unit: Any) -> Unit | None:  # noqa: ANN401 - IFC entity
    """Return a unit; None where it has no factor to SI (money, temperature scales with an offset)."""
    if (
        unit.is_a("IfcMonetaryUnit")
        or unit.is_a("IfcContextDependentUnit")
        or getattr(unit, "UnitType", None) == "THERMODYNAMICTEMPERATUREUNIT"
    ):
        return None
    if not unit.is_a("IfcDerivedUnit"):
        return _named(unit)
    factor, symbols, sis = 1.0, [], []
    for element in unit.Elements:
        part, power = _named(element.Unit), int(element.Exponent)
        factor *= part.factor**power
        shown = "" if power == 1 else str(power)
        symbols.append(f"{part.symbol}{shown}")
        sis.append(f"{part.si}{shown}")
    return Unit(factor, ".".join(symbols), ".".join(sis))


class Units:
    """The units of the project by measure.

    Parameters
    ----------
    model
        Open IFC file.
    """

    def __init__(self, model: Any) -> None:  # noqa: ANN401 - IFC file
        self._types: dict[str, Unit | None] = {}
        self._measures: dict[str, Unit | None] = {}
        self._single: dict[int, Unit | None] = {}
        for assignment in model.by_type("IfcUnitAssignment"):
            for unit in assignment.Units or ():
                kind = getattr(unit, "UnitType", None)
                if kind and kind not in self._types:
                    self._types[kind] = self.of_entity(unit)

    def length_m(self) -> float | None:
        """Return the project's length unit [m], None where it has none."""
        found = self._types.get("LENGTHUNIT")
        return None if found is None or found.si != "m" or not found.factor > 0 else found.factor

    def of_entity(self, unit: Any) -> Unit | None:  # noqa: ANN401 - IFC entity
        """Return the unit of an entity that names it itself."""
        number = unit.id()
        if number not in self._single:
            try:
                self._single[number] = read_unit(unit)
            except (AttributeError, TypeError, ValueError, KeyError, OverflowError, RuntimeError):
                self._single[number] = None
        return self._single[number]

    def of_measure(self, measure: str) -> Unit | None:
        """Return the project's unit of a measure such as IfcAreaMeasure, None where it has none or counts in SI."""
        if measure not in self._measures:
            self._measures[measure] = self._types.get(ifcopenshell.util.unit.get_measure_unit_type(measure))  # type: ignore[arg-type]  # any measure of the schema
        return self._measures[measure]
