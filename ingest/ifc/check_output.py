"""Results of checks for people and for other tools: console, HTML (English and Chinese), BCF 2.1."""

import zipfile
from collections.abc import Callable, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5
from xml.etree import ElementTree

from rich.console import Console
from rich.text import Text

from cim.cli_support import table
from cim.clock import utc_now

_SIGNS = {"error": "✗", "warning": "!", "info": "·"}
_VERDICTS = {"passed": "passed 通过", "failed": "failed 不通过", "refused": "refused 拒收"}
_FACTS = (
    ("schema", "schema 模式"), ("tool", "tool 建模软件"), ("products", "products 产品"), ("elements", "elements 构件"),
    ("storeys", "storeys 楼层"),
    ("spaces", "spaces 空间"), ("zones", "zones 分区"), ("systems", "systems 系统"),
)  # fmt: skip


def rows_of(result: dict[str, Any]) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield sign, rule, English, Chinese and what to do of everything found."""
    if "error" in result:
        error = result["error"]
        yield _SIGNS["error"], error["code"], error["message"], "", error["hint"]
        return
    for one in result["findings"]:
        yield _SIGNS[one["severity"]], one["rule"], one["en"], one["zh"], one["hint_en"]
    for profile in result["ids"]:
        rule = f"ids:{profile['profile']}"
        failed = [one for one in profile["specifications"] if not one["passed"]]
        n = len(profile["specifications"])
        sign = _SIGNS["error" if failed else "info"]
        yield sign, rule, f"{n - len(failed)} of {n} specifications hold", f"{n} 条要求中 {n - len(failed)} 条满足", ""
        for one in failed:
            words = f"{one['n_failures']} of {one['applicable']} failed" if one["applicable"] else "found none, expected at least one"
            yield _SIGNS["error"], rule, f"{one['name']}: {words}", "", one["failures"][0]["reason"] if one["failures"] else ""


def draw(results: Sequence[dict[str, Any]]) -> Callable[[Console], None]:
    """Return what prints the results as tables."""

    def show(console: Console) -> None:
        for result in results:
            title = f"{result['file']}: {_VERDICTS[result['verdict']]}"
            rows = [(sign, rule, f"{en}\n{zh}" if zh else en, hint) for sign, rule, en, zh, hint in rows_of(result)]
            console.print(table(title, ["", "rule 规则", "found 发现", "next 建议"], rows))
        passed = sum(result["passed"] for result in results)
        console.print(Text(f"{passed} of {len(results)} passed 通过 {passed}/{len(results)}"))

    return show


_STYLE = (
    "body{font:15px/1.5 system-ui,'Noto Sans SC',sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#1c2833}"
    "table{border-collapse:collapse;width:100%;margin:1rem 0}td,th{border-bottom:1px solid #d5dbdf;padding:.35rem .6rem;text-align:left;"
    "vertical-align:top;overflow-wrap:anywhere}h2{margin-top:2.5rem}.error{color:#a61b1b}.warning{color:#8a5a00}.info{color:#3c5566}"
    "small{color:#5b6b76}"
)


def to_html(results: Sequence[dict[str, Any]]) -> str:
    """Return the results as one page in English and Chinese; every text of a model is escaped."""
    head = (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
        f"<title>BIM check 模型检查</title><style>{_STYLE}</style></head><body><h1>BIM check 模型检查</h1>"
        f"<p>{utc_now().isoformat(timespec='seconds')}</p>"
    )
    parts = [head]
    for result in results:
        parts.append(f"<h2>{escape(result['file'])}: {_VERDICTS[result['verdict']]}</h2>")
        if "schema" in result:
            facts = [(words, result[key]) for key, words in _FACTS if result.get(key) is not None]
            cells = "".join(f"<tr><th>{words}</th><td>{escape(str(value))}</td></tr>" for words, value in facts)
            parts.append(f"<table>{cells}</table>")
        parts.append("<table><tr><th></th><th>rule 规则</th><th>found 发现</th><th>next 建议</th></tr>")
        parts += [_html_row(row) for row in rows_of(result)]
        parts.append("</table>")
        parts += [_html_objects(one) for one in result["findings"] if one["objects"]]
    return "".join(parts) + "</body></html>\n"


def _html_row(row: tuple[str, str, str, str, str]) -> str:
    sign, rule, en, zh, hint = row
    kind = next(name for name, mark in _SIGNS.items() if mark == sign)
    chinese = f"<br>{escape(zh)}" if zh else ""
    return f"<tr class='{kind}'><td>{sign}</td><td>{escape(rule)}</td><td>{escape(en)}{chinese}</td><td>{escape(hint)}</td></tr>"


def _html_objects(one: dict[str, Any]) -> str:
    more = f" … {one['count']}" if one["count"] > len(one["objects"]) else ""
    return f"<p><small>{escape(one['rule'])}: {escape(', '.join(one['objects']))}{more}</small></p>"


def write_bcf(results: Sequence[dict[str, Any]], out: Path) -> int:
    """Write the errors and warnings as BCF 2.1 topics; return their number.

    Parameters
    ----------
    results
        Of `ingest.ifc.check.check_file`.
    out
        File to write, .bcf.

    Notes
    -----
    buildingSMART BIM Collaboration Format 2.1: one folder per topic with markup.bcf and a viewpoint that selects the objects.
    """
    topics = [topic for result in results for topic in _topics(result)]
    part = out.with_name(out.name + ".part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        version = ElementTree.Element("Version", VersionId="2.1")
        ElementTree.SubElement(version, "DetailedVersion").text = "2.1"
        archive.writestr("bcf.version", _xml(version))
        for file, rule, severity, title, words, objects in topics:
            guid = str(uuid5(NAMESPACE_URL, f"{file}/{rule}/{title}"))
            archive.writestr(f"{guid}/markup.bcf", _xml(_markup(guid, file, severity, title, words)))
            archive.writestr(f"{guid}/viewpoint.bcfv", _xml(_viewpoint(guid, objects)))
    part.replace(out)
    return len(topics)


def _topics(result: dict[str, Any]) -> Iterator[tuple[str, str, str, str, str, list[str]]]:
    file = result["file"]
    if "error" in result:
        yield file, result["error"]["code"], "error", result["error"]["message"], result["error"]["hint"], []
    for one in result["findings"]:
        if one["severity"] != "info":
            words = "\n".join(part for part in (one["zh"], one["hint_en"], one["hint_zh"]) if part)
            yield file, one["rule"], one["severity"], one["en"], words, one["objects"]
    for profile in result["ids"]:
        for one in profile["specifications"]:
            if not one["passed"]:
                reasons = "\n".join(dict.fromkeys(str(failure["reason"]) for failure in one["failures"]))
                objects = [failure["global_id"] for failure in one["failures"] if failure["global_id"]]
                yield file, f"ids:{profile['profile']}", "error", one["name"], reasons, objects


def _markup(guid: str, file: str, severity: str, title: str, words: str) -> ElementTree.Element:
    markup = ElementTree.Element("Markup")
    header = ElementTree.SubElement(markup, "Header")
    ElementTree.SubElement(ElementTree.SubElement(header, "File"), "Filename").text = file
    topic = ElementTree.SubElement(markup, "Topic", Guid=guid, TopicType=severity, TopicStatus="Open")
    ElementTree.SubElement(topic, "Title").text = title[:500]
    ElementTree.SubElement(topic, "CreationDate").text = utc_now().isoformat(timespec="seconds")
    ElementTree.SubElement(topic, "CreationAuthor").text = "cim bim check"
    ElementTree.SubElement(topic, "Description").text = words
    view = ElementTree.SubElement(markup, "Viewpoints", Guid=guid)
    ElementTree.SubElement(view, "Viewpoint").text = "viewpoint.bcfv"
    return markup


def _viewpoint(guid: str, objects: Sequence[str]) -> ElementTree.Element:
    view = ElementTree.Element("VisualizationInfo", Guid=guid)
    parts = ElementTree.SubElement(view, "Components")
    selection = ElementTree.SubElement(parts, "Selection")
    for global_id in objects:
        ElementTree.SubElement(selection, "Component", IfcGuid=global_id)
    ElementTree.SubElement(parts, "Visibility", DefaultVisibility="true")
    return view


def _xml(element: ElementTree.Element) -> bytes:
    made: bytes = ElementTree.tostring(element, encoding="utf-8", xml_declaration=True)
    return made
