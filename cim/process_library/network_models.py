"""``network-simulate`` and ``network-export``: stored models through their engines, networks as files."""

import shutil
from typing import Any

from cim.access import Permission
from cim.db import network_simulation as engines
from cim.db import networks
from cim.db.network_export import FORMATS, export_network
from cim.db.network_pressure import PressureModels
from cim.errors import InvalidParameterError
from cim.exchange.epanet_new import Assumptions
from cim.hydraulics.rain import design_storm
from cim.process_library.network_support import CODES, KIND, POINT, RESULT, last_change, require_visible
from cim.processes import ASYNC, Context, File, Input, Output, Process
from cim.profile import Names

_DATASET = Input(Names(en="Dataset; default: the newest", zh="数据集"), {"type": "string", "maxLength": 200}, required=False)
_FILES = {
    "gpkg": ("gpkg", "application/geopackage+sqlite3"), "cjj61": ("zip", "application/zip"), "epanet": ("inp", "text/plain; charset=utf-8"),
    "swmm": ("inp", "text/plain; charset=utf-8"),
}  # fmt: skip

_PRESSURE = PressureModels()


def close() -> None:
    """End the engines that are kept open."""
    _PRESSURE.close()


def _simulate(context: Context, inputs: dict[str, Any]) -> dict[str, Any]:
    kind, dataset, closed = inputs["kind"], inputs.get("dataset"), inputs["closed"]
    require_visible(context, kind)
    rain, step = (
        ([], 5.0) if "storm" not in inputs else design_storm(inputs["storm"], inputs["return_period_years"], inputs["duration_min"])
    )
    with context.connection() as connection:
        form = networks.find_model(connection, kind, dataset)[2]
        if form == "swmm":
            found = engines.simulate_drainage(connection, kind, dataset, rain_mm_h=rain, step_min=step, stopped=closed)
        elif form == "pandapipes":
            found = engines.simulate_pipes(connection, kind, dataset, closed=closed)
        else:
            losses = {one["code"]: one["litres_s"] for one in inputs["bursts"]}
            found = _PRESSURE.what_if(
                connection, kind, dataset, last_change(connection, kind), closed=closed, bursts_l_s=losses,
                least_m=inputs["least_pressure_m"], values=inputs["values"],
            )  # fmt: skip
    return {"result": found}


def _assumed(inputs: dict[str, Any]) -> Assumptions | None:
    if "demand_l_d" not in inputs:
        return None
    return Assumptions(inputs["demand_l_d"], inputs["heads_m"], inputs.get("roughness"))


def _export(context: Context, inputs: dict[str, Any]) -> dict[str, Any]:
    kind, form = inputs["kind"], inputs["format"]
    require_visible(context, kind)
    if context.folder is None:
        raise InvalidParameterError("Prefer", "", "respond-async: exports are jobs")
    suffix, media_type = _FILES[form]
    name = f"{kind}.{suffix}"
    context.report(5, f"writing {name}")
    with context.connection() as connection:
        if form != "cjj61":
            report = export_network(connection, kind, inputs.get("dataset"), form, context.folder / name, assumptions=_assumed(inputs))
        else:
            tables = context.folder / "tables"
            # A job may run twice: what an earlier try left is in the way.
            shutil.rmtree(tables, ignore_errors=True)
            report = export_network(connection, kind, inputs.get("dataset"), form, tables)
            shutil.make_archive(str(context.folder / kind), "zip", tables)
            shutil.rmtree(tables)
    return {"file": File(name, media_type), "report": {**report, "written": name}}


