"""Boundaries of 3D geometries (CityJSON 2.0.1, clause 3): flattened, triangulated, checked; many geometries at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from cim.geometry.footprint import Footprints
from cim.geometry.triangulate import triangulate

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Polygon = list[list[int]]

PLANAR_M = 0.01
"""Largest distance of a vertex from the plane of its surface [m], the default of val3dity."""
_LEAST_SURFACES = 4
_DEPTH = {"MultiSurface": 0, "CompositeSurface": 0, "Solid": 1, "MultiSolid": 2, "CompositeSolid": 2}
TYPES = tuple(_DEPTH)


def flatten(boundaries: Sequence[Any], kind: str) -> list[Any]:
    """Return the surfaces of a geometry one after the other; values of semantics and appearance nest the same way.

    Parameters
    ----------
    boundaries
        Nested lists of CityJSON.
    kind
        Geometry type.
    """
    found: Any = boundaries
    for _ in range(_DEPTH[kind]):
        found = [one for part in found for one in (part or [])]
    return list(found)


@dataclass(frozen=True)
class Surfaces:
    """Surfaces of many geometries as flat arrays.

    Parameters
    ----------
    xyz
        Ring vertices [m], shape (v, 3).
    vertex
        Number of each ring vertex in its geometry, shape (v,).
    ring_start, surface_start, geometry_start
        First vertex of each ring, first ring of each surface, first surface of each geometry, and the ends.
    """

    xyz: Floats
    vertex: Ints
    ring_start: Ints
    surface_start: Ints
    geometry_start: Ints

    @property
    def surface_of_vertex(self) -> Ints:
        """Surface of each ring vertex, shape (v,)."""
        ring = np.repeat(np.arange(len(self.ring_start) - 1), np.diff(self.ring_start))
        return np.asarray(np.repeat(np.arange(len(self.surface_start) - 1), np.diff(self.surface_start))[ring], np.int64)

    @property
    def geometry_of_surface(self) -> Ints:
        """Geometry of each surface."""
        return np.asarray(np.repeat(np.arange(len(self.geometry_start) - 1), np.diff(self.geometry_start)), np.int64)


def surfaces_of(geometries: Sequence[tuple[list[Polygon], Floats]]) -> Surfaces:
    """Put geometries one behind the other.

    Parameters
    ----------
    geometries
        Surfaces (rings of vertex numbers) and vertices [m], shape (n, 3), of each.
    """
    vertex: list[int] = []
    ring_start, surface_start, geometry_start, base = [0], [0], [0], []
    for polygons, _ in geometries:
        begin = len(vertex)
        for polygon in polygons:
            for ring in polygon:
                vertex += ring
                ring_start.append(len(vertex))
            surface_start.append(len(ring_start) - 1)
        geometry_start.append(len(surface_start) - 1)
        base.append(len(vertex) - begin)
    numbers = np.array(vertex, np.int64)
    offset = np.repeat(np.concatenate(([0], np.cumsum([len(xyz) for _, xyz in geometries])))[:-1], base)
    stacked = np.concatenate([xyz for _, xyz in geometries]) if geometries else np.empty((0, 3))
    starts = (np.array(part, np.int64) for part in (ring_start, surface_start, geometry_start))
    return Surfaces(stacked[numbers + offset.astype(np.int64)], numbers, *starts)


def newell(surfaces: Surfaces) -> Floats:
    """Return the area vectors of the surfaces [m2], shape (s, 3): normal times twice the area, holes taken off."""
    a = surfaces.xyz
    following = np.arange(1, len(a) + 1)
    following[surfaces.ring_start[1:] - 1] = surfaces.ring_start[:-1]
    # Relative to a vertex of the same surface: far from the origin the products lose digits.
    first = surfaces.ring_start[surfaces.surface_start[:-1]]
    origin = a[first][surfaces.surface_of_vertex]
    p, q = a - origin, a[following] - origin
    out = np.zeros((len(surfaces.surface_start) - 1, 3))
    np.add.at(out, surfaces.surface_of_vertex, np.cross(p, q))
    return out


@dataclass(frozen=True)
class Faces:
    """Triangles of surfaces.

    Parameters
    ----------
    corners
        Ring vertices (positions in `Surfaces.xyz`) of each triangle, shape (t, 3).
    surface
        Surface of each triangle, shape (t,), rising.
    bad
        Surfaces whose triangles do not cover them.
    """

    corners: Ints
    surface: Ints
    bad: Ints


def flat(surfaces: Surfaces, area: Floats) -> Floats:
    """Return the vertices in the plane of their surface's largest extent, counter-clockwise for the outer ring, shape (v, 2)."""
    axis = np.abs(area).argmax(axis=1)
    is_down = np.take_along_axis(area, axis[:, None], axis=1)[:, 0] < 0
    kept = np.array([[1, 2], [2, 0], [0, 1]])[axis]
    kept = np.where(is_down[:, None], kept[:, ::-1], kept)[surfaces.surface_of_vertex]
    first = surfaces.ring_start[surfaces.surface_start[:-1]]
    local = surfaces.xyz - surfaces.xyz[first][surfaces.surface_of_vertex]
    return np.asarray(np.take_along_axis(local, kept, axis=1), np.float64)


