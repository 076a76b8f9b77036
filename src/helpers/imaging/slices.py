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
    "sagittal": Plane(2, "A", "P", "H", "F"),
    "coronal": Plane(1, "R", "L", "H", "F"),
}


# Unit vectors (LPS) from left to right and from top to bottom of a picture, and across it.
_AXES = {
    "axial": np.eye(3),
    "sagittal": np.array([[0.0, 1, 0], [0, 0, -1], [-1, 0, 0]]),
    "coronal": np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]),
}
_OUTSIDE_HU = -1024


class Reach(NamedTuple):
    """How far a picture goes from its point to each side, mm."""

    left: float
    right: float
    up: float
    down: float


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


def sampled_cut(
    image: sitk.Image, layers: sitk.Image, plane: str, point: np.ndarray, reach: Reach, pixel_mm: float
) -> Cut:
    """Cut as `cut` does, in square pixels and no further than ``reach``: only what is shown is read.

    Parameters
    ----------
    image, layers : sitk.Image
        On the same grid, in any orientation, turned or not.
    plane : {"axial", "sagittal", "coronal"}
    point : ndarray, shape (3,)
        Physical point (mm, LPS) that the cut goes through.
    reach : Reach
        How far the picture goes from the point.
    pixel_mm : float
        Size of a pixel (mm); HU between voxels are interpolated linearly.
    """
    grid = _grid(plane, point, reach, pixel_mm)
    hu = sitk.Resample(image, grid, sitk.Transform(), sitk.sitkLinear, _OUTSIDE_HU)
    labels = sitk.Resample(layers, grid, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    arrays = [sitk.GetArrayFromImage(volume)[0] for volume in (hu, labels)]
    return Cut(*arrays, (-reach.left, reach.right, -reach.down, reach.up))


def brightest(
    image: sitk.Image, plane: str, point: np.ndarray, reach: Reach, pixel_mm: float, slab: range
) -> np.ndarray:
    """Highest HU of a slab of cuts, as of `sampled_cut`; ``slab`` are their distances from the point (mm)."""
    first = np.asarray(point) + slab.start * _AXES[plane][2]
    grid = _grid(plane, first, reach, pixel_mm, len(slab), slab.step)
    return sitk.GetArrayFromImage(
        sitk.Resample(image, grid, sitk.Transform(), sitk.sitkLinear, _OUTSIDE_HU)
    ).max(0)


def _grid(
    plane: str, point: np.ndarray, reach: Reach, pixel_mm: float, slices: int = 1, apart_mm: float = 1
) -> sitk.Image:
    """Empty pixels of a picture, or of several one behind the other."""
    across, down, _ = _AXES[plane]
    size = [round((reach.left + reach.right) / pixel_mm), round((reach.up + reach.down) / pixel_mm), slices]
    corner = np.asarray(point) - (reach.left - pixel_mm / 2) * across - (reach.up - pixel_mm / 2) * down
    grid = sitk.Image(size, sitk.sitkUInt8)
    grid.SetSpacing([pixel_mm, pixel_mm, apart_mm])
    grid.SetOrigin(corner.tolist())
    grid.SetDirection(_AXES[plane].T.ravel().tolist())
    return grid


def layer_centre(layers: sitk.Image, chosen: tuple[int, ...] = tuple(LAYERS)) -> np.ndarray:
    """Centre of mass of the chosen layers (mm, LPS)."""
    where = np.argwhere(np.isin(sitk.GetArrayViewFromImage(layers), chosen)).mean(axis=0)[::-1]
    return np.array(layers.TransformContinuousIndexToPhysicalPoint(where.tolist()))
