"""The tree above the leaves and its documents: which inner tiles there are, which tileset.json each is written to.

Cells with one child are left out. A document holds at most `DOCUMENT_LEAVES` leaves; the root document points to the others, so that none
grows with the city. Everything follows from the set of leaves alone: an edit gives the tree that a build from scratch gives.
"""

import itertools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cim.db.tilesets import TileRow
from cim.geometry.ecef import Matrix, from_frame, inverse_frame, to_frame
from tiles import grid
from tiles.grid import Floats

DOCUMENT_LEAVES = 64
_SLACK_M = 0.01
_SIGNS = np.array(list(itertools.product((0, 1), repeat=3)))


@dataclass(frozen=True)
class Cell:
    """A tile of the tree.

    Parameters
    ----------
    key
        Of its cell.
    children
        Tiles below, empty for a leaf.
    n_leaves
        Leaves below, 1 for a leaf.
    """

    key: str
    children: tuple["Cell", ...]
    n_leaves: int

    def inner(self) -> list["Cell"]:
        """Return the inner tiles, lower ones first."""
        return [cell for child in self.children for cell in child.inner()] + ([self] if self.children else [])


def tree(leaves: Iterable[str]) -> Cell:
    """Return the tree of leaves; none lies within another.

    Parameters
    ----------
    leaves
        Keys, at least one.
    """
    return _tree(sorted(leaves))


def _tree(keys: list[str]) -> Cell:
    if len(keys) == 1:
        return Cell(keys[0], (), 1)
    # Of sorted keys the first and the last share what all share.
    same = next(at for at, (one, other) in enumerate(zip(keys[0], keys[-1], strict=False)) if one != other)
    key = keys[0][:same]
    parts = [list(part) for _, part in itertools.groupby(keys, lambda one: one[len(key)])]
    return Cell(key, tuple(_tree(part) for part in parts), len(keys))


def corners_in(frame: Matrix, key: str, box: tuple[float, ...] | Floats) -> Floats:
    """Return the corners of a tile's box in another frame, shape (8, 3) [m]."""
    low_high = np.asarray(box, dtype=np.float64).reshape(2, 3)
    points = low_high[_SIGNS, [0, 1, 2]]
    return to_frame(frame, from_frame(grid.frame_of(key), points))


def union(key: str, own: Floats | None, children: Iterable[tuple[str, tuple[float, ...]]]) -> tuple[float, ...]:
    """Return the box of an inner tile: its content's and those of its children [m], rounded outwards to centimetres."""
    frame = grid.frame_of(key)
    points = [corners_in(frame, child, box) for child, box in children]
    if own is not None:
        points.append(own.reshape(2, 3))
    all_points = np.concatenate(points)
    low, high = np.floor(all_points.min(axis=0) * 100) / 100, np.ceil(all_points.max(axis=0) * 100) / 100
    return tuple(float(value) for value in (*(low - _SLACK_M), *(high + _SLACK_M)))


def box_json(box: tuple[float, ...]) -> list[float]:
    """Return the twelve numbers of a bounding volume (3D Tiles 1.1, "box")."""
    centre = [round((box[axis] + box[3 + axis]) / 2, 3) for axis in range(3)]
    half = [round((box[3 + axis] - box[axis]) / 2 + _SLACK_M, 3) for axis in range(3)]
    return [*centre, half[0], 0.0, 0.0, 0.0, half[1], 0.0, 0.0, 0.0, half[2]]


def begins_document(cell: Cell, parent: Cell | None) -> bool:
    """Tell whether a document of its own begins at a tile."""
    return bool(cell.children) and cell.n_leaves <= DOCUMENT_LEAVES and parent is not None and parent.n_leaves > DOCUMENT_LEAVES


def document(
    cell: Cell, rows: Mapping[str, TileRow], style: str, *, is_root: bool, prefix: str = "", whole: bool = False
) -> bytes:  # fmt: skip
    """Return the tileset.json that begins at a tile (3D Tiles 1.1).

    Parameters
    ----------
    cell
        Its root.
    rows
        By key, of the tile and all below it that are in this document.
    style
        Written as ``tilesetVersion``.
    is_root
        The document of the whole layer: its root carries the placement; that of another is in the tile that points to it.
    whole
        One document holds everything, however large.
    prefix
        From the document to the layer's folder, e.g. ``../``.
    """
    root = _tile(cell, rows, grid.frame_of(cell.key), None, prefix, whole=whole)
    if is_root:
        root["transform"] = _transform(grid.frame_of(cell.key))
    box = rows[cell.key].box or (0.0,) * 6
    extent = float(np.linalg.norm(np.subtract(box[3:], box[:3])))
    made = {
        "asset": {"version": "1.1", "tilesetVersion": style},
        "geometricError": round(max(extent, rows[cell.key].error_m), 3),
        "root": root,
    }
    return dumps(made)


def dumps(document: dict[str, Any]) -> bytes:
    """Return a JSON file."""
    return json.dumps(document, separators=(",", ":")).encode()


def _transform(matrix: Matrix) -> list[float]:
    return [float(value) for value in matrix.T.ravel()]


def _tile(cell: Cell, rows: Mapping[str, TileRow], frame: Matrix, parent: Cell | None, prefix: str, *, whole: bool) -> dict[str, Any]:
    """Return a tile without its transform; a leaf is ``refine: REPLACE`` like everything above it."""
    row = rows[cell.key]
    made: dict[str, Any] = {
        "boundingVolume": {"box": box_json(row.box or (0.0,) * 6)}, "geometricError": round(row.error_m, 3), "refine": "REPLACE",
    }  # fmt: skip
    if not whole and begins_document(cell, parent):
        made["content"] = {"uri": prefix + (row.document or "")}
        return made
    if row.uri:
        made["content"] = {"uri": prefix + row.uri}
    below = []
    for child in cell.children:
        inner = grid.frame_of(child.key)
        below.append(_tile(child, rows, inner, cell, prefix, whole=whole) | {"transform": _transform(inverse_frame(frame) @ inner)})
    if below:
        made["children"] = below
    return made
