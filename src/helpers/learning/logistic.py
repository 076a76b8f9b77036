"""Logistic regression as the clinical model, the nomogram and the calibration need it.

Coefficients are named as in R rms: ``Intercept``, ``age``, ``sex=male``. Rules:

- Text predictors: one column a level beside the reference. Sex has the reference female; an ordered or plain
  pandas Categorical its first category; other text its most frequent level.
- Separation, or fewer than 10 patients in the smaller outcome class: Firth's penalised likelihood instead of
  maximum likelihood, whose estimates are infinite or badly biased then; `LogisticModel.method` says so.
- A column that is the same for everyone in the training data gets the coefficient 0.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from firthmodels import FirthLogisticRegression, detect_separation
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from helpers.checked_inputs import checked_outcome
from helpers.errors import StudyError
from helpers.study.contracts import SEXES

MAXIMUM_LIKELIHOOD = "maximum likelihood"
FIRTH_SEPARATED = "Firth (separated)"
FIRTH_FEW = "Firth (fewer than 10 events)"
FEW_EVENTS = 10
HOPELESS = 1e100  # a coefficient that no fit which converges comes near


def levels_of(data: pd.DataFrame, predictors: list[str]) -> dict[str, list[str]]:
    """Levels of each text predictor, the reference first."""
    found = {}
    for name in predictors:
        column = data[name]
        if isinstance(column.dtype, pd.CategoricalDtype):
            found[name] = [str(level) for level in column.cat.categories]
        elif not pd.api.types.is_numeric_dtype(column):
            counts = column.value_counts().sort_index().sort_values(ascending=False, kind="stable")
            ordered = counts.index
            found[name] = SEXES if set(ordered) <= set(SEXES) else [str(level) for level in ordered]
    return found


def varying_predictors(training: pd.DataFrame, predictors: list[str]) -> list[str]:
    """Those that are not the same for everyone in the training data: the others can tell nothing."""
    return [name for name in predictors if training[name].nunique(dropna=False) > 1]


def constant_in_words(training: pd.DataFrame, predictors: list[str]) -> str:
    """Which predictors the models do without, and why; "" when there are none such."""
    constant = [name for name in predictors if name not in varying_predictors(training, predictors)]
    if not constant:
        return ""
    return f"The same for all training patients, and therefore in no model: {', '.join(constant)}."


def encode(data: pd.DataFrame, predictors: list[str], levels: Mapping[str, list[str]]) -> pd.DataFrame:
    """Predictors as numbers, shape (patients, coefficients without the intercept).

    ``levels`` of the text predictors are those that `levels_of` gives for the training data.

    Raises
    ------
    StudyError
        When a predictor is absent, has missing or infinite values, or an unknown level.
    """
    columns = {}
    for name in predictors:
        if name not in data:
            raise StudyError(f"The predictor '{name}' is not in the table: add the column or leave it out.")
        column = data[name]
        if column.isna().any():
            raise StudyError(
                f"The predictor '{name}' is missing in {column.isna().sum()} patient(s): complete the "
                "table or leave these patients out."
            )
        if name in levels:
            text = column.astype(str)
            unknown = sorted(set(text) - set(levels[name]))
            if unknown:
                rows = text == unknown[0]
                sites = f" of {', '.join(sorted(set(data.loc[rows, 'site'])))}" if "site" in data else ""
                raise StudyError(
                    f"The predictor '{name}' has the unknown level '{unknown[0]}' in {rows.sum()} "
                    f"patient(s){sites}; the model knows {', '.join(levels[name])}. Write one of these in "
                    "the table, or leave the patient(s) out under exclusion."
                )
            columns |= {f"{name}={level}": (text == level).astype(float) for level in levels[name][1:]}
        else:
            columns[name] = column.astype(float)
            if not np.isfinite(columns[name]).all():
                raise StudyError(f"The predictor '{name}' has an infinite value: mend the table.")
    return pd.DataFrame(columns, index=data.index)


def predictors_of(coefficients: Mapping[str, float]) -> list[str]:
    """Names of the predictors behind coefficients such as ``age`` and ``sex=male``, in their order."""
    return list(dict.fromkeys(name.split("=")[0] for name in coefficients if name != "Intercept"))


@dataclass(frozen=True)
class LogisticModel:
    """A fitted logistic regression: log odds of the outcome = Intercept + sum of coefficient x value."""

    coefficients: dict[str, float]
    levels: dict[str, list[str]]
    method: str

    @property
    def predictors(self) -> list[str]:
        """Names of the predictors, in the order of the coefficients."""
        return predictors_of(self.coefficients)

    def linear_predictor(self, data: pd.DataFrame) -> NDArray[np.float64]:
        """Log odds, shape (patients,)."""
        columns = encode(data, self.predictors, self.levels)
        slopes = np.array([self.coefficients[name] for name in columns])
        return self.coefficients["Intercept"] + columns.to_numpy() @ slopes

    def probability(self, data: pd.DataFrame) -> NDArray[np.float64]:
        """Predicted risk, shape (patients,)."""
        return expit(self.linear_predictor(data))

    def formula(self) -> str:
        """The log odds written out, for example ``-7.1 + 0.098 x age - 1.2 x [sex = male]``."""
        text = f"{self.coefficients['Intercept']:.4g}"
        for name, value in self.coefficients.items():
            if name != "Intercept":
                shown = f"[{name.replace('=', ' = ')}]" if "=" in name else name
                text += f" {'-' if value < 0 else '+'} {abs(value):.4g} × {shown}"
        return text

    def to_dict(self) -> dict:
        """Everything needed to score a patient, ready for JSON."""
        return asdict(self)


def fit_logistic(data: pd.DataFrame, outcome: str, predictors: list[str]) -> LogisticModel:
    """Fit by maximum likelihood, or by Firth's method under the rules of this module.

    Parameters
    ----------
    data : DataFrame
        One row a patient.
    outcome : str
        Column of the outcome, 0/1.
    predictors : list of str
        Columns of numbers or text.

    Raises
    ------
    StudyError
        For one class only, missing values, or predictors that carry the same information.

    Notes
    -----
    Equals R ``glm(family = binomial)`` fitted to full convergence, or ``brglm2::brglmFit``.
    """
    levels = levels_of(data, predictors)
    columns = encode(data, predictors, levels)
    fit = fit_columns(columns, checked_outcome(data[outcome]))
    fitted = dict(zip(fit.names, map(float, fit.coefficients), strict=True))
    coefficients = {"Intercept": fit.intercept} | dict.fromkeys(columns, 0.0) | fitted
    return LogisticModel(coefficients, levels, fit.method)


@dataclass(frozen=True)
class ColumnsFit:
    """A regression on numeric columns, with what the library needs to profile its likelihood.

    ``names`` are the columns that vary, in the order of ``coefficients`` and ``se``: estimates, and standard
    errors from the Fisher information at the estimate (as R glm and logistf).
    """

    names: list[str]
    intercept: float
    coefficients: NDArray[np.float64]
    se: NDArray[np.float64]
    method: str
    solver: FirthLogisticRegression
    scale: NDArray[np.float64]

    def profile_limits(self) -> NDArray[np.float64]:
        """95 % limits of the coefficients by (penalised) profile likelihood, shape (columns, 2).

        A limit that does not exist, because the likelihood stays flat, is NaN.
        """
        limits = np.full((len(self.names), 2), np.nan)
        for position in range(len(self.names)):
            with warnings.catch_warnings(), suppress(np.linalg.LinAlgError):
                warnings.simplefilter("ignore")
                found = self.solver.conf_int(method="pl", features=[position], tol=1e-9, max_iter=200)
                limits[position] = found[position]
        return limits / self.scale[:, None]

    def likelihood_ratio_p(self) -> NDArray[np.float64]:
        """P values of (penalised) likelihood ratio tests that each coefficient is 0, shape (columns,)."""
        return self.solver.lrt().lrt_pvalues_[: len(self.names)]


def fit_columns(columns: pd.DataFrame, y: NDArray) -> ColumnsFit:
    """Fit the columns that vary, by the rules of this module.

    Raises
    ------
    StudyError
        When no column varies, or the columns are linearly dependent.
    """
    varying = columns.loc[:, columns.nunique() > 1]
    if varying.shape[1] == 0:
        raise StudyError("No predictor varies among the training patients: there is nothing to fit.")
    # Standardised columns: the solver's steps and tolerances then mean the same for years and for scores.
    mean, scale = varying.mean().to_numpy(), varying.std().to_numpy()
    standardised = (varying - mean) / scale
    design = np.column_stack([np.ones(len(standardised)), standardised])
    if np.linalg.matrix_rank(design) <= varying.shape[1]:
        raise StudyError(
            f"The predictors {', '.join(varying)} carry the same information (one follows from the others), "
            "or there are more of them than patients: leave some out."
        )
    method = _method(standardised, y)
    penalty = 0.0 if method == MAXIMUM_LIKELIHOOD else 0.5
    # 1e-6 leaves errors near 1e-9; much tighter, the step halving meets rounding noise and gives up.
    solver = FirthLogisticRegression(
        backend="numpy", penalty_weight=penalty, gtol=1e-6, xtol=1e-6, max_iter=500
    ).fit(standardised, y)
    # Under Firth's penalty the library's own standard errors are those of the augmented data: not these.
    risk = expit(design @ np.r_[solver.intercept_, solver.coef_])
    covariance = np.linalg.inv((design * (risk * (1 - risk))[:, None]).T @ design)
    se = np.sqrt(np.diag(covariance))[1:] / scale
    coefficients = solver.coef_ / scale
    intercept = float(solver.intercept_ - coefficients @ mean)
    return ColumnsFit(list(varying), intercept, coefficients, se, method, solver, scale)


def _method(columns: pd.DataFrame, y: NDArray) -> str:
    if detect_separation(columns, y).separation:
        return FIRTH_SEPARATED
    return FIRTH_FEW if min(y.sum(), (1 - y).sum()) < FEW_EVENTS else MAXIMUM_LIKELIHOOD


def maximum_likelihood(
    design: NDArray, y: ArrayLike, weights: ArrayLike | None = None, offset: ArrayLike = 0.0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Many small logistic regressions at once, by Newton's method to full convergence.

    Parameters
    ----------
    design : ndarray, shape (patients, coefficients) or (fits, patients, coefficients)
        Regressors, the column of ones included.
    y : array_like, shape (patients,)
        Outcome, 0/1.
    weights : array_like, shape (fits, patients), optional
        How often each patient counts in each fit (a bootstrap resample, for example); once when not given.
    offset : array_like, shape (patients,) or (fits, patients)
        Added to the log odds with coefficient 1.

    Returns
    -------
    coefficients : ndarray, shape (fits, coefficients)
        NaN where the fit does not converge (separated, or one class only).
    covariance : ndarray, shape (fits, coefficients, coefficients)

    Notes
    -----
    Equals R ``glm(family = binomial, epsilon = 1e-14)``.
    """
    y = np.asarray(y, dtype=float)
    weights = np.ones((1, y.size)) if weights is None else np.asarray(weights, dtype=float)
    fits, size = max(weights.shape[0], design.shape[0] if design.ndim == 3 else 1), design.shape[-1]
    coefficients, converged = np.zeros((fits, size)), np.zeros(fits, dtype=bool)
    for _ in range(50):
        mean = expit((design @ coefficients[:, :, None])[..., 0] + offset)
        spread = weights * mean * (1 - mean)
        information = np.swapaxes(design * spread[:, :, None], 1, 2) @ design
        gradient = ((weights * (y - mean))[:, None, :] @ design)[:, 0]
        step = _solve(information, gradient)
        step[converged] = 0
        coefficients += step
        # A separated fit grows without end: it is given up before its products overflow.
        coefficients[np.abs(coefficients).max(axis=1) > HOPELESS] = np.nan
        converged |= np.abs(step).max(axis=1) <= 1e-10 * (1 + np.abs(coefficients).max(axis=1))
        if (converged | np.isnan(coefficients).any(axis=1)).all():
            break
    coefficients[~converged] = np.nan
    covariance = np.full_like(information, np.nan)
    covariance[converged] = np.linalg.inv(information[converged])
    return coefficients, covariance


def _solve(information: NDArray, gradient: NDArray) -> NDArray[np.float64]:
    # One singular matrix would stop the whole stack. Scaled to a unit diagonal, its determinant is near 0.
    with np.errstate(all="ignore"):
        scale = np.sqrt(np.einsum("fii->fi", information))
        scaled = information / (scale[:, :, None] * scale[:, None, :])
        regular = np.isfinite(scaled).all(axis=(1, 2))
        regular[regular] &= np.linalg.det(scaled[regular]) > 1e-15
    step = np.full_like(gradient, np.nan)
    step[regular] = np.linalg.solve(information[regular], gradient[regular][..., None])[..., 0]
    return step
