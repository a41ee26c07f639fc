"""Rebuilding only what changed gives what a build from scratch gives; a killed build leaves the city servable; odd shapes do no harm."""

import hashlib
import json
import signal
import struct
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from py3dtiles.tileset import TileSet
from py3dtiles.tileset.content import read_binary_tile_content

from cim.db import engine, profiles, tilesets
from cim.db.changes import open_change_set
from cim.profile import CityProfile, Names
from tests.support.cli import run_cim
from tests.support.server import environment
from tiles import grid, pyramid
from tiles.build import build_layers, rebuild_changed
from tiles.glb_read import Glb
from tiles.validate import Checker, Report, validate_folder, validate_layer

PROFILE = CityProfile(
    name=Names(en="City", zh="城"), division_codes=["420111"], projected_crs="EPSG:4547", geoid_separation_m=-13.0, notices=[]
)
N = 5_000


def code(number):
    return f"4201110010012026{number:011d}"


def add(connection, numbers_and_shapes, **columns):
    by = open_change_set(connection, author="test", operation="ingest", reason="test")
    row = {"height_m": 20.0, "ground_elevation_m": 25.0, "use": "office", "storeys_above": 3} | columns
    with connection.cursor() as cursor:
        cursor.executemany(
            f"""INSERT INTO building (code, code_scheme, county_code, division_code, source_dataset, change_set_id, geom, {", ".join(row)})
                VALUES (%(code)s, 'CIM-BC27-v1', '420111', '420111001001', 'census', %(by)s, ST_GeomFromText(%(wkt)s, 4490),
                        {", ".join(f"%({name})s" for name in row)})""",
            [{"code": code(number), "by": by, "wkt": wkt, **row} for number, wkt in numbers_and_shapes],
        )


def box(lon, lat, side=0.0001):
    e, n = lon + side, lat + side
    return f"MULTIPOLYGON((({lon} {lat}, {e} {lat}, {e} {n}, {lon} {n}, {lon} {lat})))"


@pytest.fixture(scope="module")
def city(module_settings):
    random = np.random.default_rng(11)
    # Two dense quarters and scattered houses: leaves of several levels.
    lon = np.concatenate(
        [random.uniform(114.400, 114.404, 2_000), random.uniform(114.42, 114.424, 2_000), random.uniform(114.3, 114.6, N - 4_000)]
    )
    lat = np.concatenate(
        [random.uniform(30.500, 30.504, 2_000), random.uniform(30.52, 30.524, 2_000), random.uniform(30.4, 30.6, N - 4_000)]
    )
    with engine.connect(module_settings) as connection:
        profiles.save_profile(connection, PROFILE)
        add(connection, [(i, box(lon[i], lat[i])) for i in range(N)])
    build_layers(module_settings, ["buildings"])
    rebuild_changed(module_settings)
    return module_settings


def files(settings):
    root = Path(settings.tiles_url) / "buildings"
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def change(settings, statement, **values):
    with engine.connect(settings) as connection:
        by = open_change_set(connection, author="test", operation="edit", reason="test")
        connection.execute(statement, {"by": by, **values})


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


