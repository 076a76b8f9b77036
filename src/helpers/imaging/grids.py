"""Masks brought to their image's grid where that is safe, and refused with the remedy where it is not.

Safe is what the headers of both files explain without guessing: other orders or directions of the same
axes, a box cut out of the image, another voxel size of the same space, and rounding. A mask one slice off
in thick slices looks much like a right one (its HU hardly change), so it must be caught here, by its header.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import SimpleITK as sitk

from helpers.errors import StudyError

# File headers round positions (NIfTI to 32 bits): this is taken without a word (mm).
GRID_TOLERANCE_MM = 0.01
# Farther than this from the image's voxels, a mask lies between them (share of a voxel).
ROUNDING_VOXELS = 0.1
# Axes that differ by more than this are turned against each other (sine of the angle).
TURN_TOLERANCE = 2e-3

_GRID = ("GetSize", "GetSpacing", "GetOrigin", "GetDirection")


class Aligned(NamedTuple):
    """A mask in the image's order of axes, and where its voxels lie in the image's index space.

    Voxel ``i`` of ``labels`` (x, y, z) lies at index ``first + i * step`` of the image.
    """

    labels: np.ndarray
    first: np.ndarray
    step: np.ndarray
    reordered: bool


def match_grid(mask: sitk.Image, image: sitk.Image, cropped: bool = False) -> tuple[sitk.Image, list[str]]:
    """Bring a mask to its image's grid.

    Parameters
    ----------
    mask, image : sitk.Image
    cropped : bool
        The mask's format leaves empty slices out and orders them as it likes (DICOM SEG): one slice less
        means nothing, and nothing of this is noted.

    Returns
    -------
    mask : sitk.Image
        On exactly the image's grid; labels are moved, never mixed.
    notes : list of str
        What was done, if anything.

    Raises
    ------
    StudyError
        When bringing it there would be a guess: turned axes, voxels between the image's, one slice more or
        less, another origin, or labels outside the image.
    """
    if all(getattr(mask, of)() == getattr(image, of)() for of in _GRID):
        return mask, []
    aligned = _align(mask, image)
    size, image_size = np.array(aligned.labels.shape), np.array(image.GetSize())
    drift = np.abs(aligned.step - 1) * (size - 1)
    if (drift > ROUNDING_VOXELS).any():
        return _resample(aligned, mask, image)
    offset = np.round(aligned.first).astype(int)
    gap = np.maximum(np.abs(aligned.first - offset), drift)
    if (gap > ROUNDING_VOXELS).any():
        raise _other_grid(f"its origin lies {gap.max():.2f} voxels beside the image's voxels")
    if (size == image_size).all() and offset.any():
        raise _other_grid(f"its origin differs by {_slices(offset)}, with the same size")
    change = size - image_size
    if not cropped and np.abs(change).sum() == 1:
        raise _other_grid(
            f"its size is {tuple(size.tolist())}, the image's {image.GetSize()}: one slice is off"
        )
    notes = ["mask axes reordered by its header"] if aligned.reordered and not cropped else []
    shift = (gap * image.GetSpacing()).max()
    if shift > GRID_TOLERANCE_MM:
        notes.append(f"mask positions rounded by up to {shift:.2f} mm")
    if change.any() and not cropped:
        notes.append("mask covers another box than the image; placed by its header")
    return _placed(aligned.labels, offset, image), notes


def _align(mask: sitk.Image, image: sitk.Image) -> Aligned:
    turn = _axes(image).T @ _axes(mask)
    order = np.abs(turn).argmax(axis=1)
    signs = np.sign(turn[range(3), order])
    expected = np.zeros((3, 3))
    expected[range(3), order] = signs
    if len(set(order)) < 3 or np.abs(turn - expected).max() > TURN_TOLERANCE:
        raise _other_grid("its direction is turned against the image's")
    labels = sitk.GetArrayFromImage(mask).transpose(2, 1, 0).transpose(order)
    labels = np.flip(labels, axis=np.flatnonzero(signs < 0).tolist())
    start = [0 if signs[axis] > 0 else mask.GetSize()[order[axis]] - 1 for axis in range(3)]
    corner = np.zeros(3, dtype=int)
    corner[order] = start
    first = image.TransformPhysicalPointToContinuousIndex(mask.TransformIndexToPhysicalPoint(corner.tolist()))
    step = np.array(mask.GetSpacing())[order] / image.GetSpacing()
    reordered = bool((order != range(3)).any() or (signs < 0).any())
    return Aligned(labels, np.array(first), step, reordered)


def _axes(volume: sitk.Image) -> np.ndarray:
    return np.array(volume.GetDirection()).reshape(3, 3)


def _placed(labels: np.ndarray, offset: np.ndarray, image: sitk.Image) -> sitk.Image:
    """Copy ``labels`` into an empty volume of the image's size, its first voxel at ``offset``."""
    size = np.array(image.GetSize())
    if not offset.any() and (size == labels.shape).all():
        return _like(labels, image)
    low, high = np.maximum(offset, 0), np.minimum(offset + labels.shape, size)
    inside = tuple(slice(a, b) for a, b in zip(low - offset, np.maximum(high - offset, 0), strict=True))
    if np.count_nonzero(labels) > np.count_nonzero(labels[inside]):
        raise _other_grid("its origin and size put a part of the region outside the image")
    volume = np.zeros(size, dtype=labels.dtype)
    volume[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = labels[inside]
    return _like(volume, image)


def _resample(aligned: Aligned, mask: sitk.Image, image: sitk.Image) -> tuple[sitk.Image, list[str]]:
    """Nearest neighbour to the image's voxels, when both cover the same space or the mask a part of it."""
    size, image_size = np.array(aligned.labels.shape), np.array(image.GetSize())
    spacing = " x ".join(f"{step:.3g}" for step in mask.GetSpacing())
    if (size == image_size).all():
        raise _other_grid(f"its spacing is {spacing} mm, with the same size: one header is wrong")
    overhang = np.maximum(
        -0.5 - (aligned.first - aligned.step / 2),
        aligned.first + (size - 0.5) * aligned.step - (image_size - 0.5),
    )
    if (overhang > np.maximum(1, aligned.step)).any():
        raise _other_grid(f"its spacing is {spacing} mm and it covers another space than the image")
    volume = aligned.labels
    for axis in range(3):
        index = np.round((np.arange(image_size[axis]) - aligned.first[axis]) / aligned.step[axis])
        known = (index >= 0) & (index < size[axis])
        volume = np.take(volume, np.clip(index, 0, size[axis] - 1).astype(int), axis=axis)
        volume[(slice(None),) * axis + (~known,)] = 0
    return _like(volume, image), [
        f"mask was drawn on voxels of {spacing} mm, not on this series: look whether it fits, it may be "
        "of another patient or series (resampled, nearest neighbour)"
    ]


def _like(volume: np.ndarray, image: sitk.Image) -> sitk.Image:
    matched = sitk.GetImageFromArray(np.ascontiguousarray(volume.transpose(2, 1, 0)))
    matched.CopyInformation(image)
    return matched


def _slices(offset: np.ndarray) -> str:
    axis = int(np.abs(offset).argmax())
    return f"{abs(offset[axis])} voxel(s) along {'xyz'[axis]}"


def _other_grid(difference: str) -> StudyError:
    return StudyError(
        f"the mask does not lie on the image's grid: {difference}. Draw or save the mask on this "
        "very image (in ITK-SNAP: open this image first, then save the segmentation)."
    )
