"""Make the sample city "Wuhan Optics Valley" from unpacked real data; the same input gives the same files.

Usage::

    python scripts/make_sample_city.py --data DIR --out sample_data

DIR holds the folders ``footprints admin addresses ifc`` of the unpacked source data.
"""

import argparse
import shutil
from pathlib import Path

import shapely
from sample_city import addresses, cables, census, divisions, drains, ifc, planning, pressure, profiles, readme, sources
from sample_city.area import to_metres
from sample_city.roadgraph import build_road_graph
from sample_city.roadlayer import write_road_layers
from sample_city.survey import Survey
from sample_city.terrain import Terrain
from sample_city.uses import build_facts
from sample_city.writers import write_shapefile_zip

MADE = ("divisions", "census", "addresses", "networks", "terrain", "roads", "planning", "ifc", "LICENSES")


def build_networks(roads: list[sources.Road], buildings: list[sources.Building], terrain: Terrain) -> list[Survey]:
    """Build all six networks along the same road graph."""
    graph = build_road_graph(roads)
    return [
        pressure.build_pressure(pressure.WATER, graph, buildings, terrain),
        drains.build_drains(drains.RAIN, graph, buildings, terrain),
        drains.build_drains(drains.SEWAGE, graph, buildings, terrain),
        pressure.build_pressure(pressure.GAS, graph, buildings, terrain),
        cables.build_power(graph, buildings, terrain),
        cables.build_lighting(graph, terrain),
    ]


def make(data: Path, out: Path) -> None:
    """Write all files of the sample city below `out`; what an earlier run made is replaced."""
    for folder in MADE:
        shutil.rmtree(out / folder, ignore_errors=True)
    buildings, roads, water = sources.read_buildings(data), sources.read_roads(data), sources.read_water(data)
    if not all(shapely.is_valid([b.lonlat for b in buildings])):
        raise SystemExit("a footprint is not valid; expected 237 valid outlines")
    profiles.write_city_profile(out)
    table = sources.read_divisions(data, divisions.COUNTIES, divisions.TOWNS)
    divisions.write_divisions(out / "divisions", table)

    streets = addresses.named_roads(roads)
    doors = addresses.door_addresses(buildings, streets)
    rows = census.build_census(buildings, divisions.build_villages(), {k: text for k, (text, _) in doors.items()})
    write_shapefile_zip(out / "census" / "guanggu_census.zip", rows, census.FIELDS)
    write_shapefile_zip(out / "census" / "guanggu_census_bad.zip", census.build_bad_census(rows), census.FIELDS)
    profiles.write_census_profile(out / "census")
    fwbh = {row["osm_id"]: row["fwbh"] for row in rows}
    companies = sources.read_company_addresses(data)
    addresses.write_addresses(out / "addresses" / "addresses.csv", buildings, streets, doors, companies, fwbh)

    terrain = Terrain([to_metres(shape) for _, _, shape in water])
    terrain.write(out / "terrain" / "guanggu_dem.tif")
    write_road_layers(out / "roads" / "roads.gpkg", roads, water)
    facts = {one.osm_id: build_facts(one) for one in buildings}
    uses, heights = ({key: getattr(one, name) for key, one in facts.items()} for name in ("use", "height_m"))
    planning.write_plan(out / "planning", planning.build_plan(buildings, uses, heights, roads, [to_metres(shape) for _, _, shape in water]))
    for survey in build_networks(roads, buildings, terrain):
        survey.write(out / "networks")
    profiles.write_network_profile(out / "networks")
    ifc.write_models(data / "ifc", out / "ifc", buildings, roads, terrain, fwbh)
    readme.write_readme(out)


def main() -> None:
    """Read the command line and make the sample city."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the unpacked source data")
    parser.add_argument("--out", type=Path, default=Path("sample_data"), help="folder to write (default: sample_data)")
    options = parser.parse_args()
    make(options.data, options.out)
    size = sum(path.stat().st_size for path in options.out.rglob("*") if path.is_file())
    print(f"{options.out}: {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
