"""A scan in normal heights, moved to ellipsoidal ones: as a whole at its root, and point by point where a grid tells the separation."""

import numpy as np
from numpy.typing import NDArray

from cim.crs import lonlat_to_ecef
from cim.geoid import Geoid
from cim.geometry.ecef import ecef_to_lonlat
from tiles.glb_read import Floats

_PLACES = 21


class Lift:
    """What a scan is moved by.

    Parameters
    ----------
    geoid
        Separation.
    box
        West, south, east, north of the scan [deg].

    Attributes
    ----------
    shift
        Moves the whole scan by the separation at its middle, EPSG:4978, shape (4, 4); over 10 km its direction turns by 2 cm at 13 m.
    reach
        Least and largest separation [m].

    Raises
    ------
    ConfigError
        As of `cim.geoid.Geoid.at`.
    """

    def __init__(self, geoid: Geoid, box: tuple[float, float, float, float]) -> None:
        self._geoid = geoid
        west, south, east, north = box
        middle = np.array([(west + east) / 2]), np.array([(south + north) / 2])
        low, high = (lonlat_to_ecef(*middle, height)[0] for height in (np.zeros(1), geoid.at(*middle)))
        self.shift: Floats = np.eye(4)
        self.shift[:3, 3] = high - low
        x, y = (one.ravel() for one in np.meshgrid(np.linspace(west, east, _PLACES), np.linspace(south, north, _PLACES)))
        separation = geoid.at(x, y)
        self.reach = float(separation.min()), float(separation.max())
        rest = np.linalg.norm(self._rest(x, y), axis=1)
        # The largest value may lie between the places.
        self._slack_m = 1.05 * float(rest.max()) + 0.01

    def _rest(self, lon: Floats, lat: Floats) -> Floats:
        """Return what is left to move after the shift of the whole, EPSG:4978, shape (n, 3) [m]."""
        up = lonlat_to_ecef(lon, lat, np.ones(len(lon))) - lonlat_to_ecef(lon, lat, np.zeros(len(lon)))
        return up * self._geoid.at(lon, lat)[:, None] - self.shift[:3, 3]

    def lifted(self, points: NDArray[np.float32], matrix: Floats) -> NDArray[np.float32]:
        """Return points of a tile moved by what the shift of the whole leaves.

        Parameters
        ----------
        points
            Shape (n, 3) [units of the tile].
        matrix
            Tile → EPSG:4978 before the shift, shape (4, 4).
        """
        lonlat = ecef_to_lonlat(points.astype(np.float64) @ matrix[:3, :3].T + matrix[:3, 3])
        rest = self._rest(lonlat[:, 0], lonlat[:, 1])
        return (points + rest @ np.linalg.inv(matrix[:3, :3]).T).astype(np.float32)

    def padded(self, box: list[float], matrix: Floats, *, is_root: bool) -> list[float]:
        """Return a box of a tile (3D Tiles 1.1, 12 numbers) that holds its points after they were moved.

        The tree turns once, below its root: a box turned in space reaches up to the root of three further for the same slack.
        """
        axes = np.array(box[3:], dtype=np.float64).reshape(3, 3)
        slack = (2 if is_root else 1) * self._slack_m / float(np.cbrt(abs(np.linalg.det(matrix[:3, :3]))))
        lengths = np.linalg.norm(axes, axis=1, keepdims=True)
        # The box of a flat scan has an axis without length; boxes of py3dtiles lie along the axes.
        grown = np.where(lengths > 0, axes * (1 + slack / np.maximum(lengths, 1e-12)), slack * np.eye(3))
        return [*map(float, box[:3]), *grown.ravel().tolist()]
