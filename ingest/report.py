"""The report of an ingest run: HTML for people, JSON for programs, refused and warned records as GeoPackages to mend and look at."""

# ruff: noqa: E501 - Chinese characters count double

import json
import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyogrio
import shapely
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray

from cim.clock import utc_now
from cim.db.datasets import Reject
from ingest.pipeline import Outcome
from ingest.report_map import HEIGHT, WIDTH, ReportedFeatures, draw_map
from ingest.rule_texts import RULES, rule_text

_SHOWN = 500
_LISTED = 10_000
WORDS = {
    "en": {
        "title": "Ingest report", "read": "read", "accepted": "accepted", "unchanged": "unchanged", "rejected": "rejected",
        "rule": "rule", "severity": "severity", "demands": "what it demands", "refused": "records refused", "warned": "warnings",
        "place": "place", "message": "message", "rejects": "Refused records", "first": "the first {n} of {total}; all are in report.json",
        "none": "No record was refused.", "mend": "Mend the records in rejects.gpkg and load the file with the same profile.",
        "source": "source", "dataset": "dataset", "loaded": "made", "map": "Where the records are", "facts": "Facts", "rules": "Rules",
        "metres": "m", "warnings": "Records with warnings", "warned_first": "the first {n} of {total}; all are in warnings.gpkg", "nobody": "No record has a warning.",
        "legend": "filled: refused, ring: warning",
    },
    "zh": {
        "title": "入库报告", "read": "读取", "accepted": "入库", "unchanged": "未变", "rejected": "拒绝", "rule": "规则", "severity": "级别",
        "demands": "规则要求", "refused": "拒绝记录数", "warned": "警告数", "place": "位置", "message": "原因", "rejects": "被拒绝的记录",
        "first": "显示前 {n} 条,共 {total} 条;完整清单见 report.json", "none": "没有被拒绝的记录。",
        "mend": "在 rejects.gpkg 中修改记录后,用同一映射方案重新入库。", "source": "来源", "dataset": "数据集", "loaded": "生成时间",
        "map": "记录位置", "facts": "统计", "rules": "规则", "metres": "米", "warnings": "有警告的记录", "warned_first": "显示前 {n} 条,共 {total} 条;完整清单见 warnings.gpkg", "nobody": "没有警告。",
        "legend": "实心:拒绝;圆环:警告",
    },
}  # fmt: skip

FACTS = {
    "new": ("new buildings, coded", "新建并赋码"), "changed": ("buildings with a new version", "更新"),
    "matched": ("recognised under a new key", "重新识别的建筑"), "review": ("waiting for review", "待人工核查"),
    "conflicts": ("values refused for lack of authority", "因来源优先级被拒的值"),
    "missing_from_source": ("no longer in the source, kept", "来源中已不存在、仍保留"), "profile": ("mapping profile", "映射方案"),
    "personal_dropped": ("personal data dropped", "已剔除的个人信息"), "personal_encrypted": ("personal data kept encrypted", "加密保存的个人信息"),
    "kind_of_network": ("kind of network", "管线种类"), "points": ("points", "管点数"), "lines": ("lines", "管段数"),
    "component_codes_issued": ("component codes issued", "新赋部件编码"), "vertical_datum": ("vertical datum", "高程基准"),
    "links_named": ("service links the source names", "来源注明的用户接入"), "links_nearest": ("service links to the nearest building", "按最近建筑建立的用户接入"),
    "links_unknown": ("codes of buildings and addresses that are unknown", "未找到的建筑或地址编码"), "links_unserved": ("connections without a building near", "附近无建筑的接入点"),
    "links_removed": ("earlier links replaced", "被替换的原有接入"), "georeference": ("georeference", "坐标配准"),
    "repaired_outlines": ("outlines repaired", "修复的轮廓"), "outlines_without_record": ("outlines without a record", "无属性记录的轮廓"),
    "format": ("format", "格式"), "objects_by_type": ("objects by class", "各类对象数"), "buildings": ("buildings", "建筑数"),
    "matched_buildings": ("buildings found in the register", "与登记建筑匹配数"), "geometries": ("geometries", "几何数"),
    "invalid_geometries": ("geometries with a fault", "有缺陷的几何数"), "left_out": ("geometries left out", "未入库的几何"),
    "faults": ("geometries by fault", "各缺陷的几何数"), "faulty": ("where (the first 200)", "缺陷位置(前200条)"),
    "zones_by_control": ("zones by kind of control", "各类管控分区数"), "retired": ("no longer in the source, retired", "来源中已不存在、已注销"),
}  # fmt: skip