def test_a_killed_build_goes_on_where_it_was(city):
    change(city, "UPDATE building SET height_m = height_m + 1, change_set_id = %(by)s, version = version + 1")
    root = Path(city.tiles_url) / "buildings"
    child = subprocess.Popen([sys.executable, "-m", "cim", "tiles", "build", "buildings"], env=environment(city), stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while child.poll() is None and time.monotonic() < deadline and not list(root.glob(".build-*")):
        time.sleep(0.002)
    child.send_signal(signal.SIGKILL)
    child.wait()
    notes = list(root.glob(".build-*"))
    if not notes:
        pytest.skip("the build was over before it could be killed")
    finished = {row["key"] for note in notes for row in json.loads(note.read_text())}
    result = build_layers(city, ["buildings"])[0]
    assert result.written == result.tiles - len(finished)
    assert not list(root.glob(".build-*"))
    assert validate_layer(city, "buildings").faults == []


def test_a_killed_build_leaves_a_servable_city_and_the_next_one_finishes(city):
    change(city, "UPDATE building SET height_m = height_m + 1, change_set_id = %(by)s, version = version + 1")
    content = Path(city.tiles_url) / "buildings/content"
    old = set(content.iterdir())
    for _ in range(2):
        child = subprocess.Popen(
            [sys.executable, "-m", "cim", "tiles", "build", "buildings"], env=environment(city), stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 60
        while child.poll() is None and time.monotonic() < deadline and len(set(content.iterdir()) - old) < 20:
            time.sleep(0.005)
        child.send_signal(signal.SIGKILL)
        child.wait()
        # What is published is whole: every file its documents lead to is there and well-formed.
        faults = validate_layer(city, "buildings", sample=0).faults
        assert [fault for fault in faults if "no tile refers to it" not in fault] == []
    rebuild_changed(city)
    build_layers(city, ["buildings"])
    assert validate_layer(city, "buildings").faults == []


ODD = {
    "bow tie": "MULTIPOLYGON(((114.5 30.6, 114.5002 30.6002, 114.5002 30.6, 114.5 30.6001, 114.5 30.6)))",
    "line": "MULTIPOLYGON(((114.51 30.6, 114.5101 30.6, 114.5102 30.6, 114.51 30.6)))",
    "hole at the shell": "MULTIPOLYGON(((114.52 30.6, 114.521 30.6, 114.521 30.601, 114.52 30.601, 114.52 30.6),"
    "(114.52 30.6005, 114.5203 30.6003, 114.5203 30.6007, 114.52 30.6005)))",
    "repeated points": "MULTIPOLYGON(((114.53 30.6, 114.53 30.6, 114.531 30.6, 114.531 30.6, 114.531 30.601, 114.53 30.6)))",
    "two parts": "MULTIPOLYGON(((114.54 30.6, 114.541 30.6, 114.541 30.601, 114.54 30.6)),"
    " ((114.543 30.6, 114.544 30.6, 114.544 30.601, 114.543 30.6)))",
    "10,000 corners": "MULTIPOLYGON((("
    + ", ".join(f"{114.55 + 0.0005 * np.cos(a):.12f} {30.6 + 0.0005 * np.sin(a):.12f}" for a in np.linspace(0, 2 * np.pi, 10_001)[:-1])
    + ", 114.5505 30.6)))",
    "two kilometres long": "MULTIPOLYGON(((114.56 30.6, 114.585 30.6, 114.585 30.6005, 114.56 30.6005, 114.56 30.6)))",
    "antimeridian": "MULTIPOLYGON(((179.9999 10, -179.9999 10, -179.9999 10.0002, 179.9999 10.0002, 179.9999 10)))",
    "north pole": "MULTIPOLYGON(((0 89.9995, 120 89.9995, -120 89.9995, 0 89.9995)))",
    "empty": "MULTIPOLYGON EMPTY",
}  # fmt: skip
BAD = {"bow tie", "line"}


def test_odd_shapes_are_drawn_or_named_and_never_fatal(settings):
    with engine.connect(settings) as connection:
        profiles.save_profile(connection, PROFILE)
        add(connection, [(i, wkt) for i, wkt in enumerate(ODD.values())])
        add(connection, [(90, box(114.9, 30.9))], height_m=None, storeys_above=None)
        add(connection, [(91, box(114.91, 30.9))], height_m=None, storeys_above=0)
    result = build_layers(settings, ["buildings"])[0]
    assert result.features == len(ODD) - 1 + 2
    assert set(result.bad) == {code(i) for i, name in enumerate(ODD) if name in BAD}
    report = validate_layer(settings, "buildings", sample=0)
    assert report.faults == []
    assert report.features == result.features


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


def test_a_cluster_writes_the_same_bytes_as_this_process(city):
    build_layers(city, ["buildings"], force=True)
    here = files(city)
    result = run_cim(city, "tiles", "build", "buildings", "--force", "--scheduler", "local:2", "--json")
    assert result.code == 0, result.err
    assert result.json()[0]["written"] == result.json()[0]["tiles"] > 10
    assert files(city) == here


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
