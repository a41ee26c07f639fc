"""Layer ``buildings``: footprints raised by their height (CIM2), whole cells at a time.

A leaf is a pure function of the buildings whose box has its middle in the cell: the batch, the rebuild after a change and the live tiles
all call `encode_cell` and get the same bytes.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numba
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cim.crs import lonlat_to_ecef
from cim.geoid import Geoid
from cim.geometry.ecef import Matrix, to_frame
from cim.geometry.footprint import Floats, Footprints, Ints, footprints_from_buffer
from cim.geometry.measures import LARGEST_HALF_M
from cim.geometry.mesh import to_srgb_linear
from cim.geometry.solid import extrude
from cim.geometry.tiled_blocks import Placed, TiledBlocks, place, tiled_blocks
from cim.geometry.triangulate import Triangles, triangulate
from cim.model.building import STRUCTURES, USES
from cim.profile import ColourRule
from tiles import far, grid
from tiles.glb import Packed, Placement, write_glb
from tiles.metadata import NO_FLOAT, NO_INTEGER, Array, Choice, PackedText, PropertyTable

STYLE = "buildings-5"
SKIRT_M = 1.0
"""Walls go this far below the lowest ground, so that no gap shows on a slope."""
STOREY_M = 3.0
COLOUR = (0.80, 0.80, 0.78, 1.0)
MAX_VERTICES = 60_000
MAX_FEATURES = 1_500
HEIGHT_SOURCES = ("surveyed", "storeys", "generated", "bim", "assumed")
_STOREYS, _ASSUMED = HEIGHT_SOURCES.index("storeys"), HEIGHT_SOURCES.index("assumed")
CIM_LEVEL = 2


@dataclass(frozen=True)
class Heights:
    """What all tiles depend on: what turns heights of the register into ellipsoidal ones, and how buildings are coloured.

    Parameters
    ----------
    geoid
        Ellipsoidal minus normal height; one value per building, at the middle of its box, so that flat stays flat.
    ground_m
        Ground of a building whose ground nobody has measured, normal height [m].
    colours
        Rule that colours the buildings; None = one neutral colour.
    """

    geoid: Geoid
    ground_m: float
    colours: ColourRule | None = None


@dataclass(frozen=True)
class Made:
    """A leaf.

    Parameters
    ----------
    key
        Of its cell.
    input_hash
        Of its buildings and the style.
    glb
        The file; None where the caller has it already.
    n_features, n_vertices
        In it.
    bbox
        West, south, east, north [deg].
    box
        Lowest and highest corner in the frame of the cell, east north up [m], shape (6,).
    heights
        Lowest and highest point, ellipsoidal [m].
    blocks
        Summary for the far view.
    bad
        Codes of buildings whose triangles are not exact.
    """

    key: str
    input_hash: str
    glb: bytes | None
    n_features: int
    n_vertices: int
    bbox: tuple[float, float, float, float]
    box: Floats
    heights: tuple[float, float]
    blocks: far.Blocks
    bad: list[str]


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba ships no types
def _row_hashes(data: NDArray[np.uint8], start: Ints) -> NDArray[np.uint64]:
    """Return a 64-bit hash of each row (FNV-1a by words of 8 bytes)."""
    found = np.empty(start.shape[0] - 1, np.uint64)
    prime = np.uint64(1099511628211)
    for row in range(found.shape[0]):
        value = np.uint64(14695981039346656037)
        at, end = start[row], start[row + 1]
        while at + 8 <= end:
            word = np.uint64(0)
            for k in range(8):
                word |= np.uint64(data[at + k]) << np.uint64(8 * k)
            value = (value ^ word) * prime
            value ^= value >> np.uint64(29)
            at += 8
        while at < end:
            value = (value ^ np.uint64(data[at])) * prime
            at += 1
        found[row] = value ^ np.uint64(end - start[row])
    return found


def _bytes_of(array: pa.Array) -> tuple[NDArray[np.uint8], Ints]:
    """Return the bytes of a text or binary column and the first byte of each row and the end."""
    wide = pa.types.is_large_string(array.type) or pa.types.is_large_binary(array.type)
    _, offsets, data = array.buffers()
    start = np.frombuffer(offsets, np.int64 if wide else np.int32)[array.offset : array.offset + len(array) + 1].astype(np.int64)
    raw = np.frombuffer(data, np.uint8)[start[0] : start[-1]] if data is not None else np.empty(0, np.uint8)
    return raw, start - start[0]


def _numbers(array: pa.Array, missing: float, kind: str) -> NDArray[Any]:
    return np.asarray(pc.fill_null(array, missing).to_numpy(zero_copy_only=False)).astype(kind)


def _choices(array: pa.Array, names: tuple[str, ...]) -> NDArray[np.uint8]:
    found = pc.index_in(array, value_set=pa.array(names, array.type))
    return np.asarray(pc.fill_null(found, 255).to_numpy(zero_copy_only=False)).astype(np.uint8)


class Buildings:
    """Rows of `cim.db.tile_reads.BUILDINGS` in Morton order, those of one cell only.

    Parameters
    ----------
    rows
        Table of the store.
    key
        Cell; rows with the middle of their box elsewhere are left out.
    heights
        See `Heights`.
    """

    def __init__(self, rows: pa.Table, key: str, heights: Heights) -> None:
        rows = rows.combine_chunks()
        data, start = _bytes_of(_one(rows, "geom"))
        self.prints: Footprints = footprints_from_buffer(data, start)
        boxes = self.prints.boxes
        code = grid.codes((boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2)
        first, end = grid.range_of(key)
        inside = np.flatnonzero((code >= first) & (code < end))
        self.order: Ints = inside[np.argsort(code[inside], kind="stable")]
        self.code = code[self.order]
        names = _one(rows, "code")
        self._break_ties(names)
        chosen = rows.drop_columns(["geom"]).take(pa.array(self.order)).combine_chunks()
        self.names, self.name_start = _bytes_of(_one(chosen, "code"))
        self.shape_hash = _row_hashes(data, start)[self.order]
        self.height = _numbers(_one(chosen, "height_m"), NO_FLOAT, "<f4")
        self.storeys = _numbers(_one(chosen, "storeys_above"), NO_INTEGER, "<i2")
        self.year = _numbers(_one(chosen, "year_built"), NO_INTEGER, "<i2")
        self.use, self.structure = _choices(_one(chosen, "use"), USES), _choices(_one(chosen, "structure"), STRUCTURES)
        ground = np.asarray(_one(chosen, "ground_elevation_m").cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False))
        known, counted = self.height > 0, self.storeys > 0
        source = _choices(_one(chosen, "height_source"), HEIGHT_SOURCES)
        # A height the register does not know is flagged, never passed off as surveyed.
        self.source = np.where(known, source, np.where(counted, _STOREYS, _ASSUMED)).astype(np.uint8)
        self.rise = np.where(known, self.height, np.where(counted, self.storeys, 1) * STOREY_M).astype(np.float64) + SKIRT_M
        self.rule = heights.colours
        west, south, east, north = boxes[self.order].T
        separation = heights.geoid.at((west + east) / 2, (south + north) / 2)
        self.base = np.where(np.isfinite(ground), ground, heights.ground_m) + separation - SKIRT_M

    def __len__(self) -> int:
        return len(self.order)

    def _break_ties(self, names: pa.Array) -> None:
        """Put buildings of one and the same middle in the order of their codes: the order must not depend on the store's."""
        same = np.flatnonzero(self.code[1:] == self.code[:-1])
        if not len(same):
            return
        for run in np.split(same, np.flatnonzero(np.diff(same) > 1) + 1):
            members = slice(run[0], run[-1] + 2)
            self.order[members] = sorted(self.order[members], key=lambda row: names[int(row)].as_py())

    def code_of(self, position: int) -> str:
        """Return the code of a building by its position in the order."""
        return self.names[self.name_start[position] : self.name_start[position + 1]].tobytes().decode()

    def hash_of(self, first: int, end: int, key: str, *, compress: bool) -> str:
        """Return the hash of a leaf's cell, style and buildings."""
        digest = hashlib.sha256(f"{STYLE} {compress} {key}".encode())
        if self.rule is not None:
            digest.update(self.rule.model_dump_json().encode())
        for values in (self.shape_hash, self.height, self.storeys, self.year, self.use, self.structure, self.source, self.rise, self.base):
            digest.update(values[first:end])
        digest.update(self.name_start[first : end + 1] - self.name_start[first])
        digest.update(self.names[self.name_start[first] : self.name_start[end]])
        return digest.hexdigest()

    def painted(self, primitive: Packed, first: int, end: int) -> Packed:
        """Return a primitive of a run of buildings in the colours of the rule."""
        if self.rule is None:
            return primitive
        names, values = (USES, self.use) if self.rule.attribute == "use" else (STRUCTURES, self.structure)
        told = [self.rule.colours.get(name, self.rule.default) for name in names]
        palette = np.tile(_linear(self.rule.default), (256, 1))
        palette[: len(told)] = np.concatenate([_linear(colour) for colour in told])
        own = primitive.features.reshape(len(primitive.features), -1)[:, 0].astype(np.int64)
        return replace(primitive, colour=(1.0, 1.0, 1.0, 1.0), vertex_colours=palette[values[first:end][own]])

    def table(self, first: int, end: int) -> PropertyTable:
        """Return the property table of a run of buildings."""
        part = slice(first, end)
        starts = self.name_start[first : end + 1]
        columns = (
            PackedText("code", self.names[starts[0] : starts[-1]], starts - starts[0], is_id=True),
            Array("height_m", self.height[part], NO_FLOAT), Choice("height_source", self.source[part], HEIGHT_SOURCES),
            Array("storeys_above", self.storeys[part], NO_INTEGER), Choice("use", self.use[part], USES),
            Choice("structure", self.structure[part], STRUCTURES), Array("year_built", self.year[part], NO_INTEGER),
            Array("cim_level", np.full(end - first, CIM_LEVEL, np.uint8)),
        )  # fmt: skip
        return PropertyTable("building", columns, end - first)