def write_report(
    folder: Path, outcome: Outcome, rejects: Sequence[Reject], features: ReportedFeatures | None, warned: ReportedFeatures | None = None,
    *, boundaries: NDArray[Any] | None = None, language: str,
) -> list[Path]:  # fmt: skip
    """Write report.json, report.html and, where there are such records, rejects.gpkg and warnings.gpkg; each whole or not at all.

    Parameters
    ----------
    folder
        Made where it is missing; files of an earlier report are replaced.
    outcome
        Counts and report of the run.
    rejects
        Refused records.
    features
        The same as features, None where there are none.
    warned
        Accepted records with a warning, None where there are none.
    boundaries
        Divisions drawn under the map, EPSG:4490 lon/lat [deg], shape (n,).
    language
        en or zh.

    Returns
    -------
    list of Path
        Files written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    document = _document(outcome, rejects, warned)
    written = [_put(folder / "report.json", json.dumps(document, ensure_ascii=False, indent=1, default=str).encode())]
    page = _page(document, draw_map(features, warned, boundaries), language)
    written.append(_put(folder / "report.html", page.encode()))
    for layer, records in (("rejects", features), ("warnings", warned)):
        package = folder / f"{layer}.gpkg"
        if records is not None:
            written.append(_write_package(package, layer, records))
        else:
            package.unlink(missing_ok=True)
    return written


def _put(path: Path, content: bytes) -> Path:
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as part:
        part.write(content)
        part.flush()
        os.fsync(part.fileno())
    Path(part.name).chmod(0o644)
    return Path(part.name).replace(path)


def _document(outcome: Outcome, rejects: Sequence[Reject], warned: ReportedFeatures | None) -> dict[str, Any]:
    refused = Counter(reject.rule for reject in rejects)
    # Warnings may be named by the id of their rule with words after it.
    by_rule: Counter[str] = Counter()
    for rule, n in outcome.report.get("warnings_by_rule", {}).items():
        by_rule[rule.partition(" ")[0] if rule.partition(" ")[0] in RULES else rule] += n
    places = [] if warned is None else list(zip(warned.places, warned.rules, strict=True))
    rules = [
        {
            "rule": rule, "severity": RULES[rule].severity if rule in RULES else "E", "en": rule_text(rule, "en"),
            "zh": rule_text(rule, "zh"), "refused": refused.get(rule, 0), "warnings": by_rule.get(rule, 0),
        }
        for rule in sorted({*refused, *by_rule})
    ]  # fmt: skip
    facts = {name: value for name, value in outcome.report.items() if name not in ("rejected_by_rule", "warnings_by_rule")}
    return {
        "kind": outcome.info.kind, "dataset": outcome.info.name, "source": outcome.info.source, "sha256": outcome.info.sha256,
        "made_at": utc_now().isoformat(timespec="seconds"), "counts": vars(outcome.counts), "facts": facts, "rules": rules,
        "rejects": [vars(reject) for reject in rejects], "warned_records": len(places),
        "warnings": [{"place": place, "rules": told.split(", ")} for place, told in places[:_LISTED]],
    }  # fmt: skip


def _page(document: dict[str, Any], drawn: dict[str, Any] | None, language: str) -> str:
    environment = Environment(loader=PackageLoader("ingest"), autoescape=True, undefined=StrictUndefined)
    words = WORDS[language]
    return environment.get_template("report.html.j2").render(
        language=language, other="zh" if language == "en" else "en", words=words, report=document,
        facts=_facts(document["facts"], language), shown=document["rejects"][:_SHOWN],
        first=words["first"].format(n=min(_SHOWN, len(document["rejects"])), total=len(document["rejects"])),
        warned=document["warnings"][:_SHOWN], map=drawn, width=WIDTH, height=HEIGHT,
        warned_first=words["warned_first"].format(n=min(_SHOWN, document["warned_records"]), total=document["warned_records"]),
    )  # fmt: skip


def _facts(facts: dict[str, Any], language: str) -> list[tuple[str, str]]:
    """Return titles and values for people, in the order of `FACTS`."""
    order = [*(name for name in FACTS if name in facts), *(name for name in facts if name not in FACTS)]
    titles = {name: titles[language == "zh"] for name, titles in FACTS.items()}
    return [
        (
            titles.get(name, name),
            _fact(facts[name]),
        )
        for name in order
    ]


def _fact(value: Any) -> str:  # noqa: ANN401 - any value of JSON
    if isinstance(value, dict):
        return ", ".join(f"{k} × {v}" for k, v in value.items())
    if isinstance(value, list):
        return "; ".join(" ".join(str(v) for v in one.values()) if isinstance(one, dict) else str(one) for one in value)
    return str(value)


def _write_package(path: Path, layer: str, features: ReportedFeatures) -> Path:
    why = {"_rule": features.rules, "_message": features.messages, "_message_zh": features.messages_zh, "_place": features.places}
    table = features.columns
    for name, values in why.items():
        table = table.append_column(name, pa.array(values, pa.string()))
    table = table.append_column("geometry", features.wkb)
    kinds = _kinds(features.wkb)
    kind = features.geometry_type if features.geometry_type not in ("Unknown", "") and "/" not in features.geometry_type else "Unknown"
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        part = Path(scratch) / path.name
        pyogrio.write_arrow(
            table, part, layer=layer, driver="GPKG", geometry_name="geometry", crs=features.crs,
            geometry_type=kind if kinds <= {kind.split(" ")[0]} else "Unknown",
        )  # fmt: skip
        return part.replace(path)


def _kinds(wkb: pa.Array) -> set[str]:
    shapes: NDArray[Any] = np.asarray(shapely.from_wkb(wkb.to_numpy(zero_copy_only=False), on_invalid="ignore"), dtype=object)
    return {shape.geom_type for shape in shapes if shape is not None}
