"""A file at the door, in the child, and through the rules: what is known of a model before anything is written."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cim.errors import GeometryError, SourceSyntaxError
from ingest.ifc.conversion import Box
from ingest.ifc.findings import Finding, check_document
from ingest.ifc.georef import place_model
from ingest.ifc.options import UploadOptions
from ingest.ifc.placement import Placement
from ingest.ifc.sandbox import read_semantics
from ingest.ifc.source import IfcText

_FATAL = ("unit.length_missing", "products.none")


@dataclass(frozen=True)
class ModelReport:
    """What was learnt of a model before anything is written.

    Parameters
    ----------
    text
        The file.
    document
        Result of `ingest.ifc.sandbox.read_semantics`.
    placement
        Where it stands, None where that is not known.
    findings
        Results of the checks.
    unplaced
        Why it has no place, empty where it has one.
    """

    text: IfcText
    document: dict[str, Any]
    placement: Placement | None
    findings: list[Finding] = field(default_factory=list)
    unplaced: str = ""

    @property
    def passed(self) -> bool:
        """Whether no finding is an error."""
        return all(one.severity != "error" for one in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """Return the report for ``--json``."""
        classes = Counter(element["class"] for element in self.document["elements"])
        return {
            "schema": self.text.schema,
            "tool": self.document["tool"],
            "instances": self.document["n_instances"],
            "products": self.document["n_products"],
            "elements": len(self.document["elements"]),
            "storeys": len(self.document["storeys"]),
            "spaces": len(self.document["spaces"]),
            "zones": sum(node["kind"] == "zone" for node in self.document["nodes"]),
            "systems": sum(node["kind"] == "system" for node in self.document["nodes"]),
            "unit_m": self.document["unit_m"],
            "classes": dict(classes.most_common()),
            "georeference": None if self.placement is None else self.placement.note,
            "georeference_method": None if self.placement is None else self.placement.method,
            "georeference_confidence": None if self.placement is None else self.placement.confidence,
            "georeference_evidence": [] if self.placement is None else list(self.placement.evidence),
            "unplaced": self.unplaced,
            "findings": [one.as_dict() for one in self.findings],
            "warnings": [one.en for one in self.findings if one.severity != "info"],
        }


def georeference_finding(placement: Placement | None, unplaced: str, hint: str) -> Finding:
    """Return the verdict about the place as a finding."""
    if placement is None:
        return Finding(
            "georeference",
            "error",
            f"not placed: {unplaced}",
            "未定位:文件中没有可用的地理参考",
            hint_en=hint,
            hint_zh=f"请使用参数定位:{hint}",
        )
    grade = {"high": "高", "medium": "中", "low": "低"}[placement.confidence]
    chinese = f"由 {placement.method} 定位,坐标系 {placement.crs},可信度{grade}"
    return Finding("georeference", "warning" if placement.confidence == "low" else "info", placement.note, chinese)


def read_model(path: Path, text: IfcText, scratch: Path) -> tuple[dict[str, Any], list[Finding]]:
    """Read and check a model in the child.

    Parameters
    ----------
    path
        For messages.
    text
        The file at the door.
    scratch
        Folder for the child's answer.

    Raises
    ------
    SourceError
        The file is refused; says what is wrong, where, and what to do.
    """
    document = read_semantics(path, text.path, text.size_bytes, scratch)
    findings = check_document(document)
    for one in findings:
        if one.rule in _FATAL:
            kind = GeometryError if one.rule.startswith("unit") else SourceSyntaxError
            raise kind(path, one.en, where="IfcProject", hint=one.hint_en)
    return document, findings


def place(path: Path, document: dict[str, Any], options: UploadOptions, near: Box | None) -> tuple[Placement | None, str, str]:
    """Return the placement, or None with the reason and the hint.

    Raises
    ------
    GeometryError
        What the operator says about the place is impossible.
    """
    try:
        return place_model(str(path), document, options.place, near=near), "", ""
    except GeometryError as error:
        if options.says_place:
            raise
        return None, error.message.removeprefix(f"{path}: "), error.hint
