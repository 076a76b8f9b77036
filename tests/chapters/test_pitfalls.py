"""What chapter 14 shows is true: the simulated pitfalls meet what theory says of them."""

import numpy as np
import pytest
from scipy.stats import norm

from helpers.chapters import pitfalls


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def test_selection_before_cross_validation_finds_what_is_not_there(rng):
    """Noise has an AUC of 0.5; inside the folds the mean comes out so, within four standard errors."""
    aucs = pitfalls.selection_leak(rng, patients=60, features=300, repeats=12)
    assert abs(aucs["inside"].mean() - 0.5) < 4 * aucs["inside"].std() / np.sqrt(12)
    assert (aucs["before"] > 0.6).all()


def test_smote_before_cross_validation_finds_what_is_not_there(rng):
    aucs = pitfalls.smote_leak(rng, repeats=12)
    assert abs(aucs["inside"].mean() - 0.5) < 4 * aucs["inside"].std() / np.sqrt(12)
    assert (aucs["before"] > 0.65).all()


def test_a_cutoff_chosen_on_the_test_set_flatters_and_less_so_in_large_sets(rng):
    found = pitfalls.cutoff_optimism(rng, sizes=(20, 640), repeats=150).set_index("patients")
    best = 2 * norm.cdf(0.5) - 1  # what the best cut-off gives in the long run
    assert found.loc[20, "own"] > best + 0.05 and found.loc[20, "locked"] < best
    assert found.loc[640, "own"] == pytest.approx(best, abs=0.03)
    assert found.loc[640, "locked"] == pytest.approx(best, abs=0.03)


def test_features_that_tell_nothing_lift_the_training_auc_and_lower_the_new_one(rng):
    found = pitfalls.features_per_event(rng, counts=(1, 15), repeats=12).set_index("features")
    truth = norm.cdf(1 / np.sqrt(2))
    assert found.loc[1, ["training", "new"]].tolist() == pytest.approx([truth, truth], abs=0.03)
    assert found.loc[15, "training"] > truth + 0.05 > found.loc[15, "new"] + 0.1


def test_one_way_icc_equals_the_published_example():
    """Shrout and Fleiss 1979, table 2: six patients, four judges, ICC(1,1) = 0.17."""
    ratings = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    assert pitfalls.one_way_icc([ratings]).round(2).tolist() == [0.17]


def test_a_reader_who_reads_high_lowers_the_icc_of_agreement_only(rng):
    """Expected values from the variances: patients 1, error 0.16, two readers who differ by 2."""
    found = pitfalls.icc_types(rng, biases=(0.0, 2.0), patients=200).set_index("bias")
    assert found.loc[0.0].tolist() == pytest.approx([1 / 1.16] * 3, abs=0.02)
    agreement, one_way = 1 / (1 + 0.16 + 2), (2 - 2) / (2 + 0.32 + 2)
    assert found.loc[2.0, "ICC(3,1)"] == pytest.approx(1 / 1.16, abs=0.02)
    assert found.loc[2.0, "ICC(2,1)"] == pytest.approx(agreement, abs=0.02)
    assert found.loc[2.0, "ICC(1,1)"] == pytest.approx(one_way, abs=0.02)


def test_a_scanner_that_reads_high_moves_risks_but_not_the_order_of_patients(rng):
    found = pitfalls.scanner_shift(rng)
    assert found["auc"].nunique() == 1
    assert found["auc"][0] == pytest.approx(norm.cdf(1 / np.sqrt(2)), abs=0.03)
    assert found["sensitivity"].is_monotonic_increasing and found["specificity"].is_monotonic_decreasing
    at_home = found.set_index("shift").loc[0.0]
    assert at_home["mean_risk"] == pytest.approx(at_home["prevalence"], abs=0.05)
