"""Areas under ROC curves and their comparison by DeLong's method (paper 2.6 and 3.4).

Equal to R pROC with ``direction = "<"``: a higher score always speaks for the disease, ties count one half,
the variances of the placement values have n - 1 below, the confidence interval is Wald's, cut off at 0 and 1.

Rules where the method gives no answer:

- AUC of 0 or 1, or a score that is the same for everyone: variance 0, the interval shrinks to a point
  (as in pROC); ``str()`` of the estimate says that there is none.
- Two scores that order the patients alike, or two perfect ones: difference 0, Z = 0, P = 1.
- A difference that is not 0 with variance 0 (perfect against constant): Z and P are NaN.
- One patient only in a class: variance, interval, Z and P are NaN.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm, rankdata
from statsmodels.stats.multitest import multipletests

from helpers.checked_inputs import checked_scores
from helpers.evaluation.predictions import present_cohorts, probabilities_wide
from helpers.study.number_texts import estimate_text


@dataclass(frozen=True)
class AucEstimate:
    """An area under the ROC curve with DeLong's variance and Wald interval."""

    auc: float
    variance: float
    ci_low: float
    ci_high: float

    def __str__(self) -> str:
        return estimate_text(self.auc, self.ci_low, self.ci_high, ".3f")


@dataclass(frozen=True)
class AucComparison:
    """The difference of two AUCs measured on the same patients, with DeLong's test of no difference."""

    difference: float
    se: float
    ci_low: float
    ci_high: float
    z: float
    p_value: float


def delong_auc(y: ArrayLike, score: ArrayLike, level: float = 0.95) -> AucEstimate:
    """AUC with DeLong's variance and confidence interval.

    Parameters
    ----------
    y : array_like, shape (patients,)
        Outcome, 0 or 1.
    score : array_like, shape (patients,)
        Any score of which higher values speak for outcome 1.
    level : float
        Confidence level.

    Raises
    ------
    StudyError
        For missing values, an outcome other than 0/1, or one class only.

    Notes
    -----
    Equals R ``pROC::ci.auc(method = "delong")``. :doi:`10.2307/2531595`, :doi:`10.1109/LSP.2014.2337313`.
    """
    outcome, scores = checked_scores(y, score)
    positives, negatives = placement_values(outcome, scores[None])
    variance = float(_variance(positives, negatives)[0])
    auc = float(positives.mean())
    half = norm.ppf(0.5 + level / 2) * np.sqrt(variance)
    return AucEstimate(auc, variance, float(max(auc - half, 0.0)), float(min(auc + half, 1.0)))


def delong_test(y: ArrayLike, score_a: ArrayLike, score_b: ArrayLike, level: float = 0.95) -> AucComparison:
    """Test whether two scores of the same patients have the same AUC.

    The difference is ``auc_a - auc_b``; parameters and errors as for `delong_auc`.

    Notes
    -----
    Equals R ``pROC::roc.test(method = "delong", paired = TRUE)``. :doi:`10.2307/2531595`.
    """
    outcome, first = checked_scores(y, score_a)
    _, second = checked_scores(y, score_b)
    positives, negatives = placement_values(outcome, np.vstack([first, second]))
    # Variance of the paired differences: exactly 0 when both scores order the patients alike.
    se = float(np.sqrt(_variance(np.diff(positives[::-1], axis=0), np.diff(negatives[::-1], axis=0))[0]))
    difference = float(positives[0].mean() - positives[1].mean())
    half = norm.ppf(0.5 + level / 2) * se
    z = _z(difference, se)
    p_value = float(2 * norm.sf(abs(z)))
    return AucComparison(difference, se, difference - half, difference + half, z, p_value)


