"""Is it CT in Hounsfield units, and one series? Fat, soft tissue and noise of the same scan tell.

Fat lies near -100 HU and muscle near 50 HU at 120 kV in every patient and on every scanner: their peaks in
the histogram show a wrong rescale slope or intercept, another kV, or contrast medium. Noise changes slowly
from slice to slice within one series.
"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from scipy import ndimage, signal

from helpers.imaging.boxes import oriented_around

# Where tissues are sought (HU): above lung, below dense bone or a scan without its rescale intercept.
_SOUGHT = (-500, 1600)
# Width of the smoothing (HU): noise of a slice is wider, peaks of fat and muscle lie 150 apart.
_SMOOTHING_HU = 8.0
# A peak holds at least this share of the voxels in 10 HU.
_LEAST_SHARE = 0.005
_VOXELS = 2_000_000  # looked at; every nth of larger scans
_AROUND_MM = 15.0  # of the region, where slices are compared


def tissue_peaks(image: sitk.Image) -> dict[str, float]:
    """HU of fat and of soft tissue, by the peaks of the scan's histogram.

    Parameters
    ----------
    image : sitk.Image
        HU.

    Returns
    -------
    dict
        ``fat_hu``: the lowest peak above lung, when there are two at least; ``soft_hu``: the next one, or the
        only one. NaN where there is no such peak (a scan cropped to the vertebra has no fat).
    """
    voxels = sitk.GetArrayViewFromImage(image)
    step = max(1, int((voxels.size / _VOXELS) ** (1 / 3)))
    values = voxels[::step, ::step, ::step].ravel()
    low, high = _SOUGHT
    places = np.clip(values, low - 1, high).astype(np.int32) - low + 1
    counts = np.bincount(places, minlength=high - low + 2)[1:-1]
    density = 10 * ndimage.gaussian_filter1d(counts.astype(float), _SMOOTHING_HU) / values.size
    places, _ = signal.find_peaks(density, height=_LEAST_SHARE, prominence=_LEAST_SHARE / 5)
    peaks = [float(place) for place in places + _SOUGHT[0]]
    fat, soft = (peaks[0], peaks[1]) if len(peaks) > 1 else (np.nan, *(peaks or [np.nan]))
    return {"fat_hu": fat, "soft_hu": soft}


def slice_noise(image: sitk.Image, layers: sitk.Image) -> dict[str, float]:
    """How evenly noise runs through the slices around the region.

    Noise of a slice is the median difference of a voxel from the mean of its four neighbours in the slice.

    Returns
    -------
    dict
        ``noise_alternates``: median ratio of a slice's noise to that of its two neighbours (slices of two
        kernels in turn); ``noise_jumps``: largest ratio between three slices and the next three (a series
        that goes on as another). At least 1; NaN with fewer than six slices.
    """
    slices = sitk.GetArrayFromImage(oriented_around(image, layers, _AROUND_MM)).astype(np.int32)
    if len(slices) < 6:
        return {"noise_alternates": float("nan"), "noise_jumps": float("nan")}
    beside = slices[:, 1:-1, :-2] + slices[:, 1:-1, 2:] + slices[:, :-2, 1:-1] + slices[:, 2:, 1:-1]
    rough = np.abs(beside - 4 * slices[:, 1:-1, 1:-1])
    noise = np.log(np.maximum(np.median(rough.reshape(len(slices), -1), axis=1), 1.0))
    uneven = np.abs(noise[1:-1] - (noise[:-2] + noise[2:]) / 2)
    before = np.lib.stride_tricks.sliding_window_view(noise, 3).mean(axis=1)
    ratios = {"noise_alternates": np.median(uneven), "noise_jumps": np.abs(before[3:] - before[:-3]).max()}
    return {name: float(np.exp(ratio)) for name, ratio in ratios.items()}
