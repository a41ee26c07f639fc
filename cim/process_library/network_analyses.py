"""Processes that ask a network as a whole: zones, what is drained, pollution, critical parts, valves, profile, service area."""

from typing import Any

from cim.analysis.network.profile import draw_profile
from cim.db import network_analyses, network_queries
from cim.process_library.network_support import CODE, CODES, DRAIN, KIND, POINT, RESULT, asked
from cim.processes import Context, Input, Output, Process
from cim.profile import Names


def _zones(context: Context, inputs: dict[str, Any]) -> dict[str, Any]:
    with asked(context, inputs["kind"]) as (connection, view):
        return {"result": network_analyses.divide(connection, view, inputs["by"], boundaries=inputs["boundaries"])}


def _drained(context: Context, inputs: dict[str, Any]) -> dict[str, Any]:
    with asked(context, inputs["kind"]) as (connection, view):
        return {"result": network_analyses.drained_by(connection, view, inputs["code"])}


def _pollution(context: Context, inputs: dict[str, Any]) -> dict[str, Any]:
    with asked(context, inputs["kind"]) as (connection, view):
        return {"result": network_analyses.pollution_sources(connection, view, inputs["polluted"], inputs["clean"])}


def _critical(context: Context, inputs: dict[str, Any]) -> dict[str, Any]:
    with asked(context, inputs["kind"]) as (_, view):
        return {"result": network_analyses.critical_parts(view, limit=inputs["limit"])}


def _valves(context: Context, inputs: dict[str, Any]) -> dict[str, Any]:
    with asked(context, inputs["kind"]) as (_, view):
        return {"result": network_analyses.valve_quality(view, limit=inputs["limit"])}


def _profile(context: Context, inputs: dict[str, Any]) -> dict[str, Any]:
    with asked(context, inputs["kind"]) as (connection, view):
        data, profile = network_queries.profile_along(connection, view, inputs["from"], inputs["to"])
    return {"result": data, "drawing": draw_profile(profile, title=f"{inputs['from']} – {inputs['to']}")}


def _service_area(context: Context, inputs: dict[str, Any]) -> dict[str, Any]:
    with asked(context, inputs["kind"]) as (_, view):
        return {"result": network_queries.area_within(view, inputs["from"], inputs["within_m"])}


