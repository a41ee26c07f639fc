"""Tiles of a small hand-made city: positions against PostGIS and PROJ, unchanged re-runs, edits, faults the validator must find."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyproj
import pytest
from psycopg.types.json import Jsonb
from py3dtiles.tileset import TileSet

from cim.db import engine, outbox, profiles, tilesets
from cim.db.changes import open_change_set
from cim.geometry.ecef import ecef_to_lonlat
from cim.profile import CityProfile, Names
from tests.support.cli import run_cim
from tiles.build import rebuild_changed
from tiles.glb_read import Glb
from tiles.validate import check_content, validate_layer

GEOID = -13.0
PROFILE = CityProfile(
    name=Names(en="City", zh="城"), division_codes=["420111"], projected_crs="EPSG:4547", geoid_separation_m=GEOID, notices=[]
)
LON, LAT, STEP = 114.40, 30.50, 0.004
SIDE = 0.0002
MODEL = "BIM-2026-000001"
CORNER = (538_500.0, 3_375_500.0, 21.5)
"""Easting, northing (EPSG:4547) and height of the model's origin [m]."""


def code(number):
    return f"4201110010012026{number:05d}"


def add_building(connection, change_set, number, *, wkt=None, **columns):
    west, south = LON + STEP * (number % 8), LAT + STEP * (number // 8)
    wkt = (
        wkt
        or f"MULTIPOLYGON((({west} {south}, {west + SIDE} {south}, {west + SIDE} {south + SIDE}, {west} {south + SIDE}, {west} {south})))"
    )
    row = {"height_m": 20.0 + number, "height_source": "surveyed", "ground_elevation_m": 25.0, "use": "office"} | columns
    names = ", ".join(row)
    connection.execute(
        f"""INSERT INTO building (code, code_scheme, county_code, division_code, source_dataset, change_set_id, geom, {names})
            VALUES (%(code)s, 'CIM-BC27-v1', '420111', '420111001001', 'census', %(by)s, ST_GeomFromText(%(wkt)s, 4490),
                    {", ".join(f"%({name})s" for name in row)})""",
        {"code": code(number), "by": change_set, "wkt": wkt, **row},
    )


HOLE = """MULTIPOLYGON(
    ((114.42 30.52, 114.421 30.52, 114.421 30.521, 114.42 30.521, 114.42 30.52),
     (114.4203 30.5203, 114.4207 30.5203, 114.4207 30.5207, 114.4203 30.5207, 114.4203 30.5203)),
    ((114.4212 30.52, 114.4214 30.52, 114.4214 30.5202, 114.4212 30.52)))"""


def add_network(connection, change_set):
    for number, (lon, lat, z, appendage) in enumerate([(114.401, 30.501, 22.0, "MANHOLE"), (114.402, 30.501, 21.0, None)]):
        connection.execute(
            """INSERT INTO network_node (kind, code, county_code, survey_no, appendage, ground_elevation_m, elevation_m, depth_m, geom,
                                         source_dataset, change_set_id)
               VALUES ('sewage', %s, '420111', %s, %s, 25.0, %s, %s, ST_SetSRID(ST_MakePoint(%s, %s, %s), 4490), 'net', %s)""",
            [f"WS{number}", str(number), appendage, z, 25.0 - z, lon, lat, z, change_set],
        )
    for name, shape, sizes in (
        ("WSL0", "LINESTRING Z (114.401 30.501 22, 114.4015 30.5016 21.5, 114.402 30.501 21)", (600.0, None, None)),
        ("WSL1", "LINESTRING Z (114.401 30.502 22, 114.402 30.502 22)", (None, 1200.0, 800.0)),
        ("WSL2", "LINESTRING Z (114.401 30.503 22, 114.402 30.503 22)", (None, 1200.0, None)),
    ):
        connection.execute(
            """INSERT INTO network_edge (kind, code, county_code, start_node, end_node, diameter_mm, width_mm, height_mm, depth_reference,
                                         geom, source_dataset, change_set_id)
               VALUES ('sewage', %s, '420111', 'WS0', 'WS1', %s, %s, %s, 'invert', ST_GeomFromText(%s, 4490), 'net', %s)""",
            [name, *sizes, shape, change_set],
        )


def add_model(connection):
    """Put a box of 200 x 10 x 3 m, turned by 30 degrees, half of it glass."""
    dataset = connection.execute(
        """INSERT INTO dataset (kind, name, version, source, sha256, is_synthetic, n_read, n_accepted, n_unchanged, n_rejected)
           VALUES ('bim', 'hall', 1, 'hall.ifc', '0', true, 0, 0, 0, 0) RETURNING id"""
    ).fetchone()[0]
    c, s = np.cos(np.radians(30)), np.sin(np.radians(30))
    placement = [c, -s, 0, CORNER[0], s, c, 0, CORNER[1], 0, 0, 1, CORNER[2], 0, 0, 0, 1]
    connection.execute(
        """INSERT INTO bim_model (code, name, dataset_id, building_code, ifc_schema, sha256, file_size_bytes, n_elements, georef_method,
                                  georef_note, projected_crs, placement, note)
           VALUES (%s, 'Hall', %s, %s, 'IFC4', '0', 1, 2, 'option', 'test', 'EPSG:4547', %s, 'moved')""",
        [MODEL, dataset, code(1), [float(value) for value in placement]],
    )
    connection.execute(
        "INSERT INTO bim_storey (code, model_code, global_id, name, elevation_m) VALUES (%s, %s, 'S', 'Ground', 0)", [f"{MODEL}/S", MODEL]
    )
    # Steps of 10 um around the middle.
    box = np.array([[x, y, z] for x in (-100, 100) for y in (-5, 5) for z in (-1.5, 1.5)]) * 100_000
    faces = np.array([[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1], [2, 3, 7], [2, 7, 6]], dtype="<i4")
    for name, material in (("wall", -1), ("glass", 0)):
        connection.execute(
            """INSERT INTO bim_element (code, model_code, storey_code, global_id, ifc_class, name, geom_status, properties)
               VALUES (%s, %s, %s, %s, 'IfcWall', %s, 'meshed', %s)""",
            [f"{MODEL}/{name}", MODEL, f"{MODEL}/S", name, name, Jsonb({})],
        )
        connection.execute(
            "INSERT INTO bim_shape (hash, step_m, points, faces, face_materials, colours) VALUES (%s, 1e-5, %s, %s, %s, %s)",
            [
                name, box.astype("<i4").tobytes(), faces.tobytes(), np.full(8, material, dtype="<i4").tobytes(),
                np.array([0.5, 0.7, 0.9, 0.3], dtype="<f4").tobytes(),
            ],
        )  # fmt: skip
        connection.execute(
            "INSERT INTO bim_mesh (element_code, model_code, shape_hash, matrix) VALUES (%s, %s, %s, %s)",
            [f"{MODEL}/{name}", MODEL, name, [1.0, 0.0, 0.0, 100.0, 0.0, 1.0, 0.0, 5.0, 0.0, 0.0, 1.0, 1.5]],
        )


@pytest.fixture
def city(settings):
    with engine.connect(settings) as connection:
        profiles.save_profile(connection, PROFILE)
        by = open_change_set(connection, author="test", operation="ingest", reason="test")
        for number in range(1, 40):
            add_building(connection, by, number)
        add_building(connection, by, 40, wkt=HOLE, height_m=12.0)
        add_building(connection, by, 41, height_m=None, storeys_above=4)
        add_building(connection, by, 42, height_m=None)
        add_building(connection, by, 43, status="demolished")
        add_building(connection, by, 44, status="planned")
        add_network(connection, by)
        add_model(connection)
    return settings


def build(settings, *argv):
    result = run_cim(settings, "tiles", "build", *argv, "--json")
    assert result.code == 0, result.err
    return {row["layer"]: row for row in result.json()}


def document(settings, layer):
    return json.loads((Path(settings.tiles_url) / layer / "tileset.json").read_text())


def files(settings):
    root = Path(settings.tiles_url)
    return {str(path.relative_to(root)): (path.stat().st_mtime_ns, path.read_bytes()) for path in root.rglob("*") if path.is_file()}


def contents(settings, layer):
    """Return (glb, vertices as lon, lat, h) of every content with codes, transforms applied as the standard says."""
    found = []

    def walk(tile, parent):
        transform = parent @ np.array(tile.get("transform", np.eye(4).ravel())).reshape(4, 4).T
        if "content" in tile:
            content = (Path(settings.tiles_url) / layer / tile["content"]["uri"]).read_bytes()
            codes, vertices = check_content(content)
            if codes:
                found.append((Glb(content), ecef_to_lonlat(vertices @ transform[:3, :3].T + transform[:3, 3])))
        for child in tile.get("children", []):
            walk(child, transform)

    walk(document(settings, layer)["root"], np.eye(4))
    return found


def features(settings, layer):
    """Return vertices (lon, lat, h) by code and properties by code."""
    vertices, properties = {}, {}
    for glb, places in contents(settings, layer):
        table = glb.json["extensions"]["EXT_structural_metadata"]["propertyTables"][0]
        columns = {name: glb.column(0, name) for name in table["properties"]}
        ids = np.concatenate([part.features for part in glb.parts()])
        for feature, name in enumerate(columns["code"]):
            vertices[name] = places[ids == feature]
            properties[name] = {key: values[feature] for key, values in columns.items()}
    return vertices, properties


def off_m(found, expected):
    """Distance in metres between two places (lon, lat, h)."""
    return np.linalg.norm((np.asarray(found) - expected) * (111_195 * np.cos(np.radians(30.5)), 111_195, 1))


def test_all_layers_are_built_and_valid_with_exactly_the_codes_of_the_store(city):
    built = build(city)
    assert {layer: row["features"] for layer, row in built.items()} == {"buildings": 42, f"bim/{MODEL}": 2, "networks/sewage": 5}
    assert all(row["bad"] == [] for row in built.values())
    report = run_cim(city, "tiles", "validate", "--json")
    assert report.code == 0
    assert {row["layer"]: row["features"] for row in report.json()} == {layer: row["features"] for layer, row in built.items()}
    for layer in built:
        assert len(TileSet.from_dict(document(city, layer)).root_tile.get_all_children()) >= 0


def test_block_vertices_are_where_postgis_has_the_outline(city):
    build(city)
    vertices, _ = features(city, "buildings")
    with engine.connect(city) as connection:
        rows = connection.execute(
            """SELECT code, height_m, ground_elevation_m, array_agg(ST_X(p.geom)), array_agg(ST_Y(p.geom))
               FROM building b, ST_DumpPoints(b.geom) p WHERE status = 'existing' AND height_m IS NOT NULL GROUP BY 1, 2, 3"""
        ).fetchall()
    assert len(rows) == 40
    for name, height, ground, x, y in rows:
        outline = np.column_stack((x, y))
        # A metre of skirt below the ground; heights above the ellipsoid.
        for level in (ground + GEOID - 1.0, ground + GEOID + height):
            mine = vertices[name][np.abs(vertices[name][:, 2] - level) < 0.02]
            for lon, lat in outline:
                nearest = mine[np.argmin(np.abs(mine[:, :2] - (lon, lat)).sum(axis=1))]
                assert off_m(nearest, (lon, lat, level)) < 0.02
        assert len(vertices[name]) == 5 * len(np.unique(outline, axis=0))


def test_attributes_are_those_of_the_register_and_assumed_heights_are_flagged(city):
    build(city)
    vertices, properties = features(city, "buildings")
    assert properties[code(5)] == properties[code(5)] | {"code": code(5), "height_m": 25.0, "height_source": "surveyed", "use": "office"}
    # Nobody measured, so there is no number.
    assert (properties[code(41)].get("height_m"), properties[code(41)]["height_source"]) == (None, "storeys")
    assert (properties[code(42)].get("height_m"), properties[code(42)]["height_source"]) == (None, "assumed")
    assert np.ptp(vertices[code(41)][:, 2]) == pytest.approx(1.0 + 4 * 3.0, abs=0.01)
    assert np.ptp(vertices[code(42)][:, 2]) == pytest.approx(1.0 + 3.0, abs=0.01)


def test_a_second_build_writes_nothing(city):
    build(city)
    before = files(city)
    assert {row["written"] for row in build(city).values()} == {0}
    assert files(city) == before


def test_a_dry_run_writes_nothing(city):
    planned = build(city, "--dry-run")
    assert planned["buildings"]["written"] == planned["buildings"]["tiles"] > 1
    assert files(city) == {}
    assert run_cim(city, "tiles", "list", "--json").json() == []


def test_force_writes_every_tile_with_the_same_bytes(city):
    build(city)
    before = {name: content for name, (_, content) in files(city).items()}
    forced = build(city, "--force")
    assert all(row["written"] == row["tiles"] for row in forced.values())
    assert {name: content for name, (_, content) in files(city).items()} == before


def edit(settings, number, **columns):
    with engine.connect(settings) as connection:
        by = open_change_set(connection, author="test", operation="edit", reason="test")
        sets = "".join(f", {name} = %({name})s" for name in columns)
        connection.execute(
            f"""UPDATE building SET change_set_id = %(by)s, version = version + 1, valid_from = now(), recorded_at = now(){sets}
                WHERE code = %(code)s""",
            {"by": by, "code": code(number), **columns},
        )


def edit_node(settings):
    with engine.connect(settings) as connection:
        by = open_change_set(connection, author="test", operation="edit", reason="test")
        connection.execute("UPDATE network_node SET version = version + 1, change_set_id = %s, owner = 'city' WHERE code = 'WS0'", [by])


def test_an_edit_rewrites_one_tile_and_removes_its_old_content(city):
    built = build(city)
    rebuild_changed(city)
    before = files(city)
    edit(city, 7, height_m=99.0)
    assert rebuild_changed(city) == ["buildings"]
    after = files(city)
    changed = {name for name in set(before) | set(after) if before.get(name) != after.get(name)}
    assert built["buildings"]["tiles"] > 2
    # The tile of the building and the far views above it, each old and new; the document.
    leaf = next(name for name in changed if name in after and building_in(after[name][1], code(7)))
    key = Path(leaf).name.split("-")[0]
    keys = {Path(name).name.split("-")[0].replace("root", "") for name in changed if "/content/" in name}
    assert all(key.startswith(above) for above in keys)
    # The layer has become higher, so the box of the city too.
    assert {name for name in changed if "/content/" not in name} == {"buildings/tileset.json", "tileset.json"}
    assert len(keys) * 2 == len(changed) - 2 < built["buildings"]["tiles"]
    vertices, _ = features(city, "buildings")
    assert vertices[code(7)][:, 2].max() == pytest.approx(25.0 + GEOID + 99.0, abs=0.01)
    assert validate_layer(city, "buildings").faults == []


def building_in(content, name):
    return content[:4] == b"glTF" and name in check_content(content)[0]


def test_events_are_read_once(city):
    build(city)
    rebuild_changed(city)
    assert rebuild_changed(city) == []
    with engine.connect(city) as connection:
        assert not outbox.has_unread(connection, "tiles")


def test_events_that_are_committed_late_are_not_lost(city):
    build(city)
    rebuild_changed(city)
    with engine.connect(city) as slow:
        by = open_change_set(slow, author="test", operation="ingest", reason="a long one")
        add_building(slow, by, 70)
        edit_node(city)
        assert rebuild_changed(city) == ["networks/sewage"]
        slow.commit()
    assert "buildings" in rebuild_changed(city)
    assert code(70) in features(city, "buildings")[0]
    assert rebuild_changed(city) == []


def test_a_demolished_building_leaves_the_tiles_and_the_last_one_takes_the_layer_along(city):
    build(city)
    edit(city, 3, status="demolished")
    rebuild_changed(city)
    assert code(3) not in features(city, "buildings")[0]
    with engine.connect(city) as connection:
        by = open_change_set(connection, author="test", operation="demolish", reason="test")
        connection.execute("UPDATE building SET status = 'demolished', version = version + 1, change_set_id = %s", [by])
    assert build(city)["buildings"]["removed"] is True
    assert not [name for name in files(city) if name.startswith("buildings/")]
    with engine.connect(city) as connection:
        assert "buildings" not in [row.layer for row in tilesets.fetch_tilesets(connection)]


def test_a_removed_model_takes_its_layer_along(city):
    build(city)
    with engine.connect(city) as connection:
        connection.execute("DELETE FROM bim_mesh")
        connection.execute("DELETE FROM bim_model")
    assert build(city)[f"bim/{MODEL}"]["removed"] is True
    assert not [name for name in files(city) if name.startswith("bim/")]


def test_a_model_stands_where_proj_puts_its_corners(city):
    build(city)
    vertices, properties = features(city, f"bim/{MODEL}")
    to_lonlat = pyproj.Transformer.from_crs("EPSG:4547", "EPSG:4490", always_xy=True)  # noqa: TID251 - the reference
    c, s = np.cos(np.radians(30)), np.sin(np.radians(30))
    for x, y, z in ((0, 0, 0), (200, 0, 0), (200, 10, 3), (0, 10, 3)):
        lon, lat = to_lonlat.transform(CORNER[0] + c * x - s * y, CORNER[1] + s * x + c * y)
        expected = (lon, lat, CORNER[2] + z + GEOID)
        assert min(off_m(place, expected) for place in vertices[f"{MODEL}/wall"]) < 0.01
    assert properties[f"{MODEL}/glass"] == {
        "code": f"{MODEL}/glass", "global_id": "glass", "class": "IfcWall", "name": "glass", "storey_code": f"{MODEL}/S",
        "storey": "Ground", "discipline": "architecture",
    }  # fmt: skip
    glb = contents(city, f"bim/{MODEL}")[0][0]
    assert [material.get("alphaMode", "OPAQUE") for material in glb.json["materials"]] == ["OPAQUE", "BLEND"]


def test_the_row_of_a_model_says_that_it_is_synthetic_and_which_building_it_replaces(city):
    build(city)
    with engine.connect(city) as connection:
        row = next(row for row in tilesets.fetch_tilesets(connection) if row.kind == "bim")
    assert (row.is_synthetic, row.replaces, row.note, row.n_features) == (True, [code(1)], {"en": "moved", "zh": "moved"}, 2)
    assert row.min_height_m == pytest.approx(CORNER[2] + GEOID, abs=0.01)
    with engine.connect(city) as connection:
        connection.execute("UPDATE bim_model SET building_code = NULL")
    assert build(city)[f"bim/{MODEL}"]["written"] == 0
    with engine.connect(city) as connection:
        assert next(row for row in tilesets.fetch_tilesets(connection) if row.kind == "bim").replaces == []


def test_pipes_follow_every_vertex_of_their_line_and_lie_on_their_invert(city):
    build(city)
    vertices, properties = features(city, "networks/sewage")
    line = vertices["WSL0"]
    # DN 600, invert 21.5 at the bend: the tube spans invert to invert + 0.6 (an octagon's corner points straight up and down).
    bend = line[np.abs(line[:, 1] - 30.5016) * 111_195 < 0.35]
    assert len(bend) == 16
    assert bend[:, 2].min() == pytest.approx(21.5 + GEOID, abs=0.01)
    assert bend[:, 2].max() == pytest.approx(21.5 + 0.6 + GEOID, abs=0.01)
    duct = vertices["WSL1"]
    assert np.ptp(duct[:, 1]) * 111_195 == pytest.approx(1.2, abs=0.01)
    assert (duct[:, 2].min(), duct[:, 2].max()) == (pytest.approx(22.0 + GEOID, abs=0.01), pytest.approx(22.8 + GEOID, abs=0.01))
    # Neither diameter nor height are known: the smallest pipe that can be seen.
    assert np.ptp(vertices["WSL2"][:, 2]) == pytest.approx(0.1, abs=0.01)
    assert (vertices["WS0"][:, 2].min(), vertices["WS0"][:, 2].max()) == (
        pytest.approx(22.0 + GEOID, abs=0.01),
        pytest.approx(25.0 + GEOID, abs=0.01),
    )
    assert (properties["WSL0"]["part"], properties["WS0"]["part"], properties["WS0"]["feature"]) == ("line", "point", "MANHOLE")
    assert properties["WSL0"]["diameter_mm"] == 600.0


def test_outlines_that_cannot_be_cut_are_named_and_do_not_stop_the_build(city):
    with engine.connect(city) as connection:
        by = open_change_set(connection, author="test", operation="ingest", reason="test")
        x, y = 114.5, 30.6
        add_building(connection, by, 50, wkt=f"MULTIPOLYGON((({x} {y}, {x + 2e-4} {y + 2e-4}, {x + 2e-4} {y}, {x} {y + 1e-4}, {x} {y})))")
        add_building(connection, by, 51, wkt=f"MULTIPOLYGON((({x} {y + 0.1}, {x + 1e-4} {y + 0.1}, {x + 2e-4} {y + 0.1}, {x} {y + 0.1})))")
        add_building(connection, by, 52, wkt="MULTIPOLYGON EMPTY")
    assert build(city)["buildings"]["bad"] == [code(50), code(51)]
    assert validate_layer(city, "buildings").faults == []


def test_a_build_removes_what_a_killed_one_left(city):
    build(city)
    stray = Path(city.tiles_url) / "buildings/content/.x.glb.1.part"
    stray.write_bytes(b"half")
    assert any(".part: no tile refers to it" in fault for fault in validate_layer(city, "buildings").faults)
    build(city)
    assert not stray.exists()


def test_a_missing_content_is_written_again(city):
    build(city)
    lost = next((Path(city.tiles_url) / "buildings/content").iterdir())
    lost.unlink()
    assert build(city)["buildings"]["written"] == 1
    assert lost.exists()


def test_an_unknown_layer_is_refused_with_the_names_there_are(city):
    result = run_cim(city, "tiles", "build", "castles")
    assert result.code == 1
    assert "expected buildings, citymodels, bim/<model code> or networks/<kind>" in " ".join(result.err.split())


def test_tiles_are_placed_in_double_precision(city):
    build(city)
    transform = document(city, "buildings")["root"]["transform"]
    assert transform == np.array(transform, dtype=np.float64).tolist()
    assert transform != np.array(transform, dtype=np.float32).astype(np.float64).tolist()
    assert transform[15] == 1.0


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
