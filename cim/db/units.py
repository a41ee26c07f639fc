"""Units (户) inside buildings: who they are, and writing them; codes stand for a place in a building and are never given to another one."""

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from cim.codes.building import unit_code
from cim.db import bulk
from cim.db.engine import Connection

COLUMNS = (
    "code", "building_code", "county_code", "name", "staircase", "floor", "room", "floor_area_m2", "use", "attributes",
    "source_dataset", "source_key", "content_hash",
)  # fmt: skip
PROPOSED = "proposed"
"""Dataset name of units that nobody surveyed."""


@dataclass(frozen=True)
class Unit:
    """A unit to be written.

    Parameters
    ----------
    building
        27-character code of the building.
    staircase, floor, room
        Numbers of the unit code; floors below ground are negative.
    room_text
        The room as the source writes it.
    floor_area_m2
        Floor area [m2], where known.
    """

    building: str
    staircase: int
    floor: int
    room: int
    room_text: str
    floor_area_m2: float | None = None
    name: str | None = None
    use: str | None = None
    attributes: tuple[tuple[str, Any], ...] = ()

    @cached_property
    def code(self) -> str:
        """36-character unit code."""
        return unit_code(self.building, unit=self.staircase, floor=self.floor, room=self.room)

    def row(self, dataset: str, key: str) -> tuple[Any, ...]:
        """Return the values of `COLUMNS`."""
        said = [self.code, self.room_text, self.floor_area_m2, self.name, self.use, self.attributes]
        digest = hashlib.sha256(json.dumps(said, ensure_ascii=False).encode()).hexdigest()
        return (
            self.code, self.building, self.building[:6], self.name, self.staircase, self.floor, self.room_text, self.floor_area_m2,
            self.use, Jsonb(dict(self.attributes)), dataset, key, digest,
        )  # fmt: skip


@dataclass(frozen=True)
class Written:
    """What a write did.

    Parameters
    ----------
    new, changed, unchanged
        Units of the source; one that had been retired and is there again is changed.
    retired
        Proposed units of these buildings that are not in the source.
    """

    new: int
    changed: int
    unchanged: int
    retired: int


def fetch_buildings(connection: Connection, numbers: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    """Return code and status of the buildings that each number names: by its building code, else by its number in another scheme."""
    rows = connection.execute(
        """SELECT n, b.code, b.status FROM unnest(%(numbers)s::text[]) AS n JOIN building b ON b.code = n UNION
           SELECT n, b.code, b.status FROM unnest(%(numbers)s::text[]) AS n
           JOIN external_code e ON e.value = n AND e.collection = 'buildings' JOIN building b ON b.code = e.code
           WHERE NOT EXISTS (SELECT 1 FROM building c WHERE c.code = n) ORDER BY 1, 2""",
        {"numbers": list(dict.fromkeys(numbers))},
    ).fetchall()
    found: dict[str, list[tuple[str, str]]] = {}
    for number, code, status in rows:
        found.setdefault(str(number), []).append((str(code), str(status)))
    return found


def count_missing(connection: Connection, dataset: str, codes: Collection[str]) -> int:
    """Return how many existing units of a dataset are not among these."""
    row = connection.execute(
        "SELECT count(*) FROM unit WHERE source_dataset = %s AND status = 'existing' AND NOT (code = ANY(%s))", [dataset, list(codes)]
    ).fetchone()
    return int(row[0]) if row else 0


def write_units(connection: Connection, rows: Sequence[Sequence[Any]], buildings: Collection[str], change_set: UUID) -> Written:
    """Write the units of buildings; units that were proposed for these buildings and are not among them are retired.

    Parameters
    ----------
    connection
        Inside a transaction; other writers of units wait for its end.
    rows
        Values of `COLUMNS`, each code once.
    buildings
        Buildings whose proposed units the rows replace.
    change_set
        Written into every touched row.

    Notes
    -----
    A unit has its building's footprint as geometry, so that a search by place finds it. A retired unit keeps its row; the place that it
    stands for gets the same code again when a source has it again.
    """
    connection.execute("SELECT pg_advisory_xact_lock(hashtext('units'))")
    bulk.stage(connection, "unit", COLUMNS, rows)
    assigned = ", ".join(f"{name} = s.{name}" for name in COLUMNS if name != "code")
    changed = connection.execute(
        f"""UPDATE unit u SET {assigned}, geom = b.geom, status = 'existing', version = u.version + 1, recorded_at = now(),
                   valid_from = greatest(now(), u.valid_from + interval '1 microsecond'), change_set_id = %s
            FROM staging s JOIN building b ON b.code = s.building_code
            WHERE u.code = s.code AND (u.content_hash IS DISTINCT FROM s.content_hash OR u.status = 'retired')""".encode(),  # noqa: S608 - names are constants of this module
        [change_set],
    ).rowcount
    new = connection.execute(
        f"""INSERT INTO unit ({", ".join(COLUMNS)}, geom, change_set_id)
            SELECT {", ".join(f"s.{name}" for name in COLUMNS)}, b.geom, %s FROM staging s JOIN building b ON b.code = s.building_code
            WHERE NOT EXISTS (SELECT 1 FROM unit u WHERE u.code = s.code)""".encode(),  # noqa: S608 - names are constants of this module
        [change_set],
    ).rowcount
    # Without content hash: the same proposal, made again, brings the unit back.
    retired = connection.execute(
        """UPDATE unit u SET status = 'retired', content_hash = NULL, version = u.version + 1, recorded_at = now(),
                  valid_from = greatest(now(), u.valid_from + interval '1 microsecond'), change_set_id = %s
           WHERE u.building_code = ANY(%s) AND u.source_dataset = %s AND u.status = 'existing'
             AND NOT EXISTS (SELECT 1 FROM staging s WHERE s.code = u.code)""",
        [change_set, list(buildings), PROPOSED],
    ).rowcount
    return Written(new, changed, len(rows) - new - changed, retired)
