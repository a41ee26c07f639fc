"""Reading of binary glTF for checks: what `tiles.glb` writes and what other writers of 3D Tiles 1.1 write, compressed or not."""

import itertools
import json
import struct
from dataclasses import dataclass, replace
from typing import Any

import meshopt
import numpy as np
from numpy.typing import NDArray

from cim.errors import TileError

Floats = NDArray[np.float64]
_TYPES = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_LIMITS = {5120: 127.0, 5121: 255.0, 5122: 32_767.0, 5123: 65_535.0}
_WIDTH = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
_NUMBERS = {
    "INT8": "i1", "UINT8": "u1", "INT16": "<i2", "UINT16": "<u2", "INT32": "<i4", "UINT32": "<u4", "FLOAT32": "<f4", "FLOAT64": "<f8",
}  # fmt: skip


@dataclass(frozen=True)
class Part:
    """One primitive of a node.

    Parameters
    ----------
    vertices
        Shape (n, 3) [m], axes of the tile: z up.
    features
        Feature id of each vertex, shape (n,); None without EXT_mesh_features.
    triangles
        Shape (t, 3).
    normals
        Of length 1, shape (n, 3), z up; zeros where the primitive has none.
    material
        Its number, None = the default one.
    """

    vertices: Floats
    features: NDArray[np.int64] | None
    triangles: NDArray[np.int64]
    normals: Floats
    material: int | None = None


