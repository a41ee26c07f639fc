"""Runs inside a child process: opens the model, writes semantics or results of IDS checks as JSON. Never imported by the parent.

``python -m ingest.ifc.child semantics MODEL OUT`` · ``ids MODEL OUT PROFILE...``
"""

import json
import sys
from pathlib import Path
from typing import Any

from ingest.ifc.scan import Fault, check_text

_FORBIDDEN = ("socket.connect", "socket.bind", "socket.getaddrinfo", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.system")


def semantics(path: str) -> dict[str, Any]:
    """Return ``document``, everything but geometry, or ``fault``, why the file is refused."""
    try:
        facts = check_text(Path(path))
    except Fault as fault:
        return {"fault": fault.fields}
    # The parser is loaded for a file whose text is sound only.
    import ifcopenshell

    from ingest.ifc.semantics import read_semantics

    document = read_semantics(ifcopenshell.open(path))
    kept = document["n_instances"]
    if kept != facts.n_instances:
        lost = Fault(f"the file has {facts.n_instances} instances, the parser kept {kept}", hint="export the model again")
        return {"fault": lost.fields}
    return {"document": document}


def _forbid(event: str, _: tuple[Any, ...]) -> None:
    if event in _FORBIDDEN:
        raise PermissionError(f"{event} is not allowed while a model is read")


def main(argv: list[str]) -> int:
    """Run one of the jobs."""
    sys.addaudithook(_forbid)
    if argv[0] == "semantics":
        with Path(argv[2]).open("w", encoding="utf-8", errors="replace") as handle:
            json.dump(semantics(argv[1]), handle, ensure_ascii=False)
    elif argv[0] == "ids":
        from ingest.ifc.ids_child import check_profiles

        Path(argv[2]).write_text(json.dumps(check_profiles(argv[1], argv[3:]), ensure_ascii=False), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
