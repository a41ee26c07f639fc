"""Divisions: load, and the areas that codes are assigned by."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
import shapely
from numpy.typing import NDArray
from psycopg import sql

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
    "effective_from",
    "effective_to",
    "successor_code",
    "status",
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
    # A code table without boundaries says nothing against the boundary that is there.
    connection.execute(
        "UPDATE staging s SET geom = d.geom, is_synthetic = d.is_synthetic FROM division d WHERE d.code = s.code AND s.geom IS NULL"
    )
    return bulk.upsert(connection, "division", ("code",), _COLUMNS, change_set)


def relocate_buildings(connection: Connection, change_set: UUID) -> int:
    """Bring ``division_code`` of buildings up to date after villages changed; their codes stay as they are.

    Parameters
    ----------
    connection
        Inside the transaction that loaded the divisions.
    change_set
        Change set of that load; only buildings in or beside villages it touched are looked at.

    Returns
    -------
    int
        Buildings that lie in another village now.
    """
    return connection.execute(
        """WITH touched AS (SELECT code, geom, status, successor_code FROM division WHERE change_set_id = %(change_set)s AND level = 5),
                looked AS (
                    SELECT b.id, b.division_code, coalesce(
                        (SELECT v.code FROM division v WHERE v.level = 5 AND v.status = 'existing'
                         AND ST_Covers(v.geom, ST_PointOnSurface(b.geom)) ORDER BY v.code LIMIT 1),
                        (SELECT t.successor_code FROM touched t WHERE t.code = b.division_code AND t.status = 'retired')) AS now_in
                    FROM building b
                    WHERE EXISTS (SELECT 1 FROM touched t WHERE t.code = b.division_code OR t.geom && b.geom))
           UPDATE building b SET division_code = l.now_in, version = b.version + 1, recorded_at = now(), change_set_id = %(change_set)s,
                  valid_from = greatest(now(), b.valid_from + interval '1 microsecond')
           FROM looked l WHERE l.id = b.id AND l.now_in IS NOT NULL AND l.now_in <> b.division_code""",
        {"change_set": change_set},
    ).rowcount


def relocate_networks(connection: Connection, change_set: UUID) -> int:
    """Bring ``division_code`` of network parts up to date after villages changed or came; as `relocate_buildings`.

    Returns
    -------
    int
        Points and lines that lie in another village now, or in one for the first time.
    """
    moved = 0
    for table, place in (("network_node", sql.SQL("n.geom")), ("network_edge", sql.SQL("ST_LineInterpolatePoint(n.geom, 0.5)"))):
        moved += connection.execute(
            sql.SQL(
                """WITH touched AS (SELECT code, geom, status, successor_code FROM division
                                    WHERE change_set_id = %(change_set)s AND level = 5),
                        looked AS (
                            SELECT n.kind, n.id, n.division_code, coalesce(
                                (SELECT v.code FROM division v WHERE v.level = 5 AND v.status = 'existing'
                                 AND ST_Covers(v.geom, {place}) ORDER BY v.code LIMIT 1),
                                (SELECT t.successor_code FROM touched t WHERE t.code = n.division_code AND t.status = 'retired')) AS now_in
                            FROM {table} n
                            WHERE EXISTS (SELECT 1 FROM touched t WHERE t.code = n.division_code OR t.geom && n.geom))
                   UPDATE {table} n SET division_code = l.now_in, version = n.version + 1, recorded_at = now(),
                          change_set_id = %(change_set)s, valid_from = greatest(now(), n.valid_from + interval '1 microsecond')
                   FROM looked l
                   WHERE l.kind = n.kind AND l.id = n.id AND l.now_in IS NOT NULL AND l.now_in IS DISTINCT FROM l.division_code"""
            ).format(table=sql.Identifier(table), place=place),
            {"change_set": change_set},
        ).rowcount
    return moved


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
