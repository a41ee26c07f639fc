"""Seeded data shared by the benchmarks."""

import numpy as np
import shapely
from numpy.typing import NDArray

SEED = 7


def footprints(n: int) -> NDArray[np.object_]:
    """Return n footprints, 70 % rectangles and 30 % L shapes, on a grid around 114.4 E 30.5 N, EPSG:4490 [deg]."""
    random = np.random.default_rng(SEED)
    side = int(np.ceil(np.sqrt(n)))
    x = 114.4 + (np.arange(n) % side) * 0.0004
    y = 30.5 + (np.arange(n) // side) * 0.0004
    w, d = random.uniform(0.0001, 0.0003, n), random.uniform(0.0001, 0.0003, n)
    made = np.empty(n, dtype=object)
    for i in range(n):
        if i % 10 < 7:
            made[i] = shapely.box(x[i], y[i], x[i] + w[i], y[i] + d[i])
        else:
            mx, my = x[i] + w[i] / 2, y[i] + d[i] / 2
            ring = [(x[i], y[i]), (x[i] + w[i], y[i]), (x[i] + w[i], my), (mx, my), (mx, y[i] + d[i]), (x[i], y[i] + d[i])]
            made[i] = shapely.Polygon(ring)
    return made


def heights_m(n: int) -> NDArray[np.float64]:
    """Return n building heights [m]."""
    return np.random.default_rng(SEED + 1).gamma(3.0, 6.0, n) + 3.0