_SOME = {**CODES, "minItems": 1}
del _SOME["default"]
OFFERED = (
    Process(
        id="network-zones",
        version="1.0.0",
        title=Names(en="Zones of a network", zh="管网分区"),
        description=Names(
            en="Pressure zones, metered districts (DMA) or the catchments of outfalls, with their boundaries and figures.",
            zh="按压力分区、独立计量分区(DMA)或排放口汇水范围划分管网,给出边界与统计。",
        ),
        keywords=("network", "管网", "分区"),
        inputs={
            "kind": KIND,
            "by": Input(Names(en="By", zh="划分方式"), {"enum": list(network_analyses.BY), "default": "pressure"}, required=False),
            "boundaries": Input(Names(en="Codes that bound zones besides", zh="附加边界编码"), CODES, required=False),
        },
        outputs=RESULT,
        run=_zones,
        needs_all_rows=True,
        example={"inputs": {"kind": "sewage", "by": "catchment"}},
    ),
    Process(
        id="network-drained",
        version="1.0.0",
        title=Names(en="What a manhole drains", zh="检查井汇水范围"),
        description=Names(
            en="Everything upstream of a manhole or line of a drain, with connections, customers, buildings and addresses.",
            zh="查找某检查井或管段上游的全部管线、接入点、用户、建筑与地址。",
        ),
        keywords=("network", "管网", "排水"),
        inputs={"kind": DRAIN, "code": CODE},
        outputs=RESULT,
        run=_drained,
        needs_all_rows=True,
        example={"inputs": {"kind": "sewage", "code": "SE420111-N2026000001"}},
    ),
    Process(
        id="network-pollution",
        version="1.0.0",
        title=Names(en="Where pollution may have entered", zh="污染源排查"),
        description=Names(
            en="Points upstream of every polluted sample and of no clean one, the likeliest first, with the buildings connected there.",
            zh="查找位于全部超标采样点上游且不在合格采样点上游的管点,按可能性排序,并列出接入的建筑。",
        ),
        keywords=("network", "管网", "污染"),
        inputs={
            "kind": DRAIN,
            "polluted": Input(Names(en="Points with a bad sample", zh="超标采样点"), _SOME),
            "clean": Input(Names(en="Points with a good sample", zh="合格采样点"), CODES, required=False),
        },
        outputs=RESULT,
        run=_pollution,
        needs_all_rows=True,
        example={"inputs": {"kind": "sewage", "polluted": ["SE420111-N2026000001"]}},
    ),
    Process(
        id="network-critical",
        version="1.0.0",
        title=Names(en="Critical parts of a network", zh="管网关键部位"),
        description=Names(
            en="Lines and points whose loss cuts points and connections off from every source (outfall), the gravest first.",
            zh="查找失效后使用户与管点失去全部水源(或排放口)的管段和节点,按影响排序。",
        ),
        keywords=("network", "管网", "韧性"),
        inputs={
            "kind": KIND,
            "limit": Input(
                Names(en="Most lines and points", zh="最多返回数量"),
                {"type": "integer", "minimum": 1, "maximum": 10_000, "default": 100},
                required=False,
            ),
        },
        outputs=RESULT,
        run=_critical,
        needs_all_rows=True,
        example={"inputs": {"kind": "water", "limit": 10}},
    ),
    Process(
        id="network-valves",
        version="1.0.0",
        title=Names(en="How well valves divide a network", zh="阀门分段评价"),
        description=Names(
            en="The largest segments between valves with hydrants and connections, and junctions where valves are missing.",
            zh="给出阀门之间的最大区段及其消火栓、用户数量,以及缺少阀门的节点。",
        ),
        keywords=("network", "管网", "阀门"),
        inputs={
            "kind": KIND,
            "limit": Input(
                Names(en="Most segments and junctions", zh="最多返回数量"),
                {"type": "integer", "minimum": 1, "maximum": 10_000, "default": 100},
                required=False,
            ),
        },
        outputs=RESULT,
        run=_valves,
        needs_all_rows=True,
        example={"inputs": {"kind": "water", "limit": 10}},
    ),
    Process(
        id="network-profile",
        version="1.0.0",
        title=Names(en="Longitudinal profile", zh="管线纵断面"),
        description=Names(
            en="The shortest way between two points with station, ground and level at each point, and a drawing of it (SVG).",
            zh="求两管点之间的最短路径,给出各点里程、地面高程与管线高程,并绘制纵断面图(SVG)。",
        ),
        keywords=("network", "管网", "纵断面"),
        inputs={
            "kind": KIND,
            "from": Input(Names(en="Point to start from", zh="起点编码"), POINT),
            "to": Input(Names(en="Point to end at", zh="终点编码"), POINT),
        },
        outputs={
            **RESULT,
            "drawing": Output(Names(en="Drawing", zh="纵断面图"), {"type": "string", "contentMediaType": "image/svg+xml"}),
        },
        run=_profile,
        needs_all_rows=True,
        example={"inputs": {"kind": "sewage", "from": "SE420111-N2026000001", "to": "SE420111-N2026000002"}},
    ),
    Process(
        id="network-service-area",
        version="1.0.0",
        title=Names(en="Service area along a network", zh="管网服务范围"),
        description=Names(
            en="What lies within a distance of some points along the network.", zh="查找沿管网距某些点一定距离以内的管点与管段。"
        ),
        keywords=("network", "管网"),
        inputs={
            "kind": KIND,
            "from": Input(Names(en="Points or lines to start from", zh="起点编码"), _SOME),
            "within_m": Input(Names(en="Longest way [m]", zh="最大距离(米)"), {"type": "number", "minimum": 0, "maximum": 1_000_000}),
        },
        outputs=RESULT,
        run=_service_area,
        needs_all_rows=True,
        example={"inputs": {"kind": "water", "from": ["WA420111-N2026000001"], "within_m": 300}},
    ),
)
