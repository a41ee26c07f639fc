"""Terrain and imagery from real and broken files."""

import subprocess

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from cim.db import engine
from cim.raster.surface import Surface
from tests.support.cli import run_cim

PROFILE = """
name: {en: Town, zh: 测试城}
level: city
division_codes: ["420111"]
projected_crs: EPSG:4547
geoid_separation_m: -13.0
"""
DATUM = ("--vertical-datum", "EPSG:5737")


@pytest.fixture(scope="module")
def town(module_settings, tmp_path_factory):
    profile = tmp_path_factory.mktemp("profile") / "city.yaml"
    profile.write_text(PROFILE, encoding="utf-8")
    assert run_cim(module_settings, "db", "profile", profile).code == 0
    return module_settings


def write(path, heights, *, crs="EPSG:4547", west=537_000.0, north=3_376_000.0, step=5.0, nodata=-9999.0, transform=None):
    profile = {
        "driver": "GTiff", "width": heights.shape[1], "height": heights.shape[0], "count": 1, "dtype": "float32", "nodata": nodata,
        "crs": crs, "transform": transform or from_origin(west, north, step, step),
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as target:
        target.write(heights.astype("float32"), 1)
    return path


def stored(town, name):
    with engine.connect(town) as connection:
        row = connection.execute(
            "SELECT file, source_unit, width_px, height_px, min_m, max_m, n_sources FROM raster WHERE name = %s", [name]
        ).fetchone()
    return town.rasters_dir / row[0], row[1:]


def location_value(path, lon, lat):
    """Elevation by the program gdallocationinfo, nearest cell."""
    made = subprocess.run(["gdallocationinfo", "-valonly", "-wgs84", path, str(lon), str(lat)], capture_output=True, text=True, check=True)
    return float(made.stdout)


def test_srtm_loads_as_a_geographic_dem_and_gives_the_heights_of_gdallocationinfo(town, real_data):
    path = real_data / "rasters" / "N49E011.hgt.zip"
    result = run_cim(town, "ingest", "terrain", path, *DATUM, "--unit", "m", "--json")
    assert result.code == 0, result.err
    file, facts = stored(town, "N49E011")
    assert facts[1:3] == (1201, 1201)
    # Centres of cells of SRTM lie on whole multiples of 3 seconds.
    lon, lat = 11 + np.array([33, 700, 1100]) / 1200, 49 + np.array([1100, 620, 12]) / 1200
    expected = [location_value(file, x, y) for x, y in zip(lon, lat, strict=True)]
    assert Surface([file]).elevations(lon, lat) == pytest.approx(expected, abs=0.01)


def test_two_sheets_are_one_surface_without_a_seam(town, tmp_path):
    ramp = np.tile((np.arange(40) + 0.5) * 5 / 10, (20, 1))
    left = write(tmp_path / "left.tif", ramp[:, :20])
    right = write(tmp_path / "right.tif", ramp[:, 20:], west=537_000.0 + 100)
    result = run_cim(town, "ingest", "terrain", left, right, *DATUM, "--unit", "m", "--name", "pair", "--json")
    assert result.code == 0, result.err
    file, facts = stored(town, "pair")
    assert facts[1:3] == (40, 20)
    assert facts[5] == 2
    lon, lat = rasterio.warp.transform("EPSG:4547", "EPSG:4490", [537_099.0, 537_100.0, 537_101.0], [3_375_950.0] * 3)
    # A plane that rises 1 m per 10 m: 9.9 m, 10.0 m and 10.1 m.
    assert Surface([file]).elevations(np.array(lon), np.array(lat)) == pytest.approx([9.9, 10.0, 10.1], abs=1e-3)


def test_separate_rasters_side_by_side_leave_no_gap_between_them(tmp_path):
    left = write(tmp_path / "left.tif", np.full((20, 20), 7.0))
    right = write(tmp_path / "right.tif", np.full((20, 20), 7.0), west=537_100.0)
    east = np.linspace(537_090.0, 537_110.0, 41)
    lon, lat = rasterio.warp.transform("EPSG:4547", "EPSG:4490", east, np.full(41, 3_375_950.0))
    assert Surface([left, right]).elevations(np.array(lon), np.array(lat)) == pytest.approx(np.full(41, 7.0))


def test_a_missing_neighbour_without_weight_does_not_count(tmp_path):
    heights = np.full((3, 3), 4.0)
    heights[0, 2] = -9999.0
    path = write(tmp_path / "hole.tif", heights)
    # The centre of the cell in row 1, column 1 has all the weight; half a cell to the north-east the hole takes part.
    lon, lat = rasterio.warp.transform("EPSG:4547", "EPSG:4490", [537_007.5, 537_010.0], [3_375_992.5, 3_375_995.0])
    found = Surface([path]).elevations(np.array(lon), np.array(lat))
    assert found[0] == pytest.approx(4.0)
    assert np.isnan(found[1])


def test_feet_become_metres_and_the_unit_is_asked_for(town, tmp_path):
    path = write(tmp_path / "feet.tif", np.full((20, 20), 100.0))
    asked = run_cim(town, "ingest", "terrain", path, *DATUM)
    assert asked.code == 1
    assert "no unit of the elevations" in asked.err
    assert "--unit" in asked.err
    asked = run_cim(town, "ingest", "terrain", path, "--unit", "ft")
    assert "no vertical datum" in asked.err
    assert run_cim(town, "ingest", "terrain", path, *DATUM, "--unit", "ft").code == 0
    # International foot: 0.3048 m exactly (ISO 80000-3).
    assert stored(town, "feet")[1][3:5] == pytest.approx((30.48, 30.48), abs=1e-4)


def test_a_rotated_sheet_and_one_in_another_crs_become_one_north_up_grid(town, tmp_path):
    turned = write(tmp_path / "turned.tif", np.full((40, 40), 12.0), transform=rasterio.Affine(5, 1, 537_000, 1, -5, 3_376_000))
    west, north = rasterio.warp.transform("EPSG:4547", "EPSG:32650", [537_000.0], [3_375_900.0])
    other = write(tmp_path / "other.tif", np.full((40, 40), 12.0), crs="EPSG:32650", west=west[0], north=north[0])
    result = run_cim(town, "ingest", "terrain", turned, other, *DATUM, "--unit", "m", "--name", "mixed", "--json")
    assert result.code == 0, result.err
    assert result.json()[0]["warnings_by_rule"] == {"T02 resampled to one grid": 1}
    file, _ = stored(town, "mixed")
    with rasterio.open(file) as source:
        assert (source.transform.b, source.transform.d) == (0, 0)
        assert source.crs.to_epsg() == 4547
    assert stored(town, "mixed")[1][3:5] == pytest.approx((12.0, 12.0), abs=1e-4)


def test_an_ascii_grid_needs_its_crs_told(town, tmp_path):
    path = tmp_path / "grid.asc"
    path.write_text(
        "ncols 3\nnrows 2\nxllcorner 537000\nyllcorner 3375000\ncellsize 10\nNODATA_value -9\n1 2 3\n4 -9 6\n", encoding="ascii"
    )
    assert "no coordinate reference system" in run_cim(town, "ingest", "terrain", path, *DATUM, "--unit", "m").err
    assert run_cim(town, "ingest", "terrain", path, *DATUM, "--unit", "m", "--crs", "EPSG:4547").code == 0
    file, facts = stored(town, "grid")
    assert facts[3:5] == (1.0, 6.0)
    with rasterio.open(file) as source:
        assert source.read(1, masked=True).tolist() == [[1, 2, 3], [4, None, 6]]


@pytest.mark.parametrize(
    ("kind", "words"),
    [("cut", "cut off or damaged"), ("bomb", "unpacks from"), ("fill value", "pass --nodata -32767"), ("escape", "outside the folder")],
)
def test_a_broken_or_hostile_raster_is_refused_and_nothing_is_kept(town, tmp_path, kind, words):
    path = tmp_path / "dem.tif"
    if kind == "bomb":
        profile = {"driver": "GTiff", "width": 200_000, "height": 200_000, "count": 1, "dtype": "float32", "crs": "EPSG:4547"}
        with rasterio.open(path, "w", **profile, transform=from_origin(5e5, 3e6, 1, 1), sparse_ok=True, tiled=True, compress="deflate"):
            pass
    elif kind == "escape":
        path = tmp_path / "dem.vrt"
        path.write_text(
            '<VRTDataset rasterXSize="1" rasterYSize="1"><VRTRasterBand dataType="Byte" band="1"><SimpleSource>'
            "<SourceFilename>/etc/hostname</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>",
            encoding="ascii",
        )
    else:
        heights = np.random.default_rng(1).random((400, 400)) * 10
        if kind == "fill value":
            heights[0, 0] = -32767
        write(path, heights)
        if kind == "cut":
            path.write_bytes(path.read_bytes()[:300_000])
    before = sorted(town.rasters_dir.glob("*"))
    result = run_cim(town, "ingest", "terrain", path, *DATUM, "--unit", "m", "--name", "broken")
    assert result.code == 1
    assert words in result.err
    assert sorted(town.rasters_dir.glob("*")) == before
    with engine.connect(town) as connection:
        assert connection.execute("SELECT count(*) FROM raster WHERE name = 'broken'").fetchone() == (0,)


@pytest.mark.parametrize(("name", "bands"), [("RGB.byte.tif", 3), ("cogeo.tif", 3), ("naip_512_deflate.tif", 4)])
def test_real_imagery_is_kept_cell_by_cell(town, real_data, name, bands):
    result = run_cim(town, "ingest", "imagery", real_data / "rasters" / name, "--json")
    assert result.code == 0, result.err
    file, _ = stored(town, name.removesuffix(".tif"))
    with rasterio.open(file) as kept, rasterio.open(real_data / "rasters" / name) as given:
        assert kept.count == bands
        assert kept.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert kept.overviews(1)
        assert np.array_equal(kept.read(), given.read())


@pytest.mark.parametrize(("name", "words"), [("corrupt.tif", "damaged"), ("cog_gcps.tif", "210 ground control points")])
def test_imagery_that_cannot_be_used_is_refused_with_the_reason(town, real_data, name, words):
    result = run_cim(town, "ingest", "imagery", real_data / "rasters" / name)
    assert result.code == 1
    assert words in result.err
