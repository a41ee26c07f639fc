"""Address text → place and building, and back: by the stored addresses, the names of buildings, and numbers along a road."""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from opencc import OpenCC

from cim.address.fold import fold, likeness, number_of
from cim.address.gazetteer import Gazetteer, build_gazetteer
from cim.address.parse import Components, parse
from cim.db.engine import Connection

_ALIKE = 0.6
_NAME_ALIKE = 0.75
_FAR_M = 2_000.0
_REACH_M = 30.0


@dataclass(frozen=True)
class Place:
    """Where an address may be.

    Parameters
    ----------
    lon, lat
        Longitude and latitude [deg], EPSG:4490.
    building_code, address_code
        What stands there, where known.
    score
        0-1.
    method
        text, number, name, interpolated.
    evidence
        In words.
    """

    lon: float
    lat: float
    building_code: str | None
    address_code: str | None
    score: float
    method: str
    evidence: str
    full_text: str | None = None
    components: dict[str, object] = field(default_factory=dict)


@lru_cache(maxsize=1)
def _to_traditional() -> OpenCC:
    return OpenCC("s2t")


def fetch_gazetteer(connection: Connection) -> Gazetteer:
    """Return the names of the city's divisions for the parser."""
    rows = connection.execute("SELECT code, name FROM division ORDER BY code").fetchall()
    return build_gazetteer((str(row[0]), str(row[1])) for row in rows)


def geocode(
    connection: Connection, text: str, *, limit: int = 5, gazetteer: Gazetteer | None = None, without: str | None = None
) -> list[Place]:
    """Return the places an address may mean, best first.

    Parameters
    ----------
    connection
        The store.
    text
        Free text.
    limit
        Most places.
    gazetteer
        Names of divisions, None = read from the store.
    without
        Address code that must not serve as evidence (for measuring).
    """
    parts = parse(text, gazetteer or fetch_gazetteer(connection))
    found = [*_by_text(connection, text, without), *_by_number(connection, parts, without), *_by_name(connection, parts)]
    if not any(place.score >= 0.9 for place in found):
        found += _interpolated(connection, parts, without)
    best: dict[str, Place] = {}
    for place in sorted(found, key=lambda p: (-p.score, p.method, p.address_code or "", p.building_code or "")):
        best.setdefault(place.building_code or f"{place.lon:.5f} {place.lat:.5f}", place)
    return list(best.values())[:limit]


def _addresses(connection: Connection, condition: str, given: dict[str, Any]) -> list[tuple[Any, ...]]:
    return connection.execute(
        f"""SELECT code, full_text, norm_text, road, house_number, building_code, ST_X(geom), ST_Y(geom), components FROM address
            WHERE status = 'existing' AND code IS DISTINCT FROM %(without)s AND {condition} LIMIT 500""".encode(),  # noqa: S608 - constants of this module
        given,
    ).fetchall()


def _place(row: tuple[Any, ...], score: float, method: str, evidence: str) -> Place:
    return Place(row[6], row[7], row[5], row[0], round(score, 3), method, evidence, row[1], row[8])


def _by_text(connection: Connection, text: str, without: str | None) -> list[Place]:
    rows = _addresses(connection, "norm_text = %(text)s", {"text": fold(text), "without": without})
    return [_place(row, 1.0, "text", "the same address is stored") for row in rows]


def _by_number(connection: Connection, parts: Components, without: str | None) -> list[Place]:
    number = number_of(parts.house_number)
    if not parts.road or number is None:
        return []
    rows = _addresses(connection, "house_number ~ %(number)s", {"number": rf"(^|[^0-9]){number}([^0-9]|$)", "without": without})
    out = []
    for row in rows:
        alike = likeness(parts.road, fold(row[3] or ""))
        if alike < _ALIKE or number_of(row[4] or "") != number:
            continue
        named = parts.estate and parts.estate in (row[2] or "")
        score = 0.9 * alike + (0.1 if named or not parts.estate else 0.0)
        words = f"number {number} of {row[3]}" + ("" if alike == 1 else f", which sounds or reads like {parts.road} ({alike:.2f})")
        out.append(_place(row, score, "number", words))
    return out


