"""City models as tiles: every object once, its roof where the store has it, coloured by material or by kind of surface."""

import json
from pathlib import Path

import numpy as np
import pytest

from cim.db import engine, profiles
from cim.db.changes import open_change_set
from cim.geometry.ecef import ecef_to_lonlat
from cim.model.city_object import SURFACE_TYPES
from cim.profile import CityProfile, Names
from tests.support.cli import run_cim
from tiles.build import build_layers, rebuild_changed
from tiles.glb_read import Glb
from tiles.validate import validate_layer

PROFILE = CityProfile(
    name=Names(en="City", zh="城"), division_codes=["420111"], projected_crs="EPSG:4547", geoid_separation_m=-13.0, notices=[]
)
# A gabled house: four corners at 20 m, eaves at 25 m, ridge at 28 m.
_W, _E, _S, _N, _M = 0.0, 0.0002, 0.0, 0.0001, 0.00005
_HOUSE = [
    (_W, _S, 20), (_E, _S, 20), (_E, _N, 20), (_W, _N, 20),
    (_W, _S, 25), (_E, _S, 25), (_E, _N, 25), (_W, _N, 25), (_W, _M, 28), (_E, _M, 28),
]  # fmt: skip
_WALLS = [(0, 1, 5), (0, 5, 4), (1, 2, 6), (1, 6, 5), (5, 6, 9), (2, 3, 7), (2, 7, 6), (3, 0, 4), (3, 4, 7), (7, 4, 8)]
_ROOF = [(4, 5, 9), (4, 9, 8), (6, 7, 8), (6, 8, 9)]


def linear(srgb):
    # IEC 61966-2-1.
    value = np.array(srgb) / 255
    return np.rint(255 * np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)).astype(int).tolist()


def add_house(connection, by, dataset, number, lon, lat, *, lod="2.2", cim_level=3, colours=None, content="a"):
    vertices = np.add(_HOUSE, (lon, lat, 0)).astype("<f8")
    faces = np.array(_WALLS + _ROOF, dtype="<i4")
    kinds = [SURFACE_TYPES.index("WallSurface")] * len(_WALLS) + [SURFACE_TYPES.index("RoofSurface")] * len(_ROOF)
    if cim_level == 2:
        vertices, faces, kinds = vertices[:8], faces[[0, 1, 2, 3, 5, 6, 7, 8]], kinds[:8]
    connection.execute(
        """INSERT INTO city_object (code, county_code, type, name, base_m, top_m, geom, source_dataset, change_set_id)
           VALUES (%(code)s, '420111', 'Building', %(code)s, 20, 28,
                   ST_Multi(ST_MakeEnvelope(%(w)s, %(s)s, %(e)s, %(n)s, 4490)), 'm', %(by)s)
           ON CONFLICT DO NOTHING""",
        {"code": f"CO{number}", "w": lon, "s": lat, "e": lon + _E, "n": lat + _N, "by": by},
    )
    connection.execute(
        """INSERT INTO representation (object_code, county_code, lod, cim_level, geometry_type, vertices, boundaries, faces, surfaces,
                                       colours, n_faces, is_valid, dataset_id, content_hash)
           VALUES (%s, '420111', %s, %s, 'Solid', %s, '[]', %s, %s, %s, %s, true, %s, %s)""",
        [f"CO{number}", lod, cim_level, vertices.tobytes(), faces.tobytes(), bytes(kinds), colours, len(faces), dataset, content],
    )


