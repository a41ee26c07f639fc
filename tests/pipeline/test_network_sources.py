"""Every network file of the real test data loads, or is refused with a reason."""

import pytest

from cim.db import engine, profiles
from cim.profile import CityProfile
from tests.support.cli import run_cim

KENTUCKY, SWEDEN, GERMANY = "EPSG:3088", "EPSG:25832", "EPSG:25832"
LOCAL = ("--crs", "EPSG:25832", "--georef", "G")
KY = ("--crs", "EPSG:3089")

# One line of Montpelier has no length; three junctions of the heat network have no position.
# File → CRS of the city, arguments, (points, lines) in the store. Counts are those of the collection's README and of `ogrinfo`.
LOADED = {
    "water/ky2.inp": (KENTUCKY, KY, (815, 1125)),
    "water/ky4.inp": (KENTUCKY, KY, (964, 1158)),
    "water/ky8.inp": (KENTUCKY, KY, (1332, 1618)),
    "water/ky10.inp": (KENTUCKY, KY, (935, 1061)),
    "water/KL.inp": (GERMANY, LOCAL, (936, 1274)),
    "water/L-TOWN.inp": (GERMANY, LOCAL, (785, 909)),
    "water/Net3.inp": (GERMANY, LOCAL, (97, 119)),
    "water/ZJ.inp": (GERMANY, LOCAL, (114, 164)),
    "water/Richmond_standard.inp": (GERMANY, LOCAL, (872, 957)),
    "water/BWSN_Network_2.inp": (GERMANY, LOCAL, (12527, 14831)),
    "water/ky4_pipes.geojson": ("EPSG:3088", ("--profile", "named-pipes"), (964, 1156)),
    "drainage/bellinge_small.inp": (GERMANY, ("--crs", "EPSG:25832", "--kind", "sewage"), (16, 15)),
    "drainage/utrecht_tuindorp_sewer.inp": ("EPSG:28992", ("--crs", "EPSG:28992", "--kind", "sewage"), (318, 353)),
    "drainage/model_state_plane.inp": (GERMANY, (*LOCAL, "--kind", "sewage"), (45, 44)),
    "drainage/test_inlet_drains.inp": (GERMANY, (*LOCAL, "--kind", "rainwater"), (20, 22 + 1)),
    "one_village_schutterwald/gas_schutterwald.json": (GERMANY, ("--crs", "EPSG:31467"), (2559, 2559)),
    "one_village_schutterwald/heat_schutterwald.json": (GERMANY, ("--crs", "EPSG:31467"), (488 - 3, None)),
    "one_village_schutterwald/power_lv_schutterwald.json": (GERMANY, (), (2940, 3014)),
    "power/mv_oberrhein_substations.json": (GERMANY, (), (None, None)),
    "one_town_santboi/santboi_water_giswater.gpkg": ("EPSG:25831", ("--profile", "giswater-water"), (None, 269)),
    "one_town_santboi/santboi_drainage_giswater.gpkg": ("EPSG:25831", ("--profile", "giswater-drainage"), (None, 206)),
    "vermont/MontpelierLinearFeatures.geojson": ("EPSG:32145", ("--profile", "vermont-towns"), (None, 1133 - 1)),
    "vermont/RutlandCityLinearFeatures.geojson": ("EPSG:32145", ("--profile", "vermont-towns"), (None, None)),
    "vermont/Montpelier_state_schema.geojson": ("EPSG:32145", ("--profile", "vermont-state"), (None, None)),
    "streetlights/ansan_kr_streetlights.csv": ("EPSG:5186", ("--profile", "lamp-points"), (None, 0)),
}
# Loaded together with the lines of the same town.
PARTNERS = {"vermont/MontpelierPointFeatures.geojson", "vermont/RutlandCityPointFeatures.geojson"}
REFUSED = {
    "drainage/bellinge_small_subcatchments.geojson": ("named-pipes", "found polygons only"),
    "drainage/demo_data_aletsch.sql": (None, "found a database dump"),
    "one_town_santboi/santboi_dem_5m.tif": (None, "found a raster"),
    "vermont/MontpelierBorder.geojson": ("vermont-towns", "found polygons only"),
    "vermont/RutlandCityBorder.geojson": ("vermont-towns", "found polygons only"),
    "vermont/RutlandCityServiceArea.geojson": ("vermont-towns", "missing System_Type"),
    "vermont/MontpelierWWTF.geojson": ("vermont-towns", "missing System_Type"),
    "vermont/RutlandCityWWTP.geojson": ("vermont-towns", "missing System_Type"),
}


