"""ITK's Laplacian of Gaussian, bit for bit and several times faster (32 lines filtered side by side)."""

import math

import numpy as np
import SimpleITK as sitk
from numba import njit

from helpers.features.engine.derived import derived_images


@njit(nogil=True)
def _filter_lines(lines, causal, anticausal, ahead, back, feedback):
    """Filter 32 lines side by side, forwards and backwards; the four rows at either end are given."""
    (n0, n1, n2, n3), (m1, m2, m3, m4), (d1, d2, d3, d4) = ahead, back, feedback
    x, y, z = lines, causal, anticausal
    for i in range(len(lines) - 8):
        for k in range(32):
            seen = x[i + 4, k] * n0 + x[i + 3, k] * n1 + x[i + 2, k] * n2 + x[i + 1, k] * n3
            past = y[i + 3, k] * d1 + y[i + 2, k] * d2 + y[i + 1, k] * d3 + y[i, k] * d4
            y[i + 4, k] = seen - past
    for i in range(len(lines) - 9, -1, -1):
        for k in range(32):
            seen = x[i + 5, k] * m1 + x[i + 6, k] * m2 + x[i + 7, k] * m3 + x[i + 8, k] * m4
            past = z[i + 5, k] * d1 + z[i + 6, k] * d2 + z[i + 7, k] * d3 + z[i + 8, k] * d4
            z[i + 4, k] = seen - past


@njit(cache=True, nogil=True)
def recursive_gaussian(image, ahead, back, feedback):
    """Filter along the middle axis, forwards and backwards, 32 lines at a time.

    Parameters
    ----------
    image : (outer, length, inner) array
    ahead, back : (4,) float64
        Weights of the voxel and the three before it, and of the four behind it.
    feedback : (4,) float64
        Weights of the four outputs before.

    Returns
    -------
    (outer, length, inner) float32
        Rounded after each axis as ITK does: a voxel near a bin's edge must fall on the same side.
    """
    outer, length, inner = image.shape
    # Before its first and behind its last voxel a line goes on unchanged: the filter has settled there.
    settled = ahead.sum() / (1 + feedback.sum()), back.sum() / (1 + feedback.sum())
    lines, causal, anticausal = (
        np.zeros((length + 8, 32)),
        np.zeros((length + 8, 32)),
        np.zeros((length + 8, 32)),
    )
    result = np.empty(image.shape, np.float32)
    for plane in range(outer):
        for first in range(0, inner, 32):
            width = min(32, inner - first)
            for row in range(length):
                for k in range(width):
                    lines[row + 4, k] = image[plane, row, first + k]
            lines[:4], lines[length + 4 :] = lines[4], lines[length + 3]
            causal[:4], anticausal[length + 4 :] = lines[:4] * settled[0], lines[length + 4 :] * settled[1]
            _filter_lines(lines, causal, anticausal, ahead, back, feedback)
            for row in range(length):
                for k in range(width):
                    result[plane, row, first + k] = causal[row + 4, k] + anticausal[row + 4, k]
    return result


def gaussian_weights(sigma, spacing, derivative):
    """Weights of `recursive_gaussian` for a Gaussian or its second derivative.

    Two damped waves approximate the Gaussian (Deriche 1993; constants of Farneback and Westin, 2006,
    "Improving Deriche-style recursive Gaussian filters", J Math Imaging Vis 26:293-299). Added up in ITK's
    order, so that even the last bit is ITK's.

    Parameters
    ----------
    sigma, spacing : float
        mm.
    derivative : bool
        Second derivative, times sigma squared.

    Returns
    -------
    ahead, back, feedback : (4,) float64
    """
    waves = _damped_waves(sigma / spacing)
    feedback = _feedback(*waves)
    d0, d1, d2 = _moments([1.0, *feedback])
    ahead = _numerator(1.3530, 1.8151, -0.3531, 0.0902, *waves)
    n0, n1, n2 = _moments(ahead)
    if derivative:
        second = _numerator(-1.3563, 5.2318, 0.3446, -2.2355, *waves)
        s0, s1, s2 = _moments(second)
        share = -(2 * s0 - d0 * second[0]) / (2 * n0 - d0 * ahead[0])
        ahead = second + share * ahead
        n0, n1, n2 = s0 + share * n0, s1 + share * n1, s2 + share * n2
        response = n2 * d0 * d0 - d2 * n0 * d0 - 2 * n1 * d1 * d0 + 2 * d1 * d1 * n0
        ahead *= sigma * sigma / (response / (d0 * d0 * d0))
    else:
        ahead *= 1.0 / (2 * n0 / d0 - ahead[0])
    back = np.append(ahead[1:], 0.0) - feedback * ahead[0]
    return ahead, back, feedback


