"""ITK's gradient magnitude, where the region needs it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import SimpleITK as sitk

from helpers.features.engine.derived import derived_images


def gradient_images(
    image: sitk.Image, mask: sitk.Image, window: tuple[slice, ...], **settings
) -> Iterator[tuple[np.ndarray, str, dict]]:
    """Derive PyRadiomics' gradient image.

    Parameters
    ----------
    image, mask : sitk.Image
    window : tuple of slice
        What is needed of the image (z, y, x).
    **settings
        PyRadiomics' settings.

    Yields
    ------
    (ndarray, str, dict)
        Image in the window, its name as PyRadiomics writes it, settings.
    """
    if image.GetDimension() != 3:
        yield from derived_images("Gradient", image, mask, window, **settings)
        return
    spacing = image.GetSpacing() if settings.get("gradientUseSpacing", True) else (1.0, 1.0, 1.0)
    voxels = sitk.GetArrayViewFromImage(image)
    yield gradient_magnitude(voxels, window, spacing), "gradient", settings


def gradient_magnitude(
    voxels: np.ndarray, window: tuple[slice, ...], spacing: tuple[float, ...]
) -> np.ndarray:
    """Equal ITK's GradientMagnitude: half the difference of both neighbours along each axis, float32.

    Parameters
    ----------
    voxels : ndarray, shape (z, y, x)
        Beyond its edge the image goes on unchanged.
    window : tuple of slice
        z, y, x.
    spacing : tuple of float
        x, y, z, mm.
    """
    squares = np.zeros(voxels[window].shape)
    for axis, weight in zip((2, 1, 0), (0.5 / step for step in spacing), strict=True):
        size = voxels.shape[axis]
        beside = np.arange(*window[axis].indices(size))
        whole = (*window[:axis], slice(None), *window[axis + 1 :])
        before, after = (
            voxels[whole].take(np.clip(beside + way, 0, size - 1), axis).astype(float) for way in (-1, 1)
        )
        squares += (weight * after - weight * before) ** 2
    return np.sqrt(squares).astype(np.float32)