@pytest.fixture(scope="module")
def houses(module_settings):
    with engine.connect(module_settings) as connection:
        profiles.save_profile(connection, PROFILE)
        by = open_change_set(connection, author="test", operation="ingest", reason="test")
        dataset = connection.execute(
            """INSERT INTO dataset (kind, name, version, source, sha256, is_synthetic, n_read, n_accepted, n_unchanged, n_rejected)
               VALUES ('citymodel', 'm', 1, 'm.json', '0', false, 0, 0, 0, 0) RETURNING id"""
        ).fetchone()[0]
        for number in range(2_000):
            add_house(connection, by, dataset, number, 114.4 + number % 50 * 0.0004, 30.5 + number // 50 * 0.0003)
        add_house(connection, by, dataset, 0, 114.4, 30.5, lod="1.2", cim_level=2)
        green = np.tile(np.array([10, 200, 30, 255], np.uint8), (len(_WALLS + _ROOF), 1))
        green[: len(_WALLS), 3] = 0
        add_house(connection, by, dataset, 5_000, 114.45, 30.5, colours=green.tobytes())
    build_layers(module_settings, ["citymodels"])
    return module_settings


def walked(root, *, only_last=False):
    """Return the file of each content and its transform to EPSG:4978; ``only_last``: without those that others replace."""
    found, waiting = [], [(json.loads((root / "tileset.json").read_text())["root"], np.eye(4))]
    while waiting:
        tile, parent = waiting.pop()
        matrix = parent @ np.array(tile.get("transform", np.eye(4).ravel()), dtype=float).reshape(4, 4).T
        waiting += [(child, matrix) for child in tile.get("children", [])]
        if "content" in tile and not (only_last and tile.get("refine") == "REPLACE" and tile.get("children")):
            found.append((root / tile["content"]["uri"], matrix))
    return found


def placed(settings):
    """Return glb and transform to EPSG:4978 of each content."""
    return [(Glb(path.read_bytes()), matrix) for path, matrix in walked(Path(settings.tiles_url) / "citymodels")]


def one(settings, name):
    """Return lon, lat, h and colour of each vertex of an object."""
    for glb, matrix in placed(settings):
        codes = glb.column(0, "code")
        if name in codes:
            part = glb.parts()[0]
            mine = part.features == codes.index(name)
            colours = glb.accessor(glb.json["meshes"][0]["primitives"][0]["attributes"]["COLOR_0"])
            return ecef_to_lonlat(part.vertices[mine] @ matrix[:3, :3].T + matrix[:3, 3]), colours[mine], part.normals[mine]
    raise AssertionError(name)


def test_every_object_is_there_once_in_tiles_within_the_budget(houses):
    report = validate_layer(houses, "citymodels")
    assert (report.faults, report.features) == ([], 2_001)
    assert report.tiles > 3


def test_the_highest_level_stands_where_the_store_has_it(houses):
    found, _, _ = one(houses, "CO0")
    # Ellipsoidal = normal height + geoid separation of -13 m (profile above).
    expected = np.add(_HOUSE, (114.4, 30.5, -13.0))
    scale = np.array([111_320 * np.cos(np.radians(30.5)), 110_850, 1.0])
    apart = np.linalg.norm((expected[:, None] - found[None]) * scale, axis=2)
    assert apart.min(axis=1).max() < 0.02
    assert apart.min(axis=0).max() < 0.02


def test_roofs_and_walls_have_their_own_colour_and_a_material_wins(houses):
    places, colours, normals = one(houses, "CO1")
    up = normals[:, 2] > 0.3
    assert {tuple(value) for value in colours[up, :3].tolist()} == {tuple(linear((176, 92, 72)))}
    assert {tuple(value) for value in colours[~up, :3].tolist()} == {tuple(linear((224, 216, 202)))}
    assert places[up][:, 2].max() == pytest.approx(15.0, abs=0.02)
    _, told, normals = one(houses, "CO5000")
    up = normals[:, 2] > 0.3
    assert {tuple(value) for value in told[up, :3].tolist()} == {tuple(linear((10, 200, 30)))}
    assert {tuple(value) for value in told[~up, :3].tolist()} == {tuple(linear((224, 216, 202)))}


def test_a_changed_object_rewrites_its_tile_only(houses):
    rebuild_changed(houses)
    root = Path(houses.tiles_url) / "citymodels/content"
    before = {path.name for path in root.iterdir()}
    with engine.connect(houses) as connection:
        by = open_change_set(connection, author="test", operation="ingest", reason="test")
        connection.execute("UPDATE representation SET content_hash = 'b', lod = '2.3' WHERE object_code = 'CO7'")
        connection.execute("UPDATE city_object SET name = 'new', change_set_id = %s WHERE code = 'CO7'", [by])
    assert rebuild_changed(houses) == ["citymodels"]
    after = {path.name for path in root.iterdir()}
    assert len(after - before) == 1
    assert len(before - after) == 1


def test_the_list_shows_the_layer_and_an_emptied_one_goes(houses):
    listed = run_cim(houses, "tiles", "list", "--json").json()
    assert [(row["layer"], row["kind"], row["collection"]) for row in listed] == [("citymodels", "citymodel", "city-objects")]
