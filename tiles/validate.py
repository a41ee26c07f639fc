"""Own checks of a tileset: what viewers suffer from and validators miss (3D Tiles 1.1, EXT_mesh_features, EXT_structural_metadata)."""

import json
import struct
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from py3dtiles.exceptions import Py3dtilesException
from py3dtiles.tileset import TileSet

from cim.db import engine, tilesets
from cim.errors import TileError
from cim.settings import Settings
from tiles.store import TileStore

Floats = NDArray[np.float64]
_TOLERANCE_M = 0.05
_TYPES = {5121: "u1", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTH = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}


@dataclass
class Report:
    """Faults of a layer.

    Parameters
    ----------
    layer
        Name.
    tiles, features
        Contents read and features found.
    faults
        In words, with their place.
    """

    layer: str
    tiles: int = 0
    features: int = 0
    faults: list[str] = field(default_factory=list)


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
        """Return the bytes of a buffer view."""
        view = self.json["bufferViews"][index]
        start = view.get("byteOffset", 0)
        if start + view["byteLength"] > len(self.binary):
            raise TileError(f"bufferView {index} reaches past the end")
        return self.binary[start : start + view["byteLength"]]

    def accessor(self, index: int) -> NDArray[Any]:
        """Return an accessor as an array (n, width)."""
        accessor = self.json["accessors"][index]
        dtype, width = np.dtype(_TYPES[accessor["componentType"]]), _WIDTH[accessor["type"]]
        view = self.json["bufferViews"][accessor["bufferView"]]
        raw = self.view(accessor["bufferView"])
        stride = view.get("byteStride", dtype.itemsize * width)
        if (accessor["count"] - 1) * stride + dtype.itemsize * width > len(raw):
            raise TileError(f"accessor {index} reaches past its view")
        return np.ndarray((accessor["count"], width), dtype, raw, strides=(stride, dtype.itemsize))


def _codes(glb: Glb) -> list[str]:
    metadata = glb.json["extensions"]["EXT_structural_metadata"]
    table = metadata["propertyTables"][0]
    for name, column in table["properties"].items():
        for part in ("values", "stringOffsets"):
            if part in column and (glb.json["bufferViews"][column[part]].get("byteOffset", 0) + glb.binary_offset) % 8:
                raise TileError(f"property {name}: {part} is not 8-byte aligned")
        if "stringOffsets" in column:
            offsets = np.frombuffer(glb.view(column["stringOffsets"]), "<u4")
            if len(offsets) != table["count"] + 1 or (np.diff(offsets.astype(np.int64)) < 0).any():
                raise TileError(f"property {name}: string offsets are not rising, or not {table['count'] + 1}")
            if offsets[-1] != len(glb.view(column["values"])):
                raise TileError(
                    f"property {name}: the last string offset is {offsets[-1]}, the values are {len(glb.view(column['values']))} long"
                )
    column = table["properties"]["code"]
    offsets = np.frombuffer(glb.view(column["stringOffsets"]), "<u4")
    values = glb.view(column["values"])
    return [values[offsets[i] : offsets[i + 1]].decode() for i in range(table["count"])]


def check_content(content: bytes) -> tuple[list[str], Floats]:
    """Check a glb; return its codes and its vertices with z up, shape (n, 3) [m].

    Raises
    ------
    TileError
        Names the first fault.
    """
    glb = Glb(content)
    try:
        codes = _codes(glb)
        vertices: list[Floats] = []
        for primitive in (p for mesh in glb.json.get("meshes", []) for p in mesh["primitives"]):
            attributes = primitive["attributes"]
            position = glb.accessor(attributes["POSITION"]).astype(np.float64)
            counts = {name: len(glb.accessor(index)) for name, index in attributes.items()}
            if len(set(counts.values())) != 1:
                raise TileError(f"attributes of different length: {counts}")
            said = glb.json["accessors"][attributes["POSITION"]]
            if not (
                np.allclose(position.min(axis=0), said["min"], atol=1e-6) and np.allclose(position.max(axis=0), said["max"], atol=1e-6)
            ):
                raise TileError("POSITION min/max are not those of the data")
            if np.abs(np.linalg.norm(glb.accessor(attributes["NORMAL"]), axis=1) - 1).max() > 1e-3:
                raise TileError("a normal has not length 1")
            if glb.accessor(attributes["_FEATURE_ID_0"]).max() >= len(codes):
                raise TileError("a feature id is not in the property table")
            if glb.accessor(primitive["indices"]).max() >= len(position):
                raise TileError("an index reaches past the vertices")
            vertices.append(np.column_stack([position[:, 0], -position[:, 2], position[:, 1]]))
    except (KeyError, IndexError, ValueError, UnicodeDecodeError) as error:
        raise TileError(f"damaged structure: {type(error).__name__} {error}") from error
    return codes, np.concatenate(vertices) if vertices else np.empty((0, 3))


