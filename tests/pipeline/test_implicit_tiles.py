"""A layer exported as an implicit quadtree: unfolded by the checker it holds what the explicit tileset holds, where that has it."""

import json
import shutil
import struct
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from cim.db import engine, profiles, tilesets
from cim.db.changes import open_change_set
from tests.pipeline.test_gltf_validator import validated
from tests.support.cli import run_cim
from tests.support.many_buildings import PROFILE, add, box
from tests.support.small_city import add_building, add_model, add_network
from tiles import subtrees
from tiles.build import build_layers
from tiles.subtrees import Tile
from tiles.validate import Checker, Report, check_content, validate_folder

N = 1_200


@pytest.fixture(scope="module")
def city(module_settings):
    random = np.random.default_rng(5)
    lon = np.concatenate([random.uniform(114.400, 114.404, 800), random.uniform(114.3, 114.6, N - 800)])
    lat = np.concatenate([random.uniform(30.500, 30.504, 800), random.uniform(30.4, 30.6, N - 800)])
    with engine.connect(module_settings) as connection:
        profiles.save_profile(connection, PROFILE)
        by = open_change_set(connection, author="test", operation="ingest", reason="test")
        add(connection, [(i, box(lon[i], lat[i])) for i in range(N)])
        add_building(connection, by, 1)
        add_network(connection, by)
        add_model(connection)
    build_layers(module_settings, [])
    return module_settings


@pytest.fixture(scope="module")
def exported(city, tmp_path_factory):
    target = tmp_path_factory.mktemp("implicit") / "buildings"
    result = run_cim(city, "tiles", "export", "buildings", target, "--implicit", "--json")
    assert result.code == 0, result.err
    assert result.json()["files"] == len([path for path in target.rglob("*") if path.is_file()])
    return target


def everything(root):
    """Return codes and, by code, the places of all vertices (EPSG:4978)."""
    places = {}

    def take(_path, content, transform):
        codes, vertices = check_content(content)
        places[codes[0] if codes else len(places)] = vertices @ transform[:3, :3].T + transform[:3, 3]

    checker = Checker(lambda path: (root / path).read_bytes(), Report("one"), take)
    checker.document("tileset.json", np.eye(4), None, "root", None)
    assert checker.report.faults == []
    return checker, places


def test_the_export_holds_every_building_once_where_the_explicit_tileset_has_it(city, exported):
    report = validate_folder(exported)
    assert (report.faults, report.unchecked) == ([], 0)
    checker, places = everything(exported)
    with engine.connect(city) as connection:
        assert checker.codes == Counter(tilesets.sample_codes(connection, "buildings"))
    explicit, expected = everything(Path(city.tiles_url) / "buildings")
    assert (checker.report.tiles, checker.report.far_tiles) == (explicit.report.tiles, explicit.report.far_tiles)
    assert checker.report.far_tiles > 0
    for name, vertices in expected.items():
        if isinstance(name, str):
            assert np.abs(places[name] - vertices).max() < 1e-4
    assert {str(path.relative_to(exported)) for path in exported.rglob("*") if path.is_file()} == checker.files
    assert validated(sorted(exported.rglob("*.glb"))) == []


def test_a_subtree_is_the_bytes_of_the_standard():
    # 3D Tiles 1.1, "Subtree Binary Format" and "Availability": one tile and its north-eastern child, Morton order, first bit lowest.
    tiles = {(0, 0, 0): Tile([0.0] * 12, 8.0, False), (1, 1, 1): Tile([1.0] * 12, 4.0, True), (2, 3, 2): Tile([2.0] * 12, 0.0, True)}
    content = subtrees.write_subtree(tiles, (0, 0, 0), 2)
    assert content[:8] == b"subt" + struct.pack("<I", 1)
    head, size = struct.unpack_from("<QQ", content, 8)
    document = json.loads(content[24 : 24 + head])
    binary = content[24 + head :]
    assert (head % 8, size % 8, len(binary)) == (0, 0, size)

    def bits(told):
        view = document["bufferViews"][told["bitstream"]]
        assert view["byteOffset"] % 8 == 0
        return binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]

    # Tiles 0 (root) and 4 (child 3) of 5: 0b10001. Content: only 4. Child subtrees: x 3, y 2 = 0b1101 = 13 of 16.
    assert bits(document["tileAvailability"]) == bytes([0b10001])
    assert bits(document["contentAvailability"][0]) == bytes([0b10000])
    assert bits(document["childSubtreeAvailability"]) == bytes([0, 0b100000])
    assert document["childSubtreeAvailability"]["availableCount"] == 1
    errors = document["bufferViews"][document["propertyTables"][0]["properties"]["error"]["values"]]
    assert np.frombuffer(binary, "<f8", 2, errors["byteOffset"]).tolist() == [8.0, 4.0]


@pytest.mark.parametrize("layer", ["networks/sewage"])
def test_other_layers_of_the_quadtree_are_exported_too(city, tmp_path, layer):
    assert run_cim(city, "tiles", "export", layer, tmp_path / "out", "--implicit").code == 0
    checker, _ = everything(tmp_path / "out")
    with engine.connect(city) as connection:
        assert checker.codes == Counter(tilesets.sample_codes(connection, layer))


def test_a_model_is_no_quadtree_and_a_folder_is_not_written_over(city, exported, tmp_path):
    result = run_cim(city, "tiles", "export", "bim/BIM-2026-000001", tmp_path / "bim", "--implicit")
    assert (result.code, "no cell of the quadtree" in " ".join(result.err.split())) == (1, True)
    assert list(tmp_path.iterdir()) == []
    assert run_cim(city, "tiles", "export", "buildings", exported, "--implicit").code == 1
    assert run_cim(city, "tiles", "export", "buildings", tmp_path / "x", "--implicit", "--b3dm").code == 2


def lose_subtree(root):
    next(iter(sorted(root.glob("subtrees/*/*/*.subtree"))[1:])).unlink()


def cut_subtree(root):
    path = root / "subtrees/0/0/0.subtree"
    path.write_bytes(path.read_bytes()[:-8])


def claim_content(root):
    path = root / "subtrees/0/0/0.subtree"
    path.write_bytes(path.read_bytes().replace(b'"contentAvailability":[{"bitstream"', b'"contentAvailability":[{"constant":1,"x"'))


def lose_content(root):
    next(root.rglob("*.glb")).unlink()


def deepen(root):
    path = root / "tileset.json"
    document = json.loads(path.read_text())
    document["root"]["implicitTiling"]["availableLevels"] -= 1
    path.write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lose_subtree, "is missing"), (cut_subtree, "subtree header"), (claim_content, "subtree"), (lose_content, "is missing"),
        (deepen, "available levels"),
    ],
)  # fmt: skip
def test_the_checker_finds_a_spoilt_implicit_tileset(exported, tmp_path, spoil, words):
    shutil.copytree(exported, tmp_path / "spoilt")
    spoil(tmp_path / "spoilt")
    assert words in " ".join(validate_folder(tmp_path / "spoilt").faults)
