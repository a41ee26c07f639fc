"""Layer ``buildings``: footprints raised by their height (CIM2)."""

from dataclasses import replace
from typing import Any

import numpy as np
import shapely

from cim.db import tile_reads
from cim.db.engine import Connection
from cim.geometry.ecef import enu_frame
from cim.geometry.footprint import METRES_PER_DEGREE, Floats, Footprints, footprints_from_wkb
from cim.geometry.solid import extrude
from cim.geometry.triangulate import triangulate
from tiles.content import Branch, LayerContent, Leaf, branch_of
from tiles.glb import Primitive, build_glb
from tiles.layers.common import SYNTHETIC_NOTE, hash_of, local
from tiles.metadata import Number, PropertyTable, Text
from tiles.plan import Node, plan

STYLE = "buildings-2"
SKIRT_M = 1.0
"""Walls go this far below the lowest ground, so that no gap shows on a slope."""
STOREY_M = 3.0
_COLOUR = (0.80, 0.80, 0.78, 1.0)


def _height(row: tuple[Any, ...]) -> float:
    return float(row[2] or (row[4] or 1) * STOREY_M)


def _height_source(row: tuple[Any, ...]) -> str | None:
    """Return where the drawn height comes from; a height the register does not know is flagged, never passed off as surveyed."""
    if row[2]:
        return str(row[8]) if row[8] else None
    return "storeys" if row[4] else "assumed"


def _table(rows: list[tuple[Any, ...]]) -> PropertyTable:
    columns = (
        Text("code", [row[0] for row in rows], is_id=True),
        Text("name", [row[1] for row in rows]),
        Number("height_m", [row[2] for row in rows]),
        Text("height_source", [_height_source(row) for row in rows]),
        Number("storeys_above", [row[4] for row in rows], is_integer=True),
        Text("use", [row[5] for row in rows]),
        Text("structure", [row[6] for row in rows]),
        Number("year_built", [row[7] for row in rows], is_integer=True),
    )
    return PropertyTable("building", columns, len(rows))


def _encode(rows: list[tuple[Any, ...]], frame: Any, base: Any, top: Any) -> bytes:  # noqa: ANN401 - arrays
    prints = footprints_from_wkb([row[9] for row in rows])
    blocks = extrude(prints, triangulate(prints), base, top, [frame], np.zeros(len(rows), dtype=np.int64))
    features = np.repeat(np.arange(len(rows)), np.diff(blocks.vertex_start))
    return build_glb([Primitive(blocks.positions, blocks.normals, features, blocks.triangles, _COLOUR)], _table(rows))


def build_layer(connection: Connection, geoid_separation_m: float) -> LayerContent:
    """Plan the layer.

    Parameters
    ----------
    connection
        The store.
    geoid_separation_m
        Ellipsoidal minus normal height [m].
    """
    rows = [(*row[:9], bytes(row[9])) for row in tile_reads.fetch_buildings(connection)]
    note = SYNTHETIC_NOTE | {"en": "Footprints from the survey; attributes synthetic.", "zh": "轮廓来自调查数据,属性为合成数据。"}
    synthetic = tile_reads.is_synthetic(connection, "census")
    title = {"en": "Buildings", "zh": "建筑"}
    empty = LayerContent(
        "buildings", "buildings", "buildings", title, note if synthetic else None, synthetic, [], STYLE, None, 0.0, 0.0, []
    )  # fmt: skip
    if not rows:
        return empty
    prints = footprints_from_wkb([row[9] for row in rows])
    bad = [rows[i][0] for i in triangulate(prints).bad]
    known = [row[3] for row in rows if row[3] is not None]
    # In whole metres: an edit elsewhere must not move every building whose ground is not known.
    ground_default = float(np.rint(np.median(known))) if known else 0.0
    ground = np.array([ground_default if row[3] is None else row[3] for row in rows]) + geoid_separation_m
    top = ground + np.array([_height(row) for row in rows])
    start = prints.vertex_start
    counts = np.diff(start)
    centre = _centres(prints, [row[9] for row in rows])
    sizes = _sizes(prints, top - ground)

    def leaf_of(node: Node) -> Leaf:
        members = node.features
        chosen = [rows[i] for i in members]
        # Numbers of the members' vertices: a running count, shifted to each member's first one.
        n_before = np.cumsum(counts[members]) - counts[members]
        vertices = np.arange(counts[members].sum()) + np.repeat(start[members] - n_before, counts[members])
        # The centres too: a tile of slivers without area has no vertices, but must have a place.
        owner = np.concatenate([np.repeat(members, counts[members]), members])
        lonlat = np.concatenate([prints.lonlat[vertices], centre[members]])
        west, south = (float(value) for value in lonlat.min(axis=0))
        east, north = (float(value) for value in lonlat.max(axis=0))
        frame = enu_frame((west + east) / 2, (south + north) / 2, float(np.median(ground[members])))
        points = np.concatenate([
            local(frame, lonlat[:, 0], lonlat[:, 1], ground[owner] - SKIRT_M), local(frame, lonlat[:, 0], lonlat[:, 1], top[owner]),
        ])  # fmt: skip
        base, head = ground[members] - SKIRT_M, top[members]
        digest = hash_of(STYLE, [*chosen, (base.tolist(), head.tolist())])
        return Leaf(
            node.key, frame, points.min(axis=0), points.max(axis=0), digest, len(chosen), (west, south, east, north),
            float(sizes[members].max()),
            lambda: _encode(chosen, frame, base, head),
        )  # fmt: skip

    tree: Branch = branch_of(plan(centre[:, 0], centre[:, 1], 5 * counts), leaf_of)
    return replace(empty, tree=tree, min_height_m=float(ground.min() - SKIRT_M), max_height_m=float(top.max()), bad=bad)


def _centres(prints: Footprints, rows: list[bytes]) -> Any:  # noqa: ANN401 - array (n, 2)
    """Return the mean vertex of each footprint [deg]: enough to choose a cell; of one without area, the middle of its box."""
    owner = np.repeat(np.arange(len(rows)), np.diff(prints.vertex_start))
    counts = np.bincount(owner, minlength=len(rows))
    sums = np.column_stack([np.bincount(owner, prints.lonlat[:, axis], minlength=len(rows)) for axis in range(2)])
    centre = sums / np.maximum(counts, 1)[:, None]
    flat = np.flatnonzero(counts == 0)
    if len(flat):
        box = shapely.bounds(shapely.from_wkb([rows[i] for i in flat]))
        centre[flat] = (box[:, :2] + box[:, 2:]) / 2
    return centre


def _sizes(prints: Footprints, rise: Floats) -> Floats:
    """Return the diagonal of each block's box [m]."""
    start = prints.vertex_start
    solid = np.flatnonzero(np.diff(start))
    width = np.zeros((len(rise), 2))
    if len(solid):
        low, high = (edge.reduceat(prints.lonlat, start[solid], axis=0) for edge in (np.minimum, np.maximum))
        width[solid] = (high - low) * METRES_PER_DEGREE
        width[solid, 0] *= np.cos(np.radians(low[:, 1]))
    sizes: Floats = np.sqrt((width**2).sum(axis=1) + rise**2)
    return sizes
