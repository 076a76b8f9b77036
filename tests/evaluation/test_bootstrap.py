"""All resamples at once equal the statistics of the resampled patients, one resample after another."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import logit

from helpers.errors import StudyError
from helpers.evaluation.bootstrap import (
    bootstrap_performance,
    calibration_band,
    net_benefit_band,
    performance_intervals,
)
from helpers.evaluation.calibration import calibration_summary
from helpers.evaluation.decision_curves import net_benefit
from helpers.learning.draws import resample_weights


@pytest.fixture(scope="module")
def case():
    rng = np.random.default_rng(4)
    y = np.repeat([0, 1], [60, 40])
    p = np.round(1 / (1 + np.exp(-(rng.normal(size=100) + 1.2 * y - 0.7))), 2).clip(0.01, 0.99)  # with ties
    return y, p, resample_weights(y, 50, rng)


def test_each_resample_equals_the_statistics_of_its_patients(case):
    y, p, weights = case
    thresholds = [0.1, 0.3, 0.57]
    found = bootstrap_performance(y, p, weights, thresholds)
    for number in range(10):
        rows = np.repeat(np.arange(y.size), weights[number])
        summary = calibration_summary(y[rows], p[rows])
        for name in ("slope", "intercept", "in_the_large", "brier"):
            assert getattr(found, name)[number] == pytest.approx(getattr(summary, name), abs=1e-9)
        assert found.auc[number] == pytest.approx(summary.c_index, abs=1e-12)
        np.testing.assert_allclose(found.net_benefit[number], net_benefit(y[rows], p[rows], thresholds))


def test_intervals_of_calibration_are_as_wide_as_the_standard_errors_say():
    """Resamples that keep the number of cases would be far too narrow: their prevalence does not vary."""
    rng = np.random.default_rng(11)
    p = rng.beta(2, 4, 600)
    y = rng.binomial(1, p)
    weights = resample_weights(y, 2000, rng)
    found = performance_intervals(bootstrap_performance(y, p, weights, [0.2]))
    width = found["high"] - found["low"]
    offset = logit(p)
    large = sm.GLM(y, np.ones(600), sm.families.Binomial(), offset=offset).fit().bse[0]
    slope = sm.GLM(y, sm.add_constant(offset), sm.families.Binomial()).fit().bse[1]
    brier = np.std((y - p) ** 2) / np.sqrt(600)
    for name, error in {"in_the_large": large, "slope": slope, "brier": brier}.items():
        assert width[name] == pytest.approx(2 * 1.96 * error, rel=0.1), name


def test_bands_hold_the_estimate_and_limits_are_ordered(case):
    y, p, weights = case
    found = bootstrap_performance(y, p, weights, [0.2, 0.4])
    low, high = net_benefit_band(found)
    assert (low <= net_benefit(y, p, [0.2, 0.4])).all() and (high >= net_benefit(y, p, [0.2, 0.4])).all()
    intervals = performance_intervals(found)
    assert (intervals["low"] < intervals["high"]).all()
    band = calibration_band(y, p, weights, [0.3, 0.5])
    assert (band[0] < band[1]).all()


def test_separated_resamples_have_no_slope_and_bad_input_is_refused():
    y, p = np.repeat([0, 1], 5), np.linspace(0.1, 0.9, 10)
    weights = resample_weights(y, 20, np.random.default_rng(0))
    found = bootstrap_performance(y, p, weights, [0.5])
    assert np.isnan(found.slope).all() and (found.auc == 1).all()
    with pytest.raises(StudyError, match="no probabilities"):
        bootstrap_performance(y, p + 0.2, weights, [0.5])
    with pytest.raises(StudyError, match="same outcome"):
        resample_weights(np.ones(5), 3, np.random.default_rng(0))
    with pytest.raises(StudyError, match="Thresholds"):
        bootstrap_performance(y, p, weights, [1.0])


@pytest.mark.filterwarnings("error")
def test_what_no_resample_tells_has_no_interval_and_warns_of_nothing():
    """Few patients, whose outcomes the predictions separate in every resample."""
    y, p = np.array([0, 0, 0, 1]), np.array([0.1, 0.2, 0.3, 0.9])
    weights = np.array([[1, 1, 1, 1], [2, 1, 0, 1], [0, 2, 0, 2]])
    intervals = performance_intervals(bootstrap_performance(y, p, weights, [0.5]))
    assert intervals.loc["auc"].tolist() == [1, 1]
    assert intervals.loc["slope"].isna().all()


@pytest.mark.filterwarnings("error")
def test_resamples_of_few_distinct_risks_have_a_band():
    """As those of nearest neighbours, of which most patients share one."""
    y, p = np.array([0, 1, 0, 1, 1, 0, 1, 1]), np.array([0, 0.5, 0.75, 0.75, 0.75, 0.75, 0.75, 1])
    weights = resample_weights(y, 200, np.random.default_rng(5))
    band = calibration_band(y, p, weights, [0.75])
    assert 0 <= band[0, 0] < y[p == 0.75].mean() < band[1, 0] <= 1
