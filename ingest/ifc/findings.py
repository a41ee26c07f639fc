"""What is wrong with a model, from its semantics alone: one finding per rule, in English and Chinese, with the objects it is about."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["error", "warning", "info"]
_GLOBAL_ID = re.compile(r"[0-3][0-9A-Za-z_$]{21}")
_SHOWN = 20
_UNIT_NAMES = {
    1.0: ("metres", "米"),
    0.001: ("millimetres", "毫米"),
    0.01: ("centimetres", "厘米"),
    0.3048: ("feet", "英尺"),
    0.0254: ("inches", "英寸"),
}


@dataclass(frozen=True)
class Finding:
    """One result of a check.

    Parameters
    ----------
    rule
        Stable name.
    severity
        An error makes the check fail.
    en, zh
        What was found.
    count
        Objects concerned.
    objects
        GlobalIds of the first of them.
    hint_en, hint_zh
        What to do.
    """

    rule: str
    severity: Severity
    en: str
    zh: str
    count: int = 0
    objects: tuple[str, ...] = ()
    hint_en: str = ""
    hint_zh: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the finding for JSON."""
        return {**asdict(self), "objects": list(self.objects)}


def _about(rule: str, severity: Severity, ids: Iterable[str], en: str, zh: str, hint_en: str = "", hint_zh: str = "") -> list[Finding]:
    """Return one finding about objects, none where there are no objects; ``{n}`` in the texts is their number."""
    found = list(ids)
    if not found:
        return []
    n = len(found)
    return [Finding(rule, severity, en.format(n=n), zh.format(n=n), n, tuple(found[:_SHOWN]), hint_en, hint_zh)]


def check_document(document: dict[str, Any]) -> list[Finding]:
    """Check everything but the place.

    Parameters
    ----------
    document
        Result of `ingest.ifc.sandbox.read_semantics`.
    """
    return [*_units(document), *_identity(document), *_structure(document), *_storeys(document), *_elements(document)]


def _units(document: dict[str, Any]) -> list[Finding]:
    unit = document["unit_m"]
    if unit is None:
        return [
            Finding(
                "unit.length_missing", "error", "IfcUnitAssignment has no LENGTHUNIT, expected one",
                "IfcUnitAssignment 缺少长度单位 LENGTHUNIT",
                hint_en="set the length unit and export again", hint_zh="在建模软件中设置长度单位后重新导出",
            )
        ]  # fmt: skip
    english, chinese = next(
        (names for value, names in _UNIT_NAMES.items() if abs(unit - value) < 1e-9), (f"units of {unit:g} m", f"{unit:g} 米")
    )
    return [Finding("unit.length", "info", f"lengths in {english}", f"长度单位:{chinese}")]


def _identity(document: dict[str, Any]) -> list[Finding]:
    parts = [part["global_id"] or "" for name in ("elements", "spaces", "storeys", "nodes") for part in document[name]]
    twice = [guid for guid, n in Counter(parts).items() if n > 1]
    odd = [guid for guid in dict.fromkeys(parts) if not _GLOBAL_ID.fullmatch(guid)]
    return [
        *_about(
            "global_id.duplicate", "error", twice, "{n} GlobalIds occur more than once", "{n} 个 GlobalId 重复",
            "give every object its own GlobalId (in Revit: do not copy models at file level) and export again",
            "为每个对象生成唯一 GlobalId 后重新导出",
        ),
        *_about(
            "global_id.malformed", "warning", odd, "{n} GlobalIds are not 22 characters of the IFC alphabet",
            "{n} 个 GlobalId 不符合 22 位 IFC 编码",
            "have the authoring tool write GlobalIds", "由建模软件生成 GlobalId",
        ),
    ]  # fmt: skip


