"""Layers ``bim/<model code>``: elements of a placed model, coloured by material."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cim.crs import lonlat_to_ecef, transform_xy
from cim.db import tile_reads
from cim.db.engine import Connection
from cim.errors import NotFoundError
from cim.geometry.ecef import ecef_to_lonlat, enu_frame, from_frame, to_frame
from cim.geometry.mesh import Mesh, flat_mesh, to_srgb_linear, to_y_up, unit_float32
from tiles.content import Branch, LayerContent, Leaf
from tiles.glb import Primitive, build_glb
from tiles.layers.common import hash_of
from tiles.metadata import PropertyTable, Text

STYLE = "bim-1"
MAX_TRIANGLES = 200_000
# sRGB by class where the file names no colour.
_DEFAULTS = {
    "IfcWall": (222, 214, 200), "IfcWallStandardCase": (222, 214, 200), "IfcSlab": (190, 190, 186), "IfcRoof": (164, 90, 70),
    "IfcWindow": (150, 190, 220), "IfcDoor": (140, 100, 70), "IfcPipeSegment": (110, 120, 130),
    "IfcDistributionChamberElement": (150, 150, 150),
}  # fmt: skip
_GREY = (200, 200, 200)


class _Element:
    """One element in the tile's frame."""

    def __init__(self, row: tuple[Any, ...], to_ecef: Any) -> None:  # noqa: ANN401 - function of the placement
        self.code, self.ifc_class, self.name, self.storey = row[:4]
        self.raw = tuple(bytes(part) for part in row[4:8])
        self.vertices = to_ecef(np.frombuffer(self.raw[0], "<f8").reshape(-1, 3))
        self.faces = np.frombuffer(self.raw[1], "<i4").reshape(-1, 3).astype(np.int64)

    def colours(self) -> NDArray[np.uint8]:
        """Return linear colour per triangle, 0-255."""
        table = np.frombuffer(self.raw[3], "<f4").reshape(-1, 4)
        material = np.frombuffer(self.raw[2], "<i4")
        default = np.array([*np.array(_DEFAULTS.get(self.ifc_class, _GREY)) / 255, 1.0])
        known = np.vstack([table, default])
        index = np.where((material >= 0) & (material < len(table)), material, len(table))
        if len(index) != len(self.faces):
            index = np.full(len(self.faces), len(table))
        chosen = known[index].astype(np.float64)
        linear = np.column_stack([to_srgb_linear(np.clip(chosen[:, :3], 0, 1)), np.clip(chosen[:, 3], 0, 1)])
        rounded: NDArray[np.uint8] = np.rint(linear * 255).astype(np.uint8)
        return rounded


def _encode(frame: Any, elements: list[_Element]) -> bytes:  # noqa: ANN401 - matrix
    points = np.concatenate([to_frame(frame, element.vertices) for element in elements])
    first = np.concatenate(([0], np.cumsum([len(element.vertices) for element in elements])))
    faces = np.concatenate([element.faces + start for element, start in zip(elements, first[:-1], strict=True)])
    features = np.repeat(np.arange(len(elements)), [len(element.faces) for element in elements])
    colours = np.concatenate([element.colours() for element in elements])
    clear = colours[:, 3] < 255
    primitives = []
    for chosen, translucent in ((~clear, False), (clear, True)):
        if chosen.any():
            mesh = flat_mesh(points, faces[chosen], features[chosen], colours[chosen])
            primitives.append(_primitive(mesh, translucent=translucent))
    columns = (
        Text("code", [element.code for element in elements], is_id=True),
        Text("class", [element.ifc_class for element in elements]),
        Text("name", [element.name for element in elements]),
        Text("storey", [element.storey for element in elements]),
    )
    return build_glb(primitives, PropertyTable("bim_element", columns, len(elements)))


def _primitive(mesh: Mesh, *, translucent: bool) -> Primitive:
    normals = to_y_up(unit_float32(mesh.normals).astype(np.float64))
    return Primitive(
        to_y_up(mesh.positions), normals, mesh.features, mesh.triangles, (1.0, 1.0, 1.0, 1.0), mesh.colours, double_sided=True,
        is_translucent=translucent,
    )  # fmt: skip


def build_layer(connection: Connection, code: str, geoid_separation_m: float) -> LayerContent:
    """Plan the layer of one model.

    Parameters
    ----------
    connection
        The store.
    code
        Model code.
    geoid_separation_m
        Ellipsoidal minus normal height [m].

    Raises
    ------
    NotFoundError
        No model has this code.
    """
    model = tile_reads.fetch_model(connection, code)
    if model is None:
        raise NotFoundError(f"no BIM model has the code {code!r}", hint="cim bim list")
    name, placement, crs, building, note, synthetic = model
    matrix = np.array(placement, dtype=np.float64).reshape(4, 4)

    def to_ecef(xyz: NDArray[np.float64]) -> NDArray[np.float64]:
        placed = xyz @ matrix[:3, :3].T + matrix[:3, 3]
        # Through the projection vertex by vertex: its scale and convergence would be 28 cm over 200 m at a zone's edge.
        lon, lat = transform_xy(crs, "EPSG:4490", placed[:, 0], placed[:, 1])
        return lonlat_to_ecef(lon, lat, placed[:, 2] + geoid_separation_m)

    elements = [_Element(row, to_ecef) for row in tile_reads.fetch_meshes(connection, code)]
    title, words = {"en": name, "zh": name}, {"en": note, "zh": note} if note else None
    replaces = [building] if building else []
    empty = LayerContent(f"bim/{code}", "bim", "bim-elements", title, words, synthetic, replaces, STYLE, None, 0.0, 0.0, [])
    if not elements:
        return empty
    leaves = [_leaf(number, part, (placement, crs, geoid_separation_m)) for number, part in enumerate(_split(elements))]
    tree = Branch(leaves[0]) if len(leaves) == 1 else Branch(None, tuple(Branch(leaf) for leaf in leaves))
    heights = ecef_to_lonlat(np.concatenate([element.vertices for element in elements]))[:, 2]
    return replace(empty, tree=tree, min_height_m=float(heights.min()), max_height_m=float(heights.max()))


def _split(elements: list[_Element]) -> list[list[_Element]]:
    parts: list[list[_Element]] = [[]]
    triangles = 0
    for element in elements:
        if parts[-1] and triangles + len(element.faces) > MAX_TRIANGLES:
            parts.append([])
            triangles = 0
        parts[-1].append(element)
        triangles += len(element.faces)
    return parts


def _leaf(number: int, elements: list[_Element], placed: tuple[Any, ...]) -> Leaf:
    ecef = np.concatenate([element.vertices for element in elements])
    centre = ecef_to_lonlat((ecef.min(axis=0) + ecef.max(axis=0))[None] / 2)[0]
    frame = enu_frame(float(centre[0]), float(centre[1]), float(centre[2]))
    points = to_frame(frame, ecef)
    low, high = points.min(axis=0), points.max(axis=0)
    corners = ecef_to_lonlat(from_frame(frame, np.array([low, [low[0], high[1], low[2]], [high[0], low[1], low[2]], high])))
    west, south = corners[:, :2].min(axis=0)
    east, north = corners[:, :2].max(axis=0)
    digest = hash_of(STYLE, [placed, *((e.code, e.ifc_class, e.name, e.storey, *e.raw) for e in elements)])
    size = float(np.linalg.norm(high - low))
    return Leaf(
        f"{number}", frame, low, high, digest, len(elements), (float(west), float(south), float(east), float(north)), size,
        lambda: _encode(frame, elements),
    )  # fmt: skip
