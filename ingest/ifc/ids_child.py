"""Checks a model against IDS files (buildingSMART Information Delivery Specification 1.0). Runs inside the child process."""

from pathlib import Path
from typing import Any

import ifcopenshell
from ifctester import ids, reporter
from xmlschema import XMLSchemaException

from ingest.ifc.properties import text

_SHOWN = 50


def check_profiles(model_path: str, profiles: list[str]) -> list[dict[str, Any]]:
    """Return the result of each profile: title, passed, specifications with their failures; ``fault`` for a file that is no IDS.

    Parameters
    ----------
    model_path
        Plain .ifc file.
    profiles
        IDS files.
    """
    model: Any = ifcopenshell.open(model_path)
    return [_check(model, Path(profile)) for profile in profiles]


def _check(model: Any, profile: Path) -> dict[str, Any]:  # noqa: ANN401 - IFC file
    raw = profile.read_bytes()
    if b"<!DOCTYPE" in raw or b"<!ENTITY" in raw:
        return {"profile": profile.name, "fault": "declares entities, which no IDS needs; refused"}
    try:
        # The IDS library ships no types.
        rules: Any = ids.open(str(profile), validate=True)  # type: ignore[no-untyped-call, unused-ignore]
    except (XMLSchemaException, ids.IdsXmlValidationError, SyntaxError, ValueError, KeyError, OSError) as error:
        return {"profile": profile.name, "fault": f"is no valid IDS: {str(error).strip().splitlines()[0][:300]}"}
    rules.validate(model)
    found: Any = reporter.Json(rules).report()
    return {
        "profile": profile.name,
        "title": text(found["title"]),
        "passed": bool(found["status"]),
        "specifications": [_specification(one) for one in found["specifications"]],
    }


def _specification(one: dict[str, Any]) -> dict[str, Any]:
    # A version that the specification does not speak of is told by its name only: the rule is not weakened by the export's schema.
    failures = [
        {
            "global_id": text(entity["global_id"]),
            "class": entity["class"],
            "name": text(entity["name"]),
            "requirement": text(requirement["description"]),
            "reason": text(entity["reason"]),
        }
        for requirement in one["requirements"]
        for entity in requirement["failed_entities"]
    ]
    return {
        "name": text(one["name"]),
        "description": text(one["description"]),
        "passed": bool(one["status"]),
        "required": one["cardinality"] == "required",
        "applicable": one["total_applicable"],
        "n_failures": len(failures),
        "failures": failures[:_SHOWN],
    }
