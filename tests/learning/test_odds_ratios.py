"""Odds ratios and intervals equal R, Firth when separated; bad tables are refused in plain words."""

import numpy as np
import pandas as pd
import pytest
from reference_values import birthwt, data, expected

from helpers.errors import StudyError
from helpers.learning.logistic import fit_logistic
from helpers.learning.odds_ratios import logistic_table, printed_odds_ratios, univariable_and_multivariable

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


def test_printed_odds_ratios_leave_a_dash_where_the_paper_prints_nothing():
    row = {"analysis": "univariable", "term": "bmi", "odds_ratio": 0.9, "p_value": 0.0312}
    row |= dict.fromkeys(["wald_low", "profile_low"], 0.8) | dict.fromkeys(
        ["wald_high", "profile_high"], 1.01
    )
    table = pd.DataFrame([row | dict.fromkeys(["paper_value", "paper_ci_low", "paper_ci_high"], np.nan)])
    shown = printed_odds_ratios(table).iloc[0]
    assert shown["Wald 95 % CI"] == "0.800 to\xa01.010"
    assert shown["paper 95 % CI"] == "-"


def test_printed_terms_have_their_unit_and_a_level_its_own_words():
    row = {"analysis": "univariable", "odds_ratio": 0.9, "p_value": 1e-9}
    row |= dict.fromkeys(["wald_low", "profile_low", "wald_high", "profile_high"], 1.0)
    table = pd.DataFrame([row | {"term": term} for term in ("age", "sex=male", "place=a=b")])
    shown = printed_odds_ratios(table)
    assert shown["term"].tolist() == ["age (per year)", "sex: male", "place: a=b"]
    assert shown["P"].tolist() == ["<0.001"] * 3
