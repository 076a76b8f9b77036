"""Agreement of two readers' feature values: intraclass correlation (paper 2.3 and 2.4).

The paper does not say which of the six ICCs it used. The book's default is ICC(2,1): patients and readers
both drawn at random, absolute agreement, one reading. ICC(3,1) (readers fixed, consistency) forgives a
constant difference between readers and comes out higher.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import f as f_distribution

from helpers.errors import StudyError
from helpers.features.names import feature_dictionary, feature_names


class IccEstimate(NamedTuple):
    """Intraclass correlations with confidence limits, each of shape (features,)."""

    icc: NDArray[np.float64]
    ci_low: NDArray[np.float64]
    ci_high: NDArray[np.float64]


def icc(ratings: ArrayLike, kind: Literal["2,1", "3,1"] = "2,1", level: float = 0.95) -> IccEstimate:
    """Intraclass correlation of every feature at once.

    Parameters
    ----------
    ratings : array_like, shape (features, patients, readers)
        Feature values. At least 2 patients and 2 readers.
    kind : {"2,1", "3,1"}
        ICC(2,1), absolute agreement, or ICC(3,1), consistency. Estimate and interval are also those of
        McGraw and Wong's ICC(A,1) and ICC(C,1).
    level : float
        Confidence level.

    Returns
    -------
    IccEstimate
        Negative estimates are not cut off at 0. By rule: readers that agree perfectly give 1 with the
        interval [1, 1]; a feature that is constant, or has a missing or infinite value, gives NaN.

    Raises
    ------
    StudyError
        For another ``kind``, or fewer than 2 patients or readers.

    Notes
    -----
    Equals R ``psych::ICC(lmer = FALSE)`` and ``psy::icc``; the interval of ICC(2,1) is Satterthwaite's.
    :doi:`10.1037/0033-2909.86.2.420`, :doi:`10.1037/1082-989X.1.1.30`.
    """
    values = _checked_ratings(ratings, kind)
    interval = _agreement if kind == "2,1" else _consistency
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        estimate = interval(*_mean_squares(values), *values.shape[1:], 0.5 + level / 2)
    constant = ~(np.ptp(values, axis=(1, 2)) > 0)
    perfect = estimate[0] == 1
    return IccEstimate(*(np.where(constant, np.nan, np.where(perfect, 1.0, part)) for part in estimate))


def _checked_ratings(ratings: ArrayLike, kind: str) -> NDArray[np.float64]:
    values = np.asarray(ratings, dtype=float)
    if kind not in ("2,1", "3,1"):
        raise StudyError(f"ICC({kind}) is not offered: choose kind '2,1' (agreement) or '3,1' (consistency).")
    if values.ndim != 3 or values.shape[1] < 2 or values.shape[2] < 2:
        raise StudyError(
            "An ICC needs an array (features, patients, readers) with at least 2 patients and 2 readers, but "
            f"its shape is {values.shape}. Let a second reader segment some patients."
        )
    # NaN spoils a whole feature, infinity only some of the sums: treat both alike.
    return np.where(np.isfinite(values).all(axis=(1, 2), keepdims=True), values, np.nan)


def _mean_squares(values: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Mean squares between patients, between readers and residual, each (features,)."""
    n, k = values.shape[1:]
    patient = values.mean(axis=2, keepdims=True)
    reader = values.mean(axis=1, keepdims=True)
    grand = reader.mean(axis=2, keepdims=True)
    residual = (values - patient) - (reader - grand)
    between_patients = k * ((patient - grand) ** 2).sum(axis=(1, 2)) / (n - 1)
    between_readers = n * ((reader - grand) ** 2).sum(axis=(1, 2)) / (k - 1)
    return between_patients, between_readers, (residual**2).sum(axis=(1, 2)) / ((n - 1) * (k - 1))


def _agreement(msr, msc, mse, n, k, quantile):
    """ICC(2,1) with Satterthwaite's interval (Shrout and Fleiss 1979, McGraw and Wong 1996)."""
    estimate = (msr - mse) / (msr + (k - 1) * mse + k * (msc - mse) / n)
    a = k * estimate / (n * (1 - estimate))
    b = 1 + k * estimate * (n - 1) / (n * (1 - estimate))
    df = (a * msc + b * mse) ** 2 / ((a * msc) ** 2 / (k - 1) + (b * mse) ** 2 / ((n - 1) * (k - 1)))
    low_f, high_f = f_distribution.ppf(quantile, n - 1, df), f_distribution.ppf(quantile, df, n - 1)
    low = n * (msr - low_f * mse) / (low_f * (k * msc + (k * n - k - n) * mse) + n * msr)
    high = n * (high_f * msr - mse) / (k * msc + (k * n - k - n) * mse + n * high_f * msr)
    return estimate, low, high


def _consistency(msr, _msc, mse, n, k, quantile):
    """ICC(3,1) with its exact interval."""
    df = (n - 1) * (k - 1)
    low_f = msr / mse / f_distribution.ppf(quantile, n - 1, df)
    high_f = msr / mse * f_distribution.ppf(quantile, df, n - 1)
    return (msr - mse) / (msr + (k - 1) * mse), (low_f - 1) / (low_f + k - 1), (high_f - 1) / (high_f + k - 1)


def reader_icc(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Agreement of two readers, ICC(2,1), for every feature.

    Parameters
    ----------
    first, second : DataFrame
        Features tables of the two readers; patients whom both have are compared.

    Returns
    -------
    DataFrame
        ``feature``, ``image_type``, ``feature_class``, ``icc``, ``ci_low``, ``ci_high``; the last three are
        missing for a constant feature, and for all when fewer than two patients have two readers.
    """
    names = feature_names(first)
    table = feature_dictionary(names)[["feature", "image_type", "feature_class"]]
    patients = sorted(set(first["patient_id"]) & set(second.get("patient_id", [])))
    if len(patients) < 2:
        return table.assign(icc=np.nan, ci_low=np.nan, ci_high=np.nan)
    readings = [frame.set_index("patient_id").loc[patients, names].T for frame in (first, second)]
    return table.assign(**icc(np.stack(readings, axis=-1))._asdict())


def icc_summary(table: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """Count, by feature class and in all, the features whose ICC is above ``threshold``.

    Returns
    -------
    DataFrame
        ``feature_class``, ``features``, ``median_icc``, ``above`` (estimate above the threshold),
        ``lower_limit_above`` (its lower 95 % limit above it), ``undefined`` (no ICC: constant feature).
    """
    marked = table.assign(
        features=1,
        above=table["icc"] > threshold,
        lower_limit_above=table["ci_low"] > threshold,
        undefined=table["icc"].isna(),
    )
    grouped = pd.concat([marked, marked.assign(feature_class="all")]).groupby("feature_class", sort=False)
    summary = grouped[["features", "above", "lower_limit_above", "undefined"]].sum()
    summary.insert(1, "median_icc", grouped["icc"].median())
    return summary.reset_index()
