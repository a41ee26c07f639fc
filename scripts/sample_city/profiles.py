"""Declared mapping profiles (YAML) of the sample: city, census, networks."""

from pathlib import Path
from typing import Any, Final

import yaml

from sample_city import census
from sample_city.survey import LINE_COLUMNS, POINT_COLUMNS
from sample_city.writers import write_text


def _dump(path: Path, document: dict[str, Any], head: str) -> None:
    text = yaml.safe_dump(document, allow_unicode=True, sort_keys=False, width=110, default_flow_style=None)
    write_text(path, head + text)


CITY: Final = """\
# City profile of the sample. All codes are real, see README.md.
name:
  en: Wuhan Optics Valley sample district
  zh: 武汉光谷示例片区
level: city
division_codes: ["420111"]  # Hongshan District; the sample area lies inside it
projected_crs: EPSG:4547
store_crs: EPSG:4490
vertical_datum: EPSG:5737
# Ellipsoidal minus normal height. An approximate constant (EGM96 near 30.5N 114.4E), for demonstration only:
# a real city uses the separation of its own height network, or names its grid: geoid_grid: geoid.tif
geoid_separation_m: -13.0
code_schemes:
  building: CIM-BC27-v1
languages: [en, zh]
notices:
  - en: Footprints and roads © OpenStreetMap contributors, ODbL 1.0.
    zh: 建筑轮廓和道路 © OpenStreetMap 贡献者，ODbL 1.0。
  - en: >-
      Synthetic: pipe and cable networks, terrain, division boundaries, regulatory plan, census attributes, door numbers.
      The BIM models are moved here for demonstration; these buildings do not stand here.
    zh: 合成数据：管线、地形、区划边界、控制性详细规划、普查属性、门牌号。BIM 模型仅为演示而移至此处，实际并不位于此处。
"""


def write_city_profile(out: Path) -> None:
    """Write ``city.yaml``."""
    write_text(out / "city.yaml", CITY)


def _enum(source: str, codes: dict[str, str], **more: object) -> dict[str, Any]:
    return {"source": source, "type": "enum", **more, "values": {code: value for value, code in codes.items()}}


def write_census_profile(out: Path) -> None:
    """Write the mapping of census fields to register fields."""
    fields: dict[str, Any] = {
        "name": {"source": "jzmc", "type": "text"},
        "address": {"source": "address", "type": "text"},
        "division_code": {"source": "village", "type": "text"},
        "class_code": _enum("fwlb", census.CLASS_CODES, required=True),
        "height_m": {"source": "gd", "type": "number", "unit": "m", "required": True},
        "storeys_above": {"source": "dscs", "fallback": "cs", "type": "integer", "required": True},
        "storeys_below": {"source": "dxcs", "type": "integer"},
        "use": _enum("jzytQg", census.USE_CODES, required=True),
        "structure": _enum("jglxQg", census.STRUCTURE_CODES, required=True),
        "year_built": {"source": "build_time", "type": "integer"},
        "era": {"source": "jzndQg", "type": "enum", "values": {k: list(v) for k, v in census.ERA_YEARS.items()}},
        "floor_area_m2": {"source": "dcmj", "type": "number", "unit": "m2"},
        "safety_grade": _enum("aqjdjl", census.GRADE_CODES),
        "status": _enum("bxdcyy", census.STATUS_CODES),
        "remark": {"source": "bz", "type": "text"},
    }
    document = {
        "profile": "wuhan-guanggu-census-2026",
        "title": {"en": "Building census, Wuhan Optics Valley sample", "zh": "武汉光谷示例房屋普查"},
        "natural_key": ["district", "fwbh"],
        "crs": "from-file",
        "fields": fields,
        "keep": [
            "bh", "town", "village", "house_type", "xcdcqk", "fwlx", "jzfsQg", "sfkzjg", "jgsj", "sfszcg", "gzsj", "ywlfbxqx",
            "sfjgaqjd", "aqjdnf", "jdsfaq", "sfzxgkj", "gkjsj", "dcsj", "status", "osm_id",
        ],
        "drop_personal": ["hzxm", "sfz", "lxdh"],
    }  # fmt: skip
    head = "# Census fields -> register fields. `status` of the layer is the state of the survey (2 = done), kept as it is;\n"
    head += "# the state of the building comes from bxdcyy (0 none, 1 demolished, 2 under construction, 3 planned).\n"
    _dump(out / "profile.yaml", document, head)


