"""Whether an image is a whole scan, or was cut out of one."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

# Scanners reconstruct square slices, of a chest 300 to 500 mm wide, and chests are longer than this (mm).
# Images cut to the spine have 70 to 135 mm.
CHEST_MM = 200.0
# Simulated patients are made no larger than this (mm): left to right, front to back. Their length varies.
SIMULATED_MM = (125.0, 111.0, 0.0)


def is_whole(image: sitk.Image, simulated: bool) -> bool:
    """Whether nothing tells that the image was cut out of a larger one.

    What nobody can see: slices cut away from a long scan, or a square cut of more than 200 mm.

    Parameters
    ----------
    image : sitk.Image
    simulated : bool
        The files were written by this project's simulator, whose scans show the spine's surroundings only.
    """
    sides = sides_mm(image)
    if simulated:
        return bool((sides >= SIMULATED_MM).all())
    square = abs(sides[0] - sides[1]) <= max(image.GetSpacing())
    return bool(square and (sides >= CHEST_MM).all())


def sides_mm(image: sitk.Image) -> np.ndarray:
    """Length of an image (mm) from left to right, front to back and head to foot."""
    axes = np.abs(np.reshape(image.GetDirection(), (3, 3))).argmax(axis=0)
    sides = np.zeros(3)
    sides[axes] = np.multiply(image.GetSize(), image.GetSpacing())
    return sides
