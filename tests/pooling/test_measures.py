"""Protects: a hospital shares what other programs compute, and no count below min_cell follows from it.

The attacks take what is published and nothing else, and search all counts that agree with it.
"""

import itertools

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit
from synthetic_site import CUTOFFS, patients

from helpers.evaluation.delong import delong_auc, delong_test
from helpers.pooling import measures

CELLS = ("true_positive", "false_positive", "true_negative", "false_negative")
TABLE = patients(400, 3)
Y, SCORES = TABLE["outcome"].to_numpy(), TABLE.drop(columns=["outcome", "age"])


def told(table=TABLE, min_cell=0, cutoffs=CUTOFFS):
    scores = table.drop(columns=["outcome", "age"])
    return measures.measures_of(table["outcome"].to_numpy(), scores, cutoffs, min_cell)


def test_areas_and_covariances_give_delongs_paired_test():
    models, covariance = told()
    assert models["nomogram"].auc == pytest.approx(delong_auc(Y, SCORES["nomogram"]).auc, abs=1e-12)
    for one, other in itertools.combinations(SCORES, 2):
        test = delong_test(Y, SCORES[one], SCORES[other])
        variance = covariance[one][one] + covariance[other][other] - 2 * covariance[one][other]
        assert variance == pytest.approx(test.se**2, rel=1e-9)


def test_calibration_and_its_covariance_are_statsmodels():
    calibration = told()[0]["nomogram"].calibration
    log_odds = logit(SCORES["nomogram"])
    joint = sm.GLM(Y, sm.add_constant(log_odds), family=sm.families.Binomial()).fit(tol=1e-14)
    large = sm.GLM(Y, np.ones(len(Y)), family=sm.families.Binomial(), offset=log_odds).fit(tol=1e-14)
    assert [calibration.intercept, calibration.slope] == pytest.approx(joint.params.tolist(), rel=1e-8)
    np.testing.assert_allclose(np.array(calibration.covariance)[:2, :2], joint.cov_params(), rtol=1e-6)
    assert calibration.in_the_large == pytest.approx(large.params[0], rel=1e-8)
    assert calibration.in_the_large_variance == pytest.approx(large.cov_params()[0, 0], rel=1e-6)


def test_covariances_with_observed_over_expected_are_those_of_drawn_outcomes():
    """Outcomes drawn again from the risks of the same patients: 1500 hospitals."""
    rng, risk = np.random.default_rng(5), SCORES["nomogram"].to_numpy()
    drawn = []
    for y in rng.binomial(1, risk, (1500, len(risk))):
        table = pd.DataFrame({"outcome": y, "nomogram": risk})
        c = measures.calibration_summary(table["outcome"], table["nomogram"])
        drawn.append([c.intercept, c.slope, np.log(c.observed_expected)])
    found = np.cov(np.array(drawn).T)
    assert found[0, 2] == pytest.approx(1 / risk.sum(), rel=0.15)
    assert abs(found[1, 2]) < 0.1 * np.sqrt(found[1, 1] * found[2, 2])


def test_the_variance_of_a_net_benefit_is_the_bootstraps():
    rng, risk = np.random.default_rng(6), SCORES["nomogram"].to_numpy()
    rows = rng.integers(0, len(Y), (3000, len(Y)))
    for benefit in told()[0]["nomogram"].net_benefit:
        odds = benefit.threshold / (1 - benefit.threshold)
        treated = risk[rows] >= benefit.threshold
        drawn = (treated * Y[rows] - treated * (1 - Y[rows]) * odds).mean(axis=1)
        assert benefit.net_benefit == pytest.approx(drawn.mean(), abs=0.003)
        assert benefit.variance == pytest.approx(drawn.var(), rel=0.1)


def test_hu_is_a_measurement_and_no_risk():
    models, _ = told()
    assert models[measures.HU].calibration is None and models[measures.HU].net_benefit == []
    assert models[measures.HU].auc == pytest.approx(delong_auc(Y, SCORES[measures.HU]).auc)


def counts_that_agree(hidden, told, n, events):
    """Counts of true and false positives at a hidden threshold that fit the told ones, by class.

    ``told`` are thresholds with their counts, which an attacker has of net benefits and n (next test)."""
    limits = []
    for place, total in ((0, events), (1, n - events)):
        above = [counts[place] for threshold, counts in told.items() if threshold <= hidden]
        below = [counts[place] for threshold, counts in told.items() if threshold >= hidden]
        limits.append((max(below, default=0), min(above, default=total)))
    return limits


