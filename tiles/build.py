"""plan → encode → write: only tiles whose input changed are made anew; the previous tileset stays servable until the switch."""

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import structlog

from cim.db import bim as bim_models
from cim.db import engine, migrate, outbox, profiles, superseded, tilesets
from cim.db.engine import Connection
from cim.db.tilesets import TileRow, TilesetRow
from cim.errors import InvalidParameterError
from cim.settings import Settings
from tiles import journal, merge
from tiles.content import LayerContent, Leaf
from tiles.layers.common import BUILDINGS, CITYMODELS, NETWORK_TITLES
from tiles.store import TileStore
from tiles.tileset import write_tileset

# The modules of layers are loaded when they are needed: compiled code alone takes a second.
READER = "tiles"
MOST_BOXES = 2_000
"""Places that changed, beyond which the whole layer is looked at."""
_log = structlog.get_logger("tiles")


@dataclass(frozen=True)
class LayerResult:
    """What a build did to a layer.

    Parameters
    ----------
    layer
        Name.
    features, tiles
        In the layer now.
    written
        Contents made anew.
    removed
        The layer has nothing to draw and is gone.
    bad
        Codes of features whose triangles are not exact.
    """

    layer: str
    features: int
    tiles: int
    written: int
    removed: bool
    bad: list[str]


def content_of(connection: Connection, layer: str, settings: Settings) -> LayerContent:
    """Plan a layer by its name.

    Raises
    ------
    InvalidParameterError
        The name is no layer.
    ConflictError
        The model has no place.
    """
    geoid = profiles.fetch_geoid(settings, connection)
    if layer.startswith("bim/"):
        from tiles.layers import bim

        bim_models.require_place(connection, layer.removeprefix("bim/"))
        return bim.build_layer(connection, layer.removeprefix("bim/"), geoid)
    if layer == CITYMODELS:
        from tiles.layers import citymodels

        return citymodels.build_layer(connection, settings, geoid)
    kind = layer.removeprefix("networks/")
    if layer.startswith("networks/") and kind in NETWORK_TITLES:
        from tiles.layers import networks

        return networks.build_layer(connection, kind, geoid, tilesets.fetch_input_hashes(connection, layer))
    raise InvalidParameterError("layer", layer, "buildings, citymodels, bim/<model code> or networks/<kind>", hint="cim tiles list")


