"""Unit models of street objects for instancing: z up, standing on the origin, one unit high; scaled to size where they stand."""

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cim.geometry.mesh import Floats, Mesh

Colour = tuple[int, int, int]
SIDES = 12


def turned(profile: Sequence[tuple[float, float]], colour: Colour) -> Mesh:
    """Return the surface that a profile makes when it turns about the z axis.

    Parameters
    ----------
    profile
        Radius and height of each corner, from the foot to the top [units].
    colour
        Linear red, green, blue 0-255.
    """
    angle = np.arange(SIDES + 1) * 2 * np.pi / SIDES
    round_ = np.column_stack((np.cos(angle), np.sin(angle)))
    positions, normals, triangles, first = [], [], [], 0
    for (r0, z0), (r1, z1) in itertools.pairwise(profile):
        outwards, upwards = np.array([z1 - z0, r0 - r1]) / np.hypot(z1 - z0, r0 - r1)
        for radius, height in ((r0, z0), (r1, z1)):
            positions.append(np.column_stack((round_ * radius, np.full(SIDES + 1, height))))
            normals.append(np.column_stack((round_ * outwards, np.full(SIDES + 1, upwards))))
        low = first + np.arange(SIDES)
        high = low + SIDES + 1
        if r0 > 0:
            triangles.append(np.column_stack((low, low + 1, high + 1)))
        if r1 > 0:
            triangles.append(np.column_stack((low, high + 1, high)))
        elif r0 > 0:
            triangles[-1] = np.column_stack((low, low + 1, high))
        first += 2 * (SIDES + 1)
    return _mesh(np.concatenate(positions), np.concatenate(normals), np.concatenate(triangles), colour)


def box(low: tuple[float, float, float], high: tuple[float, float, float], colour: Colour) -> Mesh:
    """Return an upright box without a floor."""
    (west, south, foot), (east, north, top) = low, high
    ring = np.array([(west, south), (east, south), (east, north), (west, north)])
    positions, normals = [], []
    for i in range(4):
        a, b = ring[i], ring[(i + 1) % 4]
        positions += [(*a, foot), (*b, foot), (*b, top), (*a, top)]
        along = (b - a) / np.linalg.norm(b - a)
        normals += [(along[1], -along[0], 0.0)] * 4
    positions += [(*corner, top) for corner in ring]
    normals += [(0.0, 0.0, 1.0)] * 4
    first = np.arange(0, 20, 4)[:, None]
    triangles = np.concatenate((first + np.array([0, 1, 2]), first + np.array([0, 2, 3])))
    return _mesh(np.array(positions), np.array(normals), triangles, colour)


def _mesh(positions: Floats, normals: Floats, triangles: NDArray[np.int64], colour: Colour) -> Mesh:
    n = len(positions)
    colours = np.tile(np.array([*colour, 255], np.uint8), (n, 1))
    return Mesh(positions, normals, triangles, np.zeros(n, np.int64), colours)


def joined(parts: Sequence[Mesh]) -> Mesh:
    """Return the parts as one model."""
    first = np.concatenate(([0], np.cumsum([len(part.positions) for part in parts])))
    return Mesh(
        np.concatenate([part.positions for part in parts]),
        np.concatenate([part.normals for part in parts]),
        np.concatenate([part.triangles + start for part, start in zip(parts, first[:-1], strict=True)]),
        np.concatenate([part.features for part in parts]),
        np.concatenate([np.zeros((0, 4), np.uint8) if part.colours is None else part.colours for part in parts]),
    )


_WHITE, _STEEL, _GLASS = (255, 255, 255), (60, 64, 68), (255, 236, 170)
_BARK, _LEAVES = (40, 24, 14), (30, 68, 22)
MODELS: dict[str, Mesh] = {
    "shaft": turned([(1, 0), (1, 1), (0, 1)], _WHITE),
    "hydrant": turned([(1, 0), (1, 0.68), (1.25, 0.68), (1.25, 0.8), (0.8, 0.92), (0, 1)], _WHITE),
    "valve": turned([(1, 0), (1, 0.6), (0.25, 0.6), (0.25, 0.85), (1.2, 0.85), (1.2, 1), (0, 1)], _WHITE),
    "cabinet": box((-1, -0.6, 0), (1, 0.6, 1), _WHITE),
    "lamp": joined(
        [
            turned([(0.012, 0), (0.007, 0.97), (0, 1)], _STEEL), box((0, -0.004, 0.96), (0.2, 0.004, 0.97), _STEEL),
            box((0.14, -0.02, 0.945), (0.24, 0.02, 0.96), _GLASS),
        ]
    ),
    "tree": joined(
        [turned([(0.04, 0), (0.025, 0.4)], _BARK), turned([(0, 0.28), (0.28, 0.42), (0.33, 0.6), (0.2, 0.86), (0, 1)], _LEAVES)]
    ),
}  # fmt: skip
"""White models take the colour of their layer."""
