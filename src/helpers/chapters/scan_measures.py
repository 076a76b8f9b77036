"""What a patient's own scan tells, without a phantom: noise and its texture, sharpness, depth of a region.

Arrays are ordered z, y, x and turned as patients lie in CT: z up,
y to the back, x to the left (:func:`upright`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import SimpleITK as sitk
from scipy import ndimage
from scipy.optimize import least_squares

from helpers.imaging.sources import Scan
from helpers.virtual.bone import SIGMA
from helpers.virtual.scanner import noise_power

_REACH_MM = 80.0  # in the plane around the region, and
_ABOVE_MM = 10.0  # along the table: where the noise is measured
_PATCH_MM = 10.0  # side of a patch, five pixels at least
_SOFT_HU = (-60, 260)  # a patch with a voxel outside these is no soft tissue (contrast agent included)
_SD_BINS = np.arange(0, 80, 0.25)  # HU
_QUIET = 0.10  # share of all patches: those that show noise and little else
_LEAST_ALIKE = 0.01  # correlation of neighbouring slices that cannot be told from none
_OUTWARD_MM = np.arange(0.25, 12, 0.5)  # rings around a region in which the bone's surface is looked for
_OFF_WALL_MM = 3.0  # so far from the outline, in slices, end plates are looked for,
_TO_PLATE_MM = 10.0  # up to here


class Noise(NamedTuple):
    """Noise of a scan: its SD (HU), and its correlation from one voxel to the next along x, y and z."""

    sd: float
    across: float
    deep: float
    along: float


def upright(scan: Scan) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """HU, region (bool) and spacing (mm) of a scan, each in the order z (up), y (back), x (left)."""
    image, mask = (sitk.DICOMOrient(volume, "LPS") for volume in (scan.image, scan.mask))
    hu, layers = (sitk.GetArrayFromImage(volume) for volume in (image, mask))
    return hu.astype(float), layers > 0, np.array(image.GetSpacing())[::-1]


def soft_tissue_noise(hu: np.ndarray, region: np.ndarray, spacing: np.ndarray) -> Noise:
    """Noise in the most homogeneous soft tissue around a region.

    The SD is the commonest of all square patches in one slice, as in Christianson 2015 (doi
    10.2214/AJR.14.13613); correlations are those of the quietest tenth of the patches.
    """
    where = np.argwhere(region)
    low, high = where.min(axis=0), where.max(axis=0) + 1
    margin = np.ceil(np.array([_ABOVE_MM, _REACH_MM, _REACH_MM]) / spacing).astype(int)
    part = hu[tuple(slice(max(a - m, 0), b + m) for a, b, m in zip(low, high, margin, strict=True))]
    side = max(round(_PATCH_MM / spacing[1]), 5) | 1
    window = (1, side, side)
    mean = ndimage.uniform_filter(part, window)
    variance = ndimage.uniform_filter((part - part.mean()) ** 2, window) - (mean - part.mean()) ** 2
    soft = (ndimage.minimum_filter(part, window) > _SOFT_HU[0]) & (
        ndimage.maximum_filter(part, window) < _SOFT_HU[1]
    )
    soft[:, : side // 2] = soft[:, -(side // 2) :] = False
    soft[:, :, : side // 2] = soft[:, :, -(side // 2) :] = False
    quiet = soft & (variance < np.quantile(variance[soft], _QUIET))
    rest = np.where(quiet, part - mean, np.nan)
    bessel = side**2 / (side**2 - 1)
    sds = np.sqrt(np.maximum(variance[soft], 0) * bessel)
    counts = ndimage.gaussian_filter1d(np.histogram(sds, _SD_BINS)[0].astype(float), 2)
    return Noise(float(_SD_BINS[counts.argmax()] + 0.125), *(_neighbours(rest, axis) for axis in (2, 1, 0)))


def _neighbours(rest: np.ndarray, axis: int) -> float:
    """Correlation of each voxel with the next along an axis, where both are known (not NaN)."""
    first, second = rest.take(range(rest.shape[axis] - 1), axis), rest.take(range(1, rest.shape[axis]), axis)
    both = np.isfinite(first) & np.isfinite(second)
    first, second = first[both], second[both]
    return float((first * second).sum() / np.sqrt((first**2).sum() * (second**2).sum()))


class Filter(NamedTuple):
    """What made a scan's noise the way it is, as the simulator describes it.

    Attributes
    ----------
    fwhm_mm, slice_fwhm_mm : float
        Point spread (full width at half maximum) in the plane, and along the table.
    texture : dict of str to float
        Keys of the protocol's ``scanner``: ``noise_streaks``, ``noise_neighbour``.
    """

    fwhm_mm: float
    slice_fwhm_mm: float
    texture: dict[str, float]


def noise_filter(noise: Noise, spacing: np.ndarray, numbers: dict) -> Filter:
    """Sharpness of a scan, from the spectrum of its noise.

    In the plane, the simulator's spectrum (`noise_power`) is fitted to the correlations across and along: its
    blur, which is a share ``noise_blur_share`` of the point spread, and its streaks.
    Along the table, noise with a Gaussian slice profile of SD s is correlated by exp(-d^2 / 4 s^2) at the
    distance d; where slices are not alike at all, the profile is no wider than that.

    Parameters
    ----------
    noise : Noise
    spacing : ndarray of shape (3,)
        z, y, x (mm).
    numbers : dict
        Key ``scanner`` of the protocol.
    """
    fy, fx = np.meshgrid(*[np.fft.fftfreq(64, step) for step in spacing[1:]], indexing="ij")
    waves = [np.cos(2 * np.pi * f * step) for f, step in ((fx, spacing[2]), (fy, spacing[1]))]

    def misfit(values: np.ndarray) -> np.ndarray:
        power = noise_power(fx, fy, values[0], numbers | {"noise_streaks": np.tanh(values[1])})
        found = [(power * wave).sum() / power.sum() for wave in waves]
        return np.subtract(found, [noise.across, noise.deep])

    fwhm, streaks = least_squares(misfit, [1.2, 0.1], bounds=([0.3, -2], [8, 2])).x
    along = np.clip(noise.along, _LEAST_ALIKE, 0.7)
    neighbour = (1 - np.sqrt(1 - 2 * along**2)) / (2 * along)  # of which 2 a / (1 + 2 a^2) is `along`
    thick = spacing[0] / (2 * np.sqrt(-np.log(along))) / SIGMA
    texture = {"noise_streaks": float(np.tanh(streaks)), "noise_neighbour": float(neighbour)}
    return Filter(float(fwhm), float(thick), texture)


def side_depth(hu: np.ndarray, region: np.ndarray, spacing: np.ndarray) -> float:
    """How deep a region's outline lies below the bone's surface at the side wall (mm).

    The surface is where, on the way out, HU have fallen half-way from the brightest ring, the cortex, to the
    darkest beyond it. In slices, in front of the region's middle: behind it the pedicles leave the body.
    """
    distances, values = [], []
    for plane, inside in zip(hu, region, strict=True):
        if inside.any():
            distance = ndimage.distance_transform_edt(~inside, sampling=spacing[1:]) - spacing[1] / 2
            middle = int(np.argwhere(inside)[:, 0].mean())
            distances.append(distance[:middle].ravel())
            values.append(plane[:middle].ravel())
    distance, value = np.concatenate(distances), np.concatenate(values)
    width = max(0.25, spacing[1] / 4)
    rings = {place: value[np.abs(distance - place) < width] for place in _OUTWARD_MM}
    means = pd.Series({place: ring.mean() for place, ring in rings.items() if ring.size})
    falling = means[means.idxmax() :]
    falling = falling[: falling.idxmin()]
    half = (falling.max() + falling.min()) / 2
    return float(np.interp(-half, -falling.cummin(), falling.index))


def face_depth(hu: np.ndarray, region: np.ndarray, spacing: np.ndarray) -> float:
    """How deep a region's first and last slices lie below the end plates (mm).

    The way to the brightest slice, off the side wall; between slices by a parabola through the
    brightest and its neighbours.
    """
    disc = ndimage.generate_binary_structure(2, 1)[None]
    core = ndimage.binary_erosion(region, disc, iterations=max(1, round(_OFF_WALL_MM / spacing[1])))
    steps = range(-1, round(_TO_PLATE_MM / spacing[0]) + 2)
    found: dict[int, list] = {step: [] for step in steps}
    for values, inside, off_wall in ((hu, region, core), (hu[::-1], region[::-1], core[::-1])):
        k, y, x = np.nonzero(off_wall[:-1] & ~inside[1:])
        for step in steps:
            there = (k + step >= 0) & (k + step < len(hu))
            found[step].append(values[(k + step)[there], y[there], x[there]])
    means = np.array([np.concatenate(found[step]).mean() for step in steps])
    brightest = 1 + int(means[1:-1].argmax())
    before, peak, after = means[brightest - 1 : brightest + 2]
    bend = before - 2 * peak + after
    shift = (before - after) / (2 * bend) if bend < 0 else 0.0
    return float(max((steps[brightest] + np.clip(shift, -0.5, 0.5) - 0.5) * spacing[0], 0))
