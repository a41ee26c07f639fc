"""``network-outages``, ``-outage-open``, ``-outage-move``, ``-outage-reschedule``, ``-links``, ``-link``: shutdowns and customers."""

from datetime import datetime
from typing import Any

from cim.access import Permission
from cim.clock import utc_now
from cim.db import changes, network_links, network_outages
from cim.db.engine import Connection
from cim.db.network_graph import load_view
from cim.db.tables.network import OUTAGE_STATES
from cim.errors import InvalidParameterError
from cim.model.outage import CAUSES
from cim.process_library.network_support import CODE, CODES, KIND, MOMENT, POINT, RESULT, asked, require_visible
from cim.processes import Context, Input, Process
from cim.profile import Names

_NUMBER = Input(Names(en="Number of the shutdown", zh="停用编号"), {"type": "string", "pattern": "^OUT-[0-9]{4}-[0-9]{6}$"})
_NOTE = Input(Names(en="Remark", zh="备注"), {"type": "string", "maxLength": 500}, required=False)


def _moment(name: str, value: str) -> datetime:
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise InvalidParameterError(name, value, "a time with its zone, such as 2026-11-27T08:00:00+08:00")
    return found


def _outages(context: Context, inputs: dict[str, Any]) -> dict[str, Any]:
    with context.connection() as connection:
        if "number" in inputs:
            found = [network_outages.fetch_outage(connection, inputs["number"])]
            require_visible(context, found[0]["kind"])
        else:
            found = network_outages.list_outages(connection, inputs.get("kind"), state=inputs.get("state"), limit=inputs["limit"])
            found = [one for one in found if context.principal.sees(f"{one['kind']}-lines")]
    return {"result": {"outages": found}}


def _open(context: Context, inputs: dict[str, Any]) -> dict[str, Any]:
    who = context.principal.subject
    begins = _moment("starts", inputs["starts"]) if "starts" in inputs else utc_now()
    ends = _moment("ends", inputs["ends"]) if "ends" in inputs else None
    with asked(context, inputs["kind"], writing=True) as (connection, view):
        change_set = changes.open_change_set(connection, author=who, operation="edit", reason=inputs["reason"])
        made = network_outages.open_outage(
            connection, view, inputs["code"], cause=inputs["cause"], starts_at=begins, ends_at=ends, reason=inputs["reason"], author=who,
            change_set=change_set, broken=inputs["broken"], inaccessible=inputs["inaccessible"],
        )  # fmt: skip
    return {"result": made}


def _kind_of(context: Context, connection: Connection, number: str) -> str:
    kind = str(network_outages.fetch_outage(connection, number)["kind"])
    require_visible(context, kind)
    return kind


def _move(context: Context, inputs: dict[str, Any]) -> dict[str, Any]:
    number, note = inputs["number"], inputs.get("note")
    at = _moment("at", inputs["at"]) if "at" in inputs else utc_now()
    with context.connection(writing=True) as connection:
        view = load_view(connection, _kind_of(context, connection, number))
        moved = network_outages.move_outage(
            connection, view, number, inputs["state"], author=context.principal.subject, note=note, at=at,
            accept_conflict=inputs["accept_conflict"],
        )  # fmt: skip
    return {"result": moved}


def _reschedule(context: Context, inputs: dict[str, Any]) -> dict[str, Any]:
    begins, ends = (_moment(name, inputs[name]) for name in ("starts", "ends"))
    with context.connection(writing=True) as connection:
        view = load_view(connection, _kind_of(context, connection, inputs["number"]))
        moved = network_outages.reschedule_outage(
            connection, view, inputs["number"], starts_at=begins, ends_at=ends, author=context.principal.subject, note=inputs.get("note")
        )
    return {"result": moved}


def _links(context: Context, inputs: dict[str, Any]) -> dict[str, Any]:
    require_visible(context, inputs["kind"])
    with context.connection() as connection:
        found = network_links.fetch_links(connection, inputs["kind"], inputs["codes"], limit=inputs["limit"])
    return {"result": {"links": [one for one in found if context.principal.sees(one["collection"])]}}


def _link(context: Context, inputs: dict[str, Any]) -> dict[str, Any]:
    kind, code, serves = inputs["kind"], inputs.get("code"), inputs.get("serves")
    if (code is None) != (serves is None):
        raise InvalidParameterError("serves", str(serves), "code and serves together, or neither")
    require_visible(context, kind)
    with context.connection(writing=True) as connection:
        reason = f"{kind} service links"
        change_set = changes.open_change_set(connection, author=context.principal.subject, operation="link", reason=reason)
        if code is not None and serves is not None:
            network_links.set_link(connection, kind, code, serves, change_set, remove=inputs["remove"])
            return {"result": {"part": code, "serves": serves, "removed": inputs["remove"]}}
        return {"result": vars(network_links.link(connection, kind, change_set, within_m=inputs["within_m"]))}


