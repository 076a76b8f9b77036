"""What every statistic asks of its outcome, scores and probabilities before it computes anything."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from helpers.errors import StudyError


def checked_outcome(y: ArrayLike) -> NDArray[np.int64]:
    """Return the outcome as 0/1 integers, shape (patients,).

    Raises
    ------
    StudyError
        When a value is missing or not 0/1, or when all patients have the same outcome.
    """
    values = np.asarray(y, dtype=float)
    if values.ndim != 1 or values.size == 0:
        raise StudyError("The outcome must be one value a patient, for at least two patients.")
    wrong = np.flatnonzero(~np.isin(values, (0, 1)))
    if wrong.size:
        raise StudyError(
            f"The outcome must be 0 or 1; {wrong.size} of {values.size} patients have another value, the "
            f"first in row {wrong[0] + 1} ({values[wrong[0]]:g}). Recode the outcome or leave them out."
        )
    if values.min() == values.max():
        raise StudyError(
            f"All {values.size} patients have the same outcome ({values[0]:g}): patients with and without "
            "the disease are both needed. Check the outcome rule or take a larger set."
        )
    return values.astype(np.int64)


def checked_scores(y: ArrayLike, score: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return outcome (patients,) and scores (patients,), finite and of equal length.

    Raises
    ------
    StudyError
        As `checked_outcome`, or when scores are missing, infinite, or not one a patient.
    """
    outcome, scores = checked_outcome(y), np.asarray(score, dtype=float)
    if scores.shape != outcome.shape:
        raise StudyError(
            f"There are {outcome.size} outcomes but {scores.size} scores: one a patient is needed."
        )
    wrong = np.flatnonzero(~np.isfinite(scores))
    if wrong.size:
        raise StudyError(
            f"{wrong.size} of {scores.size} patients have a missing or infinite score, the first in row "
            f"{wrong[0] + 1}. Mend the model's input or leave these patients out."
        )
    return outcome, scores


def checked_probabilities(y: ArrayLike, p: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return outcome and predicted probabilities, each (patients,), the latter within 0 and 1.

    Raises
    ------
    StudyError
        As `checked_scores`, or when a probability lies outside 0 and 1.
    """
    outcome, probability = checked_scores(y, p)
    outside = np.flatnonzero((probability < 0) | (probability > 1))
    if outside.size:
        raise StudyError(
            f"{outside.size} of {probability.size} predictions are no probabilities, the first in row "
            f"{outside[0] + 1} ({probability[outside[0]]:g}): they must lie between 0 and 1. Give the "
            "model's predicted risk, not its score or a percentage."
        )
    return outcome, probability


def named_values(X: pd.DataFrame | np.ndarray) -> tuple[np.ndarray, list]:
    """Values (float) and column names (positions for an array) of a feature table without gaps.

    Raises
    ------
    StudyError
        Naming the first feature and row with a missing or infinite value.
    """
    table = X if isinstance(X, pd.DataFrame) else pd.DataFrame(np.asarray(X))
    values = table.to_numpy(dtype=float)
    if not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0]
        raise StudyError(
            f"Feature '{table.columns[column]}' of patient '{table.index[row]}' is missing or infinite. "
            "Look at this patient's mask in the QC table, then mend it or exclude the patient."
        )
    return values, table.columns.tolist()
