"""A small hand-made city and its tiles, read back."""

import json
from pathlib import Path

import numpy as np
from psycopg.types.json import Jsonb

from cim.db import engine, profiles
from cim.db.changes import open_change_set
from cim.geometry.ecef import ecef_to_lonlat
from cim.profile import CityProfile, Names
from tests.support.cli import run_cim
from tiles.glb_read import Glb
from tiles.validate import check_content

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


def fill(settings):
    """Put 44 buildings, a network and a model into a store."""
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
