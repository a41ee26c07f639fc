"""Runs the child with limits and turns its end into words; meshes come from `ingest.ifc.meshing`."""

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cim.errors import SourceSyntaxError

_KEPT = (
    "PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONUTF8", "OMP_NUM_THREADS", "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
)  # fmt: skip
_GIB = 1024**3
SEMANTICS_TIMEOUT_S = 600


def limits(size_bytes: int, timeout_s: int) -> Callable[[], None]:
    """Return what a child does before it becomes a parser: limits of memory, processor time, file size and open files."""
    memory = max(4 * _GIB, 20 * size_bytes)

    def apply() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CPU, (timeout_s, timeout_s + 5))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (8 * _GIB, 8 * _GIB))
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))

    return apply


def child_environment(scratch: Path) -> dict[str, str]:
    """Return the environment of the child: what the interpreter needs, nothing that opens the store or anything else.

    Parameters
    ----------
    scratch
        Its home.
    """
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {**kept, "PYTHONPATH": str(Path(__file__).resolve().parent.parent.parent), "HOME": str(scratch)}


def _run(argv: list[str], size_bytes: int, timeout_s: int, scratch: Path) -> str:
    """Run the child; return an empty text or what ended it."""
    command = [sys.executable, "-m", "ingest.ifc.child", *argv]
    try:
        done = subprocess.run(
            command,
            cwd=scratch,
            env=child_environment(scratch),
            capture_output=True,
            timeout=timeout_s,
            preexec_fn=limits(size_bytes, timeout_s),
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"took more than {timeout_s} s"
    if done.returncode == 0:
        return ""
    if done.returncode < 0:
        return f"crashed ({signal.Signals(-done.returncode).name})"
    lines = done.stderr.decode("utf-8", errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else f"exit code {done.returncode}"


def read_semantics(path: Path, model: Path, size_bytes: int, scratch: Path) -> dict[str, Any]:
    """Read everything but geometry.

    Raises
    ------
    SourceSyntaxError
        The parser refused, crashed or took too long; this process goes on.
    """
    out = scratch / "semantics.json"
    fault = _run(["semantics", str(model.resolve()), str(out)], size_bytes, SEMANTICS_TIMEOUT_S, scratch)
    if fault:
        raise SourceSyntaxError(path, f"the IFC parser failed: {fault}", hint="open and export the model again in the authoring tool")
    document: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return document
