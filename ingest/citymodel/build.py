"""Records of a city model → rows of the store: placed, triangulated, checked; a batch at a time."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
import shapely
from numpy.typing import NDArray

from cim.crs import STORE_SRID
from cim.geometry import boundary
from cim.model.city_object import SURFACE_TYPES
from ingest.citymodel.place import Place
from ingest.citymodel.records import CityObject, Shape

Floats = NDArray[np.float64]
_NUMBER = {name: n for n, name in enumerate(SURFACE_TYPES)}
_CIM_LEVELS = {"0": 2, "1": 2, "2": 3, "3": 4, "4": 5}
_NAMES = ("name", "Name", "名称", "bldg:name")


@dataclass
class MadeShape:
    """A geometry ready for the store.

    Parameters
    ----------
    lonlat
        Longitude, latitude [deg], elevation [m], shape (n, 3).
    metres
        Easting, northing, elevation in the city's CRS [m], shape (n, 3).
    faces, surfaces, colours
        As in the table ``representation``.
    owner
        Surface of each face.
    """

    lod: str
    kind: str
    cim_level: int
    lonlat: Floats
    metres: Floats
    boundaries: list[Any]
    semantics: dict[str, Any] | None
    appearance: dict[str, Any] | None
    faces: NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 3), np.int64))
    surfaces: NDArray[np.uint8] = field(default_factory=lambda: np.empty(0, np.uint8))
    owner: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    colours: bytes | None = None
    faults: list[tuple[str, int]] = field(default_factory=list)
    content_hash: str = ""


@dataclass
class Made:
    """A city object ready for the store; ``outline`` is hexadecimal EWKB, ``ground`` its outline in the city's CRS [m]."""

    key: str
    kind: str
    name: str | None
    parent: str
    root: str
    attributes: dict[str, Any]
    skipped: list[str]
    shapes: list[MadeShape]
    outline: str | None = None
    ground: Any = None
    base_m: float | None = None
    top_m: float | None = None
    content_hash: str = ""


@dataclass(frozen=True)
class Batch:
    """Objects, families whole."""

    objects: list[Made]
    place: Place


def build_batch(objects: list[CityObject], place: Place) -> Batch:
    """Place, triangulate and check the objects of a batch.

    Parameters
    ----------
    objects
        Families whole.
    place
        See `ingest.citymodel.place.Place`.
    """
    keys = {one.key: one for one in objects}
    shapes = [shape for one in objects for shape in _one_per_lod(one)]
    placed = _placed(shapes, place)
    made, at = [], 0
    for one in objects:
        n = len(one.shapes)
        name = next((str(one.attributes[key]) for key in _NAMES if one.attributes.get(key)), None)
        made.append(Made(one.key, one.kind, name, one.parent, _root(keys, one.key), one.attributes, one.skipped, placed[at : at + n]))
        at += n
    _triangulate(placed)
    for ready in made:
        _finish(ready)
    _outlines(made, place)
    return Batch(made, place)


def _one_per_lod(one: CityObject) -> list[Shape]:
    """Keep one geometry of each level of detail: a solid before surfaces, else the first."""
    kept: dict[str, Shape] = {}
    for shape in sorted(one.shapes, key=lambda shape: shape.kind != "Solid"):
        if shape.lod in kept:
            one.skipped.append(f"{shape.kind} beside another geometry of level {shape.lod}")
        else:
            kept[shape.lod] = shape
    one.shapes = list(kept.values())
    return one.shapes


def _root(keys: dict[str, CityObject], key: str) -> str:
    seen = {key}
    while (parent := keys[key].parent) in keys and parent not in seen:
        seen.add(parent)
        key = parent
    return key


def _placed(shapes: list[Shape], place: Place) -> list[MadeShape]:
    if not shapes:
        return []
    lonlat, metres = place.to_store(np.concatenate([shape.xyz for shape in shapes]))
    ends = np.cumsum([len(shape.xyz) for shape in shapes])
    made = []
    for shape, first, end in zip(shapes, np.concatenate(([0], ends[:-1])), ends, strict=True):
        level = _CIM_LEVELS.get(shape.lod[:1], 2)
        made.append(
            MadeShape(
                shape.lod or "0", shape.kind, level, np.ascontiguousarray(lonlat[first:end]), metres[first:end], shape.boundaries,
                shape.semantics, shape.appearance,
            )
        )  # fmt: skip
    return made


def _triangulate(shapes: list[MadeShape]) -> None:
    if not shapes:
        return
    flat = [boundary.flatten(shape.boundaries, shape.kind) for shape in shapes]
    surfaces = boundary.surfaces_of([(polygons, shape.metres) for polygons, shape in zip(flat, shapes, strict=True)])
    faults = boundary.check(surfaces, [shape.kind for shape in shapes])
    faces = boundary.triangles(surfaces)
    cuts = np.searchsorted(faces.surface, surfaces.geometry_start)
    for n, (shape, polygons) in enumerate(zip(shapes, flat, strict=True)):
        part = slice(cuts[n], cuts[n + 1])
        shape.faces = surfaces.vertex[faces.corners[part]]
        owner = faces.surface[part] - surfaces.geometry_start[n]
        kinds, colours = _kinds(shape, len(polygons)), _colours(shape, len(polygons))
        shape.surfaces, shape.owner = kinds[owner], owner
        if colours is not None:
            shape.colours = colours[owner].tobytes()
        shape.faults = faults[n]


def _values(value: Any, kind: str, n: int) -> list[Any]:  # noqa: ANN401 - nested lists
    found = boundary.flatten(value or [], kind)
    return [*found, *[None] * (n - len(found))][:n]


