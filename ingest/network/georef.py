"""Local coordinates into a named CRS: control points and a similarity transformation (four parameters, least squares)."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cim.errors import SourceSyntaxError
from ingest.table import read_csv

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Georeference:
    """Scale, rotation and shift: X = a x - b y + c, Y = b x + a y + d.

    Parameters
    ----------
    a, b
        Scale times cosine and sine of the rotation.
    c, d
        Shift [m].
    residual_m
        Distance of each control point from where it is taken to [m].
    """

    a: float
    b: float
    c: float
    d: float
    residual_m: tuple[float, ...]

    @property
    def scale(self) -> float:
        """Metres per unit of the source."""
        return float(np.hypot(self.a, self.b))

    def apply(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return positions [m] in the target CRS, shape (n,) each."""
        return self.a * x - self.b * y + self.c, self.b * x + self.a * y + self.d

    def as_dict(self) -> dict[str, object]:
        """Return what the report says."""
        return {
            "scale": round(self.scale, 9),
            "rotation_deg": round(float(np.degrees(np.arctan2(self.b, self.a))), 6),
            "control_points": len(self.residual_m),
            "residual_max_m": round(max(self.residual_m), 3),
            "residuals_m": [round(value, 3) for value in self.residual_m],
        }


def fit_georeference(source: Floats, target: Floats) -> Georeference:
    """Fit a similarity transformation.

    Parameters
    ----------
    source, target
        Control points, shape (n, 2), n ≥ 2: units of the source, and [m] in the target CRS, x/y order.

    Raises
    ------
    ValueError
        Fewer than two different points.
    """
    if not (np.isfinite(source).all() and np.isfinite(target).all()):
        raise ValueError("found a number that is not finite")
    if len(source) < 2 or np.ptp(source, axis=0).max() == 0:
        raise ValueError(f"found {len(source)} control points, expected two or more at different places")
    middle_s, middle_t = source.mean(axis=0), target.mean(axis=0)
    x, y = (source - middle_s).T
    big_x, big_y = (target - middle_t).T
    size = float((x**2 + y**2).sum())
    a, b = float((x * big_x + y * big_y).sum()) / size, float((x * big_y - y * big_x).sum()) / size
    c, d = middle_t[0] - a * middle_s[0] + b * middle_s[1], middle_t[1] - b * middle_s[0] - a * middle_s[1]
    found = Georeference(a, b, float(c), float(d), ())
    back = np.stack(found.apply(source[:, 0], source[:, 1]), axis=1)
    return Georeference(a, b, float(c), float(d), tuple(float(v) for v in np.hypot(*(back - target).T)))


def read_georeference(path: Path) -> Georeference:
    """Read control points: CSV with the columns ``x,y`` (source) and ``X,Y`` (target CRS, x/y order).

    Raises
    ------
    SourceSyntaxError
        The file is missing, lacks columns or numbers, or has fewer than two points.
    """
    rows, _ = read_csv(path, ("x", "y", "X", "Y"))
    try:
        values = np.array([[float(row[name]) for name in ("x", "y", "X", "Y")] for row in rows], np.float64).reshape(-1, 4)
        return fit_georeference(values[:, :2], values[:, 2:])
    except ValueError as error:
        raise SourceSyntaxError(path, str(error), hint="give two or more lines x,y,X,Y") from error