OFFERED = (
    Process(
        id="network-simulate",
        version="1.0.0",
        title=Names(en="Simulate a network", zh="管网水力模拟"),
        description=Names(
            en="Solves a model that was ingested with lines shut, pumps failing, water lost or a storm: EPANET, SWMM or pandapipes.",
            zh="对已入库的水力模型进行关阀、停泵、爆管或设计暴雨情景模拟(EPANET、SWMM、pandapipes)。",
        ),
        keywords=("network", "管网", "水力"),
        inputs={
            "kind": KIND,
            "dataset": _DATASET,
            "closed": Input(Names(en="Lines that are shut, pumps that fail", zh="关闭的管段或停运的水泵"), CODES, required=False),
            "bursts": Input(
                Names(en="Water lost at points [l/s] (EPANET)", zh="节点漏失量(升/秒)"),
                {
                    "type": "array", "maxItems": 100, "default": [],
                    "items": {
                        "type": "object", "required": ["code", "litres_s"], "additionalProperties": False,
                        "properties": {"code": POINT, "litres_s": {"type": "number", "minimum": 0, "maximum": 100_000}},
                    },
                },
                required=False,
            ),
            "least_pressure_m": Input(
                Names(en="Pressure below which a point is short of water [m]", zh="最低服务水头(米)"),
                {"type": "number", "minimum": 0, "maximum": 1000, "default": 10}, required=False,
            ),
            "values": Input(
                Names(en="Pressures and flows of all parts, or of those that changed (EPANET)", zh="返回全部或仅变化的压力与流量"),
                {"enum": ["all", "changed"], "default": "changed"},
                required=False,
            ),
            "storm": Input(
                Names(en="A,C,b,n of the storm formula A(1+C lgP)/(t+b)^n [mm/min] (SWMM)", zh="暴雨强度公式参数 A,C,b,n"),
                {"type": "string", "maxLength": 60}, required=False,
            ),
            "return_period_years": Input(
                Names(en="Return period [years]", zh="重现期(年)"),
                {"type": "number", "minimum": 0.01, "maximum": 10_000, "default": 10}, required=False,
            ),
            "duration_min": Input(
                Names(en="Duration of the storm [min]", zh="降雨历时(分钟)"),
                {"type": "number", "minimum": 5, "maximum": 1440, "default": 120}, required=False,
            ),
        },
        outputs=RESULT,
        run=_simulate,
        # An engine takes a process and memory of its own: not for everybody.
        permission=Permission.EXPORT,
        needs_all_rows=True,
        example={"inputs": {"kind": "water", "closed": ["WA420111-L2026000001"]}},
    ),
    Process(
        id="network-export",
        version="1.0.0",
        title=Names(en="Export a network", zh="导出管网"),
        description=Names(
            en="Writes a network as GeoPackage, as CJJ 61 tables (zip), or as a model for EPANET or SWMM.",
            zh="将管网导出为 GeoPackage、CJJ 61 成果表(zip)或 EPANET、SWMM 模型。",
        ),
        keywords=("network", "管网", "导出"),
        inputs={
            "kind": KIND,
            "format": Input(Names(en="Format", zh="格式"), {"enum": list(FORMATS), "default": "gpkg"}, required=False),
            "dataset": _DATASET,
            "demand_l_d": Input(
                Names(en="Litres per customer and day, for a new EPANET model of a survey", zh="人均日用水量(升),由普查数据建模时用"),
                {"type": "number", "minimum": 0, "maximum": 1_000_000},
                required=False,
            ),
            "heads_m": Input(
                Names(en="Head of each source [m], for the same", zh="各水源水头(米)"),
                {"type": "object", "additionalProperties": {"type": "number"}, "maxProperties": 1000, "default": {}},
                required=False,
            ),
            "roughness": Input(
                Names(en="Hazen-Williams C of unknown materials, for the same", zh="未知材质的海曾-威廉系数"),
                {"type": "number", "minimum": 1, "maximum": 200},
                required=False,
            ),
        },
        outputs={
            "file": Output(Names(en="The file", zh="文件"), {"type": "string", "contentMediaType": "application/octet-stream"}),
            "report": Output(Names(en="Counts", zh="导出报告"), {"type": "object"}),
        },
        run=_export,
        permission=Permission.EXPORT,
        modes=(ASYNC,),
        needs_all_rows=True,
        example={"inputs": {"kind": "water", "format": "gpkg"}},
    ),
)  # fmt: skip
