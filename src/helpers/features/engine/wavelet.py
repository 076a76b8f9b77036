"""PyRadiomics' stationary wavelet transform of one level, bit for bit, where the region needs it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pywt
import SimpleITK as sitk
from numba import njit

from helpers.features.engine.derived import derived_images


def wavelet_images(
    image: sitk.Image, mask: sitk.Image, window: tuple[slice, ...], **settings
) -> Iterator[tuple[np.ndarray, str, dict]]:
    """Derive PyRadiomics' wavelet images.

    Parameters
    ----------
    image, mask : sitk.Image
    window : tuple of slice
        What is needed of the images (z, y, x).
    **settings
        PyRadiomics' settings; more than one level, or slice by slice, is left to PyRadiomics.

    Yields
    ------
    (ndarray, str, dict)
        Image in the window, its name as PyRadiomics writes it, settings.
    """
    voxels, wavelet = sitk.GetArrayViewFromImage(image), settings.get("wavelet", "coif1")
    wavelet = wavelet if isinstance(wavelet, pywt.Wavelet) else pywt.Wavelet(wavelet)
    one_level = settings.get("level", 1) == 1 and settings.get("start_level", 0) == 0
    in_space = voxels.ndim == 3 and not settings.get("force2D") and min(voxels.shape) >= wavelet.dec_len
    if one_level and in_space and voxels.dtype != np.float32:  # which pywt filters in single precision
        parts = transform(voxels, window, np.array(wavelet.dec_lo), np.array(wavelet.dec_hi))
        for name in [*list(parts)[1:], "LLL"]:
            yield parts[name], f"wavelet-{name}", settings
        return
    yield from derived_images("Wavelet", image, mask, window, **settings)


def transform(
    voxels: np.ndarray, window: tuple[slice, ...], low: np.ndarray, high: np.ndarray
) -> dict[str, np.ndarray]:
    """All eight parts of a volume, such as "LLH", x first, within a window.

    Parameters
    ----------
    voxels : ndarray, shape (z, y, x)
    window : tuple of slice
    low, high : ndarray, shape (taps,)
        Decomposition filters.
    """
    # As PyRadiomics: an odd axis gets its first voxel once more at its end.
    padded = np.pad(voxels.astype(float), [(0, size % 2) for size in voxels.shape], "wrap")
    parts = {"": padded}
    for axis in (2, 1, 0):
        first, stop, _ = window[axis].indices(voxels.shape[axis])
        order = {0: (1, 0, 2), 1: (0, 1, 2), 2: (0, 2, 1)}[axis]  # the axis goes to the middle and back
        filtered = {
            name: _filter(np.ascontiguousarray(part.transpose(order)), low, high, first, stop)
            for name, part in parts.items()
        }
        parts = {
            name + letter: part.transpose(order)
            for name, both in filtered.items()
            for letter, part in zip("LH", both, strict=True)
        }
    return parts


@njit(cache=True, nogil=True)
def _filter(lines, low, high, first, stop):
    """Both filters along the middle axis, around its ends, for the places from ``first`` to before ``stop``.

    Added up in pywt's order: what lies beyond the last voxel comes first there, and backwards.
    """
    outer, length, inner = lines.shape
    taps = low.size
    lows, highs = np.zeros((outer, stop - first, inner)), np.zeros((outer, stop - first, inner))
    for plane in range(outer):
        for row in range(first, stop):
            beyond = max(row + taps // 2 - length + 1, 0)
            for n in range(taps):
                tap = beyond - 1 - n if n < beyond else n
                line = lines[plane, (row + taps // 2 - tap) % length]
                to_low, to_high = lows[plane, row - first], highs[plane, row - first]
                for k in range(inner):
                    to_low[k] += low[tap] * line[k]
                    to_high[k] += high[tap] * line[k]
    return lows, highs
