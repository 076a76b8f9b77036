"""ComBat: take out what a scanner adds to a feature, learnt on training patients only.

Johnson, Li & Rabinovic 2007, doi 10.1093/biostatistics/kxj037, with parametric empirical Bayes and without
covariates (the outcome is unknown for new patients, and adjusting for it would leak it). A batch that the
training patients do not have, such as another hospital's scanner, has no estimate: its patients stay as they
are.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from helpers.checked_inputs import named_values
from helpers.errors import StudyError

FEWEST = 3  # patients that a batch needs for a mean and a variance


class ComBat(TransformerMixin, BaseEstimator):
    """Harmonise features over batches.

    Parameters
    ----------
    batches : mapping of patient to batch
        For instance each patient's scanner; the table's index names the patients.

    Attributes
    ----------
    known_ : list of str
        Batches with at least three training patients, which are the ones that change; without any, no
        patient's values do.
    shift_, scale_ : dict of str to ndarray, shape (features,)
        Additive and multiplicative batch effects, on the standardised features.
    """

    def __init__(self, batches: Mapping[str, str]):
        self.batches = batches

    def fit(self, X: pd.DataFrame, y=None) -> ComBat:
        """Estimate each batch's effects from a table of training patients; ``y`` is not used."""
        values, self.feature_names_in_ = named_values(X)
        batch = self._batch(X)
        counts = batch.value_counts()
        self.known_ = sorted(counts.index[counts >= FEWEST])
        members = {name: (batch == name).to_numpy() for name in self.known_}
        self.shift_, self.scale_ = {}, {}
        if not members:
            return self
        within = np.vstack([values[rows] - values[rows].mean(axis=0) for rows in members.values()])
        known = np.any(list(members.values()), axis=0)
        self.mean_ = values[known].mean(axis=0)
        spread = np.sqrt((within**2).mean(axis=0))
        self.spread_ = np.where(spread > 0, spread, 1.0)
        for name, rows in members.items():
            z = (values[rows] - self.mean_) / self.spread_
            self.shift_[name], self.scale_[name] = empirical_bayes(z[:, spread > 0], spread > 0)
        return self

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """Take the known batches' effects out."""
        check_is_fitted(self, "known_")
        values, _ = named_values(X)
        values, batch = values.copy(), self._batch(X)
        for name in self.known_:
            rows = (batch == name).to_numpy()
            z = (values[rows] - self.mean_) / self.spread_
            values[rows] = (z - self.shift_[name]) / self.scale_[name] * self.spread_ + self.mean_
        return pd.DataFrame(values, index=X.index, columns=X.columns)

    def _batch(self, X: pd.DataFrame) -> pd.Series:
        missing = [patient for patient in X.index if patient not in self.batches]
        if missing:
            raise StudyError(
                f"Patient {missing[0]} has no scanner in the table: fill it in, or leave ComBat out."
            )
        return pd.Series([self.batches[patient] for patient in X.index], index=X.index)


def empirical_bayes(z: np.ndarray, varying: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One batch's shift and scale of every feature, shrunk towards those of all its features.

    Parameters
    ----------
    z : ndarray, shape (patients, varying features)
        Standardised features of the batch.
    varying : ndarray of bool, shape (features,)
        A constant feature gets shift 0 and scale 1.
    """
    n, shift, variance = len(z), z.mean(axis=0), z.var(axis=0, ddof=1)
    prior_mean, prior_variance = shift.mean(), shift.var(ddof=1) if shift.size > 1 else np.inf
    a, b = _inverse_gamma(variance)
    gamma, delta = shift, variance
    for _ in range(1000):
        weight = n * prior_variance
        new_gamma = shift if np.isinf(weight) else (weight * shift + delta * prior_mean) / (weight + delta)
        squares = ((z - new_gamma) ** 2).sum(axis=0)
        new_delta = squares / n if np.isinf(a) else (b + squares / 2) / (a + n / 2 - 1)
        change = max(np.abs(new_gamma - gamma).max(), np.abs(new_delta - delta).max())
        gamma, delta = new_gamma, new_delta
        if change < 1e-10:
            break
    full_shift, full_scale = np.zeros(varying.size), np.ones(varying.size)
    full_shift[varying], full_scale[varying] = gamma, np.sqrt(np.maximum(delta, 1e-12))
    return full_shift, full_scale


def _inverse_gamma(variance: np.ndarray) -> tuple[float, float]:
    """Parameters of the inverse gamma law with these variances' moments; infinite if all are equal."""
    mean, spread = variance.mean(), variance.var(ddof=1) if variance.size > 1 else 0.0
    if not spread > 0:
        return np.inf, np.inf
    return (2 * spread + mean**2) / spread, (mean * spread + mean**3) / spread
