"""One outline raised to a block by plain arrays: loading the compiled code of `cim.geometry.solid` takes longer than a few blocks."""

from dataclasses import dataclass
from typing import Any

import mapbox_earcut
import numpy as np
import shapely
from numpy.typing import NDArray

from cim.crs import lonlat_to_ecef
from cim.geometry.ecef import Matrix, to_frame
from cim.geometry.measures import METRES_PER_DEGREE

Floats = NDArray[np.float64]


_FAR_M = 1e6
_SHORTEST_EDGE_DEG = 1e-3 / METRES_PER_DEGREE


def unrolled(outline: Any) -> Any:  # noqa: ANN401 - shapely ships no types
    """Return the polygons of an outline that have an area, without repeated vertices; None where there is none.

    Longitudes of one across the antimeridian pass 180 degrees.
    """
    west, _, east, _ = shapely.bounds(outline)
    if east - west > 180.0:
        outline = shapely.transform(outline, lambda at: np.column_stack([np.where(at[:, 0] < 0, at[:, 0] + 360, at[:, 0]), at[:, 1]]))
    parts = shapely.get_parts(shapely.remove_repeated_points(outline, _SHORTEST_EDGE_DEG))
    kept = [part for part in parts if part.geom_type == "Polygon" and part.area > 0]
    return shapely.multipolygons(kept) if kept else None


@dataclass(frozen=True)
class OneBlock:
    """Walls with flat normals and a roof, no floor; axes of glTF 2.0 section 3.3 (x east, y up, z south).

    Parameters
    ----------
    positions, normals
        Shape (v, 3), float32 [m].
    triangles
        Shape (t, 3), counter-clockwise from outside.
    """

    positions: NDArray[np.float32]
    normals: NDArray[np.float32]
    triangles: NDArray[np.uint32]


def raise_block(outline: Any, low_m: float, top_m: float, frame: Matrix) -> OneBlock:  # noqa: ANN401 - shapely ships no types
    """Raise an outline.

    Parameters
    ----------
    outline
        As of `unrolled`, longitude latitude [deg], EPSG:4490.
    low_m, top_m
        Ellipsoidal heights of the lower and upper end [m].
    frame
        East-north-up frame, see `cim.geometry.ecef.enu_frame`.

    Notes
    -----
    An outline of n vertices without holes gives 5n vertices and 3n - 2 triangles.
    """
    walls: list[tuple[Floats, Floats, Floats]] = []
    roofs, triangles, n = [], [], 0
    for polygon in shapely.get_parts(shapely.orient_polygons(outline)):
        rings = [shapely.get_coordinates(ring)[:-1] for ring in (polygon.exterior, *polygon.interiors)]
        walls += [_wall(ring, low_m, top_m, frame) for ring in rings]
        lonlat = np.concatenate(rings)
        # Squeezed as it is on the ground: thin triangles are judged by their true form.
        flat = (lonlat - lonlat[0]) * (np.cos(np.radians(lonlat[0, 1])), 1.0)
        cut = mapbox_earcut.triangulate_float64(flat, np.cumsum([len(ring) for ring in rings]).astype(np.uint32)).reshape(-1, 3)
        a, b, c = flat[cut[:, 0]], flat[cut[:, 1]], flat[cut[:, 2]]
        turned = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) < (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
        cut[turned] = cut[turned][:, ::-1]
        triangles.append(cut.astype(np.int64) + n)
        roofs.append(lonlat)
        n += len(lonlat)
    high, up = (np.concatenate([wall[k] for wall in walls]) for k in (1, 2))
    corners = np.concatenate([wall[0] for wall in walls])
    faces = np.arange(len(corners)).reshape(-1, 4)
    sides = np.stack([faces[:, [0, 1, 2]], faces[:, [0, 2, 3]]], axis=1).reshape(-1, 3)
    normals = np.cross(corners[1::4] - corners[0::4], up)
    normals /= np.linalg.norm(normals, axis=1)[:, None]
    return OneBlock(
        _y_up(np.concatenate([corners, high])),
        _y_up(np.concatenate([np.repeat(normals, 4, axis=0), up])),
        np.concatenate([sides, np.concatenate(triangles) + len(corners)]).astype(np.uint32),
    )


def _wall(ring: Floats, low_m: float, top_m: float, frame: Matrix) -> tuple[Floats, Floats, Floats]:
    """Return the four corners of each side, the upper vertices and the vertical at each, in the frame [m]."""
    count = len(ring)
    low, far = (to_frame(frame, lonlat_to_ecef(ring[:, 0], ring[:, 1], np.full(count, z))) for z in (low_m, low_m + _FAR_M))
    up = (far - low) / _FAR_M
    high = low + up * (top_m - low_m)
    after = np.roll(np.arange(count), -1)
    corners = np.stack([low, low[after], high[after], high], axis=1).reshape(-1, 3)
    return corners, high, up


def _y_up(xyz: Floats) -> NDArray[np.float32]:
    return np.column_stack((xyz[:, 0], xyz[:, 2], -xyz[:, 1])).astype(np.float32)
