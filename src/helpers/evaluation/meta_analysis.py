"""One estimate of several hospitals: random-effects summary with its prediction interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.stats import chi2, norm, t
from statsmodels.stats.meta_analysis import combine_effects

from helpers.errors import StudyError

FEWEST = 3  # hospitals: with two, t has one degree of freedom and the interval says nothing
Method = Literal["REML", "PM", "DL"]


@dataclass(frozen=True)
class RandomEffects:
    """Mean of the hospitals' true values, and how much these differ.

    Attributes
    ----------
    mean, se, ci_low, ci_high : float
        With the 95 % interval of the mean.
    pi_low, pi_high : float
        95 % prediction interval: where the true value of one more such hospital lies.
    tau2 : float
        Variance of the true values between hospitals.
    i2 : float
        Share of the variance that is between hospitals, in percent (Higgins and Thompson's typical variance).
    q, q_p : float
        Cochran's Q and its P value.
    weights : ndarray, shape (hospitals,)
        In percent.
    """

    mean: float
    se: float
    ci_low: float
    ci_high: float
    pi_low: float
    pi_high: float
    tau2: float
    i2: float
    q: float
    q_p: float
    weights: NDArray[np.float64]


def random_effects(
    effects: ArrayLike, variances: ArrayLike, method: Method = "REML", hartung_knapp: bool = True
) -> RandomEffects:
    """Summarise estimates of several hospitals by a random-effects model.

    Parameters
    ----------
    effects, variances : array_like, shape (hospitals,)
        Each hospital's estimate, on a scale on which it is about normal, and its squared standard error.
    method : {"REML", "PM", "DL"}
        How the variance between hospitals is estimated: restricted maximum likelihood, Paule and Mandel,
        DerSimonian and Laird.
    hartung_knapp : bool
        Hartung and Knapp's standard error, with t of (hospitals - 1) degrees of freedom for both intervals;
        otherwise the normal distribution.

    Raises
    ------
    StudyError
        For fewer than `FEWEST` hospitals, or a variance that is not positive.

    Notes
    -----
    Equals R ``metafor::rma(yi, vi, method, test = "knha")`` with ``predict.rma``. statsmodels gives Q,
    weights, mean, both standard errors and Paule and Mandel's variance. Ours are REML, which it does not
    have; the limit of DerSimonian and Laird's variance at 0, below which statsmodels goes; the I2 of the
    variance found (statsmodels' is that of Q); and the prediction interval. :doi:`10.1002/sim.1482`,
    :doi:`10.1002/bimj.200710319`.
    """
    y, v = np.asarray(effects, float), np.asarray(variances, float)
    if len(y) < FEWEST:
        raise StudyError(f"A summary of {len(y)} hospital(s) says nothing: it needs at least {FEWEST}.")
    if not (np.isfinite(y).all() and np.isfinite(v).all() and (v > 0).all()):
        raise StudyError("A summary needs each hospital's estimate with a variance above 0.")
    return _summary(y, v, _between(y, v, method), hartung_knapp)


def _summary(y: NDArray, v: NDArray, tau2: float, hartung_knapp: bool) -> RandomEffects:
    # The variance found is added to each hospital's own: statsmodels' fixed effects are then the random ones.
    within, around = combine_effects(y, v, "pm"), combine_effects(y, v + tau2, "pm")
    mean, df = float(around.mean_effect_fe), len(y) - 1
    se = float(np.sqrt(around.var_hksj_fe) if hartung_knapp else around.sd_eff_w_fe)
    factor = float(t.ppf(0.975, df) if hartung_knapp else norm.ppf(0.975))
    spread = np.sqrt(tau2 + se**2)
    typical = df / (within.w_total_fe - (within.weights_fe**2).sum() / within.w_total_fe)
    return RandomEffects(
        mean=mean,
        se=se,
        ci_low=mean - factor * se,
        ci_high=mean + factor * se,
        pi_low=mean - factor * spread,
        pi_high=mean + factor * spread,
        tau2=tau2,
        i2=float(100 * tau2 / (tau2 + typical)),
        q=float(within.q),
        q_p=float(chi2.sf(within.q, df)),
        weights=100 * around.weights_rel_fe,
    )


def _between(y: NDArray, v: NDArray, method: Method) -> float:
    if method == "REML":
        return restricted_maximum_likelihood(y, v, np.ones((len(y), 1)))
    options = {"atol": 1e-13, "maxiter": 1000} if method == "PM" else {}
    with np.errstate(invalid="ignore"):  # roots of DerSimonian and Laird's negative variance
        return max(float(combine_effects(y, v, method.lower(), **options).tau2), 0.0)


def restricted_maximum_likelihood(y: NDArray, v: NDArray, design: NDArray) -> float:
    """Variance between hospitals at which the restricted likelihood is largest.

    The best of a grid is taken, then the root of the likelihood's slope beside it.

    Parameters
    ----------
    y, v : ndarray, shape (hospitals,)
        Estimates and their variances.
    design : ndarray, shape (hospitals, coefficients)
        With the column of ones.
    """
    scale = np.ptp(y) ** 2 + v.mean()
    grid = np.concatenate([[0.0], scale * np.geomspace(1e-8, 10, 200)])
    best = int(np.argmax([_likelihood(tau2, y, v, design) for tau2 in grid]))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    if _score(low, y, v, design) <= 0:  # it falls from 0 on
        return float(low)
    return float(brentq(_score, low, high, args=(y, v, design), xtol=1e-14 * scale, rtol=1e-12))


def _weighted(
    tau2: float, y: NDArray, v: NDArray, design: NDArray
) -> tuple[NDArray, NDArray, NDArray[np.float64]]:
    """Weights, distances from the weighted fit, and the fit's information."""
    w = 1 / (v + tau2)
    information = design.T @ (w[:, None] * design)
    return w, y - design @ np.linalg.solve(information, design.T @ (w * y)), information


def _likelihood(tau2: float, y: NDArray, v: NDArray, design: NDArray) -> float:
    w, distance, information = _weighted(tau2, y, v, design)
    return 0.5 * (np.log(w).sum() - np.linalg.slogdet(information)[1] - w @ distance**2)


def _score(tau2: float, y: NDArray, v: NDArray, design: NDArray) -> float:
    w, distance, information = _weighted(tau2, y, v, design)
    fitted = np.linalg.solve(information, design.T @ (w[:, None] ** 2 * design))
    return w**2 @ distance**2 - w.sum() + np.trace(fitted)
