"""OGC API - Environmental Data Retrieval 1.1 (OGC 19-086r6): position, radius, area, cube and trajectory queries of rasters."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import shapely
from starlette.requests import Request
from starlette.responses import Response

from cim.crs import parse_crs, transform_box, transform_xy
from cim.db.published_rasters import PublishedRaster
from cim.errors import InvalidParameterError, LimitExceededError
from cim.raster import places
from cim.raster.pieces import Box, Frame, frame_of, read_piece
from ogc_api import coverage_json, raster_queries
from ogc_api.coverage_json import fields
from ogc_api.coverages import chosen_raster, grid_answer
from ogc_api.parameters import refuse_unknown
from ogc_api.raster_queries import DEFAULT_CRS, MOST_VALUES, ChosenCrs
from ogc_api.state import Current, state_of

QUERIES = ("position", "radius", "area", "cube", "trajectory")
_SHARED = ("f", "crs", "parameter-name")
_PARAMETERS = {
    "position": ("coords", "interpolation"),
    "radius": ("coords", "within", "within-units"),
    "area": ("coords",),
    "cube": ("bbox",),
    "trajectory": ("coords", "interpolation"),
}
_SHAPES = {
    "position": ("POINT", "MULTIPOINT"),
    "radius": ("POINT",),
    "area": ("POLYGON", "MULTIPOLYGON"),
    "trajectory": ("LINESTRING", "MULTILINESTRING"),
}
_UNITS = {"m": 1.0, "metre": 1.0, "metres": 1.0, "meters": 1.0, "km": 1000.0}
_GRID = ("coveragejson", "geotiff")
_POINTS = ("coveragejson", "geojson")
_SMALLER = "ask for a smaller part, or a scaled one at /collections/{id}/coverage"


@dataclass(frozen=True)
class _Query:
    """One request: what is asked of which raster."""

    raster: PublishedRaster
    path: Path
    frame: Frame
    sent: dict[str, str]
    crs: ChosenCrs
    names: list[str]
    kind: str


async def query(request: Request) -> Response:
    """Answer a query of EDR; the last part of the path names it."""
    name = request.url.path.rstrip("/").rpartition("/")[2]
    refuse_unknown(request.query_params, (*_SHARED, *_PARAMETERS[name]))
    current, raster = await chosen_raster(request)
    sent = dict(request.query_params)
    kind = raster_queries.read_format(sent, request.headers.get("accept", ""), _POINTS if name in {"position", "trajectory"} else _GRID)
    path = state_of(request.app).settings.rasters_dir / raster.file
    return await asyncio.to_thread(_answer, name, current, raster, path, sent, kind)


def _answer(name: str, current: Current, raster: PublishedRaster, path: Path, sent: dict[str, str], kind: str) -> Response:
    crs = raster_queries.choose_crs(sent, "crs", raster, current.choices) or DEFAULT_CRS
    asked = _Query(raster, path, frame_of(path), sent, crs, raster_queries.read_fields(sent, "parameter-name", raster), kind)
    if name == "cube":
        box = raster_queries.read_box(sent, crs)
        if box is None:
            raise InvalidParameterError("bbox", "", "4 numbers in the axis order of crs")
        return _grid(asked, box if crs.name == asked.frame.crs else transform_box(crs.name, asked.frame.crs, box), None, "bbox")
    shape = _shape(sent, name)
    own = _to(shape, asked.crs, asked.frame.crs)
    if name == "radius":
        reach = _reach(sent)
        x, y = own.x, own.y
        east, north = places.metres_per_unit(asked.frame.crs, x, y)
        box = (x - reach / east, y - reach / north, x + reach / east, y + reach / north)
        return _grid(asked, box, lambda frame: places.inside_circle(frame, x, y, reach), "coords")
    if name == "area":
        return _grid(asked, own.bounds, lambda frame: places.inside_area(frame, own), "coords")
    if name == "trajectory":
        return _points(asked, _along(asked, own), is_line=True)
    return _points(asked, shapely.get_coordinates(own), is_line=False)


def _shape(sent: dict[str, str], name: str) -> Any:  # noqa: ANN401 - shapely geometry
    text = sent.get("coords", "")
    expected = f"well-known text of {' or '.join(_SHAPES[name])} in the axis order of crs"
    try:
        shape = shapely.force_2d(shapely.from_wkt(text))
    except shapely.errors.GEOSException as error:
        raise InvalidParameterError("coords", text[:120], expected) from error
    if (
        shape is None
        or shape.geom_type.upper() not in _SHAPES[name]
        or shape.is_empty
        or not np.isfinite(shapely.get_coordinates(shape)).all()
    ):
        raise InvalidParameterError("coords", text[:120], expected)
    if name == "area" and not shape.is_valid:
        raise InvalidParameterError("coords", text[:120], f"a valid polygon: {shapely.is_valid_reason(shape)[:80]}")
    return shape


def _to(shape: Any, crs: ChosenCrs, own: str) -> Any:  # noqa: ANN401 - shapely geometry
    def move(at: Any) -> Any:  # noqa: ANN401 - float array
        x, y = (at[:, 1], at[:, 0]) if crs.turned else (at[:, 0], at[:, 1])
        moved = (x, y) if crs.name == own else transform_xy(crs.name, own, np.ascontiguousarray(x), np.ascontiguousarray(y))
        return np.column_stack(moved)

    made = shapely.transform(shape, move)
    if not np.isfinite(shapely.get_coordinates(made)).all():
        raise InvalidParameterError("coords", shape.wkt[:120], f"positions inside the area of use of {crs.uri} and of the raster")
    return made


def _reach(sent: dict[str, str]) -> float:
    unit = sent.get("within-units", "m").lower()
    if unit not in _UNITS:
        raise InvalidParameterError("within-units", unit[:40], "m or km")
    if "within" not in sent:
        raise InvalidParameterError("within", "", "a distance above 0")
    (value,) = raster_queries.numbers("within", sent["within"], 1)
    if value <= 0:
        raise InvalidParameterError("within", sent["within"][:40], "a distance above 0")
    return value * _UNITS[unit]


def _grid(asked: _Query, box: Box, inside: Callable[[Frame], Any] | None, parameter: str) -> Response:
    window = asked.frame.window(box)
    if not window[2]:
        raise InvalidParameterError(
            parameter, asked.sent.get(parameter, "")[:80], f"a place on the raster: {', '.join(map(str, asked.raster.bbox))} (CRS84)"
        )
    raster_queries.check_size(window[2] * window[3] * len(asked.names), asked.kind, hint=_SMALLER)
    known = fields(asked.raster)
    piece = read_piece(asked.path, asked.frame, window, [known[name] for name in asked.names], None)
    if inside is not None:
        piece = piece.only(inside(piece.frame))
    return grid_answer(piece, asked.raster, asked.names, asked.kind, {"Cache-Control": "no-cache"})


def _along(asked: _Query, line: Any) -> Any:  # noqa: ANN401 - shapely geometry; float array
    step = min(asked.frame.step_x, asked.frame.step_y)
    if line.length / step > MOST_VALUES:
        raise LimitExceededError(
            f"coords: found a line over {line.length / step:.0f} cells, expected at most {MOST_VALUES}",
            kind="body",
            hint="send a shorter line",
        )
    parts = shapely.get_parts(line)
    return np.concatenate([places.along(shapely.get_coordinates(part), step) for part in parts])


def _points(asked: _Query, at: Any, *, is_line: bool) -> Response:  # noqa: ANN401 - float array, shape (n, 2)
    between = asked.sent.get("interpolation", "bilinear" if asked.raster.is_terrain else "nearest")
    if between not in {"bilinear", "nearest"}:
        raise InvalidParameterError("interpolation", between[:40], "bilinear or nearest")
    raster_queries.check_size(len(at) * len(asked.names), "coveragejson", hint=_SMALLER)
    known = fields(asked.raster)
    x, y = np.ascontiguousarray(at[:, 0]), np.ascontiguousarray(at[:, 1])
    values = places.values_at(asked.path, asked.frame, x, y, [known[name] for name in asked.names], between=between == "bilinear")
    shown = (x, y) if asked.crs.name == asked.frame.crs else transform_xy(asked.frame.crs, asked.crs.name, x, y)
    digits = 9 if parse_crs(asked.crs.name).is_geographic else 4
    shown = (np.round(shown[0], digits), np.round(shown[1], digits))
    if asked.kind == "geojson":
        return _geojson(asked, shown, values, _distances(asked, at) if is_line else None)
    document = coverage_json.of_points(shown[0], shown[1], asked.crs.uri, values, asked.raster, asked.names)
    headers = {"Cache-Control": "no-cache", "Content-Crs": f"<{asked.crs.uri}>"}
    return Response(orjson.dumps(document), headers=headers, media_type=coverage_json.MEDIA_TYPE)


def _distances(asked: _Query, at: Any) -> list[float]:  # noqa: ANN401 - float array, shape (n, 2)
    east, north = places.metres_per_unit(asked.frame.crs, float(at[:, 0].mean()), float(at[:, 1].mean()))
    steps = np.hypot(np.diff(at[:, 0]) * east, np.diff(at[:, 1]) * north)
    return [0.0, *np.cumsum(steps).tolist()]


def _geojson(asked: _Query, shown: Any, values: Any, distances: list[float] | None) -> Response:  # noqa: ANN401 - float arrays
    columns = {name: one.tolist() for name, one in zip(asked.names, values, strict=True)}
    order = (shown[1], shown[0]) if asked.crs.turned else shown
    features = []
    for n, (first, second) in enumerate(zip(order[0].tolist(), order[1].tolist(), strict=True)):
        properties = {name: one[n] if one[n] is None else round(one[n], coverage_json.DECIMALS) for name, one in columns.items()}
        if distances is not None:
            properties["distance_m"] = round(distances[n], 3)
        features.append(
            {"type": "Feature", "id": n, "geometry": {"type": "Point", "coordinates": [first, second]}, "properties": properties}
        )
    parameters = coverage_json.parameters(asked.raster)
    document = {"type": "FeatureCollection", "features": features, "parameters": {name: parameters[name] for name in asked.names}}
    headers = {"Cache-Control": "no-cache", "Content-Crs": f"<{asked.crs.uri}>"}
    return Response(orjson.dumps(document), headers=headers, media_type="application/geo+json")
