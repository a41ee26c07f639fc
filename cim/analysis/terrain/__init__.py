"""Analyses of elevation grids: pure functions on arrays; rows from north to south, square cells, metres, NaN without data."""

from cim.analysis.terrain.flow import fill_depressions, flow_directions
from cim.analysis.terrain.shape import contours, cut_and_fill, hillshade, slope_and_aspect
from cim.analysis.terrain.sight import line_of_sight, profile, viewshed

__all__ = [
    "contours", "cut_and_fill", "fill_depressions", "flow_directions", "hillshade", "line_of_sight", "profile", "slope_and_aspect",
    "viewshed",
]  # fmt: skip
