"""CRS helpers against PROJ and published values."""

import numpy as np
import pyproj
import pytest

from cim import crs
from cim.errors import ConfigError
from cim.profile import parse_profile

PROFILE = {
    "name": {"en": "Test", "zh": "测试"},
    "division_codes": ["4201"],
    "projected_crs": "EPSG:4547",
    "geoid_separation_m": -13.0,
}


def test_gauss_kruger_positions_match_the_published_example():
    # 120.3 E 30.2 N in EPSG:4549: E 528887.731, N 3342322.266 (PROJ 9, cs2cs).
    east, north = crs.transform_xy("EPSG:4490", "EPSG:4549", np.array([120.3]), np.array([30.2]))
    assert east[0] == pytest.approx(528_887.731, abs=1e-3)
    assert north[0] == pytest.approx(3_342_322.266, abs=1e-3)


@pytest.mark.parametrize(("meridian", "code"), [(75, 4534), (114, 4547), (120, 4549), (135, 4554)])
def test_zone_codes_follow_the_central_meridian(meridian, code):
    assert crs.gauss_kruger_epsg(meridian) == code
    assert f"CM {meridian}E" in pyproj.CRS.from_epsg(code).name


@pytest.mark.parametrize(("lon", "lat", "h"), [(114.39, 30.51, 12.5), (-70.0, -33.0, 900.0), (0.0, 0.0, -5.0), (180.0, 89.9, 0.0)])
def test_earth_centred_positions_match_proj(lon, lat, h):
    expected = pyproj.Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True).transform(lon, lat, h)  # noqa: TID251 - the reference
    found = crs.lonlat_to_ecef(np.array([lon]), np.array([lat]), np.array([h]))
    assert np.abs(found[0] - expected).max() < 1e-6


def test_an_unknown_crs_says_what_to_pass():
    with pytest.raises(crs.CrsError, match="'EPSG:999999' is not known to PROJ"):
        crs.parse_crs("EPSG:999999")


def test_a_profile_with_a_geographic_working_crs_is_refused():
    with pytest.raises(ConfigError, match=r"city.yaml: projected_crs: .*EPSG:4490 is not a projected CRS"):
        parse_profile({**PROFILE, "projected_crs": "EPSG:4490"}, source="city.yaml")


def test_a_profile_without_geoid_separation_is_refused():
    wrong = {key: value for key, value in PROFILE.items() if key != "geoid_separation_m"}
    with pytest.raises(ConfigError, match=r"found neither of geoid_separation_m and geoid_grid, expected one of them"):
        parse_profile(wrong, source="city.yaml")
