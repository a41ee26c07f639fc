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
