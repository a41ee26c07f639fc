"""Layers ``bim/<model code>``: a placed model as block, storeys, and elements by discipline, each level in place of the one above.

The levels need an outline and storeys; a bridge or a drain without storeys begins with its elements.
"""

from collections import defaultdict
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cim.db import tile_reads
from cim.db.engine import Connection
from cim.errors import NotFoundError
from cim.geoid import Geoid
from cim.geometry.ecef import ecef_to_lonlat
from tiles.content import Branch, LayerContent, Leaf
from tiles.layers.bim_blocks import Block, coarse, leaf_of, storey_heights
from tiles.layers.bim_elements import Element, Ground, Part, Shape
from tiles.layers.common import hash_of

Floats = NDArray[np.float64]
STYLE = "bim-2"
MAX_TRIANGLES = 200_000
_BLOCK_SHARE, _STOREY_SHARE = 4, 8
"""Geometric errors as parts of the model's diagonal: a block below about 64 pixels, storeys below 128 (1080 lines, 60 degrees, SSE 16)."""

# Beginnings of class names of IfcDistributionElement and its kin (IFC 4.3.2, 7.5 to 7.8; the older names of IFC2X3).
_SERVICES = (
    "IfcFlow", "IfcDistribution", "IfcPipe", "IfcDuct", "IfcCable", "IfcEnergy", "IfcElectric", "IfcAir", "IfcFan", "IfcPump", "IfcValve",
    "IfcBoiler", "IfcChiller", "IfcCoil", "IfcDamper", "IfcFilter", "IfcHeat", "IfcHumidifier", "IfcTank", "IfcSanitary", "IfcWaste",
    "IfcStackTerminal", "IfcFire", "IfcLamp", "IfcLightFixture", "IfcOutlet", "IfcSwitch", "IfcSensor", "IfcAlarm", "IfcActuator",
    "IfcController", "IfcUnitary", "IfcTransformer", "IfcProtective", "IfcSpaceHeater", "IfcSolar", "IfcMotor", "IfcMedical",
    "IfcInterceptor", "IfcJunctionBox", "IfcCompressor", "IfcCondenser", "IfcEvaporat", "IfcCool", "IfcBurner", "IfcAudio",
    "IfcCommunications", "IfcTube", "IfcEngine", "IfcMobile",
)  # fmt: skip
_STRUCTURE = (
    "IfcBeam", "IfcColumn", "IfcFooting", "IfcPile", "IfcMember", "IfcPlate", "IfcReinforc", "IfcTendon", "IfcBearing", "IfcDeepFoundation",
    "IfcCaisson",
)  # fmt: skip
_FURNITURE = ("IfcFurni", "IfcSystemFurniture")


def discipline_of(ifc_class: str) -> str:
    """Return architecture, structure, services or furniture."""
    for name, beginnings in (("services", _SERVICES), ("structure", _STRUCTURE), ("furniture", _FURNITURE)):
        if ifc_class.startswith(beginnings):
            return name
    return "architecture"


def build_layer(connection: Connection, code: str, geoid: Geoid) -> LayerContent:
    """Plan the layer of one model.

    Parameters
    ----------
    connection
        The store.
    code
        Model code.
    geoid
        Ellipsoidal minus normal height.

    Raises
    ------
    NotFoundError
        No model has this code.
    """
    model = tile_reads.fetch_model(connection, code)
    if model is None:
        raise NotFoundError(f"no BIM model has the code {code!r}", hint="cim bim list")
    name, placement, crs, building, note, synthetic = model
    title, words = {"en": name, "zh": name}, {"en": note, "zh": note} if note else None
    replaces = [building] if building else []
    empty = LayerContent(f"bim/{code}", "bim", "bim-elements", title, words, synthetic, replaces, STYLE, None, 0.0, 0.0, [])
    if placement is None:
        return empty
    ground = Ground(np.array(placement, dtype=np.float64).reshape(4, 4), crs, geoid)
    elements = _elements(connection, code)
    if not elements:
        return empty
    groups: dict[str | None, list[Element]] = defaultdict(list)
    for one in elements:
        groups[one.row[4]].append(one)
    placed = (list(map(float, placement)), crs, geoid.token)
    branches, leaves = _storeys(connection, code, building, groups, ground, placed)
    loose = _leaves("loose", groups.get(None, []), ground, placed)
    tree = _tree(connection, code, name, building, branches, [*leaves, *loose], ground)
    heights = ecef_to_lonlat(ground.to_ecef(_corners(elements)))[:, 2]
    return replace(empty, tree=tree, min_height_m=float(heights.min()), max_height_m=float(heights.max()))


