"""Colours of CityGML (OGC 12-019 §9, X3DMaterial): which surface has which material, wherever in the file it is told."""

import mmap
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def names_materials(path: Path) -> bool:
    """Tell whether a file has materials at all: most have none and need not be read twice."""
    if not path.stat().st_size:
        return False
    with path.open("rb") as source, mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as text:
        return text.find(b"X3DMaterial") >= 0


class Materials:
    """Materials of a file by the surface they are for.

    Parameters
    ----------
    elements
        ``X3DMaterial`` elements.
    """

    def __init__(self, elements: Iterable[Any] = ()) -> None:
        self._number: dict[str, int] = {}
        self.known: list[dict[str, Any]] = []
        for element in elements:
            colour = _numbers(element.findtext("{*}diffuseColor"))
            if len(colour) != 3:
                continue
            made: dict[str, Any] = {"name": f"material-{len(self.known) + 1}", "diffuseColor": colour}
            if transparency := _numbers(element.findtext("{*}transparency")):
                made["transparency"] = transparency[0]
            for target in element.iterfind("{*}target"):
                name = (target.text or "").strip().rpartition("#")[2]
                # Of several themes the first one counts, as for CityJSON.
                self._number.setdefault(name, len(self.known))
            self.known.append(made)

    def of(self, names: Iterable[str]) -> int | None:
        """Return the material of a surface by its own name and those of what it is part of, nearest first."""
        if not self._number:
            return None
        return next((self._number[name] for name in names if name in self._number), None)

    def appearance(self, numbers: list[int | None], *, is_solid: bool) -> dict[str, Any] | None:
        """Return the materials of the surfaces of a shape as in CityJSON 2.0 §5, those it uses only."""
        used = sorted({one for one in numbers if one is not None})
        if not used:
            return None
        values: list[Any] = [None if one is None else used.index(one) for one in numbers]
        return {"material": {"visual": {"values": [values] if is_solid else values}}, "materials": [self.known[one] for one in used]}


def _numbers(text: str | None) -> list[float]:
    try:
        return [float(one) for one in (text or "").split()]
    except ValueError:
        return []
