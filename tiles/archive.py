"""One file per layer: ``.3tz``, a ZIP of a tileset with an index at its end (3TZ 1.3, Maxar/Cesium)."""

import hashlib
import struct
import zipfile
from pathlib import Path

from cim.db import engine, superseded
from cim.errors import TileError
from cim.settings import Settings
from tiles.store import TileStore

INDEX = "@3dtilesIndex1@"


def published_files(settings: Settings, layer: str) -> list[str]:
    """Return the files of a layer, relative to the tile store, without those kept for older clients.

    Raises
    ------
    TileError
        The layer has no tiles.
    """
    store = TileStore(settings.tiles_url)
    with engine.connect(settings) as connection:
        older = {f"{layer}/{name}" for name in superseded.fetch_names(connection, layer)}
    names = sorted(name for name in store.names(layer) - older if not name.rpartition("/")[2].startswith("."))
    if f"{layer}/tileset.json" not in names:
        raise TileError(f"layer {layer}: no tileset in the tile store", hint=f"cim tiles build {layer}")
    return names


def write_3tz(settings: Settings, layer: str, target: Path) -> int:
    """Write a layer to one file; return the number of files in it.

    Parameters
    ----------
    settings
        Names the tile store.
    layer
        Name.
    target
        A file; one that is there is replaced only when the new one is complete.

    Raises
    ------
    TileError
        The layer has no tiles.
    """
    store = TileStore(settings.tiles_url)
    names = published_files(settings, layer)
    part = target.with_name(f".{target.name}.part")
    entries: list[tuple[bytes, int]] = []
    try:
        # Contents are packed already; JSON is not.
        with zipfile.ZipFile(part, "w", allowZip64=True) as archive:
            for name in names:
                inside = name.removeprefix(f"{layer}/")
                kind = zipfile.ZIP_DEFLATED if inside.endswith(".json") else zipfile.ZIP_STORED
                entry = zipfile.ZipInfo(inside, (1980, 1, 1, 0, 0, 0))
                entry.compress_type = kind
                archive.writestr(entry, store.read(name))
                entries.append((hashlib.md5(inside.encode(), usedforsecurity=False).digest(), entry.header_offset))
            # The index is stored, last, and sorted by the hash read as two little-endian numbers of 64 bits.
            entries.sort(key=lambda one: struct.unpack("<2Q", one[0]))
            index = b"".join(digest + struct.pack("<Q", offset) for digest, offset in entries)
            archive.writestr(zipfile.ZipInfo(INDEX, (1980, 1, 1, 0, 0, 0)), index)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return len(names)
