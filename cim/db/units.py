"""Units (户) inside buildings: loading, and proposals from counts of a census or spaces of a model."""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from cim.codes.building import unit_code
from cim.codes.rooms import room_number
from cim.db import bulk
from cim.db.engine import Connection
from cim.errors import CodeError

COLUMNS = (
    "code", "building_code", "county_code", "name", "staircase", "floor", "room", "floor_area_m2", "use", "attributes",
    "source_dataset", "source_key", "content_hash",
)  # fmt: skip
PROPOSED = "proposed"
"""Dataset name of units that nobody surveyed."""
_UNIT_WORDS = re.compile(r"户|套|单元房|\bunit\b|apartment|\bflat\b|dwelling", re.IGNORECASE)


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

    @property
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


def fetch_buildings(connection: Connection, numbers: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return code and status of the buildings that numbers name: a building code, or its number in another scheme."""
    rows = connection.execute(
        """SELECT n, b.code, b.status FROM unnest(%(numbers)s::text[]) AS n JOIN building b ON b.code = n UNION ALL
           SELECT n, b.code, b.status FROM unnest(%(numbers)s::text[]) AS n
           JOIN external_code e ON e.value = n AND e.collection = 'buildings' JOIN building b ON b.code = e.code""",
        {"numbers": list(dict.fromkeys(numbers))},
    ).fetchall()
    return {str(row[0]): (str(row[1]), str(row[2])) for row in rows}


def fetch_hashes(connection: Connection, codes: Sequence[str]) -> dict[str, str | None]:
    """Return the content hash of the units that are there, by code."""
    rows = connection.execute("SELECT code, content_hash FROM unit WHERE code = ANY(%s) FOR UPDATE", [list(codes)]).fetchall()
    return {str(row[0]): row[1] for row in rows}


def load_units(connection: Connection, rows: Sequence[Sequence[Any]], change_set: UUID) -> tuple[int, int]:
    """Load rows of `COLUMNS`; return inserted and updated."""
    bulk.stage(connection, "unit", COLUMNS, rows)
    return bulk.upsert(connection, "unit", ("code",), COLUMNS, change_set)


def propose_from_census(connection: Connection, division: str | None, codes: Sequence[str]) -> tuple[list[Unit], dict[str, str]]:
    """Return units after the number of dwellings and of storeys, for buildings without surveyed units.

    Parameters
    ----------
    connection
        The store.
    division
        Only buildings of this division (any level).
    codes
        Only these buildings; none = all.

    Returns
    -------
    tuple
        Units, and building code → why none can be proposed. The dwellings are spread evenly over the storeys above ground, the lowest
        ones get the remainder; the room number is storey × 100 + position.
    """
    rows = connection.execute(
        """SELECT b.code, coalesce(b.attributes ->> 'dwelling_units', b.attributes ->> 'households'), b.storeys_above, b.floor_area_m2
           FROM building b
           WHERE b.status = 'existing' AND coalesce(b.attributes ->> 'dwelling_units', b.attributes ->> 'households') ~ '^[0-9]+$'
             AND (%(division)s::text IS NULL OR b.division_code LIKE %(division)s || '%%') AND (%(all)s OR b.code = ANY(%(codes)s))
             AND NOT EXISTS (SELECT 1 FROM unit u WHERE u.building_code = b.code AND u.source_dataset IS DISTINCT FROM %(proposed)s)
           ORDER BY b.code""",
        {"division": division, "codes": list(codes), "all": not codes, "proposed": PROPOSED},
    ).fetchall()
    units: list[Unit] = []
    why: dict[str, str] = {}
    for code, count, storeys, area in rows:
        n = int(count)
        if n == 0:
            continue
        if not storeys or storeys > 99 or -(-n // storeys) > 99:
            why[code] = f"{n} dwellings on {storeys or 'unknown'} storeys do not fit rooms such as 101 to 9999"
            continue
        each, more = divmod(n, storeys)
        share = None if area is None else round(area / n, 2)
        for storey in range(1, storeys + 1):
            for place in range(1, each + (storey <= more) + 1):
                room = storey * 100 + place
                attributes = (("proposed", True), ("from", "census"), ("area_is_share", share is not None))
                units.append(Unit(code, 0, storey, room, str(room), share, attributes=attributes))
    return units, why


def propose_from_bim(connection: Connection, codes: Sequence[str]) -> tuple[list[Unit], dict[str, str]]:
    """Return units after the spaces of linked models that call themselves a unit (户, 套, unit, apartment, flat, dwelling).

    The floor is the rank of the storey's elevation: from -0.3 m upward 1, 2, …, below -1, -2, …; the room is the last number in the name.
    """
    rows = connection.execute(
        """SELECT m.building_code, s.code, s.name, s.long_name, s.floor_area_m2, t.elevation_m, s.model_code
           FROM bim_space s JOIN bim_model m ON m.code = s.model_code LEFT JOIN bim_storey t ON t.code = s.storey_code
           JOIN building b ON b.code = m.building_code AND b.status = 'existing'
           WHERE (%(all)s OR m.building_code = ANY(%(codes)s))
             AND NOT EXISTS (SELECT 1 FROM unit u WHERE u.building_code = b.code AND u.source_dataset IS DISTINCT FROM %(proposed)s)
           ORDER BY m.building_code, s.code""",
        {"codes": list(codes), "all": not codes, "proposed": PROPOSED},
    ).fetchall()
    levels = {model: _floors(connection, model) for model in {row[6] for row in rows}}
    units: dict[str, Unit] = {}
    why: dict[str, str] = {}
    for building, space, name, long_name, area, elevation, model in rows:
        text = " ".join(part for part in (name, long_name) if part)
        if not _UNIT_WORDS.search(text):
            why.setdefault(building, "no space of its model calls itself a unit (户, 套, unit, apartment, flat, dwelling)")
            continue
        try:
            unit = Unit(
                building, 0, levels[model].get(elevation, 1), room_number(name or text), name or text, area, long_name,
                attributes=(("proposed", True), ("from", "bim"), ("space", space)),
            )  # fmt: skip
        except CodeError as error:
            why[space] = error.message
            continue
        if unit.code in units:
            why[space] = f"room {name} would get the code of {units[unit.code].room_text}"
            continue
        units[unit.code] = unit
    return list(units.values()), {k: v for k, v in why.items() if k not in {u.building for u in units.values()}}


def _floors(connection: Connection, model: str) -> dict[float, int]:
    rows = connection.execute(
        "SELECT DISTINCT elevation_m FROM bim_storey WHERE model_code = %s AND elevation_m IS NOT NULL", [model]
    ).fetchall()
    heights = sorted(float(row[0]) for row in rows)
    below = [h for h in heights if h < -0.3]
    above = [h for h in heights if h >= -0.3]
    return {h: -i for i, h in enumerate(reversed(below), 1)} | {h: i for i, h in enumerate(above, 1)}
