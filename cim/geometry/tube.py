"""Pipes, ducts and manholes as triangles, z up."""

import numpy as np
from numpy.typing import NDArray

from cim.geometry.mesh import Floats, Mesh

SIDES = 8
"""Corners of a pipe's cross-section."""


def _cross_frame(direction: Floats) -> tuple[Floats, Floats]:
    """Return the unit vectors to the right of and above each direction; a vertical one takes east as its right."""
    right = np.column_stack((direction[:, 1], -direction[:, 0], np.zeros(len(direction))))
    size = np.linalg.norm(right, axis=1)
    upright = size < 1e-9
    right[upright] = (1.0, 0.0, 0.0)
    right /= np.where(upright, 1.0, size)[:, None]
    return right, np.cross(right, direction).astype(np.float64, copy=False)


def tubes(start: Floats, end: Floats, radius_m: Floats, features: NDArray[np.int64]) -> Mesh:
    """Return round pipes without caps, eight sides with smooth normals.

    Parameters
    ----------
    start, end
        Ends of the centre lines, shape (n, 3) [m]; no zero lengths.
    radius_m
        Shape (n,).
    features
        Feature of each pipe, shape (n,).

    Returns
    -------
    Mesh
        16 vertices and 16 triangles per pipe.
    """
    direction = (end - start) / np.linalg.norm(end - start, axis=1)[:, None]
    right, above = _cross_frame(direction)
    angle = np.arange(SIDES) * (2 * np.pi / SIDES)
    around = np.cos(angle)[None, :, None] * right[:, None, :] + np.sin(angle)[None, :, None] * above[:, None, :]
    offset = around * radius_m[:, None, None]
    positions = np.concatenate((start[:, None, :] + offset, end[:, None, :] + offset), axis=1).reshape(-1, 3)
    normals = np.concatenate((around, around), axis=1).reshape(-1, 3)
    corner, after = np.arange(SIDES), (np.arange(SIDES) + 1) % SIDES
    one = np.concatenate((np.column_stack((corner, after, after + SIDES)), np.column_stack((corner, after + SIDES, corner + SIDES))))[
        :, ::-1
    ]
    triangles = (one[None] + (np.arange(len(start)) * 2 * SIDES)[:, None, None]).reshape(-1, 3)
    return Mesh(positions, normals, triangles, np.repeat(features, 2 * SIDES))


def ducts(start: Floats, end: Floats, width_m: Floats, height_m: Floats, features: NDArray[np.int64]) -> Mesh:
    """Return rectangular ducts without caps: 16 vertices and 8 triangles each, flat normals."""
    direction = (end - start) / np.linalg.norm(end - start, axis=1)[:, None]
    right, above = _cross_frame(direction)
    half_right, half_above = right * (width_m / 2)[:, None], above * (height_m / 2)[:, None]
    corners = [half_right - half_above, half_right + half_above, -half_right + half_above, -half_right - half_above]
    outward = [right, above, -right, -above]
    points, normals = [], []
    for side in range(4):
        a, b = corners[side], corners[(side + 1) % 4]
        points += [start + a, start + b, end + b, end + a]
        normals += [outward[side]] * 4
    quad = np.array([[0, 2, 1], [0, 3, 2]])
    one = np.concatenate([quad + 4 * side for side in range(4)])
    triangles = (one[None] + (np.arange(len(start)) * 16)[:, None, None]).reshape(-1, 3)
    return Mesh(np.stack(points, axis=1).reshape(-1, 3), np.stack(normals, axis=1).reshape(-1, 3), triangles, np.repeat(features, 16))


def merged(meshes: list[Mesh]) -> Mesh:
    """Return several uncoloured meshes as one."""
    counts = np.concatenate(([0], np.cumsum([len(mesh.positions) for mesh in meshes])))
    return Mesh(
        np.concatenate([mesh.positions for mesh in meshes]).reshape(-1, 3),
        np.concatenate([mesh.normals for mesh in meshes]).reshape(-1, 3),
        np.concatenate([mesh.triangles + first for mesh, first in zip(meshes, counts[:-1], strict=True)]).reshape(-1, 3).astype(np.int64),
        np.concatenate([mesh.features for mesh in meshes]).astype(np.int64),
    )
