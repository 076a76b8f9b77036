"""Cut-offs, the numbers that follow from them, and ROC curves (paper 2.6, Tables 3 and 5).

A patient counts as positive when the score is equal to or above the cut-off.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.metrics import roc_curve
from statsmodels.stats.proportion import proportion_confint

from helpers.checked_inputs import checked_scores

PROPORTIONS = ["sensitivity", "specificity", "accuracy", "ppv", "npv"]


def roc_points(y: ArrayLike, score: ArrayLike) -> pd.DataFrame:
    """Corners of the ROC curve, from "nobody is positive" to "everybody is"; input as for `youden_cutoff`.

    Returns
    -------
    DataFrame
        threshold (observed values; infinity in the first row), sensitivity, specificity.
    """
    false_positive, sensitivity, threshold = roc_curve(*checked_scores(y, score), drop_intermediate=False)
    return pd.DataFrame(
        {"threshold": threshold, "sensitivity": sensitivity, "specificity": 1 - false_positive}
    )


def youden_cutoff(y: ArrayLike, score: ArrayLike) -> float:
    """The observed score with the largest Youden index (sensitivity + specificity - 1).

    Where several scores share the largest index, the lowest is taken: the most sensitive, as befits
    screening.

    Parameters
    ----------
    y, score : array_like, shape (patients,)
        Outcome 0/1 and scores, higher for the diseased.

    Notes
    -----
    R ``OptimalCutpoints`` and ``cutpointr`` give the same value, ``pROC`` the midpoint to the next lower
    score: the classification is the same. Youden, Cancer 1950;3:32.
    """
    outcome, scores = checked_scores(y, score)
    cutoffs, position = np.unique(scores, return_inverse=True)
    # Counts at or above each cut-off; whole numbers, so that ties are seen as ties.
    true_positive = np.bincount(position, outcome)[::-1].cumsum()[::-1]
    false_positive = np.bincount(position, 1 - outcome)[::-1].cumsum()[::-1]
    index = true_positive * (outcome == 0).sum() - false_positive * outcome.sum()
    return float(cutoffs[np.argmax(index)])


@dataclass(frozen=True)
class Confusion:
    """The four counts of a two-by-two table, and the measures that are no plain proportion."""

    tp: int
    fp: int
    tn: int
    fn: int

    @property
    def balanced_accuracy(self) -> float:
        """Mean of sensitivity and specificity."""
        return (self.tp / (self.tp + self.fn) + self.tn / (self.tn + self.fp)) / 2


def confusion_counts(y: ArrayLike, score: ArrayLike, cutoff: float) -> Confusion:
    """Count true and false positives and negatives at ``score >= cutoff``."""
    outcome, scores = checked_scores(y, score)
    positive, diseased = scores >= cutoff, outcome == 1
    return Confusion(
        tp=int((positive & diseased).sum()),
        fp=int((positive & ~diseased).sum()),
        tn=int((~positive & ~diseased).sum()),
        fn=int((~positive & diseased).sum()),
    )


def confusion_metrics(y: ArrayLike, score: ArrayLike, cutoff: float, level: float = 0.95) -> pd.DataFrame:
    """Sensitivity, specificity, accuracy, PPV and NPV with Wilson's and exact intervals.

    Parameters
    ----------
    y, score : array_like, shape (patients,)
        Outcome 0/1 and scores.
    cutoff : float
        Positive at or above it.
    level : float
        Confidence level.

    Returns
    -------
    DataFrame
        Indexed by metric: x and n (counts), estimate, wilson_low, wilson_high, exact_low, exact_high
        (Clopper-Pearson). Where n is 0 (PPV when nobody is positive) all five are NaN.

    Notes
    -----
    Equals R ``prop.test(correct = FALSE)`` and ``binom.test``.
    """
    c = confusion_counts(y, score, cutoff)
    counts = {
        "sensitivity": (c.tp, c.tp + c.fn),
        "specificity": (c.tn, c.tn + c.fp),
        "accuracy": (c.tp + c.tn, c.tp + c.fp + c.tn + c.fn),
        "ppv": (c.tp, c.tp + c.fp),
        "npv": (c.tn, c.tn + c.fn),
    }
    rows = {metric: proportion(x, n, level) for metric, (x, n) in counts.items()}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("metric")


def proportion(x: int, n: int, level: float = 0.95) -> dict[str, float]:
    """A proportion with Wilson's and Clopper-Pearson's intervals; NaN when ``n`` is 0."""
    names = ["estimate", "wilson_low", "wilson_high", "exact_low", "exact_high"]
    if n == 0:
        return {"x": x, "n": n} | dict.fromkeys(names, float("nan"))
    wilson = proportion_confint(x, n, alpha=1 - level, method="wilson")
    exact = proportion_confint(x, n, alpha=1 - level, method="beta")
    return {"x": x, "n": n} | dict(zip(names, map(float, (x / n, *wilson, *exact)), strict=True))
