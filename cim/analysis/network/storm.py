"""Design storms after a city's intensity formula: the hyetograph of Keifer and Chu (1957), "Chicago storm"."""

from dataclasses import dataclass
from math import log10

import numpy as np

from cim.analysis.network.graph import Floats


@dataclass(frozen=True)
class StormFormula:
    """Mean intensity i = A (1 + C lg P) / (t + b)^n [mm/min] over t minutes (GB 50014-2021, 4.1.9).

    Parameters
    ----------
    a
        A [mm/min · min^n]; a formula in l/(s·ha) is divided by 167.
    c
        C.
    b
        b [min].
    n
        Exponent.
    """

    a: float
    c: float
    b: float
    n: float

    def depth_mm(self, minutes: float, return_period_years: float) -> float:
        """Return the depth that falls within the most intense minutes [mm]."""
        return float(self.a * (1 + self.c * log10(return_period_years)) * minutes / (minutes + self.b) ** self.n)


def chicago_storm(
    formula: StormFormula, return_period_years: float, duration_min: float, *, peak: float = 0.4, step_min: float = 5.0
) -> Floats:
    """Return the intensities of a design storm.

    Parameters
    ----------
    formula
        Of the city.
    return_period_years
        Once in so many years.
    duration_min
        Whole duration [min], a multiple of the step.
    peak
        Where the peak lies, as a share of the duration, 0-1.
    step_min
        Step [min].

    Returns
    -------
    ndarray
        Intensity in each step [mm/h], shape (duration / step,). Their sum is the depth of the formula.

    Raises
    ------
    ValueError
        A parameter is out of its range.

    Examples
    --------
    >>> rain = chicago_storm(StormFormula(9.58, 0.846, 7.0, 0.656), 2, 120)
    >>> round(float(rain.sum() * 5 / 60), 3) == round(StormFormula(9.58, 0.846, 7.0, 0.656).depth_mm(120, 2), 3)
    True
    """
    if not (0 < peak < 1 and step_min > 0 and duration_min >= step_min and return_period_years > 0):
        raise ValueError("expected a peak between 0 and 1, and a step, duration and return period above 0")
    if not (formula.a > 0 and formula.b >= 0 and 0 < formula.n < 1):
        raise ValueError("expected A above 0, b of 0 or more, n between 0 and 1")
    edges = np.arange(round(duration_min / step_min) + 1) * step_min
    away = edges - peak * edges[-1]
    share = np.where(away < 0, peak, 1 - peak)
    spread = np.abs(away) / share
    fallen = share * formula.a * (1 + formula.c * log10(return_period_years)) * spread / (spread + formula.b) ** formula.n
    return np.asarray(np.diff(np.sign(away) * fallen) / step_min * 60)
