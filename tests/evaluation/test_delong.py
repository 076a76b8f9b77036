"""Protects: AUC, DeLong variance and paired test equal R pROC; ties, identical and perfect models by rule."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from reference_values import data, expected
from sklearn.metrics import roc_auc_score

from helpers.errors import StudyError
from helpers.evaluation.delong import delong_auc, delong_test, holm, p_matrix, pairwise_tests
from helpers.evaluation.predictions import probabilities_wide

R = expected("delong")
aSAH = data("aSAH")


@st.composite
def outcomes_and_scores(draw, scores=1):
    """Both classes at least twice; scores on a coarse grid, so that ties are common."""
    n = draw(st.integers(4, 40))
    extra = draw(arrays(int, n - 4, elements=st.integers(0, 1)))
    values = arrays(float, n, elements=st.integers(-8, 8).map(float))
    return np.r_[0, 1, 0, 1, extra], *(draw(values) for _ in range(scores))


@pytest.mark.parametrize("marker", R["markers"])
def test_auc_equals_proc(marker):
    area, reference = delong_auc(aSAH["poor"], aSAH[marker]), R["markers"][marker]
    assert area.auc == pytest.approx(reference["auc"], abs=1e-12)
    assert area.variance == pytest.approx(reference["var"], abs=1e-12)
    assert (area.ci_low, area.ci_high) == pytest.approx(reference["ci95_delong_wald"], abs=1e-12)


@pytest.mark.parametrize("pair", R["paired"])
def test_paired_test_equals_proc(pair):
    first, second = pair.split("_vs_")
    test, reference = delong_test(aSAH["poor"], aSAH[first], aSAH[second]), R["paired"][pair]
    assert test.z == pytest.approx(reference["z"], abs=1e-9)
    assert test.p_value == pytest.approx(reference["p"], abs=1e-9)
    assert test.se == pytest.approx(reference["se_diff"], abs=1e-12)
    assert (test.ci_low, test.ci_high) == pytest.approx(reference["ci95_diff"], abs=1e-9)


def test_perfect_separation_shrinks_to_a_point_and_says_so():
    edge = R["edge_perfect_separation"]
    area = delong_auc(edge["y"], edge["x"])
    assert (area.auc, area.variance, area.ci_low, area.ci_high) == (1, 0, 1, 1)
    assert "no interval" in str(area)


def test_constant_score_has_auc_one_half_and_no_variance():
    area = delong_auc([0, 1, 0, 1], [7, 7, 7, 7])
    assert (area.auc, area.variance) == (0.5, 0)


def test_same_ranks_give_z_0_and_p_1():
    s100b = aSAH["s100b"]
    test = delong_test(aSAH["poor"], s100b, np.exp(3 * s100b))
    assert (test.difference, test.se, test.z, test.p_value) == (0, 0, 0, 1)


def test_two_perfect_models_give_p_1_and_perfect_against_constant_nothing():
    y = [0, 0, 0, 1, 1, 1]
    perfect, also_perfect, constant = [1, 2, 3, 4, 5, 6], [3, 1, 2, 9, 8, 7], [1] * 6
    assert delong_test(y, perfect, also_perfect).p_value == 1
    assert np.isnan(delong_test(y, perfect, constant).p_value)


def test_one_patient_in_a_class_has_an_auc_but_no_interval():
    area = delong_auc([0, 0, 1], [1, 2, 3])
    assert area.auc == 1
    assert np.isnan(area.variance) and np.isnan(area.ci_low)
    assert np.isnan(delong_test([0, 0, 1], [1, 2, 3], [3, 2, 1]).p_value)


@given(outcomes_and_scores())
@settings(max_examples=100, deadline=None)
def test_auc_equals_scikit_learn_and_ignores_monotone_maps_and_order(case):
    y, score = case
    area = delong_auc(y, score)
    assert area.auc == pytest.approx(roc_auc_score(y, score), abs=1e-12)
    mapped = delong_auc(y, np.arctan(score) * 5 - 1)
    assert (mapped.auc, mapped.variance) == pytest.approx((area.auc, area.variance), abs=1e-12)
    order = np.random.default_rng(0).permutation(len(y))
    shuffled = delong_auc(y[order], score[order])
    assert (shuffled.auc, shuffled.variance) == pytest.approx((area.auc, area.variance), abs=1e-12)
    assert delong_auc(1 - y, -score).auc == pytest.approx(area.auc, abs=1e-12)


@given(outcomes_and_scores(scores=2))
@settings(max_examples=100, deadline=None)
def test_p_is_symmetric_and_ignores_the_order_of_patients(case):
    y, first, second = case
    test, swapped = delong_test(y, first, second), delong_test(y, second, first)
    assert swapped.p_value == pytest.approx(test.p_value, abs=1e-9, nan_ok=True)
    assert swapped.z == pytest.approx(-test.z, abs=1e-9, nan_ok=True)
    order = np.random.default_rng(0).permutation(len(y))
    shuffled = delong_test(y[order], first[order], second[order])
    assert shuffled.p_value == pytest.approx(test.p_value, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize(
    ("y", "score", "part"),
    [
        ([0, 1, 0], [1, np.nan, 2], "missing or infinite"),
        ([0, 1, 0], [1, np.inf, 2], "missing or infinite"),
        ([1, 1, 1], [1, 2, 3], "same outcome"),
        ([0, 1, 2], [1, 2, 3], "must be 0 or 1"),
        ([0, 1, np.nan], [1, 2, 3], "must be 0 or 1"),
        ([0, 1, 0], [1, 2], "one a patient"),
        ([], [], "at least two patients"),
    ],
)
def test_bad_input_is_refused_in_plain_words(y, score, part):
    with pytest.raises(StudyError, match=part):
        delong_auc(y, score)


@pytest.fixture
def predictions():
    rng = np.random.default_rng(1)
    y = np.tile([0, 1], 30)
    frames = [
        pd.DataFrame(
            {
                "patient_id": [f"P{i}" for i in range(60)],
                "cohort": np.repeat(["training", "internal"], 30),
                "outcome": y,
                "model": model,
                "probability": 1 / (1 + np.exp(-rng.normal(y, 1))),
            }
        )
        for model in "ABC"
    ]
    return pd.concat(frames, ignore_index=True).sample(frac=1, random_state=0)


def test_pairwise_tests_pair_the_same_patients_whatever_the_order_of_rows(predictions):
    tests = pairwise_tests(predictions, ["A", "B", "C"])
    assert len(tests) == 6
    assert list(tests["cohort"].unique()) == ["training", "internal"]
    wide = predictions[predictions["cohort"] == "internal"].pivot(
        index=["patient_id", "outcome"], columns="model", values="probability"
    )
    direct = delong_test(wide.index.get_level_values(1), wide["A"], wide["C"])
    row = tests.query("cohort == 'internal' and first == 'A' and second == 'C'").iloc[0]
    assert row["p_value"] == pytest.approx(direct.p_value)


def test_matrix_is_symmetric_with_ones_on_the_diagonal(predictions):
    matrix = p_matrix(pairwise_tests(predictions, ["A", "B", "C"]), "training", ["A", "B", "C"])
    assert np.array_equal(matrix, matrix.T)
    assert (np.diag(matrix) == 1).all()


def test_missing_predictions_are_named(predictions):
    with pytest.raises(StudyError, match="no predictions of D"):
        pairwise_tests(predictions, ["A", "D"])
    lacking = predictions[~((predictions["patient_id"] == "P3") & (predictions["model"] == "B"))]
    with pytest.raises(StudyError, match="Patient P3"):
        pairwise_tests(lacking, ["A", "B"])


def test_patients_stay_in_the_order_of_the_predictions(predictions):
    """Another key gives other pseudonyms: sorted by them, the same seed would resample other patients."""
    turned = predictions.iloc[::-1]
    cohort, model = turned["cohort"].iloc[0], turned["model"].iloc[0]
    order = turned.query("cohort == @cohort and model == @model")["patient_id"].tolist()
    assert order != sorted(order)
    assert probabilities_wide(turned, cohort, [model])["patient_id"].tolist() == order


def test_holm_leaves_out_what_is_not_estimable():
    corrected = holm(pd.Series([0.01, np.nan, 0.04, 0.03]))
    assert corrected.tolist() == pytest.approx([0.03, np.nan, 0.06, 0.06], nan_ok=True)