OFFERED = (
    Process(
        id="network-outages",
        version="1.0.0",
        title=Names(en="Shutdowns", zh="停用查询"),
        description=Names(
            en="Shutdowns of network parts, the newest first; by its number one with valves, affected customers and every step.",
            zh="查询管网停用(停水、停气等)记录;给出编号时返回关阀、受影响用户和全部过程。",
        ),
        keywords=("network", "管网", "停用"),
        inputs={
            "kind": Input(KIND.title, KIND.schema, required=False),
            "state": Input(Names(en="State", zh="状态"), {"enum": list(OUTAGE_STATES)}, required=False),
            "number": Input(_NUMBER.title, _NUMBER.schema, required=False),
            "limit": Input(
                Names(en="Most shutdowns", zh="最多返回数量"),
                {"type": "integer", "minimum": 1, "maximum": 10_000, "default": 1000},
                required=False,
            ),
        },
        outputs=RESULT,
        run=_outages,
        needs_all_rows=True,
        example={"inputs": {"kind": "water"}},
    ),
    Process(
        id="network-outage-open",
        version="1.0.0",
        title=Names(en="Record a shutdown", zh="登记停用"),
        description=Names(
            en="Records a planned or accidental shutdown with the valves it needs, who is affected, and other shutdowns in its way.",
            zh="登记计划或事故停用,计算需关闭的阀门、受影响用户以及与其他停用的冲突。",
        ),
        keywords=("network", "管网", "停用"),
        inputs={
            "kind": KIND,
            "code": CODE,
            "cause": Input(Names(en="Cause", zh="性质"), {"enum": sorted(CAUSES), "default": "planned"}, required=False),
            "starts": Input(Names(en="Start; default: now", zh="开始时间"), MOMENT, required=False),
            "ends": Input(Names(en="End; needed for planned ones", zh="结束时间"), MOMENT, required=False),
            "reason": Input(Names(en="Why", zh="原因"), {"type": "string", "minLength": 1, "maxLength": 500}),
            "broken": Input(Names(en="Broken valves", zh="失效阀门"), CODES, required=False),
            "inaccessible": Input(Names(en="Inaccessible valves", zh="无法操作的阀门"), CODES, required=False),
        },
        outputs=RESULT,
        run=_open,
        permission=Permission.EDIT,
        needs_all_rows=True,
        example={"inputs": {"kind": "water", "code": "WA420111-L2026000001", "cause": "accidental", "reason": "burst"}},
    ),
    Process(
        id="network-outage-move",
        version="1.0.0",
        title=Names(en="Start, finish or cancel a shutdown", zh="停用状态变更"),
        description=Names(
            en="Starts, finishes or cancels a shutdown; one that starts is isolated anew on the network as it is.",
            zh="开始、结束或取消停用;开始时按现状重新计算关阀方案。",
        ),
        keywords=("network", "管网", "停用"),
        inputs={
            "number": _NUMBER,
            "state": Input(Names(en="New state", zh="新状态"), {"enum": ["in_progress", "finished", "cancelled"]}),
            "at": Input(Names(en="Real time; default: now", zh="实际时间"), MOMENT, required=False),
            "accept_conflict": Input(
                Names(en="Start although another one is in the way", zh="存在冲突仍开始"),
                {"type": "boolean", "default": False},
                required=False,
            ),
            "note": _NOTE,
        },
        outputs=RESULT,
        run=_move,
        permission=Permission.EDIT,
        needs_all_rows=True,
        example={"inputs": {"number": "OUT-2026-000001", "state": "in_progress"}},
    ),
    Process(
        id="network-outage-reschedule",
        version="1.0.0",
        title=Names(en="Give a shutdown another time", zh="停用改期"),
        description=Names(en="Moves a planned shutdown to another time.", zh="将计划停用改到其他时间。"),
        keywords=("network", "管网", "停用"),
        inputs={
            "number": _NUMBER,
            "starts": Input(Names(en="Start", zh="开始时间"), MOMENT),
            "ends": Input(Names(en="End", zh="结束时间"), MOMENT),
            "note": _NOTE,
        },
        outputs=RESULT,
        run=_reschedule,
        permission=Permission.EDIT,
        needs_all_rows=True,
        example={"inputs": {"number": "OUT-2026-000001", "starts": "2026-12-01T08:00:00+08:00", "ends": "2026-12-01T17:00:00+08:00"}},
    ),
    Process(
        id="network-links",
        version="1.0.0",
        title=Names(en="Service links", zh="用户接入查询"),
        description=Names(
            en="Which building or address a connection serves, and which connections serve a building or address.",
            zh="查询接入点服务的建筑与地址,或服务某建筑、地址的接入点。",
        ),
        keywords=("network", "管网", "用户"),
        inputs={
            "kind": KIND,
            "codes": Input(Names(en="Codes of parts, buildings or addresses; none = all", zh="编码"), CODES, required=False),
            "limit": Input(
                Names(en="Most links", zh="最多返回数量"),
                {"type": "integer", "minimum": 1, "maximum": 100_000, "default": 10_000},
                required=False,
            ),
        },
        outputs=RESULT,
        run=_links,
        needs_all_rows=True,
        example={"inputs": {"kind": "water", "limit": 10}},
    ),
    Process(
        id="network-link",
        version="1.0.0",
        title=Names(en="Make service links", zh="建立用户接入关系"),
        description=Names(
            en="Links connections to what their source names, else to the nearest building; or makes or removes one link by hand.",
            zh="按来源数据或最近建筑建立接入关系,也可手工增加或删除一条。",
        ),
        keywords=("network", "管网", "用户"),
        inputs={
            "kind": KIND,
            "code": Input(CODE.title, POINT, required=False),
            "serves": Input(Names(en="Building or address", zh="建筑或地址编码"), POINT, required=False),
            "remove": Input(Names(en="Remove the link", zh="删除"), {"type": "boolean", "default": False}, required=False),
            "within_m": Input(
                Names(en="Greatest distance to a footprint [m]", zh="到建筑轮廓的最大距离(米)"),
                {"type": "number", "minimum": 0, "maximum": 1000, "default": network_links.NEAREST_WITHIN_M},
                required=False,
            ),
        },
        outputs=RESULT,
        run=_link,
        permission=Permission.EDIT,
        needs_all_rows=True,
        example={"inputs": {"kind": "water"}},
    ),
)
