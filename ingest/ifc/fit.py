"""``--fit-to``: lays the outline of a model onto the footprint of a coded building, and says how well it fits."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from shapely import affinity

from ingest.ifc.placement import Placement, matrix_of
from ingest.ifc.shapes import Mesh

MIN_FIT = 0.3
SHELL = (
    "IfcWall",
    "IfcWallStandardCase",
    "IfcSlab",
    "IfcRoof",
    "IfcCurtainWall",
    "IfcColumn",
    "IfcPlate",
    "IfcWindow",
    "IfcBuildingElementProxy",
)
_COARSE_DEG = 15
_STARTS = 6
_STEPS_M = (2.0, 0.5, 0.1, 0.02)
_STEPS_DEG = (4.0, 1.0, 0.2, 0.04)
_OTHER_DEG = 30.0


@dataclass(frozen=True)
class Fit:
    """A model laid onto a footprint.

    Parameters
    ----------
    easting, northing
        Place of the model's origin [m].
    rotation_deg
        Counter-clockwise from the easting axis to the model's x axis.
    iou
        Intersection over union of outline and footprint, 0-1.
    residual_m
        Root mean square distance from the footprint's boundary (every 0.5 m) to the outline's [m].
    other_iou, other_turn_deg
        Best fit of a clearly different rotation, and its turn from this one.
    """

    easting: float
    northing: float
    rotation_deg: float
    iou: float
    residual_m: float
    other_iou: float
    other_turn_deg: float


def model_outline(elements: Iterable[dict[str, Any]], meshes: dict[int, Mesh]) -> Any:  # noqa: ANN401 - shapely geometry or None
    """Return the outline of a model seen from above, in its own frame [m]: walls, slabs, roofs where there are any."""
    hulls: dict[bool, list[Any]] = {True: [], False: []}
    for element in elements:
        mesh = meshes.get(element["id"])
        if mesh is None:
            continue
        hull = shapely.convex_hull(shapely.multipoints(mesh.vertices[:, :2]))
        if hull.geom_type == "Polygon":
            hulls[element["class"] in SHELL].append(hull)
    chosen = hulls[True] or hulls[False]
    if not chosen:
        return None
    return (
        shapely.union_all(np.array(chosen, dtype=object)).buffer(0.05, join_style="mitre").buffer(-0.05, join_style="mitre").simplify(0.02)
    )


def _iou(a: Any, b: Any) -> float:  # noqa: ANN401 - shapely geometries
    common = a.intersection(b).area
    return float(common / (a.area + b.area - common))


def _axis_deg(polygon: Any) -> float:  # noqa: ANN401 - shapely geometry
    corners = shapely.get_coordinates(polygon.minimum_rotated_rectangle)
    sides = np.diff(corners, axis=0)[:2]
    longest = sides[np.argmax(np.hypot(sides[:, 0], sides[:, 1]))]
    return math.degrees(math.atan2(longest[1], longest[0]))


def _moved(outline: Any, x: float, y: float, turn: float) -> Any:  # noqa: ANN401 - shapely geometries
    """Turn an outline about the origin, then move it; it must be centred on the origin."""
    return affinity.translate(affinity.rotate(outline, turn, origin=(0, 0)), x, y)


def _climb(outline: Any, target: Any, start: tuple[float, float, float]) -> tuple[float, tuple[float, float, float]]:  # noqa: ANN401 - shapely geometries
    """Improve a fit by steps in x, y and turn that shrink when none helps."""
    best = (_iou(_moved(outline, *start), target), start)
    for step_m, step_deg in zip(_STEPS_M, _STEPS_DEG, strict=True):
        for _ in range(40):
            x, y, turn = best[1]
            tries = [(x + step_m, y, turn), (x - step_m, y, turn), (x, y + step_m, turn), (x, y - step_m, turn)]
            tries += [(x, y, turn + step_deg), (x, y, turn - step_deg)]
            better = max((_iou(_moved(outline, *place), target), place) for place in tries)
            if better[0] <= best[0] + 1e-9:
                break
            best = better
    return best


def fit_outline(outline: Any, target: Any) -> Fit:  # noqa: ANN401 - shapely geometries
    """Lay an outline onto a footprint without changing its size.

    Parameters
    ----------
    outline
        Polygon or MultiPolygon in the model's frame [m].
    target
        Footprint, easting and northing [m] of a projected CRS.
    """
    centre, place = outline.centroid, target.centroid
    centred = affinity.translate(outline, -centre.x, -centre.y)
    goal = affinity.translate(target, -place.x, -place.y)
    turns = [float(turn) for turn in range(0, 360, _COARSE_DEG)]
    turns += [_axis_deg(goal) - _axis_deg(centred) + quarter for quarter in (0.0, 90.0, 180.0, 270.0)]
    starts = sorted(((_iou(_moved(centred, 0, 0, turn), goal), turn) for turn in turns), reverse=True)[: _STARTS + 4]
    found = sorted((_climb(centred, goal, (0.0, 0.0, turn)) for _, turn in starts), reverse=True)
    iou, (x, y, turn) = found[0]
    others = [(other, _turn_between(turn, where[2])) for other, where in found[1:] if _turn_between(turn, where[2]) > _OTHER_DEG]
    other = others[0] if others else (0.0, 0.0)
    laid = _moved(centred, x, y, turn)
    samples = shapely.segmentize(goal.boundary, 0.5)
    distances = shapely.distance(shapely.points(shapely.get_coordinates(samples)), laid.boundary)
    angle = math.radians(turn)
    east = place.x + x - (math.cos(angle) * centre.x - math.sin(angle) * centre.y)
    north = place.y + y - (math.sin(angle) * centre.x + math.cos(angle) * centre.y)
    rotation = (turn + 180.0) % 360.0 - 180.0
    return Fit(east, north, rotation, iou, float(np.sqrt(np.mean(distances**2))), *other)


def _turn_between(a: float, b: float) -> float:
    return abs((a - b + 180.0) % 360.0 - 180.0)


def fitted_placement(fit: Fit, crs: str, code: str, ground_m: float | None, base_m: float, top_m: float) -> Placement:
    """Return the placement of a fit, with its evidence.

    Parameters
    ----------
    fit
        Result of `fit_outline`.
    crs
        CRS of the footprint.
    code
        Building code.
    ground_m
        Ground elevation of the building [m], or None.
    base_m, top_m
        Lowest and highest point in the model's frame [m].
    """
    zero = 0.0 if base_m <= 0.0 <= top_m else base_m
    height = (ground_m or 0.0) - zero
    clear = fit.iou - fit.other_iou
    evidence = [
        f"fitted to the footprint of {code}: IoU {fit.iou:.2f}, residual {fit.residual_m:.2f} m",
        f"in {crs}, rotated {fit.rotation_deg:.2f} deg",
        f"{'the zero' if zero == 0.0 else 'the lowest point'} of the model put on "
        + (f"the ground elevation {ground_m:.2f} m" if ground_m is not None else "0 m: the register has no ground elevation"),
    ]
    if clear < 0.05:
        evidence.append(
            f"turned by {fit.other_turn_deg:.0f} deg it fits as well (IoU {fit.other_iou:.2f}): "
            "check the entrance, or pass --origin and --rotation"
        )
    confidence = "high" if fit.iou >= 0.8 and clear >= 0.05 and ground_m is not None else "medium" if fit.iou >= 0.5 else "low"
    return Placement(crs, matrix_of(fit.easting, fit.northing, height, fit.rotation_deg), "fit", confidence, tuple(evidence))
