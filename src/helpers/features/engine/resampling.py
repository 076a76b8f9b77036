"""PyRadiomics' resampling of the box around a region, from the part of the scan that the box can see.

ITK computes the B-spline coefficients of the whole scan; here those of the box and a margin alone, in ITK's
order of arithmetic, so that every voxel is the same to the last bit. What the compiled way does not cover
(other interpolators, oblique scans, boxes at the edge) is left to ITK, on the part of the scan that matters.
"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from numba import njit

# The influence of a voxel on cubic B-spline coefficients fades by 0.27 a voxel: 0.27**40 is 2e-23, less
# than the last bit of a double.
SPLINE_MARGIN = 40
_POLE = np.sqrt(3.0) - 2.0
_GAIN = (1.0 - _POLE) * (1.0 - 1.0 / _POLE)
_HORIZON = int(np.ceil(np.log(1e-10) / np.log(-_POLE)))  # ITK looks so far for a line's first coefficient


def resample_roi(
    image: sitk.Image,
    layers: sitk.Image,
    box: tuple[np.ndarray, np.ndarray],
    spacing: np.ndarray,
    interpolator: int,
    pad: float,
) -> tuple[sitk.Image, sitk.Image]:
    """Resample the box around all labels and ``pad`` voxels of the new grid beyond it.

    Equal, bit by bit, to ``radiomics.imageoperations.resampleImage`` on the whole scan.

    Parameters
    ----------
    image, layers : sitk.Image
        On the same grid; the image takes ``interpolator``, the layers their nearest neighbour.
    box : tuple of ndarray, shape (3,)
        First voxel and size (x, y, z) of the box around all labels.
    spacing : ndarray, shape (3,)
        New spacing in mm; 0 keeps that of the image.
    interpolator : int
        SimpleITK's number of the interpolator of the image.
    pad : float
        Voxels of the new grid.
    """
    start, size = box
    old = np.array(image.GetSpacing())
    # As PyRadiomics: 0 keeps the spacing, and a direction with a single slice of ROI is not resampled.
    spacing = np.where((spacing == 0) | (size == 1), old, spacing)
    if np.allclose(old, spacing):
        return crop(image, start - pad, start + size + pad), crop(layers, start - pad, start + size + pad)
    lower, upper = _new_box(start, size, np.array(image.GetSize()), old / spacing, pad)
    grid = _new_grid(image, lower, upper, spacing)
    resampled = _spline(image, grid) if interpolator == sitk.sitkBSpline else None
    if resampled is None and not _meets_old_voxels(lower, upper, old, spacing):
        first, stop = lower * spacing / old - SPLINE_MARGIN, (upper + 1) * spacing / old + SPLINE_MARGIN
        image = crop(image, np.floor(first), np.ceil(stop))
    if resampled is None:
        resampled = _by_itk(image, grid, interpolator)
    # Of the whole mask: the new origin of a cropped one is rounded, and a voxel half-way falls elsewhere.
    return resampled, _by_itk(layers, grid, sitk.sitkNearestNeighbor)


def crop(image: sitk.Image, first: np.ndarray, stop: np.ndarray) -> sitk.Image:
    """The voxels from ``first`` to before ``stop`` (x, y, z) as far as the image has them."""
    first = np.maximum(first, 0).astype(int).tolist()
    stop = np.minimum(stop, image.GetSize()).astype(int).tolist()
    return image[tuple(slice(a, b) for a, b in zip(first, stop, strict=True))]


def _new_box(
    start: np.ndarray, size: np.ndarray, image_size: np.ndarray, ratio: np.ndarray, pad: float
) -> tuple[np.ndarray, np.ndarray]:
    """First and last voxel of the padded box on the new grid, within the image (PyRadiomics' rounding)."""
    lower = np.floor((start - 0.5) * ratio - pad)
    upper = np.ceil((start + size - 0.5) * ratio + pad)
    return np.maximum(lower, 0), np.minimum(upper, np.ceil(image_size * ratio) - 1)


def _new_grid(image: sitk.Image, lower: np.ndarray, upper: np.ndarray, spacing: np.ndarray) -> sitk.Image:
    """An empty image that says where the voxels of the new box lie."""
    old = np.array(image.GetSpacing())
    first = 0.5 * (spacing - old) / old + lower / (old / spacing)
    grid = sitk.Image((upper - lower + 1).astype(int).tolist(), sitk.sitkUInt8)
    grid.SetSpacing(spacing.tolist())
    grid.SetDirection(image.GetDirection())
    grid.SetOrigin(image.TransformContinuousIndexToPhysicalPoint(first.tolist()))
    return grid


def _meets_old_voxels(lower: np.ndarray, upper: np.ndarray, old: np.ndarray, new: np.ndarray) -> bool:
    """Whether some new voxel lies exactly on an old one (as from 0.6 to 1 mm in every direction).

    There the spline gives a whole number up to its last bit, ITK cuts off the decimals, and the value
    depends by 1 HU on the rounding of positions: only the uncropped scan repeats PyRadiomics' value.
    """

    def meets(first: float, last: float, a: float, b: float) -> bool:
        places = (np.arange(first, last + 1) + 0.5) * b / a - 0.5
        return bool((np.abs(places - np.round(places)) < 1e-6).any())

    return all(meets(*axis) for axis in zip(lower, upper, old, new, strict=True))


def _by_itk(image: sitk.Image, grid: sitk.Image, interpolator: int) -> sitk.Image:
    return sitk.Resample(image, grid, sitk.Transform(), interpolator, 0, image.GetPixelID())


def _spline(image: sitk.Image, grid: sitk.Image) -> sitk.Image | None:
    """Cubic B-spline of a 16-bit image at the voxels of ``grid``; None where ITK must do it."""
    diagonal = np.array_equal(np.abs(np.reshape(image.GetDirection(), (3, 3))), np.eye(3))
    if not diagonal or image.GetPixelID() != sitk.sitkInt16:
        return None
    places = _places(image, grid)
    # ITK decides in single precision which four voxels a place lies between.
    before = [np.floor(place.astype(np.float32)).astype(int) - 1 for place in places]
    first, stop = (np.array([f(b) for b in before]) for f in (np.min, np.max))
    stop += 4
    if (first < 0).any() or (stop > image.GetSize()).any() or min(image.GetSize()) <= _HORIZON:
        return None
    voxels = interpolated(sitk.GetArrayViewFromImage(image), places, before)
    # ITK cuts decimals off.
    resampled = sitk.GetImageFromArray(np.clip(voxels, -32768, 32767).astype(np.int16))
    resampled.CopyInformation(grid)
    return resampled


def interpolated(voxels: np.ndarray, places: list[np.ndarray], before: list[np.ndarray]) -> np.ndarray:
    """Cubic B-spline through ``voxels`` (z, y, x) at a grid of places.

    Parameters
    ----------
    voxels : ndarray
        At least as long in every direction as ITK looks for a line's first coefficient (18).
    places : list of ndarray
        For x, y, z, in voxels: shape (1, x), (y, x), (z, x).
    before : list of ndarray
        The first of the four voxels around each place, shapes as ``places``; all four exist.

    Returns
    -------
    ndarray, shape (z, y, x)
        float64.
    """
    first, stop = (np.array([f(low) for low in before]) for f in (np.min, np.max))
    coefficients = _coefficients(voxels, first, stop + 4)
    weights = [_weights(place - (low + 1)) for place, low in zip(places, before, strict=True)]
    offsets = [low - begin for low, begin in zip(before, first, strict=True)]
    return _interpolate(coefficients, *offsets, *weights)


def _places(image: sitk.Image, grid: sitk.Image) -> list[np.ndarray]:
    """Places of the new voxels in voxels of the image, as ITK rounds them: along lines between two ends.

    Returns
    -------
    list of ndarray
        For x, y, z: shape (1, x), (y, x), (z, x).
    """
    size, places = grid.GetSize(), []
    share = np.arange(size[0]) / size[0]
    for axis in range(3):
        ends = np.empty((2, size[axis] if axis else 1))
        for line in range(ends.shape[1]):
            for end in (0, 1):
                index = [end * size[0], 0, 0]
                index[axis] += line
                point = grid.TransformIndexToPhysicalPoint(index)
                ends[end, line] = image.TransformPhysicalPointToContinuousIndex(point)[axis]
        places.append(ends[0, :, None] + share * (ends[1] - ends[0])[:, None])
    return places


def _weights(w: np.ndarray) -> np.ndarray:
    """Weights of the four voxels around each place, which lies ``w`` behind the second; shape (..., 4)."""
    last = (1.0 / 6.0) * w * w * w
    first = (1.0 / 6.0) + 0.5 * w * (w - 1.0) - last
    third = w + first - 2.0 * last
    return np.stack([first, 1.0 - first - third - last, third, last], -1)


def _coefficients(voxels: np.ndarray, first: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """B-spline coefficients (z, y, x) of the voxels from ``first`` to ``stop`` (x, y, z).

    One direction after the other as ITK does, each time only where the next one looks.
    """
    wide_first = np.maximum(first - SPLINE_MARGIN, 0)
    wide_stop = np.minimum(stop + SPLINE_MARGIN, voxels.shape[::-1])
    window, keep = [
        [slice(a, b) for a, b in zip(*ends, strict=True)]
        for ends in ((wide_first, wide_stop), (first - wide_first, stop - wide_first))
    ]
    along_x = np.ascontiguousarray(voxels[window[2], window[1], window[0]].transpose(0, 2, 1), float)
    along_y = np.ascontiguousarray(_filtered(along_x)[:, keep[0]].transpose(0, 2, 1))
    along_z = np.ascontiguousarray(_filtered(along_y)[:, keep[1]].transpose(1, 0, 2))
    return np.ascontiguousarray(_filtered(along_z)[:, keep[2]].transpose(1, 0, 2))


def _filtered(values: np.ndarray) -> np.ndarray:
    _filter_lines(values, _GAIN, _POLE, _HORIZON)
    return values


@njit(cache=True, nogil=True)
def _filter_lines(values, gain, pole, horizon):
    """Turn values into B-spline coefficients along the middle axis, in place.

    Unser 1999, IEEE Signal Process Mag 16(6):22-38, Box 2, with ITK's boundaries and order of arithmetic.
    """
    outer, length, inner = values.shape
    last = pole / (pole * pole - 1.0)
    for plane in range(outer):
        lines = values[plane]
        lines *= gain
        power = pole
        for n in range(1, horizon):
            lines[0] += power * lines[n]
            power *= pole
        for n in range(1, length):
            for k in range(inner):
                lines[n, k] += pole * lines[n - 1, k]
        lines[-1] = last * (pole * lines[-2] + lines[-1])
        for n in range(length - 2, -1, -1):
            for k in range(inner):
                lines[n, k] = pole * (lines[n + 1, k] - lines[n, k])


@njit(cache=True, nogil=True)
def _interpolate(coefficients, x, y, z, weights_x, weights_y, weights_z):
    """Sum the 64 weighted coefficients around each place in ITK's order."""
    result = np.empty((z.shape[0], y.shape[0], x.shape[1]))
    for c in range(z.shape[0]):
        for b in range(y.shape[0]):
            for a in range(x.shape[1]):
                total = 0.0
                for k in range(4):
                    for j in range(4):
                        line = coefficients[z[c, a] + k, y[b, a] + j]
                        for i in range(4):
                            weight = weights_x[0, a, i] * weights_y[b, a, j] * weights_z[c, a, k]
                            total += weight * line[x[0, a] + i]
                result[c, b, a] = total
    return result
