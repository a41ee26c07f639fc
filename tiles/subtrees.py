"""Subtrees of implicit quadtrees (3D Tiles 1.1, "Implicit Tiling"): ours are written, those of anybody unfolded into explicit tiles."""

import json
import posixpath
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cim.errors import TileError

Floats = NDArray[np.float64]
Address = tuple[int, int, int]
"""Level, x, y of a tile in the tree."""

BOX, ERROR = "TILE_BOUNDING_BOX", "TILE_GEOMETRIC_ERROR"
SCHEMA = {
    "id": "cim",
    "classes": {
        "tile": {
            "properties": {
                "box": {"type": "SCALAR", "componentType": "FLOAT64", "array": True, "count": 12, "semantic": BOX, "required": True},
                "error": {"type": "SCALAR", "componentType": "FLOAT64", "semantic": ERROR, "required": True},
            }
        }
    },
}
"""What the subtrees tell of each tile: quarters of the root's box would not hold features that reach over the edge of their cell."""


@dataclass(frozen=True)
class Tile:
    """A tile of a tree.

    Parameters
    ----------
    box
        Twelve numbers in the frame of the root.
    error
        Geometric error [m].
    has_content
        There is a file.
    """

    box: list[float]
    error: float
    has_content: bool


def morton(x: int, y: int, level: int) -> int:
    """Return the place of a tile among those of its level: bits of x and y in turn, x first."""
    return sum((x >> bit & 1) << 2 * bit | (y >> bit & 1) << (2 * bit + 1) for bit in range(level))