class Glb:
    """A glb read for checking; raises `TileError` where it cannot be read."""

    def __init__(self, content: bytes) -> None:
        if len(content) < 28 or content[:4] != b"glTF":
            raise TileError("no glb (magic)")
        _, version, total, length, kind = struct.unpack_from("<5I", content)
        if version != 2 or total != len(content) or kind != 0x4E4F534A or 20 + length + 8 > len(content):
            raise TileError(f"glb header: version {version}, length {total}, file {len(content)}")
        try:
            self.json: dict[str, Any] = json.loads(content[20 : 20 + length])
        except ValueError as error:
            raise TileError("glb JSON chunk is not JSON") from error
        size, bin_kind = struct.unpack_from("<2I", content, 20 + length)
        if bin_kind != 0x004E4942 or 28 + length + size > len(content):
            raise TileError("glb BIN chunk is cut off")
        self.binary = content[28 + length : 28 + length + size]
        self.binary_offset = 28 + length

    def view(self, index: int) -> bytes:
        """Return the bytes of a buffer view, unpacked where it is packed by EXT_meshopt_compression."""
        view = self.json["bufferViews"][index]
        packed = view.get("extensions", {}).get("EXT_meshopt_compression")
        source = packed or view
        if source["buffer"] != 0:
            raise TileError(f"bufferView {index}: expected buffer 0 of the file, found buffer {source['buffer']}")
        start = source.get("byteOffset", 0)
        if start + source["byteLength"] > len(self.binary):
            raise TileError(f"bufferView {index} reaches past the end")
        data = self.binary[start : start + source["byteLength"]]
        if packed is None:
            return data
        try:
            rows = meshopt.decode_gltf_buffer(data, packed["count"], packed["byteStride"], packed["mode"], packed.get("filter", "NONE"))
        except (RuntimeError, ValueError) as error:
            raise TileError(f"bufferView {index}: damaged EXT_meshopt_compression data") from error
        unpacked = np.ascontiguousarray(rows).tobytes()
        if packed["mode"] != "ATTRIBUTES" and rows.dtype.itemsize != packed["byteStride"]:
            unpacked = rows.astype(f"<u{packed['byteStride']}").tobytes()
        if len(unpacked) != view["byteLength"]:
            raise TileError(f"bufferView {index}: {len(unpacked)} bytes after unpacking, expected {view['byteLength']}")
        return unpacked

    def accessor(self, index: int) -> NDArray[Any]:
        """Return the stored numbers of an accessor as an array (n, width)."""
        accessor = self.json["accessors"][index]
        dtype, width = np.dtype(_TYPES[accessor["componentType"]]), _WIDTH[accessor["type"]]
        view = self.json["bufferViews"][accessor["bufferView"]]
        raw = self.view(accessor["bufferView"])
        stride = view.get("byteStride", dtype.itemsize * width)
        start = accessor.get("byteOffset", 0)
        if start + (accessor["count"] - 1) * stride + dtype.itemsize * width > len(raw):
            raise TileError(f"accessor {index} reaches past its view")
        return np.ndarray((accessor["count"], width), dtype, raw, start, strides=(stride, dtype.itemsize))

    def values(self, index: int) -> Floats:
        """Return the values of an accessor: normalised integers are divided by their limit (glTF 2.0, section 3.6.2.2)."""
        accessor, found = self.json["accessors"][index], self.accessor(index).astype(np.float64)
        return np.maximum(found / _LIMITS[accessor["componentType"]], -1.0) if accessor.get("normalized") else found

    def column(self, table: int, name: str) -> list[Any]:
        """Return a property of a property table, None where it is ``noData``.

        Raises
        ------
        TileError
            The column is not well-formed.
        """
        metadata = self.json["extensions"]["EXT_structural_metadata"]
        rows = metadata["propertyTables"][table]
        prop = metadata["schema"]["classes"][rows["class"]]["properties"][name]
        if name not in rows["properties"]:
            return [prop.get("default")] * rows["count"]
        stored = rows["properties"][name]
        raw = self.view(stored["values"])
        found: list[Any]
        if prop["type"] == "STRING":
            ends = np.frombuffer(self.view(stored["stringOffsets"]), _NUMBERS[stored.get("stringOffsetType", "UINT32")]).astype(np.int64)
            if len(ends) != rows["count"] + 1 or (np.diff(ends) < 0).any():
                raise TileError(f"property {name}: string offsets are not rising, or not {rows['count'] + 1}")
            if ends[-1] != len(raw):
                raise TileError(f"property {name}: the last string offset is {ends[-1]}, the values are {len(raw)} long")
            found = [raw[a:b].decode() for a, b in itertools.pairwise(ends)]
        else:
            enum = metadata["schema"]["enums"][prop["enumType"]] if prop["type"] == "ENUM" else None
            kind = enum.get("valueType", "UINT16") if enum else prop["componentType"]
            numbers = np.frombuffer(raw, _NUMBERS[kind])
            if len(numbers) != rows["count"]:
                raise TileError(f"property {name}: {len(numbers)} values, expected {rows['count']}")
            found = numbers.tolist()
            if enum:
                names = {one["value"]: one["name"] for one in enum["values"]}
                if unknown := set(found) - set(names):
                    raise TileError(f"property {name}: value {min(unknown)} is not in the enumeration {prop['enumType']}")
                found = [names[value] for value in found]
        return [None if "noData" in prop and value == prop["noData"] else value for value in found]

    def parts(self) -> list[Part]:
        """Return the primitives of the scene, placed by their nodes.

        Raises
        ------
        TileError
            Attributes, indices or feature ids do not fit each other.
        """
        found: list[Part] = []
        scene = self.json.get("scenes", [{}])[self.json.get("scene", 0)]
        waiting = [(node, np.eye(4)) for node in scene.get("nodes", [])]
        while waiting:
            number, parent = waiting.pop()
            node = self.json["nodes"][number]
            matrix = parent @ _matrix(node)
            waiting += [(child, matrix) for child in node.get("children", [])]
            if "mesh" in node:
                copies = self._instances(node)
                for primitive in self.json["meshes"][node["mesh"]]["primitives"]:
                    for copy, feature in copies:
                        part = self._part(primitive, matrix @ copy)
                        found.append(part if feature is None else replace(part, features=np.full(len(part.vertices), feature)))
        return found

    def _instances(self, node: dict[str, Any]) -> list[tuple[Floats, int | None]]:
        """Return placement and feature id of every copy of a node."""
        told = node.get("extensions", {}).get("EXT_mesh_gpu_instancing")
        if told is None:
            return [(np.eye(4), None)]
        columns = {name: self.values(index) for name, index in told["attributes"].items() if name in ("TRANSLATION", "ROTATION", "SCALE")}
        if len({len(values) for values in columns.values()}) != 1:
            raise TileError("instance attributes of different length")
        n = len(next(iter(columns.values())))
        ids: list[int | None] = [None] * n
        if said := node["extensions"].get("EXT_instance_features", {}).get("featureIds"):
            stored = self.accessor(told["attributes"][f"_FEATURE_ID_{said[0]['attribute']}"]).ravel()
            if len(stored) != n or (n and stored.max() >= said[0]["featureCount"]):
                raise TileError("a feature id of an instance is not in the property table")
            ids = [int(value) for value in stored]
        return [(_matrix({name.lower(): values[i].tolist() for name, values in columns.items()}), ids[i]) for i in range(n)]

    def _part(self, primitive: dict[str, Any], matrix: Floats) -> Part:
        attributes = primitive["attributes"]
        counts = {name: len(self.accessor(index)) for name, index in attributes.items()}
        if len(set(counts.values())) != 1:
            raise TileError(f"attributes of different length: {counts}")
        stored, said = self.accessor(attributes["POSITION"]), self.json["accessors"][attributes["POSITION"]]
        if not (np.allclose(stored.min(axis=0), said["min"], atol=1e-6) and np.allclose(stored.max(axis=0), said["max"], atol=1e-6)):
            raise TileError("POSITION min/max are not those of the data")
        if "NORMAL" in attributes:
            length = np.linalg.norm(self.values(attributes["NORMAL"]), axis=1)
            # A byte leaves 1 / 254 of each of three axes.
            allowed = 0.01 if self.json["accessors"][attributes["NORMAL"]].get("normalized") else 1e-3
            if np.abs(length - 1).max() > allowed:
                raise TileError("a normal has not length 1")
        indices = self.accessor(primitive["indices"]).ravel() if "indices" in primitive else np.arange(len(stored))
        if primitive.get("mode", 4) == 0:
            indices = indices[:0]
        if len(indices) % 3 or (len(indices) and indices.max() >= len(stored)):
            raise TileError("an index reaches past the vertices")
        placed = self.values(attributes["POSITION"]) @ matrix[:3, :3].T + matrix[:3, 3]
        upright = np.column_stack([placed[:, 0], -placed[:, 2], placed[:, 1]])
        normals = np.zeros_like(upright)
        if "NORMAL" in attributes:
            turned = self.values(attributes["NORMAL"]) @ np.linalg.inv(matrix[:3, :3])
            turned /= np.maximum(np.linalg.norm(turned, axis=1), 1e-12)[:, None]
            normals = np.column_stack([turned[:, 0], -turned[:, 2], turned[:, 1]])
        triangles = indices.astype(np.int64).reshape(-1, 3)
        return Part(upright, self._features(primitive), triangles, normals, primitive.get("material"))

    def _features(self, primitive: dict[str, Any]) -> NDArray[np.int64] | None:
        told = primitive.get("extensions", {}).get("EXT_mesh_features")
        if told is None or "attribute" not in told["featureIds"][0]:
            return None
        first = told["featureIds"][0]
        ids: NDArray[np.int64] = self.accessor(primitive["attributes"][f"_FEATURE_ID_{first['attribute']}"]).ravel().astype(np.int64)
        if len(ids) and ids.max() >= first["featureCount"]:
            raise TileError("a feature id is not in the property table")
        return ids


def _matrix(node: dict[str, Any]) -> Floats:
    """Return the matrix of a node (glTF 2.0, section 3.5.2)."""
    if "matrix" in node:
        return np.array(node["matrix"], dtype=np.float64).reshape(4, 4).T
    matrix = np.eye(4)
    x, y, z, w = node.get("rotation", (0.0, 0.0, 0.0, 1.0))
    turn = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    matrix[:3, :3] = turn * np.array(node.get("scale", (1.0, 1.0, 1.0)))
    matrix[:3, 3] = node.get("translation", (0.0, 0.0, 0.0))
    return matrix
