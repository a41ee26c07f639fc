"""Address list: real texts where there are some, synthetic door numbers for all other buildings."""

import re
from pathlib import Path
from typing import Any, Final

import shapely
from shapely.geometry.base import BaseGeometry

from sample_city.area import seeded, to_degrees
from sample_city.sources import Building, Road
from sample_city.writers import write_csv

COLUMNS: Final = ("地址编码", "原始地址", "经度", "纬度", "坐标系", "来源", "建筑编号", "synthetic")
CITY: Final = "武汉市洪山区"
REAL_NUMBER_BASE: Final = 2000
"""Synthetic door numbers start above this, so that none can be taken for a real one."""
SPELLINGS: Final = {"珞喻路": ("珞喻路", "珞瑜路"), "雄楚大道": ("雄楚大道", "雄楚大街")}
NAMED_BUILDINGS: Final = {"光谷资本大厦": 98965867, "光谷国际广场": 112934349}
"""Buildings of the layer that occur in the company sample, to OSM id (the layer spells the first 光谷資本大廈)."""
HOUSE_NUMBER_ROADS: Final = {112937195: "珞喻路"}
"""OSM gives the house number 726 of this hotel without its street; the hotel stands on 珞喻路."""
SYSTEM: Final = "EPSG:4490"


def named_roads(roads: list[Road]) -> dict[str, Any]:
    """Return the named roads of the layer (no rails, paths or tunnels), their ways joined; 珞瑜路 counts as 珞喻路."""
    ways: dict[str, list[Any]] = {}
    for road in roads:
        if road.name and road.group in ("major_road", "minor_road") and not road.tunnel:
            name = road.name.removesuffix("高架").replace("珞瑜路", "珞喻路")
            ways.setdefault(name, []).append(road.plan)
    return {name: shapely.line_merge(shapely.union_all(ways[name])) for name in sorted(ways)}


def door_addresses(buildings: list[Building], roads: dict[str, Any]) -> dict[int, tuple[str, bool]]:
    """Return for each building (OSM id) its address text and whether its number is synthetic.

    Numbers run along the road, odd on one side, even on the other, one number per 10 m of road, each used once.
    """
    names = list(roads)
    tree = shapely.STRtree([roads[name] for name in names])
    used: dict[str, set[int]] = {name: set() for name in names}
    found = {}
    for building in buildings:
        name = names[int(tree.nearest(building.plan))]
        if building.house_number:
            name = HOUSE_NUMBER_ROADS.get(building.osm_id, name)
            found[building.osm_id] = (f"{CITY}{name}{building.house_number}号{building.name}", False)
            continue
        spot = shapely.point_on_surface(building.plan)
        number = _number(roads[name], spot)
        while number in used[name]:
            number += 2
        used[name].add(number)
        found[building.osm_id] = (f"{CITY}{name}{number}号{building.name}", True)
    return found


def _number(road: BaseGeometry, spot: BaseGeometry) -> int:
    line = max(shapely.get_parts(road), key=lambda part: (-shapely.distance(part, spot), part.length))
    west, south, _, _ = road.bounds
    foot = shapely.line_interpolate_point(line, shapely.line_locate_point(line, spot))
    steps = int((foot.x - west + foot.y - south) / 10)
    side = int(spot.x - foot.x + spot.y - foot.y > 0)
    return REAL_NUMBER_BASE + 2 * steps + side + 1


def write_addresses(
    path: Path,
    buildings: list[Building],
    roads: dict[str, Any],
    doors: dict[int, tuple[str, bool]],
    companies: list[str],
    fwbh: dict[int, str],
) -> int:
    """Write the list: real ones first, then the synthetic ones; returns the number of rows."""
    rows = []
    by_id = {b.osm_id: b for b in buildings}
    for building in buildings:
        if building.name:
            text = doors[building.osm_id][0] if building.house_number else f"{CITY}{building.name}"
            rows.append(_row(text, _spot(building), "OpenStreetMap (ODbL 1.0)", fwbh[building.osm_id], 0))
    rows += _company_rows(companies, roads, by_id, fwbh)
    for building in buildings:
        text, synthetic = doors[building.osm_id]
        if synthetic:
            rows.append(_row(text, _spot(building), "合成门牌 synthetic", fwbh[building.osm_id], 1))
    for number, row in enumerate(rows, start=1):
        row["地址编码"] = f"GG-DZ-{number:05d}"
    write_csv(path, COLUMNS, rows)
    return len(rows)


def _company_rows(companies: list[str], roads: dict[str, Any], by_id: dict[int, Building], fwbh: dict[int, str]) -> list[dict[str, object]]:
    rows = []
    source = "chinese_province_city_area_mapper tests/addr.csv (MIT), 位置合成 position synthetic"
    for text in companies:
        target = next((osm_id for name, osm_id in NAMED_BUILDINGS.items() if name in text), None)
        road = next((n for n in roads if any(s in text for s in SPELLINGS.get(n, (n,)))), None)
        if target is not None:
            rows.append(_row(text, _spot(by_id[target]), source, fwbh[target], 1))
        elif road is not None and re.search(r"\d+(-\d+)?号", text):
            line = max(shapely.get_parts(roads[road]), key=lambda part: part.length)
            share = seeded("company", text).uniform(0.05, 0.95)
            rows.append(_row(text, shapely.line_interpolate_point(line, share, normalized=True), source, "", 1))
    return rows


def _spot(building: Building) -> BaseGeometry:
    return shapely.point_on_surface(building.plan)


def _row(text: str, spot: BaseGeometry, source: str, number: str, synthetic: int) -> dict[str, object]:
    lonlat = to_degrees(spot)
    return {
        "原始地址": text,
        "经度": f"{lonlat.x:.8f}",
        "纬度": f"{lonlat.y:.8f}",
        "坐标系": SYSTEM,
        "来源": source,
        "建筑编号": number,
        "synthetic": synthetic,
    }
