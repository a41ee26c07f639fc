"""Buildings: matching, loading, codes of other schemes."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from cim.db import bulk
from cim.db.engine import Connection

COLUMNS = (
    "code", "code_scheme", "county_code", "division_code", "name", "address", "height_m", "height_source", "ground_elevation_m",
    "storeys_above", "storeys_below", "use", "structure", "year_built", "footprint_area_m2", "floor_area_m2", "safety_grade",
    "status", "geom", "attributes", "source_dataset", "source_key", "content_hash",
)  # fmt: skip


class KnownBuilding(NamedTuple):
    """What the register has of a natural key."""

    code: str
    content_hash: str | None
    ground_elevation_m: float | None


def fetch_known(connection: Connection, dataset: str, keys: Sequence[str]) -> dict[str, KnownBuilding]:
    """Return the buildings of a dataset with these natural keys, locked."""
    rows = connection.execute(
        """SELECT source_key, code, content_hash, ground_elevation_m FROM building
           WHERE source_dataset = %s AND source_key = ANY(%s) FOR UPDATE""",
        [dataset, list(keys)],
    ).fetchall()
    return {row[0]: KnownBuilding(*row[1:]) for row in rows}


def fetch_owners(connection: Connection, dataset: str, keys: Sequence[str]) -> dict[str, str]:
    """Return, by natural key, the other dataset that has it already."""
    rows = connection.execute(
        "SELECT source_key, min(source_dataset) FROM building WHERE source_dataset <> %s AND source_key = ANY(%s) GROUP BY source_key",
        [dataset, list(keys)],
    ).fetchall()
    return {row[0]: row[1] for row in rows}


def count_missing(connection: Connection, dataset: str, keys: Sequence[str]) -> int:
    """Return how many standing buildings of a dataset are not among these natural keys."""
    row = connection.execute(
        """SELECT count(*) FROM building WHERE source_dataset = %s AND status NOT IN ('demolished', 'retired')
           AND NOT (source_key = ANY(%s))""",
        [dataset, list(keys)],
    ).fetchone()
    return int(row[0]) if row else 0


def load_buildings(connection: Connection, rows: Sequence[Sequence[Any]], change_set: UUID) -> tuple[int, int]:
    """Load rows of `COLUMNS` (geometry as hexadecimal EWKB, attributes as Jsonb); return inserted and updated."""
    bulk.stage(connection, "building", COLUMNS, rows)
    return bulk.upsert(connection, "building", ("code",), COLUMNS, change_set)


def save_external_codes(connection: Connection, scheme: str, pairs: Sequence[tuple[str, str]]) -> None:
    """Note codes of another scheme: pairs of (building code, value)."""
    connection.execute(
        """INSERT INTO external_code (collection, code, scheme, value, match_method)
           SELECT 'buildings', code, %(scheme)s, value, 'source' FROM unnest(%(codes)s::text[], %(values)s::text[]) AS t (code, value)
           ON CONFLICT DO NOTHING""",
        {"scheme": scheme, "codes": [code for code, _ in pairs], "values": [value for _, value in pairs]},
    )