def from_net_benefit(benefit, n, events):
    """All true and false positives that give a published net benefit and its variance."""
    odds, found = benefit.threshold / (1 - benefit.threshold), []
    for tp in range(events + 1):
        fp = (tp / n - benefit.net_benefit) / odds * n
        near = round(fp)
        if abs(fp - near) < 1e-6 and 0 <= near <= n - events:
            value = tp / n - near / n * odds
            if abs((tp + near * odds**2) / n - value**2 - benefit.variance * n) < 1e-9:
                found.append((tp, near))
    return found


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(25, 250),
    st.sampled_from([3, 5, 10]),
    st.sampled_from([0.2, 1.2, 3.0]),
)
def test_no_small_count_follows_from_thresholds_and_cut_offs(seed, n, min_cell, strength):
    """Net benefit and n give the counts at a threshold, and two thresholds those between: solved in integers.

    An attacker knows patients, events, every told net benefit with its variance, and every told confusion
    count. Whatever follows from these alone is no count from 1 to min_cell - 1."""
    table = patients(n, seed, strength)
    y = table["outcome"].to_numpy()
    models, _ = told(table, min_cell)
    if measures.why_nothing(y, min_cell):
        assert all(isinstance(one.auc, str) for one in models.values())
        return
    events = int(y.sum())
    for name in CUTOFFS:
        known = {}
        for benefit in models[name].net_benefit:
            if not isinstance(benefit.net_benefit, str):
                solved = from_net_benefit(benefit, n, events)
                assert solved, "the attack must find the truth"
                if len(solved) == 1:
                    known[benefit.threshold] = solved[0]
        cells = [getattr(models[name].confusion, cell) for cell in CELLS]
        if not any(isinstance(cell, str) for cell in cells):
            known[CUTOFFS[name]] = (cells[0], cells[1])
        ladder = [(events, n - events), *(known[limit] for limit in sorted(known)), (0, 0)]
        between = np.abs(np.diff(np.array(ladder), axis=0)).ravel()
        assert not measures.is_small(between, min_cell).any()
        for hidden in {CUTOFFS[name], *measures.THRESHOLDS} - set(known):
            truth = [int(((table[name] >= hidden) & (y == one)).sum()) for one in (1, 0)]
            for (low, high), count in zip(counts_that_agree(hidden, known, n, events), truth, strict=True):
                assert low <= count <= high
                assert high > low or not measures.is_small([low], min_cell).any()


def test_a_small_cell_is_marked_and_the_others_of_its_sums_are_hidden():
    y = np.r_[np.ones(40, int), np.zeros(60, int)]
    steps = [(0.05, 0.35, 4), (0.6, 0.9, 36), (0.01, 0.3, 30), (0.55, 0.95, 30)]
    risk = np.concatenate([np.linspace(*step) for step in steps])
    table = pd.DataFrame({"outcome": y, "age": 1.0, "nomogram": risk})
    found = told(table, 10, {"nomogram": 0.5})[0]["nomogram"].confusion
    assert [getattr(found, cell) for cell in CELLS] == ["hidden", "hidden", "hidden", "<10"]
    whole = told(table, 0, {"nomogram": 0.5})[0]["nomogram"].confusion
    assert [getattr(whole, cell) for cell in CELLS] == [36, 30, 30, 4]


@pytest.mark.parametrize("events, told_of", [(4, False), (96, False), (50, True)])
def test_nothing_is_told_of_few_with_or_without_the_outcome(events, told_of):
    rng = np.random.default_rng(1)
    y = np.r_[np.ones(events, int), np.zeros(100 - events, int)]
    table = pd.DataFrame({"outcome": y, "age": 1.0, "nomogram": expit(rng.normal(y, 1))})
    model, covariance = told(table, 10, {"nomogram": 0.5})
    values = [model["nomogram"].auc, model["nomogram"].calibration.slope, covariance["nomogram"]["nomogram"]]
    assert all(isinstance(value, float) == told_of for value in values)


def of_two_values(*counts):
    """A risk of 0.6 or 0.2: with the outcome and either, without it and either."""
    risks = np.repeat([0.6, 0.2, 0.6, 0.2], counts)
    return pd.DataFrame({"outcome": np.repeat([1, 1, 0, 0], counts), "age": 1.0, "clinical": risks})


def test_a_risk_of_few_values_is_a_table_whose_cells_would_follow_from_its_auc():
    """Sex alone: four counts, and AUC and variance to solve them by.

    The attack succeeds on what an unprotected file would say; the protected one gives it nothing to work on.
    """
    table, cutoffs = of_two_values(37, 3, 40, 20), {"clinical": 0.1}
    models, covariance = told(table, 0, cutoffs)

    def agrees(a, b):
        p, q = a / 40, b / 60
        variance = (p * (1 - p) / 39 + q * (1 - q) / 59) / 4
        return (
            abs(0.5 + (p - q) / 2 - models["clinical"].auc) < 1e-12
            and abs(variance - covariance["clinical"]["clinical"]) < 1e-9
        )

    assert [one for one in itertools.product(range(41), range(61)) if agrees(*one)] == [(37, 40)]
    assert told(table, 10, cutoffs)[0]["clinical"].auc == "hidden"
    assert isinstance(told(of_two_values(25, 15, 40, 20), 10, cutoffs)[0]["clinical"].auc, float)


def test_an_area_that_few_pairs_keep_from_one_is_not_told():
    y, risk = np.repeat([0, 1], 30), np.linspace(0.1, 0.9, 60)
    swapped = risk.copy()
    swapped[[29, 30]] = risk[[30, 29]]  # one pair of 900 in the wrong order
    tables = [pd.DataFrame({"outcome": y, "age": 1.0, "nomogram": one}) for one in (risk, swapped)]
    assert [told(table, 10, {"nomogram": 0.5})[0]["nomogram"].auc for table in tables] == [1.0, "hidden"]
