"""The layer of all buildings: built from the store in parallel, or only where something changed.

Files are named by what they are made from and are complete or not there; the rows of the store and the root document are switched last.
So a build may be killed at any moment: the previous tileset stays servable, and the next build goes on with the files that are there.
"""

import hashlib
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from cim.db import profiles, tile_reads, tilesets
from cim.db.arrow_read import ArrowReader
from cim.db.engine import Connection
from cim.db.tile_reads import BuildingSource
from cim.db.tilesets import Box, TileRow, TilesetRow
from cim.geoid import geoid_of
from cim.settings import Settings
from tiles import far, grid, journal, pyramid
from tiles.layers import buildings
from tiles.layers.buildings import COLOUR, STYLE, Heights, Made
from tiles.layers.common import BUILDINGS, SYNTHETIC_NOTE
from tiles.store import TileStore

LAYER = BUILDINGS
CHUNK_FEATURES = 20_000
"""Buildings read and encoded at once by one worker: what bounds the memory."""
WRITERS = 16
"""Files of a cell written at once."""
TITLE = {"en": "Buildings", "zh": "建筑"}
NOTE = SYNTHETIC_NOTE | {"en": "Footprints from the survey; attributes synthetic.", "zh": "轮廓来自调查数据,属性为合成数据。"}


@dataclass(frozen=True)
class CellJob:
    """One cell to make; everything a worker needs, small and picklable.

    Parameters
    ----------
    key
        Cell.
    heights
        See `tiles.layers.buildings.Heights`.
    known
        Tiles that are there already, by key.
    dry_run
        Say what would be made, write nothing.
    is_noted
        Note the finished cell for a build that goes on after this one was killed.
    """

    key: str
    heights: Heights
    known: dict[str, TileRow]
    dry_run: bool = False
    is_noted: bool = False


@dataclass(frozen=True)
class CellResult:
    """What became of a cell.

    Parameters
    ----------
    rows
        Its leaves.
    written
        Keys of those that were made.
    bad
        Codes of buildings whose triangles are not exact.
    heights
        Lowest and highest point [m].
    """

    rows: list[TileRow]
    written: list[str]
    bad: list[str]
    heights: tuple[float, float]


def plan_cells(counts: Any, at_most: int = CHUNK_FEATURES) -> list[str]:  # noqa: ANN401 - pyarrow ships no types
    """Return cells that cover the whole earth, each the largest that holds no more than so many buildings.

    The counts may be estimates, even none where there are some: every building is in exactly one of the cells. A cell of the base level is
    never cut.

    Parameters
    ----------
    counts
        See `cim.db.tile_reads.fetch_building_cells`, of `tiles.grid.BASE_LEVEL`.
    at_most
        Buildings.
    """
    column, row, n = (np.asarray(counts.column(name)).astype(np.int64) for name in ("column", "row", "n"))
    keys = [grid.key_at(int(x), int(y), grid.BASE_LEVEL) for x, y in zip(column, row, strict=True)]
    order = sorted(range(len(keys)), key=keys.__getitem__)
    return list(_cut([(keys[i], int(n[i])) for i in order], "", at_most))


def _cut(cells: list[tuple[str, int]], key: str, at_most: int) -> Iterator[str]:
    if sum(n for _, n in cells) <= at_most or len(key) >= grid.BASE_LEVEL:
        yield key
        return
    parts = {digit: list(part) for digit, part in itertools.groupby(cells, lambda cell: cell[0][len(key)])}
    for digit in "0123":
        yield from _cut(parts.get(digit, []), key + digit, at_most)


def uri_of(key: str, input_hash: str) -> str:
    """Return the name of a content file in the layer's folder."""
    return f"content/{key or 'root'}-{input_hash[:20]}.glb"


def make_cell(settings: Settings, reader: ArrowReader, job: CellJob, source: BuildingSource | None = None) -> CellResult:
    """Read, encode and write one cell.

    Parameters
    ----------
    settings
        Names store and tile store.
    reader
        Open connections.
    job
        The cell.
    source
        Which buildings; None = those standing now.
    """
    store = TileStore(settings.tiles_url)
    west, south, east, north = grid.bounds(job.key)
    rows = tile_reads.fetch_building_table(reader, (west, max(south, -90.0), east, min(north, 90.0)), source or tile_reads.STANDING)

    def is_known(key: str, input_hash: str) -> bool:
        return key in job.known and job.known[key].input_hash == input_hash

    made = buildings.encode_cell(rows, job.key, job.heights, compress=settings.tiles.meshopt, is_known=is_known)
    del rows
    # The disk's answer takes longer than the next file: many wait together.
    with ThreadPoolExecutor(max_workers=WRITERS) as pool:
        found = list(
            pool.map(lambda one: job.known[one.key] if is_known(one.key, one.input_hash) else _write(store, one, dry_run=job.dry_run), made)
        )
    written = [one.key for one in made if not is_known(one.key, one.input_hash)]
    if job.is_noted and written:
        journal.note(store, LAYER, job.key, found)
    low, high = (edge([one.heights[side] for one in made], default=0.0) for side, edge in ((0, min), (1, max)))
    return CellResult(found, written, [code for one in made for code in one.bad], (low, high))


