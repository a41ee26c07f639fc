"""The quadtree: budgets, extents, stability."""

import numpy as np
import pytest

from cim.errors import TileError
from tiles.plan import MAX_FEATURES, MAX_VERTICES, plan
from tiles.store import TileStore

RNG = np.random.default_rng(3)


def city(n):
    return 114.3 + RNG.random(n) ** 2 * 0.2, 30.4 + RNG.random(n) ** 2 * 0.2, RNG.integers(20, 80, n)


def test_every_feature_is_in_one_leaf_and_leaves_keep_their_budget_and_extent():
    lon, lat, vertices = city(20_000)
    leaves = plan(lon, lat, vertices).leaves()
    assert np.sort(np.concatenate([leaf.features for leaf in leaves])).tolist() == list(range(20_000))
    for leaf in leaves:
        assert len(leaf.features) <= MAX_FEATURES
        assert vertices[leaf.features].sum() <= MAX_VERTICES
        # 1.3 km on a sphere of 111,195 m per degree.
        assert np.ptp(lat[leaf.features]) * 111_195 <= 1_300
        assert np.ptp(lon[leaf.features]) * 111_195 * np.cos(np.radians(30.4)) <= 1_300


def test_the_plan_does_not_depend_on_the_order_of_the_features():
    lon, lat, vertices = city(5_000)
    order = RNG.permutation(5_000)
    straight = {leaf.key: set(leaf.features.tolist()) for leaf in plan(lon, lat, vertices).leaves()}
    mixed = {leaf.key: set(order[leaf.features].tolist()) for leaf in plan(lon[order], lat[order], vertices[order]).leaves()}
    assert straight == mixed


def test_an_added_feature_changes_only_the_leaf_it_falls_into():
    lon, lat, vertices = city(5_000)
    before = {leaf.key: leaf.features.tolist() for leaf in plan(lon, lat, vertices).leaves()}
    # Far away as well: the grid is that of the earth, not of the data.
    after = {
        leaf.key: leaf.features.tolist() for leaf in plan(np.append(lon, 121.5), np.append(lat, 31.2), np.append(vertices, 40)).leaves()
    }
    assert {key: value for key, value in after.items() if value != [5_000]} == before


@pytest.mark.parametrize("n", [1, 2_000])
def test_features_on_one_spot_end_in_one_leaf_even_above_the_budget(n):
    leaves = plan(np.full(n, 114.4), np.full(n, 30.5), np.full(n, 50)).leaves()
    assert [len(leaf.features) for leaf in leaves] == [n]


def test_a_file_is_replaced_whole_and_no_part_is_left(tmp_path):
    store = TileStore(str(tmp_path))
    store.write("buildings/content/a.glb", b"one")
    store.write("buildings/content/a.glb", b"two")
    assert store.read("buildings/content/a.glb") == b"two"
    assert store.names("buildings") == {"buildings/content/a.glb"}
    store.remove("buildings/content/a.glb")
    store.remove("buildings/content/a.glb")
    assert not store.exists("buildings/content/a.glb")


def test_a_store_may_be_any_fsspec_url():
    store = TileStore("memory://tiles-test")
    store.write("networks/gas/tileset.json", b"{}")
    assert store.names("networks/gas") == {"networks/gas/tileset.json"}
    assert store.read("networks/gas/tileset.json") == b"{}"


@pytest.mark.parametrize("name", ["../secret", "buildings/../../secret", "/etc/passwd"])
def test_a_name_cannot_leave_the_store(tmp_path, name):
    with pytest.raises(TileError, match="leaves the store"):
        TileStore(str(tmp_path)).read(name)
