"""Runs inside a child process: opens the model, writes semantics or results of IDS checks as JSON. Never imported by the parent.

``python -m ingest.ifc.child semantics MODEL OUT`` · ``ids MODEL OUT PROFILE...``
"""

import json
import sys
from pathlib import Path
from typing import Any

from ingest.ifc.sandbox import forbid
from ingest.ifc.scan import Fault, check_text


def semantics(path: str) -> dict[str, Any]:
    """Return ``document``, everything but geometry, or ``fault``, why the file is refused."""
    try:
        facts = check_text(Path(path))
    except Fault as fault:
        return {"fault": fault.fields}
    # The parser is loaded for a file whose text is sound only.
    import ifcopenshell

    from ingest.ifc.semantics import read_semantics

    return compared(read_semantics(ifcopenshell.open(path)), facts.n_instances)


def compared(document: dict[str, Any], n_instances: int) -> dict[str, Any]:
    """Return the answer: the document, or the fault where the parser has lost instances of the text."""
    kept = document["n_instances"]
    if kept != n_instances:
        lost = Fault(f"the file has {n_instances} instances, the parser kept {kept}", hint="export the model again")
        return {"fault": lost.fields}
    return {"document": document}


def write_answer(answer: dict[str, Any], out: Path) -> None:
    """Write an answer; half of a character pair, which a file may have, becomes a question mark."""
    # In one go: the encoder that writes bit by bit is Python, five times slower.
    out.write_text(json.dumps(answer, ensure_ascii=False), encoding="utf-8", errors="replace")


def main(argv: list[str]) -> int:
    """Run one of the jobs."""
    sys.addaudithook(forbid)
    if argv[0] == "semantics":
        write_answer(semantics(argv[1]), Path(argv[2]))
    elif argv[0] == "ids":
        from ingest.ifc.ids_child import check_profiles

        Path(argv[2]).write_text(json.dumps(check_profiles(argv[1], argv[3:]), ensure_ascii=False), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