def _damped_waves(voxels):
    """Sine, cosine and damping of the two waves from one voxel to the next; sigma is ``voxels`` long."""
    # One by one from the C library, as ITK takes them: numpy's own differ in the last bit on some processors.
    first, second = (
        (math.sin(frequency / voxels), math.cos(frequency / voxels), math.exp(decay / voxels))
        for frequency, decay in ((0.6681, -1.3932), (2.0787, -1.3732))
    )
    return first, second


def _numerator(a1, b1, a2, b2, first, second):
    """Weights of the voxel and the three before it for amplitudes a (cosine) and b (sine) of both waves."""
    (s1, c1, e1), (s2, c2, e2) = first, second
    one = e2 * (b2 * s2 - (a2 + 2 * a1) * c2) + e1 * (b1 * s1 - (a1 + 2 * a2) * c1)
    both = (a1 + a2) * c2 * c1 - (b1 * c2 * s1 + b2 * c1 * s2)
    two = both * (2 * e1 * e2) + (a2 * e1 * e1 + a1 * e2 * e2)
    three = e2 * e1 * e1 * (b2 * s2 - a2 * c2) + e1 * e2 * e2 * (b1 * s1 - a1 * c1)
    return np.array([a1 + a2, one, two, three])


def _feedback(first, second):
    """Weights of the four outputs before."""
    (_, c1, e1), (_, c2, e2) = first, second
    return np.array(
        [
            -2 * (e2 * c2 + e1 * c1),
            4 * c2 * c1 * e1 * e2 + (e1 * e1 + e2 * e2),
            -2 * c1 * e1 * e2 * e2 + -2 * c2 * e2 * e1 * e1,
            e1 * e1 * e2 * e2,
        ]
    )


def _moments(weights):
    """Sum, first and second moment of filter weights, added up from the front as ITK does."""
    sums = [0.0, 0.0, 0.0]
    for place, weight in enumerate(weights):
        sums = [total + place**power * weight for power, total in enumerate(sums)]
    return sums


def laplacian_of_gaussian(
    image: np.ndarray, window: tuple[slice, ...], spacing: tuple, sigma: float
) -> np.ndarray:
    """Equal ITK's LaplacianRecursiveGaussian (normalised across scale) bit for bit, within a window.

    Lines that no voxel of the window looks at are left out from pass to pass.

    Parameters
    ----------
    image : ndarray, shape (z, y, x)
        float64, at least 4 voxels along each axis.
    window : tuple of slice
        z, y, x.
    spacing : tuple of float
        x, y, z, mm.
    sigma : float
        mm.

    Returns
    -------
    ndarray
        float32, in the shape of the window.
    """
    # One array axis after the other, in ITK's order: each is curved in its turn, x first.
    order = {2: (2, 1, 0), 1: (1, 2, 0), 0: (0, 2, 1)}
    total = np.zeros(image[window].shape, np.float32)
    for curved, axes in order.items():
        part = image
        for axis in axes:
            weights = gaussian_weights(sigma, spacing[2 - axis], derivative=axis == curved)
            part = _along(part, axis, weights)[(slice(None),) * axis + (window[axis],)]
        total = (total + part.astype(float) * (1 / spacing[2 - curved] ** 2)).astype(np.float32)
    return total


def _along(volume: np.ndarray, axis: int, weights: tuple) -> np.ndarray:
    """Filter along one axis: it goes to the middle and back, without a voxel being copied."""
    order = {0: (1, 0, 2), 1: (0, 1, 2), 2: (0, 2, 1)}[axis]
    return recursive_gaussian(volume.transpose(order), *weights).transpose(order)


def log_images(image, mask, window, **settings):
    """Derive PyRadiomics' LoG images.

    Parameters
    ----------
    image, mask : SimpleITK image
    window : tuple of slice
        What is needed of the images (z, y, x).
    **settings
        PyRadiomics' settings; `sigma` is a list in mm.

    Yields
    ------
    (ndarray, str, dict)
        Image in the window, its name as PyRadiomics writes it, settings.
    """
    size, spacing = np.array(image.GetSize()), image.GetSpacing()
    voxels = sitk.GetArrayViewFromImage(image)
    # The Laplacian of a flat image is rounding noise, and the noise is ITK's own.
    covered = size.size == 3 and size.min() >= 4 and np.ptp(voxels) > 0
    for sigma in settings.get("sigma", []):
        if covered and sigma > 0 and np.all(size >= np.ceil(sigma / np.array(spacing)) + 1):
            name = f"log-sigma-{str(sigma).replace('.', '-')}-mm-3D"
            yield laplacian_of_gaussian(voxels.astype(float), window, spacing, sigma), name, settings
        else:  # PyRadiomics computes it, or says why not
            yield from derived_images("LoG", image, mask, window, **settings | {"sigma": [sigma]})
