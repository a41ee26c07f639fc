"""The layer in one archive, as b3dm, and within the tileset of the whole city."""

import hashlib
import json
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from py3dtiles.tileset import TileSet
from py3dtiles.tileset.content import read_binary_tile_content

from cim.db import engine, tilesets
from tests.support.cli import run_cim
from tests.support.many_buildings import files, fill
from tiles.build import build_layers
from tiles.validate import Checker, Report, validate_folder


@pytest.fixture(scope="module")
def city(module_settings):
    return fill(module_settings)


def test_an_archive_holds_every_file_and_an_index_that_finds_them(city, tmp_path):
    target = tmp_path / "city.3tz"
    assert run_cim(city, "tiles", "export", "buildings", target).code == 0
    with zipfile.ZipFile(target) as archive:
        names = archive.namelist()
        assert {name: archive.read(name) for name in names[:-1]} == files(city)
        # 3TZ 1.3: the index is the last entry, stored; 24 bytes per file: MD5 of its path, offset of its local header.
        assert names[-1] == "@3dtilesIndex1@"
        index = archive.read(names[-1])
    raw = target.read_bytes()
    found = {index[at : at + 16]: struct.unpack("<Q", index[at + 16 : at + 24])[0] for at in range(0, len(index), 24)}
    for name in names[:-1]:
        offset = found[hashlib.md5(name.encode(), usedforsecurity=False).digest()]
        assert raw[offset : offset + 4] == b"PK\x03\x04"
        assert raw[offset + 30 : offset + 30 + len(name)] == name.encode()


def test_the_city_tileset_leads_to_every_layer_and_loses_no_digit(city):
    build_layers(city, ["buildings"])
    root = Path(city.tiles_url)
    report = validate_folder(root)
    assert report.faults == []
    assert report.tiles == len([name for name in files(city) if name.endswith(".glb")])
    # py3dtiles' own exporter rounds the root transform to float32; what we write and it reads back stays float64.
    written = json.loads((root / "buildings/tileset.json").read_text())["root"]["transform"]
    read = TileSet.from_dict(json.loads((root / "buildings/tileset.json").read_text())).root_tile.transform
    assert read.T.ravel().tolist() == written
    assert written != np.array(written, dtype=np.float32).tolist()


def test_old_clients_get_the_same_buildings_as_b3dm(city, tmp_path):
    target = tmp_path / "old"
    assert run_cim(city, "tiles", "export", "buildings", target, "--b3dm").code == 0
    report = validate_folder(target)
    assert report.faults == []
    assert report.tiles == len(list(target.rglob("*.b3dm"))) > 10
    checked = Report("old")
    checker = Checker(lambda path: (target / path).read_bytes(), checked)
    checker.document("tileset.json", np.eye(4), None, "root", None)
    with engine.connect(city) as connection:
        wanted = sorted(tilesets.sample_codes(connection, "buildings"))
    assert sorted(checker.codes.elements()) == wanted
    # An independent reader, and the lengths that py3dtiles' own exporter leaves at zero.
    read = read_binary_tile_content(next(target.rglob("*.b3dm")))
    assert read.body.feature_table.get_batch_length() > 0
    assert run_cim(city, "tiles", "export", "buildings", target, "--b3dm").code == 1
