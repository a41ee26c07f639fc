"""History of one feature over HTTP: ``/collections/{id}/items/{code}/history``."""

import orjson
from starlette.requests import Request
from starlette.responses import Response

from cim.clock import utc_now
from cim.db.feature_history import fetch_history, fetch_steps
from ogc_api import crs
from ogc_api.negotiation import base_url
from ogc_api.parameters import refuse_unknown
from ogc_api.state import state_of


async def history(request: Request) -> Response:
    """Every state of a feature as a FeatureCollection, oldest first; for buildings with their ``lineage``."""
    refuse_unknown(request.query_params, ("f", "lang", "crs"))
    state = state_of(request.app)
    current = await state.current()
    collection = current.collection(request.path_params["collection"])
    crs_uri = request.query_params.get("crs", crs.CRS84)
    choice = crs.choose(crs_uri, current.choices, parameter="crs")
    code = request.path_params["code"]
    session = state.session(request)
    states = await fetch_history(session, collection, code, choice)
    address = f"{base_url(request, state.settings)}{request.url.path}"
    head = {
        "type": "FeatureCollection",
        "numberMatched": len(states),
        "numberReturned": len(states),
        "timeStamp": utc_now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        "links": [
            {"rel": "self", "type": "application/geo+json", "href": address},
            {"rel": "latest-version", "type": "application/geo+json", "href": address.removesuffix("/history")},
        ],
    }
    if collection.id == "buildings":
        head["lineage"] = await fetch_steps(session, code)
    body = b"".join([orjson.dumps(head)[:-1], b',"features":[', ",".join(states).encode(), b"]}"])
    return Response(body, headers={"Content-Crs": f"<{crs_uri}>"}, media_type="application/geo+json")
