"""Meshes of a model: every shape once, made by worker processes, or taken from the store where a former upload has made it."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from cim.errors import SourceSyntaxError
from ingest.ifc.frames import read_frames
from ingest.ifc.outlines import of_class
from ingest.ifc.sandbox import NO_DOCUMENT, SEMANTICS_TIMEOUT_S, child_environment, last_words, limits
from ingest.ifc.shapes import Floats, Mesh, Shape

WORKERS = 2
TIMEOUT_S = 3600
_MOST_WORKERS = 64
_LONGEST_LINE = 1_000_000
_WITNESSES = 3
_AGREE_M = 1e-4

Known = Callable[[Sequence[bytes]], Mapping[bytes, tuple[Shape, Floats]]]
"""Given definitions of elements, returns those that the store has: shape, and its matrix in the element's own frame."""


def nothing_known(_: Sequence[bytes]) -> dict[bytes, tuple[Shape, Floats]]:
    """Return what an empty store knows."""
    return {}


@dataclass
class Meshes:
    """What became of the elements.

    Parameters
    ----------
    found
        Meshes by instance number.
    faults
        Why an element that should have a shape has none, by instance number. An id in neither has no shape in the file.
    definitions
        Of each definition that was meshed now: shape, and its matrix in the element's own frame; for the next upload.
    classes
        IFC class of each element.
    outlines
        Outline of each element as far as it is known already, see `ingest.ifc.outlines.of_class`.
    made, reused
        Elements that were meshed, and elements that took the shape of another one or of the store.
    """

    found: dict[int, Mesh] = field(default_factory=dict)
    faults: dict[int, str] = field(default_factory=dict)
    definitions: dict[bytes, tuple[Shape, Floats]] = field(default_factory=dict)
    classes: dict[int, str] = field(default_factory=dict)
    outlines: dict[int, Any] = field(default_factory=dict)
    made: int = 0
    reused: int = 0


