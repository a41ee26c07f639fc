"""The rules of city models: id, severity, words. The numbers from 101 on are those of val3dity."""

# ruff: noqa: E501 - Chinese characters count double

from cim.geometry.boundary import FAULTS
from ingest.census.rules import Rule

_CHINESE = {
    "101": "环的点数不少于3个", "102": "环中无连续重复点", "104": "面不自相交且有面积", "203": "面的各点共面(0.01米)", "301": "实体至少4个面", "302": "外壳闭合",
    "303": "一条边最多被两个面共用", "307": "各面朝向一致", "405": "外壳法线朝外",
}  # fmt: skip
_ENGLISH = {
    "101": "a ring has three points or more", "102": "no point stands twice in a row", "104": "a surface does not cross itself and has an area",
    "203": "the points of a surface lie in a plane (0.01 m)", "301": "a solid has four surfaces or more", "302": "a shell is closed",
    "303": "at most two surfaces share an edge", "307": "surfaces face the same way", "405": "a shell is not turned inside out",
}  # fmt: skip
RULES: dict[str, Rule] = {
    "C01": Rule("C01", "E", "the key is unique in the file", "标识在文件中唯一"),
    "C02": Rule("C02", "W", "a geometry is made of surfaces, one of each level of detail", "几何由面构成,每个细节层次一个"),
    **{f"C{number}": Rule(f"C{number}", "W", _ENGLISH[number], _CHINESE[number]) for number in FAULTS},
}
"""A faulty geometry is kept and marked: nothing else shows the building better."""