FEATURES: Final = {
    "三通": "TEE", "四通": "CROSS", "多通": "N_WAY", "弯头": "BEND", "变径": "REDUCER", "直线点": "STRAIGHT",
    "起始点": "START", "终止点": "END",
    "入户": "HOUSE_IN", "户出": "HOUSE_OUT", "进水口": "INLET", "出水口": "OUTLET",
}  # fmt: skip
APPENDAGES: Final = {
    "阀门": "VALVE", "阀门井": "VALVE_WELL", "水表井": "METER_WELL", "消火栓": "HYDRANT", "水源井": "SOURCE_WELL",
    "检查井": "MANHOLE", "雨水篦": "GULLY", "泵站": "PUMP", "调压站": "REG_STATION", "调压箱": "REG_BOX", "人孔": "MANHOLE",
    "手孔": "HANDHOLE", "变压器": "TRANSFORMER", "变电站": "SUBSTATION", "路灯": "LAMP", "控制柜": "CABINET",
}  # fmt: skip
MATERIALS: Final = {"球墨铸铁": "DCI", "钢": "STL", "PE": "PE", "HDPE": "HDPE", "混凝土": "RC", "铜": "COPPER"}
EMBEDDING: Final = {"直埋": "DIRECT", "管埋": "SLEEVE", "管块": "DUCT_BLOCK"}
KINDS: Final = {
    "JS": ("water", "crown"), "YS": ("rainwater", "invert"), "WS": ("sewage", "invert"), "RQ": ("gas", "crown"),
    "GD": ("power", "crown"), "LD": ("lighting", "crown"),
}  # fmt: skip


def write_network_profile(out: Path) -> None:
    """Write the mapping of the pipeline survey tables."""
    document = {
        "profile": "wuhan-guanggu-networks-2026",
        "title": {"en": "Pipeline survey, Wuhan Optics Valley sample", "zh": "武汉光谷示例管线普查"},
        "standard": "CJJ 61",
        "crs": "EPSG:4547",
        "axis": "northing-easting",
        "vertical_datum": "EPSG:5737",
        "encoding": "UTF-8",
        "county_code": "420111",
        "kinds": {
            code: {"kind": kind, "points": f"{code}POINT.csv", "lines": f"{code}LINE.csv", "depth_reference": reference}
            for code, (kind, reference) in KINDS.items()
        },
        "points": {
            "columns": list(POINT_COLUMNS),
            "key": "EXP_NO",
            "northing": "X",
            "easting": "Y",
            "ground_elevation_m": {"source": "HIGH", "unit": "m"},
            "well_depth_m": {"source": "WELLDEEP", "unit": "m"},
            "feature": {"source": "FEATURE", "values": FEATURES},
            "appendage": {"source": "SUBSID", "values": APPENDAGES},
            "owner": "BELONG",
            "installed_on": "MDATE",
            "remark": "NOTE",
        },
        "lines": {
            "columns": list(LINE_COLUMNS),
            "key": "LNO",
            "start": "S_EXP",
            "end": "E_EXP",
            "start_depth_m": {"source": "S_DEEP", "unit": "m"},
            "end_depth_m": {"source": "E_DEEP", "unit": "m"},
            "start_elevation_m": {"source": "S_HIGH", "unit": "m"},
            "end_elevation_m": {"source": "E_HIGH", "unit": "m"},
            "size": {"source": "PSIZE", "unit": "mm", "forms": ["DN<diameter>", "<width>X<height>"]},
            "material": {"source": "MATERIAL", "values": MATERIALS},
            "embedding": {"source": "EMBED", "values": EMBEDDING},
            "flow_direction": {"source": "FLOWDIR", "values": {"+": "start-to-end", "-": "end-to-start", "": "none"}},
            "pressure": {"source": "PRESSURE", "unit": "MPa", "form": "<number>MPa"},
            "voltage": {"source": "VOLTAGE", "unit": "kV", "form": "<number>kV"},
            "cable_count": "CABNUM",
            "use_state": {"source": "USTATUS", "values": {"在用": "in_use"}},
            "owner": "BELONG",
            "installed_on": "MDATE",
            "remark": "NOTE",
        },
    }
    head = "# CJJ 61 survey tables -> network model. X is the northing, Y the easting (survey order).\n"
    head += "# S_HIGH/E_HIGH are elevations of the pipe (crown or invert, by kind); HIGH is the ground.\n"
    _dump(out / "profile.yaml", document, head)
