"""Slices through a scan: planes, cuts, and where a layer lies."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import SimpleITK as sitk

from helpers.imaging.regions import LAYERS


class Plane(NamedTuple):
    """One way to cut an LPS volume: the array axis cut across, and the letters at the four edges."""

    axis: int
    left: str
    right: str
    top: str
    bottom: str


# Radiological convention: the patient's right is on the viewer's left.
PLANES = {
    "axial": Plane(0, "R", "L", "A", "P"),
    "sagittal": Plane(2, "A", "P", "S", "I"),
    "coronal": Plane(1, "R", "L", "S", "I"),
}


class Cut(NamedTuple):
    """A slice of HU and labels with its place in mm: left, right, bottom, top."""

    hu: np.ndarray
    layers: np.ndarray
    extent: tuple[float, float, float, float]


def cut(image: sitk.Image, layers: sitk.Image, plane: str, point: np.ndarray) -> Cut:
    """Cut image and layers across ``plane`` through ``point``.

    Parameters
    ----------
    image, layers : sitk.Image
        On the same grid, in any orientation.
    plane : {"axial", "sagittal", "coronal"}
    point : ndarray, shape (3,)
        Physical point (mm, LPS).
    """
    image, layers = (sitk.DICOMOrient(volume, "LPS") for volume in (image, layers))
    axis = PLANES[plane].axis
    index = image.TransformPhysicalPointToIndex(point.tolist())[::-1][axis]
    slices = [np.take(sitk.GetArrayViewFromImage(volume), index, axis) for volume in (image, layers)]
    low = np.array(image.GetOrigin()) - np.array(image.GetSpacing()) / 2
    high = low + np.array(image.GetSpacing()) * image.GetSize()
    across, down = [a for a in (2, 1, 0) if a != axis]
    (left, right), (first, last) = ((low[2 - a], high[2 - a]) for a in (across, down))
    if plane == "axial":  # rows run to posterior, which is drawn downwards
        return Cut(*slices, (left, right, last, first))
    return Cut(*(s[::-1] for s in slices), (left, right, first, last))


def layer_centre(layers: sitk.Image, chosen: tuple[int, ...] = tuple(LAYERS)) -> np.ndarray:
    """Centre of mass of the chosen layers (mm, LPS)."""
    where = np.argwhere(np.isin(sitk.GetArrayViewFromImage(layers), chosen)).mean(axis=0)[::-1]
    return np.array(layers.TransformContinuousIndexToPhysicalPoint(where.tolist()))
