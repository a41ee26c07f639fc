"""Addresses: linking to buildings, loading."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from cim.db import bulk
from cim.db.engine import Connection

COLUMNS = (
    "code", "county_code", "division_code", "full_text", "road", "house_number", "building_code", "match_method", "distance_m",
    "is_synthetic", "geom", "attributes", "norm_text", "components", "match_score", "match_evidence", "source_dataset", "source_key",
    "content_hash",
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


class Neighbour(NamedTuple):
    """A building near an address.

    Parameters
    ----------
    code, name
        Of the building.
    distance_m
        From the position of the address [m], 0 = inside.
    by_number
        The source names its number in another scheme.
    """

    code: str
    name: str | None
    distance_m: float
    by_number: bool


def fetch_neighbours(
    connection: Connection, points: Sequence[tuple[float, float]], numbers: Sequence[str | None], scheme: str, reach_m: float
) -> list[list[Neighbour]]:
    """Return, for each address, the standing buildings within reach, the nearest first, and the one that its number names.

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
    """
    out: list[list[Neighbour]] = [[] for _ in points]
    rows = connection.execute(
        """WITH a AS (SELECT n, ST_SetSRID(ST_MakePoint(lon, lat), 4490) AS p, number
                      FROM unnest(%(lon)s::float8[], %(lat)s::float8[], %(numbers)s::text[]) WITH ORDINALITY AS t (lon, lat, number, n))
           SELECT a.n, g.code, g.name, ST_Distance(g.geom::geography, a.p::geography) AS d, true AS by_number
           FROM a JOIN external_code e ON e.collection = 'buildings' AND e.scheme = %(scheme)s AND e.value = a.number
           JOIN building g ON g.code = e.code
           UNION ALL
           SELECT a.n, g.code, g.name, ST_Distance(g.geom::geography, a.p::geography) AS d, false
           FROM a JOIN building g ON g.geom && ST_Expand(a.p, %(reach)s / 80000.0)
                AND ST_DWithin(g.geom::geography, a.p::geography, %(reach)s) AND g.status NOT IN ('demolished', 'retired')
           ORDER BY 1, 5 DESC, 4, 2""",
        {"lon": [p[0] for p in points], "lat": [p[1] for p in points], "numbers": list(numbers), "scheme": scheme, "reach": reach_m},
    ).fetchall()
    for n, code, name, distance, by_number in rows:
        out[n - 1].append(Neighbour(code, name, float(distance), by_number))
    return out


def load_addresses(connection: Connection, rows: Sequence[Sequence[Any]], change_set: UUID) -> tuple[int, int]:
    """Load rows of `COLUMNS`; return inserted and updated."""
    bulk.stage(connection, "address", COLUMNS, rows)
    return bulk.upsert(connection, "address", ("code",), COLUMNS, change_set)
