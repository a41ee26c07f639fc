"""City objects of the store as CityJSON 2.0: vertices on the grid, semantics, materials and textures; one file for many objects."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np
import orjson
from numpy.typing import NDArray

from cim.crs import STORE_SRID, transform_xy
from cim.exchange.solid import SCALE_M

Cells = NDArray[np.int64]

_LEVELS = {"4": "3.3"}
"""Levels that CityJSON does not have: the interior of CityGML's level 4 goes into the finest one."""
_ONLY_HERE = ("Unknown", "Relief")
"""Kinds of surfaces that the store has and CityJSON does not."""
_RESTORED = (
    "BridgeConstructiveElement", "BridgeFurniture", "BridgeRoom", "TunnelConstructiveElement", "TunnelFurniture", "TunnelHollowSpace",
)  # fmt: skip
"""Classes that the store keeps as generic objects with their name."""


@dataclass(frozen=True)
class StoredShape:
    """A geometry of the store, see the table ``representation``.

    Parameters
    ----------
    vertices
        Little-endian float64 longitude, latitude [deg], EPSG:4490, and elevation [m].
    """

    lod: str
    kind: str
    vertices: bytes
    boundaries: list[Any]
    semantics: dict[str, Any] | None
    appearance: dict[str, Any] | None


@dataclass
class StoredObject:
    """A city object of the store with its geometries.

    Parameters
    ----------
    code, key
        Code, and its name in a file of city objects.
    parent_code, parent_key
        What it is a part of, empty where it is no part of an object that exists.
    children
        Keys of its parts.
    score
        Overlap with the footprint of its building, 0-1.
    """

    code: str
    key: str
    kind: str
    parent_code: str
    parent_key: str
    building_code: str
    score: float
    attributes: dict[str, Any]
    children: list[str] = field(default_factory=list)
    shapes: list[StoredShape] = field(default_factory=list)

    @property
    def finest(self) -> str:
        """Highest level of detail, empty without geometry."""
        return max((shape.lod for shape in self.shapes), default="")


Models = Callable[[Sequence[str]], list[StoredObject]]
"""Returns city objects: those that show buildings by the codes of these, or those that have the codes."""


def best_families(objects: Iterable[StoredObject]) -> dict[str, list[StoredObject]]:
    """Return the objects that show each building best, parts after what they are parts of.

    Parameters
    ----------
    objects
        Objects that show buildings, parts too.

    Returns
    -------
    dict
        By building code; of several models the one with the highest level of detail, then the best overlap. Models that are no more than an
        outline (level 0) are left out.
    """
    by_building: dict[str, dict[str, StoredObject]] = {}
    for one in objects:
        by_building.setdefault(one.building_code, {})[one.code] = one
    found = {}
    for building, members in by_building.items():
        parts: dict[str, list[StoredObject]] = {}
        for one in members.values():
            parts.setdefault(one.parent_code if one.parent_code in members else "", []).append(one)
        families = [_family(root, parts) for root in parts.get("", [])]
        usable = [family for family in families if max(one.finest for one in family) >= "1"]
        if usable:
            found[building] = max(usable, key=lambda family: (max(one.finest for one in family), family[0].score, family[0].code))
    return found


def _family(root: StoredObject, parts: dict[str, list[StoredObject]]) -> list[StoredObject]:
    found = [root]
    for one in found:
        found += parts.get(one.code, [])
    return found


class Appearances:
    """Materials and textures of all objects of a file, each once; texture vertices go to a file of their own."""

    def __init__(self, spool: IO[bytes]) -> None:
        self.materials: list[dict[str, Any]] = []
        self.textures: list[dict[str, Any]] = []
        self.n_vertices = 0
        self._spool = spool
        self._known: dict[bytes, int] = {}

    def of(self, appearance: dict[str, Any] | None) -> dict[str, Any]:
        """Return ``material`` and ``texture`` of a geometry in numbers of the file."""
        found: dict[str, Any] = {}
        if appearance and "material" in appearance:
            number = {n: self._add(self.materials, {"name": f"material-{n}", **one}) for n, one in enumerate(appearance["materials"])}
            found["material"] = {
                theme: {name: _mapped(value, number) for name, value in told.items()} for theme, told in appearance["material"].items()
            }
        if appearance and "texture" in appearance:
            number = {n: self._add(self.textures, one) for n, one in enumerate(appearance["textures"])}
            places = {}
            for old, place in appearance.get("vertices", {}).items():
                self._spool.write((b"," if self.n_vertices else b"") + orjson.dumps(place))
                places[int(old)] = self.n_vertices
                self.n_vertices += 1
            found["texture"] = {
                theme: {name: _mapped_rings(value, number, places) for name, value in told.items()}
                for theme, told in appearance["texture"].items()
            }
        return found

    def _add(self, kept: list[dict[str, Any]], one: dict[str, Any]) -> int:
        key = (b"m" if kept is self.materials else b"t") + orjson.dumps(one, option=orjson.OPT_SORT_KEYS)
        if key not in self._known:
            self._known[key] = len(kept)
            kept.append(one)
        return self._known[key]


