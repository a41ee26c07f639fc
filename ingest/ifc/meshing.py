"""Meshes of a model: every shape once, made by worker processes, or taken from the store where a former upload has made it."""

import contextlib
import hashlib
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
from ingest.ifc.sandbox import child_environment, limits
from ingest.ifc.shapes import Floats, Mesh, Shape
from ingest.ifc.step_hash import StepHashes, hash_file

WORKERS = 2
TIMEOUT_S = 3600
_MOST_WORKERS = 64
_LARGE = 100_000_000
"""Models above this size are parsed once at a time: two parsers at once would hold too much memory [byte]."""
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
    made, reused
        Elements that were meshed, and elements that took the shape of another one or of the store.
    """

    found: dict[int, Mesh] = field(default_factory=dict)
    faults: dict[int, str] = field(default_factory=dict)
    definitions: dict[bytes, tuple[Shape, Floats]] = field(default_factory=dict)
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
    workers
        Processes that mesh.
    """

    def __init__(self, path: Path, model: Path, size_bytes: int, scratch: Path, *, workers: int = WORKERS) -> None:
        self._path, self._model, self._size = path, model, size_bytes
        self._folder = scratch / "geometry"
        self._folder.mkdir(exist_ok=True)
        self._workers = max(1, min(workers, _MOST_WORKERS))
        self._scratch = scratch
        self._child: subprocess.Popen[str] | None = None
        self._hashes: list[StepHashes] = []
        self._hashing: threading.Thread | None = None
        self._ahead: Future[Meshes] | None = None

    def __enter__(self) -> "Mesher":
        """Start at once where the memory allows a second parser beside that of the semantics."""
        if self._size <= _LARGE:
            self._start()
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
            for pipe in (self._child.stdin, self._child.stdout, self._child.stderr):
                if pipe is not None:
                    pipe.close()
        if self._hashing is not None:
            self._hashing.join()

    def _start(self) -> None:
        if self._child is not None:
            return
        command = [sys.executable, "-m", "ingest.ifc.geometry_child", str(self._model.resolve()), str(self._folder.resolve())]
        self._child = subprocess.Popen(
            command, cwd=self._folder, env=child_environment(self._folder), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, start_new_session=True,
            preexec_fn=limits(self._size, TIMEOUT_S),  # noqa: PLW1509 - limits belong between fork and exec; system calls only
        )  # fmt: skip
        self._hashing = threading.Thread(target=lambda: self._hashes.append(hash_file(self._model.read_bytes())))
        self._hashing.start()

    def _line(self, deadline: float) -> str:
        child = self._child
        if child is None or child.stdout is None:
            raise RuntimeError("the child was not started")
        ready, _, _ = select.select([child.stdout], [], [], max(0.0, deadline - time.monotonic()))
        line = child.stdout.readline() if ready else ""
        if line:
            return line
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=5)
        return ""

    def _fault(self) -> SourceSyntaxError:
        child = self._child
        words = "took too long"
        if child is not None and child.poll() is not None:
            told = (child.stderr.read() if child.stderr else "").strip().splitlines()
            words = told[-1][:300] if told else f"ended with code {child.returncode}"
        return SourceSyntaxError(self._path, f"the geometry kernel failed: {words}", hint="open and export the model again")

    def begin(self, progress: Callable[[int, int], None], known: Known = nothing_known) -> None:
        """Mesh all elements and spaces from now on, before anybody knows what is asked for; nothing where the memory does not allow it.

        Parameters
        ----------
        progress, known
            See `run`; called by another thread.
        """
        if self._child is not None:
            pool = ThreadPoolExecutor(max_workers=1)
            self._ahead = pool.submit(self.run_shared, None, progress, known)
            pool.shutdown(wait=False)

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
        self._start()
        deadline = time.monotonic() + TIMEOUT_S
        if self._line(deadline).strip() != "ready":
            raise self._fault()
        told = json.loads((self._folder / "products.json").read_text(encoding="utf-8"))
        wanted = {one["id"] for one in told["products"] if one["is_part"]} if ids is None else set(ids)
        facts = {one["id"]: one for one in told["products"] if one["id"] in wanted}
        if self._hashing is not None:
            self._hashing.join()
        if not self._hashes:
            raise RuntimeError("the file was not hashed")
        keys = definitions(list(facts.values()), self._hashes[0], told["version"]) if share else {}
        plan = _Plan(facts, keys, known(sorted(set(keys.values()))))
        before = len(facts) - len(plan.due())
        self._mesh(plan.due(), deadline, lambda done: progress(before + done, len(facts)))
        shapes = read_frames(self._folder)
        faults = {int(number): fault for number, fault in json.loads((self._folder / "faults.json").read_text(encoding="utf-8")).items()}
        return plan.result(shapes, faults)

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
        child.stdin.write(f"{target}\n")
        child.stdin.flush()
        while line := self._line(deadline):
            # The kernel prints to the same pipe when it is puzzled.
            if line.strip().isdigit():
                progress(int(line))
        if child.poll() != 0:
            raise self._fault()


def definitions(facts: Sequence[Mapping[str, Any]], hashes: StepHashes, version: str) -> dict[int, bytes]:
    """Return what decides the shape of each product in its own frame: equal bytes = equal shape.

    Products whose place is not a chain of local placements have none.
    """
    able = [one for one in facts if one["matrix"] is not None]
    numbers: list[int] = []
    spans = []
    for one in able:
        parts = [one["shape"], *one["materials"]]
        if one["voids"]:
            # Openings are cut where they are: their places count, and so does the place of what they are cut out of.
            parts += [one["place"], *(number for void in one["voids"] for number in void)]
        spans.append(len(parts))
        numbers += parts
    found = hashes.of(np.array(numbers, np.int64))
    raw = found.tobytes()
    made: dict[int, bytes] = {}
    at = 0
    base = hashlib.sha256(version.encode() + hashes.looks + hashes.units)
    for one, count in zip(able, spans, strict=True):
        digest = base.copy()
        digest.update(raw[at * 8 : (at + count) * 8])
        digest.update(len(one["voids"]).to_bytes(4, "little"))
        made[one["id"]] = digest.digest()[:16]
        at += count
    return made


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
