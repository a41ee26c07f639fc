"""CityGML 2.0 and 3.0 (OGC 12-019, 20-010) → records: one member in memory at a time, entities refused, nothing fetched."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from lxml import etree

from cim.errors import SourceSyntaxError, UnsupportedFormatError
from cim.model.city_object import SURFACE_TYPES
from ingest.citymodel.citygml_materials import Materials, names_materials
from ingest.citymodel.records import CityObject, Head, Shape

_CLASSES = {
    "Building": "Building", "BuildingPart": "BuildingPart", "BuildingInstallation": "BuildingInstallation",
    "IntBuildingInstallation": "BuildingInstallation", "Room": "BuildingRoom", "BuildingRoom": "BuildingRoom",
    "BuildingFurniture": "BuildingFurniture", "BuildingConstructiveElement": "BuildingConstructiveElement", "Storey": "BuildingStorey",
    "BuildingUnit": "BuildingUnit", "Bridge": "Bridge", "BridgePart": "BridgePart", "BridgeInstallation": "BridgeInstallation",
    "BridgeConstructionElement": "BridgeInstallation", "Tunnel": "Tunnel", "TunnelPart": "TunnelPart",
    "TunnelInstallation": "TunnelInstallation", "Road": "Road", "Track": "Road", "Railway": "Railway", "Square": "TransportSquare",
    "Waterway": "Waterway", "WaterBody": "WaterBody", "PlantCover": "PlantCover", "SolitaryVegetationObject": "SolitaryVegetationObject",
    "TINRelief": "TINRelief", "LandUse": "LandUse", "CityFurniture": "CityFurniture", "GenericCityObject": "GenericCityObject",
    "GenericOccupiedSpace": "GenericCityObject", "OtherConstruction": "OtherConstruction",
}  # fmt: skip
_SURFACES = frozenset(SURFACE_TYPES) | {"DoorSurface", "WindowSurface"}
_SURFACE_NAMES = {"DoorSurface": "Door", "WindowSurface": "Window"}
_LOD = re.compile(r"^lod([0-4])")
_GML_ID = ("{http://www.opengis.net/gml}id", "{http://www.opengis.net/gml/3.2}id")
_HREF = "{http://www.w3.org/1999/xlink}href"
_MEMBERS = ("{*}cityObjectMember", "{*}featureMember")
_VERSION = re.compile(r"http://www\.opengis\.net/citygml(?:/[a-z]+)?/([123]\.\d)")


def _events(path: Path, tag: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - lxml ships no types
    checked = False
    with path.open("rb") as source:
        context = etree.iterparse(
            source, events=("end",), tag=tag, resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True, remove_comments=True
        )
        try:
            for event, element in context:
                if not checked:
                    if element.getroottree().docinfo.doctype:
                        raise UnsupportedFormatError(
                            path, "found a document type declaration, expected plain CityGML", hint="remove the DOCTYPE"
                        )
                    checked = True
                yield event, element
        except etree.XMLSyntaxError as error:
            raise SourceSyntaxError(
                path, f"not XML or cut off: {error.msg}", where=f"line {error.lineno}", hint="copy the file again"
            ) from error


def read_head(path: Path) -> Head:
    """Return version and CRS of a file.

    Raises
    ------
    SourceSyntaxError, UnsupportedFormatError
        It is no CityGML 2.0 or 3.0, cut off, or declares a document type.
    """
    for _, element in _events(path, ("{*}Envelope", *_MEMBERS)):
        root = element.getroottree().getroot()
        found = {match[1] for uri in root.nsmap.values() if (match := _VERSION.match(uri))}
        if _name(root) != "CityModel" or not found & {"2.0", "3.0"}:
            raise UnsupportedFormatError(
                path, f"found <{_name(root)}> of versions {', '.join(sorted(found)) or 'none'}, expected a CityModel of CityGML 2.0 or 3.0",
                hint="citygml-tools upgrade FILE",
            )  # fmt: skip
        named = element if element.get("srsName") else next((one for one in element.iter("{*}*") if one.get("srsName")), None)
        if named is None and _name(element) == "Envelope":
            continue
        return Head(f"CityGML {min(found & {'2.0', '3.0'})}", named.get("srsName") if named is not None else "")
    return Head("CityGML", "")


def read_objects(path: Path) -> Iterator[CityObject]:
    """Yield the city objects of a file, parts after their parent."""
    materials, n = _materials(path), 0
    for _, member in _events(path, _MEMBERS):
        for element in member.iterchildren("{*}*"):
            n += 1
            for one in _convert(element, "", f"{path.stem}-{n}", materials):
                one.family = n
                yield one
        _forget(member)


def _materials(path: Path) -> Materials:
    """Read the materials first: a file may tell them behind the surfaces they are for."""

    def elements() -> Iterator[Any]:
        for _, element in _events(path, ("{*}X3DMaterial", *_MEMBERS)):
            if _name(element) == "X3DMaterial":
                yield element
            else:
                _forget(element)

    return Materials(elements()) if names_materials(path) else Materials()


def _forget(member: Any) -> None:  # noqa: ANN401 - as above
    member.clear()
    while member.getprevious() is not None:
        del member.getparent()[0]


def _name(element: Any) -> str:  # noqa: ANN401 - as above
    return str(etree.QName(element).localname) if isinstance(element.tag, str) else ""


def _id(element: Any) -> str:  # noqa: ANN401 - as above
    return next((value for name in _GML_ID if (value := element.get(name))), "")


def _convert(element: Any, parent: str, fallback: str, materials: Materials) -> Iterator[CityObject]:  # noqa: ANN401 - as above
    name = _name(element)
    if name == "ReliefFeature":
        for n, part in enumerate(element.iterfind(".//{*}TINRelief")):
            yield from _convert(part, "", f"{_id(element) or fallback}-{n + 1}", materials)
        return
    made = CityObject(_id(element) or fallback, _CLASSES.get(name, "GenericCityObject"), _attributes(element), parent)
    if name not in _CLASSES:
        made.attributes["citygml_class"] = name
    polygons, nested = _polygons(element, materials)
    made.shapes = _shapes(element, polygons, materials)
    yield made
    for n, part in enumerate(nested):
        yield from _convert(part, made.key, f"{made.key}-{n + 1}", materials)


def _attributes(element: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
    found: dict[str, Any] = {}
    for child in element.iterchildren("{*}*"):
        name = _name(child)
        if name.endswith(("Attribute", "genericAttribute")):
            inner = child if child.get("name") else next(iter(child), None)
            label = None if inner is None else inner.get("name") or inner.findtext("{*}name")
            value = None if inner is None else inner.findtext("{*}value")
            if label and value is not None:
                found[label] = _value(value)
        elif len(child) == 0 and child.text and child.text.strip() and name not in ("boundedBy",):
            found[name] = _value(child.text)
    return found


def _value(text: str) -> Any:  # noqa: ANN401 - text or number
    text = text.strip()
    try:
        return float(text) if re.fullmatch(r"-?\d+\.\d+", text) else int(text) if re.fullmatch(r"-?(0|[1-9]\d{0,15})", text) else text
    except ValueError:
        return text


class _Ring:
    __slots__ = ("id", "kind", "lod", "material", "rings")

    def __init__(self, rings: list[Any], lod: str, kind: str, name: str, material: int | None) -> None:
        self.rings, self.lod, self.kind, self.id, self.material = rings, lod, kind, name, material


def _polygons(element: Any, materials: Materials) -> tuple[list[_Ring], list[Any]]:  # noqa: ANN401 - as above
    """Return the polygons of an object itself, and the city objects inside it."""
    polygons: list[_Ring] = []
    nested: list[Any] = []
    waiting = [(child, "", "Unknown") for child in reversed(list(element.iterchildren("{*}*")))]
    tin_lod = (element.findtext("{*}lod") or "").strip() if _name(element) == "TINRelief" else ""
    while waiting:
        node, lod, kind = waiting.pop()
        name = _name(node)
        if name in _CLASSES:
            nested.append(node)
            continue
        if name in ("appearance", "appearanceMember"):
            continue
        match = _LOD.match(name)
        lod = match[1] if match else lod
        if name in _SURFACES:
            kind = _SURFACE_NAMES.get(name, name)
        if name in ("Polygon", "Triangle", "Rectangle", "PolygonPatch"):
            rings = [ring for ring in (_ring(one) for one in node.iter("{*}LinearRing")) if ring is not None]
            if rings:
                polygons.append(_Ring(rings, lod or tin_lod or "2", "Relief" if tin_lod else kind, _id(node), _material(node, materials)))
            continue
        waiting += [(child, lod, kind) for child in reversed(list(node.iterchildren("{*}*")))]
    return polygons, nested


def _material(node: Any, materials: Materials) -> int | None:  # noqa: ANN401 - as above
    return materials.of(_id(one) for one in (node, *node.iterancestors())) if materials.known else None


def _ring(ring: Any) -> Any:  # noqa: ANN401 - as above
    text = " ".join((one.text or "") for one in ring.iter("{*}posList", "{*}pos"))
    values = np.array(text.split(), np.float64)
    if len(values) < 9 or len(values) % 3:
        return None
    xyz = values.reshape(-1, 3)
    return xyz[:-1] if np.array_equal(xyz[0], xyz[-1]) else xyz


def _solid_ids(element: Any) -> dict[str, list[str]]:  # noqa: ANN401 - as above
    """Return the polygons of the solid of each level, by id."""
    found: dict[str, list[str]] = {}
    for child in element.iterchildren("{*}*"):
        match = _LOD.match(_name(child))
        if match and _name(child).endswith("Solid"):
            links = [one.get(_HREF).lstrip("#") for one in child.iter("{*}surfaceMember", "{*}baseSurface") if one.get(_HREF)]
            own = [_id(one) for one in child.iter("{*}Polygon", "{*}Triangle")]
            found[match[1]] = [*links, *own]
    return found


def _shapes(element: Any, polygons: list[_Ring], materials: Materials) -> list[Shape]:  # noqa: ANN401 - as above
    solids = _solid_ids(element)
    made = []
    for lod in sorted({one.lod for one in polygons}):
        own = [one for one in polygons if one.lod == lod]
        by_id = {one.id: one for one in own if one.id}
        members = solids.get(lod, [])
        is_solid = bool(members) and all(name in by_id for name in members)
        if is_solid:
            own = list({name: by_id[name] for name in members}.values())
        made.append(_shape(own, lod, materials, is_solid=is_solid))
    return made


def _shape(polygons: list[_Ring], lod: str, materials: Materials, *, is_solid: bool) -> Shape:
    number: dict[tuple[float, ...], int] = {}
    surfaces = [[[number.setdefault(tuple(place), len(number)) for place in ring.tolist()] for ring in one.rings] for one in polygons]
    kinds = sorted({one.kind for one in polygons})
    values: Any = [kinds.index(one.kind) for one in polygons]
    semantics = (
        None if kinds == ["Unknown"] else {"surfaces": [{"type": kind} for kind in kinds], "values": [values] if is_solid else values}
    )
    return Shape(
        "Solid" if is_solid else "MultiSurface", lod, [surfaces] if is_solid else surfaces, np.array(list(number)), semantics,
        materials.appearance([one.material for one in polygons], is_solid=is_solid),
    )  # fmt: skip