def _mapped(value: Any, number: dict[int, int]) -> Any:  # noqa: ANN401 - nested lists
    if isinstance(value, list):
        return [_mapped(one, number) for one in value]
    return None if value is None else number.get(value)


def _mapped_rings(value: Any, number: dict[int, int], places: dict[int, int]) -> Any:  # noqa: ANN401 - nested lists
    if value and isinstance(value[0], list):
        return [_mapped_rings(one, number, places) for one in value]
    if not value or value[0] is None or value[0] not in number or any(one not in places for one in value[1:]):
        return [None]
    return [number[value[0]], *(places[one] for one in value[1:])]


def cells_of(objects: Sequence[StoredObject], srid: int, origin: tuple[float, float]) -> list[tuple[Cells, list[Cells]]]:
    """Return the vertices of each object on the grid of the file, and the numbers of the vertices of each of its geometries.

    Parameters
    ----------
    srid
        CRS of the file, in metres.
    origin
        Zero of the grid, easting and northing [m].
    """
    shapes = [np.frombuffer(shape.vertices, "<f8").reshape(-1, 3) for one in objects for shape in one.shapes]
    if not shapes:
        return [(np.empty((0, 3), np.int64), []) for _ in objects]
    stacked = np.concatenate(shapes)
    lon, lat = (np.ascontiguousarray(stacked[:, axis]) for axis in (0, 1))
    east, north = transform_xy(f"EPSG:{STORE_SRID}", f"EPSG:{srid}", lon, lat)
    metres = np.column_stack((east - origin[0], north - origin[1], stacked[:, 2]))
    cells = np.rint(metres / SCALE_M).astype(np.int64)
    made, first = [], 0
    sizes = iter([len(shape) for shape in shapes])
    for one in objects:
        counts = [next(sizes) for _ in one.shapes]
        own = cells[first : first + sum(counts)]
        first += len(own)
        kept, number = np.unique(own, axis=0, return_inverse=True) if len(own) else (own, np.empty(0, np.int64))
        made.append((kept, np.split(number.ravel(), np.cumsum(counts)[:-1]) if counts else []))
    return made


def geometry_of(shape: StoredShape, kind: str, numbers: Cells, first: int, appearances: Appearances) -> dict[str, Any]:
    """Return a geometry of CityJSON.

    Parameters
    ----------
    kind
        Class of the object.
    numbers
        Vertex of the object for each vertex of the geometry.
    first
        Number that the object's first vertex has in the file.
    """
    made = {
        # A relief is a composite surface or nothing (clause 2.3.9).
        "type": "CompositeSurface" if kind == "TINRelief" else shape.kind,
        "lod": _LEVELS.get(shape.lod[:1], shape.lod),
        "boundaries": _mapped(shape.boundaries, dict(enumerate((numbers + first).tolist()))),
    }
    semantics = _semantics(shape.semantics)
    return made | ({"semantics": semantics} if semantics else {}) | appearances.of(shape.appearance)


def _semantics(told: dict[str, Any] | None) -> dict[str, Any] | None:
    surfaces = (told or {}).get("surfaces") or []
    kept = [n for n, one in enumerate(surfaces) if one.get("type") not in _ONLY_HERE]
    if told is None or not kept or told.get("values") is None:
        return None
    if len(kept) == len(surfaces):
        return told
    number = {old: new for new, old in enumerate(kept)}
    return {"surfaces": [_renumbered(surfaces[n], number) for n in kept], "values": _mapped(told["values"], number)}


def _renumbered(surface: dict[str, Any], number: dict[int, int]) -> dict[str, Any]:
    made = dict(surface)
    if "parent" in made:
        made["parent"] = number.get(made["parent"])
    if "children" in made:
        made["children"] = [number[one] for one in made["children"] if one in number]
    return {name: value for name, value in made.items() if not (name == "parent" and value is None)}


def class_of(one: StoredObject) -> tuple[str, dict[str, Any]]:
    """Return the class that CityJSON has for an object, and its attributes."""
    told = one.attributes.get("cityjson_type")
    if one.kind == "GenericCityObject" and told in _RESTORED and one.parent_key:
        return str(told), {name: value for name, value in one.attributes.items() if name != "cityjson_type"}
    return one.kind, one.attributes
