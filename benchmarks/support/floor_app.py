"""The floor of the OGC API benchmark: Starlette and asyncpg, one statement per request, nothing else."""

import contextlib
import os
from collections.abc import AsyncIterator

import asyncpg
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_FEATURE = """'{"type":"Feature","id":' || to_json(t.code) || ',"geometry":' || coalesce(ST_AsGeoJSON(t.geom, 9, 0), 'null')
              || ',"properties":' || row_to_json(p) || '}'"""
_PROPERTIES = """CROSS JOIN LATERAL (SELECT t.code, t.name, t.address, t.division_code, t.height_m, t.ground_elevation_m, t.storeys_above,
    t.storeys_below, t.use, t.structure, t.year_built, t.footprint_area_m2, t.floor_area_m2, t.safety_grade, t.status, t.source_dataset,
    t.version, t.valid_from) AS p"""
PAGE = f"SELECT string_agg({_FEATURE}, ',') FROM (SELECT * FROM building ORDER BY id LIMIT $1) AS t {_PROPERTIES}"  # noqa: S608
BOX = f"""SELECT string_agg({_FEATURE}, ',') FROM (SELECT * FROM building WHERE geom && ST_MakeEnvelope($2, $3, $4, $5, 4490)
          AND ST_Intersects(geom, ST_MakeEnvelope($2, $3, $4, $5, 4490)) ORDER BY id LIMIT $1) AS t {_PROPERTIES}"""  # noqa: S608
WHERE = f"SELECT string_agg({_FEATURE}, ',') FROM (SELECT * FROM building WHERE division_code = $2 AND height_m > $3 ORDER BY id LIMIT $1) AS t {_PROPERTIES}"  # noqa: S608, E501
ITEM = f"SELECT {_FEATURE} FROM building AS t {_PROPERTIES} WHERE t.code = $1"  # noqa: S608
TILE = """SELECT ST_AsMVT(tile, 'buildings', 4096, 'geom') FROM (
    SELECT {columns}, ST_AsMVTGeom(ST_Transform(ST_SetSRID(t.geom, 4326), 3857), ST_TileEnvelope($1, $2, $3), 4096, 64, true) AS geom
    FROM building AS t WHERE t.geom && ST_SetSRID(ST_Transform(ST_TileEnvelope($1, $2, $3, margin => 0.015625), 4326), 4490)
) AS tile WHERE tile.geom IS NOT NULL"""
LABELS = "t.code, t.name, t.height_m, t.storeys_above, t.use, t.structure, t.year_built, t.safety_grade, t.status"
ALL = (
    LABELS
    + """, t.address, t.division_code, t.ground_elevation_m, t.storeys_below, t.footprint_area_m2, t.floor_area_m2,
    t.source_dataset, t.version, t.valid_from::text"""
)


class _Connection(asyncpg.Connection):  # type: ignore[misc]
    def get_reset_query(self) -> str:
        return ""


@contextlib.asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    # The better way for each statement: a kept plan where one fits all values, a new one where it does not.
    for name in ("custom", "generic"):
        settings = {"jit": "off", "timezone": "UTC", "plan_cache_mode": f"force_{name}_plan"}
        made = await asyncpg.create_pool(
            os.environ["BENCH_DSN"], min_size=1, max_size=8, server_settings=settings, connection_class=_Connection
        )
        setattr(app.state, name, made)
    yield
    await app.state.custom.close()
    await app.state.generic.close()


def _collection(text: str | None) -> Response:
    return Response('{"type":"FeatureCollection","features":[' + (text or "") + "]}", media_type="application/geo+json")


async def _items(request: Request) -> Response:
    sent = request.query_params
    pool = request.app.state.custom
    if "bbox" in sent:
        return _collection(await pool.fetchval(BOX, int(sent["limit"]), *map(float, sent["bbox"].split(","))))
    if "division" in sent:
        return _collection(await pool.fetchval(WHERE, int(sent["limit"]), sent["division"], float(sent["above"])))
    return _collection(await request.app.state.generic.fetchval(PAGE, int(sent["limit"])))


async def _item(request: Request) -> Response:
    return Response(await request.app.state.generic.fetchval(ITEM, request.path_params["code"]), media_type="application/geo+json")


async def _tile(request: Request) -> Response:
    z, x, y = (request.path_params[name] for name in "zxy")
    statement = TILE.format(columns=ALL if z >= 16 else LABELS)
    return Response(await request.app.state.custom.fetchval(statement, z, x, y), media_type="application/vnd.mapbox-vector-tile")


app = Starlette(
    routes=[Route("/items", _items), Route("/items/{code}", _item), Route("/tiles/{z:int}/{x:int}/{y:int}", _tile)], lifespan=_lifespan
)
