"""Protects: a centre that asks cleverly, for counts, for steep coefficients or for differences, learns of no
few patients; and honest rounds are answered."""

import numpy as np
import pytest
from scipy.special import expit

from helpers.learning.newton import terms
from helpers.pooling.few_behind import numbers_in, why_not

PLENTY = 10_000
FROZEN = np.array([0.1, 0.4, -0.5, 1.0])


@pytest.fixture
def patients():
    rng = np.random.default_rng(4)
    age, male, score = rng.normal(0, 1, 200).round(1), rng.random(200) < 0.4, rng.normal(0, 1, 200)
    design = np.column_stack([np.ones(200), age, male, score])
    return design, rng.binomial(1, expit(design @ [0.0, 0.5, -0.4, 1.1]))


def test_honest_rounds_of_newton_are_answered(patients):
    """Every round of a fit, and each one's difference to those before."""
    design, outcome = patients
    asked = [FROZEN]
    for _ in range(6):
        assert why_not(design, outcome, asked, PLENTY, 10) == ""
        sums = terms(design, outcome, asked[-1]).sums()
        asked.append(asked[-1] + np.linalg.solve(sums.information, sums.gradient))
    assert np.abs(asked[-1] - asked[-2]).max() < 1e-9


def test_sums_at_zero_count_outcomes_and_are_told_only_of_many(patients):
    """The attack: at 0 the gradient of a category is the number with the outcome less half of all in it."""
    design, outcome = patients
    men, ill = design[:, 2] == 1, outcome == 1
    sums = terms(design, outcome, np.zeros(4)).sums()
    assert sums.gradient[2] + men.sum() / 2 == (men & ill).sum()
    assert why_not(design, outcome, [np.zeros(4)], PLENTY, 10) == ""  # there are many of either
    few = np.flatnonzero(men & ill)[9:]
    kept = np.delete(np.arange(len(outcome)), few)  # nine men with the outcome are left
    assert "category" in why_not(design[kept], outcome[kept], [np.zeros(4)], PLENTY, 10)


def test_a_pair_of_categories_of_few_is_not_told(patients):
    """The information of two categories is a sum over those in both."""
    design, outcome = patients
    smoker = (np.arange(200) % 3 == 0) & ((design[:, 2] == 0) | (np.arange(200) < 9))
    both = np.column_stack([design, smoker.astype(float)])
    assert 0 < (smoker & (design[:, 2] == 1)).sum() < 10 and smoker.sum() > 30
    assert "category" in why_not(both, outcome, [np.zeros(5)], PLENTY, 10)


def test_steep_coefficients_that_single_a_patient_out_are_refused(patients):
    """The attack: all risks are 0 or 1 but that of one patient, whose values the sums then are."""
    design, outcome = patients
    edge = np.sort(design[:, 3])[100]
    for slope in (1e5, 300.0):
        coefficients = np.array([-slope * edge, 0.0, 0.0, slope])
        assert "stand on fewer than 10 patients" in why_not(design, outcome, [coefficients], PLENTY, 10)
    told = terms(design, outcome, np.array([-1e5 * edge, 0.0, 0.0, 1e5])).sums().information
    one = design[design[:, 3] == edge][0]
    np.testing.assert_allclose(told[:, 0] / told[0, 0], one, atol=1e-6)


def test_two_rounds_that_differ_in_one_patient_are_refused(patients):
    """The attack: a column nearly 0 but for an outlier; rounds that move it alone differ by that patient."""
    design, outcome = patients
    design = design.copy()
    design[:, 3] = np.where(np.arange(200) == 7, 40.0, design[:, 3] * 0.01)
    first, second = np.array([0.0, 0.3, 0.0, 0.0]), np.array([0.0, 0.3, 0.0, 0.05])
    gap = (terms(design, outcome, second).sums().gradient - terms(design, outcome, first).sums().gradient)[1]
    alone = [terms(design[7:8], outcome[7:8], one).sums().gradient[1] for one in (second, first)]
    assert gap == pytest.approx(alone[0] - alone[1], rel=0.1)
    assert "stand on fewer" in why_not(design, outcome, [first, second], PLENTY, 10)


def test_few_of_an_outcome_and_many_coefficients_are_refused(patients):
    design, outcome = patients
    rows = np.r_[np.flatnonzero(outcome == 1)[:9], np.flatnonzero(outcome == 0)]
    assert "fewer than 10 patients with or without" in why_not(
        design[rows], outcome[rows], [FROZEN], PLENTY, 10
    )
    rows = np.r_[np.flatnonzero(outcome == 1)[:39], np.flatnonzero(outcome == 0)]
    assert "a coefficient" in why_not(design[rows], outcome[rows], [FROZEN], PLENTY, 10)
    flipped = 1 - outcome
    assert "a coefficient" in why_not(design[rows], flipped[rows], [FROZEN], PLENTY, 10)


def test_no_more_numbers_than_the_patients_have_values(patients):
    """Otherwise the sums could be solved for the patients."""
    design, outcome = patients
    assert numbers_in(4) == 4 + 10 + 1
    assert why_not(design, outcome, [FROZEN], 15, 10) == ""
    assert "as many numbers" in why_not(design, outcome, [FROZEN], 14, 10)