def auc_covariance(y: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """AUCs of several scores of the same patients, and their covariance matrix.

    Parameters
    ----------
    y : array_like, shape (patients,)
        Outcome, 0 or 1.
    scores : array_like, shape (models, patients)

    Returns
    -------
    aucs : ndarray, shape (models,)
    covariance : ndarray, shape (models, models)
        NaN with one patient only in a class.

    Raises
    ------
    StudyError
        As `delong_auc`.

    Notes
    -----
    Equals R ``pROC::var`` and ``pROC::cov`` with ``method = "delong"``. :doi:`10.2307/2531595`.
    """
    checked = [checked_scores(y, score) for score in scores]
    parts = placement_values(checked[0][0], np.vstack([score for _, score in checked]))
    aucs, models = parts[0].mean(axis=1), len(checked)
    if min(part.shape[1] for part in parts) < 2:
        return aucs, np.full((models, models), np.nan)
    return aucs, sum(np.cov(part).reshape(models, models) / part.shape[1] for part in parts)


def _z(difference: float, se: float) -> float:
    # Two perfect scores leave rounding noise of 1e-16 where the difference is 0.
    if abs(difference) < 1e-14 and not np.isnan(se):
        return 0.0
    return difference / se if se > 0 else float("nan")


def placement_values(outcome: NDArray, scores: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Share of the other class that each patient is ordered rightly against (ties one half), by mid-ranks.

    Parameters
    ----------
    outcome : ndarray, shape (patients,)
        0 or 1, both present.
    scores : ndarray, shape (models, patients)

    Returns
    -------
    positives : ndarray, shape (models, patients with outcome 1)
        Its mean over patients is the AUC.
    negatives : ndarray, shape (models, patients with outcome 0)
    """
    diseased, ranks = outcome == 1, rankdata(scores, axis=1)
    positives = (ranks[:, diseased] - rankdata(scores[:, diseased], axis=1)) / (~diseased).sum()
    negatives = 1 - (ranks[:, ~diseased] - rankdata(scores[:, ~diseased], axis=1)) / diseased.sum()
    return positives, negatives


def _variance(positives: NDArray, negatives: NDArray) -> NDArray[np.float64]:
    if min(positives.shape[1], negatives.shape[1]) < 2:
        return np.full(positives.shape[0], np.nan)
    return sum(part.var(axis=1, ddof=1) / part.shape[1] for part in (positives, negatives))


def pairwise_tests(predictions: pd.DataFrame, models: list[str]) -> pd.DataFrame:
    """DeLong tests of every pair of models in every set.

    Parameters
    ----------
    predictions : DataFrame
        The ``predictions`` artifact.
    models : list of str
        Compared in this order: the difference is first minus second.

    Returns
    -------
    DataFrame
        cohort, first, second, auc_first, auc_second, difference, ci_low, ci_high, z, p_value, p_holm (Holm's
        correction over the pairs of one set).
    """
    rows = []
    for cohort in present_cohorts(predictions):
        wide = probabilities_wide(predictions, cohort, models)
        y = wide["outcome"]
        for first, second in combinations(models, 2):
            pair = {"first": first, "second": second}
            test = delong_test(y, wide[first], wide[second])
            aucs = {f"auc_{which}": delong_auc(y, wide[model]).auc for which, model in pair.items()}
            rows.append({"cohort": cohort, **pair, **aucs, **asdict(test)})
    columns = "cohort first second auc_first auc_second difference ci_low ci_high z p_value".split()
    table = pd.DataFrame(rows, columns=columns)
    table["p_holm"] = table.groupby("cohort")["p_value"].transform(holm)
    return table


def holm(p_values: pd.Series) -> pd.Series:
    """Holm's correction; P values that are not estimable stay NaN and do not count as tests."""
    corrected = p_values.copy()
    known = p_values.notna()
    if known.any():
        corrected[known] = multipletests(p_values[known], method="holm")[1]
    return corrected


def p_matrix(tests: pd.DataFrame, cohort: str, models: list[str]) -> pd.DataFrame:
    """P values of one set as the square matrix of the paper's Table 4 (1 on the diagonal)."""
    matrix = pd.DataFrame(1.0, index=pd.Index(models, name="model"), columns=models)
    for row in tests[tests["cohort"] == cohort].itertuples():
        matrix.loc[row.first, row.second] = matrix.loc[row.second, row.first] = row.p_value
    return matrix
