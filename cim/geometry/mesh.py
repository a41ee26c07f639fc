"""Triangle meshes: axes, flat normals, welding."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_NORMAL_STEPS = 1000


@dataclass(frozen=True)
class Mesh:
    """Triangles of several features, z up.

    Parameters
    ----------
    positions, normals
        Shape (v, 3), float64; normals of length 1.
    triangles
        Shape (t, 3), counter-clockwise from outside.
    features
        Feature of each vertex, shape (v,).
    colours
        Red, green, blue, alpha per vertex, 0-255, shape (v, 4); None = one colour for all.
    """

    positions: Floats
    normals: Floats
    triangles: NDArray[np.int64]
    features: NDArray[np.int64]
    colours: NDArray[np.uint8] | None = None


def to_y_up(xyz: Floats) -> NDArray[np.float32]:
    """Turn east, north, up into the axes of glTF 2.0 (section 3.3: y up), float32."""
    return np.column_stack((xyz[:, 0], xyz[:, 2], -xyz[:, 1])).astype(np.float32)


def unit_float32(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Scale vectors to length 1; a vector without length becomes the third axis."""
    size = np.linalg.norm(vectors, axis=1)
    safe = np.where(size > 0, size, 1.0)
    unit = vectors / safe[:, None]
    unit[size == 0] = (0.0, 0.0, 1.0)
    single: NDArray[np.float32] = unit.astype(np.float32)
    return single


def to_srgb_linear(colour: NDArray[np.floating]) -> Floats:
    """Turn sRGB values 0-1 into linear light (IEC 61966-2-1), as glTF expects colours."""
    value = np.asarray(colour, dtype=np.float64)
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def flat_mesh(points: Floats, triangles: NDArray[np.int64], features: NDArray[np.int64], colours: NDArray[np.uint8]) -> Mesh:
    """Give every triangle its flat normal, sharing vertices between coplanar triangles of one colour.

    Parameters
    ----------
    points
        Shape (v, 3) [m], z up.
    triangles
        Shape (t, 3); triangles without area are dropped.
    features
        Feature per triangle, shape (t,).
    colours
        Colour per triangle, shape (t, 4), 0-255.
    """
    corners = points[triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(normals, axis=1)
    kept = area > 1e-12
    triangles, features, colours = triangles[kept], features[kept], colours[kept]
    normals = normals[kept] / area[kept][:, None]
    steps = np.rint(normals * _NORMAL_STEPS).astype(np.int64) + _NORMAL_STEPS
    packed = (steps[:, 0] * 2001 + steps[:, 1]) * 2001 + steps[:, 2]
    shade = np.ascontiguousarray(colours).view(np.uint32).ravel().astype(np.int64)
    _, kind = np.unique(np.column_stack((packed, shade, features)), axis=0, return_inverse=True)
    key = triangles.astype(np.int64) * (int(kind.max(initial=0)) + 1) + kind.reshape(-1, 1)
    _, first, index = np.unique(key.ravel(), return_index=True, return_inverse=True)
    of_triangle = first // 3
    return Mesh(points[triangles.ravel()[first]], normals[of_triangle], index.reshape(-1, 3), features[of_triangle], colours[of_triangle])
