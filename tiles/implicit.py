"""A layer as an implicit quadtree: one short tileset.json, subtrees of bits, contents by level, x and y (3D Tiles 1.1, "Implicit Tiling").

An implicit tile has no transform of its own, so every content is placed by a node of its glb; boxes and errors are those of the explicit
tileset, told by the metadata of the subtrees.
"""

import json
import re
import shutil
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cim.errors import TileError
from cim.geometry.ecef import from_frame, inverse_frame, to_frame
from cim.settings import Settings
from tiles import grid, subtrees
from tiles.archive import published_files
from tiles.store import TileStore
from tiles.subtrees import Address, Tile

Floats = NDArray[np.float64]

LEVELS = 5
"""Levels of a subtree: 341 tiles, so that no file is large and a city takes few."""
_SLACK_M = 0.02
_KEY = re.compile(r"(?:^|/)content/([0-3]+|root)-[0-9a-f]+\.glb$")
_UPRIGHT = np.array([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
"""Axes of glTF → axes of the tile."""


@dataclass(frozen=True)
class _Found:
    uri: str
    matrix: Floats
    corners: Floats
    box: list[float]
    error: float


def write_implicit(settings: Settings, layer: str, folder: Path) -> int:
    """Write a layer as an implicit quadtree into a new folder; return the number of files.

    Parameters
    ----------
    settings
        Names the tile store.
    layer
        Name; its tiles must be cells of the quadtree: buildings, networks, city models.
    folder
        Must not be there yet; appears when it is complete.

    Raises
    ------
    TileError
        The layer has no tiles or none of the quadtree, or the folder is there.
    """
    store = TileStore(settings.tiles_url)
    published_files(settings, layer)
    if folder.exists():
        raise TileError(f"{folder}: is there already, expected a new folder")
    found: dict[str, _Found] = {}
    errors: list[float] = []
    _walk(store, layer, "tileset.json", np.eye(4), found, errors)
    top = _common(sorted(found))
    frame = grid.frame_of(top)
    tiles = _tiles(found, top, frame, max(errors))
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    for key, one in found.items():
        level, x, y = _address(key, top)
        target = part / "content" / str(level) / str(x) / f"{y}.glb"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(placed(store.read(f"{layer}/{one.uri}"), inverse_frame(frame) @ one.matrix))
    roots = sorted({(at[0] - at[0] % LEVELS, at[1] >> at[0] % LEVELS, at[2] >> at[0] % LEVELS) for at in tiles})
    for root in roots:
        target = part / "subtrees" / str(root[0]) / str(root[1]) / f"{root[2]}.subtree"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(subtrees.write_subtree(tiles, root, LEVELS))
    (part / "tileset.json").write_text(json.dumps(_document(tiles, frame), separators=(",", ":")), encoding="utf-8")
    part.rename(folder)
    return len(found) + len(roots) + 1


def _walk(store: TileStore, layer: str, path: str, matrix: Floats, found: dict[str, _Found], errors: list[float]) -> None:
    waiting = [(json.loads(store.read(f"{layer}/{path}"))["root"], matrix)]
    folder = path.rpartition("/")[0]
    while waiting:
        tile, outer = waiting.pop()
        here = outer @ np.array(tile.get("transform", np.eye(4).ravel()), dtype=np.float64).reshape(4, 4).T
        errors.append(float(tile["geometricError"]))
        waiting += [(child, here) for child in tile.get("children", [])]
        uri = tile.get("content", {}).get("uri", "")
        name = str(Path(folder, uri)) if folder and not uri.startswith("../") else uri.removeprefix("../")
        if uri.endswith(".json"):
            _walk(store, layer, name, here, found, errors)
        elif uri:
            told = _KEY.search(name)
            if told is None:
                raise TileError(
                    f"layer {layer}: {name} is no cell of the quadtree", hint="buildings, networks and citymodels can be written so"
                )
            box = tile["boundingVolume"]["box"]
            corners = from_frame(here, _corners(box))
            found["" if told[1] == "root" else told[1]] = _Found(name, here, corners, box, float(tile["geometricError"]))


def _corners(box: list[float]) -> Floats:
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=np.float64)
    corners: Floats = np.array(box[:3]) + signs @ np.array(box[3:]).reshape(3, 3)
    return corners


def _common(keys: list[str]) -> str:
    if len(keys) == 1:
        return keys[0]
    same = next((n for n, (a, b) in enumerate(zip(keys[0], keys[-1], strict=False)) if a != b), min(len(keys[0]), len(keys[-1])))
    return keys[0][:same]


def _address(key: str, top: str) -> Address:
    column, row = grid.offset(key[len(top) :])
    return len(key) - len(top), column, row


def _tiles(found: dict[str, _Found], top: str, frame: Floats, largest: float) -> dict[Address, Tile]:
    """Return all tiles: those with content and all cells above them, boxes in the frame of the root."""
    keys = {key[:length] for key in found for length in range(len(top), len(key) + 1)}
    points: dict[str, Floats] = {}
    for key in sorted(keys, key=len, reverse=True):
        below = [points[child] for child in (f"{key}{digit}" for digit in range(4)) if child in points]
        below += [found[key].corners] if key in found else []
        inside = to_frame(grid.frame_of(key), np.concatenate(below))
        low, high = inside.min(axis=0) - _SLACK_M, inside.max(axis=0) + _SLACK_M
        points[key] = from_frame(
            grid.frame_of(key), np.array([[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])])
        )
    made: dict[Address, Tile] = {}
    errors = {top: largest}
    for key in sorted(keys, key=len):
        # A cell that the explicit tree leaves out goes wherever the tile above it goes: otherwise nobody would come down to its contents.
        above = errors[key[:-1]] if key != top else largest
        errors[key] = min(found[key].error, above) if key in found else above
        made[_address(key, top)] = Tile(_box(to_frame(frame, points[key])), errors[key], key in found)
    return made


