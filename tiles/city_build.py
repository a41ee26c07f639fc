"""Full build and rebuild after changes of the layer of all buildings: plan, make, switch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from cim.db import tile_reads, tilesets
from cim.db.engine import Connection
from cim.db.tilesets import Box, TileRow, TilesetRow
from cim.settings import Settings
from tiles import city, grid, journal, pyramid
from tiles.city import LAYER, CellJob, CellResult
from tiles.layers.buildings import STYLE, Heights
from tiles.store import TileStore

MakeCells = Callable[[Settings, Sequence[CellJob], Callable[[int, int], None] | None], list[CellResult]]


@dataclass
class CityResult:
    """What a build did.

    Parameters
    ----------
    features, tiles
        In the layer now; far views count as tiles.
    written
        Contents made anew.
    removed
        There is nothing to draw any more.
    bad
        Codes of buildings whose triangles are not exact, of the cells that were made.
    superseded
        Files that no tile refers to any more, relative to the layer's folder.
    moved
        The box of the whole layer is another one.
    """

    features: int = 0
    tiles: int = 0
    written: int = 0
    removed: bool = False
    bad: list[str] = field(default_factory=list)
    superseded: list[str] = field(default_factory=list)
    moved: bool = False


@dataclass(frozen=True)
class Before:
    """The layer as it is published.

    Parameters
    ----------
    row
        Its row; None = it is new.
    tiles
        By key.
    usable
        Those whose file is there and may be taken over.
    """

    row: TilesetRow | None
    tiles: dict[str, TileRow]
    usable: dict[str, TileRow]


def published(connection: Connection) -> TilesetRow | None:
    """Return the layer's row."""
    return next((row for row in tilesets.fetch_tilesets(connection) if row.layer == LAYER), None)


def build(
    settings: Settings, connection: Connection, event: int, *, force: bool, dry_run: bool,
    progress: Callable[[int, int], None] | None = None, make: MakeCells = city.make_cells,
) -> CityResult:  # fmt: skip
    """Build everything; tiles whose buildings did not change are taken over.

    Parameters
    ----------
    connection
        Holds the layer's lock; committed by the caller.
    event
        Outbox position read before.
    progress
        Called with the cells done and all cells.
    make
        Makes the cells: here by threads, elsewhere by a cluster.
    """
    store = TileStore(settings.tiles_url)
    tiles = tilesets.fetch_input_hashes(connection, LAYER)
    there = set() if force else store.names(LAYER)
    resumed = {} if force else journal.finished(store, LAYER, there)
    usable = {key: row for key, row in tiles.items() if row.box is not None and (not row.uri or f"{LAYER}/{row.uri}" in there)}
    before = Before(published(connection), tiles, {} if force else usable)
    reader = city.shared_reader(settings)
    counts = tile_reads.fetch_building_sample(reader, grid.BASE_LEVEL)
    ground = tile_reads.fetch_mean_ground(reader)
    heights = city.heights_of(settings, connection, ground)
    cells = city.plan_cells(counts)
    known = before.usable | resumed
    jobs = [CellJob(key, heights, _under(known, key), dry_run, is_noted=not dry_run) for key in cells]
    results = make(settings, jobs, progress)
    reader.close()
    return _switch(settings, connection, before, {}, results, heights, event, dry_run=dry_run)


def update(settings: Settings, connection: Connection, row: TilesetRow | None, boxes: Sequence[Box], event: int) -> CityResult | None:
    """Rebuild the base cells that boxes touch, and the far views above them.

    Parameters
    ----------
    row
        The layer as it is published.
    boxes
        West, south, east, north [deg].
    event
        Outbox position read before.

    Returns
    -------
    CityResult or None
        None where the layer has to be built from scratch: it is new, or was made by another style or with other heights.
    """
    if row is None or row.style_version != STYLE or not row.parameters:
        return None
    heights = replace(city.heights_of(settings, connection, None), ground_m=row.parameters["ground_m"])
    if city.parameters_of(heights) != row.parameters:
        return None
    tiles = _tiles_at(settings, connection)
    before = Before(row, tiles, tiles)
    cells = sorted(city.touched_cells(boxes))
    kept = {key: one for key, one in tiles.items() if not one.is_far and key[: grid.BASE_LEVEL] not in set(cells)}
    jobs = [CellJob(key, heights, _under(tiles, key)) for key in cells]
    if len(jobs) > 1:
        results = city.make_cells(settings, jobs)
    else:
        results = [city.make_cell(settings, city.shared_reader(settings), job) for job in jobs]
    return _switch(settings, connection, before, kept, results, heights, event, dry_run=False)


