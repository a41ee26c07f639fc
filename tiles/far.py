"""The far view: buildings gathered into blocks of a grid, so that a whole city opens at once and stays light.

Every tile keeps a summary of 16 x 16 grid cells. The content of an inner tile is made of its children's summaries on a grid of 32 x 32:
one block per grid cell, which keeps the ground area and the volume of what it stands for. So a change below a tile needs the summaries of
four children, not the buildings.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cim.geometry.footprint import Floats, Footprints, Ints
from cim.geometry.measures import METRES_PER_DEGREE, STEPS
from cim.geometry.tiled_blocks import place, tiled_blocks
from cim.geometry.triangulate import triangulate
from tiles import grid
from tiles.glb import Packed, Placement, write_glb
from tiles.metadata import Array, PropertyTable

FINE = 4
"""A summary has 2 ** FINE grid cells along each side of its tile."""
STEPS_PER_ERROR = 128
"""Positions are rounded to so small a part of the geometric error: nobody sees it, and it saves a fifth of the bytes."""
BLOCK = np.dtype(
    [
        ("cell", "<u2"), ("n", "<u4"), ("area", "<f4"), ("top", "<f4"), ("base", "<f4"), ("west", "<f4"), ("south", "<f4"),
        ("east", "<f4"), ("north", "<f4"),
    ]
)  # fmt: skip
"""Grid cell (row * side + column), buildings, their area [m2], area-weighted top and lowest base [m], box in parts of the tile."""
Blocks = NDArray[np.void]


@dataclass(frozen=True)
class Measured:
    """What a summary needs to know of each building.

    Parameters
    ----------
    boxes
        West, south, east, north [deg], shape (n, 4).
    area
        Of the footprint [m2], shape (n,); 0 = not drawn.
    base, top
        Ellipsoidal heights [m], shape (n,).
    """

    boxes: Floats
    area: Floats
    base: Floats
    top: Floats


def areas(footprints: Footprints) -> Floats:
    """Return the ground area of each footprint [m2], shape (n,)."""
    x, y = footprints.xy[:, 0], footprints.xy[:, 1]
    after = np.arange(1, len(x) + 1)
    ends = footprints.ring_start[1:] - 1
    after[ends] = footprints.ring_start[:-1]
    twice = np.concatenate(([0.0], np.cumsum(x * y[after] - x[after] * y))) if len(x) else np.zeros(1)
    found: Floats = np.maximum(np.diff(twice[footprints.vertex_start]) / 2, 0.0)
    return found


def _gathered(cell: Ints, n: Ints, area: Floats, top: Floats, base: Floats, box: Floats) -> Blocks:
    order = np.argsort(cell, kind="stable")
    cell, n, area, top, base, box = cell[order], n[order], area[order], top[order], base[order], box[order]
    first = np.flatnonzero(np.concatenate(([True], cell[1:] != cell[:-1])))
    made = np.empty(len(first), BLOCK)
    made["cell"], made["n"] = cell[first], np.add.reduceat(n, first)
    whole = np.add.reduceat(area, first)
    made["area"], made["top"] = whole, np.add.reduceat(area * top, first) / whole
    made["base"] = np.minimum.reduceat(base, first)
    for name, values, edge in (("west", 0, np.minimum), ("south", 1, np.minimum), ("east", 2, np.maximum), ("north", 3, np.maximum)):
        made[name] = edge.reduceat(box[:, values], first)
    return made


def summary(key: str, measured: Measured) -> Blocks:
    """Return the blocks of a leaf.

    Parameters
    ----------
    key
        Of the leaf.
    measured
        Its buildings.
    """
    drawn = measured.area > 0
    if not drawn.any():
        return np.empty(0, BLOCK)
    west, south, east, _ = grid.bounds(key)
    box = (measured.boxes[drawn] - (west, south, west, south)) / (east - west)
    side = 1 << FINE
    middle = (box[:, :2] + box[:, 2:]) / 2
    column, row = np.clip(np.floor(middle * side), 0, side - 1).astype(np.int64).T
    ones = np.ones(len(box), np.int64)
    return _gathered(row * side + column, ones, measured.area[drawn], measured.top[drawn], measured.base[drawn], box)


def joined(key: str, children: list[tuple[str, Blocks]], *, fine: int) -> Blocks:
    """Return the blocks of a tile out of those of tiles below it.

    Parameters
    ----------
    key
        Of the tile.
    children
        Keys and summaries, of `FINE`.
    fine
        The result has 2 ** fine grid cells along each side; at most `FINE` + 1.
    """
    cells, boxes, parts = [], [], []
    for child, blocks in children:
        if not len(blocks):
            continue
        deeper = len(child) - len(key)
        shift = np.array(grid.offset(child)) - np.array(grid.offset(key)) * (1 << deeper)
        column, row = blocks["cell"] & ((1 << FINE) - 1), blocks["cell"] >> FINE
        coarser = deeper + FINE - fine
        place_of = ((int(shift[0]) << FINE) + column.astype(np.int64), (int(shift[1]) << FINE) + row.astype(np.int64))
        cells.append((place_of[1] >> coarser << fine) + (place_of[0] >> coarser))
        box = np.column_stack([blocks[name].astype(np.float64) for name in ("west", "south", "east", "north")])
        boxes.append((box + np.tile(shift, 2)) / (1 << deeper))
        parts.append(blocks)
    if not parts:
        return np.empty(0, BLOCK)
    all_parts = np.concatenate(parts)
    n, area, top, base = (all_parts[name].astype(kind) for name, kind in (("n", "i8"), ("area", "f8"), ("top", "f8"), ("base", "f8")))
    return _gathered(np.concatenate(cells), n, area, top, base, np.concatenate(boxes))


@dataclass(frozen=True)
class FarTile:
    """Content of an inner tile.

    Parameters
    ----------
    glb
        Its file.
    box
        Lowest and highest corner in the tile's frame, east north up [m], shape (6,).
    error_m
        Geometric error: the size of what the blocks leave out [m].
    n_vertices
        Of its mesh.
    """

    glb: bytes
    box: Floats
    error_m: float
    n_vertices: int


def far_tile(key: str, blocks: Blocks, colour: tuple[float, float, float, float], *, compress: bool) -> FarTile | None:
    """Make the content of an inner tile.

    Parameters
    ----------
    key
        Of the tile.
    blocks
        On the grid of `FINE` + 1.
    colour
        Linear red, green, blue, alpha 0-1.
    compress
        As in `tiles.glb.build_glb`.

    Returns
    -------
    FarTile or None
        None for a tile without anything to draw.

    Notes
    -----
    A block stands on the box of its buildings, shrunk about its middle to their ground area; its top is their area-weighted mean top, so
    area and volume are kept. The error is half the diagonal of a grid cell, or half the 95th percentile of the blocks' diagonals where that
    is larger: no building is further than that from the middle of its block.
    """
    if not len(blocks):
        return None
    west, south, east, _ = grid.bounds(key)
    size = east - west
    box = np.column_stack([blocks[name].astype(np.float64) for name in ("west", "south", "east", "north")]) * size
    box += (west, south, west, south)
    middle = (box[:, :2] + box[:, 2:]) / 2
    metres = np.column_stack([METRES_PER_DEGREE * np.cos(np.radians(middle[:, 1])), np.full(len(box), METRES_PER_DEGREE)])
    span = (box[:, 2:] - box[:, :2]) * metres
    area = blocks["area"].astype(np.float64)
    # A sliver's box is hardly wider than rounding: a metre keeps it a box.
    span = np.maximum(span, 1.0)
    half = span * np.sqrt(np.minimum(area / span.prod(axis=1), 1.0))[:, None] / 2 / metres
    ring = np.stack([middle + half * corner for corner in ((-1, -1), (1, -1), (1, 1), (-1, 1))], axis=1)
    starts = np.arange(len(blocks) + 1)
    xy = (ring - middle[:, None]) * metres[:, None]
    prints = Footprints(ring.reshape(-1, 2), xy.reshape(-1, 2), starts * 4, starts, starts, box)
    base, top = blocks["base"].astype(np.float64), blocks["top"].astype(np.float64)
    order, tile = starts[:-1], np.array([0, len(blocks)])
    placed = place(prints, order, tile, grid.frame_of(key)[None], base, top)
    cell = size / (1 << FINE + 1) * metres[0]
    error = max(float(np.hypot(*cell)), float(np.percentile(np.hypot(*span.T), 95))) / 2
    mesh = tiled_blocks(prints, triangulate(prints), placed, order, tile, top - base, error / STEPS_PER_ERROR)
    columns = (
        Array("height_m", (top - base).astype("<f4")), Array("n_buildings", np.minimum(blocks["n"], 65_535).astype("<u2")),
    )  # fmt: skip
    centre, extent = mesh.centre[0], float(mesh.half[0])
    positions: NDArray[np.int16] = mesh.positions
    bounds = (mesh.low[0].tolist(), mesh.high[0].tolist())
    primitive = Packed(positions, mesh.normals, mesh.features, mesh.triangles, colour, bounds=bounds)
    glb = write_glb(
        [primitive], Placement((float(centre[0]), float(centre[1]), float(centre[2])), extent),
        PropertyTable("block", columns, len(blocks)), compress=compress,
    )  # fmt: skip
    # Over a whole country rounding to 16 bits moves a corner by metres.
    step = extent / STEPS
    return FarTile(glb, placed.boxes[0] + np.repeat((-step, step), 3), error, len(positions))
