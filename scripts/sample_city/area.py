"""Facts of the sample area: place, seed, dates, coordinate conversion."""

import random
from typing import Final

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from cim.crs import transform_xy

SEED: Final = "guanggu-2026"
STORE_CRS: Final = "EPSG:4490"
PROJECTED_CRS: Final = "EPSG:4547"
VERTICAL_DATUM: Final = "EPSG:5737"
COUNTY: Final = "420111"
SURVEY_DATE: Final = "2026-06-15"
"""Fixed date of all synthetic records; files carry no date of the run."""

E0: Final = 536_700.0
N0: Final = 3_375_600.0
WIDTH_M: Final = 2_400.0
DEPTH_M: Final = 1_800.0
"""South-west corner (easting, northing) and size of the sample area in EPSG:4547 [m]."""


def seeded(*key: object) -> random.Random:
    """Return a random source that depends on the key alone, so that one record never shifts another."""
    return random.Random(":".join([SEED, *map(str, key)]))


def to_metres(geometry: BaseGeometry) -> BaseGeometry:
    """Convert lon/lat degrees (EPSG:4490) to easting/northing metres (EPSG:4547)."""
    return _convert(geometry, STORE_CRS, PROJECTED_CRS)


def to_degrees(geometry: BaseGeometry) -> BaseGeometry:
    """Convert easting/northing metres (EPSG:4547) to lon/lat degrees (EPSG:4490), rounded to 1e-9 degree."""
    moved = _convert(geometry, PROJECTED_CRS, STORE_CRS)
    return shapely.transform(moved, lambda xy: np.round(xy, 9))


def _convert(geometry: BaseGeometry, source: str, target: str) -> BaseGeometry:
    return shapely.transform(geometry, lambda xy: np.column_stack(transform_xy(source, target, xy[:, 0], xy[:, 1])))


def sample_box() -> BaseGeometry:
    """Return the sample area as a polygon in EPSG:4547."""
    return shapely.box(E0, N0, E0 + WIDTH_M, N0 + DEPTH_M)
