"""Draws of patients hold what is said of them: who is drawn, how often, and with whom."""

import numpy as np
import pandas as pd
import pytest

from helpers.learning import draws


def test_resamples_have_all_patients_and_both_outcomes_in_numbers_that_vary():
    y = np.repeat([0, 1], [60, 40])
    weights = draws.resample_weights(y, 50, np.random.default_rng(4))
    cases = weights[:, y == 1].sum(axis=1)
    assert (weights.sum(axis=1) == y.size).all() and len(set(cases)) > 10
    # A third of these would have no case.
    rare = draws.resample_weights(np.arange(30) == 7, 300, np.random.default_rng(0))
    assert ((rare[:, 7] > 0) & (rare[:, 7] < 30)).all()


def test_copies_of_a_patient_share_an_inner_fold():
    y = (np.arange(90) % 3 == 0).astype(int)
    patients = pd.Index([f"P{i:03d}" for i in range(90)])
    rows = np.random.default_rng(3).integers(0, len(y), 200)
    folds = draws.stratified_folds(y[rows], 4, 0, patients[rows])
    assert pd.Series(folds).groupby(patients[rows]).nunique().max() == 1
    for number in range(4):
        assert set(y[rows][folds == number]) == {0, 1}


@pytest.mark.parametrize("kind", [int, float])
def test_folds_take_every_row_once_and_share_out_the_outcome(kind):
    y = (np.arange(90) % 3 == 0).astype(kind)
    folds = draws.stratified_folds(y, 5, seed=2)
    assert np.bincount(folds).tolist() == [18] * 5
    assert np.bincount(folds, y).tolist() == [6] * 5
    assert (folds == draws.stratified_folds(y, 5, seed=2)).all()
    assert (folds != draws.stratified_folds(y, 5, seed=3)).any()


def test_folds_of_a_continuous_outcome_are_of_equal_size():
    folds = draws.stratified_folds(np.random.default_rng(0).normal(size=50), 5, seed=2)
    assert np.bincount(folds).tolist() == [10] * 5


def test_a_draw_within_classes_keeps_their_sizes_and_follows_the_seed():
    y = np.repeat([0, 1, 0], [20, 15, 5])
    first, again, other = (draws.rows_within_classes(y, seed) for seed in (1, 1, 2))
    assert np.bincount(y[first]).tolist() == np.bincount(y).tolist()
    assert first.tolist() == again.tolist() != other.tolist()
    assert len(set(first)) < len(y)  # with replacement


def test_bootstrap_resamples_are_rows_with_replacement_whatever_the_outcome():
    rows = draws.bootstrap_resamples(np.random.default_rng(0), 30, 400)
    assert rows.shape == (400, 30) and set(np.unique(rows)) == set(range(30))
    different = np.mean([len(set(one)) for one in rows])
    assert different == pytest.approx(30 * (1 - (29 / 30) ** 30), abs=0.5)
