"""CityJSON 1.0 to 2.0 and CityJSON text sequences (https://www.cityjson.org/specs/2.0.1) → records."""

import itertools
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from cim.errors import SourceSyntaxError, UnsupportedFormatError
from cim.geometry.boundary import TYPES, flatten
from cim.model.city_object import OBJECT_TYPES
from ingest.citymodel.records import CityObject, Head, Shape

VERSIONS = ("1.0", "1.1", "2.0")


def read_head(path: Path) -> Head:
    """Return format and CRS of a file.

    Raises
    ------
    SourceSyntaxError, UnsupportedFormatError
        It is cut off, no CityJSON, or of another version.
    """
    document = _first(path)
    version = str(document.get("version", ""))[:3]
    if document.get("type") != "CityJSON" or version not in VERSIONS:
        raise UnsupportedFormatError(
            path, f"found type {document.get('type')!r} version {document.get('version')!r}, expected CityJSON {', '.join(VERSIONS)}",
            hint="cjio FILE upgrade save OUT",
        )  # fmt: skip
    name = "CityJSONSeq" if _is_sequence(path) else "CityJSON"
    return Head(f"{name} {version}", str((document.get("metadata") or {}).get("referenceSystem") or ""))


def _is_sequence(path: Path) -> bool:
    return path.name.lower().endswith((".jsonl", ".city.jsonl"))


_parsed_last: dict[Path, dict[str, Any]] = {}
"""The document whose head was read: it is large, and its objects are read next."""


def _first(path: Path) -> dict[str, Any]:
    if not _is_sequence(path):
        if path not in _parsed_last:
            _parsed_last.clear()
            _parsed_last[path] = _parsed(path, path.read_bytes(), "")
        return _parsed_last[path]
    with path.open("rb") as lines:
        return _parsed(path, lines.readline(), "line 1")


def _parsed(path: Path, text: bytes, where: str) -> dict[str, Any]:
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise SourceSyntaxError(path, f"not JSON or cut off: {error}", where=where, hint="copy the file again") from error
    if not isinstance(document, dict):
        raise SourceSyntaxError(path, f"found {type(document).__name__}, expected an object", where=where, hint="give a CityJSON file")
    return document


def read_sample(path: Path) -> NDArray[np.float64]:
    """Return some vertices of a file in the CRS of the source, shape (n, 3); none where the first lines of a sequence have none."""
    head = _first(path)
    if not _is_sequence(path):
        return _vertices(head, head, 100)
    with path.open("rb") as lines:
        for number, line in zip(range(2, 102), itertools.islice(lines, 1, None), strict=False):
            found = _vertices(_parsed(path, line, f"line {number}"), head, 100) if line.strip() else np.empty((0, 3))
            if len(found):
                return found
    return np.empty((0, 3))


def _vertices(document: dict[str, Any], head: dict[str, Any], most: int | None = None) -> NDArray[np.float64]:
    xyz = np.asarray((document.get("vertices") or [])[:most] or np.empty((0, 3)), np.float64).reshape(-1, 3)
    transform = head.get("transform")
    return xyz * np.asarray(transform["scale"]) + np.asarray(transform["translate"]) if transform else xyz


def read_objects(path: Path) -> Iterator[CityObject]:
    """Yield the city objects of a file; a sequence is read line by line."""
    if not _is_sequence(path):
        document = _first(path)
        _parsed_last.clear()
        objects = {one.key: one for one in _objects(path, document, document, "")}
        roots = {key: _root(objects, key) for key in objects}
        families = {root: n for n, root in enumerate(dict.fromkeys(roots.values()))}
        for key, one in objects.items():
            one.family = families[roots[key]]
        yield from sorted(objects.values(), key=lambda one: one.family)
        return
    with path.open("rb") as lines:
        head = _parsed(path, lines.readline(), "line 1")
        for number, line in enumerate(lines, 2):
            if line.strip():
                for one in _objects(path, _parsed(path, line, f"line {number}"), head, f"line {number}, "):
                    one.family = number
                    yield one


def _root(objects: dict[str, CityObject], key: str) -> str:
    seen = {key}
    while (parent := objects[key].parent) in objects and parent not in seen:
        seen.add(parent)
        key = parent
    return key


def _objects(path: Path, document: dict[str, Any], head: dict[str, Any], where: str) -> Iterator[CityObject]:
    try:
        xyz = _vertices(document, head)
        appearance = document.get("appearance") or {}
        for key, one in (document.get("CityObjects") or {}).items():
            yield _object(key, one, xyz, appearance)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise SourceSyntaxError(
            path, f"not CityJSON: {type(error).__name__} {error}", where=f"{where}CityObjects", hint="cjio FILE validate"
        ) from error


def _object(key: str, one: dict[str, Any], xyz: Any, appearance: dict[str, Any]) -> CityObject:  # noqa: ANN401 - numpy array
    kind = str(one["type"])
    known = kind if kind in OBJECT_TYPES else "GenericCityObject"
    attributes = dict(one.get("attributes") or {})
    if known != kind:
        attributes["cityjson_type"] = kind
    parents = one.get("parents") or []
    made = CityObject(key, known, attributes, str(parents[0]) if parents else "")
    for geometry in one.get("geometry") or []:
        if geometry["type"] not in TYPES:
            made.skipped.append(str(geometry["type"]))
            continue
        if geometry.get("boundaries"):
            made.shapes.append(_shape(geometry, xyz, appearance))
    return made


def _shape(geometry: dict[str, Any], xyz: Any, appearance: dict[str, Any]) -> Shape:  # noqa: ANN401 - numpy array
    kind = geometry["type"]
    rings = chain.from_iterable(flatten(geometry["boundaries"], kind))
    used = sorted(set(chain.from_iterable(rings)))
    if used and (used[0] < 0 or used[-1] >= len(xyz)):
        raise IndexError(f"vertex {used[-1]} of {len(xyz)}")
    number = dict(zip(used, range(len(used)), strict=True))
    return Shape(
        kind, str(geometry.get("lod", "")), _renumbered(geometry["boundaries"], number), xyz[used], geometry.get("semantics"),
        _appearance(geometry, appearance),
    )  # fmt: skip


def _renumbered(value: Any, number: dict[int, int]) -> Any:  # noqa: ANN401 - nested lists
    if value and isinstance(value[0], int):
        return [*map(number.__getitem__, value)]
    return [_renumbered(one, number) for one in value]


def _appearance(geometry: dict[str, Any], appearance: dict[str, Any]) -> dict[str, Any] | None:
    found: dict[str, Any] = {}
    if geometry.get("material") and appearance.get("materials"):
        found |= {"material": geometry["material"], "materials": appearance["materials"]}
    if geometry.get("texture") and appearance.get("textures"):
        found |= {"texture": geometry["texture"], "textures": appearance["textures"]}
        used = sorted(_numbers(geometry["texture"]))
        vertices = appearance.get("vertices-texture") or []
        found["vertices"] = {str(one): vertices[one] for one in used if 0 <= one < len(vertices)}
    return found or None


def _numbers(value: Any) -> set[int]:  # noqa: ANN401 - nested lists
    if isinstance(value, dict):
        return set().union(*(_numbers(one) for one in value.values()))
    if isinstance(value, list):
        if value and isinstance(value[0], int) and all(isinstance(one, int) for one in value):
            return set(value[1:])
        return set().union(*(_numbers(one) for one in value)) if value else set()
    return set()
