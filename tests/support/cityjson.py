"""CityJSON files as a reader sees them: plain values, nothing of the platform; and the rules that a file has to keep."""

from typing import Any

import numpy as np

# CityJSON 2.0.1, clauses 2 and 3: geometry types per class, levels, members.
LODS = {str(n) for n in range(4)} | {f"{n}.{m}" for n in range(4) for m in range(4)}
SURFACES_ONLY = {"Road", "Railway", "TransportSquare", "Waterway", "LandUse"}
SECOND_LEVEL = (
    "BuildingPart", "BuildingInstallation", "BuildingConstructiveElement", "BuildingFurniture", "BuildingStorey", "BuildingRoom",
    "BuildingUnit", "BridgePart", "BridgeInstallation", "BridgeConstructiveElement", "BridgeRoom", "BridgeFurniture", "TunnelPart",
    "TunnelInstallation", "TunnelConstructiveElement", "TunnelHollowSpace", "TunnelFurniture",
)  # fmt: skip
DEPTH = {"MultiSurface": 2, "CompositeSurface": 2, "Solid": 3, "MultiSolid": 4, "CompositeSolid": 4}
GEOMETRY = {"type", "lod", "boundaries", "semantics", "material", "texture"}


def faults(document: dict[str, Any]) -> list[str]:
    """Return what is wrong with a CityJSON 2.0 object: links, vertices, nesting of semantics and appearance."""
    found = []
    if (document.get("type"), document.get("version")) != ("CityJSON", "2.0"):
        found.append("no CityJSON 2.0")
    found += [
        f"member {name}" for name in set(document) - {"type", "version", "transform", "CityObjects", "vertices", "metadata", "appearance"}
    ]
    used: set[int] = set()
    objects = document["CityObjects"]
    appearance = document.get("appearance", {})
    for key, one in objects.items():
        found += [f"{key}: member {name}" for name in set(one) - {"type", "attributes", "parents", "children", "geometry"}]
        found += [f"{key}: child {child}" for child in one.get("children", []) if key not in objects.get(child, {}).get("parents", [])]
        found += [f"{key}: parent {parent}" for parent in one.get("parents", []) if key not in objects.get(parent, {}).get("children", [])]
        if (one["type"] in SECOND_LEVEL) != ("parents" in one):
            found.append(f"{key}: {one['type']} with parents {one.get('parents')}")
        for n, geometry in enumerate(one.get("geometry", [])):
            found += [f"{key}[{n}]: {fault}" for fault in _geometry_faults(one["type"], geometry, appearance, used)]
    if used != set(range(len(document["vertices"]))):
        found.append(f"{len(used)} of {len(document['vertices'])} vertices are used")
    return found


def _geometry_faults(kind: str, geometry: dict[str, Any], appearance: dict[str, Any], used: set[int]) -> list[str]:
    found = [f"member {name}" for name in set(geometry) - GEOMETRY]
    if geometry["lod"] not in LODS:
        found.append(f"lod {geometry['lod']!r}")
    if kind == "TINRelief" and geometry["type"] != "CompositeSurface":
        found.append(f"{geometry['type']} of a relief")
    if kind in SURFACES_ONLY and geometry["type"] not in ("MultiSurface", "CompositeSurface"):
        found.append(f"{geometry['type']} of a {kind}")
    depth = DEPTH[geometry["type"]]
    rings = [ring for ring, _ in flat(geometry["boundaries"], depth)]
    used.update(number for ring in rings for number in ring)
    found += [f"ring {ring}" for ring in rings if len(ring) < 3 or not all(isinstance(one, int) for one in ring)]
    shape = skeleton(geometry["boundaries"], depth - 1)
    if "semantics" in geometry:
        semantics = geometry["semantics"]
        if skeleton(semantics["values"], depth - 1) != shape:
            found.append("semantics nest another way")
        values = [value for value, _ in flat(semantics["values"], depth - 1)]
        found += [f"semantics {value}" for value in values if value is not None and not 0 <= value < len(semantics["surfaces"])]
        found += [f"surface {one}" for one in semantics["surfaces"] if one["type"] in ("Unknown", "Relief")]
    for theme in geometry.get("material", {}).values():
        values = [theme["value"]] if "value" in theme else [value for value, _ in flat(theme["values"], depth - 1)]
        found += [f"material {value}" for value in values if value is not None and not 0 <= value < len(appearance["materials"])]
    for theme in geometry.get("texture", {}).values():
        for (told, _), ring in zip(flat(theme["values"], depth), rings, strict=True):
            if told != [None] and (len(told) != len(ring) + 1 or told[0] >= len(appearance["textures"])):
                found.append(f"texture {told}")
            if told != [None] and max(told[1:]) >= len(appearance["vertices-texture"]):
                found.append(f"texture vertex {told}")
    return found


def flat(nested: Any, depth: int, place: tuple[int, ...] = ()) -> list[tuple[Any, tuple[int, ...]]]:
    """Return what lies at a depth, with its place."""
    if depth == 0 or nested is None:
        return [(nested, place)]
    return [found for n, one in enumerate(nested) for found in flat(one, depth - 1, (*place, n))]


def skeleton(nested: Any, depth: int) -> Any:
    """Return the lengths of the lists down to a depth."""
    return len(nested) if depth == 1 else [skeleton(one, depth - 1) for one in nested]


def plain(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the objects with coordinates [units of the CRS] instead of numbers, and each surface with its meaning and appearance."""
    xyz = np.array(document["vertices"], float).reshape(-1, 3)
    if "transform" in document:
        xyz = xyz * document["transform"]["scale"] + document["transform"]["translate"]
    appearance = document.get("appearance", {})
    made = {}
    for key, one in document["CityObjects"].items():
        shapes = {
            str(geometry["lod"]): _shape(geometry, xyz, appearance) for geometry in one.get("geometry", []) if geometry.get("boundaries")
        }
        made[key] = {
            "type": one["type"], "attributes": one.get("attributes", {}), "parents": one.get("parents", []),
            "children": sorted(one.get("children", [])), "shapes": shapes,
        }  # fmt: skip
    return made


def _shape(geometry: dict[str, Any], xyz: Any, appearance: dict[str, Any]) -> dict[str, Any]:
    depth = DEPTH[geometry["type"]]
    meanings = []
    if "semantics" in geometry:
        surfaces = geometry["semantics"]["surfaces"]
        meanings = [None if v is None else surfaces[v] for v, _ in flat(geometry["semantics"]["values"], depth - 1)]
    n = len(flat(geometry["boundaries"], depth - 1))
    materials = {}
    for theme, told in geometry.get("material", {}).items():
        values = [told["value"]] * n if "value" in told else [v for v, _ in flat(told["values"], depth - 1)]
        materials[theme] = [None if v is None else appearance["materials"][v] for v in values]
    textures = {}
    for theme, told in geometry.get("texture", {}).items():
        textures[theme] = [
            None if ring[0] is None else (appearance["textures"][ring[0]], [appearance["vertices-texture"][v] for v in ring[1:]])
            for ring, _ in flat(told["values"], depth)
        ]
    rings = [(place, xyz[ring]) for ring, place in flat(geometry["boundaries"], depth)]
    return {"type": geometry["type"], "rings": rings, "meanings": meanings, "materials": materials, "textures": textures}