def triangles(surfaces: Surfaces) -> Faces:
    """Triangulate surfaces; corners keep the direction of the rings."""
    n = len(surfaces.surface_start) - 1
    if not n:
        return Faces(np.empty((0, 3), np.int64), np.empty(0, np.int64), np.empty(0, np.int64))
    xy = np.ascontiguousarray(flat(surfaces, newell(surfaces)))
    whole = np.arange(n + 1, dtype=np.int64)
    made = triangulate(Footprints(xy, xy, surfaces.ring_start, surfaces.surface_start, whole, np.zeros((n, 4))))
    surface = np.repeat(np.arange(n), np.diff(made.feature_start))
    return Faces(made.vertices.astype(np.int64), surface, np.asarray(np.flatnonzero(~(made.area_error <= 1e-6)), np.int64))


_FACTORS = np.array([0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB, 0xD6E8FEB86659FD93], np.uint64)
"""Odd numbers whose bits look random."""
FAULTS = {
    "101": "ring with fewer than three points", "102": "point twice in a row", "104": "surface that crosses itself or has no area",
    "203": "surface that is not flat", "301": "solid with fewer than four surfaces",
    "302": "shell that is not closed", "303": "edge that more than two surfaces share",
    "307": "surfaces that face different ways",
    "405": "shell turned inside out",
}  # fmt: skip
"""Codes and meanings as of val3dity (H. Ledoux, "val3dity: validation of 3D GIS primitives", 2018)."""


def check(surfaces: Surfaces, kinds: Sequence[str]) -> list[list[tuple[str, int]]]:
    """Check geometries.

    Parameters
    ----------
    surfaces
        See `surfaces_of`.
    kinds
        Geometry type of each.

    Returns
    -------
    list
        Faults of each geometry: code of `FAULTS` and number of the surface in the geometry, -1 for the whole.
    """
    n = len(surfaces.surface_start) - 1
    geometry, area = surfaces.geometry_of_surface, newell(surfaces)
    faults: list[list[tuple[str, int]]] = [[] for _ in kinds]

    def note(code: str, at: Any) -> None:  # noqa: ANN401 - array of surfaces
        for surface in np.unique(np.asarray(at)):
            owner = int(geometry[surface])
            faults[owner].append((code, int(surface - surfaces.geometry_start[owner])))

    size = np.diff(surfaces.ring_start)
    surface_of_ring = np.repeat(np.arange(n), np.diff(surfaces.surface_start))
    note("101", surface_of_ring[size < 3])
    following = np.arange(1, len(surfaces.xyz) + 1)
    following[surfaces.ring_start[1:] - 1] = surfaces.ring_start[:-1]
    step = np.linalg.norm(surfaces.xyz[following] - surfaces.xyz, axis=1)
    note("102", surfaces.surface_of_vertex[(step < 1e-6) & (np.repeat(size, size) > 1)])
    length = np.linalg.norm(area, axis=1)
    is_thin = length < 1e-9
    unit = area / np.where(is_thin, 1.0, length)[:, None]
    first = surfaces.ring_start[surfaces.surface_start[:-1]]
    off = np.abs(np.einsum("ij,ij->i", surfaces.xyz - surfaces.xyz[first][surfaces.surface_of_vertex], unit[surfaces.surface_of_vertex]))
    note("203", surfaces.surface_of_vertex[(off > PLANAR_M) & ~is_thin[surfaces.surface_of_vertex]])
    note("104", np.flatnonzero(is_thin | _crosses(surfaces, area)))
    _check_shells(surfaces, kinds, faults)
    return faults


