"""``geocode`` and ``reverse-geocode``: addresses to places and back."""

from typing import Any

from cim.db.geocode import geocode, reverse_geocode
from cim.processes import Context, Input, Output, Process
from cim.profile import Names

_LONGITUDE = {"type": "number", "minimum": -180, "maximum": 180}
_LATITUDE = {"type": "number", "minimum": -90, "maximum": 90}


def _geocode(context: Context, inputs: dict[str, Any]) -> dict[str, Any]:
    with context.connection() as connection:
        found = geocode(connection, inputs["address"], limit=inputs["limit"])
    return {"places": [{name: value for name, value in vars(place).items() if name != "components"} for place in found]}


def _reverse(context: Context, inputs: dict[str, Any]) -> dict[str, Any]:
    with context.connection() as connection:
        return {"place": reverse_geocode(connection, inputs["lon"], inputs["lat"], reach_m=inputs["reach_m"])}


GEOCODE = Process(
    id="geocode",
    version="1.0.0",
    title=Names(en="Find an address", zh="地理编码"),
    description=Names(
        en="Places an address may mean, best first: longitude and latitude [deg], EPSG:4490, building, score 0-1 and evidence.",
        zh="返回地址可能对应的位置,按可信度排列:EPSG:4490 经纬度(度)、建筑编码、得分(0-1)与依据。",
    ),
    keywords=("address", "地址"),
    inputs={
        "address": Input(Names(en="Address", zh="地址"), {"type": "string", "minLength": 1, "maxLength": 500, "pattern": "^[^\\u0000]*$"}),
        "limit": Input(
            Names(en="Most places", zh="最多返回数"), {"type": "integer", "minimum": 1, "maximum": 100, "default": 5}, required=False
        ),
    },
    outputs={"places": Output(Names(en="Places", zh="位置"), {"type": "array", "items": {"type": "object"}})},
    run=_geocode,
    collections=("addresses", "buildings"),
    example={"inputs": {"address": "光谷资本大厦", "limit": 3}},
)

REVERSE = Process(
    id="reverse-geocode",
    version="1.0.0",
    title=Names(en="Find what is at a position", zh="逆地理编码"),
    description=Names(
        en="Building, address and divisions of a position; distances in metres.", zh="返回某位置的建筑、地址与行政区划;距离单位为米。"
    ),
    keywords=("address", "地址"),
    inputs={
        "lon": Input(Names(en="Longitude [deg], EPSG:4490", zh="经度(度),EPSG:4490"), _LONGITUDE),
        "lat": Input(Names(en="Latitude [deg], EPSG:4490", zh="纬度(度),EPSG:4490"), _LATITUDE),
        "reach_m": Input(
            Names(en="Farthest building and address [m]", zh="最远距离(米)"),
            {"type": "number", "minimum": 0, "maximum": 10_000, "default": 200},
            required=False,
        ),
    },
    outputs={"place": Output(Names(en="Place", zh="位置"), {"type": "object"})},
    run=_reverse,
    collections=("addresses", "buildings"),
    example={"inputs": {"lon": 114.3956, "lat": 30.5064}},
)