class Mesher:
    """A child process that has the model open; leave it by ``with``.

    Parameters
    ----------
    path
        File of the operator, for messages.
    model
        Plain .ifc file.
    size_bytes
        For the memory limit.
    scratch
        Folder for frames.
    document
        Where the child puts the semantics, unless they are there; None = it does not read them.
    workers
        Processes that mesh.
    """

    def __init__(
        self, path: Path, model: Path, size_bytes: int, scratch: Path, *, document: Path | None = None, workers: int = WORKERS
    ) -> None:  # fmt: skip
        self._path, self._model, self._size = path, model, size_bytes
        self._folder = scratch / "geometry"
        self._folder.mkdir(exist_ok=True)
        self._workers = max(1, min(workers, _MOST_WORKERS))
        self._scratch = scratch
        self._wanted = None if document is None or document.exists() else document
        self._child: subprocess.Popen[bytes] | None = None
        self._said = b""
        self._document = threading.Event()
        self._ahead: Future[Meshes] | None = None

    def __enter__(self) -> "Mesher":
        """Start the child."""
        out = NO_DOCUMENT if self._wanted is None else str(self._wanted.resolve())
        if self._wanted is None:
            self._document.set()
        command = [sys.executable, "-m", "ingest.ifc.model_child", str(self._model.resolve()), str(self._folder.resolve()), out]
        with (self._folder / "child.log").open("wb") as log:
            self._child = subprocess.Popen(
                command, cwd=self._folder, env=child_environment(self._folder), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=log, start_new_session=True,
                preexec_fn=limits(self._size, TIMEOUT_S),  # noqa: PLW1509 - limits belong between fork and exec; system calls only
            )  # fmt: skip
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End the child."""
        if self._child is not None:
            # Its own session: the workers go with it.
            with contextlib.suppress(OSError):
                os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()
            if self._ahead is not None:
                # It reads from the pipes, to their end.
                self._ahead.exception()
            for pipe in (self._child.stdin, self._child.stdout):
                if pipe is not None:
                    pipe.close()

    def _line(self, deadline: float) -> str | None:
        """Return the next line of the child, None at its end or when the time is over; notes the end of the reading of semantics."""
        child = self._child
        if child is None or child.stdout is None:
            raise RuntimeError("the child was not started")
        while True:
            line, mark, rest = self._said.partition(b"\n")
            if mark:
                self._said = rest
                if line != b"document":
                    return line.decode("utf-8", errors="replace")
                self._document.set()
                continue
            ready, _, _ = select.select([child.stdout], [], [], max(0.0, deadline - time.monotonic()))
            block = os.read(child.stdout.fileno(), 65536) if ready else b""
            if not block:
                break
            # The kernel prints to the same pipe when it is puzzled, now and then without an end.
            self._said = self._said[-_LONGEST_LINE:] + block
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=5)
        return None

    def _fault(self) -> SourceSyntaxError:
        child = self._child
        words = "took too long"
        if child is not None and child.poll() is not None:
            words = last_words(self._folder / "child.log") or f"ended with code {child.returncode}"
        return SourceSyntaxError(self._path, f"the geometry kernel failed: {words}", hint="open and export the model again")

    def wait_for_document(self) -> None:
        """Wait until the child has read the semantics, or has failed to; after `begin` only."""
        if self._ahead is not None:
            self._document.wait(SEMANTICS_TIMEOUT_S)

    def begin(self, progress: Callable[[int, int], None], known: Known = nothing_known) -> None:
        """Mesh all elements and spaces from now on, before anybody knows what is asked for.

        Parameters
        ----------
        progress, known
            See `run`; called by another thread.
        """
        pool = ThreadPoolExecutor(max_workers=1)
        self._ahead = pool.submit(self._run_ahead, progress, known)
        self._ahead.add_done_callback(lambda _: self._document.set())
        pool.shutdown(wait=False)

    def _run_ahead(self, progress: Callable[[int, int], None], known: Known) -> Meshes:
        made = self.run_shared(None, progress, known)
        # While the semantics of a model are still read.
        return replace(made, outlines={number: of_class(made.classes[number], mesh) for number, mesh in made.found.items()})

    def finish(self, ids: Sequence[int], progress: Callable[[int, int], None], known: Known = nothing_known) -> Meshes:
        """Return what was begun, of these elements only; see `run`."""
        if self._ahead is None:
            return self.run_shared(ids, progress, known)
        made, wanted = self._ahead.result(), set(ids)
        found = {number: mesh for number, mesh in made.found.items() if number in wanted}
        shapes = {mesh.shape.hash for mesh in found.values()}
        kept = {key: one for key, one in made.definitions.items() if one[0].hash in shapes}
        return replace(made, found=found, faults={n: fault for n, fault in made.faults.items() if n in wanted}, definitions=kept)

    def run(
        self, ids: Sequence[int] | None, progress: Callable[[int, int], None], known: Known = nothing_known, *, share: bool = True
    ) -> Meshes:
        """Mesh elements.

        Parameters
        ----------
        ids
            Instance numbers; None = all elements and spaces.
        progress
            Called with the number of elements done, and of all.
        known
            Looks into the store.
        share
            Whether elements of one definition share their shape.

        Raises
        ------
        SourceSyntaxError
            The child could not open the model, or crashed as a whole.
        """
        deadline = time.monotonic() + TIMEOUT_S
        while (line := self._line(deadline)) != "ready":
            if line is None:
                raise self._fault()
        told = json.loads((self._folder / "products.json").read_bytes())
        wanted = {one["id"] for one in told if one["is_part"]} if ids is None else set(ids)
        facts = {one["id"]: one for one in told if one["id"] in wanted}
        keys = {number: bytes.fromhex(one["definition"]) for number, one in facts.items() if share and one["definition"]}
        plan = _Plan(facts, keys, known(sorted(set(keys.values()))))
        before = len(facts) - len(plan.due())
        self._mesh(plan.due(), deadline, lambda done: progress(before + done, len(facts)))
        shapes = read_frames(self._folder)
        faults = {int(number): fault for number, fault in json.loads((self._folder / "faults.json").read_text(encoding="utf-8")).items()}
        return replace(plan.result(shapes, faults), classes={number: one["class"] for number, one in facts.items()})

    def run_shared(self, ids: Sequence[int] | None, progress: Callable[[int, int], None], known: Known = nothing_known) -> Meshes:
        """Mesh elements, see `run`; where two elements of one definition come out differently, once more without sharing."""
        try:
            return self.run(ids, progress, known)
        except SharingError:
            again = self._scratch / "again"
            again.mkdir()
            with Mesher(self._path, self._model, self._size, again, workers=self._workers) as second:
                return second.run(ids, progress, share=False)

    def _mesh(self, due: list[int], deadline: float, progress: Callable[[int], None]) -> None:
        child = self._child
        if child is None or child.stdin is None:
            raise RuntimeError("the child was not started")
        target = self._folder / "plan.json"
        target.write_text(json.dumps({"ids": due, "workers": self._workers}), encoding="utf-8")
        child.stdin.write(f"{target}\n".encode())
        child.stdin.flush()
        while (line := self._line(deadline)) is not None:
            if line.strip().isdigit():
                progress(int(line))
        if child.poll() != 0:
            raise self._fault()


class _Plan:
    """Who is meshed and who takes the shape of another one.

    Parameters
    ----------
    facts
        Products by instance number.
    keys
        Definition of each product that has one.
    known
        Definitions that the store has.
    """

    def __init__(
        self, facts: Mapping[int, Mapping[str, Any]], keys: Mapping[int, bytes], known: Mapping[bytes, tuple[Shape, Floats]]
    ) -> None:
        self._facts, self._keys, self._known = facts, keys, known
        self._groups: dict[bytes, list[int]] = {}
        for number in facts:
            if number in keys:
                self._groups.setdefault(keys[number], []).append(number)
        first = {members[0] for key, members in self._groups.items() if key not in known}
        # A second element of some definitions is meshed too: it must come out where the first one says it does.
        shared = [members for key, members in self._groups.items() if key not in known and len(members) > 1]
        self._witnesses = [members[-1] for members in shared[:_WITNESSES]]
        self._due = [number for number in facts if number not in keys or number in first or number in self._witnesses]

    def due(self) -> list[int]:
        """Return the elements to mesh."""
        return self._due

    def _frame(self, number: int) -> Floats:
        return np.vstack([np.array(self._facts[number]["matrix"], np.float64).reshape(3, 4), [0.0, 0.0, 0.0, 1.0]])

    def result(self, shapes: dict[int, Mesh], faults: dict[int, str]) -> Meshes:
        """Return meshes of all elements."""
        made = Meshes(found=dict(shapes), faults=faults, made=len(self._due))
        for number in self._witnesses:
            self._testify(number, shapes)
        for key, members in self._groups.items():
            if key in self._known:
                shape, inner = self._known[key]
            elif members[0] in shapes and shapes[members[0]].status == "meshed":
                mesh = shapes[members[0]]
                shape, inner = mesh.shape, np.linalg.inv(self._frame(members[0])) @ mesh.matrix
                made.definitions[key] = (shape, inner)
            else:
                self._pass_on(members, shapes, made)
                continue
            for number in members:
                if number not in shapes:
                    made.found[number] = Mesh(shape, self._frame(number) @ inner)
                    made.reused += 1
        return made

    def _pass_on(self, members: list[int], shapes: dict[int, Mesh], made: Meshes) -> None:
        """Give the others the lesser shape, or the fault, of the first."""
        mesh = shapes.get(members[0])
        for number in members[1:]:
            if mesh is not None:
                inner = np.linalg.inv(self._frame(members[0])) @ mesh.matrix
                made.found[number] = Mesh(mesh.shape, self._frame(number) @ inner, mesh.status)
            elif members[0] in made.faults:
                made.faults[number] = made.faults[members[0]]

    def _testify(self, number: int, shapes: dict[int, Mesh]) -> None:
        first = self._groups[self._keys[number]][0]
        if number not in shapes or first not in shapes:
            return
        inner = np.linalg.inv(self._frame(first)) @ shapes[first].matrix
        said = Mesh(shapes[first].shape, self._frame(number) @ inner).vertices
        seen = shapes[number].vertices
        if said.shape != seen.shape or np.abs(said - seen).max(initial=0.0) > _AGREE_M:
            raise SharingError


class SharingError(Exception):
    """Two elements of one definition came out differently: the file means more than is looked at, nothing may be shared."""
