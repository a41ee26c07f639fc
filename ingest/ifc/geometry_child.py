"""Runs inside a child process: meshes an open model in forked workers that share its memory. Never imported by the parent.

Prints the number of elements done now and then, and leaves ``frames-*.bin`` in the folder; see `ingest.ifc.model_child`.

A worker that dies or falls silent is replaced by a careful one that says which element it is about to mesh: so the culprit is known by
name, is tried without its openings, then as the box of its points, and the rest of the model goes on.
"""

import itertools
import mmap
import os
import signal
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import ifcopenshell
import ifcopenshell.geom
import ifcopenshell.util.placement
import ifcopenshell.util.unit
import numpy as np

from ingest.ifc.frames import MESHED, WITHOUT_OPENINGS, Frames, elements_in
from ingest.ifc.sandbox import die_with

KERNEL: Literal["hybrid-cgal-simple-opencascade"] = "hybrid-cgal-simple-opencascade"
VERSION = f"1 {ifcopenshell.version} {KERNEL}"
SILENT_S = 120
SINGLE_S = 60
_TELL_S = 0.5
_MOST_WORKERS = 64
_COUNT = struct.Struct("<q")
_BODY = ("Body", "Facetation", "Tessellation", "Body-FallBack", "Surface", "Lighting", "CoG")


def _matrix(placement: Any, known: dict[int, Any]) -> Any:  # noqa: ANN401 - IFC entity → 4x4 matrix in project units, or None
    """Return a placement by local placements only; None where another kind (grid, linear) or a circle is in the chain."""
    chain: list[Any] = []
    while placement is not None and placement.id() not in known:
        if not placement.is_a("IfcLocalPlacement") or len(chain) > 100:
            return None
        chain.append(placement)
        placement = placement.PlacementRelTo
    matrix = np.eye(4) if placement is None else known[placement.id()]
    for one in reversed(chain):
        if matrix is not None:
            matrix = matrix @ ifcopenshell.util.placement.get_axis2placement(one.RelativePlacement)
        known[one.id()] = matrix
    return matrix


def _number(entity: Any) -> int:  # noqa: ANN401 - IFC entity or None
    return 0 if entity is None else int(entity.id())


