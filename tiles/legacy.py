"""3D Tiles 1.0 for old clients: a layer with b3dm contents, written by py3dtiles out of our tiles.

Positions become plain float32, attributes a batch table. Instanced contents are written once per instance.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pygltflib
from py3dtiles.tileset.content import B3dm
from py3dtiles.tileset.content.b3dm_feature_table import B3dmFeatureTable
from py3dtiles.tileset.content.batch_table import BatchTable
from py3dtiles.tileset.content.gltf_utils import GltfAttribute, GltfMesh, GltfPrimitive

from cim.errors import TileError
from cim.geometry.mesh import to_y_up
from cim.settings import Settings
from tiles.archive import published_files
from tiles.glb_read import Glb
from tiles.store import TileStore


def to_b3dm(content: bytes) -> bytes:
    """Turn a glb with a property table into a b3dm with a batch table (3D Tiles 1.0, "Batched 3D Model").

    Parameters
    ----------
    content
        The glb.
    """
    glb = Glb(content)
    table = glb.json["extensions"]["EXT_structural_metadata"]["propertyTables"][0]
    meshes = []
    materials = [_material(told) for told in glb.json.get("materials", [])]
    for part in glb.parts():
        points, ids = to_y_up(part.vertices), np.zeros(len(part.vertices)) if part.features is None else part.features
        # _BATCHID as float: 32-bit integers are no vertex attribute (glTF 2.0, section 3.7.2.1).
        attribute = GltfAttribute("_BATCHID", pygltflib.SCALAR, pygltflib.FLOAT, ids.astype(np.float32))
        triangles = GltfPrimitive(
            triangles=part.triangles.astype(np.uint32), material=None if part.material is None else materials[part.material]
        )
        meshes.append(GltfMesh(points, normals=to_y_up(part.normals), primitives=[triangles], additional_attributes=[attribute]))
    features, batch = B3dmFeatureTable(), BatchTable()
    features.set_batch_length(table["count"] if meshes else 0)
    for name in table["properties"]:
        batch.add_property_as_json(name, glb.column(0, name))
    made = B3dm.from_meshes(meshes, batch_table=batch, feature_table=features)
    body: bytes = made.to_array().tobytes()
    return body


def _material(told: dict[str, Any]) -> pygltflib.Material:
    shade = pygltflib.PbrMetallicRoughness(
        baseColorFactor=told["pbrMetallicRoughness"]["baseColorFactor"], metallicFactor=0.0, roughnessFactor=1.0
    )
    return pygltflib.Material(
        pbrMetallicRoughness=shade, doubleSided=told.get("doubleSided", False), alphaMode=told.get("alphaMode", "OPAQUE")
    )


def write_b3dm(settings: Settings, layer: str, folder: Path) -> int:
    """Write a layer as 3D Tiles 1.0 into a new folder; return the number of contents.

    Parameters
    ----------
    settings
        Names the tile store.
    layer
        Name.
    folder
        Must not be there yet.

    Raises
    ------
    TileError
        The layer has no tiles, or the folder is there.
    """
    store = TileStore(settings.tiles_url)
    names = published_files(settings, layer)
    if folder.exists():
        raise TileError(f"{folder}: is there already, expected a new folder")
    part = folder.with_name(f".{folder.name}.part")
    n = 0
    for name in names:
        target = part / name.removeprefix(f"{layer}/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".glb"):
            target.with_suffix(".b3dm").write_bytes(to_b3dm(store.read(name)))
            n += 1
        elif name.endswith(".json"):
            target.write_text(json.dumps(_older(json.loads(store.read(name))), separators=(",", ":")), encoding="utf-8")
    part.rename(folder)
    return n


def _older(document: dict[str, Any]) -> dict[str, Any]:
    document["asset"]["version"] = "1.0"
    waiting = [document["root"]]
    while waiting:
        tile = waiting.pop()
        waiting += tile.get("children", [])
        if "content" in tile:
            tile["content"]["uri"] = tile["content"]["uri"].replace(".glb", ".b3dm")
    return document
