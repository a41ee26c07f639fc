"""Analyses of elevation grids against surfaces whose answer is known in closed form."""

import math

import numpy as np
import pytest

from cim.analysis.terrain import (
    contours,
    cut_and_fill,
    fill_depressions,
    flow_directions,
    hillshade,
    line_of_sight,
    profile,
    slope_and_aspect,
    viewshed,
)


def grid(surface, rows=60, columns=80, cell=2.0, west=1000.0, north=5000.0):
    x = west + (np.arange(columns) + 0.5) * cell
    y = north - (np.arange(rows) + 0.5) * cell
    return surface(*np.meshgrid(x, y))


@pytest.mark.parametrize(("east", "north"), [(0.1, 0.0), (0.0, 0.2), (-0.3, 0.4), (0.5, -0.5)])
def test_slope_and_aspect_of_a_plane(east, north):
    slope, aspect = slope_and_aspect(grid(lambda x, y: 7 + east * x + north * y), 2.0)
    assert slope == pytest.approx(np.full((60, 80), math.degrees(math.atan(math.hypot(east, north)))))
    # It falls against the gradient; clockwise from north.
    assert aspect == pytest.approx(np.full((60, 80), math.degrees(math.atan2(-east, -north)) % 360))


def test_level_ground_has_no_aspect_and_the_shade_of_the_light_s_height():
    flat = np.full((5, 5), 3.0)
    slope, aspect = slope_and_aspect(flat, 1.0)
    assert not slope.any()
    assert np.isnan(aspect).all()
    assert hillshade(flat, 1.0, altitude_deg=30) == pytest.approx(np.full((5, 5), 0.5))
    # A slope of 45 degrees that faces the light of 45 degrees is fully lit, its back not at all.
    toward = grid(lambda x, _: -x)
    assert hillshade(toward, 2.0, azimuth_deg=90, altitude_deg=45) == pytest.approx(np.ones((60, 80)))
    assert hillshade(-toward, 2.0, azimuth_deg=90, altitude_deg=45) == pytest.approx(np.zeros((60, 80)), abs=1e-9)


def test_contours_of_a_cone_are_circles():
    heights = grid(lambda x, y: 100 - np.hypot(x - 1080, y - 4940))
    lines = contours(heights, 1000.0, 5000.0, 2.0, 10.0)
    closed = [(level, line) for level, line in lines if level in (60.0, 70.0, 80.0)]
    assert [level for level, _ in closed] == [60.0, 70.0, 80.0]
    for level, line in closed:
        assert line[0] == pytest.approx(line[-1])
        assert np.hypot(line[:, 0] - 1080, line[:, 1] - 4940) == pytest.approx(100 - level, abs=0.05)
        area = 0.5 * np.sum(line[:-1, 0] * line[1:, 1] - line[1:, 0] * line[:-1, 1])
        assert area == pytest.approx(math.pi * (100 - level) ** 2, rel=0.01)


def test_the_profile_of_a_plane_is_a_line():
    heights = grid(lambda x, y: 0.01 * x + 0.02 * y)
    distance, places, found = profile(heights, 1000.0, 5000.0, 2.0, np.array([[1010.0, 4990.0], [1010.0, 4950.0], [1100.0, 4950.0]]), 1.0)
    assert distance[-1] == pytest.approx(130.0)
    assert np.diff(distance).max() <= 1.0 + 1e-9
    assert found == pytest.approx(0.01 * places[:, 0] + 0.02 * places[:, 1], abs=1e-3)


def test_a_wall_hides_what_is_lower_than_its_shadow():
    heights = np.zeros((21, 101))
    heights[:, 50] = 10.0
    ends = ((1000.5, 4989.5), (1100.5, 4989.5))
    # Eye at 5 m, 50 m before a wall of 10 m: 50 m behind it 15 m are hidden (similar triangles), without the curve of the earth.
    low = line_of_sight(heights, 1000.0, 5000.0, 1.0, ends, observer_m=5, target_m=14.9, refraction=1.0)
    high = line_of_sight(heights, 1000.0, 5000.0, 1.0, ends, observer_m=5, target_m=15.1, refraction=1.0)
    assert (low.is_visible, high.is_visible) == (False, True)
    assert low.at_m == pytest.approx(50.0)
    assert low.clearance_m == pytest.approx(-0.05, abs=1e-6)
    for target, seen in ((14.9, False), (15.1, True)):
        assert viewshed(heights, 1.0, (10, 0), observer_m=5, target_m=target, refraction=1.0)[10, 100] == seen


def test_everything_is_seen_on_a_plane_and_from_the_bottom_of_a_bowl():
    assert viewshed(grid(lambda x, y: 0.1 * x - 0.2 * y), 2.0, (30, 40), observer_m=1.0, refraction=1.0).all()
    assert viewshed(grid(lambda x, y: (x - 1081) ** 2 + (y - 4939) ** 2), 2.0, (30, 40), observer_m=0.0, refraction=1.0).all()


def test_the_horizon_of_the_sea_is_where_the_curve_of_the_earth_hides_it():
    flat = np.zeros((1, 2001))
    seen = viewshed(flat, 10.0, (0, 0), observer_m=2.0, refraction=0.0)[0]
    # Distance of the horizon: sqrt(2 R h).
    assert seen.sum() * 10 == pytest.approx(math.sqrt(2 * 6_371_000 * 2.0), abs=40)


def test_cut_and_fill_of_a_level_platform_in_a_slope_are_equal_wedges():
    before = grid(lambda x, _: 0.1 * (x - 1080))
    work = cut_and_fill(before, np.zeros_like(before), 2.0)
    # Wedge of 80 m length, 8 m height and 120 m width: 80 * 8 / 2 * 120.
    assert work.cut_m3 == pytest.approx(38_400)
    assert work.fill_m3 == pytest.approx(38_400)
    before[0, 0] = np.nan
    assert cut_and_fill(before, np.zeros_like(before), 2.0).unknown_m2 == 4.0


def test_a_pit_is_filled_to_its_outlet_and_water_runs_down_a_plane():
    plane = grid(lambda x, _: 0.1 * (x - 1000))
    pit = plane.copy()
    pit[20:30, 40:50] = 0.5
    filled, _ = fill_depressions(pit)
    # The lowest cell around the pit: column 39 in the west, 0.1 * 79 m.
    assert filled[25, 45] == pytest.approx(7.9, abs=1e-4)
    assert filled[5, 5] == pytest.approx(plane[5, 5], abs=1e-5)
    directions, count = flow_directions(plane)
    assert (directions[1:-1, 1:-1] == 16).all()  # 16: west in the D8 code of ESRI
    # All cells of the row east of it, the outlets at the border left aside.
    assert count[30, 1] in (77, 78, 79)
