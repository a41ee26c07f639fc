"""Faults that the validator must find in a spoilt tileset."""

import json
import shutil
from pathlib import Path

import pytest

from cim.db import engine
from cim.db.changes import open_change_set
from tests.support.cli import run_cim
from tests.support.small_city import (
    add_building,
    build,
    code,
    fill,
)
from tiles.validate import validate_layer


@pytest.fixture
def city(settings):
    return fill(settings)


def spoil(settings, change):
    path = Path(settings.tiles_url) / "buildings/tileset.json"
    spoilt = json.loads(path.read_text())
    change(spoilt, path.parent)
    path.write_text(json.dumps(spoilt))


def first_content(tile):
    return first_content(tile["children"][0]) if "children" in tile else tile


def leave_parent(tileset, _):
    first_content(tileset["root"])["transform"][12] += 5_000.0


def lose_file(tileset, folder):
    (folder / first_content(tileset["root"])["content"]["uri"]).unlink()


def shrink_box(tileset, _):
    box = first_content(tileset["root"])["boundingVolume"]["box"]
    box[11] /= 2


def raise_error(tileset, _):
    first_content(tileset["root"])["geometricError"] = 1e6


def show_twice(tileset, _):
    tileset["root"]["children"].append(tileset["root"]["children"][0])


def drop_child(tileset, _):
    tileset["root"]["children"].pop()


def cut_file(tileset, folder):
    path = folder / first_content(tileset["root"])["content"]["uri"]
    path.write_bytes(path.read_bytes()[:-100])


def use_region(tileset, _):
    first_content(tileset["root"])["boundingVolume"] = {"region": [0, 0, 1, 1, 0, 1]}


def forget_root(tileset, _):
    del tileset["root"]["boundingVolume"]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (leave_parent, "leaves its parent's box by"),
        (lose_file, "is missing"),
        (shrink_box, "content leaves its box by"),
        (raise_error, "exceeds its parent's"),
        (show_twice, "occurs 2 times"),
        (drop_child, "is in the store and in no tile"),
        (drop_child, "no tile refers to it"),
        (cut_file, "glb header"),
        (use_region, "damaged structure"),
        (forget_root, "damaged structure"),
    ],
)
def test_the_validator_finds_a_spoilt_tileset(city, change, fault):
    build(city, "buildings")
    spoil(city, change)
    report = run_cim(city, "tiles", "validate", "buildings", "--json")
    assert report.code == 1
    assert fault in " ".join(report.json()[0]["faults"])


def test_a_building_that_the_tiles_do_not_know_yet_is_a_fault(city):
    build(city, "buildings")
    with engine.connect(city) as connection:
        add_building(connection, open_change_set(connection, author="test", operation="edit", reason="test"), 60)
    assert validate_layer(city, "buildings").faults == [f"code {code(60)} is in the store and in no tile"]


def test_a_tileset_that_is_gone_or_no_json_is_a_fault(city):
    build(city, "buildings")
    path = Path(city.tiles_url) / "buildings/tileset.json"
    path.write_text("{")
    assert "damaged structure" in validate_layer(city, "buildings").faults[0]
    shutil.rmtree(path.parent)
    assert "is missing" in validate_layer(city, "buildings").faults[0]
