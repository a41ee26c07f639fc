"""``cim export`` in this process, its files read back, and a small register with hard outlines."""

import json

import geopandas
from typer.testing import CliRunner

from cim.commands import export as command
from cim.db import engine

CORE = [
    "code", "name", "address", "division_code", "height_m", "ground_elevation_m", "storeys_above", "storeys_below", "use", "structure",
    "year_built", "footprint_area_m2", "floor_area_m2", "safety_grade", "status", "source_dataset", "version", "valid_from",
]  # fmt: skip
TABLES = {
    "divisions": "division", "buildings": "building", "addresses": "address", "water-lines": "network_edge", "gas-points": "network_node",
}  # fmt: skip
PROFILE = {
    "name": {"en": "Test city", "zh": "测试市"}, "division_codes": ["420111"], "projected_crs": "EPSG:4547", "geoid_separation_m": -13,
}  # fmt: skip
SQUARE = "MULTIPOLYGON(((114.4 30.5,114.4002 30.5,114.4002 30.5002,114.4 30.5002,114.4 30.5)))"
COURT = (
    "MULTIPOLYGON(((114.401 30.5,114.4015 30.5,114.4015 30.5005,114.401 30.5005,114.401 30.5),"
    "(114.4011 30.5001,114.4011 30.5004,114.4014 30.5004,114.4014 30.5001,114.4011 30.5001)))"
)
# The hole touches the outer ring in one point: valid (OGC 06-103r4, 6.1.11), and the hard case for a closed solid.
TOUCHING = (
    "MULTIPOLYGON(((114.402 30.5,114.4025 30.5,114.4025 30.5005,114.402 30.5005,114.402 30.5),"
    "(114.402 30.5,114.4021 30.5003,114.4023 30.5001,114.402 30.5)))"
)
TWO = (
    "MULTIPOLYGON(((114.403 30.5,114.403 30.5002,114.4032 30.5002,114.4032 30.5,114.403 30.5)),"
    "((114.4034 30.5,114.4036 30.5,114.4036 30.5002,114.4034 30.5)))"
)
SHAPES = {
    "A": (SQUARE, 10.0, 25.5),
    "B": (COURT, 12.5, None),
    "C": (TOUCHING, 9.0, -3.25),
    "D": (TWO, 30.0, 20.0),
    "E": (SQUARE, None, 5.0),
}


def export(settings, *argv):
    result = CliRunner().invoke(command.app, [str(part) for part in (*argv, "--json")], obj=settings, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def rows(settings, statement, parameters=None):
    with engine.connect(settings) as connection:
        return connection.execute(statement, parameters).fetchall()


def where(collection):
    return f"kind = '{collection.split('-')[0]}'" if "-" in collection else "true"


def read(path):
    if path.suffix == ".parquet":
        return geopandas.read_parquet(path)
    return geopandas.read_file(path)
