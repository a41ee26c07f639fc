"""Binary glTF 2.0 (section 4.4): meshes, their feature ids and one property table.

Positions may be 16-bit integers (KHR_mesh_quantization) and vertex and index data packed (EXT_meshopt_compression). Property tables stay
as they are: their readers look at the plain bytes.
"""

import json
import struct
from dataclasses import dataclass, field
from typing import Any

import meshopt
import numpy as np
from numpy.typing import NDArray

from cim.geometry.measures import LARGEST_HALF_M, STEPS
from tiles.metadata import PropertyTable

ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER = 34962, 34963
_COMPONENT = {
    np.dtype(np.int8): 5120, np.dtype(np.uint8): 5121, np.dtype(np.int16): 5122, np.dtype(np.uint16): 5123, np.dtype(np.uint32): 5125,
    np.dtype(np.float32): 5126,
}  # fmt: skip
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


@dataclass(frozen=True)
class Packed:
    """Triangles whose vertices are integers already.

    Parameters
    ----------
    positions
        Shape (v, 4), int16 normalised, the fourth is padding.
    normals
        Shape (v, 4), int8 normalised, the fourth is padding.
    features
        Shape (v, 2), uint16, the second is padding; or float32 (v,) where a tile has more than 65,535 features.
    triangles
        Shape (t, 3).
    vertex_colours
        Shape (v, 4), uint8, or None.
    bounds
        Smallest and largest position, where the caller knows them.
    """

    positions: NDArray[np.int16] | NDArray[np.float32]
    normals: NDArray[np.int8] | NDArray[np.float32]
    features: NDArray[np.uint16] | NDArray[np.float32]
    triangles: NDArray[np.uint32]
    colour: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    vertex_colours: NDArray[np.uint8] | None = None
    double_sided: bool = False
    is_translucent: bool = False
    bounds: tuple[list[int], list[int]] | None = None


@dataclass(frozen=True)
class Placement:
    """How integers become metres: ``centre + value / 32767 * half``, y up [m]."""

    centre: tuple[float, float, float]
    half: float


