"""The selection keeps scikit-learn's contract, follows its stated rules, and meets bad input with a rule."""

import json

import numpy as np
import pandas as pd
import pytest
from imblearn.over_sampling import SMOTE
from sklearn.utils.estimator_checks import check_estimator

from helpers.errors import StudyError
from helpers.features.names import readable_name
from helpers.learning import lasso, ranking
from helpers.learning.lasso import lasso_cv
from helpers.learning.selection import (
    ConstantFilter,
    IccFilter,
    LassoSelector,
    MannWhitneyFilter,
    MrmrSelector,
    SelectionSettings,
    SpearmanPruner,
    rad_score,
    select_features,
    selection_frequency,
)


@pytest.fixture(scope="module")
def cohort():
    """60 patients, 40 features of which three matter; as raw as features come (offsets and scales)."""
    rng = np.random.default_rng(7)
    y = np.repeat([0, 1], [40, 20])
    values = rng.normal(size=(60, 40))
    values[:, :3] += y[:, None] * [1.2, 1.0, 0.8]
    values[:, 3] = values[:, 0] + 0.01 * rng.normal(size=60)
    values[:, 4] = 5.0
    values = values * np.geomspace(1e-3, 1e6, 40) + 10
    names = [f"original_firstorder_F{i}" for i in range(40)]
    features = pd.DataFrame(values, columns=names, index=[f"P{i:03d}" for i in range(60)])
    icc = pd.Series(np.linspace(0.99, 0.70, 40), index=names)
    icc.iloc[5] = np.nan
    return features, y, icc


SMALL = SelectionSettings(folds=3, mrmr_features=10)

STEPS = [
    ConstantFilter(),
    MannWhitneyFilter(),
    SpearmanPruner(),
    MrmrSelector(k=2),
    LassoSelector(folds=2),
]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: type(step).__name__)
def test_steps_keep_the_contract_of_scikit_learn(step):
    assert check_estimator(step, on_skip=None)


def test_the_pipeline_is_the_functions_one_after_the_other(cohort):
    features, y, icc = cohort
    selection = select_features(features, y, icc, SMALL, seed=3)
    left = [name for name in features if icc[name] > 0.80 and features[name].nunique() > 1]
    z = (features[left] - features[left].mean()) / features[left].std(ddof=0)
    z, balanced = SMOTE(random_state=3).fit_resample(z, y)
    z = z.loc[:, ranking.mann_whitney(z, balanced).p_value < 0.05]
    assert selection.survivors["mann_whitney"] == z.columns.tolist()
    z = z[ranking.spearman_prune(z, 0.90)]
    assert selection.survivors["spearman"] == z.columns.tolist()
    chosen = set(ranking.mrmr(z, balanced, 10).features)
    z = z[[name for name in z if name in chosen]]
    cv = lasso_cv(z, balanced, 3, "binomial", seed=3)
    expected = pd.Series(cv.path.coefficients[cv.index_min], index=z.columns)
    pd.testing.assert_series_equal(selection.coefficients.sort_index(), expected[expected != 0].sort_index())


def test_rad_score_is_the_lasso_at_the_training_z_scores(cohort):
    features, y, icc = cohort
    selection = select_features(features, y, icc, SMALL, seed=3)
    plain = json.loads(json.dumps(selection.as_dict()))
    z = selection.pipeline[:3].transform(features)[selection.lasso.feature_names_in_]
    expected = selection.lasso.cv_.path.linear_predictor(z)[:, selection.lasso.index_]
    np.testing.assert_allclose(rad_score(plain, features), expected, atol=1e-12)


def test_selection_is_repeatable_and_learns_nothing_outside_the_training_set(cohort):
    features, y, icc = cohort
    first, again = (select_features(features, y, icc, SMALL, seed=3).as_dict() for _ in range(2))
    assert first == again


def test_selection_frequency_does_not_depend_on_workers(cohort):
    features, y, icc = cohort
    selection = select_features(features, y, icc, SMALL, seed=3)
    one, two = (selection_frequency(selection, features, y, 12, 5, workers) for workers in (1, 2))
    pd.testing.assert_series_equal(one, two)
    assert one.between(0, 1).all() and set(one.index) == set(selection.survivors["mrmr"])


