"""Scans as tiles: every point once, where PROJ puts it, with its class and its dataset; no fault in our checker and in Khronos'."""

from pathlib import Path

import laspy
import numpy as np
import pyproj
import pytest

from cim.db import engine, profiles
from cim.profile import CityProfile, Names
from tests.pipeline.test_citymodel_tiles import walked
from tests.pipeline.test_gltf_validator import validated
from tests.support.cli import run_cim
from tiles.glb_read import Glb
from tiles.validate import validate_folder, validate_layer

N = 20_000
GEOID = -13.0


@pytest.fixture(scope="module")
def scan(module_settings, tmp_path_factory):
    with engine.connect(module_settings) as connection:
        profiles.save_profile(
            connection,
            CityProfile(
                name=Names(en="City", zh="城"), division_codes=["420111"], projected_crs="EPSG:4547", geoid_separation_m=GEOID, notices=[]
            ),
        )
    random = np.random.default_rng(1)
    header = laspy.LasHeader(point_format=7, version="1.4")
    header.offsets, header.scales = [540_000, 3_376_000, 0], [0.001] * 3
    header.add_crs(pyproj.CRS.from_epsg(4547))
    las = laspy.LasData(header)
    las.x, las.y, las.z = 540_000 + random.uniform(0, 300, N), 3_376_000 + random.uniform(0, 300, N), random.uniform(20, 40, N)
    las.red, las.green, las.blue = (random.integers(0, 65_535, N).astype(np.uint16) for _ in range(3))
    las.classification = random.integers(1, 6, N).astype(np.uint8)
    las.intensity = random.integers(0, 1_000, N).astype(np.uint16)
    path = tmp_path_factory.mktemp("scan") / "Street_1.laz"
    las.write(path)
    result = run_cim(module_settings, "tiles", "build", "--points", path, "--json")
    assert result.code == 0, result.err
    assert result.json() | {"tiles": 0} == {"layer": "points/street-1", "points": N, "tiles": 0}
    return module_settings, path, las


def contents(settings):
    root = Path(settings.tiles_url) / "points/street-1"
    return [(Glb(path.read_bytes()), matrix) for path, matrix in walked(root, only_last=True)]


def test_every_point_is_there_once_where_proj_puts_it(scan):
    settings, _, las = scan
    found, classes = [], []
    for glb, matrix in contents(settings):
        found.append(glb.parts()[0].vertices @ matrix[:3, :3].T + matrix[:3, 3])
        names = glb.json["meshes"][0]["primitives"][0]["attributes"]
        classes.append(glb.accessor(names["_CLASSIFICATION"]).ravel())
    places, classes = np.concatenate(found), np.concatenate(classes)
    assert len(places) == N
    # Straight through PROJ, heights moved by the geoid separation first.
    to_ecef = pyproj.Transformer.from_pipeline(
        "+proj=pipeline +step +inv +proj=tmerc +lat_0=0 +lon_0=114 +k=1 +x_0=500000 +y_0=0 +ellps=GRS80 +step +proj=cart +ellps=GRS80"
    )
    expected = np.column_stack(to_ecef.transform(np.array(las.x), np.array(las.y), np.array(las.z) + GEOID))
    order, wanted = np.lexsort(np.rint(places).T[::-1]), np.array(las.classification)
    assert sorted(classes.tolist()) == sorted(wanted.tolist())
    assert len(order) == N
    picked = np.random.default_rng(2).permutation(N)[:500]
    apart = np.linalg.norm(places[None] - expected[picked, None], axis=2)
    assert apart.min(axis=1).max() < 0.02
    assert (classes[apart.argmin(axis=1)] == wanted[picked]).mean() > 0.99


def test_scans_are_valid_and_stay_when_all_layers_are_built(scan):
    settings, _, _ = scan
    assert run_cim(settings, "tiles", "build", "--json").code == 0
    assert validate_layer(settings, "points/street-1").faults == []
    assert validate_folder(Path(settings.tiles_url)).faults == []
    assert validated(sorted((Path(settings.tiles_url) / "points").rglob("*.glb"))) == []
    listed = run_cim(settings, "tiles", "list", "--json").json()
    assert [(row["layer"], row["kind"], row["n_features"]) for row in listed] == [("points/street-1", "pointcloud", N)]
    with engine.connect(settings) as connection:
        dataset = connection.execute("SELECT id FROM dataset WHERE kind = 'pointcloud' AND name = 'street-1'").fetchone()[0]
    assert {glb.column(0, "dataset")[0] for glb, _ in contents(settings)} == {f"street-1/{dataset}"}


def test_the_same_file_changes_nothing(scan):
    settings, path, _ = scan
    root = Path(settings.tiles_url)
    before = {one: one.stat().st_mtime_ns for one in root.rglob("*.*")}
    assert run_cim(settings, "tiles", "build", "--points", path).code == 0
    assert {one: one.stat().st_mtime_ns for one in root.rglob("*.*")} == before
    with engine.connect(settings) as connection:
        assert connection.execute("SELECT count(*) FROM dataset WHERE kind = 'pointcloud'").fetchone()[0] == 1


def test_files_that_are_no_scan_are_refused_with_their_name(scan, tmp_path):
    settings, path, _ = scan
    (tmp_path / "cut.las").write_bytes(path.read_bytes()[:200])
    las = laspy.LasData(laspy.LasHeader(point_format=3, version="1.2"))
    las.x = las.y = las.z = np.array([1.0, 2.0])
    las.write(tmp_path / "nowhere.las")
    for name, words in (("cut.las", "damaged"), ("gone.las", "no such file"), ("nowhere.las", "--crs EPSG:<number>")):
        result = run_cim(settings, "tiles", "build", "--points", tmp_path / name)
        assert result.code == 1
        assert name in result.err
        assert words in result.err
    assert run_cim(settings, "tiles", "build", "buildings", "--points", path).code == 2
    assert run_cim(settings, "tiles", "build", "--points", path, "--name", "A/B").code == 1
