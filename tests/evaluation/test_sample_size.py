"""Sample sizes equal the published worked examples."""

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm

from helpers.errors import StudyError
from helpers.evaluation import sample_size
from helpers.evaluation.calibration import calibration_summary


def normal_log_odds(mean, sd, points=100_000):
    """Evenly spaced quantiles: the published examples give a law of the log odds, not predictions."""
    return norm.ppf((np.arange(points) + 0.5) / points, mean, sd)


@pytest.mark.parametrize(
    ("parameters", "prevalence", "cox_snell", "patients"),
    [
        # pmsampsize's example: type = "b", parameters = 24, prevalence = 0.174, Cox-Snell R2 0.288
        (24, 0.174, 0.288, [623, 662, 221]),
        # Riley 2020, pre-eclampsia: 30 parameters, prevalence 0.05, Cox-Snell R2 0.05
        (30, 0.05, 0.05, [5249, None, 73]),
    ],
)
def test_development_equals_the_published_examples(parameters, prevalence, cox_snell, patients):
    found = sample_size.development_size(parameters, prevalence, cox_snell)["patients"]
    for ours, published in zip(found, patients, strict=False):
        assert published is None or ours == published


def test_largest_r_squared_is_the_published_one():
    assert sample_size.largest_cox_snell(0.05) == pytest.approx(0.33, abs=0.005)  # Riley 2020
    assert sample_size.largest_cox_snell(0.5) == pytest.approx(0.75)


def test_auc_criterion_is_the_first_size_with_the_wanted_width():
    """Riley 2021, doi 10.1002/sim.9025: C 0.8 at prevalence 0.018 needs 4252 for a width of 0.1."""
    found = sample_size.validation_size(0.018, 0.8, normal_log_odds(-5, 2.5), (1, 0.2, 0.1))["patients"]
    assert found[2] == 4252
    assert found[0] == pytest.approx(905, abs=1)  # published with a standard error rounded to 0.245


def test_slope_criterion_gives_the_wanted_width_in_simulated_patients():
    rng = np.random.default_rng(3)
    needed = sample_size.validation_size(0.35, 0.8, normal_log_odds(-0.7, 1.2), (0.4, 0.4, 0.1))["patients"][
        1
    ]
    widths = []
    for _ in range(40):
        log_odds = rng.normal(-0.7, 1.2, needed)
        y = rng.uniform(size=needed) < expit(log_odds)
        widths.append(np.ptp(calibration_summary(y, expit(log_odds)).slope_ci))
    assert np.mean(widths) == pytest.approx(0.4, abs=0.02)


def test_cox_snell_of_no_information_is_0_and_below_its_maximum():
    y = np.repeat([0, 1], [70, 30])
    assert sample_size.cox_snell_of(y, np.full(100, 0.3)) == pytest.approx(0)
    assert sample_size.cox_snell_of(y, np.where(y == 1, 1.0, 0.0)) == pytest.approx(
        sample_size.largest_cox_snell(0.3), abs=1e-9
    )


@pytest.mark.parametrize("arguments", [(10, 0.3, 0.9), (10, 0.3, 0.0), (0, 0.3, 0.2), (10, 1.0, 0.2)])
def test_impossible_questions_are_refused(arguments):
    with pytest.raises(StudyError):
        sample_size.development_size(*arguments)
    with pytest.raises(StudyError):
        sample_size.validation_size(0.3, 0.5, np.array([0.0, 1.0]))
    with pytest.raises(StudyError):
        sample_size.validation_size(0.3, 0.8, np.array([0.0, np.inf]))
