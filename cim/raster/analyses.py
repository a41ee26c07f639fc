"""Analyses of the stored terrain: profile, line of sight, contours, viewshed, slope, earthwork, flow; places in, answers in degrees out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import rasterio
import shapely
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError
from rasterio.features import geometry_mask, shapes

from cim.analysis import terrain
from cim.crs import STORE_SRID, transform_xy
from cim.errors import GeometryError, InvalidParameterError, MissingCrsError, SourceSyntaxError
from cim.raster.patch import Patch, read_patch, to_plane

_STORE = f"EPSG:{STORE_SRID}"
Floats = NDArray[np.float64]
MOST_REACH_M = 20_000.0


def _around(places: Floats, margin: float) -> tuple[float, float, float, float]:
    west, south = places.min(axis=0) - margin
    east, north = places.max(axis=0) + margin
    return float(west), float(south), float(east), float(north)


def profile(paths: Sequence[Path], crs: str, line: Any, step_m: float | None = None) -> list[dict[str, Any]]:  # noqa: ANN401 - anything numpy reads
    """Return the ground along a line.

    Parameters
    ----------
    line
        Longitude, latitude [deg], EPSG:4490, shape (n, 2).
    step_m
        Largest distance of the points [m]; None = a cell.

    Returns
    -------
    list
        Per point ``distance_m``, ``lon``, ``lat``, ``ground_m`` (None outside).
    """
    places = to_plane(line, crs)
    patch = read_patch(paths, _around(places, 20.0), crs)
    distance, at, ground = terrain.profile(patch.heights, patch.west, patch.north, patch.cell_m, places, step_m or patch.cell_m)
    lonlat = patch.to_lonlat(at)
    return [
        {
            "distance_m": round(float(d), 3), "lon": round(float(x), 9), "lat": round(float(y), 9),
            "ground_m": None if np.isnan(z) else round(float(z), 3),
        }
        for d, (x, y), z in zip(distance, lonlat, ground, strict=True)
    ]  # fmt: skip


def sight(paths: Sequence[Path], crs: str, ends: Any, *, observer_m: float, target_m: float) -> dict[str, Any]:  # noqa: ANN401 - anything numpy reads
    """Return whether a target is seen over the ground, the least clearance [m] and where it is [m from the observer].

    Raises
    ------
    InvalidParameterError
        The ground under one of the ends is not known.
    """
    places = to_plane(ends, crs)
    patch = read_patch(paths, _around(places, 20.0), crs)
    pair = ((float(places[0, 0]), float(places[0, 1])), (float(places[1, 0]), float(places[1, 1])))
    _, _, ground = terrain.profile(patch.heights, patch.west, patch.north, patch.cell_m, places, patch.cell_m)
    if np.isnan(ground[[0, -1]]).any():
        raise InvalidParameterError("place", "without ground", "observer and target on a stored elevation raster")
    found = terrain.line_of_sight(
        patch.heights, patch.west, patch.north, patch.cell_m, pair, observer_m=observer_m, target_m=target_m
    )  # fmt: skip
    return {
        "visible": found.is_visible, "clearance_m": round(found.clearance_m, 3), "at_m": round(found.at_m, 3),
        "distance_m": round(float(np.hypot(*(places[1] - places[0]))), 3),
    }  # fmt: skip


def contours(patch: Patch, interval_m: float) -> list[tuple[float, Floats]]:
    """Return contour lines as elevation [m] and positions [deg], shape (n, 2); higher ground lies to the left.

    Raises
    ------
    InvalidParameterError
        The interval is not positive, or gives more than 2,000 levels.
    """
    span = float(np.nanmax(patch.heights) - np.nanmin(patch.heights))
    if not interval_m > 0 or span / interval_m > 2000:
        raise InvalidParameterError("interval", interval_m, f"metres above 0, and at most 2000 levels over {span:.1f} m of relief")
    lines = terrain.contours(patch.heights, patch.west, patch.north, patch.cell_m, interval_m)
    return [(level, patch.to_lonlat(line)) for level, line in lines]


def viewshed(
    paths: Sequence[Path], crs: str, observer: Sequence[float], *, observer_m: float, target_m: float, reach_m: float,
    cell_m: float | None = None,
) -> tuple[Patch, NDArray[np.bool_]]:  # fmt: skip
    """Return the patch around an observer and which of its cells are seen.

    Parameters
    ----------
    observer
        Longitude and latitude [deg].
    observer_m, target_m
        Heights above ground of the eye and of what is looked for [m].
    reach_m
        How far is looked [m].

    Raises
    ------
    InvalidParameterError
        The observer does not stand on known ground, or the reach is not between 0 and 20 km.
    """
    if not 0 < reach_m <= MOST_REACH_M:
        raise InvalidParameterError("reach", reach_m, f"metres above 0 and at most {MOST_REACH_M:.0f}")
    place = to_plane(observer, crs)
    patch = read_patch(paths, _around(place, reach_m), crs, cell_m)
    column, row = int((place[0, 0] - patch.west) / patch.cell_m), int((patch.north - place[0, 1]) / patch.cell_m)
    if np.isnan(patch.heights[row, column]):
        raise InvalidParameterError("place", "without ground", "an observer on a stored elevation raster")
    seen = terrain.viewshed(patch.heights, patch.cell_m, (row, column), observer_m=observer_m, target_m=target_m, reach_m=reach_m)
    return patch, seen


def as_polygon(patch: Patch, cells: NDArray[np.bool_]) -> Any:  # noqa: ANN401 - shapely geometry
    """Return cells as a multipolygon of longitude and latitude [deg]."""
    affine = (patch.cell_m, 0, patch.west, 0, -patch.cell_m, patch.north)
    found = shapes(cells.astype(np.uint8), mask=cells, transform=rasterio.Affine(*affine))
    plane = shapely.MultiPolygon([shapely.geometry.shape(one) for one, _ in found])
    return shapely.transform(plane, patch.to_lonlat)


def earthwork(paths: Sequence[Path], crs: str, area: Any, level_m: float, cell_m: float | None = None) -> dict[str, Any]:  # noqa: ANN401 - shapely
    """Return what has to be dug away and filled up to bring an area to a level.

    Parameters
    ----------
    area
        Polygon of longitude and latitude [deg].
    level_m
        Elevation it gets [m].
    """
    plane = shapely.transform(area, lambda at: to_plane(at, crs))
    patch = read_patch(paths, plane.bounds, crs, cell_m)
    affine = (patch.cell_m, 0, patch.west, 0, -patch.cell_m, patch.north)
    inside = geometry_mask([shapely.geometry.mapping(plane)], patch.heights.shape, rasterio.Affine(*affine), invert=True)
    found = terrain.cut_and_fill(patch.heights, np.full(patch.heights.shape, float(level_m)), patch.cell_m, inside)
    return {
        "level_m": level_m, "area_m2": round(float(plane.area), 2), "cut_m3": round(found.cut_m3, 2), "fill_m3": round(found.fill_m3, 2),
        "unknown_m2": round(found.unknown_m2, 2), "cell_m": patch.cell_m,
    }  # fmt: skip


def read_area(path: Path) -> Any:  # noqa: ANN401 - shapely geometry
    """Return the one polygon of a layer as longitude and latitude [deg], EPSG:4490.

    Raises
    ------
    SourceError
        It cannot be read, has no CRS, or holds something else.
    """
    try:
        meta, _, wkb, _ = pyogrio.raw.read(path, columns=[])
    except (DataSourceError, DataLayerError) as error:
        raise SourceSyntaxError(path, f"not a layer: {str(error)[:120]}", hint="give a GeoPackage, GeoJSON, Shapefile …") from error
    found = shapely.from_wkb(wkb)
    if meta["crs"] is None:
        raise MissingCrsError(path, "found no coordinate reference system, expected one", hint="give a layer with a CRS")
    if len(found) != 1 or found[0] is None or found[0].geom_type not in {"Polygon", "MultiPolygon"} or not found[0].is_valid:
        raise GeometryError(path, f"found {len(found)} features, expected one valid polygon", hint="keep the polygon of the site only")
    return shapely.transform(
        shapely.force_2d(found[0]), lambda at: np.column_stack(transform_xy(meta["crs"], _STORE, at[:, 0].copy(), at[:, 1].copy()))
    )  # fmt: skip
