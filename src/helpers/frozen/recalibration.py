"""Frozen risks fitted to a new hospital's outcomes: offered, stated, never applied in silence."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from helpers.checked_inputs import checked_probabilities
from helpers.learning.draws import bootstrap_resamples
from helpers.learning.logistic import maximum_likelihood

FROZEN, INTERCEPT, BOTH = "as frozen", "intercept only", "intercept and slope"


def recalibration(y: ArrayLike, p: ArrayLike, resamples: int, rng: np.random.Generator) -> pd.DataFrame:
    """Two ways to fit the frozen risks to the new hospital's outcomes, and what they gain.

    The log odds of the frozen risk are shifted (intercept only), or stretched and shifted (intercept and
    slope). Both are learnt on the very patients they are judged on; the bootstrap tells how much of the gain
    that explains (Harrell's optimism).

    Parameters
    ----------
    y, p : array_like, shape (patients,)
        Outcome 0/1 and frozen risks strictly between 0 and 1.
    resamples : int
        Bootstrap resamples for the optimism.
    rng : Generator

    Returns
    -------
    DataFrame
        recalibration ("as frozen", "intercept only", "intercept and slope"), intercept, intercept_se, slope,
        slope_se, brier (apparent), brier_corrected. NaN where the outcomes are separated.

    Notes
    -----
    Equals R ``glm(y ~ offset(qlogis(p)), binomial)`` and ``glm(y ~ qlogis(p), binomial)``.
    """
    outcome, risk = checked_probabilities(y, p)
    log_odds, ones = logit(risk), np.ones((len(risk), 1))
    drawn = bootstrap_resamples(rng, len(risk), resamples)
    rows = [(FROZEN, 0.0, np.nan, 1.0, np.nan, *[np.mean((risk - outcome) ** 2)] * 2)]
    ways = {INTERCEPT: (ones, log_odds), BOTH: (np.column_stack([ones, log_odds]), np.zeros(len(risk)))}
    for name, (design, offset) in ways.items():
        fitted, covariance = maximum_likelihood(design, outcome, offset=offset)
        errors = np.sqrt(np.diag(covariance[0]))
        slope = (fitted[0, 1], errors[1]) if design.shape[1] > 1 else (1.0, np.nan)
        brier = _brier_with_optimism(design, outcome, offset, drawn)
        rows.append((name, fitted[0, 0], errors[0], *slope, *brier))
    names = ["recalibration", "intercept", "intercept_se", "slope", "slope_se", "brier", "brier_corrected"]
    return pd.DataFrame(rows, columns=names)


def _brier_with_optimism(
    design: NDArray, outcome: NDArray, offset: NDArray, drawn: NDArray
) -> tuple[float, float]:
    """Brier score of the fit on its own patients, and corrected by the bootstrap."""
    counts = np.array([np.bincount(rows, minlength=outcome.size) for rows in drawn])
    both = (counts @ outcome > 0) & (counts @ (1 - outcome) > 0)
    own, _ = maximum_likelihood(design, outcome, offset=offset)
    again, _ = maximum_likelihood(design, outcome, counts[both], offset=offset)
    errors = (expit(again @ design.T + offset) - outcome) ** 2
    optimism = errors.mean(axis=1) - (counts[both] * errors).sum(axis=1) / outcome.size
    apparent = float(np.mean((expit(own[0] @ design.T + offset) - outcome) ** 2))
    return apparent, apparent + float(np.nanmean(optimism)) if np.isfinite(optimism).any() else np.nan


def in_words(fits: pd.DataFrame | None) -> str:
    """What `recalibration` offers, in a sentence; ``fits`` is None where outcomes are not known."""
    if fits is None:
        return "Without outcomes there is nothing to recalibrate on."
    shown = fits.dropna(subset=["intercept", "slope", "brier"]).iloc[1:]
    offers = [f"{row.recalibration}: {row.intercept:.2f} and {row.slope:.2f}" for row in shown.itertuples()]
    return f"Intercept and slope on offer ({'; '.join(offers) or 'not estimable, outcomes are separated'})."


def recalibrated(p: ArrayLike, row: Mapping[str, float]) -> NDArray[np.float64]:
    """Risks by one row of `recalibration`, shape (patients,)."""
    return expit(row["intercept"] + row["slope"] * logit(np.asarray(p, dtype=float)))