def _elements(connection: Connection, code: str) -> list[Element]:
    shapes = {digest: Shape(digest, row) for digest, row in tile_reads.fetch_shapes(connection, code).items()}
    made = []
    for row in tile_reads.fetch_meshes(connection, code):
        matrix = np.vstack([np.array(row[7], dtype=np.float64).reshape(3, 4), [0.0, 0.0, 0.0, 1.0]])
        made.append(Element((*row[:6], discipline_of(row[2])), shapes[row[6]], matrix))
    return made


def _leaves(key: str, elements: list[Element], ground: Ground, placed: tuple[Any, ...]) -> list[Leaf]:
    """Return the tiles of a storey: one or more per discipline."""
    by_discipline: dict[str, list[Element]] = defaultdict(list)
    for one in elements:
        by_discipline[one.row[6]].append(one)
    made = []
    for discipline, members in sorted(by_discipline.items()):
        for number, part in enumerate(_split(members)):
            made.append(_leaf(f"{key}-{discipline}-{number}", Part(part, ground), placed))
    return made


def _split(elements: list[Element]) -> list[list[Element]]:
    parts: list[list[Element]] = [[]]
    triangles = 0
    for element in elements:
        if parts[-1] and triangles + len(element.shape.faces) > MAX_TRIANGLES:
            parts.append([])
            triangles = 0
        parts[-1].append(element)
        triangles += len(element.shape.faces)
    return parts


def _leaf(key: str, part: Part, placed: tuple[Any, ...]) -> Leaf:
    digest = hash_of(STYLE, [placed, *((*one.row, one.shape.hash, *one.matrix[:3].ravel().tolist()) for one in part.elements)])
    size = float(np.linalg.norm(part.high - part.low))
    return Leaf(key, part.frame, part.low, part.high, digest, len(part.elements), part.bbox(), size, part.encode)


def _corners(elements: list[Element]) -> Floats:
    return np.concatenate([one.shape.box @ one.matrix[:3, :3].T + one.matrix[:3, 3] for one in elements])


def _storeys(
    connection: Connection,
    code: str,
    building: str | None,
    groups: dict[str | None, list[Element]],
    ground: Ground,
    placed: tuple[Any, ...],
) -> tuple[list[Branch], list[Leaf]]:
    """Return the storeys that have a block, with their elements below, and the elements of those that have none."""
    rows = [row for row in tile_reads.fetch_storeys(connection, code) if row[0] in groups]
    corners = [_corners(groups[row[0]]) for row in rows]
    found = [(float(c[:, 2].min()), float(c[:, 2].max())) for c in corners]
    diagonal = _diagonal(np.concatenate(corners)) if corners else 0.0
    branches: list[Branch] = []
    loose: list[Leaf] = []
    for number, (row, heights) in enumerate(zip(rows, storey_heights([row[2] for row in rows], found), strict=True)):
        leaves = _leaves(f"{number}", groups[row[0]], ground, placed)
        table = (("storey_code", row[0]), ("storey", row[1]), ("model_code", code), ("building_code", building))
        block = _block(f"{number}-block", None if row[3] is None else bytes(row[3]), heights, table, ground)
        if block is None:
            loose += leaves
        else:
            branches.append(Branch(block, tuple(Branch(leaf) for leaf in leaves), diagonal / _STOREY_SHARE))
    return branches, loose


def _diagonal(corners: Floats) -> float:
    return float(np.linalg.norm(np.ptp(corners, axis=0)))


def _block(
    key: str, outline: bytes | None, heights: tuple[float, float], table: tuple[tuple[str, str | None], ...], ground: Ground
) -> Leaf | None:  # fmt: skip
    simple = coarse(outline)
    if simple is None:
        return None
    # Heights of the model's frame rise with the ground's: placements turn about the vertical only.
    low, top = (float(ground.matrix[2, 2] * z + ground.matrix[2, 3]) + ground.separation_of(simple) for z in heights)
    return leaf_of(STYLE, Block(key, simple, low, top, table))


def _tree(
    connection: Connection, code: str, name: str, building: str | None, storeys: list[Branch], leaves: list[Leaf], ground: Ground
) -> Branch:  # fmt: skip
    below = (*storeys, *(Branch(leaf) for leaf in leaves))
    shape = tile_reads.fetch_model_shape(connection, code)
    if storeys and shape is not None and None not in shape:
        outline = coarse(bytes(shape[0]))
        low, top = (float(z) + (0.0 if outline is None else ground.separation_of(outline)) for z in shape[1:])
        table = (("model_code", code), ("name", name), ("building_code", building))
        block = None if outline is None else leaf_of(STYLE, Block("block", outline, low, top, table))
        if block is not None:
            return Branch(block, below, block.feature_size_m / _BLOCK_SHARE)
    return below[0] if len(below) == 1 else Branch(None, below)
