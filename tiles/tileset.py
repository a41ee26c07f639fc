"""tileset.json (3D Tiles 1.1, explicit): boxes, transforms in float64, geometric errors computed from what is missing."""

import itertools
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cim.geometry.ecef import Matrix, enu_frame, from_frame, inverse_frame, to_frame
from tiles.content import Branch, LayerContent, Leaf

Floats = NDArray[np.float64]
_SLACK_M = 0.01


def _box(low: Floats, high: Floats) -> list[float]:
    centre, half = (low + high) / 2, (high - low) / 2 + _SLACK_M
    return [*map(float, centre), float(half[0]), 0.0, 0.0, 0.0, float(half[1]), 0.0, 0.0, 0.0, float(half[2])]


def _corners(leaf: Leaf) -> Floats:
    low, high = leaf.low - _SLACK_M, leaf.high + _SLACK_M
    points = np.array(list(itertools.product(*zip(low, high, strict=True))))
    return from_frame(leaf.frame, points)


def _leaf_json(leaf: Leaf, uri: str, parent: Matrix) -> dict[str, Any]:
    transform = inverse_frame(parent) @ leaf.frame
    return {
        "transform": [float(value) for value in transform.T.ravel()],
        "boundingVolume": {"box": _box(leaf.low, leaf.high)},
        "geometricError": 0.0,
        "content": {"uri": uri},
    }


def _branch_json(branch: Branch, uris: dict[str, str], frame: Matrix) -> tuple[dict[str, Any], Floats, float]:
    """Return tile, corner points in the root's frame and the size of the largest feature below [m]."""
    if branch.leaf is not None and branch.children:
        return _replaced_json(branch, branch.leaf, uris, frame)
    if branch.leaf is not None:
        corners = to_frame(frame, _corners(branch.leaf))
        return _leaf_json(branch.leaf, uris[branch.leaf.key], frame), corners, branch.leaf.feature_size_m
    built = [_branch_json(child, uris, frame) for child in branch.children]
    points = np.concatenate([corners for _, corners, _ in built])
    low, high = points.min(axis=0), points.max(axis=0)
    largest = max(size for _, _, size in built)
    # A sixteenth of the extent: the whole layer shows as long as it fills more than a few pixels; never less than what is missing.
    error = max(largest, float(np.linalg.norm(high - low)) / 16, *(tile["geometricError"] for tile, _, _ in built))
    tile = {
        "boundingVolume": {"box": _box(low, high)},
        "geometricError": error,
        "refine": "ADD",
        "children": [tile for tile, _, _ in built],
    }
    return tile, points, largest


def _replaced_json(branch: Branch, leaf: Leaf, uris: dict[str, str], frame: Matrix) -> tuple[dict[str, Any], Floats, float]:
    """Return a tile whose children take the place of its content; all below is in the frame of the content."""
    built = [_branch_json(child, uris, leaf.frame) for child in branch.children]
    points = np.concatenate([to_frame(leaf.frame, _corners(leaf)), *(corners for _, corners, _ in built)])
    tile = _leaf_json(leaf, uris[leaf.key], frame)
    tile |= {
        "boundingVolume": {"box": _box(points.min(axis=0), points.max(axis=0))},
        "geometricError": max(branch.error_m, *(below["geometricError"] for below, _, _ in built)),
        "refine": "REPLACE",
        "children": [below for below, _, _ in built],
    }
    return tile, to_frame(frame, from_frame(leaf.frame, points)), max(leaf.feature_size_m, *(size for _, _, size in built))


def _root_frame(content: LayerContent) -> Matrix:
    """Return the frame of the whole layer: upright boxes are tight, boxes along the earth's axes are not."""
    boxes = np.array([leaf.bbox for leaf in content.leaves()])
    west, south, east, north = boxes[:, 0].min(), boxes[:, 1].min(), boxes[:, 2].max(), boxes[:, 3].max()
    return enu_frame(float(west + east) / 2, float(south + north) / 2, content.min_height_m)


def write_tileset(content: LayerContent, uris: dict[str, str]) -> bytes:
    """Return tileset.json.

    Parameters
    ----------
    content
        The layer; must have a tree.
    uris
        Content file of each leaf, relative to tileset.json, by key.
    """
    if content.tree is None:
        raise ValueError(f"layer {content.layer} has nothing to draw")
    frame = np.eye(4) if content.tree.leaf is not None else _root_frame(content)
    root, points, largest = _branch_json(content.tree, uris, frame)
    if content.tree.leaf is None:
        root["transform"] = [float(value) for value in frame.T.ravel()]
    root.setdefault("refine", "ADD")
    extent = float(np.linalg.norm(points.max(axis=0) - points.min(axis=0)))
    document = {
        "asset": {"version": "1.1", "tilesetVersion": content.style_version},
        "geometricError": max(extent, largest, root["geometricError"]),
        "root": root,
    }
    return json.dumps(document, separators=(",", ":")).encode()
