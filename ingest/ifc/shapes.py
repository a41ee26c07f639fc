"""Shapes of a model, each kept once, and the elements that have them."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Shape:
    """Triangles that any number of elements may have.

    Parameters
    ----------
    points
        Shape (n, 3), int32, steps from the middle of the shape.
    step_m
        Length of a step [m].
    faces
        Shape (m, 3), int32.
    materials
        Shape (m,), int32, index into ``colours``, -1 none.
    colours
        Shape (k, 4), float32, r g b a, 0-1.
    """

    points: NDArray[np.int32]
    step_m: float
    faces: NDArray[np.int32]
    materials: NDArray[np.int32]
    colours: NDArray[np.float32]

    @cached_property
    def hash(self) -> str:
        """Hash of the content, hexadecimal."""
        digest = hashlib.sha256(repr((self.step_m, len(self.points), len(self.faces))).encode())
        for part in (self.points, self.faces, self.materials, self.colours):
            digest.update(np.ascontiguousarray(part).data)
        return digest.hexdigest()[:32]

    @cached_property
    def vertices(self) -> Floats:
        """Vertices around the middle of the shape, shape (n, 3) [m]."""
        placed: Floats = self.points.astype(np.float64) * self.step_m
        return placed


@dataclass(frozen=True)
class Mesh:
    """A shape where an element has it.

    Parameters
    ----------
    shape
        Its triangles.
    matrix
        Shape (4, 4): shape → model's frame [m].
    status
        ``meshed``, ``without_openings`` or ``box``.
    """

    shape: Shape
    matrix: Floats
    status: str = "meshed"

    @property
    def vertices(self) -> Floats:
        """Vertices in the model's frame, shape (n, 3), float64 [m]."""
        placed: Floats = self.shape.vertices @ self.matrix[:3, :3].T + self.matrix[:3, 3]
        return placed

    @property
    def faces(self) -> NDArray[np.int32]:
        """Triangles, shape (m, 3)."""
        return self.shape.faces

    @property
    def materials(self) -> NDArray[np.int32]:
        """Index into ``colours`` per triangle, -1 none, shape (m,)."""
        return self.shape.materials

    @property
    def colours(self) -> NDArray[np.float32]:
        """R, g, b, a, 0-1, shape (k, 4)."""
        return self.shape.colours
