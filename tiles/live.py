"""Tiles of buildings made on request, for any filter and any past date: the kernel of the batch, so the same bytes for the same buildings.

The server finds this module by the entry point ``cim.live_tiles``; it brings the rows, this module makes the files.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from cim.crs import lonlat_to_ecef
from cim.db.tilesets import TileRow
from cim.geoid import Geoid
from cim.geometry.ecef import to_frame
from cim.profile import ColourRule
from tiles import grid, pyramid
from tiles.layers import buildings
from tiles.layers.buildings import MAX_FEATURES, MAX_VERTICES, SKIRT_M, STOREY_M, STYLE, Heights
from tiles.layers.common import Floats

bounds = grid.bounds

LEVEL = 17
"""Cells that the server counts buildings in: about 300 m."""
_SLACK_M = 0.5
_SCHEMA = pa.schema(
    [
        ("code", pa.string()), ("height_m", pa.float64()), ("height_source", pa.string()), ("ground_elevation_m", pa.float64()),
        ("storeys_above", pa.int16()), ("use", pa.string()), ("structure", pa.string()), ("year_built", pa.int16()), ("geom", pa.binary()),
    ]
)  # fmt: skip


@dataclass(frozen=True)
class _Count:
    n: int
    vertices: int
    box: tuple[float, float, float, float]
    ground: tuple[float, float] | None
    rise: float
    lacks_ground: bool


def tile(
    rows: Sequence[Any], key: str, geoid: Geoid, ground_m: float, *, compress: bool, colours: ColourRule | None = None
) -> bytes | None:  # fmt: skip
    """Return the glb of a cell, None where it holds no building.

    Parameters
    ----------
    rows
        code, height_m, height_source, ground_elevation_m, storeys_above, use, structure, year_built, WKB.
    key
        Cell.
    geoid
        Ellipsoidal minus normal height.
    ground_m
        Ground where nobody has measured it [m].
    compress
        See `tiles.glb.build_glb`.
    colours
        Rule of the city profile.
    """
    columns = zip(*rows, strict=True) if rows else [[]] * len(_SCHEMA)
    table = pa.table([pa.array(column, kind) for column, kind in zip(columns, _SCHEMA.types, strict=True)], schema=_SCHEMA)
    made = buildings.encode_cell(table, key, Heights(geoid, ground_m, colours), compress=compress, whole=True)
    return made[0].glb if made else None


def tileset(cells: Sequence[Any], geoid: Geoid, ground_m: float, query: str) -> bytes:
    """Return the tileset.json over tiles made on request.

    Parameters
    ----------
    cells
        Of `LEVEL`: column, row, n, vertices of the outlines, west, south, east, north [deg], lowest and highest ground [m], largest height
        and storeys, number of unknown grounds.
    geoid, ground_m
        As in `tile`.
    query
        Query string that the tiles' addresses repeat, without the question mark.
    """
    counts = {grid.key_at(cell[0], cell[1], LEVEL): _count(cell) for cell in cells}
    if not counts:
        nowhere = {"box": [0.0] * 3 + [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]}
        root_tile = {"boundingVolume": nowhere, "geometricError": 0.0, "refine": "ADD"}
        return pyramid.dumps({"asset": {"version": "1.1"}, "geometricError": 0.0, "root": root_tile})
    rows: dict[str, TileRow] = {}
    for key, members in _leaves(counts):
        rows[key] = _row(key, [counts[name] for name in members], Heights(geoid, ground_m), query)
    root = pyramid.tree(rows)
    for cell in root.inner():
        children = [(child.key, rows[child.key].box or (0.0,) * 6) for child in cell.children]
        around = pyramid.union(cell.key, None, children)
        # Nothing stands in for what is below: all of it shows as long as the tile fills more than a few pixels.
        error = float(np.linalg.norm(np.subtract(around[3:], around[:3]))) / 16
        error = max([error, *(rows[child.key].error_m for child in cell.children)])
        rows[cell.key] = TileRow(cell.key, "", "", "", 0, 0, (0.0, 0.0, 0.0, 0.0), box=around, error_m=error, is_far=True)
    return pyramid.document(root, rows, STYLE, is_root=True, whole=True)


def _count(cell: Sequence[Any]) -> _Count:
    ground = None if cell[8] is None else (float(cell[8]), float(cell[9]))
    rise = max(float(cell[10] or 0.0), float(cell[11] or 1) * STOREY_M)
    return _Count(int(cell[2]), int(cell[3]), (cell[4], cell[5], cell[6], cell[7]), ground, rise, bool(cell[12]))


def _leaves(counts: dict[str, _Count]) -> list[tuple[str, list[str]]]:
    """Cut by the batch's budget, as far down as cells were counted: key and counted cells of each leaf."""
    waiting: dict[str, list[str]] = {}
    for key in sorted(counts):
        waiting.setdefault(key[: grid.BASE_LEVEL], []).append(key)
    found, queue = [], list(waiting.items())
    while queue:
        key, members = queue.pop()
        n, vertices = sum(counts[one].n for one in members), sum(counts[one].vertices for one in members)
        if (n <= MAX_FEATURES and 5 * vertices <= MAX_VERTICES) or len(key) == LEVEL:
            found.append((key, members))
            continue
        depth = len(key) + 1
        queue += [(part, [one for one in members if one.startswith(part)]) for part in sorted({one[:depth] for one in members})]
    return found


def _row(key: str, counts: list[_Count], heights: Heights, query: str) -> TileRow:
    west, south = (min(count.box[axis] for count in counts) for axis in (0, 1))
    east, north = (max(count.box[axis] for count in counts) for axis in (2, 3))
    grounds = [level for count in counts for level in count.ground or ()]
    grounds += [heights.ground_m] if any(count.lacks_ground for count in counts) or not grounds else []
    x, y = np.meshgrid(np.linspace(west, east, 5), np.linspace(south, north, 5))
    separation = heights.geoid.at(x.ravel(), y.ravel())
    low = min(grounds) + float(separation.min()) - SKIRT_M
    high = max(grounds) + float(separation.max()) + max(count.rise for count in counts)
    corners: Floats = np.array([(x, y, z) for x in (west, east) for y in (south, north) for z in (low, high)])
    places = to_frame(grid.frame_of(key), lonlat_to_ecef(corners[:, 0], corners[:, 1], corners[:, 2]))
    box = (*(places.min(axis=0) - _SLACK_M).tolist(), *(places.max(axis=0) + _SLACK_M).tolist())
    uri = f"tile/{key}.glb" + (f"?{query}" if query else "")
    return TileRow(key, uri, "", "", sum(count.n for count in counts), 0, (west, south, east, north), box=box)
