"""Form of the ground: slope, aspect, shaded relief, contour lines, volumes."""

from dataclasses import dataclass

import contourpy
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def _gradient(heights: Floats, cell_m: float) -> tuple[Floats, Floats]:
    """Return dz/dx eastward and dz/dy northward by Horn's weights (B. Horn, "Hill shading and the reflectance map", 1981)."""
    z = np.pad(heights, 1, mode="edge")
    # Beyond the border the ground goes on as it rose: a plane stays a plane.
    z[0, :], z[-1, :] = 2 * z[1, :] - z[2, :], 2 * z[-2, :] - z[-3, :]
    z[:, 0], z[:, -1] = 2 * z[:, 1] - z[:, 2], 2 * z[:, -2] - z[:, -3]
    east = (z[:-2, 2:] + 2 * z[1:-1, 2:] + z[2:, 2:] - z[:-2, :-2] - 2 * z[1:-1, :-2] - z[2:, :-2]) / (8 * cell_m)
    north = (z[:-2, :-2] + 2 * z[:-2, 1:-1] + z[:-2, 2:] - z[2:, :-2] - 2 * z[2:, 1:-1] - z[2:, 2:]) / (8 * cell_m)
    return east, north


def slope_and_aspect(heights: Floats, cell_m: float) -> tuple[Floats, Floats]:
    """Return slope and aspect.

    Parameters
    ----------
    heights
        Elevations [m], shape (rows, columns), at least 2 x 2, rows from north.
    cell_m
        Cell size [m].

    Returns
    -------
    tuple
        Slope against the horizontal [deg], 0-90, and direction it falls to [deg] clockwise from north, NaN where it is level.
    """
    east, north = _gradient(heights, cell_m)
    steep = np.hypot(east, north)
    aspect = np.degrees(np.arctan2(-east, -north)) % 360
    return np.degrees(np.arctan(steep)), np.where(steep > 1e-12, aspect, np.nan)


def hillshade(
    heights: Floats, cell_m: float, *, azimuth_deg: float = 315.0, altitude_deg: float = 45.0, exaggeration: float = 1.0
) -> Floats:
    """Return shaded relief: cosine between the ground's normal and the light, 0-1.

    Parameters
    ----------
    azimuth_deg
        Where the light comes from [deg] clockwise from north.
    altitude_deg
        Height of the light above the horizon [deg].
    exaggeration
        Of the heights.
    """
    east, north = (part * exaggeration for part in _gradient(heights, cell_m))
    azimuth, altitude = np.radians(azimuth_deg), np.radians(altitude_deg)
    light = np.array([np.sin(azimuth) * np.cos(altitude), np.cos(azimuth) * np.cos(altitude), np.sin(altitude)])
    shade = (-east * light[0] - north * light[1] + light[2]) / np.sqrt(1 + east**2 + north**2)
    return np.asarray(np.clip(shade, 0.0, 1.0), np.float64)


def contours(heights: Floats, west: float, north: float, cell_m: float, interval_m: float) -> list[tuple[float, Floats]]:
    """Return contour lines.

    Parameters
    ----------
    west, north
        Outer corner of the first cell [m].
    interval_m
        Distance of the lines; lines lie at whole multiples.

    Returns
    -------
    list
        Elevation [m] and line, shape (n, 2), easting and northing [m]; higher ground lies to the left. No line crosses missing cells.

    Raises
    ------
    ValueError
        The interval is not positive.
    """
    if not interval_m > 0:
        raise ValueError(f"interval {interval_m} m: expected more than 0")
    known = heights[np.isfinite(heights)]
    if not known.size:
        return []
    x = west + (np.arange(heights.shape[1]) + 0.5) * cell_m
    y = north - (np.arange(heights.shape[0]) + 0.5) * cell_m
    made = contourpy.contour_generator(x, y[::-1], np.ma.masked_invalid(heights[::-1]))  # type: ignore[no-untyped-call]  # numpy.ma ships no types
    levels = np.arange(np.ceil(known.min() / interval_m), np.floor(known.max() / interval_m) + 1) * interval_m
    return [(float(level), np.asarray(line, np.float64)) for level in levels for line in made.lines(float(level))]


@dataclass(frozen=True)
class Earthwork:
    """Volumes between two surfaces.

    Parameters
    ----------
    cut_m3, fill_m3
        What has to be taken away and brought [m3], both positive.
    unknown_m2
        Area where one of the surfaces is not known [m2].
    """

    cut_m3: float
    fill_m3: float
    unknown_m2: float


def cut_and_fill(before: Floats, after: Floats, cell_m: float, inside: NDArray[np.bool_] | None = None) -> Earthwork:
    """Return the earthwork from one surface to another, cell by cell.

    Parameters
    ----------
    before, after
        Elevations [m] on the same cells.
    inside
        Cells that count; None = all.
    """
    change = after - before if inside is None else np.where(inside, after - before, 0.0)
    area = cell_m * cell_m
    return Earthwork(
        float(-np.nansum(np.minimum(change, 0)) * area),
        float(np.nansum(np.maximum(change, 0)) * area),
        float(np.isnan(change).sum() * area),
    )
