"""What lies around a region: the bright shell of a vertebral body, and how far the region stays from it.

Cancellous bone lies in a shell of cortex and end plates, which is brighter at any age. Rays from the region's
surface outwards, along the patient's axes, find it on each side. A shell that is too near, too far or absent
tells of a region that is shifted, grown, or drawn on something else.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import SimpleITK as sitk

from helpers.imaging.boxes import oriented_around
from helpers.imaging.regions import VERTEBRAE

# Axis of an array (z, y, x) of an image in the order left, back, head, and the direction on it.
SIDES = {"head": (0, 1), "foot": (0, -1), "left": (2, 1), "right": (2, -1), "front": (1, -1), "back": (1, 1)}
# Sizes of a body, and the two sides between which each is measured.
SIZES = {"height": ("head", "foot"), "width": ("left", "right"), "depth": ("front", "back")}
INWARDS_MM, OUTWARDS_MM = 10.0, 10.0
# The shell is sought as near as this to the region's surface: beyond begin other end plates, ribs and joints.
_SHELL_WITHIN_MM = 6.0
# Less than this above the region's median (HU) is no shell: noise and trabeculae reach it.
LEAST_SHELL_HU = 40.0
# Of the rays through a region only those count that are as long as this share of the longest: on its rim they
# would run along the cortex.
_LONG = 0.6


class Shell(NamedTuple):
    """One side of a vertebra: distance of the shell's inner side from the region (mm), and its height (HU).

    The distance is negative where the region reaches into the shell or beyond. Both are NaN where no shell is
    seen.
    """

    margin: float
    height: float


def surroundings(image: sitk.Image, layers: sitk.Image) -> dict[str, float]:
    """Measure the shell around the regions of T12 and L1.

    Parameters
    ----------
    image : sitk.Image
        HU.
    layers : sitk.Image
        Labels 1 to 6 on the same grid.

    Returns
    -------
    dict
        For each vertebra that is drawn and each side (head, foot, left, right, front, back), such as
        ``margin_t12_head`` (mm), ``shell_t12_head`` (HU above the region's median); for each size (height,
        width, depth) ``body_t12_height`` (mm), from inner side to inner side of the shell, and
        ``extent_t12_height`` (mm), of the region itself. NaN where there is no shell.
        ``step_height``, ``step_width`` and ``step_depth``: voxel size along these axes (mm).

    Notes
    -----
    Rays run along the spine's axis (through both centres), and at right angles to it. The shell is the
    highest point of their median, its inner side where that falls by half towards the region.
    """
    margin = max(INWARDS_MM, OUTWARDS_MM) + 2
    oriented = [oriented_around(volume, layers, margin) for volume in (image, layers)]
    hu, drawn = (sitk.GetArrayFromImage(volume) for volume in oriented)
    spacing = np.array(oriented[0].GetSpacing()[::-1])
    regions = {vertebra: (drawn >= min(own)) & (drawn <= max(own)) for vertebra, own in VERTEBRAE.items()}
    regions = {vertebra: region for vertebra, region in regions.items() if region.any()}
    ways = _directions(list(regions.values()), spacing)
    facts = {f"step_{size}": float(spacing[SIDES[sides[0]][0]]) for size, sides in SIZES.items()}
    for vertebra, region in regions.items():
        facts |= _around_vertebra(hu, region, spacing, ways, vertebra.lower())
    return facts


def _directions(regions: list[np.ndarray], spacing: np.ndarray) -> dict[str, np.ndarray]:
    """Unit vector (mm; z, y, x) of each side: along the spine, and at right angles to it."""
    centres = [np.argwhere(region).mean(axis=0) for region in regions]
    spine = (centres[0] - centres[1]) * spacing if len(centres) > 1 else np.array([1.0, 0.0, 0.0])
    spine /= np.linalg.norm(spine)
    ways = {}
    for side, (axis, sign) in SIDES.items():
        way = sign * np.eye(3)[axis]
        way = sign * np.sign(spine[0]) * spine if axis == 0 else way - (way @ spine) * spine
        ways[side] = way / np.linalg.norm(way)
    return ways


def _around_vertebra(
    hu: np.ndarray, region: np.ndarray, spacing: np.ndarray, ways: dict[str, np.ndarray], name: str
) -> dict[str, float]:
    inside = float(np.median(hu[region]))
    facts, margins = {}, {}
    lengths = [np.add.reduce(region.view(np.uint8), axis, dtype=np.uint16) for axis in range(3)]
    for side, (axis, _) in SIDES.items():
        shell = _shell(*_profile(hu, region, lengths[axis], axis, ways[side], spacing), inside)
        margins[side] = shell.margin
        facts |= {f"margin_{name}_{side}": shell.margin, f"shell_{name}_{side}": shell.height}
    for size, sides in SIZES.items():
        axis = SIDES[sides[0]][0]
        rays = lengths[axis][lengths[axis] >= _LONG * lengths[axis].max()]
        length = float(np.median(rays)) * spacing[axis] * abs(ways[sides[0]][axis])
        facts[f"extent_{name}_{size}"] = length
        facts[f"body_{name}_{size}"] = length + margins[sides[0]] + margins[sides[1]]
    return facts


def _profile(
    hu: np.ndarray,
    region: np.ndarray,
    lengths: np.ndarray,
    axis: int,
    way: np.ndarray,
    spacing: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Median HU of rays at each distance (mm) from the region's surface; NaN beyond the image."""
    outwards = np.moveaxis(region, axis, 0)
    rays = np.nonzero(lengths >= _LONG * lengths.max())
    there = outwards[(slice(None), *rays)]
    last = len(outwards) - 1 - there[::-1].argmax(axis=0) if way[axis] > 0 else there.argmax(axis=0)
    start = np.insert(np.array(rays), axis, last, axis=0)
    # Voxels that a ray passes in one step along its axis, and the length of that step.
    stride = way / spacing * (spacing[axis] / abs(way[axis]))
    step = spacing[axis] / abs(way[axis])
    steps = np.arange(-int(INWARDS_MM / step), int(OUTWARDS_MM / step) + 1)
    places = np.round(start[:, :, None] + stride[:, None, None] * steps).astype(int)
    size = np.array(hu.shape)[:, None, None]
    known = ((places >= 0) & (places < size)).all(axis=0)
    found = np.where(known, hu[tuple(np.clip(places, 0, size - 1))], np.float32(np.nan))
    # Where most rays have left the image, the others say nothing of the side.
    most = known.mean(axis=0) > 0.5
    profile = np.full(len(steps), np.nan)
    everywhere = known.all(axis=0)
    profile[everywhere] = np.median(found[:, everywhere], axis=0)
    partly = most & ~everywhere
    profile[partly] = np.nanmedian(found[:, partly], axis=0)
    return (steps - 0.5) * step, profile  # the surface lies half a voxel beyond the last centre


def _shell(offsets: np.ndarray, profile: np.ndarray, inside: float) -> Shell:
    sought = (np.abs(offsets) <= _SHELL_WITHIN_MM) & np.isfinite(profile)
    if not sought.any():
        return Shell(np.nan, np.nan)
    peak = int(np.argmax(np.where(sought, profile, -np.inf)))
    height = float(profile[peak] - inside)
    if height < LEAST_SHELL_HU:
        return Shell(np.nan, np.nan)
    bright = inside + height / 2
    darker = np.flatnonzero(profile[:peak] < bright)
    if not darker.size:
        return Shell(float(offsets[0]), height)
    below = int(darker[-1])
    share = (bright - profile[below]) / (profile[below + 1] - profile[below])
    return Shell(float(offsets[below] + share * (offsets[below + 1] - offsets[below])), height)