@pytest.fixture(scope="module")
def profiles_dir():
    from pathlib import Path

    return Path(__file__).resolve().parents[2] / "schemas" / "mappings" / "networks"


def place(settings, crs):
    names = {"en": "Test", "zh": "测试"}
    city = CityProfile(name=names, division_codes=["420111"], projected_crs=crs, vertical_datum="EPSG:5737", geoid_separation_m=0)
    with engine.connect(settings) as connection:
        profiles.save_profile(connection, city)


def stored(settings, dataset):
    with engine.connect(settings) as connection:
        return [
            connection.execute(f"SELECT count(*) FROM {table} WHERE source_dataset LIKE %s", [f"{dataset}%"]).fetchone()[0]
            for table in ("network_node", "network_edge")
        ]


def arguments(told, tmp_path, profiles_dir, local):
    out = []
    for word in told:
        if word == "G":
            (tmp_path / "g.csv").write_text("x,y,X,Y\n" + local, encoding="utf-8")
            word = tmp_path / "g.csv"
        elif out and out[-1] == "--profile":
            word = profiles_dir / f"{word}.yaml"
        out.append(word)
    return out


# Two control points that put a local plan near 9° E, 50° N, at the scale of its units.
SCALES = {"water/Richmond_standard.inp": 0.001, "water/Net3.inp": 100.0, "water/BWSN_Network_2.inp": 0.1, "water/KL.inp": 0.3}


def control_points(name, path):
    scale = SCALES.get(name, 1.0)
    from ingest.network.inp import positions, read_inp

    x, y = zip(*positions(read_inp(path)).values(), strict=True)
    return "\n".join(f"{x[0] + d},{y[0] + d},{500000 + d * scale},{5600000 + d * scale}" for d in (0, 1000)) + "\n"


@pytest.mark.parametrize("name", LOADED)
def test_a_real_network_loads_whole(module_settings, real_data, tmp_path, profiles_dir, name):
    crs, told, (points, lines) = LOADED[name]
    path = real_data / "networks" / name
    place(module_settings, crs)
    partner = real_data / "networks" / name.replace("LinearFeatures", "PointFeatures")
    files = [path] if partner == path or not partner.exists() else [partner, path]
    local = control_points(name, path) if "G" in told else ""
    dataset = name.replace("/", "-")
    argv = ["ingest", "network", *files, "--name", dataset, *arguments(told, tmp_path, profiles_dir, local), "--json"]
    result = run_cim(module_settings, *argv)
    assert result.code == 0, result.err + result.out
    for outcome in result.json():
        assert outcome["read"] == outcome["accepted"] + outcome["rejected"]
        assert outcome["rejected"] <= 0.03 * outcome["read"], outcome["rejected_by_rule"]
    found = stored(module_settings, dataset)
    assert points is None or found[0] == points
    assert lines is None or found[1] == lines
    assert sum(found) == sum(outcome["accepted"] for outcome in result.json())


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_network_is_refused_with_a_reason(module_settings, real_data, profiles_dir, name):
    profile, reason = REFUSED[name]
    place(module_settings, "EPSG:25832")
    argv = ["ingest", "network", real_data / "networks" / name, "--json"]
    result = run_cim(module_settings, *argv, *(["--profile", profiles_dir / f"{profile}.yaml"] if profile else []))
    assert result.code == 1
    assert reason in result.json()["error"]["message"], result.out
    assert stored(module_settings, "%" + name) == [0, 0]


def test_every_file_of_the_collection_is_walked_over(real_data):
    folder = real_data / "networks"
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert found == set(LOADED) | set(REFUSED) | PARTNERS


@pytest.mark.parametrize("name", ["water/Net3.inp", "drainage/bellinge_small.inp"])
def test_a_model_without_a_crs_is_refused(module_settings, real_data, name):
    place(module_settings, "EPSG:25832")
    result = run_cim(module_settings, "ingest", "network", real_data / "networks" / name, "--json")
    assert result.code == 1
    assert result.json()["error"]["code"] == "source.missing_crs"
    assert "--georef" in result.json()["error"]["hint"]
