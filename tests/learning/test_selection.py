"""The selection equals R on public data, keeps scikit-learn's contract, and meets bad input with a rule."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imblearn.over_sampling import SMOTE
from reference_values import data
from reference_values import expected as expected_in_r
from scipy.stats import mannwhitneyu, spearmanr
from sklearn.linear_model import Lasso, LogisticRegression
from sklearn.utils.estimator_checks import check_estimator

from helpers.errors import StudyError
from helpers.features.names import readable_name
from helpers.learning import lasso, ranking, smote
from helpers.learning.lasso import lasso_cv, lasso_path
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
def sonar():
    table = data("sonar")
    return table.drop(columns="y"), table["y"].to_numpy()


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


# --- Mann-Whitney U -------------------------------------------------------------------------------------


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


# --- Spearman pruning -----------------------------------------------------------------------------------


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


# --- mRMR -----------------------------------------------------------------------------------------------


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


# --- LASSO ----------------------------------------------------------------------------------------------

FAMILIES = {"gaussian": ("glmnet_quickstart", "mse"), "binomial": ("glmnet_binomial", "deviance")}


@pytest.mark.parametrize("family", FAMILIES)
def test_lasso_cv_equals_glmnet(family):
    name, loss = FAMILIES[family]
    table, expected = data(name), expected_in_r(f"lasso_{family}")["explicit_grid"][loss]
    X, y, folds = table.drop(columns=["foldid", "y"]), table["y"], table["foldid"].to_numpy()
    result = lasso.lasso_cv(X, y, folds, family, lambdas=np.array(expected["lambda"]))
    np.testing.assert_allclose(result.cvm, expected["cvm"], atol=1e-9)
    np.testing.assert_allclose(result.cvsd, expected["cvsd"], atol=1e-9)
    assert result.index_min + 1 == expected["index_min_1based"]
    assert result.index_1se + 1 == expected["index_1se_1based"]
    assert result.path.nonzero[1:].tolist() == expected["nzero"][1:]
    for index, key in ((result.index_min, "coef_min"), (result.index_1se, "coef_1se")):
        ours = [result.path.intercepts[index], *result.path.coefficients[index]]
        np.testing.assert_allclose(ours, list(expected[key].values()), atol=1e-8)


def test_lasso_path_equals_scikit_learn():
    """A second oracle, far down the path and with correlated features."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(150, 4)) @ rng.normal(size=(4, 12)) + 0.3 * rng.normal(size=(150, 12))
    y = (x[:, 0] + rng.normal(size=150) > 0).astype(float)
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    lambdas = np.array([0.1, 0.01, 0.002])
    gaussian, binomial = (lasso_path(z, y, lambdas, family) for family in ("gaussian", "binomial"))
    for i, penalty in enumerate(lambdas):
        linear = Lasso(alpha=penalty, tol=1e-14, max_iter=10**6).fit(z, y)
        np.testing.assert_allclose(gaussian.coefficients[i], linear.coef_, atol=1e-8)
        logistic = LogisticRegression(
            C=1 / (150 * penalty), l1_ratio=1, solver="saga", tol=1e-10, max_iter=10**6, random_state=0
        ).fit(z, y)
        np.testing.assert_allclose(binomial.coefficients[i], logistic.coef_[0], atol=1e-5)


def test_lasso_gives_a_constant_feature_no_coefficient_and_ignores_the_scale():
    rng = np.random.default_rng(2)
    x = np.column_stack([rng.normal(size=(80, 3)), np.full(80, 3.0)])
    y = (x[:, 0] + rng.normal(size=80) > 0).astype(float)
    plain, scaled = lasso_cv(x, y, 5), lasso_cv(x * [1e-6, 1, 1e6, 1], y, 5)
    assert not plain.path.coefficients[:, 3].any()
    np.testing.assert_allclose(
        scaled.path.coefficients * [1e-6, 1, 1e6, 1], plain.path.coefficients, atol=1e-8
    )


# --- transformers and pipeline --------------------------------------------------------------------------

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


def test_smote_takes_the_neighbours_there_are():
    x = np.random.default_rng(0).normal(size=(12, 2))
    _, y = smote.LimitedSmote(random_state=0).fit_resample(x, np.repeat([0, 1], [9, 3]))
    assert np.bincount(y).tolist() == [9, 9]
    with pytest.raises(StudyError, match="at least two patients"):
        smote.LimitedSmote().fit_resample(x, np.repeat([0, 1], [11, 1]))


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


# --- bad input ------------------------------------------------------------------------------------------


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


def test_too_few_patients_for_the_folds_are_refused(sonar):
    rows = np.r_[0:30, 200:204]
    X, y = sonar[0].iloc[rows], np.repeat([0, 1], [30, 4])
    with pytest.raises(StudyError, match="Lower the parameter 'folds'"):
        lasso.lasso_cv(X, y, folds=10)


def test_icc_of_other_features_or_too_strict_is_refused(cohort):
    features, y, icc = cohort
    with pytest.raises(StudyError, match="no ICC"):
        select_features(features, y, icc.iloc[:10], SMALL, seed=0)
    with pytest.raises(StudyError, match="No feature has an ICC above 1"):
        select_features(features, y, icc, SelectionSettings(icc_threshold=1.0), seed=0)


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


def test_a_study_without_second_reader_is_told_how_to_go_on():
    table = pd.DataFrame({"a": [0.0, 1.0, 2.0], "b": [1.0, 0.0, 2.0]})
    unread = {"a": np.nan, "b": np.nan}
    with pytest.raises(StudyError, match="icc_threshold=null"):
        IccFilter(unread).fit(table)
    assert IccFilter(unread, threshold=None).fit(table).get_support().all()
