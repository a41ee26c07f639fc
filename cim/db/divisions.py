"""Divisions: load, and the areas that codes are assigned by."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
import shapely
from numpy.typing import NDArray

from cim.db import bulk
from cim.db.engine import Connection

_COLUMNS = (
    "code",
    "name",
    "level",
    "parent_code",
    "urban_rural_class",
    "is_synthetic",
    "geom",
    "source_dataset",
    "source_key",
    "content_hash",
)


@dataclass(frozen=True)
class DivisionAreas:
    """Divisions of one level with a boundary.

    Parameters
    ----------
    codes
        Codes, shape (n,).
    areas
        Boundaries, EPSG:4490 lon/lat [deg], shape (n,).
    """

    codes: NDArray[Any]
    areas: NDArray[Any]

    def index_at(self, points: NDArray[Any]) -> NDArray[np.int64]:
        """Return the position of the division that covers each point, -1 where there is none; the lowest code wins on a border.

        Parameters
        ----------
        points
            Points, EPSG:4490 lon/lat [deg], shape (n,).
        """
        found = np.full(len(points), len(self.areas), dtype=np.int64)
        if len(self.areas) and len(points):
            # The divisions are few and have many vertices: as input geometries they are prepared once each.
            area, which = shapely.STRtree(points).query(self.areas, predicate="covers")
            np.minimum.at(found, which, area)
        return np.where(found == len(self.areas), -1, found)

    def codes_at(self, points: NDArray[Any]) -> list[str | None]:
        """Return the code of the division that covers each point, None where there is none; the lowest code wins on a border."""
        return [None if i < 0 else str(self.codes[i]) for i in self.index_at(points)]


def load_divisions(connection: Connection, rows: Sequence[Sequence[Any]], change_set: UUID) -> tuple[int, int]:
    """Load division rows (columns as in the table, geometry as hexadecimal EWKB or None); return inserted and updated."""
    bulk.stage(connection, "division", _COLUMNS, rows)
    return bulk.upsert(connection, "division", ("code",), _COLUMNS, change_set)


def fetch_hashes(connection: Connection) -> dict[str, str | None]:
    """Return the content hash of every division by code."""
    return {row[0]: row[1] for row in connection.execute("SELECT code, content_hash FROM division")}


def count_missing(connection: Connection, dataset: str, codes: Sequence[str]) -> int:
    """Return how many divisions of a dataset are not among these codes."""
    row = connection.execute(
        "SELECT count(*) FROM division WHERE source_dataset = %s AND NOT (code = ANY(%s))", [dataset, list(codes)]
    ).fetchone()
    return int(row[0]) if row else 0


def fetch_areas(connection: Connection, level: int) -> DivisionAreas:
    """Return all divisions of a level that have a boundary."""
    rows = connection.execute(
        "SELECT code, ST_AsBinary(geom) FROM division WHERE level = %s AND geom IS NOT NULL AND status = 'existing' ORDER BY code", [level]
    ).fetchall()
    codes = np.array([row[0] for row in rows], dtype=object)
    return DivisionAreas(codes, np.asarray(shapely.from_wkb([bytes(row[1]) for row in rows]), dtype=object))


def fetch_codes(connection: Connection, level: int) -> set[str]:
    """Return the codes of a level."""
    return {row[0] for row in connection.execute("SELECT code FROM division WHERE level = %s", [level])}


def fetch_extent(connection: Connection) -> tuple[float, float, float, float] | None:
    """Return west, south, east, north [deg] of all boundaries, None where there is none."""
    row = connection.execute(
        "SELECT ST_XMin(e), ST_YMin(e), ST_XMax(e), ST_YMax(e) FROM (SELECT ST_Extent(geom) AS e FROM division) d"
    ).fetchone()
    return None if row is None or row[0] is None else (row[0], row[1], row[2], row[3])