def build_layers(
    settings: Settings,
    wanted: Sequence[str],
    *,
    force: bool = False,
    dry_run: bool = False,
    scheduler: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> list[LayerResult]:
    """Build layers.

    Parameters
    ----------
    settings
        Names store and tile store.
    wanted
        Layers; empty = all that the data ask for, and removal of those they no longer ask for.
    force
        Make every content anew.
    dry_run
        Plan only.
    scheduler
        Makes the cells of buildings, see `tiles.cluster.cells_by`.
    progress
        Called with each layer's name.

    Raises
    ------
    InvalidParameterError
        A name is no layer.
    """
    migrate.require_current(settings)
    with engine.connect(settings) as connection:
        existing = tilesets.fetch_layer_names(connection)
        rows = tilesets.fetch_tilesets(connection)
    published = [row.layer for row in rows]
    # Made of files by `tiles.points`, and by nothing else.
    scans = {row.layer: LayerResult(row.layer, row.n_features, 0, 0, removed=False, bad=[]) for row in rows if row.kind == "pointcloud"}
    layers = list(wanted) or [*existing, *(layer for layer in published if layer not in existing)]
    results = []
    for layer in layers:
        if progress is not None:
            progress(layer)
        if layer in scans:
            results.append(scans[layer])
            continue
        if layer == BUILDINGS:
            results.append(_build_city(settings, scheduler, force=force, dry_run=dry_run, progress=progress))
            continue
        gone = layer not in existing and layer in published
        results.append(_build(settings, layer, gone=gone, force=force, dry_run=dry_run))
    if not dry_run:
        merge.write_city(settings)
    return results


def _build_city(
    settings: Settings, scheduler: str | None, *, force: bool, dry_run: bool, progress: Callable[[str], None] | None
) -> LayerResult:  # fmt: skip
    from tiles import city_build, cluster

    def say(done: int, cells: int) -> None:
        if progress is not None:
            progress(f"{BUILDINGS} {done}/{cells}")

    with cluster.cells_by(scheduler) as make, engine.connect(settings) as connection:
        tilesets.lock_layer(connection, BUILDINGS)
        event = outbox.newest_event(connection)
        made = city_build.build(settings, connection, event, force=force, dry_run=dry_run, progress=say, make=make)
        if made.removed and not dry_run:
            tilesets.remove_tileset(connection, BUILDINGS)
        if dry_run:
            connection.rollback()
    if not dry_run:
        _sweep(settings, TileStore(settings.tiles_url), BUILDINGS)
    return _logged(LayerResult(BUILDINGS, made.features, made.tiles, made.written, removed=made.removed, bad=made.bad))


def _update_city(settings: Settings, connection: Connection) -> LayerResult | None:
    """Rebuild only the cells that unread events touch; None where everything has to be built."""
    from tiles import city_build

    with connection.transaction():
        tilesets.lock_layer(connection, BUILDINGS)
        event = outbox.newest_event(connection)
        boxes = tilesets.fetch_touched_boxes(connection, "buildings", READER, MOST_BOXES)
        before = city_build.published(connection)
        made = None if boxes is None else city_build.update(settings, connection, before, boxes, event)
        if made is None:
            return None
        if made.removed:
            tilesets.remove_tileset(connection, BUILDINGS)
        superseded.retire(connection, BUILDINGS, made.superseded)
    with connection.transaction():
        _drop(settings, connection, BUILDINGS)
    if made.removed or made.moved:
        merge.write_city(settings)
    return _logged(LayerResult(BUILDINGS, made.features, made.tiles, made.written, removed=made.removed, bad=made.bad))


def _drop(settings: Settings, connection: Connection, layer: str) -> None:
    """Remove the superseded files whose time is over, unless a build has meanwhile come to need one of the same name."""
    due = superseded.fetch_due(connection, layer, settings.tiles.grace_s)
    if not due:
        return
    store = TileStore(settings.tiles_url)
    tilesets.lock_layer(connection, layer)
    used = tilesets.fetch_used_files(connection, layer, due)
    for name in due:
        if name not in used:
            store.remove(f"{layer}/{name}")
    superseded.forget(connection, layer, due)


def _logged(result: LayerResult) -> LayerResult:
    _log.info(
        "built", layer=result.layer, features=result.features, tiles=result.tiles, written=result.written, removed=result.removed
    )  # fmt: skip
    return result


def _build(settings: Settings, layer: str, *, gone: bool, force: bool, dry_run: bool) -> LayerResult:
    store = TileStore(settings.tiles_url)
    with engine.connect(settings) as connection:
        tilesets.lock_layer(connection, layer)
        # Read before the rows: an event that arrives meanwhile is seen again by the next build.
        event = outbox.newest_event(connection)
        content = None if gone else content_of(connection, layer, settings)
        if content is None or content.tree is None:
            if not dry_run:
                tilesets.remove_tileset(connection, layer)
            result = LayerResult(layer, 0, 0, 0, removed=True, bad=[])
        else:
            result = _publish(connection, store, content, event, force=force, dry_run=dry_run)
        if dry_run:
            connection.rollback()
    if not dry_run:
        _sweep(settings, store, layer)
    return _logged(result)


def _published(connection: Connection) -> list[TilesetRow]:
    return [replace(row, last_event_id=0) for row in tilesets.fetch_tilesets(connection)]


def _sweep(settings: Settings, store: TileStore, layer: str) -> None:
    """Retire the files no tile refers to, what a killed build left included.

    Only after the new tileset is committed, so that a crash leaves files too many, never too few; and under the layer's lock, because
    another build may just have written a file of the same name.
    """
    found = {name.removeprefix(f"{layer}/") for name in store.names(layer)}
    with engine.connect(settings) as connection:
        tilesets.lock_layer(connection, layer)
        tiles = tilesets.fetch_input_hashes(connection, layer)
        used = {name for tile in tiles.values() for name in (tile.uri, tile.document) if name} | ({"tileset.json"} if tiles else set())
        kept = superseded.fetch_names(connection, layer)
        # No client asks for the notes of a build that is over.
        notes = {name for name in found if name.startswith(journal.PREFIX)}
        for name in notes:
            store.remove(f"{layer}/{name}")
        superseded.forget(connection, layer, (kept & used) | notes)
        superseded.retire(connection, layer, found - used - kept - notes)
        _drop(settings, connection, layer)


def _box(leaf: Leaf) -> tuple[float, ...]:
    return (*leaf.low.tolist(), *leaf.high.tolist())


def _write_leaf(store: TileStore, layer: str, leaf: Leaf) -> TileRow:
    glb = leaf.encode()
    digest = hashlib.sha256(glb).hexdigest()
    uri = f"content/{leaf.key or 'root'}-{digest[:16]}.glb"
    store.write(f"{layer}/{uri}", glb)
    return TileRow(leaf.key, uri, leaf.input_hash, digest, leaf.n_features, len(glb), leaf.bbox, box=_box(leaf))


def _publish(connection: Connection, store: TileStore, content: LayerContent, event: int, *, force: bool, dry_run: bool) -> LayerResult:
    layer, leaves = content.layer, content.leaves()
    known = tilesets.fetch_input_hashes(connection, layer)
    kept = {key: old for key, old in known.items() if not force and store.exists(f"{layer}/{old.uri}")}
    due = [leaf for leaf in leaves if leaf.key not in kept or kept[leaf.key].input_hash != leaf.input_hash]
    n_features = sum(leaf.n_features for leaf in leaves)
    result = LayerResult(layer, n_features, len(leaves), len(due), removed=False, bad=content.bad)
    if dry_run:
        return result
    # The kernels and the disk let go of the interpreter's lock.
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        made = dict(zip([leaf.key for leaf in due], pool.map(lambda leaf: _write_leaf(store, layer, leaf), due), strict=True))
    tiles = [made[leaf.key] if leaf.key in made else replace(kept[leaf.key], box=_box(leaf)) for leaf in leaves]
    name = f"{layer}/tileset.json"
    document = write_tileset(content, {tile.key: tile.uri for tile in tiles})
    boxes = [tile.bbox for tile in tiles]
    bbox = (min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes))
    row = TilesetRow(
        layer, content.kind, content.collection, content.title, content.note, content.is_synthetic, content.replaces, n_features,
        bbox, content.min_height_m, content.max_height_m, name, content.style_version, event, tiles,
    )  # fmt: skip
    is_same = not due and len(known) == len(tiles) and store.exists(name) and store.read(name) == document
    if is_same and replace(row, tiles=[], last_event_id=0) in _published(connection):
        tilesets.touch_tileset(connection, layer, event)
        return result
    tilesets.save_tileset(connection, row)
    store.write(name, document)
    return result


