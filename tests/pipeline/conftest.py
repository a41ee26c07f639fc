"""A register of five buildings with hard outlines."""

import json

import pytest

from cim.db import engine
from cim.db.changes import open_change_set
from tests.support.exports import PROFILE, SHAPES


@pytest.fixture
def register(settings):
    with engine.connect(settings) as connection:
        connection.execute("INSERT INTO city_profile (document) VALUES (%s::jsonb)", [json.dumps(PROFILE)])
        change = open_change_set(connection, author="test", operation="ingest", reason="test")
        connection.execute(
            "INSERT INTO division (code, name, level, change_set_id) VALUES ('420111002007', '社区', 5, %s), ('420111003', '街道', 4, %s)",
            [change, change],
        )
        for code, (shape, height, ground) in SHAPES.items():
            connection.execute(
                """INSERT INTO building (code, code_scheme, county_code, division_code, height_m, ground_elevation_m, geom, change_set_id)
                   VALUES (%s, 'CIM-BC27-v1', '420111', '420111002007', %s, %s, ST_GeomFromText(%s, 4490), %s)""",
                [code, height, ground, shape, change],
            )
        connection.execute(
            """INSERT INTO unit (code, building_code, county_code, change_set_id)
               VALUES ('A-1', 'A', '420111', %s), ('B-1', 'B', '420111', %s)""",
            [change, change],
        )
    return settings
