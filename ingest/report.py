"""The report of an ingest run: HTML for people, JSON for programs, the refused records as a GeoPackage to mend and load again."""

# ruff: noqa: E501 - Chinese characters count double

import json
import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyogrio
import shapely
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray

from cim.clock import utc_now
from cim.crs import transform_xy
from cim.db.datasets import Reject
from ingest.census.rules import RULES, rule_text
from ingest.pipeline import Outcome

_SHOWN = 500
_WIDTH, _HEIGHT = 720, 480
_COLOURS = ("#c62828", "#1565c0", "#2e7d32", "#6a1b9a", "#ef6c00", "#00838f", "#5d4037", "#ad1457", "#455a64", "#827717")
WORDS = {
    "en": {
        "title": "Ingest report", "read": "read", "accepted": "accepted", "unchanged": "unchanged", "rejected": "rejected",
        "rule": "rule", "severity": "severity", "demands": "what it demands", "refused": "records refused", "warned": "warnings",
        "place": "place", "message": "message", "rejects": "Refused records", "first": "the first {n} of {total}; all are in report.json",
        "none": "No record was refused.", "mend": "Mend the records in rejects.gpkg and load the file with the same profile.",
        "source": "source", "dataset": "dataset", "loaded": "made", "map": "Where the refused records are", "facts": "Facts", "rules": "Rules",
        "metres": "m",
    },
    "zh": {
        "title": "入库报告", "read": "读取", "accepted": "入库", "unchanged": "未变", "rejected": "拒绝", "rule": "规则", "severity": "级别",
        "demands": "规则要求", "refused": "拒绝记录数", "warned": "警告数", "place": "位置", "message": "原因", "rejects": "被拒绝的记录",
        "first": "显示前 {n} 条,共 {total} 条;完整清单见 report.json", "none": "没有被拒绝的记录。",
        "mend": "在 rejects.gpkg 中修改记录后,用同一映射方案重新入库。", "source": "来源", "dataset": "数据集", "loaded": "生成时间",
        "map": "被拒绝记录的位置", "facts": "统计", "rules": "规则", "metres": "米",
    },
}  # fmt: skip


@dataclass(frozen=True)
class RejectedFeatures:
    """Refused records as read.

    Parameters
    ----------
    columns
        Fields of the source, personal ones taken out.
    wkb
        Outlines, source CRS, null where there is none, shape (n,).
    crs
        CRS of the source.
    geometry_type
        As the source declares it.
    rules, messages, messages_zh, places
        Why and where, shape (n,).
    """

    columns: pa.Table
    wkb: pa.Array
    crs: str
    geometry_type: str
    rules: list[str]
    messages: list[str]
    messages_zh: list[str]
    places: list[str]


