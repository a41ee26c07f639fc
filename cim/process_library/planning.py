"""``planning-check``: what plans say about a building."""

from typing import Any

from cim.analysis.planning import check_building, report_of
from cim.db import planning as store
from cim.db.profiles import fetch_profile
from cim.processes import Context, Input, Output, Process
from cim.profile import Names


def _run(context: Context, inputs: dict[str, Any]) -> dict[str, Any]:
    with context.connection() as connection:
        building = store.fetch_building(connection, inputs["building_code"])
        zones = store.fetch_zones_at(connection, inputs["building_code"], fetch_profile(connection).projected_crs)
    return report_of(building, check_building(building, zones))


CHECK = Process(
    id="planning-check",
    version="1.0.0",
    title=Names(en="Check a building against plans", zh="建筑规划管控核查"),
    description=Names(
        en="Height, land use, control lines, floor area ratio, coverage and setback of a building against the planning zones it stands in.",
        zh="依据建筑所在的规划管控分区,核查建筑高度、用途、控制线、容积率、建筑密度与退界。",
    ),
    keywords=("planning", "规划"),
    inputs={"building_code": Input(Names(en="Building code", zh="建筑编码"), {"type": "string", "minLength": 1, "maxLength": 80})},
    outputs={
        "building": Output(Names(en="What was checked", zh="核查对象"), {"type": "object"}),
        "verdicts": Output(Names(en="Findings by verdict", zh="各结论数量"), {"type": "object"}),
        "findings": Output(Names(en="Rule by rule", zh="逐条结果"), {"type": "array", "items": {"type": "object"}}),
    },
    run=_run,
    collections=("buildings", "planning-controls"),
    example={"inputs": {"building_code": "420111002015202600000200011"}},
)
