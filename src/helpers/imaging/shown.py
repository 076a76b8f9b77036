"""A scan as a page shows it for counting levels: the spine and the ribs over the whole height, in memory."""

from __future__ import annotations

import struct

import numpy as np
import SimpleITK as sitk

from helpers.imaging.boxes import oriented, oriented_around

# What is shown around the spine (mm): to each side, before and behind.
_BESIDE_MM, _BEFORE_MM, _BEHIND_MM = 100.0, 110.0, 80.0
MOST_VOXELS = 14_000_000  # what a browser shows quickly, also where the processor has to draw
_BONE_HU = 180
_MIDDLE_MM = 15.0  # bone within this of the middle is the spine's, or the sternum's
_BODY_MM = 12.0  # bodies lie before the middle of the spine's bone
_TYPES = {sitk.sitkInt16: (4, 16), sitk.sitkUInt8: (2, 8)}  # NIfTI's code, and bits
_HEADER_BYTES = 348


def spine(image: sitk.Image) -> np.ndarray:
    """A place (mm, LPS) near the middle of the spine, where to look first: not more than a guess.

    Half way up the scan; the middle of all bone from left to right, and of the spine's from front to back.
    """
    steps = [max(1, round(3 / spacing)) for spacing in image.GetSpacing()]
    coarse = oriented(image)[:: steps[0], :: steps[1], :: steps[2]]
    bone = np.argwhere(sitk.GetArrayViewFromImage(coarse) > _BONE_HU)[:, ::-1]
    middle = np.array(coarse.GetSize()) / 2
    if len(bone):
        middle[0] = np.median(bone[:, 0])
        near = np.abs(bone[:, 0] - middle[0]) * coarse.GetSpacing()[0] < _MIDDLE_MM
        middle[1] = np.median(bone[near, 1]) - _BODY_MM / coarse.GetSpacing()[1]
    return np.array(coarse.TransformContinuousIndexToPhysicalPoint(middle.tolist()))


def around_spine(image: sitk.Image, place: np.ndarray) -> sitk.Image:
    """What a page shows of an image: the box around the spine, axes along left, back and head.

    Voxels are the scan's own where these are few enough; else larger ones, but whole HU as well.
    """
    shown = _straight(_boxed(oriented(image), place))
    spacing = np.array(shown.GetSpacing())
    extent = spacing * shown.GetSize()
    coarser = spacing
    while np.prod(np.floor(extent / coarser)) > MOST_VOXELS:
        coarser = np.maximum(coarser, 1.03 * coarser.min())
    if (coarser == spacing).all():
        return shown
    size = np.maximum(np.floor(extent / coarser), 1).astype(int).tolist()
    start = (np.array(shown.GetOrigin()) + (coarser - spacing) / 2).tolist()
    return sitk.Resample(
        shown,
        size,
        sitk.Transform(),
        sitk.sitkLinear,
        start,
        coarser.tolist(),
        np.eye(3).ravel().tolist(),
        -1024,
    )


def _boxed(image: sitk.Image, place: np.ndarray) -> sitk.Image:
    spacing, size = np.array(image.GetSpacing()), np.array(image.GetSize())
    index = np.array(image.TransformPhysicalPointToContinuousIndex(place.tolist()))
    before, behind = [_BESIDE_MM, _BEFORE_MM, np.inf], [_BESIDE_MM, _BEHIND_MM, np.inf]
    first = np.clip(np.nan_to_num(np.floor(index - before / spacing)), 0, size - 1).astype(int)
    stop = np.clip(np.nan_to_num(np.ceil(index + behind / spacing)), first + 1, size).astype(int)
    return image[tuple(slice(int(low), int(high)) for low, high in zip(first, stop, strict=True))]


def _straight(image: sitk.Image) -> sitk.Image:
    """The image on axes that are exactly the patient's: turned ones are resampled, as large as they were."""
    turned = np.reshape(image.GetDirection(), (3, 3))
    if np.allclose(turned, np.eye(3), atol=1e-4):
        return image
    ends = np.array(
        [
            image.TransformIndexToPhysicalPoint(
                [int(corner >> axis & 1) * (image.GetSize()[axis] - 1) for axis in range(3)]
            )
            for corner in range(8)
        ]
    )
    spacing = image.GetSpacing()
    size = (np.floor((ends.max(axis=0) - ends.min(axis=0)) / spacing) + 1).astype(int).tolist()
    start, straight = ends.min(axis=0).tolist(), np.eye(3).ravel().tolist()
    return sitk.Resample(image, size, sitk.Transform(), sitk.sitkLinear, start, spacing, straight, -1024)


def region_of(layers: sitk.Image) -> sitk.Image:
    """The box around a region, for showing it over the scan."""
    return oriented_around(layers, layers, 2.0)


def nifti(volume: sitk.Image) -> bytes:
    """A NIfTI file (version 1) in memory: voxels (16-bit or 8-bit) and where they lie, nothing else."""
    code, bits = _TYPES[volume.GetPixelID()]
    # NIfTI counts to the right's opposite: from left to right and from back to front are RAS.
    turned = np.diag([-1.0, -1.0, 1.0]) @ np.reshape(volume.GetDirection(), (3, 3)) * volume.GetSpacing()
    origin = np.array(volume.GetOrigin()) * [-1, -1, 1]
    header = bytearray(_HEADER_BYTES + 4)
    struct.pack_into("<i", header, 0, _HEADER_BYTES)
    struct.pack_into("<8h", header, 40, 3, *volume.GetSize(), 1, 1, 1, 1)
    struct.pack_into("<hh", header, 70, code, bits)
    struct.pack_into("<8f", header, 76, 1, *volume.GetSpacing(), 0, 0, 0, 0)
    struct.pack_into("<f", header, 108, len(header))
    struct.pack_into("<f", header, 112, 1)  # HU are stored as they are
    header[123] = 2  # millimetres
    struct.pack_into("<hh", header, 252, 0, 1)  # the place stands in the three rows that follow
    for row, (axes, shift) in enumerate(zip(turned, origin, strict=True)):
        struct.pack_into("<4f", header, 280 + 16 * row, *axes, shift)
    header[344:348] = b"n+1\0"
    voxels = sitk.GetArrayViewFromImage(volume)
    return bytes(header) + voxels.astype(voxels.dtype.newbyteorder("<")).tobytes()
