"""Univariable filters of features: Mann-Whitney U, Spearman pruning and mRMR (paper 2.4)."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import mannwhitneyu, rankdata
from sklearn.feature_selection import f_classif

from helpers.checked_inputs import checked_outcome, named_values
from helpers.errors import StudyError

SCHEMES = ("FCQ", "FCD", "MID", "MIQ")


class MannWhitney(NamedTuple):
    """U of the patients with the outcome, and the two-sided P value, each of shape (features,)."""

    u: np.ndarray
    p_value: np.ndarray


def mann_whitney(X: pd.DataFrame | np.ndarray, y: np.ndarray) -> MannWhitney:
    """Compare every feature between patients with and without the outcome.

    Asymptotic P with tie and continuity correction, as R ``wilcox.test(exact = FALSE)``. A constant feature
    separates nothing: P = 1 (R gives NaN).

    Parameters
    ----------
    X : DataFrame or ndarray, shape (patients, features)
    y : array of 0 and 1, shape (patients,)

    Raises
    ------
    StudyError
        For missing or infinite values or one class only.
    """
    values, _ = named_values(X)
    y = checked_outcome(y)
    u, p_value = mannwhitneyu(values[y == 1], values[y == 0], method="asymptotic")
    return MannWhitney(u, np.where(np.ptp(values, axis=0) == 0, 1.0, p_value))


def spearman_prune(X: pd.DataFrame | np.ndarray, threshold: float = 0.90) -> list:
    """Keep features of which no two have abs(Spearman's rho) above ``threshold``.

    ``X`` is as for `mann_whitney`. Again and again the pair with the largest abs(rho) loses one member: the
    one with the larger mean abs(rho) with all that remain (of equals, the later column). So the result does
    not depend on the order of the columns, and not on the outcome.

    Returns
    -------
    list
        Names (positions for an array) of the features kept, in column order.

    Raises
    ------
    StudyError
        For missing or infinite values, or a constant feature, whose correlation does not exist.
    """
    values, names = _varying(X)
    ranks = rankdata(values, axis=0)
    correlation = np.abs(np.atleast_2d(np.corrcoef(ranks, rowvar=False)))
    correlation = np.maximum(correlation, correlation.T)  # symmetric to the last bit
    np.fill_diagonal(correlation, 0)
    kept = np.ones(len(names), bool)
    largest = correlation.max(axis=1)
    while largest.max() > threshold:
        first = int(np.argmax(largest))
        second = int(np.argmax(correlation[first]))
        total = correlation[[first, second]].sum(axis=1)
        # The tolerance lets exact copies count as equals in spite of rounding.
        loser = first if total[0] > total[1] + 1e-9 else second
        partners = correlation[loser] == largest
        kept[loser] = False
        correlation[loser] = correlation[:, loser] = 0
        partners[loser] = True
        largest[partners] = correlation[partners].max(axis=1)
    return [name for name, keep in zip(names, kept, strict=True) if keep]


class Mrmr(NamedTuple):
    """Features in the order of choice, and the score with which each was chosen."""

    features: list
    scores: np.ndarray


def mrmr(
    X: pd.DataFrame | np.ndarray,
    y: np.ndarray,
    k: int = 50,
    scheme: Literal["FCQ", "FCD", "MID", "MIQ"] = "FCQ",
) -> Mrmr:
    """Rank features by relevance for the outcome against redundancy with those already chosen.

    The first is the most relevant; each next one has the largest quotient (Q) or difference (D) of its
    relevance and its mean redundancy. FC: one-way ANOVA F and abs(Pearson's r), floored at 0.001 in the
    quotient. MI: mutual information (nats) of features cut at mean - SD and mean + SD. Ding & Peng 2005,
    doi 10.1142/S0219720005001004.

    Parameters
    ----------
    X, y
        As for `mann_whitney`.
    k : int
        How many to choose; all when there are fewer.

    Raises
    ------
    StudyError
        For missing or infinite values, a constant feature, one class only, or an unknown scheme.
    """
    if scheme not in SCHEMES:
        raise StudyError(f"mRMR has no scheme '{scheme}'. Choose one of {', '.join(SCHEMES)}.")
    values, names = _varying(X)
    y = checked_outcome(y)
    if scheme.startswith("F"):
        relevance = f_classif(values, y)[0]
        redundancy = np.abs(np.atleast_2d(np.corrcoef(values, rowvar=False)))
        if scheme == "FCQ":
            # As in the Python package mrmr-selection: a quotient by 0 would decide alone.
            redundancy = np.maximum(redundancy, 1e-3)
    else:
        relevance, redundancy = _mutual_information(values, y)
    order, scores = _greedy(relevance, redundancy, min(k, len(names)), quotient=scheme.endswith("Q"))
    return Mrmr([names[j] for j in order], np.array(scores))


def _greedy(relevance: np.ndarray, redundancy: np.ndarray, k: int, quotient: bool) -> tuple[list, list]:
    order, scores = [int(np.argmax(relevance))], [float(relevance.max())]
    total = np.zeros_like(relevance)
    while len(order) < k:
        total += redundancy[order[-1]]
        mean = total / len(order)
        score = relevance / np.maximum(mean, np.finfo(float).tiny) if quotient else relevance - mean
        score[order] = -np.inf
        order.append(int(np.argmax(score)))
        scores.append(float(score[order[-1]]))
    return order, scores


def _mutual_information(values: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mean, spread = values.mean(axis=0), values.std(axis=0, ddof=1)
    level = (values > mean + spread).astype(int) - (values < mean - spread)
    # One indicator column a level: products of indicators count patients in both levels.
    features = np.stack([level == value for value in (-1, 0, 1)]).astype(float)
    outcome = np.stack([y == value for value in (0, 1)]).astype(float)[:, :, None]
    relevance = _mutual_information_of_levels(features, outcome)[:, 0]
    return relevance, _mutual_information_of_levels(features, features)


def _mutual_information_of_levels(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Mutual information (nats) of two sets of indicators, shapes (levels, patients, columns)."""
    n = a.shape[1]
    total = np.zeros((a.shape[2], b.shape[2]))
    for one in a:
        for other in b:
            joint = one.T @ other / n
            expected = np.outer(one.mean(axis=0), other.mean(axis=0))
            ratio = np.divide(joint, expected, out=np.ones_like(joint), where=joint > 0)
            total += joint * np.log(ratio)
    return total


def _varying(X: pd.DataFrame | np.ndarray) -> tuple[np.ndarray, list]:
    values, names = named_values(X)
    constant = np.flatnonzero(is_constant(values))
    if constant.size:
        raise StudyError(
            f"{constant.size} feature(s) are the same in every patient, for example '{names[constant[0]]}': "
            "drop them first (ConstantFilter)."
        )
    return values, names


def is_constant(values: np.ndarray) -> np.ndarray:
    """Whether each column of ``values``, shape (patients, features), varies hardly (1e-9) for its size."""
    return np.ptp(values, axis=0) <= 1e-9 * np.abs(values).max(axis=0)
