"""Shapes that occur many times in a tile: drawn once, placed by EXT_mesh_gpu_instancing, told apart by EXT_instance_features.

All features of the file, baked or instanced, are rows of one property table: CesiumJS looks at one table per model.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiles.glb import Document, Packed, Primitive, add_primitive, build_glb, document_of, pack_exactly, quantised
from tiles.metadata import PropertyTable

Floats = NDArray[np.float64]
LEAST = 4
"""A shape that occurs less often is baked: a draw call costs more than its triangles."""
_BENT = 2e-3
"""Largest deviation from a rotation with one scale that is drawn as one; map projections bend by up to 3e-4."""


@dataclass(frozen=True)
class Instanced:
    """A shape and its places.

    Parameters
    ----------
    primitives
        Around the middle of the shape, y up; their feature ids are not looked at.
    translations
        Shape (n, 3), y up [m].
    rotations
        Unit quaternions x, y, z, w, shape (n, 4).
    scales
        Shape (n,), or (n, 3) along x, y and z.
    features
        Row of the property table of each place, shape (n,).
    """

    primitives: list[Primitive]
    translations: NDArray[np.float32]
    rotations: NDArray[np.float32]
    scales: NDArray[np.float32]
    features: NDArray[np.int64]


def decompose(linear: Floats) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """Split matrices (z up) into rotations (quaternions for y-up axes) and scales.

    Parameters
    ----------
    linear
        Shape (n, 3, 3).

    Returns
    -------
    tuple
        Quaternions (n, 4), scales (n,), and whether the matrix is a rotation with one scale at all, (n,).
    """
    determinant = np.linalg.det(linear)
    scale = np.cbrt(np.maximum(determinant, 1e-12))
    u, _, vt = np.linalg.svd(linear / scale[:, None, None])
    turn = u @ vt
    able = (determinant > 1e-9) & (np.abs(linear / scale[:, None, None] - turn).max(axis=(1, 2)) < _BENT)
    return _quaternions(turn), scale.astype(np.float32), able


def _quaternions(turn: Floats) -> NDArray[np.float32]:
    """Return quaternions of rotations (z up) in y-up axes: x, z, -y, w."""
    m = turn
    # The largest of the four components decides the formula (Shepperd, 1978).
    squares = np.stack(
        [
            1 + m[:, 0, 0] - m[:, 1, 1] - m[:, 2, 2], 1 - m[:, 0, 0] + m[:, 1, 1] - m[:, 2, 2],
            1 - m[:, 0, 0] - m[:, 1, 1] + m[:, 2, 2], 1 + m[:, 0, 0] + m[:, 1, 1] + m[:, 2, 2],
        ],
        axis=1,
    )  # fmt: skip
    a, b, c = m[:, 2, 1] - m[:, 1, 2], m[:, 0, 2] - m[:, 2, 0], m[:, 1, 0] - m[:, 0, 1]
    d, e, f = m[:, 0, 1] + m[:, 1, 0], m[:, 0, 2] + m[:, 2, 0], m[:, 1, 2] + m[:, 2, 1]
    rows = np.stack(
        [
            np.stack([squares[:, 0], d, e, a], axis=1), np.stack([d, squares[:, 1], f, b], axis=1),
            np.stack([e, f, squares[:, 2], c], axis=1), np.stack([a, b, c, squares[:, 3]], axis=1),
        ],
        axis=1,
    )  # fmt: skip
    chosen = rows[np.arange(len(m)), squares.argmax(axis=1)]
    chosen /= np.linalg.norm(chosen, axis=1)[:, None]
    upright: NDArray[np.float32] = np.column_stack([chosen[:, 0], chosen[:, 2], -chosen[:, 1], chosen[:, 3]]).astype(np.float32)
    return upright


def build_scene(baked: list[Primitive], instanced: list[Instanced], table: PropertyTable, *, compress: bool = True) -> bytes:
    """Return a glb of baked primitives and instanced shapes with one property table.

    Parameters
    ----------
    baked
        Primitives in the frame of the tile.
    instanced
        Shapes with their places.
    table
        Attributes of the features, in feature order.
    compress
        Pack vertex and index data by EXT_meshopt_compression.
    """
    if not instanced:
        return build_glb(baked, table, compress=compress)
    drawn = [primitive for primitive in baked if len(primitive.triangles)]
    packed, placement = quantised(drawn, table.count) if drawn else ([], None)
    document = document_of(compress=compress, instancing=True)
    if packed:
        node: dict[str, Any] = {"mesh": _add_mesh(document, packed, table.count)}
        if placement is not None:
            node |= {"translation": list(placement.centre), "scale": [placement.half] * 3}
        document.json["nodes"].append(node)
    for one in instanced:
        document.json["nodes"].append(_instanced_node(document, one, table.count))
    document.json["scenes"] = [{"nodes": list(range(len(document.json["nodes"])))}]
    document.json["extensions"] = {"EXT_structural_metadata": table.to_json(document.add_view)}
    return document.to_glb()


def _add_mesh(document: Document, primitives: list[Packed], n_features: int | None) -> int:
    document.json["meshes"].append({"primitives": [add_primitive(document, one, n_features) for one in primitives]})
    return len(document.json["meshes"]) - 1


def _instanced_node(document: Document, one: Instanced, n_features: int) -> dict[str, Any]:
    # Integers would need a scale on the node, which comes after the places of the instances: metres stay metres here.
    mesh = _add_mesh(document, [pack_exactly(primitive) for primitive in one.primitives], None)
    scales = one.scales if one.scales.ndim == 2 else np.repeat(one.scales[:, None], 3, axis=1)
    attributes = {
        "TRANSLATION": document.add_attribute(one.translations, width=3),
        "ROTATION": document.add_attribute(one.rotations, width=4),
        "SCALE": document.add_attribute(scales, width=3),
        "_FEATURE_ID_0": document.add_attribute(one.features.astype(np.float32), width=1),
    }
    low, high = one.translations.min(axis=0).tolist(), one.translations.max(axis=0).tolist()
    document.json["accessors"][attributes["TRANSLATION"]] |= {"min": low, "max": high}
    told = {"featureIds": [{"featureCount": n_features, "attribute": 0, "propertyTable": 0}]}
    return {"mesh": mesh, "extensions": {"EXT_mesh_gpu_instancing": {"attributes": attributes}, "EXT_instance_features": told}}
