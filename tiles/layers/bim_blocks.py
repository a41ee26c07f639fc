"""What is seen of a model from afar: a block for the whole, then a block per storey."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from cim.geometry.block import raise_block, unrolled
from cim.geometry.ecef import enu_frame
from cim.geometry.measures import METRES_PER_DEGREE
from tiles.content import Leaf
from tiles.glb import Packed, write_glb
from tiles.layers.common import hash_of
from tiles.metadata import PropertyTable, Text

Floats = NDArray[np.float64]
COLOUR = (0.80, 0.80, 0.78, 1.0)
_COARSER_DEG = 0.1 / METRES_PER_DEGREE
"""Detail of an outline that a block leaves out: 10 cm."""
_SMALL_HOLE_DEG2 = 25 / METRES_PER_DEGREE**2
"""Gaps below 25 m2 between elements are no courtyards."""


@dataclass(frozen=True)
class Block:
    """An outline between two heights.

    Parameters
    ----------
    key
        Of the tile.
    outline
        WKB, EPSG:4490 [deg].
    low_m, top_m
        Ellipsoidal heights [m].
    table
        Its one row: name of the property → value; none of them is ``code``, which only elements have.
    """

    key: str
    outline: bytes
    low_m: float
    top_m: float
    table: tuple[tuple[str, str | None], ...]


def coarse(outline: bytes | None) -> bytes | None:
    """Return an outline without detail and small holes, None where nothing is left."""
    if outline is None:
        return None
    polygons = []
    for polygon in shapely.get_parts(shapely.from_wkb(outline)):
        simple = shapely.simplify(polygon, _COARSER_DEG)
        if simple.geom_type != "Polygon" or simple.is_empty:
            continue
        holes = [ring for ring in simple.interiors if shapely.Polygon(ring).area > _SMALL_HOLE_DEG2]
        polygons.append(shapely.Polygon(simple.exterior, holes))
    merged = shapely.make_valid(shapely.union_all(polygons)) if polygons else None
    parts = [] if merged is None else [part for part in shapely.get_parts(merged) if part.geom_type == "Polygon" and part.area > 0]
    return bytes(shapely.to_wkb(shapely.multipolygons(parts), byte_order=1, output_dimension=2)) if parts else None


def leaf_of(style: str, block: Block) -> Leaf | None:
    """Return the tile of a block, None where its outline has no area."""
    outline = unrolled(shapely.from_wkb(block.outline))
    if outline is None or not block.top_m > block.low_m:
        return None
    west, south, east, north = outline.bounds
    frame = enu_frame((west + east) / 2, (south + north) / 2, block.low_m)
    blocks = raise_block(outline, block.low_m, block.top_m, frame)
    upright = np.column_stack([blocks.positions[:, 0], -blocks.positions[:, 2], blocks.positions[:, 1]]).astype(np.float64)

    def encode() -> bytes:
        n = len(blocks.positions)
        normals, features = np.zeros((n, 4), np.int8), np.zeros((n, 2), np.uint16)
        normals[:, :3] = np.rint(blocks.normals * 127)
        columns = tuple(Text(name, [value]) for name, value in block.table)
        primitive = Packed(blocks.positions, normals, features, blocks.triangles, COLOUR)
        return write_glb([primitive], None, PropertyTable("bim_block", columns, 1))

    digest = hash_of(style, [(block.outline, block.low_m, block.top_m, *(part for pair in block.table for part in pair))])
    size = float(np.linalg.norm(np.ptp(upright, axis=0)))
    # No features: the codes are those of the elements below.
    return Leaf(block.key, frame, upright.min(axis=0), upright.max(axis=0), digest, 0, (west, south, east, north), size, encode)


def storey_heights(elevations: Sequence[float | None], found: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return lower and upper end of each storey in the model's frame [m], from below.

    Parameters
    ----------
    elevations
        As the storeys say; not all do.
    found
        Lowest and highest point of the elements of each.

    Notes
    -----
    A storey goes up to the next one; the elements count where elevations are missing or do not rise. A block never leaves the heights of
    the elements that it stands for.
    """
    made: list[tuple[float, float]] = []
    for number, (low, top) in enumerate(found):
        own = elevations[number]
        above = elevations[number + 1] if number + 1 < len(found) else None
        if number and own is not None and low < own < top:
            low = own
        if above is not None and low < above < top:
            top = above
        made.append((low, top))
    return made


def heights_of(corners: Floats) -> tuple[float, float]:
    """Return lowest and highest point, shape (n, 3)."""
    return float(corners[:, 2].min()), float(corners[:, 2].max())
