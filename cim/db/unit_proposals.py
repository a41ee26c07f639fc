"""Proposed units: from the counts of a census, from the spaces of a model. Surveyed units stand above both, models above counts."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cim.codes.rooms import room_number
from cim.db.engine import Connection
from cim.db.units import PROPOSED, Unit
from cim.errors import CodeError, ConflictError, InvalidParameterError, NotFoundError

Proposal = tuple[list[Unit], set[str], dict[str, str]]
"""Units; buildings whose earlier proposals they replace; building or space → why none is proposed."""
_MOST = 99
_GROUND_M = -0.3
_CATEGORIES = ("Category", "Category Description", "OmniClass Table 13 Category", "ObjectType", "Classification", "类别", "分类")
_ZONES = ("OccupancyZoneName", "ZoneName", "Zone", "户号")
_WORD = re.compile(r"(?<![A-Za-z])(?:unit|apartment|apt|flat|dwelling)(?![A-Za-z])", re.IGNORECASE)
_NUMBER = re.compile(r"[\s.:#-]*(?:no\.?\s*)?([A-Za-z]?\d[\w-]*|[A-Za-z](?![A-Za-z]))", re.IGNORECASE)
_EQUIPMENT = {
    "handling",
    "coil",
    "condensing",
    "heating",
    "cooling",
    "ventilation",
    "supply",
    "control",
    "pump",
    "power",
    "storage",
    "wall",
}
_CHINESE = re.compile(r"(?:(?<![入门窗用客])户(?:型|室)?|套(?:房|型)?|公寓|单元房)[-\s]?[0-9A-Za-z]*$")
_NONE = "no space or zone of its model calls itself a unit (户, 套, 公寓, unit, apartment, flat, dwelling)"


def _eligible(
    connection: Connection, division: str | None, codes: Sequence[str], *, than_bim: bool
) -> tuple[set[str] | None, dict[str, str]]:
    """Check the buildings asked for by name; return those that may get proposals (None = not asked by name), and why others do not.

    Raises
    ------
    NotFoundError
        A building is not in the register.
    ConflictError
        A building is demolished or retired.
    """
    if division is not None and not (division.isascii() and division.isdigit()):
        raise InvalidParameterError("--division", division, "a division code, 2 to 12 digits")
    if not codes:
        return None, {}
    rows = connection.execute(
        """SELECT c.code, b.status,
                  EXISTS (SELECT 1 FROM unit u WHERE u.building_code = b.code AND u.status = 'existing'
                          AND u.source_dataset IS DISTINCT FROM %(proposed)s),
                  EXISTS (SELECT 1 FROM unit u WHERE u.building_code = b.code AND u.status = 'existing' AND u.source_dataset = %(proposed)s
                          AND u.attributes ->> 'from' = 'bim')
           FROM unnest(%(codes)s::text[]) AS c (code) LEFT JOIN building b ON b.code = c.code""",
        {"codes": list(codes), "proposed": PROPOSED},
    ).fetchall()
    why: dict[str, str] = {}
    for code, status, surveyed, modelled in rows:
        if status is None:
            raise NotFoundError(f"building {code}: not in the register", hint=f"cim codes explain {code}")
        if status in ("demolished", "retired"):
            raise ConflictError(f"building {code}: found status {status}, expected a standing one", hint=f"cim changes list --code {code}")
        if status != "existing":
            why[code] = f"is {status}"
        elif surveyed:
            why[code] = "has surveyed units"
        elif modelled and than_bim:
            why[code] = "has units from a model"
    return set(codes) - why.keys(), why


def propose_from_census(connection: Connection, division: str | None, codes: Sequence[str]) -> Proposal:
    """Return units after the numbers of dwellings and of storeys, for buildings without surveyed or modelled units.

    Parameters
    ----------
    connection
        The store.
    division
        Only buildings of this division (any level).
    codes
        Only these buildings; none = all.

    Notes
    -----
    The dwellings are spread evenly over the storeys above ground, the lowest ones get the remainder; the room number is storey × 100 +
    position.
    """
    named, why = _eligible(connection, division, codes, than_bim=True)
    rows = connection.execute(
        """SELECT b.code, coalesce(nullif(b.attributes ->> 'dwelling_units', ''), nullif(b.attributes ->> 'households', '')) AS n,
                  b.storeys_above, b.floor_area_m2
           FROM building b
           WHERE b.status = 'existing' AND b.attributes ?| ARRAY['dwelling_units', 'households']
             AND (%(division)s::text IS NULL OR b.division_code LIKE %(division)s || '%%') AND (%(all)s OR b.code = ANY(%(codes)s))
             AND NOT EXISTS (SELECT 1 FROM unit u WHERE u.building_code = b.code AND u.status = 'existing'
                             AND (u.source_dataset IS DISTINCT FROM %(proposed)s OR u.attributes ->> 'from' = 'bim'))
           ORDER BY b.code""",
        {"division": division, "codes": sorted(named or ()), "all": named is None, "proposed": PROPOSED},
    ).fetchall()
    units: list[Unit] = []
    planned: set[str] = set()
    for code, text, storeys, area in rows:
        if text is None:
            continue
        if not re.fullmatch(r"[0-9]{1,9}", text):
            why[code] = f"the number of dwellings is {text!r}"
            continue
        n = int(text)
        if n and (not storeys or storeys > _MOST or -(-n // storeys) > _MOST):
            why[code] = f"{n} dwellings on {storeys or 'unknown'} storeys do not fit rooms such as 101 to 9999"
            continue
        planned.add(code)
        share = None if area is None or n == 0 else round(area / n, 2)
        for storey, place in _spread(n, storeys):
            room = storey * 100 + place
            attributes = (("proposed", True), ("from", "census"), ("area_is_share", share is not None))
            units.append(Unit(code, 0, storey, room, str(room), share, attributes=attributes))
    if named is not None:
        why |= dict.fromkeys(named - planned - why.keys(), "has no number of dwellings or households")
    return units, planned, why


def _spread(n: int, storeys: int) -> Iterable[tuple[int, int]]:
    """Yield storey and position of n dwellings, the lowest storeys taking the remainder."""
    each, more = divmod(n, storeys) if n else (0, 0)
    for storey in range(1, storeys + 1 if n else 1):
        for place in range(1, each + (storey <= more) + 1):
            yield storey, place


def propose_from_bim(connection: Connection, division: str | None, codes: Sequence[str]) -> Proposal:
    """Return units after the spaces and zones of linked models that call themselves a unit, for buildings without surveyed units.

    Parameters
    ----------
    connection
        The store.
    division
        Only buildings of this division (any level).
    codes
        Only these buildings; none = all.

    Notes
    -----
    A zone is an IfcZone that calls itself a unit, or the set of spaces with the same value of an occupancy zone.
    The floor is the rank of the storey's elevation: from -0.3 m
    upward 1, 2, …, below -1, -2, …; a zone on several storeys lies on the lowest one above ground. The room is the number in the name, or
    the place of its letter in the alphabet. Of several models of a building the newest with units counts.
    """
    named, why = _eligible(connection, division, codes, than_bim=False)
    rows = connection.execute(
        """SELECT m.building_code, m.code, s.code, s.name, s.long_name, s.floor_area_m2, s.attributes, t.elevation_m,
                  ARRAY(SELECT coalesce(n.long_name, n.name) FROM bim_member k JOIN bim_node n ON n.code = k.node_code AND n.kind = 'zone'
                        WHERE k.member_code = s.code AND coalesce(n.long_name, n.name) IS NOT NULL ORDER BY 1)
           FROM bim_model m JOIN bim_space s ON s.model_code = m.code LEFT JOIN bim_storey t ON t.code = s.storey_code
           JOIN building b ON b.code = m.building_code AND b.status = 'existing'
           WHERE (%(division)s::text IS NULL OR b.division_code LIKE %(division)s || '%%') AND (%(all)s OR b.code = ANY(%(codes)s))
             AND NOT EXISTS (SELECT 1 FROM unit u WHERE u.building_code = b.code AND u.status = 'existing'
                             AND u.source_dataset IS DISTINCT FROM %(proposed)s)
           ORDER BY m.building_code, m.recorded_at DESC, m.code DESC, s.code""",
        {"division": division, "codes": sorted(named or ()), "all": named is None, "proposed": PROPOSED},
    ).fetchall()
    models: dict[str, dict[str, list[Sequence[Any]]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        models[row[0]][row[1]].append(row[2:])
    units: list[Unit] = []
    planned: set[str] = set()
    for building, its_models in models.items():
        for model, spaces in its_models.items():
            found, faults = _of_model(building, model, spaces, _floors(connection, model))
            why |= faults
            if found:
                units += found
                planned.add(building)
                break
        else:
            why[building] = _NONE
    if named is not None:
        why |= dict.fromkeys(named - planned - why.keys(), "has no model with spaces")
    return units, planned, why


def _of_model(building: str, model: str, spaces: Sequence[Sequence[Any]], floors: Mapping[float, int]) -> tuple[list[Unit], dict[str, str]]:
    groups: dict[tuple[str, str], list[Sequence[Any]]] = defaultdict(list)
    for space in spaces:
        code, name, long_name, _, properties, _, zones = space
        values = [(key, value) for content in properties.values() for key, value in content.items() if isinstance(value, str)]
        zone = next((one for one in zones if unit_label(one, zone=True) is not None), None) or next(
            (value for key, value in values if key in _ZONES and (key == "户号" or unit_label(value, zone=True) is not None)), None
        )
        if zone:
            groups["zone", zone].append(space)
        elif any(unit_label(text) is not None for text in (name, long_name, *(v for k, v in values if k in _CATEGORIES)) if text):
            groups["space", code].append(space)
    units: dict[str, Unit] = {}
    why: dict[str, str] = {}
    for (kind, key), members in sorted(groups.items()):
        levels = {floors[space[5]] for space in members if space[5] in floors}
        if not levels:
            why[f"{model}/{key}" if kind == "zone" else key] = "its storey has no elevation"
            continue
        floor = min((level for level in levels if level > 0), default=max(levels))
        names = [key] if kind == "zone" else [text for text in members[0][1:3] if text]
        areas = [space[3] for space in members]
        try:
            unit = Unit(
                building, 0, floor, _room(names), names[0], None if None in areas else round(sum(areas), 2), names[-1],
                attributes=(("proposed", True), ("from", "bim"), ("model", model), (kind, key), ("spaces", len(members))),
            )  # fmt: skip
        except CodeError as error:
            why[key] = error.message
            continue
        if unit.code in units:
            why[key] = f"{names[0]} would get the code of {units[unit.code].room_text}"
            continue
        units[unit.code] = unit
    return list(units.values()), why


def unit_label(text: str, *, zone: bool = False) -> str | None:
    """Return the number or letter behind the word for a unit, empty where the word stands alone; None where the text names no unit.

    Parameters
    ----------
    text
        Name or category of a space, or name of a zone.
    zone
        After the number of a zone anything may follow; after that of a space nothing, as ``Unit A corridor`` is no unit.

    Examples
    --------
    >>> unit_label("Apartment 12"), unit_label("Unit A OccupancyZoneName", zone=True), unit_label("1103户")
    ('12', 'A', '')
    >>> unit_label("Air Handling Unit"), unit_label("Flat roof"), unit_label("入户花园")
    (None, None, None)
    """
    for word in _WORD.finditer(text):
        tail = text[word.end() :]
        if set(text[: word.start()].lower().split()[-1:]) & _EQUIPMENT:
            continue
        number = _NUMBER.match(tail)
        rest = tail[number.end() :] if number else tail
        if (number and zone) or not rest.strip(" .)"):
            return number[1] if number else ""
    return "" if _CHINESE.search(text) else None


def _room(names: Sequence[str]) -> int:
    """Return the room number that the first name with one gives: digits, or one letter as its place in the alphabet."""
    for name in names:
        label = unit_label(name, zone=True) or ""
        lettered = label if len(label) == 1 and label.isalpha() else (re.findall(r"(?<![A-Za-z])([A-Za-z])\s*户", name) or [""])[0]
        if re.search(r"\d", label or name):
            return room_number(label if re.search(r"\d", label) else name)
        if lettered:
            return ord(lettered.upper()) - ord("A") + 1
    return room_number(names[0])


def _floors(connection: Connection, model: str) -> dict[float, int]:
    rows = connection.execute(
        "SELECT DISTINCT elevation_m FROM bim_storey WHERE model_code = %s AND elevation_m IS NOT NULL", [model]
    ).fetchall()
    heights = sorted(float(row[0]) for row in rows)
    below = [h for h in heights if h < _GROUND_M]
    above = [h for h in heights if h >= _GROUND_M]
    return {h: -i for i, h in enumerate(reversed(below), 1)} | {h: i for i, h in enumerate(above, 1)}
