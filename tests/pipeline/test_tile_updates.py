"""Rebuilding only what changed gives what a build from scratch gives; older tilesets are served for a while; colours by rule; a cluster."""

import json
from pathlib import Path

import pytest

from cim.db import engine, profiles, tilesets
from cim.profile import CityProfile
from tests.support.cli import run_cim
from tests.support.many_buildings import PROFILE, N, add, box, change, code, files, fill
from tiles.build import build_layers, rebuild_changed
from tiles.glb_read import Glb
from tiles.validate import validate_layer


@pytest.fixture(scope="module")
def city(module_settings):
    return fill(module_settings)


def test_rebuilds_of_what_changed_give_the_files_of_a_build_from_scratch(city):
    touched = "change_set_id = %(by)s, version = version + 1"
    steps = [
        (f"UPDATE building SET height_m = 77, {touched} WHERE code = %(code)s", {"code": code(10)}),
        # Across cells: old and new place.
        (f"UPDATE building SET geom = ST_Translate(geom, 0.05, 0.03), {touched} WHERE code = %(code)s", {"code": code(20)}),
        # A dense quarter thins out so far that its leaves merge, then a village vanishes.
        (
            f"UPDATE building SET status = 'demolished', {touched} WHERE code < %(code)s AND code > %(from)s",
            {"code": code(1_500), "from": code(30)},
        ),
        (f"UPDATE building SET status = 'demolished', {touched} WHERE ST_X(ST_Centroid(geom)) > 114.59", {}),
    ]  # fmt: skip
    before = len(files(city))
    for statement, values in steps:
        change(city, statement, **values)
        rebuild_changed(city)
    with engine.connect(city) as connection:
        add(connection, [(N + i, box(114.7 + i * 0.0002, 30.7)) for i in range(3)])
    rebuild_changed(city)
    updated = files(city)
    assert validate_layer(city, "buildings").faults == []
    build_layers(city, ["buildings"], force=True)
    assert set(files(city)) == set(updated)
    assert files(city) == updated
    assert len(updated) != before


def test_a_small_change_writes_a_small_part(city):
    before = files(city)
    change(city, "UPDATE building SET height_m = 55, change_set_id = %(by)s, version = version + 1 WHERE code = %(code)s", code=code(4_100))
    rebuild_changed(city)
    after = files(city)
    written = [name for name in after if before.get(name) != after[name]]
    with engine.connect(city) as connection:
        n_tiles = len(tilesets.fetch_input_hashes(connection, "buildings"))
    # Its leaf, the far views above it, the part of the tree it is in, and the root document.
    assert len(written) < 15 < n_tiles


def leads_to(root):
    """Return every file that a tileset.json leads to."""
    found, waiting = set(), [root / "tileset.json"]
    while waiting:
        path = waiting.pop()
        found.add(path)
        tiles = [json.loads(path.read_text())["root"]]
        while tiles:
            tile = tiles.pop()
            tiles += tile.get("children", [])
            if "content" in tile:
                target = (path.parent / tile["content"]["uri"]).resolve()
                if target.suffix == ".json":
                    waiting.append(target)
                else:
                    found.add(target)
    return found


def test_a_client_with_an_older_tileset_is_served_for_the_grace_period(city):
    patient = city.model_copy(update={"tiles": city.tiles.model_copy(update={"grace_s": 600})})
    rebuild_changed(patient)
    root = Path(city.tiles_url) / "buildings"
    held = leads_to(root)
    edit = "UPDATE building SET height_m = %(height)s, change_set_id = %(by)s, version = version + 1 WHERE code = %(code)s"
    for height in (71, 72):
        change(patient, edit, height=height, code=code(2_050))
        rebuild_changed(patient)
    assert leads_to(root) - held
    assert all(path.exists() for path in held)
    assert validate_layer(patient, "buildings").faults == []
    build_layers(patient, ["buildings"], force=True)
    assert all(path.exists() for path in held)
    assert not list(root.glob(".build-*"))
    # Its time is over: the next rebuild removes what was superseded before.
    change(city, edit, height=73, code=code(2_050))
    rebuild_changed(city)
    assert {root / name for name in files(city)} == leads_to(root)


def test_a_cluster_writes_the_same_bytes_as_this_process(city):
    build_layers(city, ["buildings"], force=True)
    here = files(city)
    result = run_cim(city, "tiles", "build", "buildings", "--force", "--scheduler", "local:2", "--json")
    assert result.code == 0, result.err
    assert result.json()[0]["written"] == result.json()[0]["tiles"] > 10
    assert files(city) == here


def test_a_rule_of_the_profile_colours_the_buildings_and_its_change_every_tile(city):
    rule = {"attribute": "use", "colours": {"office": "#336699"}, "default": "#808080"}
    change(
        city, "UPDATE building SET use = 'education', change_set_id = %(by)s, version = version + 1 WHERE code = %(code)s", code=code(10)
    )
    rebuild_changed(city)
    with engine.connect(city) as connection:
        profiles.save_profile(connection, CityProfile.model_validate(PROFILE.model_dump() | {"building_colours": rule}))
    change(city, "UPDATE building SET height_m = 33, change_set_id = %(by)s, version = version + 1 WHERE code = %(code)s", code=code(11))
    try:
        assert rebuild_changed(city) == ["buildings"]
        seen = {}
        for name, content in files(city).items():
            if not name.endswith(".glb"):
                continue
            glb = Glb(content)
            if "code" not in glb.json["extensions"]["EXT_structural_metadata"]["propertyTables"][0]["properties"]:
                continue
            attributes = glb.json["meshes"][0]["primitives"][0]["attributes"]
            uses, ids = glb.column(0, "use"), glb.accessor(attributes["_FEATURE_ID_0"])[:, 0]
            for colour, number in set(zip(map(tuple, glb.accessor(attributes["COLOR_0"]).tolist()), ids.tolist(), strict=True)):
                seen.setdefault(uses[number], set()).add(colour)
        # IEC 61966-2-1 by hand: 0x33 = 0.2 → 0.0331 → 8, 0x66 = 0.4 → 0.1329 → 34, 0x99 = 0.6 → 0.3185 → 81, 0x80 → 0.2159 → 55.
        assert seen == {"office": {(8, 34, 81, 255)}, "education": {(55, 55, 55, 255)}}
        assert validate_layer(city, "buildings").faults == []
    finally:
        with engine.connect(city) as connection:
            profiles.save_profile(connection, PROFILE)
        build_layers(city, ["buildings"])
        rebuild_changed(city)


def test_only_what_changed_by_command(city):
    # Another test may have left a change behind.
    rebuild_changed(city)
    assert run_cim(city, "tiles", "build", "--changed", "--json").json() == {"rebuilt": []}
    change(city, "UPDATE building SET height_m = 31, change_set_id = %(by)s, version = version + 1 WHERE code = %(code)s", code=code(4_200))
    assert run_cim(city, "tiles", "build", "--changed", "--json").json() == {"rebuilt": ["buildings"]}
    assert run_cim(city, "tiles", "build", "--changed", "buildings").code == 2