def _linear(colour: str) -> NDArray[np.uint8]:
    """Return the linear red, green, blue, alpha of #rrggbb, shape (1, 4)."""
    srgb = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    found: NDArray[np.uint8] = np.rint(np.append(to_srgb_linear(srgb), 1.0)[None] * 255).astype(np.uint8)
    return found


def _one(rows: pa.Table, name: str) -> pa.Array:
    column = rows.column(name)
    return column.chunk(0) if column.num_chunks else pa.array([], column.type)


def leaves(code: Ints, vertices: Ints, key: str) -> list[tuple[str, int, int]]:
    """Cut a cell into leaves: the largest cells, of `tiles.grid.BASE_LEVEL` or deeper, that hold no more than the budget.

    Parameters
    ----------
    code
        Rising Morton codes, shape (n,).
    vertices
        Mesh vertices per feature, shape (n,).
    key
        The cell.

    Returns
    -------
    list
        Key, first feature and the end of each leaf.
    """
    total = np.concatenate(([0], np.cumsum(vertices)))
    found, waiting = [], [(key, 0, len(code))]
    while waiting:
        cell, first, end = waiting.pop()
        if first == end:
            continue
        fits = end - first <= MAX_FEATURES and total[end] - total[first] <= MAX_VERTICES
        if len(cell) >= grid.BASE_LEVEL and (fits or len(cell) >= grid.DEEPEST or end - first == 1):
            found.append((cell, first, end))
            continue
        cuts = [first + int(np.searchsorted(code[first:end], grid.range_of(f"{cell}{digit}")[0])) for digit in range(4)] + [end]
        waiting += [(f"{cell}{digit}", cuts[digit], cuts[digit + 1]) for digit in range(3, -1, -1)]
    return found


