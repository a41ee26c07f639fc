"""Issue of codes: set-based, safe under concurrency, never reused.

A code is a sequence of (scheme, area, year) taken from `code_counter` inside the caller's transaction. Counter rows are locked in
sorted order, so concurrent loads wait for each other instead of deadlocking; a rolled-back load leaves no gap and no code.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import count

from cim.codes.building import building_codes
from cim.db.engine import Connection
from cim.errors import CodeError

_MAX_SEQUENCE = 999_999
_SAFETY_GAP = 10_000
_ISSUED_SINCE = "restored from a backup; issued after it by the store that was replaced"
_UNKNOWN_SINCE = "restored from a backup; what was issued since is unknown, a safety gap was left"


def reserve_sequences(connection: Connection, scheme: str, areas: Sequence[str], year: int) -> list[int]:
    """Reserve one sequence number per entry of ``areas``, in order.

    Parameters
    ----------
    connection
        Inside a transaction.
    scheme
        Code scheme id.
    areas
        Area of each thing to be coded; numbers are consecutive inside an area.
    year
        Year of assignment.

    Returns
    -------
    list of int
        Same length as ``areas``.

    Raises
    ------
    CodeError
        An area's sequence would exceed 999999.
    """
    wanted = Counter(areas)
    order = sorted(wanted)
    rows = connection.execute(
        """INSERT INTO code_counter (scheme, area, year, last_sequence)
           SELECT %(scheme)s, area, %(year)s, n FROM unnest(%(areas)s::text[], %(counts)s::bigint[]) AS t (area, n) ORDER BY area
           ON CONFLICT (scheme, area, year) DO UPDATE SET last_sequence = code_counter.last_sequence + excluded.last_sequence
           RETURNING area, last_sequence""",
        {"scheme": scheme, "year": year, "areas": order, "counts": [wanted[area] for area in order]},
    ).fetchall()
    last_issued: dict[str, int] = dict(rows)
    over = [area for area in order if last_issued[area] > _MAX_SEQUENCE]
    if over:
        raise CodeError(
            f"area {over[0]}, year {year}: sequence {last_issued[over[0]]} exceeds {_MAX_SEQUENCE}", hint="assign a finer division"
        )
    following = {area: count(last_issued[area] - wanted[area] + 1) for area in order}
    return [next(following[area]) for area in areas]


def issue_building_codes(connection: Connection, areas: Sequence[str], year: int, *, origin: str = "01") -> list[str]:
    """Issue building codes (CIM-BC27-v1), one per entry of ``areas``, in order.

    Parameters
    ----------
    connection
        Inside a transaction.
    areas
        12-digit division of each building; give them in the deterministic order area, grid cell, source key.
    year
        Year of assignment.
    origin
        Origin code, "01" census base map.

    Raises
    ------
    CodeError
        A sequence is exhausted.
    """
    numbers = reserve_sequences(connection, "CIM-BC27-v1", areas, year)
    return building_codes(areas, year, numbers, origin=origin)


def fetch_counters(connection: Connection) -> list[tuple[str, str, int, int]]:
    """Return scheme, area, year and last sequence of every counter."""
    rows = connection.execute("SELECT scheme, area, year, last_sequence FROM code_counter ORDER BY scheme, area, year").fetchall()
    return [(str(row[0]), str(row[1]), int(row[2]), int(row[3])) for row in rows]


def close_gap_after_restore(connection: Connection, replaced: Sequence[tuple[str, str, int, int]]) -> int:
    """Raise the counters of a restored store above everything issued since the backup, and note what is skipped.

    Parameters
    ----------
    connection
        The restored store, inside a transaction.
    replaced
        Counters of the store that is replaced, empty when it could not be read or was new. A counter that stands there is raised to its
        value; one that does not is raised by 10,000, since nobody knows what was issued.

    Returns
    -------
    int
        Counters raised.
    """
    old = {row[:3]: row[3] for row in replaced}
    restored = {row[:3]: row[3] for row in fetch_counters(connection)}
    raised = []
    for key in sorted(old.keys() | restored.keys()):
        before = restored.get(key, 0)
        after = max(before, old[key]) if key in old else min(before + _SAFETY_GAP, _MAX_SEQUENCE)
        reason = _ISSUED_SINCE if key in old else _UNKNOWN_SINCE
        if after > before:
            raised.append((*key, before + 1, after, reason))
    with connection.cursor() as cursor:
        cursor.executemany(
            """INSERT INTO code_counter (scheme, area, year, last_sequence) VALUES (%s, %s, %s, %s)
               ON CONFLICT (scheme, area, year) DO UPDATE SET last_sequence = excluded.last_sequence""",
            [(scheme, area, year, after) for scheme, area, year, _, after, _ in raised],
        )
        # An archive of the first schema version has no table of gaps: the counters are raised all the same.
        if connection.execute("SELECT to_regclass('public.code_gap')").fetchone() != (None,):
            cursor.executemany(
                "INSERT INTO code_gap (scheme, area, year, first_sequence, last_sequence, reason) VALUES (%s, %s, %s, %s, %s, %s)", raised
            )
    return len(raised)


def fetch_division_names(connection: Connection, code: str) -> list[tuple[str, str]]:
    """Return code and name of the divisions a division code lies in, the largest first; withdrawn ones too."""
    parts = [code[:length] for length in (2, 4, 6, 9, 12) if length <= len(code)]
    rows = connection.execute("SELECT code, name FROM division WHERE code = ANY(%s) ORDER BY length(code)", [parts]).fetchall()
    return [(str(row[0]), str(row[1])) for row in rows]


def which_are_known(connection: Connection, codes: Sequence[str]) -> dict[str, str]:
    """Return, for those codes that the store has, where: building, unit, external code or division."""
    rows = connection.execute(
        """SELECT code, 'building' FROM building WHERE code = ANY(%(codes)s) UNION ALL
           SELECT code, 'unit' FROM unit WHERE code = ANY(%(codes)s) UNION ALL
           SELECT value, 'external code' FROM external_code WHERE value = ANY(%(codes)s) UNION ALL
           SELECT c.code, 'division ' || d.name FROM unnest(%(codes)s::text[]) AS c (code) JOIN division d ON d.code = left(c.code, 12)
           WHERE NOT EXISTS (SELECT 1 FROM building b WHERE b.code = c.code)""",
        {"codes": list(codes)},
    ).fetchall()
    found: dict[str, str] = {}
    for code, where in rows:
        found.setdefault(str(code), str(where))
    return found