def _kinds(shape: MadeShape, n: int) -> NDArray[np.uint8]:
    if not shape.semantics:
        return np.zeros(n, np.uint8)
    known = [_NUMBER.get(str(one.get("type")), 0) for one in shape.semantics.get("surfaces") or []]
    values = _values(shape.semantics.get("values"), shape.kind, n)
    return np.array([known[v] if isinstance(v, int) and 0 <= v < len(known) else 0 for v in values], np.uint8)


def _colours(shape: MadeShape, n: int) -> NDArray[np.uint8] | None:
    """Return the diffuse colour of the first theme's material per surface, alpha 0 where there is none."""
    if not shape.appearance or "material" not in shape.appearance:
        return None
    theme = next(iter(shape.appearance["material"].values()), None) or {}
    materials = shape.appearance["materials"]
    table = np.zeros((len(materials) + 1, 4), np.uint8)
    for number, one in enumerate(materials):
        if one.get("diffuseColor"):
            opacity = 1 - float(one.get("transparency") or 0)
            table[number, :] = np.rint(np.clip([*one["diffuseColor"][:3], opacity], 0, 1) * 255)
    values = [theme["value"]] * n if "value" in theme else _values(theme.get("values"), shape.kind, n)
    return table[[v if isinstance(v, int) and 0 <= v < len(materials) else len(materials) for v in values]]


def _finish(one: Made) -> None:
    heights = [shape.lonlat[:, 2] for shape in one.shapes if len(shape.lonlat)]
    if heights:
        one.base_m, one.top_m = float(min(h.min() for h in heights)), float(max(h.max() for h in heights))
    for shape in one.shapes:
        text = orjson.dumps([shape.lod, shape.kind, shape.boundaries, shape.semantics, shape.appearance], option=orjson.OPT_NON_STR_KEYS)
        shape.content_hash = hashlib.sha256(text + np.round(shape.lonlat, 9).tobytes()).hexdigest()
    facts = orjson.dumps([one.kind, one.parent, one.attributes, [shape.content_hash for shape in one.shapes]], option=orjson.OPT_SORT_KEYS)
    one.content_hash = hashlib.sha256(facts).hexdigest()


def _outlines(objects: list[Made], place: Place) -> None:
    """Give each object its outline seen from above: ground surfaces, else what faces down, else everything."""
    chosen = [(one, max(one.shapes, key=lambda s: (s.lod[:1] != "0", -len(s.faces)))) for one in objects if one.shapes]
    chosen = [(one, shape) for one, shape in chosen if len(shape.faces)]
    if not chosen:
        return
    sizes = np.array([len(shape.faces) for _, shape in chosen])
    starts = np.concatenate(([0], np.cumsum(sizes)))
    corners = np.concatenate([shape.metres[shape.faces] for _, shape in chosen])
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    upwards = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    low = np.concatenate([shape.surfaces for _, shape in chosen]) == _NUMBER["GroundSurface"]
    for better in (upwards < -1e-6, np.abs(upwards) > 1e-6):
        # What has none of the better sort takes the next one.
        lacks = np.repeat(np.add.reduceat(low, starts[:-1]) == 0, sizes)
        low = np.where(lacks, better, low)
    rows = np.flatnonzero(low)
    triangles = shapely.polygons(corners[rows][:, :, :2])
    cuts = np.searchsorted(rows, starts)
    owners = np.concatenate([shape.owner for _, shape in chosen])
    single: dict[int, list[int]] = {}
    for n, (_, shape) in enumerate(chosen):
        surfaces = owners[rows[cuts[n] : cuts[n + 1]]]
        if len(surfaces) and (surfaces == surfaces[0]).all():
            rings = boundary.flatten(shape.boundaries, shape.kind)[int(surfaces[0])]
            if len(rings) == 1 and len(rings[0]) >= 3:
                single[n] = rings[0]
    areas: list[Any] = [None] * len(chosen)
    for n, area in zip(single, _polygons([chosen[n][1].metres[ring][:, :2] for n, ring in single.items()]), strict=True):
        areas[n] = area
    for n in range(len(chosen)):
        if areas[n] is None:
            areas[n] = _union(triangles[cuts[n] : cuts[n + 1]])
    found = [n for n, area in enumerate(areas) if area is not None]
    made = np.array([areas[n] for n in found], dtype=object)
    wkb = shapely.to_wkb(shapely.set_srid(place.to_lonlat(made), STORE_SRID), hex=True, include_srid=True)
    for n, area, text in zip(found, made, wkb, strict=True):
        chosen[n][0].ground, chosen[n][0].outline = area, text


def _polygons(rings: list[Floats]) -> list[Any]:
    """Return each ring as a multipolygon, None where it crosses itself or has no area."""
    if not rings:
        return []
    at = np.repeat(np.arange(len(rings)), [len(ring) for ring in rings])
    made = shapely.polygons(shapely.linearrings(np.concatenate(rings), indices=at))
    usable = shapely.is_valid(made) & (shapely.area(made) > 0)
    return [one if good else None for one, good in zip(shapely.multipolygons(made[:, None]), usable, strict=True)]


def _union(triangles: Any) -> Any:  # noqa: ANN401 - shapely ships no types
    whole = shapely.union_all(triangles[shapely.area(triangles) > 0])
    parts = [part for part in shapely.get_parts(whole) if part.geom_type == "Polygon" and part.area > 0]
    return shapely.multipolygons(parts) if parts else None
