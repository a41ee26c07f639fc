"""Addresses: linking to buildings, loading."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from cim.db import bulk
from cim.db.engine import Connection

COLUMNS = (
    "code", "county_code", "division_code", "full_text", "road", "house_number", "building_code", "match_method", "distance_m",
    "is_synthetic", "geom", "attributes", "source_dataset", "source_key", "content_hash",
)  # fmt: skip


def fetch_known(connection: Connection, dataset: str) -> dict[str, tuple[str, str | None]]:
    """Return code and content hash of the addresses of a dataset by natural key."""
    rows = connection.execute("SELECT source_key, code, content_hash FROM address WHERE source_dataset = %s FOR UPDATE", [dataset])
    return {row[0]: (row[1], row[2]) for row in rows}


def count_missing(connection: Connection, dataset: str, keys: Sequence[str]) -> int:
    """Return how many addresses of a dataset are not among these natural keys."""
    row = connection.execute(
        "SELECT count(*) FROM address WHERE source_dataset = %s AND NOT (source_key = ANY(%s))", [dataset, list(keys)]
    ).fetchone()
    return int(row[0]) if row else 0


def fetch_building_links(
    connection: Connection, points: Sequence[tuple[float, float]], numbers: Sequence[str | None], scheme: str, reach_m: float
) -> list[tuple[str | None, str | None, float | None]]:
    """Find the building of each address: by its number in another scheme, else the nearest within reach.

    Parameters
    ----------
    connection
        The store.
    points
        Longitude, latitude [deg], EPSG:4490.
    numbers
        Code of the building in ``scheme``, or None.
    scheme
        Scheme of `external_code`.
    reach_m
        Longest distance [m].

    Returns
    -------
    list
        (building code, how it was found, distance [m]); distance 0 = inside the footprint.
    """
    rows = connection.execute(
        """WITH a AS (SELECT n, ST_SetSRID(ST_MakePoint(lon, lat), 4490) AS p, number
                      FROM unnest(%(lon)s::float8[], %(lat)s::float8[], %(numbers)s::text[]) WITH ORDINALITY AS t (lon, lat, number, n))
           SELECT coalesce(x.code, b.code), CASE WHEN x.code IS NOT NULL THEN 'source_key' WHEN b.d = 0 THEN 'contains'
                  WHEN b.code IS NOT NULL THEN 'nearest' END, CASE WHEN x.code IS NOT NULL THEN x.d ELSE b.d END
           FROM a
           LEFT JOIN LATERAL (SELECT g.code, ST_Distance(g.geom::geography, a.p::geography) AS d FROM external_code e
                              JOIN building g ON g.code = e.code
                              WHERE e.collection = 'buildings' AND e.scheme = %(scheme)s AND e.value = a.number LIMIT 1) x ON true
           LEFT JOIN LATERAL (SELECT g.code, ST_Distance(g.geom::geography, a.p::geography) AS d FROM building g
                              WHERE g.geom && ST_Expand(a.p, %(reach)s / 80000.0)
                                AND ST_DWithin(g.geom::geography, a.p::geography, %(reach)s)
                              ORDER BY d, g.code LIMIT 1) b ON x.code IS NULL
           ORDER BY a.n""",
        {"lon": [p[0] for p in points], "lat": [p[1] for p in points], "numbers": list(numbers), "scheme": scheme, "reach": reach_m},
    ).fetchall()
    return [(row[0], row[1], row[2]) for row in rows]


def load_addresses(connection: Connection, rows: Sequence[Sequence[Any]], change_set: UUID) -> tuple[int, int]:
    """Load rows of `COLUMNS`; return inserted and updated."""
    bulk.stage(connection, "address", COLUMNS, rows)
    return bulk.upsert(connection, "address", ("code",), COLUMNS, change_set)