def encode_cell(
    rows: pa.Table,
    key: str,
    heights: Heights,
    *,
    compress: bool,
    is_known: Callable[[str, str], bool] = lambda _key, _hash: False,
    whole: bool = False,
) -> list[Made]:
    """Make the leaves of a cell.

    Parameters
    ----------
    rows
        At least the buildings of the cell, see `cim.db.tile_reads.fetch_building_table`.
    key
        Cell.
    heights
        See `Heights`.
    compress
        See `tiles.glb.build_glb`.
    is_known
        Whether the caller has the file of a key and input hash; then it is not made.
    whole
        The cell is one leaf, whatever it holds.
    """
    if not rows.num_rows:
        return []
    buildings = Buildings(rows, key, heights)
    if not len(buildings):
        return []
    prints, order = buildings.prints, buildings.order
    cut = [(key, 0, len(buildings))] if whole else leaves(buildings.code, 5 * np.diff(prints.vertex_start)[order], key)
    tile_start = np.array([first for _, first, _ in cut] + [len(buildings)])
    triangles = triangulate(prints)
    base, rise = np.empty(len(prints.boxes)), np.empty(len(prints.boxes))
    base[order], rise[order] = buildings.base, buildings.rise
    frames = np.array([grid.frame_of(cell) for cell, _, _ in cut])
    placed = place(prints, order, tile_start, frames, base, base + rise)
    hashes = [buildings.hash_of(first, end, cell, compress=compress) for cell, first, end in cut]
    due = [n for n, (cell, _, _) in enumerate(cut) if not is_known(cell, hashes[n])]
    area = far.areas(prints)[order]
    is_bad = np.zeros(len(prints.boxes), bool)
    is_bad[triangles.bad] = True
    is_bad = is_bad[order]
    sizes = 5 * np.diff(prints.vertex_start)[order]
    mesh = _mesh(prints, triangles, placed, order, tile_start, rise, due)
    made = []
    for n, (cell, first, end) in enumerate(cut):
        part = slice(first, end)
        boxes = prints.boxes[order[part]]
        measured = far.Measured(boxes, area[part], buildings.base[part], (buildings.base + buildings.rise)[part])
        box = placed.boxes[n]
        if not np.isfinite(box).all():
            box = _empty_box(frames[n], boxes, float(buildings.base[first]))
        glb = None
        if n in mesh:
            glb = _glb(buildings, prints, mesh[n], (first, end), frames[n], rise, compress=compress)
        made.append(
            Made(
                cell, hashes[n], glb, end - first, int(sizes[part].sum()),
                (float(boxes[:, 0].min()), float(boxes[:, 1].min()), float(boxes[:, 2].max()), float(boxes[:, 3].max())), box,
                (float(measured.base.min()), float(measured.top.max())), far.summary(cell, measured),
                [buildings.code_of(first + int(i)) for i in np.flatnonzero(is_bad[part])],
            )
        )  # fmt: skip
    return made


