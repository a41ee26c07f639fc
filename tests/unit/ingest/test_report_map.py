"""The map of an ingest report, by hand-computed places: two records 0.01 degrees apart and a boundary half-way between them."""

import re

import numpy as np
import pyarrow as pa
import pytest
import shapely

from ingest.report_map import HEIGHT, WIDTH, ReportedFeatures, draw_map


def records(*points, rules=("A05", "G04, A06")):
    wkb = pa.array([shapely.to_wkb(shapely.Point(p).buffer(1e-5)) if p else None for p in points], pa.binary())
    n = len(points)
    return ReportedFeatures(pa.table({}), wkb, "EPSG:4490", "Polygon", list(rules[:n]), [""] * n, [""] * n, [f"row {i}" for i in range(n)])


def test_records_lie_on_one_scale_with_the_boundary_between_them():
    half = shapely.box(114.0, 30.0, 114.405, 31.0)
    drawn = draw_map(records((114.40, 30.50), (114.41, 30.50)), None, np.array([half], dtype=object))
    left, right = drawn["points"]
    assert (left["y"], right["y"]) == (HEIGHT / 2, HEIGHT / 2)
    # One degree of longitude is cos(30.5) times 111.195 km there; the frame leaves 40 px on either side.
    assert right["x"] - left["x"] == pytest.approx(WIDTH - 80, abs=0.2)
    scale = (WIDTH - 80) / (0.01 * 111_195 * np.cos(np.radians(30.5)))
    assert drawn["bar_px"] == pytest.approx(drawn["bar_m"] * scale, abs=0.1)
    xs = {float(x) for path in drawn["paths"] for x in re.findall(r"[ML](\S+) ", path)}
    assert xs == {WIDTH / 2}
    assert drawn["legend"].keys() == {"A05", "G04"}


def test_warned_records_are_rings_under_the_refused_ones():
    drawn = draw_map(records((114.40, 30.50)), records((114.41, 30.50), rules=("G04",)), None)
    assert [point["ring"] for point in drawn["points"]] == [True, False]
    assert drawn["points"][0]["title"] == "row 0: G04"


def test_one_record_far_away_does_not_shrink_the_city():
    drawn = draw_map(records(*[(114.40 + i * 1e-4, 30.5) for i in range(99)], (-70.0, 10.0), rules=["A05"] * 100), None, None)
    assert len(drawn["points"]) == 99


def test_records_without_a_place_make_no_map():
    assert draw_map(records(None), None, None) is None
    assert draw_map(None, None, None) is None
