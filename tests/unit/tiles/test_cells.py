"""Cells of the global quadtree and the tree above the leaves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from tiles import grid, pyramid


@pytest.mark.parametrize(
    ("lon", "lat", "level"), [(-180.0, -90.0, 26), (179.999999, 90.0, 26), (114.4, 30.5, 15), (0.0, 0.0, 1), (180.0, 10.0, 3)]
)
def test_a_position_lies_in_its_cell(lon, lat, level):
    key = grid.key_of(int(grid.codes(np.array([lon]), np.array([lat]))[0]), level)
    west, south, east, north = grid.bounds(key)
    assert west <= (lon + 180) % 360 - 180 < east
    assert south <= lat < north or lat == 90.0
    assert grid.key_at(*grid.offset(key), level) == key


@given(st.sets(st.text("0123", min_size=15, max_size=15), min_size=1, max_size=60))
@limits(max_examples=50, deadline=None)
def test_a_tree_holds_every_leaf_once_and_no_inner_tile_with_one_child(keys):
    root = pyramid.tree(keys)
    inner = root.inner()
    found = [child.key for cell in inner for child in cell.children if not child.children] or [root.key]
    assert sorted(found) == sorted(keys)
    assert all(len(cell.children) > 1 and all(child.key.startswith(cell.key) for child in cell.children) for cell in inner)
    assert root.n_leaves == len(keys)
