"""What the workers of the geometry child leave for the parent: shapes once, elements as they come, cut off anywhere without harm."""

import itertools
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ingest.ifc.shapes import Floats, Mesh, Shape

MESHED, WITHOUT_OPENINGS, BOX = b"m", b"o", b"b"
STEP_M = 2.0**-17
"""Vertices are kept as whole steps from the middle of their shape; 8 micrometres, exact in binary."""
_STATUS = {MESHED: "meshed", WITHOUT_OPENINGS: "without_openings", BOX: "box"}
_SHAPE_HEAD = struct.Struct("<cIIIIId")
_ELEMENT_HEAD = struct.Struct("<ciIc16d")
_BOX_FACES = (
    (0, 1, 3), (0, 3, 2), (4, 6, 7), (4, 7, 5), (0, 4, 5), (0, 5, 1), (2, 3, 7), (2, 7, 6), (0, 2, 6), (0, 6, 4), (1, 5, 7), (1, 7, 3),
)  # fmt: skip


class Frames:
    """Writes shapes and elements to a file; every element is on its own, so that a killed worker loses nothing it has done.

    Parameters
    ----------
    path
        Appended to.
    """

    def __init__(self, path: Path) -> None:
        self._handle = path.open("ab")
        self._shapes: dict[str, tuple[int, Any]] = {}

    def add(self, shape: Any, status: bytes) -> None:  # noqa: ANN401 - ifcopenshell shape
        """Write an element, and its shape where it is the first that has it."""
        mesh = shape.geometry
        number, middle = self._shapes.get(mesh.id, (0, None))
        if middle is None:
            colours = np.array(
                [[*m.diffuse.components, 1.0 - (m.transparency if m.has_transparency() else 0.0)] for m in mesh.materials], dtype="<f4"
            )
            vertices = np.frombuffer(mesh.verts_buffer, dtype="<f8").reshape(-1, 3)
            faces = np.frombuffer(mesh.faces_buffer, "<i4").reshape(-1, 3)
            number, middle = self._write_shape(vertices, faces, bytes(mesh.material_ids_buffer), colours)
            self._shapes[mesh.id] = (number, middle)
        matrix = np.frombuffer(shape.transformation_buffer, "d").reshape((4, 4), order="F")
        self.element(shape.id, number, matrix, middle, status)

    def _write_shape(self, vertices: Any, faces: Any, materials: bytes, colours: Any) -> tuple[int, Any]:  # noqa: ANN401 - arrays
        if not len(vertices):
            return 0, np.zeros(3)
        if not np.isfinite(vertices).all():
            raise ValueError("coordinates that are no numbers")
        low, high = vertices.min(axis=0), vertices.max(axis=0)
        middle = np.rint((low + high) / 2 / STEP_M) * STEP_M
        step = max(STEP_M, float((high - low).max()) / 2e9)
        steps = np.rint((vertices - middle) / step).astype("<i4")
        number = len(self._shapes) + 1
        parts = [steps.tobytes(), faces.astype("<i4").tobytes(), materials, colours.astype("<f4").tobytes()]
        self._handle.write(_SHAPE_HEAD.pack(b"S", number, *map(len, parts), step))
        for part in parts:
            self._handle.write(part)
        return number, middle

    def element(self, number: int, shape: int, matrix: Any, middle: Any, status: bytes) -> None:  # noqa: ANN401 - arrays
        """Write an element that has a shape."""
        moved = matrix.copy()
        moved[:3, 3] += matrix[:3, :3] @ middle
        self._handle.write(_ELEMENT_HEAD.pack(b"E", number, shape, status, *moved.ravel()))
        self._handle.flush()

    def box(self, number: int, low: Any, high: Any, matrix: Any) -> None:  # noqa: ANN401 - arrays
        """Write the box of an element's points."""
        corners = np.array(list(itertools.product((0, 1), repeat=3))) * (high - low) + low
        faces = np.array(_BOX_FACES, "<i4")
        shape, middle = self._write_shape(corners, faces, np.full(12, -1, "<i4").tobytes(), np.empty((0, 4)))
        self._shapes[f"box {number}"] = (shape, middle)
        self.element(number, shape, matrix, middle, BOX)


def elements_in(out: Path) -> set[int]:
    """Return the elements in a file of frames; one that was cut off is not among them."""
    found: set[int] = set()
    raw = out.read_bytes()
    at = 0
    while at < len(raw):
        if raw[at : at + 1] == b"S":
            if at + _SHAPE_HEAD.size > len(raw):
                break
            _, _, *sizes, _ = _SHAPE_HEAD.unpack_from(raw, at)
            at += _SHAPE_HEAD.size + sum(sizes)
        else:
            if at + _ELEMENT_HEAD.size > len(raw):
                break
            found.add(_ELEMENT_HEAD.unpack_from(raw, at)[1])
            at += _ELEMENT_HEAD.size
    return found


def read_frames(folder: Path) -> dict[int, Mesh]:
    """Return the meshes that workers have left; shapes of equal content become one."""
    kept: dict[str, Shape] = {}
    found: dict[int, Mesh] = {}
    for out in sorted(folder.glob("frames-*.bin")):
        raw = out.read_bytes()
        shapes: dict[int, Shape] = {}
        at = 0
        while at < len(raw):
            head = _SHAPE_HEAD if raw[at : at + 1] == b"S" else _ELEMENT_HEAD
            if at + head.size > len(raw):
                break
            fields = head.unpack_from(raw, at)
            at += head.size
            if head is _ELEMENT_HEAD:
                _, number, shape, status, *matrix = fields
                if shape in shapes:
                    placed: Floats = np.array(matrix, np.float64).reshape(4, 4)
                    found[number] = Mesh(shapes[shape], placed, _STATUS[status])
                continue
            _, number, *sizes, step = fields
            if at + sum(sizes) > len(raw):
                break
            parts = []
            for size in sizes:
                parts.append(raw[at : at + size])
                at += size
            one = shape_from(parts, step)
            shapes[number] = kept.setdefault(one.hash, one)
        out.unlink()
    return found


def shape_from(parts: Sequence[bytes], step_m: float) -> Shape:
    """Return a shape from the bytes of points, faces, materials and colours."""
    points, faces = (np.frombuffer(part, "<i4").reshape(-1, 3) for part in parts[:2])
    return Shape(points, step_m, faces, np.frombuffer(parts[2], "<i4"), np.frombuffer(parts[3], "<f4").reshape(-1, 4))
