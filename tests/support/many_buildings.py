"""Thousands of boxes as buildings, and what a test does to them."""

from pathlib import Path

import numpy as np

from cim.db import engine, profiles
from cim.db.changes import open_change_set
from cim.profile import CityProfile, Names
from tiles.build import build_layers, rebuild_changed

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


def files(settings):
    root = Path(settings.tiles_url) / "buildings"
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def change(settings, statement, **values):
    with engine.connect(settings) as connection:
        by = open_change_set(connection, author="test", operation="edit", reason="test")
        connection.execute(statement, {"by": by, **values})


def fill(module_settings):
    """Put 5,000 buildings into a store, two dense quarters and scattered houses, and build their tiles."""
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
