"""Rain for a simulation, as the operator gives it: a file, or the city's formula."""

import csv
from itertools import pairwise
from pathlib import Path

from cim.analysis.network.storm import StormFormula, chicago_storm
from cim.errors import InvalidParameterError, SourceSyntaxError

STEP_MIN = 5.0


def design_storm(formula: str, return_period_years: float, duration_min: float) -> tuple[list[float], float]:
    """Return the intensities [mm/h] and the step [min] of a design storm.

    Parameters
    ----------
    formula
        ``A,C,b,n``, A in mm/min.
    return_period_years
        Once in so many years.
    duration_min
        Duration [min].

    Raises
    ------
    InvalidParameterError
        Not four numbers, or out of range.

    Examples
    --------
    >>> len(design_storm("9.58,0.846,7.0,0.656", 10, 120)[0])
    24
    """
    try:
        a, c, b, n = (float(word) for word in formula.split(","))
        return [float(v) for v in chicago_storm(StormFormula(a, c, b, n), return_period_years, duration_min, step_min=STEP_MIN)], STEP_MIN
    except ValueError as error:
        raise InvalidParameterError("--storm", formula, f"A,C,b,n such as 9.58,0.846,7.0,0.656 ({error})") from None


def read_rain(path: Path) -> tuple[list[float], float]:
    """Return the intensities [mm/h] and the step [min] of a CSV with the columns ``minute`` and ``mm_per_h``.

    Raises
    ------
    SourceSyntaxError
        Missing, not such a table, negative rain, or uneven steps; names the line.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            rows = list(csv.DictReader(handle))
    except (OSError, UnicodeDecodeError) as error:
        raise SourceSyntaxError(path, f"cannot be read: {error}") from error
    times, rain = [], []
    for n, row in enumerate(rows, 2):
        try:
            times.append(float(row["minute"]))
            rain.append(float(row["mm_per_h"]))
        except (KeyError, TypeError, ValueError):
            raise SourceSyntaxError(path, f"found {dict(row)}, expected numbers minute,mm_per_h", where=f"line {n}") from None
        if not 0 <= rain[-1] < 1000:
            raise SourceSyntaxError(path, f"found {rain[-1]} mm/h, expected 0 to 1000", where=f"line {n}")
    steps = {round(b - a, 6) for a, b in pairwise(times)}
    if len(steps) != 1 or min(steps) < 1 or min(steps) != int(min(steps)):
        raise SourceSyntaxError(path, f"found steps of {sorted(steps)[:3]} minutes, expected one step of whole minutes", where="minute")
    return rain, steps.pop()
