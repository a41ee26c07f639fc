"""A made-up regulatory plan of the sample area: blocks between roads as plots, road red lines, blue lines of the water, a height zone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import shapely

from sample_city.area import sample_box, seeded, to_degrees
from sample_city.sources import Building, Road
from sample_city.writers import write_layer, write_text

WIDTHS: Final = {
    "trunk": 30.0, "primary": 25.0, "secondary": 18.0, "tertiary": 12.0, "trunk_link": 8.0, "secondary_link": 8.0, "unclassified": 8.0,
    "residential": 7.0, "service": 4.0,
}  # fmt: skip
"""Half of the distance between the red lines [m] by class of the road."""
LEAST_BLOCK_M2: Final = 4_000.0
LARGEST_BLOCK_M2: Final = 400_000.0
"""What is larger is open towards the edge of the sample area: no plot."""
BLUE_LINE_M: Final = 15.0
HEIGHT_ZONE_M: Final = 350.0
PLAN: Final = "光谷示例控制性详细规划(合成数据)"
APPROVED: Final = "2025-12-01"
NUMBER: Final = "示例〔2025〕1号"
LAND_USES: Final = {
    "residential": "R2", "commercial": "B1", "office": "B2", "education": "A3", "medical": "A5", "culture": "A2", "sports": "A4",
    "hotel": "B14", "industrial": "M1", "storage": "W1", "transport": "S4", "infrastructure": "U1", "religious": "A9",
}  # fmt: skip
FIELDS: Final[dict[str, type]] = {
    "编号": str, "管控类型": str, "名称": str, "用地代码": str, "容积率上限": np.float64, "建筑密度": np.float64, "绿地率": np.float64,
    "建筑限高": np.float64, "退界距离": np.float64, "规划名称": str, "规划状态": str, "批准日期": str, "批复文号": str,
}  # fmt: skip
PROFILE: Final = """\
# Fields of the made-up regulatory plan; shares in percent.
profile: wuhan-guanggu-planning
title: {en: 'Regulatory plan, Wuhan Optics Valley sample (generated)', zh: 武汉光谷示例控规(合成)}
natural_key: [编号]
fields:
  control:
    source: 管控类型
    required: true
    values: {地块: plot, 道路红线: road_red_line, 蓝线: blue_line, 限高区: height_limit}
  name: {source: 名称}
  land_use: {source: 用地代码}
  far_max: {source: 容积率上限}
  coverage_max: {source: 建筑密度, unit: percent}
  green_ratio_min: {source: 绿地率, unit: percent}
  height_limit_m: {source: 建筑限高, unit: m}
  setback_m: {source: 退界距离, unit: m}
  plan_name: {source: 规划名称}
  plan_status: {source: 规划状态, values: {草案: draft, 已批: approved, 废止: withdrawn}}
  approved_on: {source: 批准日期}
  approval_no: {source: 批复文号}
"""


def _polygons(shape: Any) -> list[Any]:  # noqa: ANN401 - shapely ships no types
    return [part for part in shapely.get_parts(shape) if part.geom_type == "Polygon" and part.area > 1.0]


def _row(key: str, control: str, name: str, shape: Any, **facts: object) -> dict[str, Any]:  # noqa: ANN401 - as above
    told = {"规划名称": PLAN, "规划状态": "已批", "批准日期": APPROVED, "批复文号": NUMBER}
    flat = shape if shape.geom_type == "MultiPolygon" else shapely.MultiPolygon([shape])
    return {"编号": key, "管控类型": control, "名称": name, **told, **facts, "geometry": to_degrees(flat)}


def build_plan(
    buildings: Sequence[Building], uses: dict[int, str], heights: dict[int, float], roads: Sequence[Road], water: Sequence[Any]
) -> list[dict[str, Any]]:
    """Return the zones of the plan.

    Parameters
    ----------
    uses, heights
        Use and height [m] of the buildings by OSM id, as the census has them.
    water
        Water in EPSG:4547.
    """
    area = sample_box()
    named: dict[str, list[Any]] = {}
    for road in roads:
        if road.highway in WIDTHS and not road.tunnel:
            named.setdefault(road.name or "未命名道路", []).append(shapely.buffer(road.plan, WIDTHS[road.highway], cap_style="flat"))
    lines = {name: shapely.intersection(shapely.union_all(parts), area) for name, parts in sorted(named.items())}
    rows = [
        _row(f"HX-{number:02d}", "道路红线", name, shapely.multipolygons(parts))
        for number, (name, line) in enumerate(lines.items(), 1)
        if (parts := _polygons(line))
    ]
    streets = shapely.union_all(list(lines.values()))
    lakes = shapely.intersection(shapely.buffer(shapely.union_all(list(water)), BLUE_LINE_M), area)
    rows += [_row(f"LX-{number:02d}", "蓝线", "水体蓝线", part) for number, part in enumerate(_polygons(lakes), 1)]
    blocks = sorted(_polygons(shapely.difference(area, shapely.union_all([streets, lakes]))), key=lambda part: part.bounds)
    blocks = [part for part in blocks if LEAST_BLOCK_M2 <= part.area <= LARGEST_BLOCK_M2]
    rows += [_plot(number, block, buildings, uses, heights) for number, block in enumerate(blocks, 1)]
    middle = shapely.Point(area.centroid.x, area.centroid.y)
    rows.append(_row("XG-01", "限高区", "示例景观限高区", shapely.buffer(middle, HEIGHT_ZONE_M), 建筑限高=60.0))
    return rows


def _plot(
    number: int, block: Any, buildings: Sequence[Building], uses: dict[int, str], heights: dict[int, float]  # noqa: ANN401 - as above
) -> dict[str, Any]:  # fmt: skip
    inside = [one for one in buildings if shapely.contains(block, shapely.point_on_surface(one.plan))]
    built: dict[str, float] = {}
    for one in inside:
        use = uses.get(one.osm_id, "residential")
        built[use] = built.get(use, 0.0) + one.plan.area
    use = max(built, key=lambda name: (built[name], name), default="residential")
    random = seeded("plan", number)
    tallest = max((heights.get(one.osm_id, 0.0) for one in inside), default=24.0)
    coverage = sum(built.values()) / block.area
    # Most plots allow what stands there; every fifth one is drawn tighter, so that a check has something to find.
    room = random.uniform(0.6, 0.9) if number % 5 == 0 else random.uniform(1.1, 1.5)
    return _row(
        f"DK-{number:03d}", "地块", f"地块{number:03d}", block, 用地代码=LAND_USES.get(use, "R2"),
        容积率上限=round(max(1.0, coverage * tallest / 3.5 * room), 1), 建筑密度=float(round(min(60.0, max(20.0, coverage * 100 * 1.3)))),
        绿地率=float(random.choice((25, 30, 35))), 建筑限高=float(max(12, round(tallest * room))), 退界距离=float(random.choice((3, 5))),
    )  # fmt: skip


def write_plan(folder: Path, rows: list[dict[str, Any]]) -> None:
    """Write layer and mapping profile."""
    write_layer(folder / "plan.gpkg", "zones", rows, FIELDS, geometry_type="MultiPolygon")
    write_text(folder / "profile.yaml", PROFILE)
