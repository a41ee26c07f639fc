"""The ASGI application: all routes of the public contract."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from cim.errors import CimError
from cim.settings import Settings
from ogc_api import (
    admin,
    coverages,
    documents,
    edits,
    edr,
    errors,
    export,
    health,
    history,
    jobs,
    live_tiles,
    models,
    processes,
    raster_maps,
    records,
    styles,
    tiles,
    tiles3d,
    tus,
)
from ogc_api.gate import Gate
from ogc_api.hot import HotPaths
from ogc_api.metrics import CONTENT_TYPE, Metrics
from ogc_api.middleware import Edge
from ogc_api.negotiation import base_url
from ogc_api.state import ServerState, state_of
from ogc_api.viewer import DIST, viewer_app

_STATIC = Path(__file__).parent / "static"


async def _to_viewer(request: Request) -> Response:
    return RedirectResponse(f"{base_url(request, state_of(request.app).settings)}/viewer/", status_code=307)


_COLLECTION = "/collections/{collection}"
_ITEMS = Route(f"{_COLLECTION}/items", edits.all_items, methods=["GET", "POST", "OPTIONS"])
# Codes of BIM elements contain a slash.
_ITEM = Route(f"{_COLLECTION}/items/{{code:path}}", edits.one_item, methods=["GET", "PUT", "PATCH", "DELETE", "OPTIONS"])
_TILE = Route(f"{_COLLECTION}/tiles/{{set}}/{{level}}/{{row}}/{{column}}", tiles.tile)


def _routes(metrics: Metrics, viewer: Path) -> list[Route | Mount]:
    async def show_metrics(_: Request) -> Response:
        return Response(metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    collection = _COLLECTION
    return [
        Route("/", documents.landing),
        Route("/conformance", documents.conformance),
        Route("/openapi", documents.openapi),
        Route("/collections", documents.collections),
        Route("/collections/", documents.collections),
        Route("/functions", documents.functions),
        Route("/tileMatrixSets", tiles.sets),
        Route("/tileMatrixSets/{set}", tiles.one_set),
        *_tile_routes(""),
        Route("/tiles/{set}/{level}/{row}/{column}", tiles.city_tile),
        # Before the other tiles: xyz is the name of no tile matrix set.
        Route(f"{collection}/tiles/xyz/{{z}}/{{x}}/{{y}}", tiles.xyz),
        *_tile_routes(collection),
        _TILE,
        Route("/styles", styles.styles),
        Route("/styles/{style}", styles.style),
        Route(f"{collection}/styles", styles.styles),
        Route(f"{collection}/styles/{{style}}", styles.style),
        *_raster_routes(),
        _ITEMS,
        Route(f"{collection}/items/{{code:path}}/history", history.history),
        _ITEM,
        Route(f"{collection}/export/{{file}}", export.export),
        Route(f"{collection}/queryables", documents.queryables),
        Route(f"{collection}/schema", documents.schema),
        Route(collection, documents.collections),
        # QGIS asks with a trailing slash where the first answer does not please it.
        Route(f"{collection}/", documents.collections),
        Route("/processes", processes.listing),
        Route("/processes/{process}", processes.describe),
        Route("/processes/{process}/execution", processes.execute, methods=["POST"]),
        Route("/jobs", jobs.listing),
        Route("/jobs/{job}", jobs.one, methods=["GET", "DELETE"]),
        Route("/jobs/{job}/results", jobs.results),
        Route("/jobs/{job}/results/{output}", jobs.result),
        Route("/records", records.listing),
        Route("/records/{record:path}", records.record),
        Route("/admin/queries", admin.queries),
        Route("/3dtiles", tiles3d.layers),
        Route("/3dtiles/", tiles3d.layers),
        Route("/3dtiles/{layer}/live/tileset.json", live_tiles.tileset),
        Route("/3dtiles/{layer}/live/tile/{key}.glb", live_tiles.tile),
        Route("/3dtiles/{path:path}", tiles3d.file),
        Route("/bim/models", models.models, methods=["GET", "POST"]),
        Route("/bim/models/{model}/report", models.report),
        Route("/bim/uploads", tus.collection, methods=["GET", "POST", "OPTIONS"]),
        Route("/bim/uploads/{upload}", tus.one, methods=["GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS"]),
        Route("/viewer", _to_viewer),
        Mount("/viewer", viewer_app(viewer)),
        Mount("/static", StaticFiles(directory=_STATIC, packages=[("pygeoapi", "static")])),
        Route("/healthz", health.healthz),
        Route("/readyz", health.readyz),
        Route("/metrics", show_metrics),
    ]


def _raster_routes() -> list[Route]:
    made = [Route(f"{_COLLECTION}/coverage", coverages.coverage), *(Route(f"{_COLLECTION}/{name}", edr.query) for name in edr.QUERIES)]
    for root in (_COLLECTION, f"{_COLLECTION}/styles/{{style}}"):
        made += [
            Route(f"{root}/map", raster_maps.picture),
            Route(f"{root}/map/tiles", raster_maps.tilesets),
            Route(f"{root}/map/tiles/{{set}}", raster_maps.tilesets),
            Route(f"{root}/map/tiles/{{set}}/{{level}}/{{row}}/{{column}}", raster_maps.tile),
        ]
    return made


def _tile_routes(root: str) -> list[Route]:
    return [
        Route(f"{root}/tiles", tiles.tilesets),
        Route(f"{root}/tiles/tilejson.json", tiles.tilejson),
        Route(f"{root}/tiles/{{set}}", tiles.tileset),
    ]


def create_app(settings: Settings, *, viewer: Path = DIST) -> Starlette:
    """Return the application.

    Parameters
    ----------
    settings
        Store, tile store, page limits, public address.
    viewer
        Folder of the built viewer.
    """
    metrics = Metrics()
    state = ServerState(settings)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await state.pool.open()
        await state.requests.open()
        yield
        await state.audit.flush()
        await state.queue.close()
        await state.requests.close()
        await state.records.close()
        await state.pool.close()

    app = Starlette(
        routes=_routes(metrics, viewer),
        middleware=[
            Middleware(Edge, metrics=metrics, settings=settings, audit=state.audit),
            Middleware(Gate, state=state),
            Middleware(HotPaths, items=_ITEMS, item=_ITEM, tile=_TILE),
        ],
        exception_handlers={CimError: errors.on_cim_error, HTTPException: errors.on_http_error, Exception: errors.on_unexpected},
        lifespan=lifespan,
    )
    app.state.server = state
    return app