def _write(store: TileStore, one: Made, *, dry_run: bool) -> TileRow:
    glb, uri = one.glb or b"", uri_of(one.key, one.input_hash)
    if not dry_run:
        store.write(f"{LAYER}/{uri}", glb)
    box = pyramid.union(one.key, one.box, ())
    return TileRow(
        one.key, uri, one.input_hash, hashlib.sha256(glb).hexdigest(), one.n_features, len(glb), one.bbox, one.n_vertices, box, 0.0,
        one.blocks.tobytes(),
    )  # fmt: skip


def make_cells(settings: Settings, jobs: Sequence[CellJob], progress: Callable[[int, int], None] | None = None) -> list[CellResult]:
    """Make cells by threads of this process: kernels, driver and disk let go of the interpreter's lock.

    Parameters
    ----------
    settings
        Names store and tile store.
    jobs
        Cells.
    progress
        Called with the cells done and all cells.
    """
    done: list[CellResult] = []
    reader = shared_reader(settings)
    with ThreadPoolExecutor(max_workers=_workers(settings)) as pool:
        for result in pool.map(lambda job: make_cell(settings, reader, job), jobs):
            done.append(result)
            if progress is not None:
                progress(len(done), len(jobs))
    return done


def _workers(settings: Settings) -> int:
    # One more than processors: somebody always waits for the store or the disk.
    return settings.tiles.workers or 1 + min(8, os.cpu_count() or 1)


@dataclass(frozen=True)
class Far:
    """Inner tiles of a tree.

    Parameters
    ----------
    rows
        By key.
    written
        Keys of those that were made.
    """

    rows: dict[str, TileRow]
    written: list[str]


def make_far(
    connection: Connection, store: TileStore, root: pyramid.Cell, leaves: dict[str, TileRow], known: dict[str, TileRow], *,
    compress: bool, dry_run: bool,
) -> Far:  # fmt: skip
    """Make the inner tiles whose children changed; the others are taken over.

    Parameters
    ----------
    root
        The tree.
    leaves, known
        Leaves of the tree, and tiles there are, by key.
    """
    hashes = {key: row.input_hash for key, row in leaves.items()}
    rows, due = dict(leaves), []
    for cell in root.inner():
        hashes[cell.key] = _far_hash(cell, hashes, compress=compress)
        old = known.get(cell.key)
        if old is not None and old.is_far and old.input_hash == hashes[cell.key]:
            rows[cell.key] = old
        else:
            due.append(cell)
    made = {cell.key for cell in due}
    children = {child.key for cell in due for child in cell.children} - made
    missing = sorted(key for key in children if rows[key].blocks is None)
    blocks = {key: rows[key].blocks or b"" for key in children} | (tilesets.fetch_blocks(connection, LAYER, missing) if missing else {})
    heights: dict[str, int] = {}
    for cell in due:
        heights[cell.key] = 1 + max((heights.get(child.key, 0) for child in cell.children), default=0)
    levels = [[cell for cell in due if heights[cell.key] == height] for height in range(1, 1 + max(heights.values(), default=0))]
    # The disk's answer takes longer than the next tile.
    with ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 1)) as kernels, ThreadPoolExecutor(max_workers=WRITERS) as pool:
        waiting = []
        for level in levels:
            for row, glb in kernels.map(lambda cell: _far_row(cell, rows, blocks, hashes[cell.key], compress=compress), level):
                rows[row.key], blocks[row.key] = row, row.blocks or b""
                if glb and not dry_run:
                    waiting.append(pool.submit(store.write, f"{LAYER}/{row.uri}", glb))
        for one in waiting:
            one.result()
    return Far({key: row for key, row in rows.items() if key not in leaves}, sorted(made))


def _far_hash(cell: pyramid.Cell, hashes: dict[str, str], *, compress: bool) -> str:
    digest = hashlib.sha256(f"{STYLE} {compress} {cell.key}".encode())
    for child in cell.children:
        digest.update(f" {child.key} {hashes[child.key]}".encode())
    return digest.hexdigest()


