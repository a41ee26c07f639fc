"""Values of code segments in words."""

# ruff: noqa: E501 - Chinese characters count double

from cim.codes.building import ORIGINS
from cim.codes.scheme import CodeScheme

_OWNERSHIP = {"G": ("state-owned", "国有"), "J": ("collective", "集体"), "Z": ("ownership undetermined", "权属未确定")}
_PARCEL = {
    "A": ("collective land ownership", "集体土地所有权"), "B": ("construction land, surface", "建设用地使用权(地表)"),
    "S": ("construction land, above the surface", "建设用地使用权(地上)"), "X": ("construction land, below the surface", "建设用地使用权(地下)"),
    "C": ("homestead", "宅基地使用权"), "D": ("contracted arable land", "土地承包经营权(耕地)"), "E": ("forest land", "林地使用权"),
    "F": ("grassland", "草原使用权"), "H": ("sea area", "海域使用权"), "G": ("uninhabited island", "无居民海岛使用权"),
    "W": ("undetermined or disputed", "未确定或有争议"), "Y": ("other", "其他"),
}  # fmt: skip
_FIXTURE = {"F": ("building", "房屋等建筑物"), "L": ("forest", "森林或林木"), "Q": ("other", "其他"), "W": ("none", "无定着物")}
_COMPONENT = {
    "01": ("public utilities", "公用设施"), "02": ("roads and traffic", "道路交通"), "03": ("sanitation", "市容环境"),
    "04": ("landscaping", "园林绿化"), "05": ("other", "其他"),
}  # fmt: skip


def meaning(scheme: CodeScheme, segment: str, value: str) -> tuple[str, str]:
    """Return what the value of a segment means, English and Chinese; empty texts where it is a mere number.

    Notes
    -----
    Sources: the project's own layout for buildings and units; GB/T 37346-2019 for parcels; GB/T 30428.2 for component classes.
    """
    if segment == "origin":
        return ORIGINS.get(value, ("", ""))
    if segment == "sub" and value.isdigit():
        number = int(value)
        return ("whole building", "整栋") if number == 0 else ("detached basement", "独立地下室") if number >= 90 else ("part", "分部")
    if segment == "floor" and value.isdigit():
        number = int(value)
        return (f"basement {number - 900}", f"地下 {number - 900} 层") if number > 900 else (f"floor {number}", f"{number} 层")
    if segment == "unit":
        return (
            ("no staircase", "无单元")
            if value == "00"
            else (f"staircase {int(value)}", f"{int(value)} 单元")
            if value.isdigit()
            else ("", "")
        )
    if segment == "hu_seq":
        return ("the building itself", "幢") if value == "00000" else ("suite", "户")
    if segment == "parcel_type" and len(value) == 2:
        owner, kind = _OWNERSHIP.get(value[0], ("", "")), _PARCEL.get(value[1], ("", ""))
        return f"{owner[0]}, {kind[0]}".strip(", "), f"{owner[1]},{kind[1]}".strip(",")
    if segment == "fixture_type":
        return _FIXTURE.get(value, ("", ""))
    return _COMPONENT.get(value, ("", "")) if segment == "big_class" and scheme.id == "CN-MC16" else ("", "")


def division_part(scheme: CodeScheme, code: str) -> str:
    """Return the division code that a code begins with, as long as the scheme has one; empty where it has none."""
    length = {"CIM-BC27-v1": 12, "CIM-BC27-v1-unit": 12, "CN-DIV12": 12, "JGJT246-23": 9, "CN-REU28": 6, "CN-MC16": 6, "SZ-25": 6}.get(
        scheme.id, 0
    )
    return code[:length] if code[:length].isdigit() else ""
