"""Property sets of objects as JSON: each set is written once, however many objects share it."""

import hashlib
from dataclasses import dataclass
from typing import Any

import orjson


@dataclass(frozen=True)
class Properties:
    """The property sets of an object.

    Parameters
    ----------
    text
        JSON object of sets, SI units.
    originals
        JSON object of the values that the file has in another unit.
    digest
        Hash of both; equal for equal content, whatever the numbers in the file.
    sets
        The same as values.
    """

    text: str
    originals: str
    digest: str
    sets: dict[str, dict[str, Any]]


class PropertySets:
    """Sets of a model by instance number.

    Parameters
    ----------
    sets
        ``sets`` of the child's document.
    """

    def __init__(self, sets: dict[str, dict[str, Any]]) -> None:
        self._sets = {int(number): one for number, one in sets.items()}
        self._texts: dict[int, str] = {}
        self._known: dict[tuple[int, ...], Properties] = {}

    def of(self, numbers: list[int]) -> Properties:
        """Return the sets that hold for an object; of sets with one name the later ones override property by property."""
        key = tuple(numbers)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._make(key)
        return found

    def _make(self, numbers: tuple[int, ...]) -> Properties:
        by_name: dict[str, list[int]] = {}
        for number in numbers:
            by_name.setdefault(self._sets[number]["name"], []).append(number)
        values: dict[str, dict[str, Any]] = {}
        originals: dict[str, dict[str, Any]] = {}
        parts = []
        for name in sorted(by_name):
            same = by_name[name]
            if len(same) == 1:
                one = self._sets[same[0]]
                values[name] = one["values"]
                if one.get("originals"):
                    originals[name] = one["originals"]
                parts.append(f"{_json(name)}:{self._text(same[0])}")
                continue
            merged: dict[str, Any] = {}
            units: dict[str, Any] = {}
            for number in same:
                one = self._sets[number]
                merged |= one["values"]
                # A later value in SI has no original of its own: that of the set it overrides must not stay.
                units = {key: unit for key, unit in units.items() if key not in one["values"]} | one.get("originals", {})
            values[name] = merged
            if units:
                originals[name] = units
            parts.append(f"{_json(name)}:{_json(merged)}")
        text = "{" + ",".join(parts) + "}"
        also = _json(originals) if originals else "{}"
        return Properties(text, also, hashlib.blake2b(f"{text}{also}".encode(), digest_size=8).hexdigest(), values)

    def _text(self, number: int) -> str:
        if number not in self._texts:
            self._texts[number] = _json(self._sets[number]["values"])
        return self._texts[number]


def _json(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return orjson.dumps(value).decode()
