"""Boxes of voxels around a region."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk


def bounding_box(region: np.ndarray) -> tuple[slice, ...]:
    """The smallest box around a region; nothing of an empty one."""
    window = []
    for axis in range(3):
        occupied = np.flatnonzero(region.any(tuple(other for other in range(3) if other != axis)))
        window.append(slice(occupied[0], occupied[-1] + 1) if occupied.size else slice(0, 0))
        region = region[(slice(None),) * axis + (window[-1],)]  # the rest is empty
    return tuple(window)


def roi_box(layers: sitk.Image) -> tuple[np.ndarray, np.ndarray]:
    """First voxel and size (x, y, z) of the box around all labels."""
    voxels, first, stop = sitk.GetArrayViewFromImage(layers), [], []
    for axis in range(3):
        occupied = np.flatnonzero(voxels.max(tuple(other for other in range(3) if other != axis)))
        first.append(occupied[0])
        stop.append(occupied[-1] + 1)
        voxels = voxels[(slice(None),) * axis + (slice(first[-1], stop[-1]),)]  # the rest is empty
    return np.array(first[::-1]), np.subtract(stop, first)[::-1]


def crop(image: sitk.Image, first: np.ndarray, stop: np.ndarray) -> sitk.Image:
    """The voxels from ``first`` to before ``stop`` (x, y, z) as far as the image has them."""
    first = np.maximum(first, 0).astype(int).tolist()
    stop = np.minimum(stop, image.GetSize()).astype(int).tolist()
    return image[tuple(slice(a, b) for a, b in zip(first, stop, strict=True))]
