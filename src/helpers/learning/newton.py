"""A logistic regression over hospitals: each adds sums over its patients, and a centre makes Newton's steps.

Added up, gradient and information of all hospitals are those of all patients together, so that the fit is
the same (:doi:`10.1038/s41598-020-61297-4` shows it for radiomics).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit

MOST_ROUNDS = 12
_SETTLED = 1e-9  # of a step, beside the coefficient; what is left after it is its square
_WORSE = 1e-9  # by how much a log-likelihood may fall for rounding
_SINGULAR = 1e-12  # reciprocal condition of the information, scaled to a unit diagonal


@dataclass(frozen=True)
class Sums:
    """What is added up, at one set of coefficients.

    Attributes
    ----------
    gradient : ndarray, shape (coefficients,)
    information : ndarray, shape (coefficients, coefficients)
    log_likelihood : float
    """

    gradient: NDArray[np.float64]
    information: NDArray[np.float64]
    log_likelihood: float

    def __add__(self, other: Sums) -> Sums:
        """The sums over both hospitals' patients."""
        return Sums(
            self.gradient + other.gradient,
            self.information + other.information,
            self.log_likelihood + other.log_likelihood,
        )


@dataclass(frozen=True)
class Terms:
    """What each patient adds to the sums: shapes (patients, ...) of `Sums`' parts."""

    gradient: NDArray[np.float64]
    information: NDArray[np.float64]
    log_likelihood: NDArray[np.float64]

    def sums(self) -> Sums:
        """Added up over the patients."""
        return Sums(self.gradient.sum(axis=0), self.information.sum(axis=0), float(self.log_likelihood.sum()))


def terms(design: NDArray, outcome: NDArray, coefficients: NDArray) -> Terms:
    """What each patient adds.

    Parameters
    ----------
    design : ndarray, shape (patients, coefficients)
        The column of ones included.
    outcome : ndarray, shape (patients,)
        0 or 1.
    coefficients : ndarray, shape (coefficients,)
    """
    log_odds = design @ coefficients
    risk = expit(log_odds)
    weights = risk * expit(-log_odds)
    return Terms(
        (outcome - risk)[:, None] * design,
        weights[:, None, None] * design[:, :, None] * design[:, None, :],
        np.where(outcome == 1, log_expit(log_odds), log_expit(-log_odds)),
    )


@dataclass(frozen=True)
class Progress:
    """How a fit stands after a round.

    Attributes
    ----------
    coefficients : ndarray
        For the next round; the result where ``done``.
    covariance : ndarray or None
        Of the result.
    done : bool
    failed : bool
        No next round would help: separated outcomes, predictors that carry the same information, or too many
        rounds.
    """

    coefficients: NDArray[np.float64]
    covariance: NDArray[np.float64] | None = None
    done: bool = False
    failed: bool = False


def progress(rounds: Sequence[tuple[NDArray, Sums]]) -> Progress:
    """What follows from all rounds so far: Newton's step, and a quarter of one that made it worse.

    A round is the coefficients asked with, and the sums over all hospitals.
    """
    last, sums = rounds[-1]
    best, best_sums = max(rounds, key=lambda one: one[1].log_likelihood)
    many = len(rounds) >= MOST_ROUNDS
    if sums.log_likelihood < best_sums.log_likelihood - _WORSE:
        return Progress((last + 3 * best) / 4, failed=many)
    scale = np.sqrt(np.diag(sums.information))
    if not (scale > 0).all():
        return Progress(last, failed=True)
    scaled = sums.information / np.outer(scale, scale)
    if 1 / np.linalg.cond(scaled) < _SINGULAR:
        return Progress(last, failed=True)
    inverse = np.linalg.inv(scaled) / np.outer(scale, scale)
    step = inverse @ sums.gradient
    if np.abs(step).max() <= _SETTLED * (1 + np.abs(last).max()):
        return Progress(last + step, inverse, done=True)
    return Progress(last + step, failed=many)
