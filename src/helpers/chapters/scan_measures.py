"""What a patient's own scan tells, without a phantom: noise and its texture, sharpness, depth of a region.

Arrays are ordered z, y, x and turned as patients lie in CT: z up,
y to the back, x to the left (:func:`upright`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import SimpleITK as sitk
from scipy import ndimage
from scipy.optimize import least_squares
from scipy.special import erf

from helpers.imaging.sources import Scan
from helpers.virtual.bone import SIGMA
from helpers.virtual.scanner import noise_power

_REACH_MM = 80.0  # in the plane around the region, and
_ABOVE_MM = 10.0  # along the table: where the noise is measured
_PATCH_MM = 10.0  # side of a patch, five pixels at least
_SOFT_HU = (-60, 260)  # a patch with a voxel outside these is no soft tissue (contrast agent included)
_SD_BINS = np.arange(0, 80, 0.25)  # HU
_QUIET = 0.10  # share of all patches: those that show noise and little else
_AIR_HU, _SKIN_HU = -900, -500
_EDGE_MM = 8.0  # from the edge to the window's side, two pixels at least
_EDGES = 800  # tried at most
_ROUGH_HU = 60  # a fit that misses by more (root mean square) is of no plain edge
_SHARPEST = 10  # percentile: an edge that is oblique to the slice, or moves, only looks wider
_OUTWARD_MM = np.arange(0.25, 8, 0.5)  # in which the brightest ring around a region is looked for


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


def noise_texture(noise: Noise, spacing: np.ndarray, fwhm_mm: float, numbers: dict) -> dict[str, float]:
    """Keys of the protocol's ``scanner`` with which its noise has the measured correlations.

    Parameters
    ----------
    noise : Noise
    spacing : ndarray of shape (3,)
        z, y, x (mm).
    fwhm_mm : float
        Point spread in the plane.
    numbers : dict
        Key ``scanner`` of the protocol.

    Returns
    -------
    dict
        ``noise_blur_share``, ``noise_streaks``, ``noise_floor`` and ``noise_neighbour``.
    """
    fy, fx = np.meshgrid(*[np.fft.fftfreq(64, step) for step in spacing[1:]], indexing="ij")

    def chosen(values: np.ndarray) -> dict[str, float]:
        share, streaks, floor = values
        return {"noise_blur_share": share, "noise_streaks": np.tanh(streaks), "noise_floor": np.exp(floor)}

    def misfit(values: np.ndarray) -> list[float]:
        power = noise_power(fx, fy, fwhm_mm, numbers | chosen(values))
        waves = (np.cos(2 * np.pi * f * step) for f, step in ((fx, spacing[2]), (fy, spacing[1])))
        across, deep = ((power * wave).sum() / power.sum() for wave in waves)
        # The floor moves only where the other two cannot do it alone.
        return [across - noise.across, deep - noise.deep, 1e-3 * (values[2] - np.log(numbers["noise_floor"]))]

    start = [numbers["noise_blur_share"], numbers["noise_streaks"], np.log(numbers["noise_floor"])]
    fitted = least_squares(misfit, start, bounds=([0.1, -2, -6], [5, 2, 6])).x
    along = np.clip(noise.along, 0, 0.7)
    neighbour = (1 - np.sqrt(1 - 2 * along**2)) / (2 * along) if along else 0.0
    return {key: float(value) for key, value in chosen(fitted).items()} | {
        "noise_neighbour": float(neighbour)
    }


def slice_fwhm(noise: Noise, step_mm: float) -> float:
    """FWHM (mm) of a Gaussian slice profile with which noise is that much alike from slice to slice."""
    along = np.clip(noise.along, 0.01, 0.95)
    return float(step_mm / (2 * np.sqrt(-np.log(along))) / SIGMA)


def edge_fwhm(hu: np.ndarray, spacing: np.ndarray, rng: np.random.Generator) -> float:
    """Point spread in the plane: full width at half maximum (mm) of the sharpest edges of tissue to air.

    Straight or evenly bent edges are fitted, blurred by a Gaussian, in windows around places where HU rise
    from air; of all that fit, the tenth percentile counts (compare Sanders 2016, doi 10.1118/1.4961984).
    """
    half = max(round(_EDGE_MM / spacing[1]), 2)
    smooth = ndimage.gaussian_filter(hu, (0, 1, 1))
    steep = (smooth > _SKIN_HU) & (ndimage.minimum_filter(smooth, (1, 3, 3)) <= _SKIN_HU)
    places = np.argwhere(steep)
    inner = ((places[:, 1:] >= half) & (places[:, 1:] < np.array(hu.shape[1:]) - half)).all(axis=1)
    places = rng.permutation(places[inner])[:_EDGES]
    widths = [_edge(hu[k, j - half : j + half + 1, i - half : i + half + 1], spacing) for k, j, i in places]
    return float(np.nanpercentile(widths, _SHARPEST))


def _edge(window: np.ndarray, spacing: np.ndarray) -> float:
    """FWHM (mm) of the one edge in a window; NaN where there is none between air and tissue, or more."""
    half = window.shape[0] // 2
    y, x = (step * np.arange(-half, half + 1) for step in spacing[1:])
    y, x = np.meshgrid(y, x, indexing="ij")
    slope_y, slope_x = (difference.mean() for difference in np.gradient(window))

    def misfit(values: np.ndarray) -> np.ndarray:
        angle, place, low, height, sigma, bend = values
        beside = np.cos(angle) * y - np.sin(angle) * x
        ahead = np.cos(angle) * x + np.sin(angle) * y - place + bend * beside**2
        curve = low + height / 2 * (1 + erf(ahead / (np.sqrt(2) * max(sigma, 0.05))))
        return (curve - window).ravel()

    start = [np.arctan2(slope_y, slope_x), 0, -1000, 900, 0.6, 0]
    found = least_squares(misfit, start, max_nfev=40)
    _, _, low, height, sigma, _ = found.x
    rough = np.sqrt(np.mean(found.fun**2))
    plain = low < _AIR_HU and height > 600 and 0.1 < sigma < _EDGE_MM and rough < _ROUGH_HU
    return sigma / SIGMA if plain else np.nan


def outline_depth(hu: np.ndarray, region: np.ndarray, spacing: np.ndarray) -> float:
    """How deep a region's outline lies below the cortex (mm): distance to the brightest ring around it.

    In slices, in front of the region's middle: behind it the pedicles leave the body.
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
    rings = [value[np.abs(distance - place) < width].mean() for place in _OUTWARD_MM]
    return float(_OUTWARD_MM[np.nanargmax(rings)])
