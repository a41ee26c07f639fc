"""Elements of a model in a tile: what occurs often is instanced, the rest is baked; materials by triangle, flat normals always."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from cim.crs import lonlat_to_ecef, transform_xy
from cim.geoid import Geoid
from cim.geometry.ecef import Matrix, ecef_to_lonlat, enu_frame, from_frame, to_frame
from cim.geometry.mesh import Mesh, flat_mesh, to_srgb_linear, to_y_up, unit_float32
from tiles.glb import Primitive
from tiles.instances import LEAST, Instanced, build_scene, decompose
from tiles.metadata import PropertyTable, Text

Floats = NDArray[np.float64]
# sRGB by class where the file names no colour.
_DEFAULTS = {
    "IfcWall": (222, 214, 200), "IfcWallStandardCase": (222, 214, 200), "IfcSlab": (190, 190, 186), "IfcRoof": (164, 90, 70),
    "IfcWindow": (150, 190, 220), "IfcDoor": (140, 100, 70), "IfcPipeSegment": (110, 120, 130),
    "IfcDistributionChamberElement": (150, 150, 150),
}  # fmt: skip
_GREY = (200, 200, 200)
_EARTH_M = 6_378_137.0


@dataclass(frozen=True)
class Ground:
    """Where a model stands.

    Parameters
    ----------
    matrix
        Shape (4, 4): model's frame → easting, northing, normal height [m].
    crs
        Of easting and northing.
    geoid
        Ellipsoidal minus normal height.
    """

    matrix: Floats
    crs: str
    geoid: Geoid

    def to_ecef(self, xyz: Floats) -> Floats:
        """Return EPSG:4978 positions [m] of points of the model, shape (n, 3)."""
        placed = xyz @ self.matrix[:3, :3].T + self.matrix[:3, 3]
        # Through the projection vertex by vertex: its scale and convergence would be 28 cm over 200 m at a zone's edge.
        lon, lat = transform_xy(self.crs, "EPSG:4490", placed[:, 0], placed[:, 1])
        return lonlat_to_ecef(lon, lat, placed[:, 2] + self.geoid.at(lon, lat))

    def separation_of(self, outline: bytes) -> float:
        """Return the separation in the middle of an outline, WKB in longitude and latitude [m]."""
        west, south, east, north = shapely.from_wkb(outline).bounds
        return self.geoid.at_one((west + east) / 2, (south + north) / 2)


class Shape:
    """A shape of the store; its arrays are decoded when they are needed."""

    def __init__(self, digest: str, row: Sequence[Any]) -> None:
        self.hash = digest
        step, points, faces, materials, colours = row
        self.vertices: Floats = np.frombuffer(points, "<i4").reshape(-1, 3) * float(step)
        self.faces = np.frombuffer(faces, "<i4").reshape(-1, 3).astype(np.int64)
        self._materials, self._table = np.frombuffer(materials, "<i4"), np.frombuffer(colours, "<f4").reshape(-1, 4)

    @cached_property
    def box(self) -> Floats:
        """Corners of the box around it, shape (8, 3) [m]."""
        low, high = (self.vertices.min(axis=0), self.vertices.max(axis=0)) if len(self.vertices) else (np.zeros(3), np.zeros(3))
        return np.array([[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])])

    def colours(self, ifc_class: str) -> NDArray[np.uint8]:
        """Return linear colour per triangle, 0-255; that of the class where the file names none."""
        default = np.array([*np.array(_DEFAULTS.get(ifc_class, _GREY)) / 255, 1.0])
        known = np.vstack([self._table, default])
        index = np.where((self._materials >= 0) & (self._materials < len(self._table)), self._materials, len(self._table))
        if len(index) != len(self.faces):
            index = np.full(len(self.faces), len(self._table))
        chosen = known[index].astype(np.float64)
        linear = np.column_stack([to_srgb_linear(np.clip(chosen[:, :3], 0, 1)), np.clip(chosen[:, 3], 0, 1)])
        rounded: NDArray[np.uint8] = np.rint(linear * 255).astype(np.uint8)
        return rounded


@dataclass(frozen=True)
class Element:
    """An element with a shape.

    Parameters
    ----------
    row
        Code, GlobalId, class, name, storey code, storey name, discipline.
    shape
        Its shape.
    matrix
        Shape (4, 4): shape → model's frame [m].
    """

    row: tuple[Any, ...]
    shape: Shape
    matrix: Floats

    @property
    def ifc_class(self) -> str:
        """Class, e.g. IfcWall."""
        return str(self.row[2])


class Part:
    """Elements that go into one tile.

    Parameters
    ----------
    elements
        At least one.
    ground
        Where the model stands.
    """

    def __init__(self, elements: list[Element], ground: Ground) -> None:
        self.elements, self._ground = elements, ground
        corners = np.concatenate([one.shape.box @ one.matrix[:3, :3].T + one.matrix[:3, 3] for one in elements])
        ecef = ground.to_ecef(corners)
        centre = ecef_to_lonlat((ecef.min(axis=0) + ecef.max(axis=0))[None] / 2)[0]
        self.frame: Matrix = enu_frame(float(centre[0]), float(centre[1]), float(centre[2]))
        points = to_frame(self.frame, ecef)
        self.low, self.high = points.min(axis=0), points.max(axis=0)
        # The middle of a large shape bulges out of the plane through its corners.
        self.high[2] += float(np.square(self.high[:2] - self.low[:2]).sum()) / (8 * _EARTH_M)
        self.middle = (corners.min(axis=0) + corners.max(axis=0)) / 2

    def bbox(self) -> tuple[float, float, float, float]:
        """Return west, south, east, north [deg]."""
        low, high = self.low, self.high
        corners = np.array([low, [low[0], high[1], low[2]], [high[0], low[1], low[2]], high])
        lonlat = ecef_to_lonlat(from_frame(self.frame, corners))[:, :2]
        (west, south), (east, north) = lonlat.min(axis=0).tolist(), lonlat.max(axis=0).tolist()
        return west, south, east, north

    def _local(self, xyz: Floats) -> Floats:
        return to_frame(self.frame, self._ground.to_ecef(xyz))

    def _linear(self) -> Floats:
        """Return the matrix that the placement is around the middle of the part, model's frame → frame of the tile, shape (3, 3)."""
        steps = np.vstack([np.eye(3), -np.eye(3)])
        places = self._local(self.middle + steps)
        return (places[:3] - places[3:]).T / 2

    def encode(self) -> bytes:
        """Return the glb."""
        groups: dict[tuple[str, str], list[int]] = defaultdict(list)
        for number, one in enumerate(self.elements):
            groups[one.shape.hash, one.ifc_class].append(number)
        linear = self._linear()
        instanced, baked = [], []
        for members in groups.values():
            chosen, rest = self._instanced(members, linear) if len(members) >= LEAST else (None, members)
            if chosen is not None:
                instanced.append(chosen)
            baked += rest
        return build_scene(self._baked(sorted(baked)), instanced, self._table())

    def _instanced(self, members: list[int], linear: Floats) -> tuple[Instanced | None, list[int]]:
        """Return the places of a shape, and the members that cannot be drawn so (mirrored, sheared)."""
        matrices = np.array([self.elements[number].matrix for number in members])
        turns, scales, able = decompose(linear @ matrices[:, :3, :3])
        good = [number for number, fine in zip(members, able, strict=True) if fine]
        if len(good) < LEAST:
            return None, members
        first = self.elements[good[0]]
        shape = first.shape
        primitives = _primitives(shape.vertices, shape.faces, np.zeros(len(shape.faces), np.int64), shape.colours(first.ifc_class))
        if not primitives:
            return None, members
        places = to_y_up(self._local(matrices[able][:, :3, 3]))
        rest = [number for number, fine in zip(members, able, strict=True) if not fine]
        return Instanced(primitives, places, turns[able], scales[able], np.array(good)), rest

    def _baked(self, members: list[int]) -> list[Primitive]:
        if not members:
            return []
        chosen = [self.elements[number] for number in members]
        points = self._local(np.concatenate([one.shape.vertices @ one.matrix[:3, :3].T + one.matrix[:3, 3] for one in chosen]))
        first = np.concatenate(([0], np.cumsum([len(one.shape.vertices) for one in chosen])))
        faces = np.concatenate([one.shape.faces + start for one, start in zip(chosen, first[:-1], strict=True)])
        features = np.repeat(members, [len(one.shape.faces) for one in chosen])
        return _primitives(points, faces, features, np.concatenate([one.shape.colours(one.ifc_class) for one in chosen]))

    def _table(self) -> PropertyTable:
        columns = list(zip(*(one.row for one in self.elements), strict=True))
        names = ("code", "global_id", "class", "name", "storey_code", "storey", "discipline")
        texts = tuple(Text(name, column, is_id=name == "code") for name, column in zip(names, columns, strict=True))
        return PropertyTable("bim_element", texts, len(self.elements))


def _primitives(
    points: Floats, faces: NDArray[np.int64], features: NDArray[np.int64], colours: NDArray[np.uint8]
) -> list[Primitive]:  # fmt: skip
    """Return one primitive for what is opaque and one for what is not."""
    clear = colours[:, 3] < 255
    made = []
    for chosen, translucent in ((~clear, False), (clear, True)):
        if chosen.any():
            mesh = flat_mesh(points, faces[chosen], features[chosen], colours[chosen])
            if len(mesh.triangles):
                made.append(_primitive(mesh, translucent=translucent))
    return made


def _primitive(mesh: Mesh, *, translucent: bool) -> Primitive:
    normals = to_y_up(unit_float32(mesh.normals).astype(np.float64))
    return Primitive(
        to_y_up(mesh.positions), normals, mesh.features, mesh.triangles, (1.0, 1.0, 1.0, 1.0), mesh.colours, double_sided=True,
        is_translucent=translucent,
    )  # fmt: skip
