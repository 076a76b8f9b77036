"""Recalibration equals an independent regression, is corrected for optimism, and never claims too much."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import expit, logit

from helpers.frozen.recalibration import BOTH, FROZEN, INTERCEPT, in_words, recalibrated, recalibration

RNG = np.random.default_rng(8)
TRUE = RNG.normal(-0.5, 1.2, 160)
Y = RNG.binomial(1, expit(TRUE))
P = expit(1.0 + 1.6 * TRUE)  # too high and too extreme


def fitted(resamples=50):
    return recalibration(Y, P, resamples, np.random.default_rng(1)).set_index("recalibration")


def test_both_ways_equal_statsmodels():
    table, log_odds = fitted(), logit(P)
    shifted = sm.GLM(Y, np.ones((160, 1)), sm.families.Binomial(), offset=log_odds).fit(
        tol=1e-14, maxiter=200
    )
    stretched = sm.GLM(Y, sm.add_constant(log_odds), sm.families.Binomial()).fit(tol=1e-14, maxiter=200)
    found = table.loc[INTERCEPT, ["intercept", "intercept_se"]].astype(float)
    np.testing.assert_allclose(found, [*shifted.params, *shifted.bse], rtol=1e-7)
    found = table.loc[BOTH, ["intercept", "slope", "intercept_se", "slope_se"]].astype(float)
    np.testing.assert_allclose(found, [*stretched.params, *stretched.bse], rtol=1e-7)
    np.testing.assert_allclose(recalibrated(P, table.loc[BOTH]), stretched.fittedvalues, rtol=1e-7)
    assert table.loc[BOTH, "brier"] == pytest.approx(np.mean((stretched.fittedvalues - Y) ** 2))


def test_the_optimism_is_what_a_plain_loop_finds():
    resamples = 12
    drawn = np.random.default_rng(1).integers(0, 160, size=(resamples, 160))
    optimism = []
    for rows in drawn:
        model = sm.GLM(Y[rows], sm.add_constant(logit(P[rows])), sm.families.Binomial()).fit(tol=1e-13)
        risk = model.predict(sm.add_constant(logit(P)))
        optimism.append(np.mean((risk - Y) ** 2) - np.mean((risk[rows] - Y[rows]) ** 2))
    row = fitted(resamples).loc[BOTH]
    assert row["brier_corrected"] - row["brier"] == pytest.approx(np.mean(optimism), rel=1e-6)


def test_the_frozen_risks_stay_in_the_first_row():
    row = fitted().loc[FROZEN]
    assert (row["intercept"], row["slope"]) == (0, 1)
    assert row["brier"] == row["brier_corrected"] == pytest.approx(np.mean((P - Y) ** 2))
    np.testing.assert_allclose(recalibrated(P, row), P, rtol=1e-12)


def test_separated_outcomes_are_not_recalibrated():
    y, p = np.repeat([0, 1], 6), np.linspace(0.1, 0.9, 12)
    table = recalibration(y, p, 10, np.random.default_rng(2)).set_index("recalibration")
    assert np.isnan(table.loc[BOTH, "slope"])
    assert "intercept and slope" not in in_words(table.reset_index()).split("(")[1]


def test_without_outcomes_the_page_says_so():
    assert "nothing to recalibrate on" in in_words(None)
