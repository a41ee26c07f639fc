"""Runs the child with limits and turns its end into words; meshes come from `ingest.ifc.meshing`."""

import contextlib
import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cim.errors import SourceSyntaxError, UnsupportedFormatError

_KEPT = (
    "PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "PYTHONUTF8", "OMP_NUM_THREADS", "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
)  # fmt: skip
_GIB = 1024**3
_LIBC = ctypes.CDLL(None)
_FORBIDDEN = ("socket.connect", "socket.bind", "socket.getaddrinfo", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.system")
SEMANTICS_TIMEOUT_S = 600
NO_DOCUMENT = "-"
"""In place of a file: semantics are not wanted."""
DOCUMENT_VERSION = 1
"""Of what the child writes; one of another version is not taken over."""


def limits(size_bytes: int, timeout_s: int) -> Callable[[], None]:
    """Return what a child does before it becomes a parser: limits of memory, processor time, file size and open files, no network."""
    memory = max(4 * _GIB, 20 * size_bytes)
    # What a child writes grows with the model; a file that multiplies itself is stopped here.
    written = max(_GIB, 64 * size_bytes)
    parent = os.getpid()

    def apply() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CPU, (timeout_s, timeout_s + 5))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (written, written))
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
        # A network of its own, with nothing in it; where the kernel does not let us, the child's audit hook stands alone.
        with contextlib.suppress(OSError):
            os.unshare(os.CLONE_NEWNET if os.geteuid() == 0 else os.CLONE_NEWUSER | os.CLONE_NEWNET)
        # Last: a change of credentials would undo it.
        die_with(parent)

    return apply


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, killed or not (prctl(2), PR_SET_PDEATHSIG)."""
    _LIBC.prctl(1, signal.SIGKILL)
    if os.getppid() != parent:
        # It has ended before the kernel was told.
        os._exit(1)


def forbid(event: str, _: tuple[Any, ...]) -> None:
    """Refuse network and other programs; an audit hook of children."""
    if event in _FORBIDDEN:
        raise PermissionError(f"{event} is not allowed while a model is read")


def child_environment(scratch: Path) -> dict[str, str]:
    """Return the environment of the child: what the interpreter needs, nothing that opens the store or anything else.

    Parameters
    ----------
    scratch
        Its home, and its folder for temporary files.
    """
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    root = str(Path(__file__).resolve().parent.parent.parent)
    return {**kept, "PYTHONPATH": root, "HOME": str(scratch), "TMPDIR": str(scratch)}


def run_child(argv: list[str], size_bytes: int, timeout_s: int, scratch: Path) -> str:
    """Run the child.

    Parameters
    ----------
    argv
        See `ingest.ifc.child`.
    size_bytes
        Of the model; the limits of memory and written bytes follow from it.
    timeout_s
        For the whole run, wall clock and CPU [s].
    scratch
        Its working folder.

    Returns
    -------
    str
        Empty, or what ended the child.
    """
    command = [sys.executable, "-m", "ingest.ifc.child", *argv]
    said = scratch / "child.log"
    with said.open("wb") as log:
        child = subprocess.Popen(
            command, cwd=scratch, env=child_environment(scratch), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            preexec_fn=limits(size_bytes, timeout_s),  # noqa: PLW1509 - limits can be set there only; it takes no lock
        )  # fmt: skip
        try:
            child.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            return f"took more than {timeout_s} s"
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
    if child.returncode == 0:
        return ""
    if child.returncode < 0:
        return f"crashed ({signal.Signals(-child.returncode).name})"
    return last_words(said) or f"exit code {child.returncode}"


def last_words(log: Path) -> str:
    """Return the last line of what a child said."""
    with log.open("rb") as handle:
        handle.seek(max(0, log.stat().st_size - 4096))
        lines = handle.read().decode("utf-8", errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else ""


def document_file(folder: Path) -> Path:
    """Return the file of the child's answer in a folder."""
    return folder / f"semantics-{DOCUMENT_VERSION}.json"


def read_semantics(path: Path, model: Path, size_bytes: int, scratch: Path) -> dict[str, Any]:
    """Check the text and read everything but geometry.

    Parameters
    ----------
    path
        For messages.
    model
        Plain .ifc file.
    size_bytes
        Of the plain file.
    scratch
        Folder for the answer; an answer that is there already is taken.

    Raises
    ------
    SourceSyntaxError
        The file is damaged, or the parser refused, crashed or took too long; this process goes on.
    UnsupportedFormatError
        The file is of a kind that cannot be read.
    """
    out = document_file(scratch)
    if not out.exists():
        part = scratch / "semantics.part"
        fault = run_child(["semantics", str(model.resolve()), str(part)], size_bytes, SEMANTICS_TIMEOUT_S, scratch)
        if fault:
            raise SourceSyntaxError(path, f"the IFC parser failed: {fault}", hint="open and export the model again in the authoring tool")
        part.replace(out)
    answer: dict[str, Any] = json.loads(out.read_bytes())
    if "fault" in answer:
        fields = answer["fault"]
        kind = UnsupportedFormatError if fields["kind"] == "unsupported" else SourceSyntaxError
        raise kind(path, fields["message"], where=fields["where"], hint=fields["hint"])
    document: dict[str, Any] = answer["document"]
    return document


def check_ids(path: Path, model: Path, size_bytes: int, scratch: Path, profiles: Sequence[Path]) -> list[dict[str, Any]]:
    """Check a model against IDS files; see `ingest.ifc.ids_child.check_profiles`.

    Raises
    ------
    SourceSyntaxError
        A profile is missing, or the check crashed or took too long.
    """
    for profile in profiles:
        if not profile.is_file():
            raise SourceSyntaxError(profile, "no such file", hint="check the path of --ids")
    out = scratch / "ids.json"
    argv = ["ids", str(model.resolve()), str(out), *(str(profile.resolve()) for profile in profiles)]
    fault = run_child(argv, size_bytes, SEMANTICS_TIMEOUT_S, scratch)
    if fault:
        raise SourceSyntaxError(path, f"the IDS check failed: {fault}", hint="check the profile, or leave it out")
    results: list[dict[str, Any]] = json.loads(out.read_bytes())
    return results
