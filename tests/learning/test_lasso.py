"""The LASSO equals glmnet and scikit-learn, and refuses too few patients."""

import numpy as np
import pytest
from reference_values import data
from reference_values import expected as expected_in_r
from sklearn.linear_model import Lasso, LogisticRegression

from helpers.errors import StudyError
from helpers.learning import lasso
from helpers.learning.lasso import lasso_cv, lasso_path

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


def test_too_few_patients_for_the_folds_are_refused(sonar):
    rows = np.r_[0:30, 200:204]
    X, y = sonar[0].iloc[rows], np.repeat([0, 1], [30, 4])
    with pytest.raises(StudyError, match="Lower the parameter 'folds'"):
        lasso.lasso_cv(X, y, folds=10)
