"""Logistic regression equals statsmodels one by one and in batches; Firth where events are few."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from reference_values import birthwt
from scipy.special import expit

from helpers.errors import StudyError
from helpers.learning.logistic import encode, fit_logistic, levels_of, maximum_likelihood


def test_model_equals_statsmodels_whatever_the_unit():
    table = birthwt()
    table["lwt"] = table["lwt"] * 1e-6
    model = fit_logistic(table, "low", ["age", "lwt", "smoke"])
    fitted = sm.Logit(table["low"], sm.add_constant(birthwt()[["age", "lwt", "smoke"]])).fit(disp=0)
    assert model.probability(table) == pytest.approx(fitted.predict().tolist(), abs=1e-7)


def test_batch_of_fits_equals_one_by_one_and_marks_separated_ones():
    rng = np.random.default_rng(0)
    design = np.column_stack([np.ones(60), rng.normal(size=(60, 2))])
    y = (rng.random(60) < expit(design[:, 1])).astype(int)
    weights = np.array([np.ones(60), rng.integers(0, 3, 60), (y == 1).astype(int)])
    coefficients, covariance = maximum_likelihood(design, y, weights)
    for fit in (0, 1):
        glm = sm.GLM(y, design, family=sm.families.Binomial(), freq_weights=weights[fit]).fit(tol=1e-14)
        assert coefficients[fit] == pytest.approx(glm.params, abs=1e-8)
        assert covariance[fit] == pytest.approx(glm.cov_params(), abs=1e-7)
    assert np.isnan(coefficients[2]).all()


def test_sex_is_coded_male_against_female_even_where_men_are_the_majority():
    table = pd.DataFrame({"sex": ["male"] * 3 + ["female"], "site": ["b", "b", "a", "c"]})
    levels = levels_of(table, ["sex", "site"])
    assert levels == {"sex": ["female", "male"], "site": ["b", "a", "c"]}
    assert encode(table, ["sex", "site"], levels).columns.tolist() == ["sex=male", "site=a", "site=c"]


def test_few_events_are_fitted_by_firth():
    table = birthwt().iloc[120:150].assign(low=lambda d: [1] * 6 + [0] * 24)
    assert fit_logistic(table, "low", ["smoke"]).method.startswith("Firth")


def test_unknown_predictor_and_level_are_named():
    with pytest.raises(StudyError, match="'bmi' is not in the table"):
        encode(birthwt(), ["bmi"], {})
    model = fit_logistic(birthwt(), "low", ["age", "race"])
    with pytest.raises(StudyError, match="unknown level 'green'"):
        model.probability(pd.DataFrame({"age": [20], "race": ["green"]}))
