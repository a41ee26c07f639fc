"""``network-trace`` and ``network-isolation``: what hangs together, and which valves cut a burst off."""

from threading import Lock
from typing import Any

from cim.db import network_queries
from cim.db.network_graph import NetworkGraphs
from cim.db.tables.network import KINDS
from cim.processes import Context, Input, Output, Process
from cim.profile import Names

_GRAPHS = NetworkGraphs()
# The warm graphs and their scratch arrays serve one question at a time; an answer takes milliseconds.
_LOCK = Lock()
_KIND = Input(Names(en="Kind of network", zh="管线种类"), {"enum": list(KINDS)})
_CODE = Input(Names(en="Code of a point or line", zh="管点或管段编码"), {"type": "string", "minLength": 1, "maxLength": 40})
_CODES = {"type": "array", "items": {"type": "string", "maxLength": 40}, "maxItems": 1000, "default": []}
_RESULT = {"result": Output(Names(en="Answer in codes", zh="结果(编码)"), {"type": "object"})}


def _trace(context: Context, inputs: dict[str, Any]) -> dict[str, Any]:
    with _LOCK, context.connection() as connection:
        view = _GRAPHS.view(connection, inputs["kind"])
        return {"result": network_queries.trace_from(view, inputs["code"], inputs["direction"], barriers=inputs["barriers"])}


def _isolate(context: Context, inputs: dict[str, Any]) -> dict[str, Any]:
    with _LOCK, context.connection() as connection:
        view = _GRAPHS.view(connection, inputs["kind"])
        found = network_queries.isolate_part(
            connection, view, inputs["code"], broken=inputs["broken"], inaccessible=inputs["inaccessible"], proposed=inputs["proposed"]
        )
    return {"result": found}


TRACE = Process(
    id="network-trace",
    version="1.0.0",
    title=Names(en="Trace in a network", zh="管网追踪"),
    description=Names(
        en="Points and lines connected to a part, upstream or downstream of it; closed valves and open switches stop it.",
        zh="查找与某管点或管段连通的、上游或下游的部分;关闭的阀门与断开的开关阻断追踪。",
    ),
    keywords=("network", "管网"),
    inputs={
        "kind": _KIND,
        "code": _CODE,
        "direction": Input(
            Names(en="Direction", zh="方向"), {"enum": ["connected", "upstream", "downstream"], "default": "connected"}, required=False
        ),
        "barriers": Input(Names(en="Codes where it stops", zh="阻断处编码"), _CODES, required=False),
    },
    outputs=_RESULT,
    run=_trace,
    needs_all_rows=True,
    example={"inputs": {"kind": "sewage", "code": "SE420111-N2026000001", "direction": "downstream"}},
)
ISOLATION = Process(
    id="network-isolation",
    version="1.0.0",
    title=Names(en="Isolate a burst", zh="爆管关阀分析"),
    description=Names(
        en="The minimal set of valves that cuts a burst off, what runs dry, who is out of service, and what a broken valve changes.",
        zh="求隔离爆管所需的最少阀门、停水范围和受影响用户,并分析阀门失效的后果。",
    ),
    keywords=("network", "管网", "关阀"),
    inputs={
        "kind": _KIND,
        "code": _CODE,
        "broken": Input(Names(en="Broken valves", zh="失效阀门"), _CODES, required=False),
        "inaccessible": Input(Names(en="Inaccessible valves", zh="无法操作的阀门"), _CODES, required=False),
        "proposed": Input(Names(en="Imagined valves", zh="拟设阀门"), _CODES, required=False),
    },
    outputs=_RESULT,
    run=_isolate,
    needs_all_rows=True,
    example={"inputs": {"kind": "water", "code": "WA420111-L2026000001"}},
)


def offered() -> tuple[Process, ...]:
    """Return the processes of networks."""
    return (TRACE, ISOLATION)
