"""Protects: slope, intercepts, Brier, Hosmer-Lemeshow, lowess curve and bootstrap optimism equal R (rms)."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_values import birthwt, data, expected
from scipy.special import expit, logit

from helpers.errors import StudyError
from helpers.evaluation.calibration import (
    calibration_curve,
    calibration_summary,
    calibration_table,
    hosmer_lemeshow,
    printed_calibration,
    slopes_in_words,
    validate,
)
from helpers.learning.draws import bootstrap_resamples
from helpers.learning.logistic import encode, fit_logistic, levels_of
from helpers.plots.calibration import plot_calibration_panels

R = expected("calibration_external")
BOOTSTRAP = expected("validate_calibrate_bootstrap")
births = data("birthwt_predictions")
MODELS = ["p_full", "p_small"]


@pytest.mark.parametrize("model", MODELS)
def test_summary_equals_r(model):
    summary, reference = calibration_summary(births["y"], births[model]), R[model]
    wanted = {
        "slope": "slope", "intercept": "joint_intercept", "in_the_large": "calibration_in_the_large",
        "brier": "brier", "brier_scaled": "brier_scaled", "observed_expected": "O_E", "c_index": "C_exact",
        "slope_ci": "slope_ci95_wald", "in_the_large_ci": "citl_ci95_wald",
    }  # fmt: skip
    for ours, theirs in wanted.items():
        assert getattr(summary, ours) == pytest.approx(reference[theirs], abs=1e-7), ours


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("external", "key"), [(True, "hosmer_lemeshow_external_df_g"), (False, "hosmer_lemeshow_df_g_minus_2")]
)
def test_hosmer_lemeshow_equals_r(model, external, key):
    statistic, df, p_value, table = hosmer_lemeshow(births["y"], births[model], external)
    reference = R[model][key]
    assert (statistic, df, p_value) == pytest.approx([reference[k] for k in ("chi2", "df", "p")], abs=1e-9)
    groups = R[model]["hosmer_lemeshow_external_df_g"]
    assert table["n"].tolist() == groups["group_n"]
    assert table["observed"].tolist() == groups["observed"]
    assert table["expected"].tolist() == pytest.approx(groups["expected"], abs=1e-9)


def test_hosmer_lemeshow_on_training_data_equals_r():
    training = birthwt().iloc[::2]
    model = fit_logistic(training, "low", ["age", "lwt", "smoke", "ht", "ui"])
    statistic, df, p_value, _ = hosmer_lemeshow(training["low"], model.probability(training), external=False)
    reference = R["hosmer_lemeshow_train_df_g_minus_2"]
    assert (statistic, df, p_value) == pytest.approx([reference[k] for k in ("chi2", "df", "p")], abs=1e-6)


@pytest.mark.parametrize("model", MODELS)
def test_curve_equals_r_lowess(model):
    reference = R[model]["lowess_curve"]
    curve = calibration_curve(births["y"], births[model], reference["x"])
    assert curve == pytest.approx(reference["y"], abs=1e-8)


@pytest.fixture(scope="module")
def bootstrap():
    table = birthwt()
    predictors = ["age", "lwt", "race", "smoke", "ptl", "ui"]
    design = encode(table, predictors, levels_of(table, predictors))
    return design, table["low"], data("birthwt_boot_indices", header=None).to_numpy().T - 1


def test_validate_equals_rms(bootstrap):
    result = validate(*bootstrap)
    assert result["resamples"].unique() == [200]
    for ours, theirs in (
        ("c_index", "C"),
        ("brier", "Brier"),
        ("slope", "Slope"),
        ("intercept", "Intercept"),
    ):
        assert result.loc[ours, "corrected"] == pytest.approx(BOOTSTRAP[theirs]["corrected"], abs=1e-9)
        assert result.loc[ours, "apparent"] == pytest.approx(BOOTSTRAP[theirs]["apparent"], abs=1e-9)


def test_a_column_that_never_varies_changes_nothing(bootstrap):
    design, y, resamples = bootstrap
    plain = validate(design, y, resamples[:5])
    pd.testing.assert_frame_equal(validate(design.assign(constant=1.0), y, resamples[:5]), plain)


@given(st.floats(0.3, 3), st.floats(-2, 2), st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_stretching_the_log_odds_divides_the_slope(factor, shift, seed):
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(size=80)
    y = (rng.random(80) < expit(log_odds)).astype(int)
    plain = calibration_summary(y, expit(log_odds))
    stretched = calibration_summary(y, expit(factor * log_odds + shift))
    assert stretched.slope == pytest.approx(plain.slope / factor, rel=1e-6, abs=1e-8)
    order = rng.permutation(80)
    assert calibration_summary(y[order], expit(log_odds[order])).slope == pytest.approx(plain.slope, abs=1e-9)


def test_a_refitted_prediction_is_calibrated():
    summary = calibration_summary(births["y"], births["p_full"])
    refitted = expit(summary.intercept + summary.slope * logit(births["p_full"]))
    again = calibration_summary(births["y"], refitted)
    assert (again.slope, again.intercept, again.in_the_large) == pytest.approx((1, 0, 0), abs=1e-9)


def test_risks_of_0_and_1_are_left_out_of_the_slope_and_counted():
    risks = births["p_full"].copy()
    risks[:3] = [0, 1, 1]
    summary = calibration_summary(births["y"], risks)
    rest = calibration_summary(births["y"][3:], risks[3:])
    assert summary.left_out == 3
    assert summary.slope == pytest.approx(rest.slope)
    assert summary.brier == pytest.approx(np.mean((risks - births["y"]) ** 2))


def test_separated_outcomes_have_no_slope():
    summary = calibration_summary([0, 0, 0, 1, 1], [0.1, 0.2, 0.3, 0.6, 0.7])
    assert np.isnan(summary.slope)
    assert np.isfinite(summary.in_the_large)


def test_bad_predictions_are_refused():
    with pytest.raises(StudyError, match="between 0 and 1"):
        calibration_summary([0, 1], [0.2, 20])
    with pytest.raises(StudyError, match="same outcome"):
        calibration_summary([1, 1], [0.2, 0.3])


def test_separated_resamples_are_left_out_of_the_optimism():
    x = np.arange(12.0)[:, None]
    y = np.array([0, 0, 0, 0, 0, 1, 0, 1, 1, 1, 1, 1])
    drawn = np.vstack(
        [np.r_[0:5, 7:12, 0, 11], np.arange(12), bootstrap_resamples(np.random.default_rng(0), 12, 3)]
    )
    result = validate(x, y, drawn)
    assert 1 <= result["resamples"].iloc[0] < 5
    assert np.isfinite(result["corrected"]).all()


@pytest.mark.parametrize("patients", [7, 200])
def test_table_and_figure_work_for_small_and_large_sets(patients):
    rng = np.random.default_rng(0)
    y = np.r_[1, 1, 1, 0, rng.integers(0, 2, patients - 4)]
    frame = pd.DataFrame({"patient_id": [f"P{i}" for i in range(patients)], "outcome": y})
    risk = expit(rng.normal(y, 1))
    predictions = frame.assign(cohort="external", model="nomogram", probability=risk)
    table = calibration_table(predictions, ["nomogram"])
    assert table.loc[0, "n"] == patients
    figure = plot_calibration_panels(predictions, ["nomogram"], "nomogram", {0: "no", 1: "yes"})
    assert "slope" in figure.axes[0].get_title()
    plt.close(figure)


@pytest.mark.filterwarnings("error")
def test_a_risk_of_most_patients_has_their_observed_frequency():
    """Their neighbourhood has no width: R takes the mean, statsmodels divides by the width."""
    p = np.array([0.1, 0.4, *[0.75] * 7])
    y = np.array([0, 0, 1, 1, 0, 1, 0, 1, 1])
    curve = calibration_curve(y, p, [0.1, 0.4, 0.75, 0.9])
    assert curve[2] == pytest.approx(5 / 7)
    assert np.isfinite(curve[:2]).all() and np.isnan(curve[3])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("seed", range(5))
def test_few_patients_that_nearly_separate_warn_of_nothing(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(12, 2)) * [1, 300]
    y = (x[:, 0] + 0.2 * rng.normal(size=12) > 0).astype(int)
    rows = rng.integers(0, 12, (60, 12))
    table = validate(x, y, rows)
    assert table.loc["brier", "resamples"] < len(rows)  # separated ones are left out


def test_printed_calibration_has_intervals_and_says_what_is_not_estimable():
    rows = {"model": "LR", "cohort": ["internal", "external"], "n": 40, "events": 9, "brier": 0.2}
    rows |= {"slope": [0.9, np.nan], "slope_low": [0.5, np.nan], "slope_high": [1.3, np.nan]}
    rows |= {"in_the_large": 0.1, "in_the_large_low": -0.2, "in_the_large_high": 0.4}
    table = pd.DataFrame(rows | {"hosmer_lemeshow_p": [1e-12, 0.4567]})
    first, second = printed_calibration(table).to_dict("records")
    assert first["slope (95 % CI)"] == "0.90 (0.50 to\xa01.30)" and first["Hosmer-Lemeshow P"] == "<0.001"
    assert second["slope (95 % CI)"] == "not estimable" and second["Hosmer-Lemeshow P"] == "0.457"
    said = slopes_in_words(table)
    assert said == "Internal validation 0.90 (0.50 to\xa01.30); External validation not estimable"
