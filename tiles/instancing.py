"""Street objects as instances: copies of the models of `cim.geometry.models`, each a feature."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cim.geometry.mesh import Mesh, to_y_up
from tiles.glb import Primitive
from tiles.instances import Instanced

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Copies:
    """Copies of one model.

    Parameters
    ----------
    model
        Standing on the origin, see `cim.geometry.models`.
    places
        Foot of each copy, east north up [m], shape (n, 3).
    sizes
        Scale of each copy along east, north and up [m], shape (n, 3).
    features
        Feature id of each copy, shape (n,).
    colour
        Linear red, green, blue, alpha 0-1; multiplies the colours of the model.
    """

    model: Mesh
    places: Floats
    sizes: Floats
    features: NDArray[np.int64]
    colour: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)

    def corners(self) -> tuple[Floats, Floats]:
        """Return the lowest and the highest corner of all copies [m]."""
        low, high = self.model.positions.min(axis=0), self.model.positions.max(axis=0)
        return (self.places + low * self.sizes).min(axis=0), (self.places + high * self.sizes).max(axis=0)

    def instanced(self) -> Instanced:
        """Return what a glb is made from."""
        # CesiumJS culls a model by its own box about the copies' places, blind to their scale: the model is as large as the largest copy.
        largest = self.sizes.max(axis=0)
        upright = self.model.normals / largest
        primitive = Primitive(
            to_y_up(self.model.positions * largest), to_y_up(upright / np.linalg.norm(upright, axis=1)[:, None]), self.model.features,
            self.model.triangles, self.colour, self.model.colours, double_sided=True,
        )  # fmt: skip
        still = np.tile(np.array([0, 0, 0, 1], np.float32), (len(self.places), 1))
        # East, up, south for x, y, z: a scale has no sign.
        return Instanced([primitive], to_y_up(self.places), still, np.abs(to_y_up(self.sizes / largest)), self.features)