def _far_row(
    cell: pyramid.Cell, rows: dict[str, TileRow], blocks: dict[str, bytes], input_hash: str, *, compress: bool
) -> tuple[TileRow, bytes]:  # fmt: skip
    children = [rows[child.key] for child in cell.children]
    summaries = [(row.key, np.frombuffer(blocks[row.key], far.BLOCK)) for row in children]
    tile = far.far_tile(cell.key, far.joined(cell.key, summaries, fine=far.FINE + 1), COLOUR, compress=compress)
    boxes = [(row.key, row.box) for row in children if row.box is not None]
    box = pyramid.union(cell.key, None if tile is None else tile.box, boxes)
    glb, uri = (b"", "") if tile is None else (tile.glb, uri_of(cell.key, input_hash))
    error = max([0.0 if tile is None else tile.error_m, *(row.error_m for row in children)])
    west, south, east, north = zip(*(row.bbox for row in children), strict=True)
    row = TileRow(
        cell.key, uri, input_hash, hashlib.sha256(glb).hexdigest(), 0, len(glb), (min(west), min(south), max(east), max(north)),
        0 if tile is None else tile.n_vertices, box, error, far.joined(cell.key, summaries, fine=far.FINE).tobytes(), is_far=True,
    )  # fmt: skip
    return row, glb


def write_documents(store: TileStore, root: pyramid.Cell, rows: dict[str, TileRow], *, dry_run: bool) -> bytes:
    """Write the documents below the root's that changed, note their names in ``rows``, and return the root document."""
    waiting: list[tuple[pyramid.Cell, pyramid.Cell | None]] = [(root, None)]
    while waiting:
        cell, parent = waiting.pop()
        row = rows[cell.key]
        if pyramid.begins_document(cell, parent):
            # An unchanged inner tile has an unchanged document: its hash covers everything below it.
            if row.document is None:
                body = pyramid.document(cell, rows, STYLE, is_root=False, prefix="../")
                name = f"part/{cell.key}-{row.input_hash[:20]}.json"
                if not dry_run:
                    store.write(f"{LAYER}/{name}", body)
                rows[cell.key] = replace(row, document=name)
            continue
        if row.document is not None:
            rows[cell.key] = replace(row, document=None)
        waiting += [(child, cell) for child in cell.children]
    return pyramid.document(root, rows, STYLE, is_root=True)


def tileset_row(
    connection: Connection, leaves: Iterable[TileRow], rows: dict[str, TileRow], heights: Heights, reach: tuple[float, float], event: int
) -> TilesetRow:  # fmt: skip
    """Return the layer's row.

    Parameters
    ----------
    reach
        Lowest and highest point, ellipsoidal [m].
    event
        Outbox position it reflects.
    """
    boxes = [tile.bbox for tile in leaves]
    bbox = (min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes))
    synthetic = tile_reads.is_synthetic(connection, "census")
    n_features = sum(row.n_features for row in rows.values())
    return TilesetRow(
        LAYER, "buildings", "buildings", TITLE, NOTE if synthetic else None, synthetic, [], n_features, bbox, reach[0], reach[1],
        f"{LAYER}/tileset.json", STYLE, event, list(rows.values()), parameters_of(heights),
    )  # fmt: skip


def parameters_of(heights: Heights) -> dict[str, Any]:
    """Return what the layer's row says all tiles depend on."""
    told: dict[str, Any] = heights.geoid.as_dict() | {"ground_m": heights.ground_m}
    return told if heights.colours is None else told | {"colours": heights.colours.model_dump()}


def heights_of(settings: Settings, connection: Connection, mean_ground: float | None) -> Heights:
    """Return the heights of the city; the assumed ground in whole metres, so that an edit elsewhere does not move every building."""
    profile = profiles.fetch_profile(connection)
    ground = float(np.rint(mean_ground)) if mean_ground is not None else 0.0
    return Heights(geoid_of(profile, settings.rasters_dir), ground, profile.building_colours)


def touched_cells(boxes: Iterable[Box]) -> set[str]:
    """Return the base cells that boxes touch [deg]."""
    found = set()
    size = 360.0 / (1 << grid.BASE_LEVEL)
    for west, south, east, north in boxes:
        columns = range(int((west + 180.0) // size), int((east + 180.0) // size) + 1)
        lines = range(int((south + 180.0) // size), int((north + 180.0) // size) + 1)
        found |= {grid.key_at(x, y, grid.BASE_LEVEL) for x in columns for y in lines}
    return found


@lru_cache(maxsize=2)
def shared_reader(settings: Settings) -> ArrowReader:
    """Return connections that stay open between small rebuilds: opening one takes longer than reading a tile."""
    return ArrowReader(settings)
