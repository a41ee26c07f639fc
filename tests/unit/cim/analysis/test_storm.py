"""Design storms against the integral of the city's formula."""

import numpy as np
import pytest

from cim.analysis.network.storm import StormFormula, chicago_storm

BEIJING = StormFormula(12.0, 0.811, 8.0, 0.711)


def test_every_window_around_the_peak_holds_the_depth_of_the_formula():
    # The storm is built so that the most intense t minutes hold i(t) · t; worked by hand for A = 12, P = 1: 12 · 60 / 68^0.711.
    assert BEIJING.depth_mm(60, 1) == pytest.approx(12 * 60 / 68**0.711)
    rain = chicago_storm(BEIJING, 1, 120, peak=0.5, step_min=1)
    assert rain.sum() / 60 == pytest.approx(BEIJING.depth_mm(120, 1))
    assert rain[30:90].sum() / 60 == pytest.approx(BEIJING.depth_mm(60, 1))
    assert np.argmax(rain) in (59, 60)
    assert np.allclose(rain, rain[::-1])


def test_a_rarer_storm_is_stronger_by_its_factor():
    common, rare = (chicago_storm(BEIJING, years, 120) for years in (1, 100))
    assert np.allclose(rare / common, 1 + 0.811 * 2)


@pytest.mark.parametrize("values", [{"peak": 1.0}, {"step_min": 0}, {"duration_min": 1}, {"return_period_years": 0}])
def test_values_out_of_range_are_refused(values):
    told = {"return_period_years": 2, "duration_min": 60} | values
    with pytest.raises(ValueError, match="expected"):
        chicago_storm(BEIJING, told.pop("return_period_years"), told.pop("duration_min"), **told)
