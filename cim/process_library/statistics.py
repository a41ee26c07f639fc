"""``building-statistics``: buildings of an area, counted and summed by what they are."""

from typing import Any

import shapely

from cim.db.statistics import GROUPS, building_statistics
from cim.errors import InvalidParameterError
from cim.processes import Context, Input, Output, Process
from cim.profile import Names

_MOST_POINTS = 10_000


def _run(context: Context, inputs: dict[str, Any]) -> dict[str, Any]:
    polygon = inputs.get("polygon")
    area = None if polygon is None else _area(polygon)
    with context.connection() as connection:
        return building_statistics(
            connection, area=area, divisions=inputs.get("divisions"), group_by=inputs["group_by"], statuses=inputs["status"]
        )


def _area(polygon: dict[str, Any]) -> str:
    try:
        shape = shapely.from_geojson(shapely_text(polygon))
    except (shapely.errors.GEOSException, ValueError, TypeError) as error:
        raise InvalidParameterError("inputs.polygon", str(error)[:120], "a GeoJSON Polygon or MultiPolygon, longitude latitude") from error
    if shape.geom_type not in {"Polygon", "MultiPolygon"} or shape.is_empty:
        raise InvalidParameterError("inputs.polygon", shape.geom_type, "a GeoJSON Polygon or MultiPolygon that is not empty")
    if shapely.count_coordinates(shape) > _MOST_POINTS:
        raise InvalidParameterError("inputs.polygon", shapely.count_coordinates(shape), f"at most {_MOST_POINTS} points")
    west, south, east, north = shape.bounds
    if not (west >= -180 and east <= 180 and south >= -90 and north <= 90):
        raise InvalidParameterError("inputs.polygon", f"{west} {south} {east} {north}", "longitude and latitude in degrees")
    if not shape.is_valid:
        raise InvalidParameterError("inputs.polygon", shapely.is_valid_reason(shape)[:120], "a valid polygon, its ring not crossing itself")
    return str(shapely.to_wkt(shapely.force_2d(shape), rounding_precision=-1))


def shapely_text(geometry: dict[str, Any]) -> str:
    """Return a geometry as text for GEOS."""
    import orjson

    return orjson.dumps(geometry).decode()


STATISTICS = Process(
    id="building-statistics",
    version="1.0.0",
    title=Names(en="Building statistics of an area", zh="区域建筑统计"),
    description=Names(
        en="Number, footprint and floor area [m2] of the buildings of a drawn polygon, of divisions, or of all, grouped by use, structure, "
        "decade of completion, safety grade, status or division. A building belongs to a polygon when a point inside its footprint does.",
        zh="统计所绘多边形、行政区划内或全部建筑的数量、基底面积与建筑面积(平方米),可按用途、结构、建成年代、安全等级、状态或区划分组。建筑基底内一点落入多边形者计入。",
    ),
    keywords=("statistics", "统计"),
    inputs={
        "polygon": Input(
            Names(en="GeoJSON polygon, longitude latitude [deg]", zh="GeoJSON 多边形,经纬度(度)"),
            {
                "type": "object",
                "required": ["type", "coordinates"],
                "properties": {"type": {"enum": ["Polygon", "MultiPolygon"]}, "coordinates": {"type": "array"}},
            },
            required=False,
        ),
        "divisions": Input(
            Names(en="Divisions of any level", zh="任意级别的区划代码"),
            {
                "type": "array",
                "minItems": 1,
                "maxItems": 1000,
                "items": {"type": "string", "pattern": "^([0-9]{2}){1,3}$|^[0-9]{9}$|^[0-9]{12}$"},
            },
            required=False,
        ),
        "group_by": Input(
            Names(en="Group by", zh="分组"),
            {"type": "array", "items": {"enum": sorted(GROUPS)}, "maxItems": 3, "uniqueItems": True, "default": ["use"]},
            required=False,
        ),
        "status": Input(
            Names(en="Only buildings of these states", zh="建筑状态"),
            {
                "type": "array",
                "items": {"enum": ["planned", "under_construction", "existing", "demolished", "retired"]},
                "uniqueItems": True,
                "default": ["existing", "under_construction"],
            },
            required=False,
        ),
    },
    outputs={
        "total": Output(Names(en="All buildings of the area", zh="合计"), {"type": "object"}),
        "groups": Output(Names(en="By group, largest first", zh="分组结果"), {"type": "array", "items": {"type": "object"}}),
    },
    run=_run,
    collections=("buildings",),
    example={"inputs": {"divisions": ["420111"], "group_by": ["use"]}},
)
