"""Models drawn many times: closed to the sky, in place, each copy a feature that the reader finds again."""

import numpy as np
import pytest

from cim.errors import TileError
from cim.geometry.models import MODELS
from tiles.glb_read import Glb
from tiles.instances import build_scene
from tiles.instancing import Copies
from tiles.legacy import to_b3dm
from tiles.metadata import PropertyTable, Text
from tiles.validate import check_content


def content(features=(0, 1, 2), names=("a", "b", "c")):
    places = np.array([[0.0, 0, 0], [10, 20, 1], [-5, 7, 2]])
    sizes = np.array([[0.3, 0.3, 2], [0.5, 0.5, 4], [1, 2, 3]])
    copies = Copies(MODELS["shaft"], places, sizes, np.array(features), (1.0, 0.5, 0.2, 1.0))
    table = PropertyTable("part", (Text("code", list(names), is_id=True),), len(names))
    return build_scene([], [copies.instanced()], table)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_model_is_one_unit_high_and_its_normals_look_outwards(name):
    model = MODELS[name]
    assert (model.positions[:, 2].min(), model.positions[:, 2].max()) == (0.0, pytest.approx(1.0))
    corners = model.positions[model.triangles]
    flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    # Counter-clockwise from outside (glTF 2.0, section 3.7.2.1).
    assert (np.einsum("ij,ij->i", flat, model.normals[model.triangles].mean(axis=1)) > 0).all()
    assert np.allclose(np.linalg.norm(model.normals, axis=1), 1)


def test_copies_stand_where_they_were_put_in_their_size():
    glb = Glb(content())
    parts = glb.parts()
    assert [set(part.features.tolist()) for part in parts] == [{0}, {1}, {2}]
    # By hand: (10, 20, 1) with radius 0.5 and height 4.
    assert np.allclose(parts[1].vertices.min(axis=0), (9.5, 19.5, 1), atol=1e-5)
    assert np.allclose(parts[1].vertices.max(axis=0), (10.5, 20.5, 5), atol=1e-5)
    assert np.allclose(parts[2].vertices.max(axis=0), (-4, 9, 5), atol=1e-5)
    codes, vertices = check_content(content())
    assert codes == ["a", "b", "c"]
    assert np.allclose(vertices.max(axis=0), (10.5, 20.5, 5), atol=1e-5)


def test_a_copy_of_no_feature_is_a_fault():
    with pytest.raises(TileError, match="instance"):
        Glb(content(features=(0, 1, 3))).parts()


def test_old_clients_get_every_copy():
    assert to_b3dm(content()).count(b"b3dm") == 1
    assert check_content(to_b3dm(content()))[1].shape == (3 * len(MODELS["shaft"].positions), 3)


def test_the_corners_of_copies_are_their_reach():
    low, high = Copies(MODELS["cabinet"], np.array([[5.0, 5, 5]]), np.array([[2.0, 2, 3]]), np.array([0])).corners()
    assert low.tolist() == pytest.approx([3, 3.8, 5])
    assert high.tolist() == pytest.approx([7, 6.2, 8])
