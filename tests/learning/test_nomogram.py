"""Protects: odds ratios and intervals equal R, Firth when separated, nomogram points equal R rms."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_values import birthwt, data, expected
from scipy.special import expit

from helpers.errors import StudyError
from helpers.learning.logistic import encode, fit_logistic, levels_of, maximum_likelihood
from helpers.learning.nomogram import Nomogram, pretty, typical_patient, with_models
from helpers.learning.odds_ratios import logistic_table, printed_odds_ratios, univariable_and_multivariable
from helpers.plots.nomogram import plot_nomogram

LOGISTIC, FIRTH, NOMOGRAM = (expected(name) for name in ("logistic", "logistic_separation_firth", "nomogram"))
PREDICTORS = ["age", "lwt", "race", "smoke", "ptl", "ht", "ui", "ftv"]


def assert_row_equals_glm(row, reference, profile, tolerance):
    assert row["coefficient"] == pytest.approx(reference["coef"], abs=1e-7)
    assert row["se"] == pytest.approx(reference["se"], abs=1e-7)
    assert row["odds_ratio"] == pytest.approx(reference["OR"], rel=1e-7)
    assert row["p_value"] == pytest.approx(reference["p_wald"], abs=1e-7)
    wald = np.log([row["wald_low"], row["wald_high"]])
    assert wald == pytest.approx(reference["ci95_coef_wald"], abs=1e-7)
    limits = np.log([row["profile_low"], row["profile_high"]])
    assert limits == pytest.approx(reference[profile], abs=tolerance)


def test_multivariable_table_equals_r():
    table = logistic_table(birthwt(), "low", PREDICTORS)
    for _, row in table.iterrows():
        reference = LOGISTIC["multivariable"]["terms"][row["term"].replace("=", "")]
        assert_row_equals_glm(row, reference, "ci95_coef_profile_rootfound", 1e-7)
    drop = LOGISTIC["multivariable"]["LRT_drop1"]
    by_term = table.set_index("term")["p_lr"]
    for term, p in zip(drop["terms"], drop["p"], strict=True):
        if term != "race":  # three levels: R drops both columns at once
            assert by_term[term] == pytest.approx(p, abs=1e-9)
    assert table["method"].unique() == ["maximum likelihood"]


def test_univariable_tables_equal_r():
    table = univariable_and_multivariable(birthwt(), "low", PREDICTORS)
    for _, row in table[table["analysis"] == "univariable"].iterrows():
        reference = LOGISTIC["univariate"][row["predictor"]]["terms"][row["term"].replace("=", "")]
        # MASS interpolates these profile limits: 1e-4 off the exact ones.
        assert_row_equals_glm(row, reference, "ci95_coef_profile", 2e-4)


def test_separated_data_are_fitted_by_firth_and_say_so():
    table = logistic_table(data("endometrial"), "HG", ["NV", "PI", "EH"]).set_index("term")
    assert table["method"].unique() == ["Firth (separated)"]
    for term, row in table.iterrows():
        reference = FIRTH["terms"][term]
        assert row["coefficient"] == pytest.approx(reference["coef"], abs=1e-6)
        assert row["se"] == pytest.approx(reference["se"], abs=1e-6)
        assert row["p_lr"] == pytest.approx(reference["PLR_p"], abs=1e-9)
        limits = np.log([row["profile_low"], row["profile_high"]])
        assert limits == pytest.approx(reference["ci95_penalised_profile"], abs=1e-7)


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


def test_a_predictor_that_never_varies_is_left_out():
    table = birthwt().assign(sex="female")
    model = fit_logistic(table, "low", ["age", "sex"])
    assert model.coefficients["sex=male"] == 0
    assert model.coefficients["age"] == pytest.approx(LOGISTIC["univariate"]["age"]["terms"]["age"]["coef"])
    rows = univariable_and_multivariable(table, "low", ["age", "sex"])
    assert rows[rows["predictor"] == "sex"]["method"].str.startswith("left out").all()
    assert rows[rows["predictor"] == "sex"]["odds_ratio"].isna().all()


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"age": np.nan}, "'age' is missing in 189"),
        ({"age": np.inf}, "infinite"),
        ({"low": 1}, "same outcome"),
        ({"low": 3}, "must be 0 or 1"),
        ({"age": birthwt()["lwt"] * 2 + 1}, "same information"),
    ],
)
def test_bad_tables_are_refused_in_plain_words(change, part):
    with pytest.raises(StudyError, match=part):
        logistic_table(birthwt().assign(**change), "low", ["age", "lwt"])


def test_unknown_predictor_and_level_are_named():
    with pytest.raises(StudyError, match="'bmi' is not in the table"):
        encode(birthwt(), ["bmi"], {})
    model = fit_logistic(birthwt(), "low", ["age", "race"])
    with pytest.raises(StudyError, match="unknown level 'green'"):
        model.probability(pd.DataFrame({"age": [20], "race": ["green"]}))


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
    people = people.rename(columns={"low": "osteoporosis"})
    keys = people[["patient_id", "cohort", "osteoporosis"]]
    before = keys.assign(model="LR", probability=np.linspace(0, 1, 189))
    model = fit_logistic(people, "osteoporosis", ["age"])
    once = with_models(before, people, {"clinical": model})
    twice = with_models(once, people, {"clinical": model})
    pd.testing.assert_frame_equal(once, twice)
    assert once["model"].value_counts().to_dict() == {"LR": 189, "radiomics": 189, "clinical": 189}


def test_figure_marks_a_made_up_patient(births):
    table, model, chart = births
    example = typical_patient(table, model.predictors)
    assert example["race"] == "white"
    figure = plot_nomogram(chart, example, {"age": "Age (years)"})
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert "Age (years)" in texts and "Risk of osteoporosis" in texts
    plt.close(figure)


def test_printed_odds_ratios_leave_a_dash_where_the_paper_prints_nothing():
    row = {"analysis": "univariable", "term": "bmi", "odds_ratio": 0.9, "p_value": 0.0312}
    row |= dict.fromkeys(["wald_low", "profile_low"], 0.8) | dict.fromkeys(
        ["wald_high", "profile_high"], 1.01
    )
    table = pd.DataFrame([row | dict.fromkeys(["paper_value", "paper_ci_low", "paper_ci_high"], np.nan)])
    shown = printed_odds_ratios(table).iloc[0]
    assert shown["Wald 95 % CI"] == "0.800 to 1.010"
    assert shown["paper 95 % CI"] == "-"
