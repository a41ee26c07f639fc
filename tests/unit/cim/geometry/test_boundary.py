"""Faults of boundaries: a unit cube, broken in one way at a time, gets the code of val3dity that stands for that."""

import numpy as np
import pytest

from cim.geometry.boundary import check, surfaces_of

CUBE = np.array([(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1)], float)
FACES = [[[3, 2, 1, 0]], [[4, 5, 6, 7]], [[0, 1, 5, 4]], [[1, 2, 6, 5]], [[2, 3, 7, 6]], [[3, 0, 4, 7]]]


def moved(vertex, by):
    xyz = CUBE.copy()
    xyz[vertex] += by
    return xyz


def codes(faces, xyz=CUBE, kind="Solid"):
    return {code for code, _ in check(surfaces_of([(faces, xyz)]), [kind])[0]}


# Codes and meanings: val3dity, "Definitions and errors".
@pytest.mark.parametrize(
    ("faces", "xyz", "expected"),
    [
        (FACES, CUBE, set()),
        ([[[3, 2]], *FACES[1:]], CUBE, {"101"}),
        ([[[3, 2, 2, 1, 0]], *FACES[1:]], CUBE, {"102"}),
        ([[[3, 1, 2, 0]], *FACES[1:]], CUBE, {"104"}),
        (FACES, moved(6, (0, 0, 0.5)), {"203"}),
        (FACES, moved(6, (0, 0, 0.009)), set()),
        (FACES[:3], CUBE, {"301", "302"}),
        (FACES[:-1], CUBE, {"302"}),
        ([*FACES, [[3, 0, 4, 7]]], CUBE, {"303"}),
        ([*FACES[:-1], [[7, 4, 0, 3]]], CUBE, {"307"}),
        ([[ring[::-1] for ring in face] for face in FACES], CUBE, {"405"}),
    ],
)
def test_a_cube_broken_in_one_way_has_the_code_of_that(faces, xyz, expected):
    found = codes(faces, xyz)
    assert expected <= found
    assert bool(expected) == bool(found)


def test_surfaces_that_are_no_solid_may_be_open():
    assert codes(FACES[:1], kind="MultiSurface") == set()


def test_vertices_at_one_place_are_one_vertex():
    doubled = np.concatenate([CUBE, CUBE])
    faces = [*FACES[:-1], [[number + 8 for number in FACES[-1][0]]]]
    assert codes(faces, doubled) == set()
