"""Issue of codes: set-based, safe under concurrency, never reused.

A code is a sequence of (scheme, area, year) taken from `code_counter` inside the caller's transaction. Counter rows are locked in
sorted order, so concurrent loads wait for each other instead of deadlocking; a rolled-back load leaves no gap and no code.

A restore puts an older state in place, so it closes the gap: what the replaced store had issued since, or a safety gap where that is
unknown, is skipped and noted in `code_gap`. The counter with scheme and area ``*`` is where counters that begin in its year start.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import count

import numpy as np
from numpy.typing import NDArray

from cim.clock import utc_now
from cim.codes.building import building_code_digits, building_codes
from cim.db.engine import Connection
from cim.errors import CodeError

_MAX_SEQUENCE = 999_999
_SAFETY_GAP = 10_000
_ANY = "*"
Counter4 = tuple[str, str, int, int]
"""Scheme, area, year and last sequence."""
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
    last = reserve_counts(connection, scheme, wanted, year)
    following = {area: count(last[area] - wanted[area] + 1) for area in wanted}
    return [next(following[area]) for area in areas]


def reserve_counts(
    connection: Connection, scheme: str, wanted: Mapping[str, int], year: int, *, limit: int = _MAX_SEQUENCE
) -> dict[str, int]:
    """Reserve blocks of sequence numbers.

    Parameters
    ----------
    connection
        Inside a transaction.
    scheme, year
        As for `reserve_sequences`.
    wanted
        Area → how many.
    limit
        Highest number of the scheme.

    Returns
    -------
    dict
        Area → last number of its block; the first is that minus the count plus one.

    Raises
    ------
    CodeError
        An area's sequence would exceed the limit.
    """
    order = sorted(wanted)
    skipped = connection.execute(
        "SELECT last_sequence FROM code_counter WHERE scheme = %(any)s AND area = %(any)s AND year = %(year)s",
        {"any": _ANY, "year": year},
    ).fetchone()
    rows = connection.execute(
        """INSERT INTO code_counter (scheme, area, year, last_sequence)
           SELECT %(scheme)s, area, %(year)s, %(skipped)s + n
           FROM unnest(%(areas)s::text[], %(counts)s::bigint[]) AS t (area, n) ORDER BY area
           ON CONFLICT (scheme, area, year)
           DO UPDATE SET last_sequence = code_counter.last_sequence + excluded.last_sequence - %(skipped)s::bigint
           RETURNING area, last_sequence""",
        {
            "scheme": scheme, "year": year, "areas": order, "counts": [wanted[area] for area in order],
            "skipped": skipped[0] if skipped else 0,
        },
    ).fetchall()  # fmt: skip
    last_issued: dict[str, int] = dict(rows)
    over = [area for area in order if last_issued[area] > limit]
    if over:
        raise CodeError(f"area {over[0]}, year {year}: sequence {last_issued[over[0]]} exceeds {limit}", hint="assign a finer division")
    return last_issued


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


def issue_sorted_building_codes(connection: Connection, areas: Sequence[str], counts: Sequence[int], year: int) -> NDArray[np.uint8]:
    """Issue building codes (CIM-BC27-v1) for buildings that are sorted by area.

    Parameters
    ----------
    connection, year
        As for `issue_building_codes`.
    areas
        12-digit divisions, each once.
    counts
        Buildings of each.

    Returns
    -------
    ndarray
        Codes as ASCII, area after area, shape (sum of counts, 27).

    Raises
    ------
    CodeError
        A sequence is exhausted.
    """
    last = reserve_counts(connection, "CIM-BC27-v1", dict(zip(areas, counts, strict=True)), year)
    size = np.asarray(counts, np.int64)
    before = np.cumsum(size) - size
    first = np.array([last[area] for area in areas], np.int64) - size + 1
    sequences = np.arange(size.sum()) + np.repeat(first - before, size)
    digits = np.frombuffer("".join(areas).encode("ascii"), np.uint8).reshape(len(areas), 12)
    return building_code_digits(np.repeat(digits, size, axis=0), year, sequences)


def fetch_counters(connection: Connection) -> list[Counter4]:
    """Return scheme, area, year and last sequence of every counter."""
    rows = connection.execute("SELECT scheme, area, year, last_sequence FROM code_counter ORDER BY scheme, area, year").fetchall()
    return [(str(row[0]), str(row[1]), int(row[2]), int(row[3])) for row in rows]


def close_gap_after_restore(connection: Connection, replaced: Sequence[Counter4] | None, made_year: int) -> int:
    """Raise the counters of a restored store above everything issued since the backup, and note what is skipped.

    Parameters
    ----------
    connection
        The restored store, inside a transaction.
    replaced
        Counters of the store that is replaced; None or empty when it could not be read or was new. Where that store continues the backup,
        the counters are raised to its values. Where it does not, nobody knows what was issued: every counter is raised by 10,000, and
        counters that begin later in a year from the backup's to this one start above 10,000.
    made_year
        Year in which the backup was made.

    Returns
    -------
    int
        Counters raised.
    """
    old = {row[:3]: row[3] for row in replaced or ()}
    restored = {row[:3]: row[3] for row in fetch_counters(connection)}
    # Counters never go back: a store that lacks one of the backup's, or has a lower one, is another line of succession.
    continues = bool(old) and all(old.get(key, -1) >= last for key, last in restored.items())
    gap, reason = (0, _ISSUED_SINCE) if continues else (_SAFETY_GAP, _UNKNOWN_SINCE)
    begun_since = set() if continues else {(_ANY, _ANY, year) for year in range(made_year, utc_now().year + 1)}
    raised = []
    for key in sorted(old.keys() | restored.keys() | begun_since):
        before = restored.get(key, 0)
        after = min(max(before, old.get(key, 0)) + gap, _MAX_SEQUENCE)
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


def fetch_division_names(connection: Connection, code: str, year: int | None = None) -> list[dict[str, str | None]]:
    """Return the divisions a division code lies in, the largest first; withdrawn ones too.

    Parameters
    ----------
    connection
        The store.
    code
        Division code of 2 to 12 digits.
    year
        Year in which a code was assigned.

    Returns
    -------
    list of dict
        code, name; name_then where the store knows another name at the end of ``year``; withdrawn_on, successor_code where it has them.
    """
    rows = connection.execute(
        """SELECT d.code, d.name, CASE WHEN t.name <> d.name THEN t.name END, d.effective_to::text, d.successor_code
           FROM division d LEFT JOIN division_as_of(make_timestamptz(%(year)s, 12, 31, 23, 59, 59, 'UTC')) t ON t.id = d.id
           WHERE d.code = ANY(%(parts)s) ORDER BY length(d.code)""",
        {"parts": [code[:length] for length in (2, 4, 6, 9, 12) if length <= len(code)], "year": year},
    ).fetchall()
    return [dict(zip(("code", "name", "name_then", "withdrawn_on", "successor_code"), row, strict=True)) for row in rows]


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
