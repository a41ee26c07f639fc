"""Published rasters: every elevation raster and every image is a collection of its own, on its own grid."""

import hashlib
import re
from dataclasses import dataclass
from datetime import date, datetime

from cim.db import sqlfile
from cim.db.read_pool import ReadPool
from cim.profile import Names

Box = tuple[float, float, float, float]

_KINDS = {"terrain": Names(en="Terrain", zh="地形"), "imagery": Names(en="Imagery", zh="影像")}


@dataclass(frozen=True)
class PublishedRaster:
    """A raster as clients see it.

    Parameters
    ----------
    id
        Collection id: kind and name of the dataset.
    kind
        terrain or imagery.
    name
        Name of the dataset.
    file
        Name in the raster folder; another one whenever the cells change.
    crs
        Horizontal CRS, e.g. EPSG:4547.
    vertical_datum
        Vertical CRS of elevations.
    resolution_m
        Cell size [m].
    width, height
        Columns and rows.
    n_bands, data_type, nodata
        As stored; ``nodata`` None = a mask or none.
    low_m, high_m
        Lowest and highest elevation [m].
    acquired_on
        Day of survey or flight, where known.
    bbox
        West, south, east, north [deg], EPSG:4490.
    """

    id: str
    kind: str
    name: str
    file: str
    crs: str
    vertical_datum: str | None
    resolution_m: float
    width: int
    height: int
    n_bands: int
    data_type: str
    nodata: float | None
    low_m: float | None
    high_m: float | None
    acquired_on: date | None
    bbox: Box
    licence: str | None
    provider: str | None
    is_synthetic: bool
    loaded_at: datetime

    @property
    def is_terrain(self) -> bool:
        """Whether the cells are elevations [m]."""
        return self.kind == "terrain"

    @property
    def title(self) -> Names:
        """Name for people."""
        kind = _KINDS[self.kind]
        return Names(en=f"{kind.en}: {self.name}", zh=f"{kind.zh}:{self.name}")


def raster_id(kind: str, name: str, taken: set[str] | frozenset[str] = frozenset()) -> str:
    """Return the collection id of a raster: kind, hyphen, name; what an address cannot hold becomes a hyphen.

    Parameters
    ----------
    taken
        Ids in use: a second name with the same id gets a short hash of itself.
    """
    made = f"{kind}-{re.sub(r'[^\w.]+', '-', name).strip('-.') or 'unnamed'}"
    return made if made not in taken else f"{made}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


async def fetch_published_rasters(pool: ReadPool) -> dict[str, PublishedRaster]:
    """Return the rasters of the store by collection id: terrain before imagery, the newest first.

    Raises
    ------
    StoreError
        The store does not answer.
    """
    made: dict[str, PublishedRaster] = {}
    rows = sorted(await pool.rows(sqlfile.load("rasters")), key=lambda row: (row[0], row[1]))
    ids: dict[tuple[str, str], str] = {}
    for row in rows:  # by name, so that an id never depends on when another raster was loaded
        ids[row[0], row[1]] = raster_id(row[0], row[1], set(ids.values()))
    for row in sorted(rows, key=lambda row: (row[0] != "terrain", -row[21].timestamp(), row[1])):
        box = (row[14], row[15], row[16], row[17])
        values = [*row[:14], box, *row[18:22]]
        one = PublishedRaster(ids[row[0], row[1]], *values)
        made[one.id] = one
    return made
