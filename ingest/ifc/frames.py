"""What the workers of the geometry child leave for the parent: shapes once, elements as they come, cut off anywhere without harm.

Workers write what the kernel gives them, as it is; the parent turns all shapes of a model into steps at once.
"""

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
_SHAPE_HEAD = struct.Struct("<cIIIII")
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
        self._shapes: dict[str, int] = {}

    def add(self, shape: Any, status: bytes) -> None:  # noqa: ANN401 - ifcopenshell shape
        """Write an element, and its shape where it is the first that has it."""
        mesh = shape.geometry
        number = self._shapes.get(mesh.id)
        if number is None:
            vertices = mesh.verts_buffer
            if not np.isfinite(np.frombuffer(vertices, "<f8")).all():
                raise ValueError("coordinates that are no numbers")
            colours = np.array(
                [[*m.diffuse.components, 1.0 - (m.transparency if m.has_transparency() else 0.0)] for m in mesh.materials], "<f4"
            )
            number = self._shape(mesh.id, (vertices, mesh.faces_buffer, mesh.material_ids_buffer, colours.tobytes()))
        # The kernel's matrices are column by column.
        matrix = np.frombuffer(shape.transformation_buffer, "d").reshape((4, 4), order="F")
        self._element(shape.id, number, matrix, status)

    def _shape(self, key: str, parts: Sequence[bytes]) -> int:
        number = self._shapes[key] = len(self._shapes) + 1
        self._handle.write(_SHAPE_HEAD.pack(b"S", number, *map(len, parts)))
        for part in parts:
            self._handle.write(part)
        return number

    def _element(self, number: int, shape: int, matrix: Floats, status: bytes) -> None:
        self._handle.write(_ELEMENT_HEAD.pack(b"E", number, shape, status, *matrix.ravel().tolist()))
        self._handle.flush()

    def box(self, number: int, low: Floats, high: Floats, matrix: Floats) -> None:
        """Write the box of an element's points [m]."""
        corners = np.array(list(itertools.product((0, 1), repeat=3))) * (high - low) + low
        faces = np.array(_BOX_FACES, "<i4")
        shape = self._shape(f"box {number}", (corners.tobytes(), faces.tobytes(), np.full(len(faces), -1, "<i4").tobytes(), b""))
        self._element(number, shape, matrix, BOX)


def elements_in(out: Path) -> set[int]:
    """Return the elements in a file of frames; one that was cut off is not among them."""
    return {number for number, _, _, _ in _read(out.read_bytes())[1]}


_Parts = tuple[bytes, bytes, bytes, bytes]
_Element = tuple[int, int, bytes, tuple[float, ...]]


def _read(raw: bytes) -> tuple[dict[int, _Parts], list[_Element]]:
    """Return shapes by number, and elements: number, shape, status, matrix."""
    shapes: dict[int, _Parts] = {}
    elements: list[_Element] = []
    at = 0
    while at < len(raw):
        head = _SHAPE_HEAD if raw[at : at + 1] == b"S" else _ELEMENT_HEAD
        if at + head.size > len(raw):
            break
        fields = head.unpack_from(raw, at)
        at += head.size
        if head is _ELEMENT_HEAD:
            elements.append((fields[1], fields[2], fields[3], fields[4:]))
            continue
        ends = list(itertools.accumulate(fields[2:], initial=at))
        if ends[-1] > len(raw):
            break
        shapes[fields[1]] = (raw[at : ends[1]], raw[ends[1] : ends[2]], raw[ends[2] : ends[3]], raw[ends[3] : ends[4]])
        at = ends[-1]
    return shapes, elements


def read_frames(folder: Path) -> dict[int, Mesh]:
    """Return the meshes that workers have left; shapes of equal content become one."""
    parts: list[_Parts] = []
    elements: list[tuple[int, int, bytes, tuple[float, ...]]] = []
    for out in sorted(folder.glob("frames-*.bin")):
        shapes, found = _read(out.read_bytes())
        place = {number: len(parts) + k for k, number in enumerate(shapes)}
        parts += shapes.values()
        elements += [(number, place[shape], status, matrix) for number, shape, status, matrix in found if shape in place]
        out.unlink()
    made = _shapes(parts)
    meshes: dict[int, Mesh] = {}
    for number, shape, status, matrix in elements:
        known = made[shape]
        if known is None:
            continue
        one, middle = known
        placed: Floats = np.array(matrix, np.float64).reshape(4, 4)
        placed[:3, 3] += placed[:3, :3] @ middle
        meshes[number] = Mesh(one, placed, _STATUS[status])
    return meshes


def _shapes(parts: Sequence[_Parts]) -> list[tuple[Shape, Floats] | None]:
    """Return shapes with the middle that they are around; None for one without vertices."""
    sizes = np.array([len(part[0]) // 24 for part in parts], np.int64)
    full = np.flatnonzero(sizes)
    if not len(full):
        return [None] * len(parts)
    vertices = np.frombuffer(b"".join(part[0] for part in parts), "<f8").reshape(-1, 3)
    first = np.cumsum(sizes)[full] - sizes[full]
    low, high = np.minimum.reduceat(vertices, first), np.maximum.reduceat(vertices, first)
    middle = np.rint((low + high) / 2 / STEP_M) * STEP_M
    step = np.maximum(STEP_M, (high - low).max(axis=1) / 2e9)
    points = np.rint((vertices - np.repeat(middle, sizes[full], axis=0)) / np.repeat(step, sizes[full])[:, None]).astype("<i4")
    kept: dict[str, Shape] = {}
    made: list[tuple[Shape, Floats] | None] = [None] * len(parts)
    for k, number in enumerate(full.tolist()):
        _, faces, materials, colours = parts[number]
        own = points[first[k] : first[k] + sizes[number]]
        one = shape_from((own.tobytes(), faces, materials, colours), float(step[k]))
        made[number] = (kept.setdefault(one.hash, one), middle[k])
    return made


def shape_from(parts: Sequence[bytes], step_m: float) -> Shape:
    """Return a shape from the bytes of points, faces, materials and colours."""
    points, faces = (np.frombuffer(part, "<i4").reshape(-1, 3) for part in parts[:2])
    return Shape(points, step_m, faces, np.frombuffer(parts[2], "<i4"), np.frombuffer(parts[3], "<f4").reshape(-1, 4))
