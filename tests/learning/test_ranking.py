"""Mann-Whitney U, Spearman pruning and mRMR equal R and the reference algorithm on public data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_values import data
from reference_values import expected as expected_in_r
from scipy.stats import mannwhitneyu, spearmanr

from helpers.learning import ranking


def test_mann_whitney_equals_r():
    table = data("aSAH")
    expected = expected_in_r("mann_whitney")
    result = ranking.mann_whitney(table[list(expected)], table["poor"])
    assert result.u.tolist() == [row["U1"] for row in expected.values()]
    np.testing.assert_allclose(
        result.p_value, [row["p_asymptotic_cc"] for row in expected.values()], rtol=1e-10
    )


def test_mann_whitney_gives_a_constant_feature_no_evidence():
    assert ranking.mann_whitney(np.ones((6, 1)), np.array([0, 0, 0, 1, 1, 1])).p_value.tolist() == [1.0]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_mann_whitney_does_not_change_with_the_order_of_patients_or_a_monotone_map(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 6, (25, 4)).astype(float), np.repeat([0, 1], [15, 10])
    order = rng.permutation(25)
    expected = ranking.mann_whitney(x, y)
    for values, outcome in ((x[order], y[order]), (np.exp(x), y)):
        np.testing.assert_allclose(
            ranking.mann_whitney(values, outcome).p_value, expected.p_value, rtol=1e-12
        )
    np.testing.assert_allclose(
        expected.p_value, [mannwhitneyu(c[y == 1], c[y == 0], method="asymptotic").pvalue for c in x.T]
    )


@pytest.mark.parametrize("threshold", ["0.95", "0.9", "0.8"])
def test_spearman_prune_equals_the_reference_algorithm(sonar, threshold):
    expected = expected_in_r("spearman_pruning")["cutoffs"][threshold]["worst_pair_mean_abs_rho_kept"]
    assert ranking.spearman_prune(sonar[0], float(threshold)) == expected


def test_spearman_prune_does_not_depend_on_the_order_of_columns(sonar):
    reversed_columns = sonar[0].iloc[:, ::-1]
    assert set(ranking.spearman_prune(reversed_columns, 0.8)) == set(ranking.spearman_prune(sonar[0], 0.8))


def test_spearman_prune_leaves_no_pair_above_the_threshold(sonar):
    kept = ranking.spearman_prune(sonar[0], 0.6)
    rho = np.abs(spearmanr(sonar[0][kept]).statistic)
    assert rho[~np.eye(len(kept), dtype=bool)].max() <= 0.6


def test_spearman_prune_keeps_the_first_of_exact_copies():
    x = np.random.default_rng(0).normal(size=(30, 2))
    assert ranking.spearman_prune(np.column_stack([x[:, 0], x[:, 1], x[:, 0], x[:, 0] ** 3]), 0.9) == [0, 1]


@pytest.mark.parametrize(
    ("scheme", "key"),
    [("FCQ", "FCQ_pearson_floor_0.001"), ("FCD", "FCD_pearson"), ("MID", "MID"), ("MIQ", "MIQ")],
)
def test_mrmr_equals_r(sonar, scheme, key):
    expected = expected_in_r("mrmr")[key]
    result = ranking.mrmr(*sonar, k=10, scheme=scheme)
    assert result.features == expected["order"]
    np.testing.assert_allclose(result.scores, expected["score"], rtol=1e-9, atol=1e-12)


def test_mrmr_ranks_every_feature_when_fewer_than_k(sonar):
    assert sorted(ranking.mrmr(sonar[0].iloc[:, :5], sonar[1], k=50).features) == [
        "V1",
        "V2",
        "V3",
        "V4",
        "V5",
    ]
