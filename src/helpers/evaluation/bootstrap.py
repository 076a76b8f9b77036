"""Bootstrap of AUC, calibration and net benefit: intervals and bands for fixed models.

Patients are drawn with replacement, whatever their outcome: how many have it is chance in new patients too,
and calibration, Brier score and net benefit move with it.
All resamples are computed at once: a resample is a row of weights, how often each patient is in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from helpers.checked_inputs import checked_probabilities
from helpers.evaluation.calibration import calibration_curve, recalibrations
from helpers.evaluation.decision_curves import checked_thresholds

LEVELS = (0.025, 0.975)


@dataclass(frozen=True)
class BootstrapPerformance:
    """Performance in every resample.

    Attributes
    ----------
    auc, slope, intercept, in_the_large, brier : ndarray, shape (resamples,)
        Slope and intercepts are NaN in a resample whose outcomes the predictions separate.
    net_benefit : ndarray, shape (resamples, thresholds)
    """

    auc: NDArray[np.float64]
    slope: NDArray[np.float64]
    intercept: NDArray[np.float64]
    in_the_large: NDArray[np.float64]
    brier: NDArray[np.float64]
    net_benefit: NDArray[np.float64]


def bootstrap_performance(
    y: ArrayLike, p: ArrayLike, weights: NDArray, thresholds: ArrayLike
) -> BootstrapPerformance:
    """AUC, calibration and net benefit of predicted risks in every resample.

    Parameters
    ----------
    y, p
        As for `helpers.evaluation.calibration.calibration_summary`.
    weights : ndarray, shape (resamples, patients)
        As :func:`helpers.learning.draws.resample_weights` gives them.
    thresholds : array_like, shape (thresholds,)
        Of the decision curve.
    """
    outcome, risk = checked_probabilities(y, p)
    limits = checked_thresholds(thresholds)
    gain = np.where(outcome[:, None] == 1, 1.0, -limits / (1 - limits)) * (risk[:, None] >= limits)
    (joint, _), (large, _) = recalibrations(outcome, risk, weights)
    return BootstrapPerformance(
        auc=_areas(outcome, risk, weights),
        slope=joint[:, 1],
        intercept=joint[:, 0],
        in_the_large=large[:, 0],
        brier=weights @ (risk - outcome) ** 2 / outcome.size,
        net_benefit=weights @ gain / outcome.size,
    )


def _areas(outcome: NDArray, risk: NDArray, weights: NDArray) -> NDArray[np.float64]:
    # Shares of diseased and healthy at each distinct risk; a healthy one at the same risk counts one half.
    _, position = np.unique(risk, return_inverse=True)
    order = np.argsort(position, kind="stable")
    starts = np.searchsorted(position[order], np.arange(position.max() + 1))
    diseased, healthy = (
        np.add.reduceat((weights * (outcome == label))[:, order], starts, axis=1) for label in (1, 0)
    )
    below = np.cumsum(healthy, axis=1) - healthy / 2
    return (diseased * below).sum(axis=1) / (diseased.sum(axis=1) * healthy.sum(axis=1))


def performance_intervals(performance: BootstrapPerformance) -> pd.DataFrame:
    """Percentile 95 % intervals: index auc, slope, intercept, in_the_large, brier; columns low, high.

    NaN where a measure exists in no resample: a slope, when the predictions separate the outcomes in all.
    """
    names = ["auc", "slope", "intercept", "in_the_large", "brier"]
    resamples = [getattr(performance, name) for name in names]
    known = [values[~np.isnan(values)] for values in resamples]
    limits = [np.quantile(values, LEVELS) if values.size else [np.nan, np.nan] for values in known]
    return pd.DataFrame(limits, index=pd.Index(names, name="measure"), columns=["low", "high"])


def net_benefit_band(performance: BootstrapPerformance) -> NDArray[np.float64]:
    """Pointwise 95 % band of the decision curve, shape (2, thresholds)."""
    return np.quantile(performance.net_benefit, LEVELS, axis=0)


def calibration_band(y: ArrayLike, p: ArrayLike, weights: NDArray, at: ArrayLike) -> NDArray[np.float64]:
    """Pointwise 95 % band of the smooth calibration curve, shape (2, points).

    NaN at risks that fewer than half of the resamples cover.
    """
    outcome, risk = checked_probabilities(y, p)
    rows = [np.repeat(np.arange(outcome.size), one) for one in weights]
    curves = np.array([calibration_curve(outcome[one], risk[one], at) for one in rows])
    covered = np.isfinite(curves).mean(axis=0) >= 0.5
    band = np.full((2, np.size(at)), np.nan)
    band[:, covered] = np.nanquantile(curves[:, covered], LEVELS, axis=0)
    return np.clip(band, 0, 1)
