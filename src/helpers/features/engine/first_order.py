"""PyRadiomics' first-order formulas, compiled: order statistics found together, sums in few passes."""

from __future__ import annotations

import numpy as np
from numba import njit

_EPS = np.spacing(1)  # PyRadiomics adds it to what it takes logarithms of
_compiled = njit(cache=True, nogil=True, fastmath={"reassoc"}, error_model="numpy")

_PLACES = ("10Percentile", "90Percentile", "Median", "InterquartileRange", "Minimum", "Maximum", "Range")
_DISTANCES = ("Mean", "MeanAbsoluteDeviation", "RobustMeanAbsoluteDeviation")
_MOMENTS = ("Energy", "TotalEnergy", "RootMeanSquared", "Variance", "Skewness", "Kurtosis")
_HISTOGRAM = ("Entropy", "Uniformity")
FIRSTORDER = (*_PLACES, *_DISTANCES, *_MOMENTS, *_HISTOGRAM)


def first_order(values: np.ndarray, frequency: np.ndarray, voxel_mm3: float, shift: float) -> np.ndarray:
    """First-order statistics.

    Parameters
    ----------
    values : (n,) float64
        Not all equal: the moments of a flat region are rounding noise.
    frequency : (levels,) int64
        How many of them have each grey level.
    voxel_mm3, shift : float
        Volume of a voxel (mm3); PyRadiomics' ``voxelArrayShift``.

    Returns
    -------
    (18,) float64
        As named in ``FIRSTORDER``.
    """
    places, mean = _places(values), values.mean()
    return np.concatenate(
        (
            places,
            _distances(values, mean, places[0], places[1]),
            _moments(values, mean, voxel_mm3, shift),
            _histogram(frequency / values.size),
        )
    )


@_compiled
def _places(values):
    """_PLACES by numpy.percentile (linear)."""
    low, high = values.min(), values.max()
    scale = 1023 / (high - low)
    scale = scale if np.isfinite(scale) else 0.0
    # Order statistics are looked for in the one of 1024 narrow classes that holds them.
    narrow, before = np.empty(values.size, np.uint16), np.zeros(1025, np.int64)
    for n in range(values.size):
        narrow[n] = np.uint16((values[n] - low) * scale)
        before[narrow[n] + 1] += 1
    before = np.cumsum(before)
    p = np.empty(5)
    for n, share in enumerate((0.1, 0.25, 0.5, 0.75, 0.9)):
        place = share * (values.size - 1)
        k = int(np.floor(place))
        t = place - k
        a = _order_statistic(values, narrow, before, k)
        b = _order_statistic(values, narrow, before, min(k + 1, values.size - 1))
        p[n] = a + (b - a) * t if t < 0.5 else b - (b - a) * (1 - t)
    return np.array([p[0], p[4], p[2], p[3] - p[1], low, high, high - low])


@_compiled
def _order_statistic(values, narrow, before, k):
    own = np.searchsorted(before, k, "right") - 1
    return np.sort(values[narrow == own])[k - before[own]]


@_compiled
def _distances(values, mean, p10, p90):
    """_DISTANCES: mean |x - mean|, and the same of what lies between the 10th and 90th percentile."""
    total, kept, count, robust = 0.0, 0.0, 0, 0.0
    for x in values:
        total += abs(x - mean)
        if p10 <= x <= p90:
            kept += x
            count += 1
    kept /= count
    for x in values:
        robust += abs(x - kept) if p10 <= x <= p90 else 0.0
    return np.array([mean, total / values.size, robust / count])


@_compiled
def _moments(values, mean, voxel_mm3, shift):
    """_MOMENTS: sum (x + shift)^2, its mean's root, m2, m3 / m2^1.5, m4 / m2^2."""
    energy, m2, m3, m4 = 0.0, 0.0, 0.0, 0.0
    for x in values:
        energy += (x + shift) * (x + shift)
        square = (x - mean) * (x - mean)
        m2 += square
        m3 += square * (x - mean)
        m4 += square * square
    n = values.size
    m2, m3, m4 = m2 / n, m3 / n, m4 / n
    return np.array([energy, energy * voxel_mm3, np.sqrt(energy / n), m2, m3 / m2**1.5, m4 / (m2 * m2)])


@_compiled
def _histogram(p):
    """_HISTOGRAM: - sum p log2(p + eps), sum p^2."""
    entropy, uniformity = 0.0, 0.0
    for share in p:
        entropy -= share * np.log2(share + _EPS)
        uniformity += share * share
    return np.array([entropy, uniformity])
