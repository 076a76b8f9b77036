"""Strict validation learns nothing from held-out patients, finds nothing in noise, and tells leaks apart."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.chapters import strict_validation
from helpers.chapters.negative_controls import leaky_auc, permuted_labels
from helpers.chapters.strict_validation import STRICT
from helpers.errors import StudyError
from helpers.evaluation.delong import delong_auc
from helpers.features.reliability import icc
from helpers.learning.draws import divisible_folds, stratified_folds
from helpers.learning.selection import SelectionSettings

SETTINGS = SelectionSettings(smote="none", folds=3, mrmr_features=8)


def patients(n=90, features=30, signal=1.2, seed=1):
    """A third with the outcome; the first two features carry it."""
    rng = np.random.default_rng(seed)
    y = (np.arange(n) % 3 == 0).astype(int)
    values = rng.normal(size=(n, features))
    values[:, :2] += signal * y[:, None]
    names = [f"original_firstorder_F{i}" for i in range(features)]
    return pd.DataFrame(values, columns=names, index=[f"P{i:03d}" for i in range(n)]), y


@pytest.fixture(scope="module")
def signal():
    return patients()


@pytest.fixture(scope="module")
def procedure(signal):
    return strict_validation.Procedure(dict.fromkeys(signal[0], 1.0), SETTINGS)


@pytest.mark.slow
def test_nested_predictions_do_not_depend_on_the_number_of_workers(signal, procedure):
    one, two = (
        strict_validation.nested_predictions(procedure, *signal, 3, 2, 5, workers) for workers in (1, 2)
    )
    np.testing.assert_array_equal(one.probability, two.probability)
    assert one.chosen == two.chosen
    first, second = (
        strict_validation.bootstrap_optimism(procedure, *signal, 4, 5, workers) for workers in (1, 2)
    )
    pd.testing.assert_frame_equal(first.table, second.table, check_exact=True)


def test_a_patient_does_not_change_the_models_that_judge_the_own_fold(signal, procedure):
    """Absurd features: the others of the fold keep their risks to the last bit, the rest do not."""
    features, y = signal
    seed = np.random.SeedSequence(5).generate_state(1).tolist()[0]
    folds = stratified_folds(y, 3, seed)
    changed = features.copy()
    changed.iloc[0] = 1e3
    before, after = (
        strict_validation.nested_predictions(procedure, x, y, 3, 1, 5, 1) for x in (features, changed)
    )
    same = (before.probability == after.probability)[0]
    assert same[folds == folds[0]].sum() == (folds == folds[0]).sum() - 1
    assert not same[folds != folds[0]].any()


def test_nested_auc_is_the_mean_and_does_not_count_patients_twice(signal):
    _, y = signal
    score = np.random.default_rng(0).uniform(size=y.size)
    once, thrice = (
        strict_validation.nested_auc(y, strict_validation.Nested(np.tile(score, (k, 1)), [])) for k in (1, 3)
    )
    expected = delong_auc(y, score)
    assert once.auc == thrice.auc == pytest.approx(expected.auc)
    assert thrice.variance == pytest.approx(expected.variance)


def test_icc_is_computed_from_the_training_parts_second_readings(signal):
    features, _ = signal
    second = features.iloc[:20] + np.random.default_rng(2).normal(size=(20, features.shape[1]))
    part = features.iloc[[*range(5, 60), 5, 6]]
    agreement = strict_validation.Procedure(second, SETTINGS).agreement(part)
    both = features.index[5:20]
    for name in features.columns[:3]:
        ratings = np.stack([features.loc[both, name], second.loc[both, name]], axis=-1)[None]
        assert agreement[name] == pytest.approx(icc(ratings).icc[0])


@pytest.mark.slow
def test_optimism_shrinks_the_apparent_performance(signal, procedure):
    table = strict_validation.bootstrap_optimism(procedure, *signal, 10, 1, 1).table
    assert table.loc["c_index", "corrected"] < table.loc["c_index", "apparent"]
    assert table.loc["brier", "corrected"] > table.loc["brier", "apparent"]
    np.testing.assert_allclose(table["apparent"] - table["optimism"], table["corrected"])


@pytest.mark.slow
def test_permuted_labels_give_nothing_strictly_and_much_when_leaky():
    """Noise with many features: the strict AUC holds 0.5, selection and SMOTE beforehand do not."""
    features, y = patients(features=400, signal=0)
    procedure = strict_validation.Procedure(dict.fromkeys(features, 1.0), SETTINGS)
    table = permuted_labels(procedure, features, y, 5, 2, 3, 8, 1)
    assert (table["ci_low"] < 0.5).all() and (table["ci_high"] > 0.5).all()
    assert table["strict"].mean() == pytest.approx(0.5, abs=0.1)
    assert table["leaky_lr"].min() > 0.65
    assert table["leaky_rf"].min() > 0.75


def test_every_part_of_a_nested_cross_validation_can_be_divided_again():
    assert divisible_folds([0] * 9 + [1] * 3, 5) == 3
    with pytest.raises(StudyError, match="the rarer outcome has 3 in all"):
        divisible_folds([0] * 9 + [1] * 3, 2)


def test_a_resample_in_which_no_feature_varies_gives_everyone_the_same_risk():
    features = pd.DataFrame({"a": [1.0] * 8, "b": [2.0] * 8}, index=[f"P{i}" for i in range(8)])
    y = np.array([0, 0, 0, 1] * 2)
    fitted = strict_validation.fit_and_predict(strict_validation.Procedure({}), features, y, features[:3], 0)
    assert fitted.probability.tolist() == [0.25] * 3 and fitted.chosen == []


def test_without_two_patients_read_twice_reliability_is_unknown_and_not_an_error():
    features = pd.DataFrame({"a": [1.0, 2.0, 3.0]}, index=["P1", "P2", "P3"])
    agreement = strict_validation.Procedure(features.iloc[:1]).agreement(features)
    assert list(agreement) == ["a"] and np.isnan(agreement["a"])


def test_missing_features_name_the_patient(signal, procedure):
    features, y = signal
    broken = features.copy()
    broken.iloc[4, 3] = np.nan
    with pytest.raises((StudyError, ValueError)):
        strict_validation.nested_predictions(procedure, broken, y, 3, 1, 1, 1)


def test_stability_counts_models_and_shared_features():
    chosen = [["a", "b"], ["a"], ["c", "a"], ["a", "b"]]
    assert strict_validation.selection_frequencies(chosen).to_dict() == {"a": 1.0, "b": 0.5, "c": 0.25}
    assert strict_validation.pairwise_overlap([["a", "b"], ["b", "c"]]) == pytest.approx(1 / 3)
    assert np.isnan(strict_validation.pairwise_overlap([["a"]]))


@pytest.mark.slow
@pytest.mark.skipif("RADBOOK_REAL_DATA" not in os.environ, reason="needs RADBOOK_REAL_DATA")
def test_permuted_labels_of_real_radiomics():
    table = pd.read_csv(Path(os.environ["RADBOOK_REAL_DATA"]) / "tables" / "Hosny2018A.csv.gz")
    features = table.drop(columns=["Target", "ID"], errors="ignore").select_dtypes("number")
    procedure = strict_validation.Procedure(dict.fromkeys(features, 1.0), STRICT)
    found = permuted_labels(procedure, features, table["Target"].to_numpy(), 5, 2, 1, 20260428, 2).iloc[0]
    assert found["ci_low"] < 0.5 < found["ci_high"]
    leaky = leaky_auc(procedure, features, table["Target"].sample(frac=1, random_state=1), 5, 1)
    assert max(leaky.values()) > found["ci_high"]
