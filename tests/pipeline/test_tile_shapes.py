"""Odd shapes, odd places and heights that are none do no harm."""

import numpy as np
import pytest

from cim.db import engine, profiles, tilesets
from cim.errors import ConflictError, StoreError
from tests.support.many_buildings import PROFILE, add, box, code
from tiles.build import build_layers
from tiles.validate import validate_layer

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
    "south pole": "MULTIPOLYGON(((0 -89.9995, -120 -89.9995, 120 -89.9995, 0 -89.9995)))",
    "equator and prime meridian": "MULTIPOLYGON(((-0.0001 -0.0001, 0.0001 -0.0001, 0.0001 0.0001, -0.0001 0.0001, -0.0001 -0.0001)))",
    "hole outside": "MULTIPOLYGON(((114.595 30.6, 114.596 30.6, 114.596 30.601, 114.595 30.601, 114.595 30.6),"
    "(114.597 30.6, 114.598 30.6, 114.598 30.601, 114.597 30.6)))",
    "one point": "MULTIPOLYGON(((114.6 30.6, 114.6 30.6, 114.6 30.6, 114.6 30.6)))",
    "parts that overlap": "MULTIPOLYGON(((114.61 30.6, 114.611 30.6, 114.611 30.601, 114.61 30.601, 114.61 30.6)),"
    " ((114.6105 30.6, 114.6115 30.6, 114.6115 30.601, 114.6105 30.6)))",
    "empty": "MULTIPOLYGON EMPTY",
}  # fmt: skip


BAD = {"bow tie", "line", "hole outside", "one point"}


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


@pytest.mark.parametrize("height", ["0", "-3", "'NaN'", "'Infinity'", "1500"])
def test_a_height_that_is_none_does_not_reach_the_store(module_settings, height):
    with pytest.raises(ConflictError, match="building_height_m"), engine.connect(module_settings) as connection:
        add(connection, [(500, box(114.2, 30.2))], height_m=height.strip("'"))


def test_a_polygon_with_heights_does_not_reach_the_store(module_settings):
    with pytest.raises(StoreError, match="Z dimension"), engine.connect(module_settings) as connection:
        add(connection, [(501, "MULTIPOLYGON Z (((114.2 30.2 5, 114.201 30.2 5, 114.201 30.201 5, 114.2 30.2 5)))")])


@pytest.mark.parametrize("ground", ["NaN", "Infinity", None])
def test_a_ground_that_is_none_is_the_mean_of_the_city(settings, ground):
    with engine.connect(settings) as connection:
        profiles.save_profile(connection, PROFILE)
        add(connection, [(1, box(114.3, 30.5)), (2, box(114.301, 30.5))])
        add(connection, [(3, box(114.302, 30.5))], ground_elevation_m=ground)
    result = build_layers(settings, ["buildings"])[0]
    assert (result.features, result.bad) == (3, [])
    assert validate_layer(settings, "buildings").faults == []
    with engine.connect(settings) as connection:
        row = tilesets.fetch_tilesets(connection)[0]
    # Ground 25 m - separation 13 m - skirt 1 m, up to the top at 20 m.
    assert (row.min_height_m, row.max_height_m) == (pytest.approx(11.0), pytest.approx(32.0))
