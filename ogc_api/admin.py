"""For administrators: what the store is busy with, what took long, what is missing."""

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from cim.access import Permission
from cim.db import activity, engine, index_check, row_security
from ogc_api.access import require
from ogc_api.middleware import slow_requests
from ogc_api.parameters import refuse_unknown
from ogc_api.processes import drawn
from ogc_api.state import state_of


async def queries(request: Request) -> Response:
    """Statements that run, statements that took most time, slow requests of this process, rules the store does not keep."""
    refuse_unknown(request.query_params, ("f", "lang"))
    require(request, Permission.ADMIN)
    state = state_of(request.app)

    def read() -> dict[str, Any]:
        with engine.connect(state.settings) as connection:
            problems = [*row_security.problems(connection), *index_check.problems(connection)]
            return {
                "running": activity.running(connection),
                "statements": activity.statements(connection),
                "problems": [vars(one) for one in problems],
            }

    document = {**await asyncio.to_thread(read), "requests": slow_requests()}
    return await drawn(request, state, "admin/queries.html", document)
