"""Whether sums over a hospital's patients would tell of few of them, and how that is judged.

A centre may ask for sums at any coefficients. At 0 a gradient counts outcomes; at steep ones all but a few
patients drop out of it; and two rounds can be subtracted. So a hospital looks at what each patient would add:

- Few patients with or without the outcome, or fewer than ten of either a coefficient: nothing is told.
- Columns of few values are tables, and a pair of them is one of pairs: of each cell, by outcome, there must
  be nobody or at least ``min_cell``.
- Behind each number must stand ``min_cell`` patients: the effective number of terms of a sum,
  (sum of |term|)^2 / sum of term^2. Behind its difference to each earlier round half as many, for differences
  of neighbouring rounds weigh patients at the ends more.
- All numbers that were told must be fewer than the values of the patients behind them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from helpers.learning.newton import Terms, terms
from helpers.pooling.measures import LEVELS, is_small

EVENTS_A_COEFFICIENT = 10


def why_not(design: NDArray, outcome: NDArray, asked: Sequence[NDArray], left: int, min_cell: int) -> str:
    """Why sums over these patients are not told, as a clause; empty where they may be.

    Parameters
    ----------
    design : ndarray, shape (patients, coefficients)
        The column of ones included.
    outcome : ndarray, shape (patients,)
    asked : sequence of ndarray
        Coefficients of the rounds that were answered, and last those of this one.
    left : int
        How many more numbers may be told of these patients.
    min_cell : int
    """
    classes = np.array([(outcome == 1).sum(), (outcome == 0).sum()])
    if classes.min() < min_cell:
        return f"fewer than {min_cell} patients with or without the outcome"
    size = design.shape[1]
    if size * EVENTS_A_COEFFICIENT > classes.min():
        return f"fewer than {EVENTS_A_COEFFICIENT} patients with or without the outcome a coefficient"
    if numbers_in(size) > left:
        return "as many numbers were told as its patients have values"
    if _small_cells(design[:, 1:], outcome, min_cell):
        return f"fewer than {min_cell} patients in a category of a predictor, or of two"
    if not _stands_on_many([terms(design, outcome, one) for one in asked], min_cell, _isolating(design)):
        return f"a number would stand on fewer than {min_cell} patients"
    return ""


def numbers_in(size: int) -> int:
    """How many numbers one answer to a fit of ``size`` coefficients tells."""
    return size + size * (size + 1) // 2 + 1


def _small_cells(columns: NDArray, outcome: NDArray, min_cell: int) -> bool:
    """Whether a column of few values, or a pair of them, has a cell of few patients with or without it."""
    few = [column for column in columns.T if len(np.unique(column)) <= LEVELS]
    for one, other in combinations_with_replacement(few, 2):
        _, cells = np.unique(np.stack([one, other]), axis=1, return_inverse=True)
        for seen in (0, 1):
            if is_small(np.bincount(cells.ravel()[outcome == seen]), min_cell).any():
                return True
    return False


def _isolating(design: NDArray) -> NDArray[np.bool_]:
    """Who is 0 in each column of zeros and ones: sums over these follow from the others by subtraction."""
    flags = [column == 0 for column in design.T if set(np.unique(column)) == {0, 1}]
    return np.array([np.ones(len(design), dtype=bool), *flags])


def _stands_on_many(rounds: Sequence[Terms], min_cell: int, groups: NDArray[np.bool_]) -> bool:
    last, before = _flat(rounds[-1]), [_flat(one) for one in rounds[:-1]]
    for group in groups:
        if _effective(last[group]).min() < min_cell:
            return False
        differences = [_effective((last - one)[group]).min() for one in before if not np.allclose(last, one)]
        if differences and min(differences) < min_cell / 2:
            return False
    return True


def _flat(one: Terms) -> NDArray[np.float64]:
    patients = len(one.gradient)
    parts = [one.gradient, one.information.reshape(patients, -1), one.log_likelihood[:, None]]
    return np.concatenate(parts, axis=1)


def _effective(values: NDArray) -> NDArray[np.float64]:
    """Effective number of terms of each column; columns of zeros tell of nobody."""
    largest = np.abs(values).max(axis=0)
    told = largest > 0
    scaled = np.abs(values[:, told]) / largest[told]
    effective = np.full(values.shape[1], np.inf)
    effective[told] = scaled.sum(axis=0) ** 2 / (scaled**2).sum(axis=0)
    return effective
