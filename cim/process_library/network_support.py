"""What the processes of networks share: the warm graphs, and inputs that come again."""

import contextlib
from collections.abc import Iterator
from threading import Lock
from typing import Any

from cim.db.engine import Connection
from cim.db.network_graph import NetworkGraphs, NetworkView
from cim.db.tables.network import KINDS
from cim.errors import ForbiddenError
from cim.model.network import GRAVITY
from cim.processes import Context, Input, Output
from cim.profile import Names

_GRAPHS = NetworkGraphs()
# The warm graphs and their scratch arrays serve one question at a time; an answer takes milliseconds.
_LOCK = Lock()
KIND = Input(Names(en="Kind of network", zh="管线种类"), {"enum": list(KINDS)})
DRAIN = Input(Names(en="Kind of drain", zh="排水管线种类"), {"enum": sorted(GRAVITY), "default": "sewage"}, required=False)
CODE = Input(Names(en="Code of a point or line", zh="管点或管段编码"), {"type": "string", "minLength": 1, "maxLength": 40})
POINT = {"type": "string", "minLength": 1, "maxLength": 40}
CODES: dict[str, Any] = {"type": "array", "items": {"type": "string", "maxLength": 40}, "maxItems": 1000, "default": []}
RESULT = {"result": Output(Names(en="Answer in codes", zh="结果(编码)"), {"type": "object"})}
MOMENT: dict[str, Any] = {"type": "string", "format": "date-time", "maxLength": 40}


def require_visible(context: Context, kind: str) -> None:
    """Refuse who may not see the lines and points of a kind.

    Raises
    ------
    ForbiddenError
        Not granted.
    """
    for collection in (f"{kind}-lines", f"{kind}-points"):
        if not context.principal.sees(collection):
            raise ForbiddenError(f"{collection}: not granted to {context.principal.subject}")


@contextlib.contextmanager
def asked(context: Context, kind: str, *, writing: bool = False) -> Iterator[tuple[Connection, NetworkView]]:
    """Open a transaction and the network as of now; one question at a time.

    Raises
    ------
    ForbiddenError
        The kind is not granted to who asks.
    NotFoundError
        There is no such network.
    """
    require_visible(context, kind)
    with _LOCK, context.connection(writing=writing) as connection:
        yield connection, _GRAPHS.view(connection, kind)


def last_change(connection: Connection, kind: str) -> int:
    """Return the newest change of a network that its warm graph has followed."""
    with _LOCK:
        return _GRAPHS.view(connection, kind).last_event