def rebuild_changed(settings: Settings) -> list[str]:
    """Rebuild the layers that unread events of the outbox touch; return the layers.

    The events are marked as read unless somebody is writing events right now: then they are met again next time, at the price of a
    build that finds nothing to do.
    """
    with engine.kept(settings) as connection:
        newest = tilesets.fetch_settled_event(connection)
        touched = tilesets.fetch_touched_collections(connection, READER)
        wanted = {layer for layer in map(_layer_of, touched) if layer is not None}
        # Only buildings: the question which layers there are takes longer than the rebuild.
        layers = sorted(wanted) if wanted <= {BUILDINGS} else [layer for layer in _all_layers(connection) if layer in wanted]
        whole = [layer for layer in layers if layer != BUILDINGS or _update_city(settings, connection) is None]
        if whole:
            build_layers(settings, whole)
        if newest is not None:
            outbox.mark_read(connection, READER, newest)
    return layers


def _all_layers(connection: Connection) -> list[str]:
    """Return the layers that the data ask for, and those that are published and no longer asked for."""
    existing = tilesets.fetch_layer_names(connection)
    return [*existing, *(row.layer for row in tilesets.fetch_tilesets(connection) if row.layer not in existing)]


def _layer_of(collection: str) -> str | None:
    if collection == "buildings" or collection.startswith("bim/"):
        return collection
    if collection == "city-objects":
        return CITYMODELS
    kind, _, part = collection.rpartition("-")
    return f"networks/{kind}" if part in ("lines", "points") else None
