"""Answers and findings of networks as GeoPackage, JSON and HTML."""

import json
import tempfile
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyogrio

_WORDS = {
    "en": {"title": "Network check", "rule": "rule", "severity": "severity", "code": "code", "other": "with", "value": "value",
           "message": "finding", "proposal": "proposal", "n": "findings", "network": "Network", "first": "the first 2,000 of {n}"},
    "zh": {"title": "管网拓扑检查", "rule": "规则", "severity": "级别", "code": "编码", "other": "相关编码", "value": "数值",
           "message": "问题", "proposal": "处理建议", "n": "数量", "network": "管网", "first": "前2000条,共{n}条"},
}  # fmt: skip
_SHOWN = 2000


def write_parts(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write network parts as the layers ``lines`` and ``points``; the file appears whole or not at all."""
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        part = Path(scratch) / path.name
        for layer, which, kind in (("lines", "edge", "LineString Z"), ("points", "node", "Point Z")):
            chosen = [row for row in rows if row["part"] == which]
            _layer(part, layer, chosen, kind, append=part.exists())
        part.replace(path)


def _layer(path: Path, layer: str, rows: Sequence[dict[str, Any]], kind: str, *, append: bool) -> None:
    names = [name for name in dict.fromkeys(name for row in rows for name in row) if name != "wkb"]
    columns = {name: pa.array([row.get(name) for row in rows]) for name in names}
    columns = {name: column.cast(pa.string()) if pa.types.is_null(column.type) else column for name, column in columns.items()}
    columns = columns or {"role": pa.array([], pa.string())}
    made = pa.table({**columns, "geom": pa.array([row["wkb"] for row in rows], pa.binary())})
    pyogrio.write_arrow(
        made, path, layer=layer, driver="GPKG", geometry_name="geom", geometry_type=kind, crs="EPSG:4490", append=append
    )  # fmt: skip


def write_findings(folder: Path, document: dict[str, Any], rows: Sequence[dict[str, Any]], *, language: str) -> None:
    """Write check.json, check.html and, where something was found, check.gpkg."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "check.json").write_text(json.dumps(document, ensure_ascii=False, indent=1), encoding="utf-8")
    (folder / "check.html").write_text(_page(document, language), encoding="utf-8")
    package = folder / "check.gpkg"
    package.unlink(missing_ok=True)
    if rows:
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            part = Path(scratch) / package.name
            _layer(part, "findings", rows, "Point", append=False)
            part.replace(package)


def _page(document: dict[str, Any], language: str) -> str:
    words = _WORDS[language]
    message = "message_zh" if language == "zh" else "message"
    names = ("rule", "severity", "code", "other", "value", message, "proposal")

    def row(cells: Sequence[object], tag: str = "td") -> str:
        return "<tr>" + "".join(f"<{tag}>{escape('' if cell is None else str(cell))}</{tag}>" for cell in cells) + "</tr>"

    found = document["findings"]
    counts = "".join(row((rule, n)) for rule, n in document["by_rule"].items())
    network = "".join(row((name, value)) for name, value in document["network"].items())
    body = "".join(row([one[name] for name in names]) for one in found[:_SHOWN])
    head = row([words["message" if name == message else name] for name in names], "th")
    more = f"<p>{escape(words['first'].format(n=len(found)))}</p>" if len(found) > _SHOWN else ""
    style = (
        "body{font:14px sans-serif;margin:2em}table{border-collapse:collapse;margin-bottom:2em}td,th{border:1px solid #ccc;padding:3px 8px}"
    )
    return (
        f'<!doctype html><html lang="{language}"><meta charset="utf-8"><title>{words["title"]}</title><style>{style}</style>'
        f"<h1>{words['title']}: {escape(document['kind'])}</h1><h2>{words['network']}</h2><table>{network}</table>"
        f"<table>{row((words['rule'], words['n']), 'th')}{counts}</table>{more}<table>{head}{body}</table></html>"
    )
