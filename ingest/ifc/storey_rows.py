"""Storeys and parts of facilities: number, height, elevation."""

from collections import defaultdict
from typing import Any

_GROUND_M = -0.3
"""From here upward a storey counts as above ground; the same border as where units are proposed."""


def elevations_m(storeys: list[dict[str, Any]], unit_m: float) -> dict[str, float]:
    """Return the elevation above the model's origin [m] by GlobalId, of storeys that have one."""
    return {s["global_id"]: float(s["elevation"]) * unit_m for s in storeys if s["elevation"] is not None}


def numbers(storeys: list[dict[str, Any]], heights: dict[str, float]) -> dict[str, int]:
    """Return the number of each storey by GlobalId, per building: from -0.3 m upward 1, 2, … and below it -1, -2, … downward.

    Parameters
    ----------
    storeys
        Of the child's document.
    heights
        See `elevations_m`.

    Examples
    --------
    >>> parts = [{"global_id": g, "class": "IfcBuildingStorey", "parent": "B"} for g in "abc"]
    >>> numbers(parts, {"a": -3.0, "b": 0.0, "c": 3.0})
    {'a': -1, 'b': 1, 'c': 2}
    """
    by_parent: dict[str | None, list[str]] = defaultdict(list)
    for storey in storeys:
        if storey["class"] == "IfcBuildingStorey" and storey["global_id"] in heights:
            by_parent[storey["parent"]].append(storey["global_id"])
    found: dict[str, int] = {}
    for ids in by_parent.values():
        levels = sorted({heights[one] for one in ids})
        below = [level for level in levels if level < _GROUND_M]
        rank = {level: index - len(below) for index, level in enumerate(below)}
        rank |= {level: index for index, level in enumerate((level for level in levels if level >= _GROUND_M), 1)}
        found |= {one: rank[heights[one]] for one in ids}
    return found


def storey_heights_m(storeys: list[dict[str, Any]], heights: dict[str, float], top_m: float | None) -> dict[str, float]:
    """Return the height of each storey [m]: to the next one of its building, else to the highest point of the model."""
    found: dict[str, float] = {}
    for storey in storeys:
        own = heights.get(storey["global_id"])
        if own is None or storey["class"] != "IfcBuildingStorey":
            continue
        above = [
            heights[other["global_id"]]
            for other in storeys
            if other["parent"] == storey["parent"] and heights.get(other["global_id"], own) > own
        ]  # fmt: skip
        ceiling = min(above, default=top_m)
        if ceiling is not None and ceiling > own:
            found[storey["global_id"]] = ceiling - own
    return found
