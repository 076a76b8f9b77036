"""PyRadiomics' formulas on counted grey levels (GLCM, GLRLM, GLSZM, GLDM, NGTDM), compiled, on shared sums.

Each function returns features in the order of the names above it. Sums may be added up in another order than
PyRadiomics' (``reassoc``, so that several are added at once); NaN and infinities keep their meaning.
"""

from __future__ import annotations

import numpy as np
from numba import njit

_EPS = np.spacing(1)  # PyRadiomics adds it to what it takes logarithms of, or divides by
_compiled = njit(cache=True, nogil=True, fastmath={"reassoc"}, error_model="numpy")

_PAIRS = ("Autocorrelation", "JointEnergy", "JointEntropy", "MaximumProbability")
_MARGINALS = ("JointAverage", "SumSquares", "Correlation", "Imc1", "Imc2")
_SUMS = ("ClusterTendency", "ClusterShade", "ClusterProminence", "SumAverage", "SumEntropy")
_DIFFERENCES = ("Contrast", "DifferenceAverage", "DifferenceEntropy", "DifferenceVariance")
_INVERSES = ("Id", "Idm", "Idmn", "Idn", "InverseVariance")
GLCM = (*_PAIRS, *_MARGINALS, *_SUMS, *_DIFFERENCES, *_INVERSES, "MCC")


