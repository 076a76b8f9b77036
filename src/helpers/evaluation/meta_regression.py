"""Do estimates of several hospitals differ with what the hospitals are? Random-effects meta-regression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t

from helpers.errors import StudyError
from helpers.evaluation.meta_analysis import restricted_maximum_likelihood

FEWEST = 10  # hospitals a regressor (Cochrane Handbook, 10.11.4)


@dataclass(frozen=True)
class MetaRegression:
    """Intercept and slopes, shape (coefficients,), with what is left between hospitals.

    Attributes
    ----------
    coefficients, se, p_values, half_width : ndarray
        Hartung and Knapp's standard errors; P and half of the 95 % interval by t of (hospitals -
        coefficients) degrees of freedom.
    tau2 : float
        Variance between hospitals that the regressors leave (REML).
    """

    coefficients: NDArray[np.float64]
    se: NDArray[np.float64]
    p_values: NDArray[np.float64]
    half_width: NDArray[np.float64]
    tau2: float


def meta_regression(
    effects: ArrayLike, variances: ArrayLike, regressors: ArrayLike, hartung_knapp: bool = True
) -> MetaRegression:
    """Regress the hospitals' estimates on something that is known of each hospital.

    Parameters
    ----------
    effects, variances : array_like, shape (hospitals,)
    regressors : array_like, shape (hospitals, regressors)
        Without the column of ones.
    hartung_knapp : bool
        False: standard errors of the normal distribution's model, as metafor's default.

    Raises
    ------
    StudyError
        For fewer than `FEWEST` hospitals a regressor, or one that is the same everywhere.

    Notes
    -----
    Equals R ``metafor::rma(yi, vi, mods, method = "REML", test = "knha")``. :doi:`10.1002/sim.1482`.
    """
    y, v = np.asarray(effects, float), np.asarray(variances, float)
    columns = np.asarray(regressors, float).reshape(len(y), -1)
    if len(y) < FEWEST * columns.shape[1]:
        raise StudyError(
            f"{len(y)} hospitals are too few for a meta-regression: it needs {FEWEST} for each property."
        )
    design = np.column_stack([np.ones(len(y)), columns])
    if np.linalg.matrix_rank(design) < design.shape[1]:
        raise StudyError("A property that is the same in every hospital explains no difference.")
    tau2 = restricted_maximum_likelihood(y, v, design)
    weights = 1 / (v + tau2)
    covariance = np.linalg.inv(design.T @ (weights[:, None] * design))
    coefficients = covariance @ design.T @ (weights * y)
    df = len(y) - design.shape[1]
    left = float(weights @ (y - design @ coefficients) ** 2 / df) if hartung_knapp else 1.0
    se = np.sqrt(left * np.diag(covariance))
    spread = t(df if hartung_knapp else np.inf)
    p_values = 2 * spread.sf(np.abs(coefficients / se))
    return MetaRegression(coefficients, se, p_values, spread.ppf(0.975) * se, tau2)