@dataclass
class _Remembered:
    """Tile rows as they were at a state of the layer: reading them takes longer than a small rebuild."""

    store: str = ""
    stamp: str = ""
    tiles: dict[str, TileRow] = field(default_factory=dict)


_LAST = _Remembered()


def _tiles_at(settings: Settings, connection: Connection) -> dict[str, TileRow]:
    stamp = tilesets.fetch_stamp(connection, LAYER)
    if (_LAST.store, _LAST.stamp) != (settings.tiles_url, stamp):
        _LAST.store, _LAST.stamp, _LAST.tiles = settings.tiles_url, stamp, tilesets.fetch_input_hashes(connection, LAYER)
    return dict(_LAST.tiles)


def _remember(settings: Settings, connection: Connection, rows: dict[str, TileRow]) -> None:
    """Keep the rows; if the transaction fails, its stamp is never seen again."""
    kept = {key: replace(row, blocks=None) if row.blocks is not None else row for key, row in rows.items()}
    _LAST.store, _LAST.stamp, _LAST.tiles = settings.tiles_url, tilesets.fetch_stamp(connection, LAYER), kept


def _under(tiles: dict[str, TileRow], key: str) -> dict[str, TileRow]:
    return {name: row for name, row in tiles.items() if name.startswith(key) and not row.is_far}


def _switch(
    settings: Settings, connection: Connection, before: Before, kept: dict[str, TileRow], results: list[CellResult], heights: Heights,
    event: int, *, dry_run: bool,
) -> CityResult:  # fmt: skip
    """Make the far views, write documents and rows; the root document last, when every file it leads to is there."""
    store = TileStore(settings.tiles_url)
    leaves = kept | {row.key: row for result in results for row in result.rows}
    bad = sorted(code for result in results for code in result.bad)
    if not leaves:
        return CityResult(removed=True, superseded=_files(before.tiles))
    root = pyramid.tree(leaves)
    far = city.make_far(connection, store, root, leaves, before.usable, compress=settings.tiles.meshopt, dry_run=dry_run)
    rows = leaves | far.rows
    body = city.write_documents(store, root, rows, dry_run=dry_run)
    written = sum(len(result.written) for result in results) + len(far.written)
    counted = CityResult(sum(row.n_features for row in rows.values()), len(rows), written, bad=bad)
    if dry_run:
        return counted
    spans = [result.heights for result in results if result.rows]
    if kept and before.row is not None:
        spans.append((before.row.min_height_m or 0.0, before.row.max_height_m or 0.0))
    reach = (min(low for low, _ in spans), max(high for _, high in spans))
    gone = sorted(set(before.tiles) - set(rows))
    made = _with_blocks(connection, [row for key, row in rows.items() if before.tiles.get(key) is not row])
    row = city.tileset_row(connection, leaves.values(), rows, heights, reach, event)
    name = f"{LAYER}/tileset.json"
    if not made and not gone and _same(before.row, row) and store.exists(name) and store.read(name) == body:
        tilesets.touch_tileset(connection, LAYER, event)
        return counted
    store.settle(f"{LAYER}/{folder}" for folder in ("content", "part"))
    tilesets.update_tileset(connection, row, gone, made)
    _remember(settings, connection, rows)
    store.write(name, body)
    top = before.tiles.get(root.key)
    counted.moved = top is None or (top.box, top.error_m) != (rows[root.key].box, rows[root.key].error_m)
    counted.superseded = sorted(set(_files(before.tiles)) - set(_files(rows)))
    return counted


def _same(old: TilesetRow | None, new: TilesetRow) -> bool:
    return old is not None and replace(old, last_event_id=0, tiles=[]) == replace(new, last_event_id=0, tiles=[])


def _with_blocks(connection: Connection, rows: list[TileRow]) -> list[TileRow]:
    missing = [row.key for row in rows if row.blocks is None]
    stored = tilesets.fetch_blocks(connection, LAYER, missing) if missing else {}
    return [row if row.blocks is not None else replace(row, blocks=stored.get(row.key, b"")) for row in rows]


def _files(rows: dict[str, TileRow]) -> list[str]:
    return [name for row in rows.values() for name in (row.uri, row.document) if name]
