"""Boxes of voxels around a region."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk


def bounding_box(region: np.ndarray) -> tuple[slice, ...]:
    """The smallest box around what is not 0 (z, y, x; bool or unsigned numbers); nothing where all is."""
    region, window = region.view(np.uint8) if region.dtype == bool else region, []
    for axis in range(3):  # the maximum is found several times as fast as whether there is any
        occupied = np.flatnonzero(region.max(tuple(other for other in range(3) if other != axis), initial=0))
        window.append(slice(occupied[0], occupied[-1] + 1) if occupied.size else slice(0, 0))
        region = region[(slice(None),) * axis + (window[-1],)]  # the rest is empty
    return tuple(window)


def roi_box(layers: sitk.Image) -> tuple[np.ndarray, np.ndarray]:
    """First voxel and size (x, y, z) of the box around all labels."""
    window = bounding_box(sitk.GetArrayViewFromImage(layers))[::-1]
    start = np.array([part.start for part in window])
    return start, np.array([part.stop for part in window]) - start


def around(labels: sitk.Image, margin_mm: float) -> tuple[np.ndarray, np.ndarray]:
    """First voxel, and the one behind the last (x, y, z), of the box around all labels and a margin (mm).

    As far as the image goes.
    """
    start, size = roi_box(labels)
    margin = np.ceil(margin_mm / np.array(labels.GetSpacing())).astype(int)
    return np.maximum(start - margin, 0), np.minimum(start + size + margin, labels.GetSize())


def oriented_around(volume: sitk.Image, labels: sitk.Image, margin_mm: float) -> sitk.Image:
    """``volume`` in the box around all labels and a margin (mm), its axes in the order left, back, head."""
    first, stop = around(labels, margin_mm)
    box = tuple(slice(int(low), int(high)) for low, high in zip(first, stop, strict=True))
    return oriented(volume[box])


def oriented(volume: sitk.Image) -> sitk.Image:
    """The volume with its axes in the order left, back, head; the very volume, not a copy, if they are so."""
    axes = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(volume.GetDirection())
    return volume if axes == "LPS" else sitk.DICOMOrient(volume, "LPS")
