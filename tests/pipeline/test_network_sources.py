"""Every network file of the real test data loads, or is refused with a reason."""

from pathlib import Path

import pytest
import yaml

from cim.db import engine, profiles
from cim.profile import CityProfile
from ingest.network.inp import positions, read_inp
from tests.support.cli import run_cim

FILES = yaml.safe_load((Path(__file__).resolve().parents[2] / "scripts" / "network_files.yaml").read_text(encoding="utf-8"))
PARTNERS = {name for name, told in FILES.items() if "with" in told}
REFUSED = {name for name, told in FILES.items() if "refused" in told}
LOADED = sorted(set(FILES) - PARTNERS - REFUSED)


@pytest.fixture(scope="module")
def profiles_dir():
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


def arguments(told, path, tmp_path, profiles_dir):
    out = []
    for name in ("kind", "crs"):
        out += [f"--{name}", told[name]] if name in told else []
    if "profile" in told:
        out += ["--profile", profiles_dir / f"{told['profile']}.yaml"]
    if "scale" in told:
        (tmp_path / "g.csv").write_text(control_points(path, told["scale"]), encoding="utf-8")
        out += ["--georef", tmp_path / "g.csv"]
    return out


def control_points(path, scale):
    """Two control points that put a local plan near 9° E, 50° N, at the scale of its units."""
    x, y = zip(*positions(read_inp(path)).values(), strict=True)
    return "x,y,X,Y\n" + "".join(f"{x[0] + d},{y[0] + d},{500000 + d * scale},{5600000 + d * scale}\n" for d in (0, 1000))


@pytest.mark.parametrize("name", LOADED)
def test_a_real_network_loads_whole(module_settings, real_data, tmp_path, profiles_dir, name):
    told = FILES[name]
    path = real_data / "networks" / name
    place(module_settings, told["city"])
    partner = real_data / "networks" / name.replace("LinearFeatures", "PointFeatures")
    files = [path] if partner == path or not partner.exists() else [partner, path]
    dataset = name.replace("/", "-")
    argv = ["ingest", "network", *files, "--name", dataset, *arguments(told, path, tmp_path, profiles_dir), "--json"]
    result = run_cim(module_settings, *argv)
    assert result.code == 0, result.err + result.out
    for outcome in result.json():
        assert outcome["read"] == outcome["accepted"] + outcome["rejected"]
        assert outcome["rejected"] <= 0.03 * outcome["read"], outcome["rejected_by_rule"]
    found = stored(module_settings, dataset)
    assert told["points"] in (None, found[0])
    assert told["lines"] in (None, found[1])
    assert sum(found) == sum(outcome["accepted"] for outcome in result.json())


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_is_no_network_is_refused_with_a_reason(module_settings, real_data, profiles_dir, name):
    profile, reason = FILES[name].get("profile"), FILES[name]["refused"]
    place(module_settings, FILES[name]["city"])
    argv = ["ingest", "network", real_data / "networks" / name, "--json"]
    result = run_cim(module_settings, *argv, *(["--profile", profiles_dir / f"{profile}.yaml"] if profile else []))
    assert result.code == 1
    assert reason in result.json()["error"]["message"], result.out
    assert stored(module_settings, "%" + name) == [0, 0]


def test_every_file_of_the_collection_is_walked_over(real_data):
    folder = real_data / "networks"
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert found == set(FILES)


@pytest.mark.parametrize("name", ["water/Net3.inp", "drainage/bellinge_small.inp"])
def test_a_model_without_a_crs_is_refused(module_settings, real_data, name):
    place(module_settings, "EPSG:25832")
    result = run_cim(module_settings, "ingest", "network", real_data / "networks" / name, "--json")
    assert result.code == 1
    assert result.json()["error"]["code"] == "source.missing_crs"
    assert "--georef" in result.json()["error"]["hint"]
