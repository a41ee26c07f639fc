"""Runs inside a child process: opens a model once, for its semantics and for its shapes. Never imported by the parent.

``python -m ingest.ifc.model_child MODEL FOLDER DOCUMENT``. Several things go on at a time, each in a fork of its own: the text is
checked, and hashed, while the parser opens the file; semantics are read while shapes are made. Lines on standard output: ``ready`` when
``products.json`` is in the folder; ``document`` when the reading of semantics has ended, well (then DOCUMENT is there, ``-`` = not
wanted) or not; numbers of elements done. The plan, whose name comes on standard input, says what is meshed; ``faults.json`` what failed.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ifcopenshell

from ingest.ifc.child import compared, write_answer
from ingest.ifc.definitions import definitions
from ingest.ifc.geometry_child import VERSION, Coordinator, products
from ingest.ifc.sandbox import NO_DOCUMENT, SEMANTICS_TIMEOUT_S, die_with, forbid
from ingest.ifc.scan import Fault, check_text
from ingest.ifc.semantics import read_semantics
from ingest.ifc.step_hash import StepHashes, hash_file


def _forked(work: Callable[[], None]) -> int:
    """Do something in a process of its own; return its number."""
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        die_with(parent)
        work()
        code = 0
    except BaseException as error:  # noqa: BLE001 - the end of a fork: nothing may escape into the parent's code
        print(f"{type(error).__name__}: {error}"[:300], file=sys.stderr, flush=True)  # noqa: T201 - the pipe to the parent
    finally:
        os._exit(code)


def _say(word: str) -> None:
    # One system call per line: several processes write to the pipe.
    os.write(1, f"{word}\n".encode())


def _check_text(path: Path, folder: Path) -> None:
    try:
        told: dict[str, Any] = {"n_instances": check_text(path).n_instances}
    except Fault as fault:
        told = {"fault": fault.fields}
    (folder / "text.json").write_text(json.dumps(told), encoding="utf-8")


def _read_document(model: Any, n_instances: int, out: Path) -> None:  # noqa: ANN401 - IFC file
    signal.alarm(SEMANTICS_TIMEOUT_S)
    part = out.with_suffix(".part")
    write_answer(compared(read_semantics(model), n_instances), part)
    part.replace(out)


def _with_word(pid_of: Callable[[], int]) -> int:
    """Say ``document`` when a process has ended, killed or not; a process between does the waiting."""

    def wait() -> None:
        os.waitpid(pid_of(), 0)
        _say("document")

    return _forked(wait)


def main(argv: list[str]) -> int:
    """Read, tell, wait for the plan, mesh."""
    sys.addaudithook(forbid)
    path, folder, out = Path(argv[0]), Path(argv[1]), Path(argv[2])
    checking = _forked(lambda: _check_text(path, folder))
    hashing = _forked(lambda: hash_file(path).save(folder / "hashes.npz"))
    model: Any = ifcopenshell.open(str(path))
    if os.waitpid(checking, 0)[1]:
        return 1
    told = json.loads((folder / "text.json").read_text(encoding="utf-8"))
    if "fault" in told:
        if argv[2] != NO_DOCUMENT:
            write_answer(told, out)
        print("the text is damaged", file=sys.stderr)  # noqa: T201 - the pipe to the parent
        return 1
    reading = None
    if argv[2] != NO_DOCUMENT:
        reading = _with_word(lambda: _forked(lambda: _read_document(model, told["n_instances"], out)))
    facts = products(model)
    if os.waitpid(hashing, 0)[1]:
        return 1
    keys = definitions(facts, StepHashes.load(folder / "hashes.npz"), VERSION)
    for one in facts:
        one["definition"] = keys[one["id"]].hex() if one["id"] in keys else None
    (folder / "products.json").write_text(json.dumps(facts), encoding="utf-8")
    _say("ready")
    line = sys.stdin.readline().strip()
    if line:
        plan = json.loads(Path(line).read_text(encoding="utf-8"))
        coordinator = Coordinator(model, folder, facts)
        coordinator.run(plan["ids"], plan["workers"])
        faults = {str(number): fault for number, fault in coordinator.faults.items()}
        (folder / "faults.json").write_text(json.dumps(faults), encoding="utf-8")
    if reading is not None:
        os.waitpid(reading, 0)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
