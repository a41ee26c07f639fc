"""What is known of the city, to compare a new layer with."""

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from cim.db.engine import Connection

_MOST = 5_000


def fetch_reference(connection: Connection, dataset: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return road lines, and footprints of other datasets than this one: at most 5,000 each, EPSG:4490 lon/lat [deg]."""
    roads = connection.execute(
        "SELECT ST_AsBinary(ST_Force2D(geom)) FROM network_edge WHERE kind = 'road' ORDER BY code LIMIT %s", [_MOST]
    ).fetchall()
    buildings = connection.execute(
        """SELECT ST_AsBinary(geom) FROM building WHERE source_dataset <> %s AND status NOT IN ('demolished', 'retired')
           ORDER BY code LIMIT %s""",
        [dataset, _MOST],
    ).fetchall()
    return _shapes(roads), _shapes(buildings)


def _shapes(rows: list[tuple[Any, ...]]) -> NDArray[Any]:
    return np.asarray(shapely.from_wkb([bytes(row[0]) for row in rows]), dtype=object)
