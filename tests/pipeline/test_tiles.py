"""Tiles of a small hand-made city: positions against PostGIS and PROJ, attributes, unchanged re-runs."""

import numpy as np
import pyproj
import pytest
from py3dtiles.tileset import TileSet

from cim.db import engine, tilesets
from cim.db.changes import open_change_set
from tests.support.cli import run_cim
from tests.support.small_city import CORNER, GEOID, MODEL, add_building, build, code, contents, document, features, files, fill, off_m
from tiles.validate import validate_layer


@pytest.fixture
def city(settings):
    return fill(settings)


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