def _by_name(connection: Connection, parts: Components) -> list[Place]:
    names = [name for name in dict.fromkeys((parts.estate, *parts.rest.split(), parts.tail)) if len(name) >= 2]
    if not names:
        return []
    written = list(dict.fromkeys(form for name in names for form in (name, _to_traditional().convert(name))))
    patterns = [f"%{re.sub(r'([%_\\])', r'\\\1', form)}%" for form in written]
    rows = connection.execute(
        """SELECT b.code, b.name, ST_X(p), ST_Y(p), (SELECT min(a.code) FROM address a WHERE a.building_code = b.code)
           FROM building b CROSS JOIN LATERAL ST_PointOnSurface(b.geom) AS p
           WHERE b.status NOT IN ('demolished', 'retired') AND (b.name %% ANY(%(names)s) OR b.name ILIKE ANY(%(patterns)s)) LIMIT 200""",
        {"names": written, "patterns": patterns},
    ).fetchall()
    scored = []
    for code, name, lon, lat, address in rows:
        alike = max(likeness(fold(name), wanted) for wanted in names)
        inside = max((len(fold(name)) / len(wanted) for wanted in names if fold(name) in wanted), default=0.0)
        score = max(alike, 0.7 + 0.25 * inside if inside and len(fold(name)) >= 3 else 0.0)
        if score >= _NAME_ALIKE:
            scored.append((score, code, name, lon, lat, address))
    top = max((one[0] for one in scored), default=0.0)
    several = sum(one[0] == top for one in scored)
    # A name that several buildings carry tells the compound, not the building.
    return [
        Place(lon, lat, code, address, round(0.95 * score / (several if score == top else 1) ** 0.5, 3), "name", f"building name {name}")
        for score, code, name, lon, lat, address in scored
    ]


def _interpolated(connection: Connection, parts: Components, without: str | None) -> list[Place]:
    """Place a number between its neighbours on the same side (parity) of the road."""
    number = number_of(parts.house_number)
    if not parts.road or number is None:
        return []
    rows = _addresses(connection, "road IS NOT NULL AND norm_text LIKE %(road)s", {"road": f"%{parts.road}%", "without": without})
    side = sorted((n, row) for row in rows if (n := number_of(row[4] or "")) is not None and n % 2 == number % 2)
    lower = [one for one in side if one[0] < number]
    upper = [one for one in side if one[0] > number]
    if not lower or not upper:
        return []
    (n1, a), (n2, b) = lower[-1], upper[0]
    part = (number - n1) / (n2 - n1)
    lon, lat = a[6] + part * (b[6] - a[6]), a[7] + part * (b[7] - a[7])
    near = reverse_geocode(connection, lon, lat)
    gap = ((b[6] - a[6]) ** 2 + (b[7] - a[7]) ** 2) ** 0.5 * 111_195
    if gap > _FAR_M:
        return []
    score = 0.7 / (1 + gap / 200)
    words = f"between number {n1} and {n2} of {parts.road}, {gap:.0f} m apart"
    building = near["building_code"] if near["distance_m"] is not None and near["distance_m"] <= _REACH_M else None
    return [Place(lon, lat, building, None, round(score, 3), "interpolated", words)]


def reverse_geocode(connection: Connection, lon: float, lat: float, *, reach_m: float = 200.0) -> dict[str, Any]:
    """Return building, address and divisions of a position.

    Parameters
    ----------
    connection
        The store.
    lon, lat
        Longitude and latitude [deg], EPSG:4490.
    reach_m
        How far building and address may be [m].
    """
    given = {"lon": lon, "lat": lat, "reach": reach_m}
    building = connection.execute(
        """SELECT b.code, b.name, ST_Distance(b.geom::geography, p::geography) AS d
           FROM (SELECT ST_SetSRID(ST_MakePoint(%(lon)s, %(lat)s), 4490) AS p) q
           JOIN building b ON b.geom && ST_Expand(p, %(reach)s / 80000.0) AND ST_DWithin(b.geom::geography, p::geography, %(reach)s)
           WHERE b.status NOT IN ('demolished', 'retired') ORDER BY d, b.code LIMIT 1""",
        given,
    ).fetchone()
    address = connection.execute(
        """SELECT a.code, a.full_text, ST_Distance(a.geom::geography, p::geography) AS d, a.building_code
           FROM (SELECT ST_SetSRID(ST_MakePoint(%(lon)s, %(lat)s), 4490) AS p) q
           JOIN address a ON a.geom && ST_Expand(p, %(reach)s / 80000.0) AND ST_DWithin(a.geom::geography, p::geography, %(reach)s)
           WHERE a.status = 'existing' ORDER BY (a.building_code = %(building)s) DESC NULLS LAST, d, a.code LIMIT 1""",
        {**given, "building": building[0] if building and building[2] == 0 else None},
    ).fetchone()
    divisions = connection.execute(
        """SELECT u.code, u.name FROM division v JOIN division u ON v.code LIKE u.code || '%%'
           WHERE v.level = 5 AND v.status = 'existing' AND ST_Covers(v.geom, ST_SetSRID(ST_MakePoint(%(lon)s, %(lat)s), 4490))
           ORDER BY v.code, u.level LIMIT 5""",
        given,
    ).fetchall()
    return {
        "building_code": building[0] if building else None, "building_name": building[1] if building else None,
        "distance_m": round(float(building[2]), 2) if building else None, "address_code": address[0] if address else None,
        "address": address[1] if address else None, "address_distance_m": round(float(address[2]), 2) if address else None,
        "divisions": [{"code": row[0], "name": row[1]} for row in divisions],
    }  # fmt: skip
