"""Protects: ICC and its interval equal R psych and psy; constant, missing, equal readings; speed."""

import numpy as np
import pandas as pd
import pingouin
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from reference_values import data, expected

from helpers.errors import StudyError
from helpers.features.reliability import icc

R = expected("icc")
KEYS = {"2,1": "ICC(2,1)_equals_ICC(A,1)", "3,1": "ICC(3,1)_equals_ICC(C,1)"}
judges = data("shrout_fleiss_1979")
CASES = {
    "shrout_fleiss": judges.to_numpy(),
    "two_raters_J1_J4": judges[["J1", "J4"]].to_numpy(),
    "negative_case": np.array(R["negative_case"]["data"]).T,
}


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("case", CASES)
def test_icc_equals_r(case, kind):
    estimate, reference = icc(CASES[case][None], kind), R[case][KEYS[kind]]
    assert estimate.icc[0] == pytest.approx(reference["icc"], abs=1e-9)
    assert (estimate.ci_low[0], estimate.ci_high[0]) == pytest.approx(reference["ci95"], abs=1e-9)


def test_icc_equals_pingouin_on_random_features(monkeypatch):
    monkeypatch.setitem(pingouin.options, "round.column.CI95", None)
    monkeypatch.setitem(pingouin.options, "round", None)
    rng = np.random.default_rng(0)
    ratings = rng.normal(size=(3, 12, 1)) + 0.4 * rng.normal(size=(3, 12, 3))
    for kind, name in (("2,1", "ICC(A,1)"), ("3,1", "ICC(C,1)")):
        estimate = icc(ratings, kind)
        for feature in range(3):
            long = pd.DataFrame(ratings[feature]).reset_index().melt("index")
            table = pingouin.intraclass_corr(long, "index", "variable", "value").set_index("Type")
            assert estimate.icc[feature] == pytest.approx(table.loc[name, "ICC"], abs=1e-9)
            limits = table.loc[name, [column for column in table if column.startswith("CI95")][0]]
            assert (estimate.ci_low[feature], estimate.ci_high[feature]) == pytest.approx(limits, abs=1e-9)


@given(arrays(float, (4, 6), elements=st.floats(-1e3, 1e3)), st.integers(2, 4), st.sampled_from(list(KEYS)))
@settings(max_examples=60, deadline=None)
def test_equal_readers_agree_perfectly_and_constants_have_no_icc(values, readers, kind):
    estimate = icc(np.repeat(values[:, :, None], readers, axis=2), kind)
    constant = np.ptp(values, axis=1) == 0
    assert np.isnan(estimate.icc[constant]).all()
    # Values that differ by less than rounding can tell count as constant.
    spread = np.ptp(values, axis=1) > 1e-6
    assert estimate.icc[spread] == pytest.approx(1, abs=1e-9)
    assert estimate.ci_low[spread] == pytest.approx(1, abs=1e-9)


@given(arrays(float, (2, 8, 2), elements=st.integers(0, 50).map(float)))
@settings(max_examples=60, deadline=None)
def test_order_of_patients_and_unit_of_the_feature_do_not_matter(ratings):
    estimate = icc(ratings)
    order = np.random.default_rng(0).permutation(8)
    for other in (icc(ratings[:, order]), icc(ratings * 1000 + 5)):
        assert other.icc == pytest.approx(estimate.icc, abs=1e-6, nan_ok=True)


def test_constant_shift_between_readers_counts_for_agreement_only():
    ratings = np.stack([np.arange(10.0), np.arange(10.0) + 3], axis=1)[None]
    assert icc(ratings, "2,1").icc[0] < 0.75
    assert icc(ratings, "3,1").icc[0] == pytest.approx(1)
    assert icc(ratings, "3,1").ci_low[0] == pytest.approx(1)


def test_missing_or_infinite_value_spoils_only_its_feature():
    ratings = np.random.default_rng(0).normal(size=(3, 10, 2))
    ratings[0, 2, 1], ratings[1, 3, 0] = np.nan, np.inf
    estimate = icc(ratings)
    assert np.isnan(estimate.icc).tolist() == [True, True, False]
    assert np.isnan(estimate.ci_low).tolist() == [True, True, False]


@pytest.mark.parametrize("shape", [(3, 10), (3, 10, 1), (3, 1, 2)])
def test_too_few_readers_or_patients_are_refused(shape):
    with pytest.raises(StudyError, match="at least 2 patients and 2 readers"):
        icc(np.zeros(shape))


def test_other_kinds_are_refused():
    with pytest.raises(StudyError, match=r"ICC\(1,k\)"):
        icc(np.zeros((1, 3, 2)), "1,k")


def test_all_features_at_once_are_each_feature_alone():
    ratings = np.random.default_rng(0).normal(size=(1688, 40, 2))
    together = icc(ratings)
    for number in (0, 843, 1687):
        alone = icc(ratings[number : number + 1])
        for field in ("icc", "ci_low", "ci_high"):
            assert getattr(alone, field)[0] == getattr(together, field)[number]
