"""Synthetic building attributes that fit the footprint: use, height, storeys, structure, year, areas."""

import random
from dataclasses import dataclass
from typing import Final

from sample_city.area import seeded
from sample_city.sources import Building

WORDS: Final = (
    ("residential", ("宿舍", "公寓", "花园", "单身楼", "雅苑", "瀚景苑")),
    ("hotel", ("酒店",)),
    ("transport", ("地铁站",)),
    ("culture", ("图书馆", "活动中心")),
    ("commercial", ("食堂", "餐厅", "饮食", "商店", "复印", "联通", "报刊亭", "国际广场", "烟草", "水果", "服务")),
    ("industrial", ("印刷厂",)),
    ("office", ("大廈", "大厦", "银座", "信息港", "孵化器", "唯希", "武汉工程大学")),
    ("education", ("楼", "学院", "实验室", "用房")),
)
"""Use by words of the name; the first line that fits decides."""

KINDS: Final = {
    "mall": "commercial", "retail": "commercial", "commercial": "office", "hotel": "hotel", "train_station": "transport",
    "industrial": "industrial", "dormitory": "residential", "apartments": "residential", "residential": "residential",
    "house": "residential", "university": "education", "school": "education", "hospital": "medical",
}  # fmt: skip
STOREY_M: Final = {
    "residential": 3.0, "hotel": 3.4, "transport": 6.0, "commercial": 4.8, "industrial": 5.5, "storage": 6.0, "culture": 4.2,
    "sports": 6.0, "education": 3.8, "office": 3.7,
}  # fmt: skip
SURVEY_YEAR: Final = 2026


@dataclass(frozen=True)
class Facts:
    """Attributes of one building; `synthetic` names the fields that OSM does not have."""

    use: str
    height_m: float
    storeys_above: int
    storeys_below: int
    year: int
    structure: str
    floor_area_m2: float
    under_construction: bool
    synthetic: tuple[str, ...]


def build_facts(building: Building) -> Facts:
    """Return the facts of one building, the same in every run."""
    source = seeded("census", building.osm_id)
    area = building.plan.area
    use = _use(building, source)
    unit = STOREY_M.get(use, 3.6)
    if building.height_m:
        storeys = max(1, round(building.height_m / unit))
        height = building.height_m
    else:
        storeys = _storeys(use, area, source)
        height = round(storeys * unit + source.uniform(0.2, 0.9), 1)
    year = source.randint(1984, 2019) if storeys <= 7 else source.randint(1996, 2023)
    building_site = source.random() < 0.015
    below = 0 if area < 500 or storeys < 6 else source.choice((0, 1, 1, 2) if storeys >= 12 else (0, 0, 1))
    gross = area * storeys * source.uniform(0.78, 0.95) + area * below * 0.85
    return Facts(
        use=use,
        height_m=height,
        storeys_above=storeys,
        storeys_below=below,
        year=SURVEY_YEAR if building_site else year,
        structure=_structure(use, storeys, year, area, source),
        floor_area_m2=round(gross, 2),
        under_construction=building_site,
        synthetic=_missing(building),
    )


def _missing(building: Building) -> tuple[str, ...]:
    """Return the census fields that are made up: all but what OSM has."""
    known = {"jzmc": building.name, "gd": building.height_m}
    made = ("fwlb", "cs", "dscs", "dxcs", "dcmj", "build_time", "jglxQg", "jzytQg", "jzfsQg", "aqjdjl", "fwbh")
    return (*(name for name, value in known.items() if not value and name == "gd"), *made)


def _use(building: Building, source: random.Random) -> str:
    for use, words in WORDS:
        if any(word in building.name for word in words):
            return use
    if building.kind in KINDS:
        return KINDS[building.kind]
    if building.landuse in ("retail", "commercial"):
        return source.choice(("commercial", "commercial", "office", "mixed"))
    if building.landuse == "industrial":
        return source.choice(("industrial", "storage"))
    area = building.plan.area
    if area < 60:
        return source.choice(("infrastructure", "commercial", "other"))
    if area > 3000:
        return source.choice(("commercial", "education", "office", "sports", "mixed"))
    return source.choice(("residential",) * 6 + ("office", "education", "commercial", "medical"))


def _storeys(use: str, area: float, source: random.Random) -> int:
    if area < 100:
        return source.randint(1, 2)
    if use in ("industrial", "storage", "sports"):
        return source.randint(1, 3)
    if use == "transport":
        return 2
    if use == "residential":
        return source.choice((5, 6, 6, 6, 7, 7, 11, 18, 26, 32)) if area > 300 else source.randint(3, 7)
    if use == "education":
        return source.randint(3, 7)
    return source.randint(2, 6) if area < 1500 else source.randint(4, 18)


def _structure(use: str, storeys: int, year: int, area: float, source: random.Random) -> str:
    if use in ("industrial", "storage", "sports") and storeys <= 3:
        return source.choice(("STL", "STL", "RC"))
    if storeys >= 28:
        return source.choice(("RC", "RC", "SRC"))
    if storeys <= 6 and year < 2003 and area < 2500:
        return source.choice(("MAS", "MAS", "MAS", "RC"))
    return "RC"
