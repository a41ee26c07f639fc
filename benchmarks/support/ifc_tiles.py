"""What is in the tiles of a model: normals, ids, draw calls, place."""

import json
from pathlib import Path

import numpy as np

from cim.geometry.ecef import ecef_to_lonlat
from tiles.glb_read import Glb


def facts(folder: Path, middle: tuple[float, float]) -> dict[str, float]:
    """Read every content of a tileset; ``middle`` is the longitude and latitude where the middle of the model belongs [deg]."""
    with_normals = vertices = meshes = 0
    ids: set[str] = set()
    places = []
    for document in folder.rglob("tileset.json"):
        if document.parent.name == "tiles":
            continue
        waiting = [(json.loads(document.read_text())["root"], np.eye(4))]
        while waiting:
            tile, parent = waiting.pop()
            transform = parent @ np.array(tile.get("transform", np.eye(4).ravel())).reshape(4, 4).T
            waiting += [(child, transform) for child in tile.get("children", [])]
            uri = tile.get("content", {}).get("uri", "")
            if not uri.endswith((".glb", ".b3dm")):
                continue
            raw = (document.parent / uri).read_bytes()
            if raw[:4] == b"b3dm":
                sizes = np.frombuffer(raw, "<u4", 4, 12)
                raw = raw[28 + int(sizes.sum()) :]
            glb = Glb(raw)
            for mesh in glb.json.get("meshes", []):
                for primitive in mesh["primitives"]:
                    n = glb.json["accessors"][primitive["attributes"]["POSITION"]]["count"]
                    vertices += n
                    meshes += 1
                    with_normals += n if "NORMAL" in primitive["attributes"] else 0
            tables = glb.json.get("extensions", {}).get("EXT_structural_metadata", {}).get("propertyTables", [])
            for number, table in enumerate(tables):
                if "global_id" in table["properties"]:
                    ids.update(glb.column(number, "global_id"))
            places += [part.vertices @ transform[:3, :3].T + transform[:3, 3] for part in glb.parts()]
    lonlat = ecef_to_lonlat(np.concatenate(places))
    found = (lonlat.min(axis=0) + lonlat.max(axis=0)) / 2
    squeeze = 111_195 * np.cos(np.radians(middle[1]))
    off = float(np.hypot((found[0] - middle[0]) * squeeze, (found[1] - middle[1]) * 111_195))
    return {
        "vertices with normals": round(100 * with_normals / max(vertices, 1), 1),
        "elements with GlobalId": len(ids),
        "meshes to draw": meshes,
        "off place": round(off, 2),
    }
