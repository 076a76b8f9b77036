"""Does acting on the model do more good than treating all or none? Decision curves (paper 2.6, Figure 8).

A patient is treated when the predicted risk is equal to or above the threshold. Thresholds are rounded to
10 digits: ``np.arange(0, 1, 0.01)[57]`` is a little above 0.57 and would leave a patient at 0.57 untreated.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit
from scipy.stats import norm

from helpers.checked_inputs import checked_probabilities
from helpers.errors import StudyError
from helpers.evaluation.predictions import present_cohorts, probabilities_wide

TREAT_ALL, TREAT_NONE = "treat all", "treat none"


def net_benefit(y: ArrayLike, p: ArrayLike, thresholds: ArrayLike) -> NDArray[np.float64]:
    """Net benefit of treating patients whose predicted risk reaches each threshold.

    Parameters
    ----------
    y, p : array_like, shape (patients,)
        Outcome 0/1 and predicted risks.
    thresholds : array_like, shape (thresholds,)
        Risks from 0 to below 1.

    Returns
    -------
    ndarray, shape (thresholds,)
        True positives a patient, less false positives a patient weighted with threshold / (1 - threshold).

    Raises
    ------
    StudyError
        For missing values, one class only, risks outside 0 and 1, or a threshold outside 0 to below 1.

    Notes
    -----
    Equals R ``dcurves::dca``. :doi:`10.1177/0272989X06295361`.
    """
    outcome, risk = checked_probabilities(y, p)
    limits = checked_thresholds(thresholds)
    treated = risk >= limits[:, None]
    true_positive = (treated & (outcome == 1)).sum(axis=1)
    false_positive = (treated & (outcome == 0)).sum(axis=1)
    return (true_positive - false_positive * limits / (1 - limits)) / outcome.size


def treat_all(y: ArrayLike, thresholds: ArrayLike) -> NDArray[np.float64]:
    """Net benefit of treating everybody, shape (thresholds,)."""
    return net_benefit(y, np.ones(np.size(y)), thresholds)


def benefit_difference(
    y: ArrayLike, first: ArrayLike, second: ArrayLike, threshold: float
) -> dict[str, float]:
    """Net benefit of acting on one score less that of acting on another, on the same patients.

    Each patient adds 1 (with the outcome) or -threshold / (1 - threshold) (without) to the benefit of whoever
    treats them. The difference is the mean of what each adds to the one less what they add to the other, and
    its interval that of a mean.

    Parameters
    ----------
    y, first, second : array_like, shape (patients,)
        Outcome 0/1 and predicted risks; ones stand for treating all, zeros for treating none.
    threshold : float
        From 0 to below 1.

    Returns
    -------
    dict
        difference (a patient), ci_low and ci_high (normal, 95 %), both the difference itself where the two
        treat the same patients.
    """
    outcome, risk = checked_probabilities(y, first)
    _, other = checked_probabilities(y, second)
    (limit,) = checked_thresholds(threshold)
    worth = np.where(outcome == 1, 1.0, -limit / (1 - limit))
    added = worth * ((risk >= limit).astype(int) - (other >= limit))
    half = norm.ppf(0.975) * added.std(ddof=1) / np.sqrt(added.size)
    difference = added.mean()
    return {"difference": difference, "ci_low": difference - half, "ci_high": difference + half}


def benefit_at_prevalence(y: ArrayLike, p: ArrayLike, thresholds: ArrayLike, prevalence: float) -> NDArray:
    """Net benefit at another prevalence, where patients with and without the outcome are as they are here.

    Parameters
    ----------
    y, p, thresholds
        As for `net_benefit`. The risks are taken as they are: see `moved_risks`.
    prevalence : float
        Between 0 and 1.

    Returns
    -------
    ndarray, shape (thresholds,)
        Sensitivity times prevalence, less the share of false positives times 1 - prevalence, weighted.
    """
    outcome, risk = checked_probabilities(y, p)
    limits = checked_thresholds(thresholds)
    treated = risk >= limits[:, None]
    sensitivity, false_positive = (treated[:, outcome == flag].mean(axis=1) for flag in (1, 0))
    return sensitivity * prevalence - false_positive * (1 - prevalence) * limits / (1 - limits)


def moved_risks(p: ArrayLike, here: float, there: float) -> NDArray[np.float64]:
    """Risks that were right at one prevalence, for another (Bayes): the prior odds change, nothing else."""
    with np.errstate(divide="ignore"):
        return expit(logit(np.asarray(p, float)) + logit(there) - logit(here))


def checked_thresholds(thresholds: ArrayLike) -> NDArray[np.float64]:
    """Thresholds rounded to 10 digits; a StudyError for one outside 0 to below 1."""
    limits = np.round(np.atleast_1d(np.asarray(thresholds, dtype=float)), 10)
    if not ((limits >= 0) & (limits < 1)).all():
        raise StudyError(
            "Thresholds of a decision curve must be risks from 0 to below 1, for example 0.01 to 0.99."
        )
    return limits


def decision_curves(predictions: pd.DataFrame, models: list[str], thresholds: ArrayLike) -> pd.DataFrame:
    """Net benefit of each model, of treating all and of treating none, in each set.

    Parameters
    ----------
    predictions : DataFrame
        The ``predictions`` artifact.
    models : list of str
        Models to compare.
    thresholds
        As for `net_benefit`.

    Returns
    -------
    DataFrame
        cohort, strategy, threshold, net_benefit, avoided_per_100 (treatments of healthy patients avoided in
        100 patients, compared with treating all, at no loss of true positives; not finite at threshold 0).
    """
    limits = checked_thresholds(thresholds)
    parts = []
    for cohort in present_cohorts(predictions):
        wide = probabilities_wide(predictions, cohort, models)
        y = wide["outcome"]
        everybody = treat_all(y, limits)
        benefits = {model: net_benefit(y, wide[model], limits) for model in models}
        benefits |= {TREAT_ALL: everybody, TREAT_NONE: np.zeros_like(limits)}
        for strategy, benefit in benefits.items():
            with np.errstate(divide="ignore", invalid="ignore"):
                avoided = 100 * (benefit - everybody) / (limits / (1 - limits))
            part = {"cohort": cohort, "strategy": strategy, "threshold": limits, "net_benefit": benefit}
            parts.append(pd.DataFrame(part | {"avoided_per_100": avoided}))
    return pd.concat(parts, ignore_index=True)


def best_ranges(curves: pd.DataFrame, strategy: str) -> pd.DataFrame:
    """Runs of thresholds at which ``strategy`` has the highest net benefit of all, ties not counted.

    ``curves`` are those of `decision_curves`.

    Returns
    -------
    DataFrame
        cohort, low, high (first and last threshold of the run), thresholds (how many), longest (whether it is
        the set's longest run). No row for a set in which the strategy is nowhere the best.
    """
    rows = []
    for cohort in present_cohorts(curves):
        part = curves[curves["cohort"] == cohort]
        wide = part.pivot(index="threshold", columns="strategy", values="net_benefit")
        best = (wide[strategy] > wide.drop(columns=strategy).max(axis=1) + 1e-12).to_numpy()
        # A run starts where the flag differs from the one before.
        run = np.cumsum(np.diff(best, prepend=False))
        for _, members in wide.index.to_series()[best].groupby(run[best]):
            rows.append([cohort, members.iloc[0], members.iloc[-1], len(members)])
    ranges = pd.DataFrame(rows, columns=["cohort", "low", "high", "thresholds"])
    # The first one where two are equally long.
    longest = ranges.sort_values("thresholds", ascending=False, kind="stable").drop_duplicates("cohort")
    return ranges.assign(longest=ranges.index.isin(longest.index))