def _first(level: int) -> int:
    """Return the number of tiles above a level of a subtree."""
    return int((4**level - 1) // 3)


def write_subtree(tiles: dict[Address, Tile], root: Address, levels: int) -> bytes:
    """Return a subtree file.

    Parameters
    ----------
    tiles
        All tiles of the tree.
    root
        Of the subtree.
    levels
        Levels of a subtree.
    """
    level, x, y = root
    n = _first(levels)
    mine: dict[int, Tile] = {}
    below: set[int] = set()
    for (one, column, row), tile in tiles.items():
        depth = one - level
        if not 0 <= depth <= levels or (column >> depth, row >> depth) != (x, y):
            continue
        place = morton(column - (x << depth), row - (y << depth), depth)
        if depth == levels:
            below.add(place)
        else:
            mine[_first(depth) + place] = tile
    order = sorted(mine)
    views: list[bytes] = []

    def bits(found: set[int], size: int) -> dict[str, Any]:
        if len(found) in (0, size):
            return {"constant": int(len(found) == size)}
        flags = np.zeros(size, np.uint8)
        flags[sorted(found)] = 1
        views.append(np.packbits(flags, bitorder="little").tobytes())
        return {"bitstream": len(views) - 1, "availableCount": len(found)}

    document: dict[str, Any] = {
        "tileAvailability": bits(set(order), n),
        "contentAvailability": [bits({place for place in order if mine[place].has_content}, n)],
        "childSubtreeAvailability": bits(below, 4**levels),
    }
    views += [
        np.array([mine[place].box for place in order], "<f8").tobytes(),
        np.array([mine[place].error for place in order], "<f8").tobytes(),
    ]
    columns = {"box": {"values": len(views) - 2}, "error": {"values": len(views) - 1}}
    document |= {"propertyTables": [{"class": "tile", "count": len(order), "properties": columns}], "tileMetadata": 0}
    binary, places = b"", []
    for view in views:
        places.append({"buffer": 0, "byteOffset": len(binary), "byteLength": len(view)})
        binary += view + bytes(-len(view) % 8)
    document = {"buffers": [{"byteLength": len(binary)}], "bufferViews": places} | document
    head = json.dumps(document, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    return b"subt" + struct.pack("<IQQ", 1, len(head), len(binary)) + head + binary


class Subtree:
    """A subtree file, read for checking.

    Parameters
    ----------
    content
        The file.
    levels
        Levels of a subtree.
    columns
        Names of the properties with the meanings `BOX` and `ERROR`, empty where there are none.

    Raises
    ------
    TileError
        It is damaged, or keeps its bits in another file.
    """

    def __init__(self, content: bytes, levels: int, columns: dict[str, str]) -> None:
        if len(content) < 24 or content[:4] != b"subt":
            raise TileError("no subtree (magic)")
        version, head, size = struct.unpack_from("<IQQ", content, 4)
        if version != 1 or head % 8 or size % 8 or 24 + head + size != len(content):
            raise TileError(f"subtree header: version {version}, JSON {head}, binary {size}, file {len(content)}")
        self._json = json.loads(content[24 : 24 + head])
        self._binary = content[24 + head :]
        n = _first(levels)
        self.tiles = self._bits(self._json["tileAvailability"], n, "tileAvailability")
        self.children = self._bits(self._json["childSubtreeAvailability"], 4**levels, "childSubtreeAvailability")
        told = self._json.get("contentAvailability", [])
        self.contents = self._bits(told[0], n, "contentAvailability") if told else np.zeros(n, bool)
        if (self.contents & ~self.tiles).any():
            raise TileError("contentAvailability: a content without its tile")
        self.rows = np.cumsum(self.tiles) - 1
        self.boxes = self._column(columns.get(BOX, ""), 12)
        self.errors = self._column(columns.get(ERROR, ""), 1)

    def _view(self, index: int) -> bytes:
        view = self._json["bufferViews"][index]
        if "uri" in self._json["buffers"][view["buffer"]]:
            raise TileError("subtree: found a buffer in another file, expected the one in the subtree")
        start, size = view.get("byteOffset", 0), view["byteLength"]
        if start + size > len(self._binary):
            raise TileError(f"subtree: bufferView {index} reaches past the end")
        return self._binary[start : start + size]

    def _bits(self, told: dict[str, Any], n: int, name: str) -> NDArray[np.bool_]:
        if "constant" in told:
            return np.full(n, bool(told["constant"]))
        raw = np.frombuffer(self._view(told["bitstream"]), np.uint8)
        if len(raw) != -(-n // 8):
            raise TileError(f"{name}: {len(raw)} bytes for {n} tiles")
        flags = np.unpackbits(raw, bitorder="little").astype(bool)
        if flags[n:].any() or ("availableCount" in told and told["availableCount"] != flags[:n].sum()):
            raise TileError(f"{name}: availableCount {told.get('availableCount')}, found {int(flags.sum())}")
        return flags[:n]

    def _column(self, name: str, width: int) -> Floats | None:
        if not name or "tileMetadata" not in self._json:
            return None
        table = self._json["propertyTables"][self._json["tileMetadata"]]
        if table["count"] != self.tiles.sum() or name not in table["properties"]:
            raise TileError(f"subtree: {table['count']} rows of {name}, expected {int(self.tiles.sum())}")
        found = np.frombuffer(self._view(table["properties"][name]["values"]), "<f8")
        if len(found) != table["count"] * width:
            raise TileError(f"subtree: {len(found)} numbers of {name}, expected {table['count'] * width}")
        return found.reshape(-1, width)


def is_known(tile: dict[str, Any], schema: dict[str, Any]) -> bool:
    """Tell whether an implicit tile can be unfolded: a quadtree of one box with one content each, and float64 metadata at most."""
    told = tile["implicitTiling"]
    properties = [one for kind in schema.get("classes", {}).values() for one in kind["properties"].values()]
    known = all(one.get("componentType") == "FLOAT64" for one in properties if one.get("semantic") in (BOX, ERROR))
    only = {one.get("semantic") for one in properties} - {None, BOX, ERROR}
    return told["subdivisionScheme"] == "QUADTREE" and "box" in tile["boundingVolume"] and "content" in tile and known and not only


def unfolded(tile: dict[str, Any], schema: dict[str, Any], folder: str, read: Callable[[str], bytes]) -> dict[str, Any]:
    """Return the explicit tile that an implicit one stands for.

    Parameters
    ----------
    tile
        Has ``implicitTiling``, see `is_known`.
    schema
        Of the tileset.
    folder
        Of its document.
    read
        Returns a file by its path.

    Raises
    ------
    TileError
        A subtree is missing or damaged; names the file.
    """
    told = tile["implicitTiling"]
    levels, depth = int(told["subtreeLevels"]), int(told["availableLevels"])
    columns = {
        one["semantic"]: name
        for kind in schema.get("classes", {}).values()
        for name, one in kind["properties"].items()
        if "semantic" in one
    }
    opened: dict[Address, Subtree] = {}

    def subtree_of(root: Address) -> Subtree:
        if root not in opened:
            path = posixpath.normpath(posixpath.join(folder, _filled(told["subtrees"]["uri"], root)))
            try:
                opened[root] = Subtree(read(path), levels, columns)
            except TileError as error:
                raise TileError(f"{path}: {error.message}") from error
        return opened[root]

    def grow(at: Address, root: Address, box: list[float], error: float) -> dict[str, Any]:
        subtree, inner = subtree_of(root), at[0] - root[0]
        place = _first(inner) + morton(at[1] - (root[1] << inner), at[2] - (root[2] << inner), inner)
        if not subtree.tiles[place]:
            raise TileError(f"subtree {root}: its tile {at} is not available")
        row = int(subtree.rows[place])
        box = box if subtree.boxes is None else subtree.boxes[row].tolist()
        error = error if subtree.errors is None else float(subtree.errors[row, 0])
        made: dict[str, Any] = {"boundingVolume": {"box": box}, "geometricError": error}
        if subtree.contents[place]:
            made["content"] = {"uri": _filled(tile["content"]["uri"], at)}
        children = []
        for digit in range(4):
            child = (at[0] + 1, 2 * at[1] + digit % 2, 2 * at[2] + digit // 2)
            below = inner + 1
            index = morton(child[1] - (root[1] << below), child[2] - (root[2] << below), below)
            is_edge = below == levels
            if not (subtree.children[index] if is_edge else subtree.tiles[_first(below) + index]):
                continue
            if child[0] >= depth:
                raise TileError(f"tile {child} lies below the {depth} available levels")
            children.append(grow(child, child if is_edge else root, _quarter(box, digit), error / 2))
        if children:
            made["children"] = children
        return made

    made = grow((0, 0, 0), (0, 0, 0), tile["boundingVolume"]["box"], float(tile["geometricError"]))
    return made | {name: tile[name] for name in ("transform", "refine") if name in tile}


def _filled(template: str, at: Address) -> str:
    return template.replace("{level}", str(at[0])).replace("{x}", str(at[1])).replace("{y}", str(at[2]))


def _quarter(box: list[float], digit: int) -> list[float]:
    """Return a quarter of a box: halves along its first two axes."""
    centre, axes = np.array(box[:3]), np.array(box[3:]).reshape(3, 3)
    signs = (2 * (digit % 2) - 1, 2 * (digit // 2) - 1)
    moved = centre + signs[0] * axes[0] / 2 + signs[1] * axes[1] / 2
    return [*moved.tolist(), *(axes[0] / 2).tolist(), *(axes[1] / 2).tolist(), *axes[2].tolist()]