def write_report(
    folder: Path, outcome: Outcome, rejects: Sequence[Reject], features: RejectedFeatures | None, *, language: str
) -> list[Path]:
    """Write report.json, report.html and, where records were refused, rejects.gpkg; each appears whole or not at all.

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
    language
        en or zh.

    Returns
    -------
    list of Path
        Files written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    document = _document(outcome, rejects)
    written = [_put(folder / "report.json", json.dumps(document, ensure_ascii=False, indent=1, default=str).encode())]
    page = _page(document, features, language)
    written.append(_put(folder / "report.html", page.encode()))
    package = folder / "rejects.gpkg"
    if features is not None:
        written.append(_write_package(package, features))
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


def _document(outcome: Outcome, rejects: Sequence[Reject]) -> dict[str, Any]:
    refused = Counter(reject.rule for reject in rejects)
    warned = outcome.report.get("warnings_by_rule", {})
    rules = [
        {
            "rule": rule, "severity": RULES[rule].severity if rule in RULES else "E", "en": rule_text(rule, "en"),
            "zh": rule_text(rule, "zh"), "refused": refused.get(rule, 0), "warnings": warned.get(rule, 0),
        }
        for rule in sorted({*refused, *warned})
    ]  # fmt: skip
    facts = {name: value for name, value in outcome.report.items() if name not in ("rejected_by_rule", "warnings_by_rule")}
    return {
        "kind": outcome.info.kind, "dataset": outcome.info.name, "source": outcome.info.source, "sha256": outcome.info.sha256,
        "made_at": utc_now().isoformat(timespec="seconds"), "counts": vars(outcome.counts), "facts": facts, "rules": rules,
        "rejects": [vars(reject) for reject in rejects],
    }  # fmt: skip


def _page(document: dict[str, Any], features: RejectedFeatures | None, language: str) -> str:
    environment = Environment(loader=PackageLoader("ingest"), autoescape=True, undefined=StrictUndefined)
    words = WORDS[language]
    return environment.get_template("report.html.j2").render(
        language=language, other="zh" if language == "en" else "en", words=words, report=document, shown=document["rejects"][:_SHOWN],
        first=words["first"].format(n=min(_SHOWN, len(document["rejects"])), total=len(document["rejects"])),
        map=None if features is None else _map(features), width=_WIDTH, height=_HEIGHT,
    )  # fmt: skip


def _map(features: RejectedFeatures) -> dict[str, Any] | None:
    """Return what the map draws: points in pixels by rule, legend, scale bar; None where no record has a place."""
    shapes = np.asarray(shapely.from_wkb(features.wkb.to_numpy(zero_copy_only=False), on_invalid="ignore"), dtype=object)
    centre = shapely.centroid(shapes)
    x, y = transform_xy(features.crs, "EPSG:4490", shapely.get_x(centre), shapely.get_y(centre))
    good = np.isfinite(x) & np.isfinite(y)
    if not good.any():
        return None
    # The middle 98 %: one record on the other side of the globe must not shrink the city to a dot.
    west, east = np.quantile(x[good], [0.01, 0.99])
    south, north = np.quantile(y[good], [0.01, 0.99])
    inside = good & (x >= west - 0.05) & (x <= east + 0.05) & (y >= south - 0.05) & (y <= north + 0.05)
    west, east, south, north = x[inside].min(), x[inside].max(), y[inside].min(), y[inside].max()
    metres = 111_195.0 * np.cos(np.radians((south + north) / 2))
    scale = min((_WIDTH - 80) / max((east - west) * metres, 50), (_HEIGHT - 80) / max((north - south) * 111_195.0, 50))
    px = _WIDTH / 2 + (x - (west + east) / 2) * metres * scale
    py = _HEIGHT / 2 - (y - (south + north) / 2) * 111_195.0 * scale
    rules = sorted(set(features.rules))
    colour = {rule: _COLOURS[i % len(_COLOURS)] for i, rule in enumerate(rules)}
    points = [
        {"x": round(float(px[i]), 1), "y": round(float(py[i]), 1), "colour": colour[features.rules[i]], "title": features.places[i]}
        for i in np.flatnonzero(inside)[:5000]
    ]
    bar = _round_length(160 / scale)
    return {"points": points, "legend": colour, "bar_m": bar, "bar_px": round(bar * scale, 1), "outside": int(good.sum() - inside.sum())}


def _round_length(metres: float) -> int:
    """Return the largest of 1, 2, 5 × 10ⁿ that fits."""
    power = 10 ** int(np.floor(np.log10(max(metres, 1))))
    return int(max(step * power for step in (1, 2, 5) if step * power <= max(metres, 1)))


def _write_package(path: Path, features: RejectedFeatures) -> Path:
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
            table, part, layer="rejects", driver="GPKG", geometry_name="geometry", crs=features.crs,
            geometry_type=kind if kinds <= {kind.split(" ")[0]} else "Unknown",
        )  # fmt: skip
        return part.replace(path)


def _kinds(wkb: pa.Array) -> set[str]:
    shapes: NDArray[Any] = np.asarray(shapely.from_wkb(wkb.to_numpy(zero_copy_only=False), on_invalid="ignore"), dtype=object)
    return {shape.geom_type for shape in shapes if shape is not None}
