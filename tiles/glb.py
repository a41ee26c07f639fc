"""Binary glTF 2.0 (section 4.4): one mesh, its feature ids and its property table."""

import json
import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiles.metadata import PropertyTable

ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER = 34962, 34963
_COMPONENT = {np.dtype(np.uint8): 5121, np.dtype(np.uint16): 5123, np.dtype(np.uint32): 5125, np.dtype(np.float32): 5126}
_SHAPE = {1: "SCALAR", 3: "VEC3", 4: "VEC4"}
_MAGIC, _JSON, _BIN = 0x46546C67, 0x4E4F534A, 0x004E4942


@dataclass(frozen=True)
class Primitive:
    """Triangles of one material.

    Parameters
    ----------
    positions, normals
        Shape (v, 3), float32, y up [m].
    features
        Feature id of each vertex, shape (v,).
    triangles
        Shape (t, 3).
    colour
        Base colour, linear red, green, blue, alpha 0-1.
    vertex_colours
        Linear red, green, blue, alpha per vertex 0-255, or None.
    double_sided
        Draw back faces too.
    """

    positions: NDArray[np.float32]
    normals: NDArray[np.float32]
    features: NDArray[np.integer]
    triangles: NDArray[np.integer]
    colour: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    vertex_colours: NDArray[np.uint8] | None = None
    double_sided: bool = False
    is_translucent: bool = False


@dataclass
class _Document:
    json: dict[str, Any]
    parts: list[bytes] = field(default_factory=list)
    size: int = 0

    def add_view(self, data: bytes, *, target: int | None = None, stride: int | None = None) -> int:
        """Append bytes at a multiple of 8 and return the buffer view."""
        padding = -self.size % 8
        self.parts += [bytes(padding), data]
        view: dict[str, Any] = {"buffer": 0, "byteOffset": self.size + padding, "byteLength": len(data)}
        if target is not None:
            view["target"] = target
        if stride is not None:
            view["byteStride"] = stride
        self.size += padding + len(data)
        self.json["bufferViews"].append(view)
        return len(self.json["bufferViews"]) - 1

    def add_accessor(self, values: NDArray[Any], *, target: int, bounds: bool = False, normalized: bool = False) -> int:
        """Append an array, its rows padded to 4 bytes for vertex attributes, and return the accessor."""
        width = values.shape[1] if values.ndim == 2 else 1
        row = width * values.dtype.itemsize
        stride = None
        data = np.ascontiguousarray(values)
        if target == ARRAY_BUFFER:
            stride = row + -row % 4
            if stride != row:
                padded = np.zeros((len(values), stride), dtype=np.uint8)
                padded[:, :row] = data.view(np.uint8).reshape(len(values), row)
                data = padded
        accessor: dict[str, Any] = {
            "bufferView": self.add_view(data.tobytes(), target=target, stride=stride),
            "componentType": _COMPONENT[values.dtype],
            "count": len(values),
            "type": _SHAPE[width],
        }
        if normalized:
            accessor["normalized"] = True
        if bounds:
            accessor["min"], accessor["max"] = values.min(axis=0).tolist(), values.max(axis=0).tolist()
        self.json["accessors"].append(accessor)
        return len(self.json["accessors"]) - 1

    def to_glb(self) -> bytes:
        """Return the file; the binary chunk starts at a multiple of 8, as property tables ask."""
        body = b"".join(self.parts)
        body += bytes(-len(body) % 8)
        self.json["buffers"] = [{"byteLength": len(body)}]
        head = json.dumps(self.json, ensure_ascii=False, separators=(",", ":")).encode()
        head += b" " * ((4 - len(head)) % 8)
        total = 12 + 8 + len(head) + 8 + len(body)
        return b"".join((struct.pack("<5I", _MAGIC, 2, total, len(head), _JSON), head, struct.pack("<2I", len(body), _BIN), body))


def _add_primitive(document: _Document, primitive: Primitive, n_features: int) -> dict[str, Any]:
    few = n_features <= 65_535
    ids = primitive.features.astype(np.uint16 if few else np.float32)
    index_type = np.uint16 if len(primitive.positions) < 65_535 else np.uint32
    attributes = {
        "POSITION": document.add_accessor(primitive.positions, target=ARRAY_BUFFER, bounds=True),
        "NORMAL": document.add_accessor(primitive.normals, target=ARRAY_BUFFER),
        "_FEATURE_ID_0": document.add_accessor(ids, target=ARRAY_BUFFER),
    }
    if primitive.vertex_colours is not None:
        attributes["COLOR_0"] = document.add_accessor(primitive.vertex_colours, target=ARRAY_BUFFER, normalized=True)
    material: dict[str, Any] = {
        "pbrMetallicRoughness": {"baseColorFactor": list(primitive.colour), "metallicFactor": 0.0, "roughnessFactor": 1.0}
    }
    if primitive.double_sided:
        material["doubleSided"] = True
    if primitive.is_translucent:
        material["alphaMode"] = "BLEND"
    document.json["materials"].append(material)
    return {
        "attributes": attributes,
        "indices": document.add_accessor(primitive.triangles.astype(index_type).ravel(), target=ELEMENT_ARRAY_BUFFER),
        "material": len(document.json["materials"]) - 1,
        "mode": 4,
        "extensions": {"EXT_mesh_features": {"featureIds": [{"featureCount": n_features, "attribute": 0, "propertyTable": 0}]}},
    }


def build_glb(primitives: list[Primitive], table: PropertyTable) -> bytes:
    """Return a glb with one mesh of all primitives and one property table.

    Parameters
    ----------
    primitives
        Those without triangles are left out; the file may then have no mesh at all.
    table
        Attributes of the features, in feature order.
    """
    document = _Document(
        {
            "asset": {"version": "2.0", "generator": "cim"},
            "extensionsUsed": ["EXT_mesh_features", "EXT_structural_metadata"],
            "scene": 0,
            "scenes": [{"nodes": []}],
            "accessors": [],
            "bufferViews": [],
            "materials": [],
        }
    )
    drawn = [_add_primitive(document, primitive, table.count) for primitive in primitives if len(primitive.triangles)]
    if drawn:
        document.json["scenes"][0]["nodes"] = [0]
        document.json["nodes"] = [{"mesh": 0}]
        document.json["meshes"] = [{"primitives": drawn}]
    else:
        for name in ("accessors", "materials"):
            del document.json[name]
        del document.json["scenes"][0]["nodes"]
        document.json["extensionsUsed"] = ["EXT_structural_metadata"]
    document.json["extensions"] = {"EXT_structural_metadata": table.to_json(document.add_view)}
    return document.to_glb()