def products(model: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - IFC file
    """Return what decides the shape of every product that has a representation."""
    materials: dict[int, list[int]] = {}
    for relation in model.by_type("IfcRelAssociatesMaterial"):
        for target in relation.RelatedObjects:
            materials.setdefault(target.id(), []).append(relation.RelatingMaterial.id())
    of_type: dict[int, int] = {}
    for relation in model.by_type("IfcRelDefinesByType"):
        for target in relation.RelatedObjects:
            of_type[target.id()] = relation.RelatingType.id()
    openings: dict[int, list[Any]] = {}
    for relation in model.by_type("IfcRelVoidsElement"):
        openings.setdefault(relation.RelatingBuildingElement.id(), []).append(relation.RelatedOpeningElement)
    projected = {relation.RelatingElement.id() for relation in model.by_type("IfcRelProjectsElement")}
    known: dict[int, Any] = {}
    unit = ifcopenshell.util.unit.calculate_unit_scale(model)
    made = []
    for product in model.by_type("IfcProduct"):
        shape = product.Representation
        if shape is None or product.is_a("IfcFeatureElement") or product.is_a("IfcAnnotation"):
            continue
        voids = openings.get(product.id(), [])
        number = product.id()
        matrix = None if number in projected else _matrix(product.ObjectPlacement, known)
        if matrix is not None:
            matrix = matrix.copy()
            matrix[:3, 3] *= unit
        made.append({
            "id": number, "class": product.is_a(),
            "is_part": (product.is_a("IfcElement") or product.is_a("IfcSpace")) and not product.is_a("IfcVirtualElement"),
            "shape": shape.id(), "has_body": any(r.RepresentationIdentifier in _BODY for r in shape.Representations),
            "voids": [[_number(v.Representation), _number(v.ObjectPlacement)] for v in voids], "place": _number(product.ObjectPlacement),
            "materials": [*materials.get(number, ()), *materials.get(of_type.get(number, 0), ())],
            "matrix": None if matrix is None else [float(value) for value in matrix[:3].ravel()],
        })  # fmt: skip
    return made


def _settings(*, openings: bool) -> Any:  # noqa: ANN401 - ifcopenshell settings
    settings: Any = ifcopenshell.geom.settings()  # type: ignore[no-untyped-call]  # ifcopenshell leaves it untyped
    settings.set("use-world-coords", False)
    settings.set("weld-vertices", True)
    if not openings:
        settings.set("disable-opening-subtractions", True)
    return settings


class Coordinator:
    """Forks workers, watches them, and replaces those that die.

    Parameters
    ----------
    model
        Open model.
    folder
        Where frames go.
    """

    def __init__(self, model: Any, folder: Path, facts: list[dict[str, Any]]) -> None:  # noqa: ANN401 - IFC file
        self._model, self._folder = model, folder
        self._facts = {one["id"]: one for one in facts}
        self._number = 0
        # Workers count here what they have done; each has a slot of its own.
        self._counts = mmap.mmap(-1, _COUNT.size * _MOST_WORKERS)
        self.faults: dict[int, str] = {}

    def run(self, ids: list[int], workers: int) -> None:
        """Mesh elements; what has no shape in the end and should have one is in `faults`."""
        # Neighbours in the file cost alike (walls with openings, then furniture): every part gets some of all.
        # One part per worker: what the kernel keeps for elements alike is lost between parts.
        parts = [ids[i::workers] for i in range(min(workers, len(ids)))]
        running: dict[int, tuple[list[int], Path]] = {}
        for slot, part in enumerate(parts):
            out = self._new_file()
            running[self._fork(lambda frames, part=part, slot=slot: self._quick(frames, part, slot), out)] = (part, out)  # type: ignore[misc]  # mypy does not see the defaults
        while running:
            pid, fault = self._next_end(running)
            part, out = running.pop(pid)
            found = elements_in(out)
            left = [number for number in part if number not in found]
            if fault or left:
                self._carefully(left, fault)
        self._tell(len(ids))

    def _tell(self, done: int) -> None:
        print(done, flush=True)  # noqa: T201 - the pipe to the parent

    def _new_file(self) -> Path:
        self._number += 1
        return self._folder / f"frames-{self._number:05d}.bin"

    def _fork(self, work: Callable[[Frames], None], out: Path) -> int:
        out.touch()
        coordinator = os.getpid()
        pid = os.fork()
        if pid:
            return pid
        code = 1
        die_with(coordinator)
        try:
            work(Frames(out))
            code = 0
        except BaseException as error:  # noqa: BLE001 - the end of a forked worker: nothing may escape into the parent's code
            out.with_suffix(".txt").write_text(f"{type(error).__name__}: {error}"[:300], encoding="utf-8")
        finally:
            os._exit(code)

    def _next_end(self, running: dict[int, tuple[list[int], Path]]) -> tuple[int, str]:
        """Wait for a worker; one whose file has not grown for long is killed."""
        said = time.monotonic()
        while True:
            if time.monotonic() - said > _TELL_S:
                said = time.monotonic()
                self._tell(sum(count for (count,) in _COUNT.iter_unpack(self._counts[:])))
            for pid, (_, out) in running.items():
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    return pid, _words(status, out)
                if time.time() - out.stat().st_mtime > SILENT_S:
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
                    return pid, f"no element in {SILENT_S} s"
            time.sleep(0.005)

    def _quick(self, frames: Frames, ids: list[int], slot: int) -> None:
        wanted = [self._model.by_id(number) for number in ids]
        iterator: Any = ifcopenshell.geom.iterator(_settings(openings=True), self._model, 1, include=wanted, geometry_library=KERNEL)
        if not iterator.initialize():
            return
        for done in itertools.count(1):
            frames.add(iterator.get(), MESHED)
            _COUNT.pack_into(self._counts, _COUNT.size * slot, done)
            if not iterator.next():
                return

    def _carefully(self, ids: list[int], fault: str) -> None:
        """Mesh one by one in a worker that announces each; whoever kills it is tried in lesser ways, the rest goes on."""
        left = [number for number in ids if fault or self._facts[number]["has_body"]]
        while left:
            out = self._new_file()
            said = out.with_suffix(".now")
            pid = self._fork(lambda frames, left=left, said=said: self._one_by_one(frames, left, said), out)  # type: ignore[misc]  # mypy does not see the defaults
            end = self._watched(pid, out, said)
            last = int(said.read_text() or 0) if said.exists() else 0
            found = elements_in(out)
            if last in left and last not in found:
                self._lesser(last, end)
            place = left.index(last) + 1 if last in left else len(left)
            left = left[place:]

    def _one_by_one(self, frames: Frames, ids: list[int], said: Path) -> None:
        for number in ids:
            said.write_text(str(number))
            frames.add(self._single(number, openings=True), MESHED)

    def _single(self, number: int, *, openings: bool) -> Any:  # noqa: ANN401 - ifcopenshell shape
        return ifcopenshell.geom.create_shape(_settings(openings=openings), self._model.by_id(number), geometry_library=KERNEL)

    def _watched(self, pid: int, out: Path, said: Path) -> str:
        started = time.time()
        while True:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                return _words(status, out)
            newest = max(started, said.stat().st_mtime if said.exists() else 0.0)
            if time.time() - newest > SINGLE_S:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                return f"took more than {SINGLE_S} s"
            time.sleep(0.005)

    def _lesser(self, number: int, fault: str) -> None:
        facts = self._facts[number]
        if not facts["has_body"]:
            return
        ways: list[Callable[[Frames], None]] = []
        if facts["voids"]:
            ways.append(lambda frames: frames.add(self._single(number, openings=False), WITHOUT_OPENINGS))
        ways.append(lambda frames: self._box(frames, number))
        for way in ways:
            out = self._new_file()
            pid = self._fork(way, out)
            self._watched(pid, out, out)
            if number in elements_in(out):
                return
        self.faults[number] = fault or "the kernel gave no shape"

    def _box(self, frames: Frames, number: int) -> None:
        """Write the box around the points of an element's own representation; where they are moved inside of it is not known."""
        product, facts = self._model.by_id(number), self._facts[number]
        if facts["matrix"] is None:
            return
        points: list[Any] = []
        for entity in self._model.traverse(product.Representation):
            if entity.is_a("IfcCartesianPoint") and len(entity.Coordinates) == 3:
                points.append(entity.Coordinates)
            elif entity.is_a("IfcCartesianPointList3D"):
                points.extend(entity.CoordList)
        places = np.array(points, dtype=np.float64) * ifcopenshell.util.unit.calculate_unit_scale(self._model)
        if len(places) < 4 or not np.isfinite(places).all() or not np.ptp(places, axis=0).all():
            return
        matrix = np.vstack([np.array(facts["matrix"]).reshape(3, 4), [0, 0, 0, 1]])
        frames.box(number, places.min(axis=0), places.max(axis=0), matrix)


def _words(status: int, out: Path) -> str:
    if os.WIFSIGNALED(status):
        return f"crashed ({signal.Signals(os.WTERMSIG(status)).name})"
    if os.WEXITSTATUS(status) == 0:
        return ""
    told = out.with_suffix(".txt")
    return told.read_text(encoding="utf-8") if told.exists() else f"exit code {os.WEXITSTATUS(status)}"
