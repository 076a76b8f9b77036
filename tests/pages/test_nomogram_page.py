"""The calculator gets the model's own numbers."""

import numpy as np
import pandas as pd
from scipy.special import expit

from helpers.learning.logistic import LogisticModel
from helpers.learning.nomogram import Nomogram
from helpers.pages import nomogram_page

COEFFICIENTS = {"Intercept": -5.2, "age": 0.07, "sex=male": -0.9, "rad_score": 1.3}
AXES = {"age": [50.0, 60.0, 70.0, 80.0], "sex": ["female", "male"], "rad_score": [-4.0, -2.0, 0.0, 2.0]}


def test_the_calculators_numbers_are_the_models():
    """Sum of the parts sent to the page = the logistic regression's risk = the nomogram's points."""
    chart = Nomogram(COEFFICIENTS, AXES)
    data = nomogram_page.nomogram_data(chart, "osteoporosis")
    people = pd.DataFrame({"age": [51.5, 77.0], "sex": ["male", "female"], "rad_score": [-3.3, 1.9]})
    parts = {part["name"]: part for part in data["predictors"]}
    log_odds = data["intercept"] + np.array(
        [
            parts["age"]["coefficient"] * row.age
            + parts["sex"]["levels"][row.sex]
            + parts["rad_score"]["coefficient"] * row.rad_score
            for row in people.itertuples()
        ]
    )
    model = LogisticModel(COEFFICIENTS, {"sex": AXES["sex"]}, "maximum likelihood")
    np.testing.assert_allclose(expit(log_odds), model.probability(people), rtol=1e-12)
    lowest = data["intercept"] + sum(part["lowest"] for part in parts.values())
    np.testing.assert_allclose(
        (log_odds - lowest) * data["points_per_unit"], chart.total_points(people), rtol=1e-12
    )


def test_the_calculator_starts_within_its_axes_near_a_risk_of_a_half():
    chart = Nomogram(COEFFICIENTS, AXES)
    predictors = nomogram_page.nomogram_data(chart, "osteoporosis")["predictors"]
    start = {part["name"]: part["start"] for part in predictors}
    assert all(start[name] in AXES[name] for name in AXES)
    assert 0.2 < chart.probability(sum(chart.points(start).values())) < 0.8