def test_empty_steps_follow_their_stated_rules():
    """Noise: Mann-Whitney keeps the smallest P, the LASSO the first feature on its path; both say so."""
    rng = np.random.default_rng(11)
    names = [f"original_glcm_N{i}" for i in range(3)]
    features, y = pd.DataFrame(rng.normal(size=(40, 3)), columns=names), np.repeat([0, 1], 20)
    strict = SelectionSettings(mann_whitney_p=1e-9, folds=4, lasso_lambda="1se", smote="none")
    selection = select_features(features, y, dict.fromkeys(names, 1.0), strict, seed=0)
    smallest = names[int(np.argmin(ranking.mann_whitney(features, y).p_value))]
    assert selection.survivors["mann_whitney"] == selection.survivors["lasso"] == [smallest]
    assert len(selection.notes) == 2


def test_missing_and_infinite_features_name_the_patient(cohort):
    features, y, icc = cohort
    for bad in (np.nan, np.inf):
        broken = features.copy()
        broken.iloc[7, 2] = bad
        with pytest.raises(StudyError, match="F2' of patient 'P007'"):
            select_features(broken, y, icc, SMALL, seed=0)


def test_one_class_constant_features_and_unknown_words_are_refused(cohort, sonar):
    features, y, icc = cohort
    with pytest.raises(StudyError, match="same outcome"):
        ranking.mann_whitney(features, np.zeros(60))
    with pytest.raises(StudyError, match="same in every patient"):
        ranking.spearman_prune(features, 0.9)
    with pytest.raises(StudyError, match="no scheme 'JMI'"):
        ranking.mrmr(*sonar, scheme="JMI")
    with pytest.raises(StudyError, match="lasso_family is 'poisson'"):
        lasso.lasso_cv(*sonar, family="poisson")
    with pytest.raises(StudyError, match="smote is 'always'"):
        SelectionSettings(smote="always")
    with pytest.raises(StudyError, match="'median'"):
        LassoSelector(rule="median").fit(*sonar)


def test_icc_of_other_features_is_refused(cohort):
    features, y, icc = cohort
    with pytest.raises(StudyError, match="no ICC"):
        select_features(features, y, icc.iloc[:10], SMALL, seed=0)


def test_where_no_feature_is_reliable_the_most_reliable_stays_and_that_is_told(cohort):
    features, y, icc = cohort
    strict = SelectionSettings(icc_threshold=0.995, folds=3)
    selection = select_features(features, y, icc, strict, seed=0)
    assert selection.survivors["icc"] == [icc.idxmax()]
    assert "No feature has an ICC above 0.995; the one with the largest (0.99) was kept" in selection.notes[0]
    assert not any("ICC" in note for note in select_features(features, y, icc, SMALL, seed=0).notes)


def test_the_lasso_makes_as_many_folds_as_the_rarer_outcome_has_patients(cohort):
    features, y, icc = cohort
    rows = [*range(40), *range(40, 44)]
    few = SelectionSettings(folds=10, smote="none")
    selection = select_features(features.iloc[rows], y[rows], icc, few, seed=0)
    assert selection.lasso.folds_ == 4
    assert (
        "Cross-validation in 4 folds instead of 10: the rarer outcome has no more patients."
        in selection.notes
    )


def test_a_table_without_the_selected_features_is_refused(cohort):
    features, y, icc = cohort
    plain = select_features(features, y, icc, SMALL, seed=3).as_dict()
    with pytest.raises(StudyError, match=plain["features"][0]):
        rad_score(plain, features.drop(columns=plain["features"][0]))


@pytest.mark.parametrize(
    ("feature", "name"),
    [
        ("original_shape_MeshVolume", "Shape Mesh Volume"),
        ("wavelet-LLH_glcm_Imc1", "GLCM Imc1, wavelet LLH"),
        ("log-sigma-3-0-mm-3D_glszm_ZoneEntropy", "GLSZM Zone Entropy, LoG 3 mm"),
        ("logarithm_firstorder_90Percentile", "First-order 90 Percentile, logarithm"),
    ],
)
def test_readable_names(feature, name):
    assert readable_name(feature) == name


def test_where_nobody_was_read_twice_every_feature_stays():
    table = pd.DataFrame({"a": [0.0, 1.0, 2.0], "b": [1.0, 0.0, 2.0]})
    unread = {"a": np.nan, "b": np.nan}
    assert IccFilter(unread).fit(table).get_support().all()
    assert IccFilter(unread, threshold=None).fit(table).get_support().all()
