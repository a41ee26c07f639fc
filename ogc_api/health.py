"""Health of the process and readiness of what it depends on."""

import asyncio
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from cim.db.migrate import newest_version
from cim.db.published import fetch_schema_version, fetch_tilesets
from cim.errors import CimError, NotFoundError
from ogc_api.state import ServerState, state_of
from ogc_api.tiles3d import open_store

_NO_CACHE = {"Cache-Control": "no-store"}


async def healthz(_: Request) -> Response:
    """Say that the process is alive; asks nobody else."""
    return Response(b'{"status":"ok"}', media_type="application/json", headers=_NO_CACHE)


async def readyz(request: Request) -> Response:
    """Say whether store, schema and tiles allow the server to answer."""
    checks = await _checks(state_of(request.app))
    ready = all(check["ok"] for check in checks.values())
    document = {"status": "ready" if ready else "not ready", "checks": checks}
    headers = _NO_CACHE if ready else {**_NO_CACHE, "Retry-After": "5"}
    return Response(orjson.dumps(document), 200 if ready else 503, headers=headers, media_type="application/json")


async def _checks(state: ServerState) -> dict[str, dict[str, Any]]:
    try:
        found = await fetch_schema_version(state.pool)
    except CimError as error:
        answers = not error.code.startswith("store.unavailable") and not error.code.startswith("store.cluster")
        checks: dict[str, dict[str, Any]] = {"store": {"ok": answers}, "schema": {"ok": False}, "tiles": {"ok": False}}
        if error.hint:
            checks["store"]["hint"] = error.hint
        return checks
    expected = newest_version()
    schema = {"ok": found == expected, "found": found, "expected": expected}
    if found != expected:
        return {"store": {"ok": True}, "schema": {**schema, "hint": "cim db migrate"}, "tiles": {"ok": False}}
    return {"store": {"ok": True}, "schema": schema, "tiles": await _tiles(state)}


async def _tiles(state: ServerState) -> dict[str, Any]:
    """Check that the file of every published layer is there; a store that publishes none is ready."""
    layers = [one.layer for one in await fetch_tilesets(state.pool)]
    store = open_store(state.settings.tiles_url)
    missing = []
    for layer in layers:
        try:
            await asyncio.to_thread(store.tag, f"{layer}/tileset.json")
        except NotFoundError:
            missing.append(layer)
    checked: dict[str, Any] = {"ok": not missing, "layers": len(layers)}
    return {**checked, "missing": missing, "hint": "cim tiles build"} if missing else checked