def _box_axes(box: list[float]) -> tuple[Floats, Floats]:
    return np.array(box[:3]), np.array(box[3:]).reshape(3, 3)


def _corners(box: list[float], transform: Floats) -> Floats:
    centre, axes = _box_axes(box)
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=np.float64)
    return _apply(transform, centre + signs @ axes)


def _apply(transform: Floats, points: Floats) -> Floats:
    moved: Floats = points @ transform[:3, :3].T + transform[:3, 3]
    return moved


def _outside(points: Floats, box: list[float], transform: Floats) -> float:
    """Return how far points leave a box [m]; the box is in the tile's frame."""
    centre, axes = _box_axes(box)
    centre = _apply(transform, centre[None])[0]
    worst = 0.0
    for axis in axes @ transform[:3, :3].T:
        half = float(np.linalg.norm(axis))
        worst = max(worst, float(np.abs((points - centre) @ (axis / half)).max() - half))
    return worst


class _Checker:
    def __init__(self, store: TileStore, layer: str) -> None:
        self.store, self.layer = store, layer
        self.report = Report(layer)
        self.codes: Counter[str] = Counter()
        self.uris: set[str] = set()

    def tile(self, tile: dict[str, Any], parent: Floats, parent_error: float, place: str) -> None:
        """Check a tile and everything below."""
        matrix = np.array(tile.get("transform", np.eye(4).ravel()), dtype=np.float64).reshape(4, 4).T
        transform = parent @ matrix
        error = float(tile["geometricError"])
        if error > parent_error + 1e-9:
            self.report.faults.append(f"{place}: geometricError {error} exceeds its parent's {parent_error}")
        box = tile["boundingVolume"].get("box")
        if box is None:
            self.report.faults.append(f"{place}: the bounding volume is no box")
            return
        if "content" in tile:
            self.content(tile["content"]["uri"], box, transform, place)
        for number, child in enumerate(tile.get("children", [])):
            below = f"{place}/{number}"
            inner = transform @ np.array(child.get("transform", np.eye(4).ravel()), dtype=np.float64).reshape(4, 4).T
            if "box" in child["boundingVolume"]:
                off = _outside(_corners(child["boundingVolume"]["box"], inner), box, transform)
                if off > _TOLERANCE_M:
                    self.report.faults.append(f"{below}: leaves its parent's box by {off:.2f} m")
            self.tile(child, transform, error, below)

    def content(self, uri: str, box: list[float], transform: Floats, place: str) -> None:
        """Check a content file."""
        self.uris.add(uri)
        try:
            codes, vertices = check_content(self.store.read(f"{self.layer}/{uri}"))
        except TileError as error:
            self.report.faults.append(f"{place} {uri}: {error.message}")
            return
        self.report.tiles += 1
        self.codes.update(codes)
        if len(vertices):
            off = _outside(_apply(transform, vertices), box, transform)
            if off > _TOLERANCE_M:
                self.report.faults.append(f"{place} {uri}: content leaves its box by {off:.2f} m")


def validate_layer(settings: Settings, layer: str) -> Report:
    """Check a published layer against the standard and against the store.

    Parameters
    ----------
    settings
        Names store and tile store.
    layer
        Name.
    """
    store = TileStore(settings.tiles_url)
    checker = _Checker(store, layer)
    report = checker.report
    try:
        document = json.loads(store.read(f"{layer}/tileset.json"))
        if document["asset"].get("version") != "1.1" or "refine" not in document["root"]:
            report.faults.append("tileset.json: expected asset.version 1.1 and a root with refine")
        # Read by a second, independent implementation; it refuses boxes and refinements that the standard does not know.
        TileSet.from_dict(document)
        checker.tile(document["root"], np.eye(4), float(document["geometricError"]), "root")
    except TileError as error:
        report.faults.append(error.message)
        return report
    except (Py3dtilesException, NotImplementedError, ValueError, KeyError, TypeError) as error:
        report.faults.append(f"tileset.json: damaged structure: {type(error).__name__} {error}")
        return report
    orphans = store.names(layer) - {f"{layer}/tileset.json"} - {f"{layer}/{uri}" for uri in checker.uris}
    report.faults += [f"{name}: no tile refers to it" for name in sorted(orphans)]
    report.features = checker.codes.total()
    with engine.connect(settings) as connection:
        wanted = Counter(tilesets.sample_codes(connection, layer))
    report.faults += [
        f"code {code} occurs {n} times, expected {max(wanted[code], 1)}" for code, n in checker.codes.items() if n > max(wanted[code], 1)
    ]
    report.faults += [f"code {code} is in the store and in no tile" for code in sorted(set(wanted) - set(checker.codes))[:20]]
    report.faults += [f"code {code} is in a tile and not in the store" for code in sorted(set(checker.codes) - set(wanted))[:20]]
    return report