def glcm(counts: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Co-occurrences, symmetric, each angle by itself, then the means.

    Parameters
    ----------
    counts : (angles, levels, levels) int32
        Pairs of neighbours, once each; none of the angles is without.
    levels : (levels,) float64

    Returns
    -------
    (24,) float64
        As named in ``GLCM``.
    """
    features, similar, weighted = _glcm(counts, levels, int(levels[-1]))
    # PyRadiomics leaves the angles out whose Imc2 is the root of less than 0, by rounding.
    means = np.nanmean(features, 0) if np.isnan(features).any() else features.mean(0)
    return np.append(means, _mcc(similar, weighted))


@_compiled
def _glcm(counts, levels, ng):
    angles, size = counts.shape[0], levels.size
    features = np.empty((angles, 23))
    similar, weighted = np.empty((angles, size, size)), np.empty((angles, size, size))
    for angle in range(angles):
        p = (counts[angle] + counts[angle].T).astype(np.float64)
        p /= p.sum()
        px = p.sum(0)
        plus, minus = np.zeros(2 * ng + 1), np.zeros(ng)
        features[angle, :4] = _pairs(p, levels, plus, minus)
        features[angle, 4:9] = _marginals(p, px, levels, features[angle, 2])
        features[angle, 9:14] = _sums(plus, features[angle, 4])
        features[angle, 14:18] = _differences(minus)
        features[angle, 18:] = _inverses(minus)
        _similarity(p, px, similar[angle], weighted[angle])
    return features, similar, weighted


@_compiled
def _pairs(p, levels, plus, minus):
    """_PAIRS: sum p i j, sum p^2, - sum p log2(p + eps), max p; p by i + j and by |i - j| on the way."""
    product, energy, entropy, most = 0.0, 0.0, 0.0, 0.0
    for a in range(levels.size):
        for b in range(levels.size):
            if p[a, b] > 0:
                product += p[a, b] * levels[a] * levels[b]
                energy += p[a, b] * p[a, b]
                entropy -= p[a, b] * np.log2(p[a, b] + _EPS)
                most = max(most, p[a, b])
                plus[int(levels[a] + levels[b])] += p[a, b]
                minus[int(abs(levels[a] - levels[b]))] += p[a, b]
    return np.array([product, energy, entropy, most])


@_compiled
def _marginals(p, px, levels, hxy):
    """_MARGINALS: ux, sum p (i - ux)^2, cov / (var + eps), (HXY - HXY1) / HX, (1 - e^-2(HXY2 - HXY))^0.5."""
    ux, hx, hxy1, hxy2, variance, covariance = (px * levels).sum(), 0.0, 0.0, 0.0, 0.0, 0.0
    for a in range(levels.size):
        hx -= px[a] * np.log2(px[a] + _EPS)
        variance += px[a] * (levels[a] - ux) ** 2
        for b in range(a + 1):
            twice = 2.0 if b < a else 1.0  # all is symmetric
            logarithm = twice * np.log2(px[a] * px[b] + _EPS)
            hxy1 -= p[a, b] * logarithm
            hxy2 -= px[a] * px[b] * logarithm
            covariance += twice * p[a, b] * (levels[a] - ux) * (levels[b] - ux)
    correlation = covariance / (variance + _EPS) if variance != 0 else 1.0
    imc1 = (hxy - hxy1) / hx if hx != 0 else 0.0
    imc2 = np.sqrt(1 - np.exp(-2 * (hxy2 - hxy))) if hxy2 != hxy else 0.0
    return np.array([ux, variance, correlation, imc1, imc2])


@_compiled
def _sums(plus, ux):
    """_SUMS: moments of k = i + j about 2 ux, sum p k, - sum p log2(p + eps)."""
    tendency, shade, prominence, average, entropy = 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(2, plus.size):
        if plus[k] > 0:
            d = k - 2 * ux
            tendency += plus[k] * d * d
            shade += plus[k] * d * d * d
            prominence += plus[k] * d * d * d * d
            average += plus[k] * k
            entropy -= plus[k] * np.log2(plus[k] + _EPS)
    return np.array([tendency, shade, prominence, average, entropy])


@_compiled
def _differences(minus):
    """_DIFFERENCES: sum p k^2, sum p k, - sum p log2(p + eps), sum p (k - mean)^2 over k = |i - j|."""
    contrast, average, entropy, variance = 0.0, 0.0, 0.0, 0.0
    for k in range(minus.size):
        contrast += minus[k] * k * k
        average += minus[k] * k
        entropy -= minus[k] * np.log2(minus[k] + _EPS)
    for k in range(minus.size):
        variance += minus[k] * (k - average) ** 2
    return np.array([contrast, average, entropy, variance])


@_compiled
def _inverses(minus):
    """_INVERSES: sum p / (1 + k), / (1 + k^2), / (1 + k^2 / Ng^2), / (1 + k / Ng), / k^2."""
    ng, inverse = minus.size, np.zeros(5)
    for k in range(ng):
        inverse[0] += minus[k] / (1 + k)
        inverse[1] += minus[k] / (1 + k * k)
        inverse[2] += minus[k] / (1 + k * k / ng**2)
        inverse[3] += minus[k] / (1 + k / ng)
        inverse[4] += minus[k] / (k * k) if k else 0.0
    return inverse


@_compiled
def _similarity(p, px, similar, weighted):
    """S = p / (px py)^0.5 and W = S px py / (px py + eps), for `_mcc`."""
    root = np.sqrt(px)
    for a in range(px.size):
        for b in range(px.size):
            similar[a, b] = p[a, b] / (root[a] * root[b]) if p[a, b] > 0 else 0.0
            weighted[a, b] = similar[a, b] * (px[a] * px[b] / (px[a] * px[b] + _EPS))


def _mcc(similar: np.ndarray, weighted: np.ndarray) -> float:
    """MCC: root of the second largest eigenvalue of Q(i, j) = sum_k p(i, k) p(j, k) / (px(i) py(k) + eps).

    Q is similar to W S, with S = D^-0.5 p D^-0.5 and W the same but for PyRadiomics' eps, which moves the
    eigenvalues of rare grey levels by up to 1e-6. W S is symmetric but for that, and its symmetric part has
    its eigenvalues to second order: one tenth of the work for a general matrix.
    """
    if similar.shape[1] < 2:
        return 1.0  # flat region, as in PyRadiomics
    product = weighted @ similar
    second = np.linalg.eigvalsh(product + product.transpose(0, 2, 1))[:, -2] / 2
    return float(np.sqrt(np.maximum(second, 0)).mean())


GLRLM = (
    *("GrayLevelNonUniformity", "GrayLevelVariance", "LowGrayLevelRunEmphasis", "HighGrayLevelRunEmphasis"),
    *("RunLengthNonUniformity", "RunLengthNonUniformityNormalized", "RunVariance"),
    *("ShortRunEmphasis", "LongRunEmphasis", "RunEntropy"),
    *("ShortRunLowGrayLevelEmphasis", "ShortRunHighGrayLevelEmphasis"),
    *("LongRunLowGrayLevelEmphasis", "LongRunHighGrayLevelEmphasis"),
    *("GrayLevelNonUniformityNormalized", "RunPercentage"),
)
GLSZM = (
    *("GrayLevelNonUniformity", "GrayLevelVariance", "LowGrayLevelZoneEmphasis", "HighGrayLevelZoneEmphasis"),
    *("SizeZoneNonUniformity", "SizeZoneNonUniformityNormalized", "ZoneVariance"),
    *("SmallAreaEmphasis", "LargeAreaEmphasis", "ZoneEntropy"),
    *("SmallAreaLowGrayLevelEmphasis", "SmallAreaHighGrayLevelEmphasis"),
    *("LargeAreaLowGrayLevelEmphasis", "LargeAreaHighGrayLevelEmphasis"),
    *("GrayLevelNonUniformityNormalized", "ZonePercentage"),
)
GLDM = (
    *("GrayLevelNonUniformity", "GrayLevelVariance", "LowGrayLevelEmphasis", "HighGrayLevelEmphasis"),
    *("DependenceNonUniformity", "DependenceNonUniformityNormalized", "DependenceVariance"),
    *("SmallDependenceEmphasis", "LargeDependenceEmphasis", "DependenceEntropy"),
    *("SmallDependenceLowGrayLevelEmphasis", "SmallDependenceHighGrayLevelEmphasis"),
    *("LargeDependenceLowGrayLevelEmphasis", "LargeDependenceHighGrayLevelEmphasis"),
)


@_compiled
def glrlm(counts, levels):
    """Runs of equal grey level, each angle by itself, then the means.

    Parameters
    ----------
    counts : (angles, levels, longest) int32
        Runs of each grey level and length, from 1 voxel.
    levels : (levels,) float64

    Returns
    -------
    (16,) float64
        As named in ``GLRLM``.
    """
    lengths, features = np.arange(1.0, counts.shape[2] + 1), np.zeros(16)
    for angle in range(counts.shape[0]):
        features += _emphases(counts[angle], levels, lengths)
    return features / counts.shape[0]


def glszm(counts: np.ndarray, levels: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Zones of equal grey level.

    Parameters
    ----------
    counts : (levels, sizes) int64
        Zones of each grey level and size.
    levels : (levels,) float64
    sizes : (sizes,) float64
        Voxels.

    Returns
    -------
    (16,) float64
        As named in ``GLSZM``.
    """
    return _emphases(counts, levels, sizes)


def gldm(counts: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Neighbours of equal grey level.

    Parameters
    ----------
    counts : (levels, 27) int32
        Voxels of each grey level with 0, 1, ... 26 such neighbours; the voxel itself counts in the formulas.
    levels : (levels,) float64

    Returns
    -------
    (14,) float64
        As named in ``GLDM``: by PyRadiomics' definition the other two of the shared formulas are constant or
        those of the histogram.
    """
    return _emphases(counts, levels, np.arange(1.0, counts.shape[1] + 1))[: len(GLDM)]


@_compiled
def _emphases(counts, i, j):
    """What GLRLM, GLSZM and GLDM share, with P = counts, n = sum P, pg = sum_j P, pr = sum_i P.

    sum pg^2 / n, variance of i, sum pg / i^2 / n, sum pg i^2 / n; the same of pr and j, normalised by n^2
    too, and the entropy of P / n; sum P / (i^2 j^2) / n, P i^2 / j^2, P j^2 / i^2, P i^2 j^2; sum pg^2 / n^2,
    n / sum pr j.
    """
    pg, pr, n = np.zeros(i.size), np.zeros(j.size), float(counts.sum())
    entropy, joint = 0.0, np.zeros(4)
    for a in range(i.size):
        for b in range(j.size):
            if counts[a, b] > 0:
                p, ii, jj = counts[a, b] / n, i[a] * i[a], j[b] * j[b]
                pg[a] += counts[a, b]
                pr[b] += counts[a, b]
                entropy -= p * np.log2(p + _EPS)
                joint[0] += p / (ii * jj)
                joint[1] += p * ii / jj
                joint[2] += p * jj / ii
                joint[3] += p * ii * jj
    gln, glv, low, high, _ = _along(pg, i, n)
    rln, rv, short, long, mean = _along(pr, j, n)
    features = np.array(
        [gln, glv, low, high, rln, rln / n, rv, short, long, entropy, 0, 0, 0, 0, gln / n, 1 / mean]
    )
    features[10:14] = joint
    return features


@_compiled
def _along(p, x, n):
    """Non-uniformity, variance, emphasis of small and of large x, and mean."""
    mean, squares, small, large, variance = 0.0, 0.0, 0.0, 0.0, 0.0
    for a in range(x.size):
        mean += p[a] * x[a]
        squares += p[a] * p[a]
        small += p[a] / (x[a] * x[a])
        large += p[a] * x[a] * x[a]
    mean /= n
    for a in range(x.size):
        variance += p[a] * (x[a] - mean) ** 2
    return squares / n, variance / n, small / n, large / n, mean


NGTDM = ("Coarseness", "Contrast", "Busyness", "Complexity", "Strength")


@_compiled
def ngtdm(frequency, differences, levels):
    """Difference of each voxel to the mean of its neighbours.

    With p = frequency / n and s = differences: 1 / sum p s; sum p_i p_j (i - j)^2 sum s / (n Ng (Ng - 1));
    sum p s / sum |i p_i - j p_j|; sum |i - j| (p_i s_i + p_j s_j) / (p_i + p_j) / n;
    sum (p_i + p_j) (i - j)^2 / sum s.

    Parameters
    ----------
    frequency : (levels,) int64
        Voxels of each grey level.
    differences : (levels,) float64
        Sum of their differences.
    levels : (levels,) float64

    Returns
    -------
    (5,) float64
        As named in ``NGTDM``.
    """
    n, s, i = frequency.sum(), differences, levels
    p = frequency / n
    contrast, busyness, complexity, strength = 0.0, 0.0, 0.0, 0.0
    for a in range(i.size):
        for b in range(a):  # each pair twice
            square = (i[a] - i[b]) ** 2
            contrast += 2 * p[a] * p[b] * square
            busyness += 2 * abs(i[a] * p[a] - i[b] * p[b])
            complexity += 2 * abs(i[a] - i[b]) * (p[a] * s[a] + p[b] * s[b]) / (p[a] + p[b])
            strength += 2 * (p[a] + p[b]) * square
    coarse, rough, pairs = (p * s).sum(), s.sum(), i.size * (i.size - 1)
    return np.array(
        [
            1 / coarse if coarse != 0 else 1e6,
            contrast * rough / n / pairs if pairs else 0.0,
            coarse / busyness if busyness != 0 else 0.0,
            complexity / n,
            strength / rough if rough != 0 else 0.0,
        ]
    )