def _crosses(surfaces: Surfaces, area: Floats) -> NDArray[np.bool_]:
    n = len(surfaces.surface_start) - 1
    found = np.zeros(n, bool)
    size = np.diff(surfaces.ring_start)
    surface_of_ring = np.repeat(np.arange(n), np.diff(surfaces.surface_start))
    usable = np.ones(n, bool)
    usable[surface_of_ring[size < 3]] = False
    ring = np.repeat(np.arange(len(size)), size)
    keep = usable[surface_of_ring][ring]
    if not keep.any():
        return found
    xy = flat(surfaces, area)
    rings = shapely.linearrings(xy[keep], indices=np.unique(ring[keep], return_inverse=True)[1])
    owner = surface_of_ring[usable[surface_of_ring]]
    polygons = shapely.polygons(rings, indices=np.unique(owner, return_inverse=True)[1])
    found[np.unique(owner)] = ~shapely.is_valid(polygons)
    return found


def _numbered(rows: Ints) -> Ints:
    """Return a number for each row, shape (n,), the same for equal rows."""
    # Sorting one column of hashes takes a fraction of sorting rows; rows that differ under one hash are told apart afterwards.
    mixed = np.zeros(len(rows), np.uint64)
    for column, factor in zip(rows.T.view(np.uint64), _FACTORS, strict=False):
        mixed = (mixed ^ column) * factor
        mixed ^= mixed >> np.uint64(29)
    _, first, number = np.unique(mixed, return_index=True, return_inverse=True)
    if (rows[first[number]] == rows).all():
        return np.asarray(number, np.int64)
    return np.asarray(np.unique(rows, axis=0, return_inverse=True)[1], np.int64).ravel()


def _check_shells(surfaces: Surfaces, kinds: Sequence[str], faults: list[list[tuple[str, int]]]) -> None:
    """Solids: every edge is used once each way."""
    solid = np.array([kind == "Solid" for kind in kinds])
    if not solid.any():
        return
    for one in np.flatnonzero(solid & (np.diff(surfaces.geometry_start) < _LEAST_SURFACES)):
        faults[int(one)].append(("301", -1))
    geometry = surfaces.geometry_of_surface[surfaces.surface_of_vertex]
    # Vertices at one place are one vertex, whatever their number.
    number = _numbered(np.column_stack((geometry, np.rint(surfaces.xyz * 1000).astype(np.int64))))
    following = np.arange(1, len(surfaces.xyz) + 1)
    following[surfaces.ring_start[1:] - 1] = surfaces.ring_start[:-1]
    a, b = number, number[following]
    used = (a != b) & solid[geometry]
    a, b, owner = a[used], b[used], geometry[used]
    n = len(number) + 1
    forward, n_forward = np.unique(a * n + b, return_counts=True)
    low, high = np.minimum(a, b), np.maximum(a, b)
    edges, at, n_edge = np.unique(low * n + high, return_index=True, return_counts=True)
    del edges
    for code, which in (("303", at[n_edge > 2]), ("302", at[n_edge < 2])):
        for one in np.unique(owner[which]):
            faults[int(one)].append((code, -1))
    twice = np.isin(a * n + b, forward[n_forward > 1])
    for one in np.unique(owner[twice]):
        if not faults[int(one)]:
            faults[int(one)].append(("307", -1))
    volume = np.zeros(len(kinds))
    local = (
        surfaces.xyz - surfaces.xyz[surfaces.ring_start[surfaces.surface_start[surfaces.geometry_start[:-1]]]][geometry]
        if len(kinds)
        else surfaces.xyz
    )
    first = surfaces.ring_start[surfaces.surface_start[:-1]]
    part = np.einsum("ij,ij->i", local[first], newell(surfaces)) / 6
    np.add.at(volume, surfaces.geometry_of_surface, part)
    for one in np.flatnonzero(solid & (volume < 0)):
        if not faults[int(one)]:
            faults[int(one)].append(("405", -1))
