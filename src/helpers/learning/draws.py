"""Patients drawn at random: bootstrap resamples, and folds for cross-validation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import KFold, StratifiedGroupKFold, StratifiedKFold

from helpers.checked_inputs import checked_outcome
from helpers.errors import StudyError


def bootstrap_resamples(rng: np.random.Generator, patients: int, resamples: int) -> NDArray[np.int64]:
    """Rows of bootstrap resamples, shape (resamples, patients)."""
    return rng.integers(0, patients, size=(resamples, patients))


def resample_weights(y: ArrayLike, resamples: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """How often each patient is drawn in each bootstrap resample, shape (resamples, patients).

    A resample without both outcomes is drawn again.

    Raises
    ------
    StudyError
        When all patients have the same outcome.
    """
    outcome = checked_outcome(y)
    shares = np.full(outcome.size, 1 / outcome.size)
    weights = rng.multinomial(outcome.size, shares, resamples)
    while True:
        cases = weights[:, outcome == 1].sum(axis=1)
        lacking = (cases == 0) | (cases == outcome.size)
        if not lacking.any():
            return weights
        weights[lacking] = rng.multinomial(outcome.size, shares, int(lacking.sum()))


def rows_within_classes(y: NDArray, seed: int) -> NDArray[np.int64]:
    """Rows of one bootstrap resample in which each outcome (0/1) has as many patients as in ``y``."""
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.choice(np.flatnonzero(y == label), (y == label).sum()) for label in (0, 1)])


def feasible_folds(y: ArrayLike, wanted: int, left: int = 1) -> int:
    """As many folds as wanted, or as the rarer outcome has patients.

    Parameters
    ----------
    y : array_like of 0 and 1, shape (patients,)
    wanted : int
    left : int
        Patients of each outcome that every training part must keep (SMOTE needs two).

    Raises
    ------
    StudyError
        When the rarer outcome has too few patients for that.
    """
    rarest = int(np.bincount(checked_outcome(y)).min())
    folds = min(wanted, rarest)
    if folds < 2 or rarest - -(-rarest // folds) < left:
        raise StudyError(
            f"Cross-validation in {wanted} folds needs at least {left} patients of each outcome in every "
            f"training part, and the rarer outcome has {rarest} in all: collect more patients."
        )
    return folds


def divisible_folds(y: ArrayLike, wanted: int) -> int:
    """As `feasible_folds`, with two of each outcome in every training part: it is divided or balanced again.

    Raises
    ------
    StudyError
        When there are too few patients for it.
    """
    return feasible_folds(y, wanted, left=2)


def folds_in_words(wanted: int, made: int) -> str:
    """What is said when there are fewer folds than wanted; "" otherwise."""
    if made == wanted:
        return ""
    return f"Cross-validation in {made} folds instead of {wanted}: the rarer outcome has no more patients."


def stratified_folds(
    y: NDArray, folds: int, seed: int, patients: Sequence[str] | None = None
) -> NDArray[np.int64]:
    """Fold of each row, shape (rows,), balanced by a binary outcome; copies of a patient share a fold."""
    groups = np.arange(len(y)) if patients is None else pd.factorize(np.asarray(patients))[0]
    if len(np.unique(groups)) < len(groups):
        split = StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(y, y, groups)
    else:
        splitter = StratifiedKFold if len(np.unique(y)) == 2 else KFold
        split = splitter(folds, shuffle=True, random_state=seed).split(y, y)
    numbers = np.empty(len(y), int)
    for number, (_, held_out) in enumerate(split):
        numbers[held_out] = number
    return numbers
