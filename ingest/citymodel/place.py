"""Where a city model lies: horizontal and vertical CRS, order of the axes, elevations in the city's vertical datum."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray

from cim.crs import STORE_SRID, CrsError, parse_crs, transform_xy
from cim.errors import GeometryError, MissingCrsError

Floats = NDArray[np.float64]
_MARGIN_DEG = 1.0


@dataclass(frozen=True)
class Place:
    """How coordinates of a model become those of the store.

    Parameters
    ----------
    crs
        Horizontal CRS of the model.
    projected
        CRS of the city in metres.
    shift_m
        Added to the elevations [m].
    is_swapped
        The source writes northing or latitude first.
    """

    crs: str
    projected: str
    shift_m: float
    is_swapped: bool

    def to_store(self, xyz: Floats) -> tuple[Floats, Floats]:
        """Return longitude, latitude [deg], elevation [m], and easting, northing, elevation [m] in the city's CRS, each (n, 3)."""
        x, y = (xyz[:, 1], xyz[:, 0]) if self.is_swapped else (xyz[:, 0], xyz[:, 1])
        lon, lat = transform_xy(self.crs, f"EPSG:{STORE_SRID}", np.ascontiguousarray(x), np.ascontiguousarray(y))
        east, north = transform_xy(f"EPSG:{STORE_SRID}", self.projected, lon, lat)
        z = xyz[:, 2] + self.shift_m
        return np.column_stack((lon, lat, z)), np.column_stack((east, north, z))

    def to_lonlat(self, shapes: NDArray[Any]) -> NDArray[Any]:
        """Return geometries of the city's CRS [m] in longitude and latitude [deg], shape (n,)."""

        def moved(xy: Floats) -> Floats:
            x, y = (np.ascontiguousarray(xy[:, axis]) for axis in (0, 1))
            return np.column_stack(transform_xy(self.projected, f"EPSG:{STORE_SRID}", x, y))

        return np.asarray(shapely.transform(shapes, moved), dtype=object)


def horizontal_and_vertical(path: Path, named: str, given: str | None) -> tuple[pyproj.CRS, pyproj.CRS | None]:
    """Return the CRS of a model.

    Raises
    ------
    MissingCrsError
        The file names none and none was given.
    """
    text = given or named
    if not text:
        raise MissingCrsError(path, "found no coordinate reference system, expected one", hint="pass --crs EPSG:<number>")
    crs = parse_crs(text)
    if crs.is_compound:
        return crs.sub_crs_list[0], crs.sub_crs_list[1]
    if len(crs.axis_info) > 2:
        return crs.to_2d(), None
    return crs, None


def is_swapped(path: Path, crs: pyproj.CRS, sample: Floats) -> bool:
    """Tell whether a source writes northing or latitude first: the order in which the model lies where its CRS is made for.

    Raises
    ------
    GeometryError
        It lies there in neither order.
    """
    area = crs.area_of_use
    order = [False, True]
    if crs.is_geographic:
        # A geographic CRS of a registry has the latitude first, and GML keeps the registry's order.
        order = [True, False]
    for swapped in order:
        x, y = (sample[:, 1], sample[:, 0]) if swapped else (sample[:, 0], sample[:, 1])
        try:
            lon, lat = transform_xy(crs.to_wkt(), f"EPSG:{STORE_SRID}", np.ascontiguousarray(x), np.ascontiguousarray(y))
        except CrsError:
            continue
        if not (np.isfinite(lon).all() and np.isfinite(lat).all() and (np.abs(lat) <= 90).all()):
            continue
        if area is None:
            return swapped
        inside = (lon > area.west - _MARGIN_DEG) & (lon < area.east + _MARGIN_DEG) & (lat > area.south - _MARGIN_DEG)
        if (inside & (lat < area.north + _MARGIN_DEG)).all():
            return swapped
    first = ", ".join(f"{value:.3f}" for value in sample[0])
    raise GeometryError(
        path, f"the model lies outside the area of {crs.name} (first vertex {first})", hint="check the CRS, pass --crs EPSG:<number>"
    )
