"""The statistics that others call: their names and arguments stay, and bad input is never a silent number."""

import inspect

import numpy as np
import pandas as pd
import pytest

from helpers.errors import StudyError
from helpers.evaluation import calibration, cutoffs, decision_curves, delong
from helpers.features import reliability
from helpers.learning import lasso, nomogram, odds_ratios, ranking

Y = np.repeat([0, 1], [14, 12])
RNG = np.random.default_rng(12)
SCORE = np.clip(0.3 + 0.3 * Y + RNG.normal(0, 0.2, 26), 0.01, 0.99)
X = RNG.normal(size=(26, 4)) + Y[:, None] * [1, 0.5, 0, 0]
AGES = pd.DataFrame({"age": 50 + 30 * SCORE, "outcome": Y})

# Each as a function of the outcome and one score or feature table.
SCORED = {
    "delong_auc": delong.delong_auc,
    "delong_test": lambda y, s: delong.delong_test(y, s, SCORE[: len(s)]),
    "youden_cutoff": cutoffs.youden_cutoff,
    "confusion_metrics": lambda y, s: cutoffs.confusion_metrics(y, s, 0.5),
    "calibration_summary": calibration.calibration_summary,
    "net_benefit": lambda y, s: decision_curves.net_benefit(y, s, [0.3]),
    "logistic_table": lambda y, s: odds_ratios.logistic_table(pd.DataFrame({"y": y, "s": s}), "y", ["s"]),
}
TABLES = {
    "mann_whitney": ranking.mann_whitney,
    "spearman_prune": lambda x, y: ranking.spearman_prune(x, 0.9),
    "mrmr": lambda x, y: ranking.mrmr(x, y, 2, "FCQ"),
    "lasso_cv": lambda x, y: lasso.lasso_cv(x, y, 3, "binomial"),
}


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (delong.delong_auc, ["y", "score"]),
        (delong.delong_test, ["y", "score_a", "score_b"]),
        (cutoffs.youden_cutoff, ["y", "score"]),
        (cutoffs.confusion_metrics, ["y", "score", "cutoff"]),
        (reliability.icc, ["ratings", "kind"]),
        (ranking.mann_whitney, ["X", "y"]),
        (ranking.spearman_prune, ["X", "threshold"]),
        (ranking.mrmr, ["X", "y", "k", "scheme"]),
        (lasso.lasso_cv, ["X", "y", "folds", "family"]),
        (calibration.calibration_summary, ["y", "p"]),
        (decision_curves.net_benefit, ["y", "p", "thresholds"]),
        (nomogram.Nomogram.points, ["self", "row"]),
        (nomogram.Nomogram.probability, ["self", "total_points"]),
        (odds_ratios.logistic_table, ["data", "outcome", "predictors"]),
    ],
)
def test_names_that_others_call_keep_their_arguments(function, names):
    assert list(inspect.signature(function).parameters)[: len(names)] == names
    assert inspect.getdoc(function)


def test_results_keep_their_fields():
    area = delong.delong_auc(Y, SCORE)
    assert 0.5 < area.ci_low < area.auc < area.ci_high <= 1 and area.variance > 0
    assert {"z", "p_value"} <= set(vars(delong.delong_test(Y, SCORE, X[:, 0])))
    summary = vars(calibration.calibration_summary(Y, SCORE))
    assert {"slope", "intercept", "in_the_large", "brier", "c_index"} <= set(summary)
    agreement = reliability.icc(np.stack([X.T, X.T + 0.1], axis=-1), kind="2,1")
    assert agreement.icc.shape == agreement.ci_low.shape == agreement.ci_high.shape == (4,)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", SCORED)
def test_missing_and_infinite_scores_are_refused(name, bad):
    broken = SCORE.copy()
    broken[3] = bad
    with pytest.raises(StudyError):
        SCORED[name](Y, broken)


@pytest.mark.parametrize("name", SCORED)
@pytest.mark.parametrize(
    "outcome", [np.zeros(26), np.ones(26), np.where(Y == 1, 2, 1), np.where(Y == 1, np.nan, 0)]
)
def test_one_class_or_another_coding_is_refused(name, outcome):
    with pytest.raises(StudyError):
        SCORED[name](outcome, SCORE)


@pytest.mark.parametrize("name", ["calibration_summary", "net_benefit"])
@pytest.mark.parametrize("shift", [1.0, -1.0])
def test_what_is_no_probability_is_refused(name, shift):
    with pytest.raises(StudyError, match="no probabilities"):
        SCORED[name](Y, SCORE + shift)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("name", TABLES)
def test_missing_and_infinite_features_are_refused(name, bad):
    broken = X.copy()
    broken[3, 1] = bad
    with pytest.raises(StudyError, match="missing or infinite"):
        TABLES[name](broken, Y)


@pytest.mark.parametrize("name", ["mann_whitney", "mrmr", "lasso_cv"])
def test_selection_refuses_one_class(name):
    with pytest.raises(StudyError, match="same outcome"):
        TABLES[name](X, np.ones(26))


def test_constant_features_follow_their_rules():
    constant = X.copy()
    constant[:, 1] = 3.0
    assert ranking.mann_whitney(constant, Y).p_value[1] == 1
    assert not lasso.lasso_cv(constant, Y, 3, "binomial").path.coefficients[:, 1].any()
    for name in ("spearman_prune", "mrmr"):
        with pytest.raises(StudyError, match="same in every patient"):
            TABLES[name](constant, Y)
    assert np.isnan(reliability.icc(np.full((1, 6, 2), 4.0)).icc[0])


def test_ties_and_separation_follow_their_rules():
    tied, separated = np.full(26, 0.5), Y * 0.8 + 0.1
    assert delong.delong_auc(Y, tied).auc == 0.5
    assert delong.delong_auc(Y, separated).auc == 1
    assert np.isnan(calibration.calibration_summary(Y, separated).slope)
    assert "Firth (separated)" in SCORED["logistic_table"](Y, Y * 30.0 + np.arange(26) % 3)["method"].tolist()


def test_fewer_than_ten_events_are_fitted_by_firth():
    few = AGES.assign(outcome=(np.arange(26) % 4 == 0).astype(int))
    assert odds_ratios.logistic_table(few, "outcome", ["age"])["method"].tolist() == [
        "Firth (fewer than 10 events)"
    ]
