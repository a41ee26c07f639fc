"""``network-trace`` and ``network-isolation``: what hangs together, and which valves cut a burst off."""

from typing import Any

from cim.db import network_queries
from cim.process_library import network_analyses, network_models, network_service
from cim.process_library.network_support import CODE, CODES, KIND, RESULT, asked
from cim.processes import Context, Input, Process
from cim.profile import Names


def _trace(context: Context, inputs: dict[str, Any]) -> dict[str, Any]:
    with asked(context, inputs["kind"]) as (_, view):
        return {"result": network_queries.trace_from(view, inputs["code"], inputs["direction"], barriers=inputs["barriers"])}


def _isolate(context: Context, inputs: dict[str, Any]) -> dict[str, Any]:
    with asked(context, inputs["kind"]) as (connection, view):
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
        "kind": KIND,
        "code": CODE,
        "direction": Input(
            Names(en="Direction", zh="方向"), {"enum": ["connected", "upstream", "downstream"], "default": "connected"}, required=False
        ),
        "barriers": Input(Names(en="Codes where it stops", zh="阻断处编码"), CODES, required=False),
    },
    outputs=RESULT,
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
        "kind": KIND,
        "code": CODE,
        "broken": Input(Names(en="Broken valves", zh="失效阀门"), CODES, required=False),
        "inaccessible": Input(Names(en="Inaccessible valves", zh="无法操作的阀门"), CODES, required=False),
        "proposed": Input(Names(en="Imagined valves", zh="拟设阀门"), CODES, required=False),
    },
    outputs=RESULT,
    run=_isolate,
    needs_all_rows=True,
    example={"inputs": {"kind": "water", "code": "WA420111-L2026000001"}},
)


def offered() -> tuple[Process, ...]:
    """Return the processes of networks."""
    return (TRACE, ISOLATION, *network_analyses.OFFERED, *network_service.OFFERED, *network_models.OFFERED)
