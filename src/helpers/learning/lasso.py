"""LASSO path and cross-validation with glmnet's conventions, for a continuous or a binary outcome.

The objective is glmnet's: mean squared error / 2 (gaussian) or mean negative log-likelihood (binomial), plus
lambda times the sum of absolute coefficients of the features standardised with the 1/n standard deviation;
the intercept is free. scikit-learn has no equal: LassoCV cannot standardise inside a fold, and
LogisticRegressionCV uses one C = 1/(n lambda) for every n. Coordinate descent on covariances
(Friedman, Hastie & Tibshirani 2010, doi 10.18637/jss.v033.i01), with jumps to the joint minimum of those
features that have a coefficient, inside Newton steps for the binary outcome.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numba import njit
from scipy.special import expit

from helpers.checked_inputs import checked_outcome, named_values
from helpers.errors import StudyError
from helpers.learning.draws import stratified_folds

Family = Literal["gaussian", "binomial"]
# Largest change of a standardised coefficient at which the solution is called final.
TOLERANCE = 1e-10


@dataclass(frozen=True)
class LassoPath:
    """Solutions for a falling sequence of penalties, on the scale of the features as given.

    Shapes: lambdas and intercepts (L,), coefficients (L, p).
    """

    lambdas: np.ndarray
    intercepts: np.ndarray
    coefficients: np.ndarray

    @property
    def nonzero(self) -> np.ndarray:
        """Number of features with a coefficient, shape (L,)."""
        return np.count_nonzero(self.coefficients, axis=1)

    def linear_predictor(self, X: np.ndarray) -> np.ndarray:
        """Intercept + X @ coefficients for every penalty, shape (rows, L)."""
        return self.intercepts + np.asarray(X, float) @ self.coefficients.T


@dataclass(frozen=True)
class LassoCv:
    """A path (fitted on all rows) with its cross-validated loss, as R's ``cv.glmnet``.

    Attributes
    ----------
    loss : str
        "Mean squared error" or "Binomial deviance".
    cvm, cvsd : ndarray, shape (L,)
        Mean loss over folds (weighted by fold size) and its standard error.
    index_min, index_1se : int
        Positions of lambda.min (smallest cvm) and lambda.1se (largest lambda with cvm within one standard
        error of the smallest).
    """

    path: LassoPath
    loss: str
    cvm: np.ndarray
    cvsd: np.ndarray
    index_min: int
    index_1se: int

    @property
    def lambda_min(self) -> float:
        """Penalty with the smallest cross-validated loss."""
        return float(self.path.lambdas[self.index_min])

    @property
    def lambda_1se(self) -> float:
        """Largest penalty whose loss is within one standard error of the smallest."""
        return float(self.path.lambdas[self.index_1se])


def lasso_cv(
    X: pd.DataFrame | np.ndarray,
    y: np.ndarray,
    folds: int | np.ndarray = 10,
    family: Family = "binomial",
    lambdas: np.ndarray | None = None,
    seed: int = 0,
) -> LassoCv:
    """Choose the LASSO penalty by cross-validation.

    Features are standardised again inside every fold. Equals R ``cv.glmnet`` on an explicit grid
    (fold losses are not interpolated).

    Parameters
    ----------
    X : DataFrame or ndarray, shape (n, p)
        Features; a constant one gets the coefficient 0.
    y : array, shape (n,)
        Any numbers (gaussian), or 0 and 1 (binomial).
    folds : int or array of int, shape (n,)
        Number of folds (drawn with ``seed``, stratified by a binary outcome), or each row's fold as
        glmnet's ``foldid``.
    lambdas : array, optional
        Falling penalties; by default 100 from the smallest that removes every feature down to 0.001 of it
        (0.01 when there are fewer rows than features).
    seed : int
        Draws the folds.

    Raises
    ------
    StudyError
        For missing or infinite values, one class only, or fewer patients of a class than folds.
    """
    values, _ = named_values(X)
    y = _checked(y, family)
    if lambdas is None:
        lambdas = default_lambdas(values, y)
    fold_of = _fold_numbers(y, folds, family, seed)
    path = lasso_path(X, y, lambdas, family)
    numbers, sizes = np.unique(fold_of, return_counts=True)
    losses = []
    for held_out in (fold_of == number for number in numbers):
        fitted = lasso_path(values[~held_out], y[~held_out], path.lambdas, family)
        losses.append(_loss(y[held_out], fitted.linear_predictor(values[held_out]), family))
    cvm = np.average(losses, axis=0, weights=sizes)
    cvsd = np.sqrt(np.average((np.array(losses) - cvm) ** 2, axis=0, weights=sizes) / (len(sizes) - 1))
    index_min = int(np.argmin(cvm))
    index_1se = int(np.argmax(cvm <= cvm[index_min] + cvsd[index_min]))
    loss = "Binomial deviance" if family == "binomial" else "Mean squared error"
    return LassoCv(path, loss, cvm, cvsd, index_min, index_1se)


def lasso_path(X: pd.DataFrame | np.ndarray, y: np.ndarray, lambdas: np.ndarray, family: Family) -> LassoPath:
    """Fit the LASSO for each of the falling ``lambdas``; parameters as in :func:`lasso_cv`."""
    values, _ = named_values(X)
    y = _checked(y, family)
    lambdas = np.sort(np.asarray(lambdas, float))[::-1]
    mean, scale = _standardisation(values)
    standardised = np.ascontiguousarray(((values - mean) / scale).T)
    intercepts, coefficients = _solutions(standardised, y, lambdas, family)
    # Below the tolerance a coefficient is rounding (at the largest penalty), not a choice.
    coefficients = np.where(np.abs(coefficients) > TOLERANCE, coefficients, 0) / scale
    return LassoPath(lambdas, intercepts - coefficients @ mean, coefficients)


def _solutions(
    features: np.ndarray, y: np.ndarray, lambdas: np.ndarray, family: Family
) -> tuple[np.ndarray, np.ndarray]:
    """Intercepts (L,) and coefficients (L, p) for standardised ``features`` (p, n)."""
    beta, intercept = np.zeros(len(features)), y.mean()
    if family == "binomial":
        intercept = np.log(intercept / (1 - intercept))
    else:
        gram = _weighted_gram(features, np.full(len(y), 1.0 / len(y)))
        target = _products(features, y - intercept) / len(y)
    intercepts, coefficients = np.empty(len(lambdas)), np.empty((len(lambdas), len(features)))
    for i, penalty in enumerate(lambdas):
        if family == "binomial":
            intercept, converged = _penalised_logistic(features, y, penalty, intercept, beta)
        else:
            converged = _descend(gram, target, penalty, beta)
        if not converged:
            raise StudyError(
                "The LASSO did not settle: the outcome can be told without error from the features, or two "
                "features are copies of each other. Prune at a lower Spearman threshold, or use larger "
                "penalties."
            )
        intercepts[i], coefficients[i] = intercept, beta
    return intercepts, coefficients


def default_lambdas(values: np.ndarray, y: np.ndarray) -> np.ndarray:
    """100 penalties from the smallest that removes every feature, equally spaced in the logarithm."""
    mean, scale = _standardisation(values)
    largest = np.abs(((values - mean) / scale).T @ (y - np.mean(y))).max() / len(y)
    if largest == 0:
        raise StudyError("Every feature is constant: there is nothing for the LASSO to choose from.")
    smallest = largest * (1e-3 if len(y) > values.shape[1] else 1e-2)
    return np.geomspace(largest, smallest, 100)


def _checked(y: np.ndarray, family: Family) -> np.ndarray:
    """The outcome as floats: 0 and 1 both present (binomial), any numbers that vary (gaussian)."""
    if family == "binomial":
        return checked_outcome(y).astype(float)
    if family != "gaussian":
        raise StudyError(f"lasso_family is '{family}'. Choose 'binomial' or 'gaussian'.")
    y = np.asarray(y, float)
    if not np.isfinite(y).all() or np.ptp(y) == 0:
        raise StudyError("The outcome is missing for some patients, or the same for all of them.")
    return y


def _standardisation(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mean, spread = values.mean(axis=0), values.std(axis=0)
    return mean, np.where(spread > 1e-12 * np.abs(mean), spread, np.inf)


def _fold_numbers(y: np.ndarray, folds: int | np.ndarray, family: Family, seed: int) -> np.ndarray:
    if not isinstance(folds, int | np.integer):
        return np.asarray(folds)
    smallest = int(np.unique(y, return_counts=True)[1].min()) if family == "binomial" else len(y)
    if smallest < folds:
        raise StudyError(
            f"{folds}-fold cross-validation needs at least {folds} patients of each class; there are "
            f"{smallest}. Lower the parameter 'folds'."
        )
    return stratified_folds(y, folds, seed)


def _loss(y: np.ndarray, linear_predictor: np.ndarray, family: Family) -> np.ndarray:
    if family == "gaussian":
        return ((y[:, None] - linear_predictor) ** 2).mean(axis=0)
    p = np.clip(expit(linear_predictor), 1e-5, 1 - 1e-5)  # as glmnet
    return -2 * np.where(y[:, None] == 1, np.log(p), np.log1p(-p)).mean(axis=0)


@njit(cache=True, nogil=True)
def _descend(gram, target, penalty, beta):
    """Minimise beta' gram beta / 2 - target' beta + penalty |beta|_1 in place; False if it did not settle.

    A sweep over the coordinates decides which features have a coefficient and of which sign; between sweeps
    these move to their joint minimum. Both only ever lower the objective.
    """
    for _ in range(200_000):
        gradient = target - _combination(gram, beta)
        largest_change = 0.0
        for j in range(len(beta)):
            if gram[j, j] <= 0:
                continue
            free = gradient[j] + gram[j, j] * beta[j]
            new = np.sign(free) * max(abs(free) - penalty, 0.0) / gram[j, j]
            change = new - beta[j]
            if change != 0:
                gradient -= change * gram[j]
                beta[j] = new
                largest_change = max(largest_change, abs(change))
        if largest_change < TOLERANCE / 10:
            return True
        _jump(gram, target, penalty, beta)
    return False


@njit(cache=True, nogil=True)
def _jump(gram, target, penalty, beta):
    """Move the coefficients that are not 0 to their joint minimum, or as far as the first becomes 0."""
    active = np.flatnonzero(beta)
    lower = _cholesky(gram, active)
    if len(lower) == 0:
        return
    goal = target[active] - penalty * np.sign(beta[active])
    for a in range(len(active)):
        for b in range(a):
            goal[a] -= lower[a, b] * goal[b]
        goal[a] /= lower[a, a]
    for a in range(len(active) - 1, -1, -1):
        for b in range(a + 1, len(active)):
            goal[a] -= lower[b, a] * goal[b]
        goal[a] /= lower[a, a]
    share, first = 1.0, -1
    for a in range(len(active)):
        old = beta[active[a]]
        if old * goal[a] <= 0 and old / (old - goal[a]) < share:
            share, first = old / (old - goal[a]), a
    for a in range(len(active)):
        beta[active[a]] += share * (goal[a] - beta[active[a]])
    if first >= 0:
        beta[active[first]] = 0.0


@njit(cache=True, nogil=True)
def _cholesky(gram, active):
    """Lower factor of ``gram`` for the ``active`` features; empty when they (nearly) depend on each other."""
    lower = np.zeros((len(active), len(active)))
    for a in range(len(active)):
        for b in range(a + 1):
            total = gram[active[a], active[b]]
            for c in range(b):
                total -= lower[a, c] * lower[b, c]
            if b < a:
                lower[a, b] = total / lower[b, b]
            elif total > 1e-10 * gram[active[a], active[a]]:
                lower[a, a] = np.sqrt(total)
            else:
                return np.zeros((0, 0))
    return lower


@njit(cache=True, nogil=True)
def _penalised_logistic(features, y, penalty, intercept, beta):
    """Newton steps, halved while they do not lower the objective; changes ``beta`` in place."""
    eta = intercept + _combination(features, beta)
    value = _objective(eta, y, penalty, beta)
    for _ in range(200):
        new_beta = beta.copy()
        new_intercept, settled = _newton_step(features, y, eta, penalty, intercept, new_beta)
        step, step_intercept = new_beta - beta, new_intercept - intercept
        new_eta = new_intercept + _combination(features, new_beta)
        new_value = _objective(new_eta, y, penalty, new_beta)
        while new_value > value + 1e-13 * abs(value) and np.abs(step).max() > TOLERANCE:
            step, step_intercept = step / 2, step_intercept / 2
            new_beta, new_intercept = beta + step, intercept + step_intercept
            new_eta = new_intercept + _combination(features, new_beta)
            new_value = _objective(new_eta, y, penalty, new_beta)
        beta[:], intercept, eta, value = new_beta, new_intercept, new_eta, new_value
        if settled and max(np.abs(step).max(), abs(step_intercept)) < TOLERANCE:
            return intercept, True
    return intercept, False


@njit(cache=True, nogil=True)
def _newton_step(features, y, eta, penalty, intercept, beta):
    """Minimise the penalised quadratic approximation at ``eta``; the intercept is eliminated by centring."""
    n = len(y)
    p = 1 / (1 + np.exp(-eta))
    weight = np.maximum(p * (1 - p), 1e-10)  # so that a step exists
    residual = y - p
    total = weight.sum()
    centre = _products(features, weight) / total
    gram = (_weighted_gram(features, weight) - total * np.outer(centre, centre)) / n
    target = _combination(gram, beta) + (_products(features, residual) - centre * residual.sum()) / n
    old = beta.copy()
    settled = _descend(gram, target, penalty, beta)
    return intercept + residual.sum() / total - (centre * (beta - old)).sum(), settled


@njit(cache=True, nogil=True)
def _objective(eta, y, penalty, beta):
    loss = 0.0
    for i in range(len(y)):
        signed = eta[i] if y[i] == 1 else -eta[i]
        loss += np.log1p(np.exp(-abs(signed))) + max(-signed, 0.0)
    return loss / len(y) + penalty * np.abs(beta).sum()


# The products are written out: a BLAS library adds in an order that depends on its number of threads.
@njit(cache=True, nogil=True)
def _combination(rows, beta):
    """Sum of rows[j] * beta[j]."""
    total = np.zeros(rows.shape[1])
    for j in range(len(beta)):
        if beta[j] != 0:
            total += beta[j] * rows[j]
    return total


@njit(cache=True, nogil=True)
def _products(features, vector):
    """Sum of features[j] * vector for every j."""
    total = np.zeros(len(features))
    for j in range(len(features)):
        for i in range(len(vector)):
            total[j] += features[j, i] * vector[i]
    return total


@njit(cache=True, nogil=True, fastmath=True)
def _weighted_gram(features, weight):
    gram = np.empty((len(features), len(features)))
    weighted = np.empty(len(weight))
    for j in range(len(features)):
        for i in range(len(weight)):
            weighted[i] = weight[i] * features[j, i]
        for k in range(j + 1):
            total = 0.0
            for i in range(len(weight)):
                total += weighted[i] * features[k, i]
            gram[j, k] = total
            gram[k, j] = total
    return gram
