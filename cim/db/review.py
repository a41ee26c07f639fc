"""The review list: survey records that a person must bind to a building."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

import pyarrow as pa
from psycopg.types.json import Jsonb

from cim.clock import utc_now
from cim.db import buildings
from cim.db.codes import issue_building_codes
from cim.db.engine import Connection
from cim.errors import ConflictError, NotFoundError
from cim.ids import new_id


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


def settle(connection: Connection, case_id: UUID, change_set: UUID, *, code: str | None, note: str) -> str:
    """Write the record of an open case: as the new state of a building, or as a new building.

    Parameters
    ----------
    connection
        Inside a transaction.
    case_id
        The case.
    change_set
        Written with the building.
    code
        The building it is; None = a new one.
    note
        Reason.

    Returns
    -------
    str
        Code of the building.

    Raises
    ------
    ConflictError
        The case is closed, or the building belongs to another record of the same survey.
    """
    case = fetch_case(connection, case_id)
    if case["state"] != "open":
        raise ConflictError(f"review case {case_id}: found state {case['state']}, expected open", hint="cim changes review")
    buildings.lock_writers(connection)
    record = dict(case["record"])
    source = record.pop("source_kind")
    made = code is None
    if code is None:
        code = issue_building_codes(connection, [record["division_code"]], utc_now().year)[0]
        row = {"id": new_id().bytes, "code_scheme": "CIM-BC27-v1", "county_code": code[:6], "change_set_id": change_set.bytes}
        buildings.insert_buildings(connection, [_one_row(case, record, code, row)], 1, change_set)
    else:
        if connection.execute("SELECT 1 FROM building WHERE code = %s", [code]).fetchone() is None:
            raise NotFoundError(f"building {code}: not in the register", hint=f"cim codes explain {code}")
        taken = connection.execute(
            "SELECT code FROM building WHERE source_dataset = %s AND source_key = %s AND code <> %s",
            [case["dataset_name"], case["source_key"], code],
        ).fetchone()
        if taken is not None:
            raise ConflictError(f"record {case['source_key']} of {case['dataset_name']} is building {taken[0]} already")
        buildings.update_buildings(connection, [_one_row(case, record, code, {})], source, change_set)
    number = pa.array([case["source_key"].rpartition("/")[2]])
    buildings.save_external_codes(connection, "census_fwbh", pa.array([code]), number, new=False)
    close_case(connection, case_id, "new" if made else "matched", note, change_set)
    return code


def _one_row(case: dict[str, Any], record: dict[str, Any], code: str, more: dict[str, Any]) -> pa.Table:
    values = {name: record.get(name) for name in buildings.COLUMNS} | {
        "code": code, "geom": bytes.fromhex(case["geom"]), "source_dataset": case["dataset_name"], "source_key": case["source_key"],
        "attribute_sources": record.get("attribute_sources") or "{}",
    } | more  # fmt: skip
    return pa.table({name: pa.array([value], buildings.arrow_type(name)) for name, value in values.items()})
