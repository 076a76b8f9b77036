"""The six classifiers: no leak from held-out patients, the same numbers for any number of workers."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_score

from helpers.errors import StudyError
from helpers.learning import classifiers, draws
from helpers.learning.classifiers import MODELS
from helpers.study.contracts import check

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def patients():
    rng = np.random.default_rng(3)
    y = np.repeat([0, 1], [60, 30])
    table = pd.DataFrame(rng.normal(size=(90, 4)) * [1, 10, 0.1, 1e5] + 50, columns=list("abcd"))
    table["a"] += 1.5 * y
    people = pd.DataFrame({"patient_id": [f"P{i:02d}" for i in range(90)], "cohort": "training"})
    return table, people.assign(outcome=y)


@pytest.fixture(scope="module")
def fitted(patients):
    table, people = patients
    return classifiers.fit_models(table, people["outcome"], folds=3, smote=True, seed=5, workers=1)


@pytest.fixture
def small_grids(monkeypatch):
    """Two values of each hyper-parameter are tried, where their number is not the point."""
    few = {
        name: {key: values[:2] for key, values in grid.items()} for name, grid in classifiers.GRIDS.items()
    }
    monkeypatch.setattr(classifiers, "GRIDS", few)


def test_results_do_not_depend_on_the_number_of_workers(patients, small_grids):
    table, people = patients
    one, two = (
        classifiers.fit_models(table, people["outcome"], folds=2, smote=True, seed=5, workers=workers)
        for workers in (1, 2)
    )
    pd.testing.assert_frame_equal(
        classifiers.predict(one, table, people), classifiers.predict(two, table, people), check_exact=True
    )
    pd.testing.assert_frame_equal(classifiers.settings_table(one), classifiers.settings_table(two))


def test_predictions_keep_their_contract_and_follow_the_marker(patients, fitted):
    table, people = patients
    predictions = check("predictions", classifiers.predict(fitted, table, people))
    assert list(predictions["model"].unique()) == MODELS
    for _, part in predictions.groupby("model"):
        assert roc_auc_score(part["outcome"], part["probability"]) > 0.8


def test_smote_and_scaling_see_training_folds_only(patients, fitted):
    """The cross-validated AUC equals one computed by hand, fold by fold, with the whole pipeline refitted."""
    table, people = patients
    y = people["outcome"].to_numpy()
    pipeline = clone(fitted["LR"].pipeline)
    folds = StratifiedKFold(3, shuffle=True, random_state=5)
    scores = []
    for train, held_out in folds.split(table, y):
        model = pipeline.fit(table.to_numpy()[train], y[train])
        assert model["scale"].n_samples_seen_ == len(train)
        np.testing.assert_allclose(model["scale"].mean_, table.to_numpy()[train].mean(axis=0))
        scores.append(roc_auc_score(y[held_out], model.predict_proba(table.to_numpy()[held_out])[:, 1]))
    assert np.mean(scores) == pytest.approx(fitted["LR"].cv_auc, abs=1e-12)
    again = cross_val_score(pipeline, table.to_numpy(), y, cv=folds, scoring="roc_auc")
    np.testing.assert_allclose(again, scores)


def test_smote_can_be_left_out(patients, small_grids):
    table, people = patients
    fitted = classifiers.fit_models(table, people["outcome"], folds=2, smote=False, seed=5, workers=1)
    assert all("smote" not in model.pipeline.named_steps for model in fitted.values())


def test_logistic_coefficients_give_back_the_probability(patients, fitted):
    table, people = patients
    formula = classifiers.logistic_coefficients(fitted["LR"])
    z = (table - table.mean()) / table.std(ddof=0)
    expected = classifiers.predict({"LR": fitted["LR"]}, table, people)["probability"]
    np.testing.assert_allclose(classifiers.logistic_probability(**formula, values=z), expected, atol=1e-12)
    np.testing.assert_allclose(
        expit(formula["intercept"] + z @ formula["coefficients"]), expected, atol=1e-12
    )


def test_every_chosen_value_was_tried(fitted):
    for model in fitted.values():
        assert all(value in model.tried[name] for name, value in model.chosen.items())
        assert 0 <= model.cv_auc <= 1


def test_four_cases_in_twelve_patients_are_enough_for_three_folds(patients):
    table, _ = patients
    rows = np.r_[0:8, 60:64]
    fitted = classifiers.fit_models(
        table.iloc[rows], np.repeat([0, 1], [8, 4]), 3, smote=True, seed=1, workers=1
    )
    assert set(fitted) == set(MODELS)
    assert max(fitted["KNN"].tried["n_neighbors"]) <= 4


def test_too_few_patients_for_the_folds_are_refused(patients):
    table, _ = patients
    with pytest.raises(StudyError, match="the rarer outcome has 3 in all"):
        classifiers.fit_models(table.iloc[:12], np.repeat([0, 1], [9, 3]), 2, smote=True, seed=1, workers=1)
    assert draws.divisible_folds(np.repeat([0, 1], [9, 3]), 5) == 3
    with pytest.raises(StudyError, match="same outcome"):
        classifiers.fit_models(table.iloc[:12], np.zeros(12), 3, smote=True, seed=1, workers=1)


def test_readers_see_parameters_in_words(fitted):
    shown = classifiers.settings_in_words(classifiers.settings_table(fitted))
    assert not shown["parameter"].str.contains("_").any()
    depths = shown.loc[shown["parameter"] == "depth of a tree", "tried"]
    assert depths.to_list() == ["1, 2, 3", "3, 6, no limit"]