@dataclass(frozen=True)
class _Mesh:
    blocks: TiledBlocks
    tile: int


def _mesh(
    prints: Footprints, triangles: Triangles, placed: Placed, order: Ints, tile_start: Ints, rise: Floats, due: list[int]
) -> dict[int, _Mesh]:  # fmt: skip
    """Return the meshes of the tiles that have to be made."""
    if not due:
        return {}
    chosen, start, boxes = order, tile_start, placed.boxes
    if len(due) < len(tile_start) - 1:
        parts = [order[tile_start[n] : tile_start[n + 1]] for n in due]
        chosen, start = np.concatenate(parts), np.concatenate(([0], np.cumsum([len(part) for part in parts])))
        boxes = placed.boxes[due]
    blocks = tiled_blocks(prints, triangles, Placed(placed.low, placed.up, boxes), chosen, start, rise)
    return {n: _Mesh(blocks, position) for position, n in enumerate(due)}


def _glb(
    buildings: Buildings, prints: Footprints, mesh: _Mesh, run: tuple[int, int], frame: Matrix, rise: Floats, *,
    compress: bool,
) -> bytes:  # fmt: skip
    blocks, tile = mesh.blocks, mesh.tile
    table = buildings.table(*run)
    vertices = slice(int(blocks.vertex_start[tile]), int(blocks.vertex_start[tile + 1]))
    if vertices.start == vertices.stop:
        return write_glb([], None, table, compress=compress)
    triangles = blocks.triangles[blocks.triangle_start[tile] : blocks.triangle_start[tile + 1]]
    centre, half = blocks.centre[tile], float(blocks.half[tile])
    if half > LARGEST_HALF_M:
        return _exact_glb(buildings, prints, run, frame, rise, table, compress=compress)
    primitive = Packed(
        blocks.positions[vertices], blocks.normals[vertices], blocks.features[vertices], triangles, COLOUR,
        bounds=(blocks.low[tile].tolist(), blocks.high[tile].tolist()),
    )  # fmt: skip
    primitive = buildings.painted(primitive, *run)
    return write_glb([primitive], Placement((float(centre[0]), float(centre[1]), float(centre[2])), half), table, compress=compress)


def _exact_glb(
    buildings: Buildings, prints: Footprints, run: tuple[int, int], frame: Matrix, rise: Floats, table: PropertyTable, *, compress: bool
) -> bytes:  # fmt: skip
    """Return the glb of a tile with a building too large for integers: float32 positions."""
    first, end = run
    members = buildings.order[first:end]
    chosen = prints.taken(members)
    blocks = extrude(
        chosen, triangulate(chosen), buildings.base[first:end], buildings.base[first:end] + rise[members], [frame],
        np.zeros(end - first, dtype=np.int64),
    )  # fmt: skip
    n = len(blocks.positions)
    normals, features = np.zeros((n, 4), np.int8), np.zeros((n, 2), np.uint16)
    normals[:, :3] = np.rint(blocks.normals * 127)
    features[:, 0] = np.repeat(np.arange(end - first), np.diff(blocks.vertex_start))
    primitive = buildings.painted(Packed(blocks.positions, normals, features, blocks.triangles, COLOUR), first, end)
    return write_glb([primitive], None, table, compress=compress)


def _empty_box(frame: Matrix, boxes: Floats, height: float) -> Floats:
    """Return a box for a leaf whose buildings have no area: a place, nothing to see."""
    middle = (boxes[0, :2] + boxes[0, 2:]) / 2
    point = to_frame(frame, lonlat_to_ecef(middle[:1], middle[1:], np.array([height])))[0]
    return np.concatenate((point, point))
