"""``terrain-profile``, ``terrain-viewshed``, ``terrain-contours``: the ground along a line, what is seen, and contour lines."""

from pathlib import Path
from typing import Any

import numpy as np
import shapely

from cim.db import profiles
from cim.db.rasters import stored_rasters
from cim.errors import InvalidParameterError
from cim.processes import Context, Input, Output, Process
from cim.profile import Names
from cim.raster import analyses
from cim.raster.patch import plane_box, read_patch

_LONLAT = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
_BOX = {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 4}
_HEIGHT = {"type": "number", "minimum": 0}
_REACH = {"type": "number", "exclusiveMinimum": 0, "maximum": 20_000, "default": 1000}
_MOST_CELLS = 4_000_000
_MOST_POINTS = 100_000


def _ground(context: Context) -> tuple[list[Path], str]:
    with context.connection() as connection:
        return stored_rasters(connection, context.settings), profiles.fetch_profile(connection).projected_crs


def _profile(context: Context, inputs: dict[str, Any]) -> dict[str, Any]:
    paths, crs = _ground(context)
    line = np.asarray(inputs["line"], np.float64)
    _check(line)
    rows = analyses.profile(paths, crs, line, inputs.get("step_m"))
    if len(rows) > _MOST_POINTS:
        raise InvalidParameterError("inputs.step_m", inputs.get("step_m"), f"a step that gives at most {_MOST_POINTS} points")
    return {"profile": rows}


def _check(places: Any) -> None:  # noqa: ANN401 - float array
    if not ((np.abs(places[:, 0]) <= 180) & (np.abs(places[:, 1]) <= 90)).all():
        raise InvalidParameterError("inputs", places.tolist()[0], "longitude and latitude in degrees")


def _viewshed(context: Context, inputs: dict[str, Any]) -> dict[str, Any]:
    paths, crs = _ground(context)
    _check(np.asarray([inputs["observer"]], np.float64))
    reach, cell = inputs["reach_m"], inputs.get("cell_m")
    if cell is not None and (2 * reach / cell) ** 2 > _MOST_CELLS:
        raise InvalidParameterError("inputs.cell_m", cell, f"cells that give at most {_MOST_CELLS} within the reach")
    patch, seen = analyses.viewshed(
        paths, crs, inputs["observer"], observer_m=inputs["observer_m"], target_m=inputs["target_m"], reach_m=reach,
        cell_m=cell or max(1.0, 2 * reach / 1000),
    )  # fmt: skip
    shape = shapely.geometry.mapping(analyses.as_polygon(patch, seen))
    return {"area": shape, "seen_m2": round(float(seen.sum()) * patch.cell_m**2, 1), "cell_m": patch.cell_m}


def _contours(context: Context, inputs: dict[str, Any]) -> dict[str, Any]:
    paths, crs = _ground(context)
    west, south, east, north = inputs["bbox"]
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise InvalidParameterError("inputs.bbox", inputs["bbox"], "west, south, east, north in degrees, the lower corner first")
    box = plane_box((west, south, east, north), crs)
    cell = max(inputs.get("cell_m") or 0.0, ((box[2] - box[0]) * (box[3] - box[1]) / _MOST_CELLS) ** 0.5) or None
    finest = read_patch(paths, box, crs, cell)
    lines = analyses.contours(finest, inputs["interval_m"])
    features = [
        {
            "type": "Feature", "properties": {"elevation_m": level},
            "geometry": {"type": "LineString", "coordinates": np.round(line, 8).tolist()},
        }
        for level, line in lines if len(line) > 1
    ]  # fmt: skip
    return {"contours": {"type": "FeatureCollection", "features": features}}


PROFILE = Process(
    id="terrain-profile",
    version="1.0.0",
    title=Names(en="Profile of the ground", zh="地形剖面"),
    description=Names(en="Elevations [m] of the stored terrain along a line.", zh="沿线的地面高程(米)。"),
    keywords=("terrain", "地形"),
    inputs={
        "line": Input(
            Names(en="Longitude, latitude [deg] of the line", zh="折线经纬度(度)"),
            {"type": "array", "items": _LONLAT, "minItems": 2, "maxItems": 1000},
        ),
        "step_m": Input(Names(en="Largest distance of points [m]", zh="最大点距(米)"), {"type": "number", "minimum": 0.1}, required=False),
    },
    outputs={"profile": Output(Names(en="Points with distance and ground", zh="剖面点"), {"type": "array", "items": {"type": "object"}})},
    run=_profile,
    collections=("terrain",),
    example={"inputs": {"line": [[114.39, 30.505], [114.40, 30.51]], "step_m": 20}},
)
VIEWSHED = Process(
    id="terrain-viewshed",
    version="1.0.0",
    title=Names(en="What is seen over the ground", zh="地形可视域"),
    description=Names(
        en="Area seen from a place over the bare ground, with the curve of the earth and refraction; buildings do not hide.",
        zh="从某点越过裸露地面可见的范围,计地球曲率与大气折光,不计建筑遮挡。",
    ),
    keywords=("terrain", "viewshed", "可视域"),
    inputs={
        "observer": Input(Names(en="Longitude, latitude [deg]", zh="观察点经纬度(度)"), _LONLAT),
        "observer_m": Input(Names(en="Eye above ground [m]", zh="视点高(米)"), {**_HEIGHT, "default": 1.6}, required=False),
        "target_m": Input(Names(en="Target above ground [m]", zh="目标高(米)"), {**_HEIGHT, "default": 0}, required=False),
        "reach_m": Input(
            Names(en="Reach [m]", zh="半径(米)"),
            _REACH,
            required=False,
        ),
        "cell_m": Input(Names(en="Cell size [m]", zh="格网(米)"), {"type": "number", "minimum": 0.5}, required=False),
    },
    outputs={
        "area": Output(Names(en="Area that is seen", zh="可见范围"), {"type": "object"}),
        "seen_m2": Output(Names(en="Its size [m2]", zh="可见面积(平方米)"), {"type": "number"}),
        "cell_m": Output(Names(en="Cell size [m]", zh="格网(米)"), {"type": "number"}),
    },
    run=_viewshed,
    collections=("terrain",),
    example={"inputs": {"observer": [114.395, 30.508], "observer_m": 30, "reach_m": 800}},
)
CONTOURS = Process(
    id="terrain-contours",
    version="1.0.0",
    title=Names(en="Contour lines", zh="等高线"),
    description=Names(
        en="Contour lines of a box at whole multiples of the interval; large boxes are drawn from coarser cells.",
        zh="范围内按等高距整数倍生成的等高线;范围较大时使用较粗格网。",
    ),
    keywords=("terrain", "contours", "等高线"),
    inputs={
        "bbox": Input(
            Names(en="West, south, east, north [deg]", zh="西南东北(度)"),
            {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 4},
        ),
        "interval_m": Input(Names(en="Interval [m]", zh="等高距(米)"), {"type": "number", "exclusiveMinimum": 0}),
        "cell_m": Input(Names(en="Cell size [m]", zh="格网(米)"), {"type": "number", "minimum": 0.5}, required=False),
    },
    outputs={"contours": Output(Names(en="Lines with their elevation", zh="等高线"), {"type": "object"})},
    run=_contours,
    collections=("terrain",),
    example={"inputs": {"bbox": [114.392, 30.505, 114.398, 30.51], "interval_m": 1}},
)


def offered() -> tuple[Process, ...]:
    """Return the processes of the terrain."""
    return (PROFILE, VIEWSHED, CONTOURS)
