"""PyRadiomics' own derived images, of which only the region's window is kept."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import SimpleITK as sitk
from radiomics import imageoperations


def derived_images(
    kind: str, image: sitk.Image, mask: sitk.Image, window: tuple[slice, ...], **settings
) -> Iterator[tuple[np.ndarray, str, dict]]:
    """Derive the images of one kind as PyRadiomics does, or stop in its words.

    Parameters
    ----------
    kind : str
        As PyRadiomics' settings call it, such as "Wavelet".
    image, mask : sitk.Image
    window : tuple of slice
        What is needed of the images (z, y, x).
    **settings
        PyRadiomics' settings.

    Yields
    ------
    (ndarray, str, dict)
        Image in the window, its name as PyRadiomics writes it, settings.
    """
    for derived, name, own in getattr(imageoperations, f"get{kind}Image")(image, mask, **settings):
        yield sitk.GetArrayViewFromImage(derived)[window].copy(), name, own  # a view ends with its image
