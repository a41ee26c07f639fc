"""The typed tree of a filter expression, and the functions it may call."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Type = Literal["boolean", "number", "string", "date", "timestamp", "geometry", "interval", "array", "null"]

COMPARISONS = ("=", "<>", "<", ">", "<=", ">=")
ARITHMETIC = ("+", "-", "*", "/", "%", "div", "^")
SPATIAL = ("s_intersects", "s_equals", "s_disjoint", "s_touches", "s_within", "s_overlaps", "s_crosses", "s_contains")
TEMPORAL = (
    "t_after", "t_before", "t_contains", "t_disjoint", "t_during", "t_equals", "t_finishedby", "t_finishes", "t_intersects", "t_meets",
    "t_metby", "t_overlappedby", "t_overlaps", "t_startedby", "t_starts",
)  # fmt: skip
ARRAY = ("a_equals", "a_contains", "a_containedby", "a_overlaps")


@dataclass(frozen=True)
class Function:
    """A function that expressions may call.

    Parameters
    ----------
    arguments
        Types of its arguments.
    returns
        Type of its result.
    note
        What it does, with units.
    """

    arguments: tuple[Type, ...]
    returns: Type
    note: str


FUNCTIONS: dict[str, Function] = {
    "lower": Function(("string",), "string", "text in lower case"),
    "upper": Function(("string",), "string", "text in upper case"),
    "length": Function(("string",), "number", "number of characters"),
    "abs": Function(("number",), "number", "absolute value"),
    "floor": Function(("number",), "number", "greatest whole number not above"),
    "ceil": Function(("number",), "number", "least whole number not below"),
    "year": Function(("timestamp",), "number", "year in UTC"),
    "area_m2": Function(("geometry",), "number", "area on the ellipsoid [m2]"),
    "length_m": Function(("geometry",), "number", "length on the ellipsoid [m]"),
    "s_dwithin": Function(("geometry", "geometry", "number"), "boolean", "whether two geometries are at most this far apart [m]"),
}
"""Functions by name; served as ``/functions`` (OGC API - Features, part 3, clause 6.4)."""


@dataclass(frozen=True)
class Node:
    """A part of an expression.

    Parameters
    ----------
    op
        ``property``, ``literal``, ``casei``, ``accenti``, ``and``, ``or``, ``not``, ``in``, ``between``, ``like``, ``isnull``, one of
        `COMPARISONS`, `ARITHMETIC`, `SPATIAL`, `TEMPORAL`, `ARRAY` or `FUNCTIONS`, ``interval``, ``array``, ``negate``.
    type
        Type of its value.
    value
        Name of a property; value of a literal: bool, float, int, str, date, datetime, shapely geometry (EPSG:4490 lon/lat [deg]).
    """

    op: str
    type: Type
    args: tuple["Node", ...] = ()
    value: Any = None


Fields = Mapping[str, Type]
"""Queryables with their types."""
