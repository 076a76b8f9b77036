"""Resampling on a grid that the region lays down: the same voxels however the scan was cut and stored.

PyRadiomics' new grid begins at the corner of the scan's first voxel, so that the same bone falls between
other new voxels when slices or margins are cut away or axes are stored in another order. Here the axes are
put in the patient's order first, and the new grid has its middle in the middle of the box around the region
(as IBSI aligns grids: by their centres).
"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from helpers.features.engine.resampling import SPLINE_MARGIN, crop, interpolated

# Steps in which spacing is told apart (mm): file formats round it in the last digits. A power of two, so that
# the usual spacings (a field of view over 512) do not lie between two steps.
_SPACING_STEP = 2.0**-17


def resample_around_region(
    image: sitk.Image,
    layers: sitk.Image,
    box: tuple[np.ndarray, np.ndarray],
    spacing: np.ndarray,
    pad: float,
) -> tuple[sitk.Image, sitk.Image]:
    """Resample the box around all labels and ``pad`` voxels of the new grid beyond it, by cubic B-spline.

    The voxels are equal, bit by bit, for every part of a scan that has 24 voxels on each side beyond what is
    returned, and for every order and direction of the stored axes. Nearer to the edge of a scan the spline is
    mirrored there, and what lies beyond the edge is left out.

    Parameters
    ----------
    image, layers : sitk.Image
        On the same grid, 16-bit signed and 8-bit; the layers take their nearest neighbour.
    box : tuple of ndarray, shape (3,)
        First voxel and size (x, y, z) of the box around all labels.
    spacing : ndarray, shape (3,)
        New spacing (mm) along the patient's axes: left, back, up; 0 keeps that of the image.
    pad : float
        Voxels of the new grid.

    Returns
    -------
    image, layers : sitk.Image
        Axes along the patient's left, back and up, or as near to them as the scan's are.
    """
    image, layers = _upright(image, layers, box, spacing, pad)
    start, size = _box(layers)
    old = np.array(image.GetSpacing())
    # As PyRadiomics: a direction with a single slice of the region is not resampled.
    kept = (spacing == 0) | (size == 1) | np.isclose(spacing, old)
    step = np.where(kept, 1.0, spacing / (np.round(old / _SPACING_STEP) * _SPACING_STEP))
    places = [
        _within(_places(n, ratio, pad), first, length)
        for n, ratio, first, length in zip(size, step, start, image.GetSize(), strict=True)
    ]
    grid = image, start + [place[0] for place in places], np.where(kept, old, spacing)
    spline = _spline(sitk.GetArrayViewFromImage(image), start, places)
    nearest = [np.floor(p + 0.5).astype(int) + a for p, a in zip(places, start, strict=True)]
    labels = sitk.GetArrayViewFromImage(layers)[np.ix_(*nearest[::-1])]
    return _placed(spline, *grid), _placed(labels, *grid)


def _upright(
    image: sitk.Image, layers: sitk.Image, box: tuple[np.ndarray, np.ndarray], spacing: np.ndarray, pad: float
) -> tuple[sitk.Image, sitk.Image]:
    """What the spline can see of image and layers, axes in the patient's order and direction."""
    start, size = box
    # Of the coarsest new axis, as axes are in no known order yet; a new voxel and four old ones for rounding.
    margin = np.ceil((pad + 1) * np.maximum(spacing.max() / image.GetSpacing(), 1)) + SPLINE_MARGIN + 4
    parts = (crop(volume, start - margin, start + size + margin) for volume in (image, layers))
    return tuple(sitk.DICOMOrient(part, "LPS") for part in parts)


def _box(layers: sitk.Image) -> tuple[np.ndarray, np.ndarray]:
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.ComputePerimeterOff()
    shape.Execute(layers > 0)
    first = np.array(shape.GetBoundingBox(1))
    return first[:3], first[3:]


def _places(size: int, step: float, pad: float) -> np.ndarray:
    """Places of the new voxels along one axis, in old voxels from the first one of the region.

    From the box alone, so that rounding is the same in every part of a scan: the fewest voxels that cover it,
    their middle in its middle, and ``pad`` more on either side.
    """
    covering = int(np.ceil(size / step))
    beyond = int(np.ceil(pad))
    return (size - 1) / 2 + (np.arange(-beyond, covering + beyond) - (covering - 1) / 2) * step


def _within(places: np.ndarray, first: int, length: int) -> np.ndarray:
    """Those places that lie in a voxel of the scan."""
    return places[(first + places >= -0.5) & (first + places < length - 0.5)]


def _spline(voxels: np.ndarray, start: np.ndarray, places: list[np.ndarray]) -> np.ndarray:
    """Cubic B-spline (z, y, x) of 16 bits at places along x, y, z, counted from voxel ``start`` (x, y, z)."""
    before = [np.floor(place).astype(int) - 1 for place in places]
    low, high = (np.array([b[end] for b in before]) + start for end in (0, -1))
    low, high = low - SPLINE_MARGIN, high + 4 + SPLINE_MARGIN
    window = tuple(slice(max(a, 0), b) for a, b in zip(low, high, strict=True))[::-1]
    # Beyond the edge of the scan it is mirrored, so that the margin is always there.
    lacking = np.stack([np.maximum(-low, 0), np.maximum(high - voxels.shape[::-1], 0)], 1)[::-1]
    seen = np.pad(voxels[window], lacking, mode="reflect")
    shift = [SPLINE_MARGIN - b[0] for b in before]
    places, before = (
        _as_grid([values + by for values, by in zip(lines, shift, strict=True)]) for lines in (places, before)
    )
    # Rounded, not cut off as in ITK: where new voxels lie on old ones the last bit would decide about 1 HU.
    return np.clip(np.rint(interpolated(seen, places, before)), -32768, 32767).astype(np.int16)


def _as_grid(lines: list[np.ndarray]) -> list[np.ndarray]:
    """Values along x, y and z in the shapes (1, x), (y, x) and (z, x)."""
    x, y, z = lines
    return [x[None], *(np.repeat(line[:, None], len(x), 1) for line in (y, z))]


def _placed(voxels: np.ndarray, image: sitk.Image, first: np.ndarray, spacing: np.ndarray) -> sitk.Image:
    """Voxels (z, y, x), the first of them at index ``first`` (x, y, z) of ``image``."""
    placed = sitk.GetImageFromArray(voxels)
    placed.SetSpacing(spacing.tolist())
    placed.SetDirection(image.GetDirection())
    placed.SetOrigin(image.TransformContinuousIndexToPhysicalPoint(first.tolist()))
    return placed