def _structure(document: dict[str, Any]) -> list[Finding]:
    nodes = document["nodes"]
    kinds = Counter(node["kind"] for node in nodes)
    found: list[Finding] = []
    if document["n_products"] == 0:
        found.append(
            Finding(
                "products.none", "error", "holds no products (elements, spaces, storeys)", "文件中没有任何产品(构件、空间、楼层)",
                hint_en="check the export filter", hint_zh="检查导出过滤设置",
            )
        )  # fmt: skip
        return found
    if kinds["project"] != 1:
        found.append(
            Finding(
                "spatial.project",
                "error",
                f"found {kinds['project']} IfcProject, expected one",
                f"IfcProject 数量为 {kinds['project']},应为 1",
            )
        )
    if not kinds["building"] + kinds["facility"] + kinds["alignment"]:
        found.append(
            Finding(
                "spatial.building", "warning", "no IfcBuilding and no facility (bridge, road, railway)",
                "没有 IfcBuilding 或设施(桥、路、铁路)",
                hint_en="put the elements into a building or facility", hint_zh="将构件归入建筑或设施",
            )
        )  # fmt: skip
    loose = [node["global_id"] for node in nodes if node["kind"] in ("site", "building", "facility") and node["parent"] is None]
    found += _about(
        "spatial.loose", "warning", loose, "{n} sites, buildings or facilities are part of nothing", "{n} 个场地、建筑或设施未挂接到上级",
        "relate them by IfcRelAggregates", "用 IfcRelAggregates 建立层级",
    )  # fmt: skip
    unnamed = [node["global_id"] for node in nodes if node["kind"] in ("building", "facility") and not (node["name"] or node["long_name"])]
    found += _about("spatial.unnamed", "info", unnamed, "{n} buildings or facilities have no name", "{n} 个建筑或设施没有名称")
    return found


def _storeys(document: dict[str, Any]) -> list[Finding]:
    storeys, kinds = document["storeys"], {node["kind"] for node in document["nodes"]}
    found: list[Finding] = []
    if not storeys and "building" in kinds:
        found.append(
            Finding(
                "storeys.none", "warning", "no storeys", "没有楼层", hint_en="model storeys (levels) and export them",
                hint_zh="建立楼层(标高)并导出"
            )
        )  # fmt: skip
    if not document["spaces"] and "building" in kinds:
        found.append(
            Finding(
                "spaces.none", "warning", "no spaces (rooms): units of dwelling cannot be proposed", "没有空间(房间),无法推荐户室",
                hint_en="place rooms and export them as IfcSpace", hint_zh="布置房间并导出为 IfcSpace",
            )
        )  # fmt: skip
    flat = [s["global_id"] for s in storeys if s["class"] == "IfcBuildingStorey" and s["elevation_source"] != "attribute"]
    found += _about(
        "storeys.elevation", "warning", flat, "{n} storeys have no Elevation; taken from their placement",
        "{n} 个楼层没有标高,取自其放置位置",
        "set the elevation of the levels", "设置楼层标高",
    )  # fmt: skip
    unnamed = [s["global_id"] for s in storeys if not s["name"]]
    found += _about("storeys.unnamed", "warning", unnamed, "{n} storeys have no name", "{n} 个楼层没有名称")
    loose = [s["global_id"] for s in document["spaces"] if s["storey"] is None]
    found += _about(
        "spaces.no_storey", "warning", loose, "{n} spaces belong to no storey", "{n} 个空间不属于任何楼层",
        "put the rooms on their level", "将房间归入楼层"
    )  # fmt: skip
    return found


def _elements(document: dict[str, Any]) -> list[Finding]:
    elements = document["elements"]
    found: list[Finding] = []
    if document["storeys"]:
        loose = [e["global_id"] for e in elements if e["storey"] is None]
        found += _about(
            "elements.no_storey", "warning", loose, f"{{n}} of {len(elements)} elements are on no storey",
            f"{len(elements)} 个构件中有 {{n}} 个不属于任何楼层",
            "assign them to their level", "将构件归入楼层",
        )  # fmt: skip
    wholes = {e["host"] for e in elements if e["host"]}
    shapeless = [e["global_id"] for e in elements if not e["has_shape"] and e["global_id"] not in wholes]
    found += _about(
        "elements.no_geometry", "warning", shapeless, "{n} elements have no geometry", "{n} 个构件没有几何", "export the 3D bodies",
        "导出三维实体",
    )  # fmt: skip
    proxies = [e["global_id"] for e in elements if e["class"] == "IfcBuildingElementProxy"]
    if elements and len(proxies) * 2 > len(elements):
        found += _about(
            "elements.proxies", "warning", proxies, f"{{n}} of {len(elements)} elements are IfcBuildingElementProxy, of no class",
            f"{len(elements)} 个构件中有 {{n}} 个为无类别的 IfcBuildingElementProxy", "map categories to IFC classes in the export",
            "在导出设置中映射 IFC 类别",
        )  # fmt: skip
    others = document["other_products"]
    if others:
        words = ", ".join(f"{name} × {n}" for name, n in sorted(others.items(), key=lambda item: -item[1]))
        found.append(Finding("products.other", "info", f"not loaded as elements: {words}", f"不作为构件入库:{words}", sum(others.values())))
    return found
