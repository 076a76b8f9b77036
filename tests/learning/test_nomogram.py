"""Protects: axes, points, totals and risks of the nomogram equal R rms."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_values import birthwt, expected
from scipy.special import expit

from helpers.errors import StudyError
from helpers.learning.logistic import fit_logistic
from helpers.learning.nomogram import Nomogram, pretty, with_models

LOGISTIC, FIRTH, NOMOGRAM = (expected(name) for name in ("logistic", "logistic_separation_firth", "nomogram"))
PREDICTORS = ["age", "lwt", "race", "smoke", "ptl", "ht", "ui", "ftv"]


@pytest.fixture(scope="module")
def births():
    table = birthwt()
    model = fit_logistic(table, "low", PREDICTORS[:-1])
    return table, model, Nomogram(model.coefficients, table)


def test_axes_and_points_equal_rms(births):
    table, _, chart = births
    row = table.iloc[0].to_dict()
    for name, reference in NOMOGRAM["axes"].items():
        assert chart.axes[name] == reference["values"]
        points = [chart.points({**row, name: value})[name] for value in reference["values"]]
        assert points == pytest.approx(reference["points"], abs=1e-6)


def test_scale_totals_and_risks_equal_rms(births):
    table, _, chart = births
    info, first = NOMOGRAM["info"], NOMOGRAM["patients_first10"]
    assert chart.points_per_unit == pytest.approx(info["sc_points_per_unit_lp"], rel=1e-7)
    assert chart.zero_points == pytest.approx(info["Intercept_lp_at_zero_points"], abs=1e-7)
    totals = chart.total_points(table)
    assert totals[:10] == pytest.approx(first["total"], abs=1e-6)
    assert chart.probability(totals[:10]) == pytest.approx(first["risk"], abs=1e-7)
    axis = NOMOGRAM["risk_axis"]
    assert chart.total_at(np.array(axis["fun_at"])) == pytest.approx(
        axis["total_points_exact_at_fun_at"], rel=1e-7
    )
    assert pretty(0, totals.max()) == NOMOGRAM["total_points_axis_ticks"]


def test_points_come_back_from_json(births):
    table, _, chart = births
    content = chart.to_dict()
    again = Nomogram(content["coefficients"], content["axes"])
    assert again.total_points(table) == pytest.approx(chart.total_points(table), abs=1e-12)


coefficient = st.floats(-3, 3).filter(lambda value: abs(value) > 1e-3)


@given(st.floats(-10, 10), coefficient, coefficient, st.floats(-40, 40), st.integers(0, 10**6))
@settings(max_examples=80, deadline=None)
def test_total_points_give_back_the_models_probability(intercept, age, male, score, seed):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "age": rng.integers(50, 86, 30).astype(float),
            "sex": rng.choice(["female", "male"], 30),
            "rad_score": rng.normal(0.3, 0.2, 30),
        }
    )
    chart = Nomogram({"Intercept": intercept, "age": age, "sex=male": male, "rad_score": score}, table)
    log_odds = intercept + age * table["age"] + male * (table["sex"] == "male") + score * table["rad_score"]
    assert chart.probability(chart.total_points(table)) == pytest.approx(expit(log_odds), abs=1e-9)
    widest = [
        max(points) - min(points)
        for name in chart.predictors
        if (points := [chart.points({**table.iloc[0], name: tick})[name] for tick in chart.axes[name]])
    ]
    assert max(widest) == pytest.approx(100)


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        # R: pretty(c(low, high), n = 10)
        (50, 81, [50, 55, 60, 65, 70, 75, 80, 85]),
        (-0.13, 0.94, [-0.2, -0.1, 0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]),
        (0.001, 0.0093, [0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.007, 0.008, 0.009, 0.01]),
    ],
)
def test_ticks_are_those_of_r_pretty(low, high, ticks):
    assert pretty(low, high) == ticks


def test_a_nomogram_without_effect_is_refused():
    with pytest.raises(StudyError, match="all coefficients are 0"):
        Nomogram({"Intercept": 1.0, "age": 0.0}, pd.DataFrame({"age": [50.0, 60.0]}))


def test_unknown_level_is_refused_by_the_nomogram(births):
    _, _, chart = births
    with pytest.raises(StudyError, match="no value 'green' of race"):
        chart.points({**birthwt().iloc[0].to_dict(), "race": "green"})


def test_models_replace_their_own_older_predictions():
    people = birthwt().assign(patient_id=[f"P{i}" for i in range(189)], cohort="training")
    people = people.rename(columns={"low": "outcome"})
    keys = people[["patient_id", "cohort", "outcome"]]
    before = keys.assign(model="LR", probability=np.linspace(0, 1, 189))
    model = fit_logistic(people, "outcome", ["age"])
    once = with_models(before, people, {"clinical": model})
    twice = with_models(once, people, {"clinical": model})
    pd.testing.assert_frame_equal(once, twice)
    assert once["model"].value_counts().to_dict() == {"LR": 189, "radiomics": 189, "clinical": 189}
