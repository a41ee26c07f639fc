"""The rasters of the store."""

from pathlib import Path

from cim.db import rasters as rows
from cim.db.engine import Connection
from cim.errors import StoreError
from cim.settings import Settings


def stored_rasters(connection: Connection, settings: Settings, *, but: str = "") -> list[Path]:
    """Return the elevation rasters of the store, newest first.

    Parameters
    ----------
    but
        Name of a terrain to leave out.

    Raises
    ------
    StoreError
        The file of one is gone: heights taken from the others only would be wrong without a word.
    """
    found = []
    for name, file in rows.fetch_files(connection, "terrain"):
        path = settings.rasters_dir / file
        if name == but:
            continue
        if not path.exists():
            raise StoreError(
                f"terrain {name!r}: its file {path} is not there",
                hint=f"restore it, or load the source again: cim ingest terrain FILE --name {name}",
            )
        found.append(path)
    return found
