"""The review list: survey records that a person must bind to a building."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.types.json import Jsonb

from cim.db.engine import Connection
from cim.errors import NotFoundError


class NewCase(NamedTuple):
    """A case to be listed.

    Parameters
    ----------
    key, place
        Natural key and place in the source.
    candidates
        Buildings it may be, best first.
    record
        Register values as they would be written, and ``source_kind``.
    geometry
        EWKB of the footprint.
    """

    key: str
    place: str
    candidates: list[dict[str, Any]]
    record: dict[str, Any]
    geometry: bytes


def open_cases(connection: Connection, dataset_id: UUID, dataset: str, cases: Sequence[NewCase]) -> int:
    """List cases; one that is open already gets the newer record, one that was dismissed with the same content stays dismissed."""
    n = 0
    for case in cases:
        n += connection.execute(
            """INSERT INTO review_case (dataset_id, dataset_name, source_key, place, candidates, record, geom)
               SELECT %(id)s, %(dataset)s, %(key)s, %(place)s, %(candidates)s, %(record)s, %(geometry)s::geometry
               WHERE NOT EXISTS (SELECT 1 FROM review_case r WHERE r.dataset_name = %(dataset)s AND r.source_key = %(key)s
                                 AND r.state = 'dismissed' AND r.record ->> 'content_hash' = %(hash)s)
               ON CONFLICT (dataset_name, source_key) WHERE state = 'open'
               DO UPDATE SET dataset_id = excluded.dataset_id, place = excluded.place, candidates = excluded.candidates,
                             record = excluded.record, geom = excluded.geom, recorded_at = now()""",
            {
                "id": dataset_id, "dataset": dataset, "key": case.key, "place": case.place, "candidates": Jsonb(case.candidates),
                "record": Jsonb(case.record), "geometry": case.geometry, "hash": case.record["content_hash"],
            },
        ).rowcount  # fmt: skip
    return n


def open_keys(connection: Connection, dataset: str) -> list[str]:
    """Return the natural keys of a dataset's open cases."""
    rows = connection.execute("SELECT source_key FROM review_case WHERE dataset_name = %s AND state = 'open'", [dataset])
    return [row[0] for row in rows]


def close_stale(connection: Connection, dataset: str, keys: Sequence[str]) -> int:
    """Dismiss the open cases of a dataset whose records were decided otherwise by this run."""
    return connection.execute(
        """UPDATE review_case SET state = 'dismissed', note = 'decided by a later version of the dataset', resolved_at = now()
           WHERE dataset_name = %s AND state = 'open' AND source_key = ANY(%s)""",
        [dataset, list(keys)],
    ).rowcount


def list_cases(connection: Connection, *, state: str = "open", dataset: str | None = None, limit: int = 100) -> list[dict[str, Any]]:
    """Return cases, oldest first."""
    with connection.cursor() as cursor:
        rows = cursor.execute(
            """SELECT id, dataset_name, source_key, place, candidates, state, note, recorded_at, resolved_at,
                      ST_X(ST_PointOnSurface(geom)) AS lon, ST_Y(ST_PointOnSurface(geom)) AS lat
               FROM review_case WHERE state = %s AND (%s::text IS NULL OR dataset_name = %s) ORDER BY recorded_at, id LIMIT %s""",
            [state, dataset, dataset, limit],
        ).fetchall()
        names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in rows]


def fetch_case(connection: Connection, case_id: UUID) -> dict[str, Any]:
    """Return a case, locked.

    Raises
    ------
    NotFoundError
        There is none.
    """
    with connection.cursor() as cursor:
        row = cursor.execute(
            """SELECT id, dataset_name, source_key, place, candidates, record, state, ST_AsHEXEWKB(geom) AS geom
               FROM review_case WHERE id = %s FOR UPDATE""",
            [case_id],
        ).fetchone()
        names = [column.name for column in cursor.description or ()]
    if row is None:
        raise NotFoundError(f"review case {case_id}: not in the list", hint="cim changes review")
    return dict(zip(names, row, strict=True))


def close_case(connection: Connection, case_id: UUID, state: str, note: str | None, change_set: UUID | None) -> None:
    """Note the decision on a case."""
    connection.execute(
        "UPDATE review_case SET state = %s, note = %s, resolved_by = %s, resolved_at = now() WHERE id = %s",
        [state, note, change_set, case_id],
    )