@dataclass
class Document:
    """A glb being written.

    Parameters
    ----------
    json
        The JSON chunk.
    compress
        Pack vertex and index data.
    """

    json: dict[str, Any]
    compress: bool = False
    parts: list[bytes] = field(default_factory=list)
    size: int = 0
    unpacked_size: int = 0

    def _append(self, data: bytes) -> int:
        padding = -self.size % 8
        self.parts += [bytes(padding), data]
        start = self.size + padding
        self.size = start + len(data)
        return start

    def add_view(self, data: bytes) -> int:
        """Append bytes at a multiple of 8 and return the buffer view."""
        self.json["bufferViews"].append({"buffer": 0, "byteOffset": self._append(data), "byteLength": len(data)})
        return len(self.json["bufferViews"]) - 1

    def _add_rows(self, rows: NDArray[Any], target: int) -> int:
        """Append an array whose rows are a multiple of 4 bytes long, or indices, and return the buffer view."""
        stride, length = rows.nbytes // len(rows), rows.nbytes
        is_index = target == ELEMENT_ARRAY_BUFFER
        view: dict[str, Any] = {"target": target} if is_index else {"byteStride": stride, "target": target}
        if not self.compress:
            view = {"buffer": 0, "byteOffset": self._append(rows.tobytes()), "byteLength": length} | view
        else:
            mode = "TRIANGLES" if is_index else "ATTRIBUTES"
            packed = meshopt.encode_gltf_buffer(rows, mode)
            view = {"buffer": 1, "byteOffset": self.unpacked_size, "byteLength": length} | view
            view["extensions"] = {
                "EXT_meshopt_compression": {
                    "buffer": 0, "byteOffset": self._append(packed), "byteLength": len(packed), "byteStride": stride, "count": len(rows),
                    "mode": mode,
                }
            }  # fmt: skip
            self.unpacked_size += length + -length % 8
        self.json["bufferViews"].append(view)
        return len(self.json["bufferViews"]) - 1

    def add_attribute(self, values: NDArray[Any], *, width: int, normalized: bool = False) -> int:
        """Append a vertex attribute, its rows padded to 4 bytes, and return the accessor.

        Parameters
        ----------
        values
            Shape (v, width) or wider, what is beyond is padding; or (v,).
        """
        rows = values.reshape(len(values), -1)
        row = rows.shape[1] * rows.dtype.itemsize
        if row % 4:
            wide = np.zeros((len(rows), (row + -row % 4) // rows.dtype.itemsize), rows.dtype)
            wide[:, : rows.shape[1]] = rows
            rows = wide
        accessor: dict[str, Any] = {
            "bufferView": self._add_rows(np.ascontiguousarray(rows), ARRAY_BUFFER), "componentType": _COMPONENT[rows.dtype],
            "count": len(rows), "type": _SHAPE[width],
        }  # fmt: skip
        if normalized:
            accessor["normalized"] = True
        self.json["accessors"].append(accessor)
        return len(self.json["accessors"]) - 1

    def add_indices(self, triangles: NDArray[np.integer], n_vertices: int) -> int:
        """Append triangles and return the accessor."""
        rows = np.ascontiguousarray(triangles, np.uint16 if n_vertices < 65_535 else np.uint32).ravel()
        accessor = {
            "bufferView": self._add_rows(rows, ELEMENT_ARRAY_BUFFER), "componentType": _COMPONENT[rows.dtype], "count": len(rows),
            "type": "SCALAR",
        }  # fmt: skip
        self.json["accessors"].append(accessor)
        return len(self.json["accessors"]) - 1

    def to_glb(self) -> bytes:
        """Return the file; the binary chunk starts at a multiple of 8, as property tables ask."""
        tail = bytes(-self.size % 8)
        length = self.size + len(tail)
        self.json["buffers"] = [{"byteLength": length}]
        if self.unpacked_size:
            self.json["buffers"].append({"byteLength": self.unpacked_size, "extensions": {"EXT_meshopt_compression": {"fallback": True}}})
        head = json.dumps(self.json, ensure_ascii=False, separators=(",", ":")).encode()
        head += b" " * ((4 - len(head)) % 8)
        total = 12 + 8 + len(head) + 8 + length
        start = struct.pack("<5I", _MAGIC, 2, total, len(head), _JSON)
        return b"".join((start, head, struct.pack("<2I", length, _BIN), *self.parts, tail))


def add_primitive(document: Document, primitive: Packed, n_features: int | None) -> dict[str, Any]:
    """Append a primitive and return it.

    Parameters
    ----------
    n_features
        In the property table; None = the features are those of instances.
    """
    quantised = primitive.positions.dtype == np.int16
    attributes = {
        "POSITION": document.add_attribute(primitive.positions, width=3, normalized=quantised),
        "NORMAL": document.add_attribute(primitive.normals, width=3, normalized=primitive.normals.dtype == np.int8),
    }
    if n_features is not None:
        attributes["_FEATURE_ID_0"] = document.add_attribute(primitive.features, width=1)
    seen = primitive.positions[:, :3]
    low, high = primitive.bounds or (seen.min(axis=0).tolist(), seen.max(axis=0).tolist())
    document.json["accessors"][attributes["POSITION"]] |= {"min": low, "max": high}
    if primitive.vertex_colours is not None:
        attributes["COLOR_0"] = document.add_attribute(primitive.vertex_colours, width=4, normalized=True)
    material: dict[str, Any] = {
        "pbrMetallicRoughness": {"baseColorFactor": list(primitive.colour), "metallicFactor": 0.0, "roughnessFactor": 1.0}
    }
    if primitive.double_sided:
        material["doubleSided"] = True
    if primitive.is_translucent:
        material["alphaMode"] = "BLEND"
    document.json["materials"].append(material)
    made: dict[str, Any] = {
        "attributes": attributes,
        "indices": document.add_indices(primitive.triangles, len(primitive.positions)),
        "material": len(document.json["materials"]) - 1,
        "mode": 4,
    }
    if n_features is not None:
        told = {"featureIds": [{"featureCount": n_features, "attribute": 0, "propertyTable": 0}]}
        made["extensions"] = {"EXT_mesh_features": told}
    return made


def pack_exactly(primitive: Primitive) -> Packed:
    """Return a primitive with positions in metres."""
    normals = np.zeros((len(primitive.positions), 4), np.int8)
    normals[:, :3] = np.rint(primitive.normals * 127.0)
    return Packed(
        primitive.positions.astype(np.float32), normals, primitive.features.astype(np.float32), primitive.triangles.astype(np.uint32),
        primitive.colour, primitive.vertex_colours, primitive.double_sided, primitive.is_translucent,
    )  # fmt: skip


def document_of(*, compress: bool, instancing: bool = False) -> Document:
    """Return an empty document with meshes to come."""
    required = ["KHR_mesh_quantization", *(["EXT_mesh_gpu_instancing"] if instancing else ())]
    if compress:
        required.append("EXT_meshopt_compression")
    used = ["EXT_mesh_features", "EXT_structural_metadata", *(["EXT_instance_features"] if instancing else ()), *required]
    return Document(
        {
            "asset": {"version": "2.0", "generator": "cim"}, "extensionsUsed": used, "extensionsRequired": required, "scene": 0,
            "scenes": [], "nodes": [], "meshes": [], "accessors": [], "materials": [], "bufferViews": [],
        },
        compress,
    )  # fmt: skip


def quantised(primitives: list[Primitive], n_features: int) -> tuple[list[Packed], Placement | None]:
    """Turn metres into 16-bit integers of one common box.

    Parameters
    ----------
    primitives
        With triangles.
    n_features
        In the property table.

    Returns
    -------
    list of Packed, Placement or None
        None and float32 positions where the box is too large to keep 2 cm, see `cim.geometry.measures.LARGEST_HALF_M`.
    """
    low = np.min([primitive.positions.min(axis=0) for primitive in primitives], axis=0).astype(np.float64)
    high = np.max([primitive.positions.max(axis=0) for primitive in primitives], axis=0).astype(np.float64)
    centre, half = (low + high) / 2, max(float((high - low).max()) / 2, 1e-3)
    fits = half <= LARGEST_HALF_M
    made = []
    for one in primitives:
        positions: NDArray[Any] = one.positions
        if fits:
            positions = np.zeros((len(one.positions), 4), np.int16)
            positions[:, :3] = np.rint((one.positions - centre) * (STEPS / half))
        normals = np.zeros((len(one.positions), 4), np.int8)
        normals[:, :3] = np.rint(one.normals * 127.0)
        ids = one.features.astype(np.float32) if n_features > 65_535 else one.features.astype(np.uint16)
        triangles = one.triangles.astype(np.uint32)
        made.append(Packed(positions, normals, ids, triangles, one.colour, one.vertex_colours, one.double_sided, one.is_translucent))
    return made, Placement((float(centre[0]), float(centre[1]), float(centre[2])), half) if fits else None


def build_glb(primitives: list[Primitive], table: PropertyTable, *, compress: bool = True) -> bytes:
    """Return a glb with one mesh of all primitives and one property table.

    Parameters
    ----------
    primitives
        Those without triangles are left out; the file may then have no mesh at all.
    table
        Attributes of the features, in feature order.
    compress
        Pack vertex and index data by EXT_meshopt_compression.
    """
    drawn = [primitive for primitive in primitives if len(primitive.triangles)]
    packed, placement = quantised(drawn, table.count) if drawn else ([], None)
    return write_glb(packed, placement, table, compress=compress)


def write_glb(primitives: list[Packed], placement: Placement | None, table: PropertyTable, *, compress: bool = True) -> bytes:
    """Return a glb of primitives that are packed already; see `build_glb`.

    Parameters
    ----------
    placement
        Of integer positions; None = positions are metres.
    """
    document = Document(
        {
            "asset": {"version": "2.0", "generator": "cim"}, "extensionsUsed": ["EXT_structural_metadata"], "scene": 0, "scenes": [{}],
            "bufferViews": [],
        },
        compress,
    )  # fmt: skip
    if primitives:
        node: dict[str, Any] = {"mesh": 0}
        required = ["KHR_mesh_quantization"]
        if placement is not None:
            node |= {"translation": list(placement.centre), "scale": [placement.half] * 3}
        if compress:
            required.append("EXT_meshopt_compression")
        document.json |= {"scenes": [{"nodes": [0]}], "nodes": [node], "accessors": [], "materials": []}
        document.json["extensionsUsed"] = ["EXT_mesh_features", "EXT_structural_metadata", *required]
        document.json["extensionsRequired"] = required
        document.json["meshes"] = [{"primitives": [add_primitive(document, one, table.count) for one in primitives]}]
    document.json["extensions"] = {"EXT_structural_metadata": table.to_json(document.add_view)}
    return document.to_glb()
