"""``cim bim check``: everything that can be said of a model without a store, with a verdict."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cim.errors import CimError, SourceSyntaxError
from ingest.ifc.findings import Finding, check_document
from ingest.ifc.georef import HINT
from ingest.ifc.inspection import ModelReport, georeference_finding, place
from ingest.ifc.options import UploadOptions
from ingest.ifc.sandbox import check_ids, read_semantics
from ingest.ifc.source import IfcText, open_intake

DELIVERY = Path(__file__).resolve().parents[2] / "schemas" / "ids" / "cim-delivery.ids"
"""Profile that every model is checked against unless told otherwise."""


def check_file(path: Path, options: UploadOptions, profiles: Sequence[Path]) -> dict[str, Any]:
    """Check one model.

    Parameters
    ----------
    path
        .ifc or .ifczip.
    options
        Of the operator; what says where the model stands is used.
    profiles
        IDS files.

    Returns
    -------
    dict
        ``file``, ``passed``, ``verdict`` (passed, failed or refused), ``findings``, ``ids``, and the facts of the model; of a refused file
        ``error`` with code, message and hint.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="cim-bim-") as folder:
            return _checked(path, options, profiles, Path(folder))
    except CimError as error:
        return {"file": path.name, "passed": False, "verdict": "refused", "error": error.as_dict(), "findings": [], "ids": []}


def _checked(path: Path, options: UploadOptions, profiles: Sequence[Path], scratch: Path) -> dict[str, Any]:
    text = open_intake(path, scratch)
    document = read_semantics(path, text.path, text.size_bytes, scratch)
    report = _report(path, text, document, options)
    results = check_ids(path, text.path, text.size_bytes, scratch, profiles) if profiles else []
    for one in results:
        if "fault" in one:
            raise SourceSyntaxError(one["profile"], one["fault"], hint="check the file with an IDS editor")
    passed = report.passed and all(one["passed"] for one in results)
    return {
        "file": path.name, "passed": passed, "verdict": "passed" if passed else "failed", **report.as_dict(), "header": document["header"],
        "ids": results,
    }  # fmt: skip


def _report(path: Path, text: IfcText, document: dict[str, Any], options: UploadOptions) -> ModelReport:
    findings = check_document(document)
    if document["unit_m"] is None or document["n_products"] == 0:
        return ModelReport(text, document, None, findings, "not looked for")
    placement, unplaced, hint = place(path, document, options, None)
    verdict: Finding = georeference_finding(placement, unplaced, hint or HINT)
    return ModelReport(text, document, placement, [verdict, *findings], unplaced)
