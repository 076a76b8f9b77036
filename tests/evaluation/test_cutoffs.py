"""Protects: Youden cut-offs and proportions with intervals equal R; empty denominators by rule."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_values import data, expected

from helpers.evaluation.cutoffs import (
    confusion_counts,
    confusion_metrics,
    proportion,
    roc_points,
    youden_cutoff,
)

aSAH = data("aSAH")
births = data("birthwt_predictions")
YOUDEN, DIAGNOSTIC = expected("youden"), expected("diagnostic_metrics")
PROPORTIONS = ["sensitivity", "specificity", "ppv", "npv", "accuracy"]


@pytest.mark.parametrize("marker", YOUDEN)
def test_youden_cutoff_equals_r(marker):
    cutoff = youden_cutoff(aSAH["poor"], aSAH[marker])
    reference = YOUDEN[marker]
    assert [cutoff] == reference["observed_value_cutoffs_ge"]
    counts = confusion_counts(aSAH["poor"], aSAH[marker], cutoff)
    assert [counts.tp, counts.fp, counts.tn, counts.fn] == [reference[k][0] for k in ("tp", "fp", "tn", "fn")]
    metrics = confusion_metrics(aSAH["poor"], aSAH[marker], cutoff)["estimate"]
    assert metrics["sensitivity"] + metrics["specificity"] - 1 == pytest.approx(reference["J"], abs=1e-12)


def test_of_equally_good_cutoffs_the_most_sensitive_is_taken():
    assert youden_cutoff([0, 1, 0, 1], [1, 2, 3, 4]) == 2


@pytest.mark.parametrize("marker", ["s100b", "ndka", "wfns"])
def test_proportions_and_intervals_equal_r(marker):
    reference = DIAGNOSTIC[marker]
    cutoff = reference["cutoff_ge"][0]
    table = confusion_metrics(aSAH["poor"], aSAH[marker], cutoff)
    for name in PROPORTIONS:
        row = table.loc[name]
        assert (row["x"], row["n"]) == (reference[name]["x"], reference[name]["n"])
        assert row["estimate"] == pytest.approx(reference[name]["estimate"], abs=1e-12)
        assert row[["wilson_low", "wilson_high"]].tolist() == pytest.approx(
            reference[name]["wilson"], abs=1e-9
        )
        exact = reference[name]["clopper_pearson"]
        assert row[["exact_low", "exact_high"]].tolist() == pytest.approx(exact, abs=1e-9)


@pytest.mark.parametrize("marker", ["s100b", "ndka", "wfns"])
def test_balanced_accuracy_equals_r(marker):
    reference = DIAGNOSTIC[marker]
    counts = confusion_counts(aSAH["poor"], aSAH[marker], reference["cutoff_ge"][0])
    assert counts.balanced_accuracy == pytest.approx(reference["balanced_accuracy"], abs=1e-12)


@pytest.mark.parametrize("edge", [key for key in DIAGNOSTIC if key.startswith("edge")])
def test_intervals_at_the_edges_equal_r(edge):
    reference = DIAGNOSTIC[edge]
    row = proportion(reference["x"], reference["n"])
    assert [row["wilson_low"], row["wilson_high"]] == pytest.approx(reference["wilson"], abs=1e-9)
    assert [row["exact_low"], row["exact_high"]] == pytest.approx(reference["clopper_pearson"], abs=1e-9)


def test_ppv_is_nan_when_nobody_is_positive():
    table = confusion_metrics([0, 1, 1], [0.1, 0.2, 0.3], cutoff=0.9)
    assert np.isnan(table.loc["ppv", "estimate"]) and np.isnan(table.loc["ppv", "wilson_low"])
    assert table.loc["specificity", "estimate"] == 1


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 9)), min_size=4, max_size=40))
@settings(max_examples=80, deadline=None)
def test_youden_is_the_best_of_all_cutoffs_whatever_the_order(cases):
    y, score = np.array(cases).T
    if y.min() == y.max():
        return
    best = confusion_counts(y, score, youden_cutoff(y, score))
    every = [confusion_counts(y, score, cutoff).balanced_accuracy for cutoff in np.unique(score)]
    assert best.balanced_accuracy == pytest.approx(max(every), abs=1e-12)
    assert youden_cutoff(y[::-1], score[::-1]) == youden_cutoff(y, score)


def test_roc_goes_from_nobody_to_everybody():
    points = roc_points(aSAH["poor"], aSAH["s100b"])
    assert points.iloc[0].tolist() == [np.inf, 0, 1]
    assert points.iloc[-1][["sensitivity", "specificity"]].tolist() == [1, 0]
    area = np.trapezoid(points["sensitivity"], 1 - points["specificity"])
    assert area == pytest.approx(expected("delong")["markers"]["s100b"]["auc"], abs=1e-12)
