"""Two vertebrae in soft tissue, made from formulas in millimetres: the same on any grid."""

from typing import NamedTuple

import numpy as np
import SimpleITK as sitk


class Spine(NamedTuple):
    """CT (HU), whole vertebrae (VerSe numbers 19 and 20) and vertebral bodies (1) on one grid."""

    image: sitk.Image
    vertebrae: sitk.Image
    bodies: sitk.Image


def grid(size=(84, 96, 80), spacing=(1.0, 1.0, 1.0), direction=None, centre=(3.0, -140.0, 520.0)):
    """An empty volume whose middle voxel lies at ``centre`` (mm, LPS)."""
    volume = sitk.Image(size, sitk.sitkUInt8)
    volume.SetSpacing(spacing)
    volume.SetDirection(np.ravel(np.eye(3) if direction is None else direction).tolist())
    middle = volume.TransformIndexToPhysicalPoint([n // 2 for n in size])
    volume.SetOrigin((np.array(centre) - middle).tolist())
    return volume


def points(volume):
    """Position (mm, LPS) of each voxel relative to the spine's centre, shape (z, y, x, 3)."""
    index = np.stack(np.indices(volume.GetSize()[::-1])[::-1], axis=-1) * volume.GetSpacing()
    place = index @ np.array(volume.GetDirection()).reshape(3, 3).T + volume.GetOrigin()
    return place - (3.0, -140.0, 520.0)


def spine(volume=None, tilt=0.0, seed=3):
    """T12 16 mm above and L1 16 mm below the centre, bodies of 15 mm radius and 24 mm height, an arch each.

    ``tilt`` (radians) leans the spine forward, the head to the front.
    """
    volume = grid() if volume is None else volume
    x, y, z = np.moveaxis(points(volume), -1, 0)
    y, z = np.cos(tilt) * y + np.sin(tilt) * z, np.cos(tilt) * z - np.sin(tilt) * y
    depth = np.minimum(15 - np.hypot(x, y), 12 - np.abs(np.abs(z) - 16))  # mm below the body's surface
    body = depth > 0
    around = np.hypot(x, y - 24)  # the canal's middle lies 24 mm behind the body's
    arch = (around > 9) & (around < 15) & (np.abs(np.abs(z) - 16) < 9) & ~body
    hu = np.random.default_rng(seed).normal(40, 10, x.shape)
    hu[body] = np.where(depth[body] < 2, 450, 150) + hu[body] - 40
    hu[arch] += 400
    hu[np.maximum(np.abs(x) - 36, np.abs(y) - 44) > 0] = -1000
    whole = np.where(body | arch, np.where(z > 0, 19, 20), 0)
    return Spine(*(like(array, volume) for array in (hu.astype(np.int16), whole.astype(np.uint8), body * 1)))


def like(array, volume):
    """``array`` (z, y, x) as a volume on the grid of ``volume``."""
    kind = array.dtype if array.dtype == np.int16 else np.uint8
    made = sitk.GetImageFromArray(array.astype(kind))
    made.CopyInformation(volume)
    return made
