"""pingouin computes the same ICC(2,1) with its interval, and the comparison picks its features by a rule."""

import numpy as np
import pandas as pd
import pingouin
import pytest

from helpers.chapters import two_readers
from helpers.features.reliability import reader_icc

NAMES = ["original_shape_Volume", "original_shape_Area", "original_firstorder_Mean", "original_glcm_Contrast"]


@pytest.fixture
def tables():
    """Two readers; the first has read more patients, in another order; one feature is constant."""
    rng = np.random.default_rng(3)
    truth = pd.DataFrame(rng.normal(size=(12, 4)), columns=NAMES).assign(original_firstorder_Mean=5.0)
    truth.insert(0, "patient_id", [f"P{i}" for i in range(12)])
    second = truth.iloc[:9].copy()
    second[[NAMES[0], NAMES[1], NAMES[3]]] += rng.normal(scale=0.5, size=(9, 3))
    return truth.iloc[::-1].reset_index(drop=True), second


def computed(readings, chosen):
    return {
        name: pingouin.intraclass_corr(readings, "patient_id", "reader", name) for name in chosen["feature"]
    }


def test_both_packages_agree_on_the_features_of_the_rule(tables, monkeypatch):
    monkeypatch.setitem(pingouin.options, "round.column.CI95", None)
    readings, agreement = two_readers.readings(*tables), reader_icc(*tables)
    assert len(readings) == 18 and set(readings["reader"]) == {1, 2}
    chosen = two_readers.first_of_each_class(agreement, 9)
    # The constant feature has no ICC, so its class has no feature here.
    assert chosen["feature"].tolist() == [NAMES[0], NAMES[3]]
    beside = two_readers.pingouin_beside(chosen, computed(readings, chosen))
    assert (beside["difference"] < 1e-9).all()
    np.testing.assert_allclose(
        beside["pingouin_icc"], agreement.set_index("feature").loc[beside["feature"], "icc"]
    )
    assert two_readers.in_words(beside) == "In these 2 features estimates and limits differ by rounding only."


def test_the_difference_is_the_largest_of_estimate_and_limits():
    ours = pd.DataFrame({"feature": ["a"], "icc": [0.8], "ci_low": [0.7], "ci_high": [0.9]})
    theirs = pd.DataFrame({"Type": ["ICC(A,1)"], "ICC": [0.81], "CI95": [np.array([0.72, 0.9])]})
    beside = two_readers.pingouin_beside(ours, {"a": theirs})
    assert beside["difference"].item() == pytest.approx(0.02)
    assert two_readers.in_words(beside).endswith("of estimate or limit, is 0.02.")


def test_with_fewer_than_three_patients_nothing_is_compared(tables):
    chosen = two_readers.first_of_each_class(reader_icc(*tables), 2)
    beside = two_readers.pingouin_beside(chosen, {})
    assert beside.empty and two_readers.in_words(beside).startswith("Too few patients")


def test_without_a_second_reader_there_are_no_readings(tables):
    first, _ = tables
    nobody = pd.DataFrame({"patient_id": pd.Series(dtype=str)})
    assert two_readers.readings(first, nobody).empty
