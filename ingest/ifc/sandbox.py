"""Runs the child with limits and turns its end into words; a crash of the geometry kernel is narrowed down to its element."""

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cim.errors import SourceSyntaxError

_KEPT = (
    "PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONUTF8", "OMP_NUM_THREADS", "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
)  # fmt: skip
_GIB = 1024**3
SEMANTICS_TIMEOUT_S = 600
GEOMETRY_TIMEOUT_S = 900
SINGLE_TIMEOUT_S = 60
_HEADER = np.dtype([("id", "<i4"), ("v", "<u4"), ("f", "<u4"), ("m", "<u4"), ("c", "<u4")])


@dataclass(frozen=True)
class Mesh:
    """Triangles of an element in the model's frame.

    Parameters
    ----------
    vertices
        Shape (n, 3), float64 [m].
    faces
        Shape (m, 3), int32.
    materials
        Shape (m,), int32, index into ``colours``, -1 none.
    colours
        Shape (k, 4), float32, r g b a, 0-1.
    """

    vertices: NDArray[np.float64]
    faces: NDArray[np.int32]
    materials: NDArray[np.int32]
    colours: NDArray[np.float32]


def _limits(size_bytes: int, timeout_s: int) -> Callable[[], None]:
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
            preexec_fn=_limits(size_bytes, timeout_s),
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


def _frames(out: Path, found: dict[int, Mesh]) -> None:
    raw = out.read_bytes() if out.exists() else b""
    place = 0
    while place + _HEADER.itemsize <= len(raw):
        header = np.frombuffer(raw, _HEADER, 1, place)[0]
        sizes = [int(header[name]) for name in "vfmc"]
        place += _HEADER.itemsize
        if place + sum(sizes) > len(raw):
            return
        parts = []
        for size in sizes:
            parts.append(raw[place : place + size])
            place += size
        found[int(header["id"])] = Mesh(
            np.frombuffer(parts[0], "<f8").reshape(-1, 3),
            np.frombuffer(parts[1], "<i4").reshape(-1, 3),
            np.frombuffer(parts[2], "<i4"),
            np.frombuffer(parts[3], "<f4").reshape(-1, 4),
        )


def read_meshes(
    model: Path, ids: list[int], size_bytes: int, scratch: Path, progress: Callable[[int], None]
) -> tuple[dict[int, Mesh], dict[int, str]]:
    """Mesh elements.

    Parameters
    ----------
    model
        Plain .ifc file.
    ids
        Instance numbers.
    size_bytes
        For the memory limit.
    scratch
        Folder for frames.
    progress
        Called with the number of elements done.

    Returns
    -------
    tuple
        Meshes by instance number, and faults by instance number. An id in neither has no shape in the file.

    Notes
    -----
    A crash or timeout halves the list until the culprit is alone; that one is tried once more without its openings.
    """
    found: dict[int, Mesh] = {}
    faults: dict[int, str] = {}
    waiting = [ids]
    number = 0
    while waiting:
        part = waiting.pop()
        number += 1
        listing, out = scratch / f"ids-{number}.json", scratch / f"frames-{number}.bin"
        listing.write_text(json.dumps(part), encoding="utf-8")
        limit = GEOMETRY_TIMEOUT_S if len(part) > 1 else SINGLE_TIMEOUT_S
        argv = ["geometry", str(model.resolve()), str(out), str(listing)]
        fault = _run(argv, size_bytes, limit, scratch)
        _frames(out, found)
        if fault and len(part) > 1:
            left = [element for element in part if element not in found]
            half = max(1, len(left) // 2)
            waiting += [chunk for chunk in (left[half:], left[:half]) if chunk]
        elif fault:
            again = _run([*argv, "--no-openings"], size_bytes, SINGLE_TIMEOUT_S, scratch)
            _frames(out, found)
            if again:
                faults[part[0]] = fault
        out.unlink(missing_ok=True)
        progress(len(found) + len(faults))
    return found, faults
