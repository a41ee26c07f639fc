"""Pipes, ducts and flat-shaded meshes: sizes by hand."""

import numpy as np
import pytest

from cim.geometry.mesh import flat_mesh, to_srgb_linear
from cim.geometry.tube import ducts, merged, tubes

ONE = np.array([0])


def outward(mesh):
    """Return the smallest cosine between the triangles' and their vertices' normals."""
    corners = mesh.positions[mesh.triangles]
    flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    flat /= np.linalg.norm(flat, axis=1)[:, None]
    return np.einsum("ij,ij->i", flat, mesh.normals[mesh.triangles[:, 0]]).min()


@pytest.mark.parametrize("end", [(10.0, 0.0, 0.0), (0.0, 7.0, -1.0), (0.0, 0.0, 3.0), (0.0, 0.0, -3.0), (-2.0, -5.0, 4.0)])
def test_every_corner_of_a_pipe_is_its_radius_away_from_the_centre_line(end):
    start = np.array([[1.0, 2.0, 3.0]])
    end = start + np.array(end)
    mesh = tubes(start, end, np.array([0.4]), ONE)
    assert (len(mesh.positions), len(mesh.triangles)) == (16, 16)
    direction = (end - start)[0] / np.linalg.norm(end - start)
    along = (mesh.positions - start) @ direction
    off = np.linalg.norm(mesh.positions - start - along[:, None] * direction, axis=1)
    assert off == pytest.approx(np.full(16, 0.4))
    assert np.sort(along) == pytest.approx([0.0] * 8 + [np.linalg.norm(end - start)] * 8)
    # Neighbouring sides of an octagon meet at 45 degrees: the face is 22.5 degrees from its corner's normal.
    assert outward(mesh) == pytest.approx(np.cos(np.radians(22.5)))


def test_a_duct_is_as_wide_and_as_high_as_told():
    mesh = ducts(np.zeros((1, 3)), np.array([[0.0, 20.0, 0.0]]), np.array([1.2]), np.array([0.8]), ONE)
    assert np.ptp(mesh.positions, axis=0) == pytest.approx([1.2, 20.0, 0.8])
    assert outward(mesh) == pytest.approx(1.0)
    assert (len(mesh.positions), len(mesh.triangles)) == (16, 8)


def test_merged_meshes_keep_their_triangles_and_features():
    a = tubes(np.zeros((1, 3)), np.array([[1.0, 0, 0]]), np.array([0.1]), np.array([3]))
    b = ducts(np.zeros((1, 3)), np.array([[0, 9.0, 0]]), np.array([1.0]), np.array([1.0]), np.array([8]))
    both = merged([a, b])
    assert both.positions[both.triangles[16:]].tolist() == b.positions[b.triangles].tolist()
    assert both.features[both.triangles[:, 0]].tolist() == [3] * 16 + [8] * 8


def test_a_cube_keeps_flat_faces_and_shares_vertices_inside_them():
    points = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=np.float64)
    faces = np.array(
        [[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1], [2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3]]
    )
    mesh = flat_mesh(points, faces, np.zeros(12, dtype=np.int64), np.full((12, 4), 255, dtype=np.uint8))
    # 6 faces of 4 corners.
    assert len(mesh.positions) == 24
    assert outward(mesh) == pytest.approx(1.0)
    assert np.einsum("ij,ij->i", mesh.normals, mesh.positions - 0.5) == pytest.approx(np.full(24, 0.5))


def test_triangles_without_area_are_dropped_and_colours_split_vertices():
    points = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [2, 0, 0]])
    faces = np.array([[0, 1, 2], [0, 2, 3], [0, 1, 4]])
    colours = np.array([[255, 0, 0, 255], [0, 0, 255, 255], [0, 0, 0, 255]], dtype=np.uint8)
    mesh = flat_mesh(points, faces, np.array([0, 0, 0]), colours)
    assert len(mesh.triangles) == 2
    assert len(mesh.positions) == 6
    assert mesh.colours[mesh.triangles[:, 0]].tolist() == colours[:2].tolist()


def test_linear_light_of_srgb_follows_iec_61966():
    # 0.5 sRGB is 0.2140 linear; 0.04 lies on the straight part: 0.04 / 12.92.
    assert to_srgb_linear(np.array([0.0, 0.04, 0.5, 1.0])) == pytest.approx([0.0, 0.0030960, 0.2140411, 1.0], abs=1e-7)
