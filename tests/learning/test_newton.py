"""Protects: steps from sums of hospitals are those of all patients, a bad start is mended, and no fit that
does not exist is given out."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import expit

from helpers.learning.newton import MOST_ROUNDS, progress, terms


def patients(seed=1, n=300):
    rng = np.random.default_rng(seed)
    design = np.column_stack([np.ones(n), rng.normal(size=(n, 2))])
    return design, rng.binomial(1, expit(design @ [-0.5, 1.0, -0.7]))


def fitted(parts, start):
    rounds, now = [], progress
    coefficients = np.array(start, dtype=float)
    while True:
        sums = [terms(*part, coefficients).sums() for part in parts]
        rounds.append((coefficients, sums[0] + sums[1]))
        now = progress(rounds)
        if now.done or now.failed:
            return now, len(rounds)
        coefficients = now.coefficients


@pytest.mark.parametrize("start", [[0, 0, 0], [-0.5, 1, -0.7], [2, -1, 1.5]])
def test_two_hospitals_give_the_fit_of_all(start):
    """Also from a start at which Newton's whole steps would run away."""
    parts = [patients(1), patients(2, 120)]
    found, rounds = fitted(parts, start)
    design, outcome = (np.concatenate(one) for one in zip(*parts, strict=True))
    expected = sm.Logit(outcome, design).fit(disp=False, tol=1e-14, maxiter=100)
    np.testing.assert_allclose(found.coefficients, expected.params, atol=1e-9)
    np.testing.assert_allclose(found.covariance, expected.cov_params(), atol=1e-9)
    assert found.done and rounds < MOST_ROUNDS


def test_sums_are_the_derivatives_of_the_likelihood():
    design, outcome = patients()
    at, step = np.array([0.2, -0.1, 0.4]), 1e-5
    sums = terms(design, outcome, at).sums()
    moved = [terms(design, outcome, at + sign * step * np.eye(3)[1]).sums() for sign in (1, -1)]
    slope = (moved[0].log_likelihood - moved[1].log_likelihood) / (2 * step)
    assert sums.gradient[1] == pytest.approx(slope, abs=1e-6)
    curve = (moved[1].gradient - moved[0].gradient) / (2 * step)
    np.testing.assert_allclose(sums.information[1], curve, atol=1e-5)


def test_separated_or_dependent_columns_fail():
    design, outcome = patients()
    separated = (design[:, 1] > 0).astype(int)
    found, _ = fitted([(design, separated), (design[:50], separated[:50])], [0, 0, 0])
    assert found.failed and not found.done
    twice = np.column_stack([design, design[:, 1]])
    found, rounds = fitted([(twice, outcome), (twice[:50], outcome[:50])], [0, 0, 0, 0])
    assert found.failed and rounds == 1