def _box(corners: Floats) -> list[float]:
    """Return the box (3D Tiles) of eight corners of a box, ordered as `_tiles` makes them."""
    axes = [(corners[4] - corners[0]) / 2, (corners[2] - corners[0]) / 2, (corners[1] - corners[0]) / 2]
    return [float(value) for value in (*corners.mean(axis=0), *np.concatenate(axes))]


def _document(tiles: dict[Address, Tile], frame: Floats) -> dict[str, Any]:
    root = tiles[(0, 0, 0)]
    return {
        "asset": {"version": "1.1"},
        "schema": subtrees.SCHEMA,
        "geometricError": max(root.error, float(np.linalg.norm(root.box[3:]))),
        "root": {
            "boundingVolume": {"box": root.box}, "geometricError": root.error, "refine": "REPLACE",
            "transform": [float(value) for value in frame.T.ravel()], "content": {"uri": "content/{level}/{x}/{y}.glb"},
            "implicitTiling": {
                "subdivisionScheme": "QUADTREE", "subtreeLevels": LEVELS, "availableLevels": 1 + max(at[0] for at in tiles),
                "subtrees": {"uri": "subtrees/{level}/{x}/{y}.subtree"},
            },
        },
    }  # fmt: skip


def placed(content: bytes, matrix: Floats) -> bytes:
    """Return a glb whose scene is moved by a node above all others.

    Parameters
    ----------
    content
        The glb.
    matrix
        Axes of the content's tile → axes of the root, z up, shape (4, 4).
    """
    length = struct.unpack_from("<I", content, 12)[0]
    document = json.loads(content[20 : 20 + length])
    scene = document.get("scenes", [{}])[document.get("scene", 0)]
    if nodes := scene.get("nodes"):
        moved = _UPRIGHT.T @ matrix @ _UPRIGHT
        document["nodes"].append({"matrix": [float(value) for value in moved.T.ravel()], "children": nodes})
        scene["nodes"] = [len(document["nodes"]) - 1]
    head = json.dumps(document, separators=(",", ":")).encode()
    # As in `tiles.glb`: the binary chunk begins at a multiple of 8.
    head += b" " * ((4 - len(head)) % 8)
    rest = content[20 + length :]
    return b"glTF" + struct.pack("<4I", 2, 20 + len(head) + len(rest), len(head), 0x4E4F534A) + head + rest
