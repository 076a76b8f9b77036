"""Protects that the region's own grid gives the same voxels however a scan was cut and stored."""

import itertools

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_scan import OBLIQUE, synthetic_scan

from helpers.features.engine.region_grid import resample_around_region
from helpers.imaging.boxes import roi_box
from helpers.imaging.sources import Scan

AXES = [
    "".join(ends)
    for order in itertools.permutations(("LR", "PA", "SI"))
    for ends in itertools.product(*order)
]
# 24 voxels beyond the padded box are left when 6 are cut away on every side.
GRIDS = {
    "thin slices": {"size": (108, 102, 124), "spacing": (0.595703125, 0.7, 0.5), "radius_mm": (8, 8, 9)},
    "new voxels on old ones": {"size": (124, 120, 128), "spacing": (0.5, 0.5, 0.5), "radius_mm": (8, 7, 9)},
    "oblique": {
        "size": (104, 102, 116),
        "spacing": (0.7, 0.7, 0.6),
        "radius_mm": (8, 7, 9),
        "direction": OBLIQUE,
    },
    "thick slices": {"size": (100, 98, 84), "spacing": (0.8, 0.8, 3), "radius_mm": (9, 8, 25)},
}
SCANS = {name: synthetic_scan(**grid) for name, grid in GRIDS.items()}


def resampled(scan, spacing=(1.0, 1.0, 1.0), pad=5):
    return resample_around_region(scan.image, scan.mask, roi_box(scan.mask), np.array(spacing), pad)


def changed(scan, change):
    return Scan(*(change(volume) for volume in (scan.image, scan.mask)))


def cut(volume, first, last):
    return volume[tuple(slice(a, n - b) for a, b, n in zip(first, last, volume.GetSize(), strict=True))]


def assert_equal(some, other):
    for ours, theirs in zip(some, other, strict=True):
        np.testing.assert_array_equal(sitk.GetArrayFromImage(ours), sitk.GetArrayFromImage(theirs))
        np.testing.assert_allclose(ours.GetOrigin(), theirs.GetOrigin(), rtol=0, atol=1e-9)
        np.testing.assert_allclose(ours.GetSpacing(), theirs.GetSpacing(), rtol=1e-12)
        np.testing.assert_allclose(ours.GetDirection(), theirs.GetDirection(), rtol=0, atol=1e-12)


CUT = st.tuples(*[st.integers(0, 6)] * 3)


@pytest.mark.parametrize("name", GRIDS)
@settings(max_examples=8, deadline=None)
@given(axes=st.sampled_from(AXES), first=CUT, last=CUT)
def test_every_cut_and_every_order_of_axes_gives_the_same_voxels(name, axes, first, last):
    scan = SCANS[name]
    other = changed(scan, lambda volume: cut(sitk.DICOMOrient(volume, axes), first, last))
    assert_equal(resampled(other), resampled(scan))


@pytest.mark.parametrize("name", GRIDS)
def test_voxels_are_those_of_itk_s_spline_on_the_same_grid(name):
    scan = SCANS[name]
    image, layers = resampled(scan)
    exact = sitk.Cast(scan.image, sitk.sitkFloat64)
    exact = sitk.Resample(exact, image, sitk.Transform(), sitk.sitkBSpline, 0.0, sitk.sitkFloat64)
    difference = np.abs(sitk.GetArrayFromImage(image) - sitk.GetArrayFromImage(exact))
    # Rounding, and places that are right to a ten-thousandth of a voxel, as spacing is told in steps.
    assert difference.max() <= 0.5 + 0.03
    nearest = sitk.Resample(scan.mask, layers, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    unlike = sitk.GetArrayFromImage(nearest) != sitk.GetArrayFromImage(layers)
    for z, y, x in np.argwhere(unlike).tolist():
        point = layers.TransformIndexToPhysicalPoint((x, y, z))
        place = np.array(scan.mask.TransformPhysicalPointToContinuousIndex(point))
        # Half-way between two voxels either may be taken.
        assert np.abs(place % 1 - 0.5).min() < 1e-3


@pytest.mark.parametrize("name", GRIDS)
def test_the_grid_has_its_middle_in_the_middle_of_the_region_s_box(name):
    scan = SCANS[name]
    start, size = roi_box(scan.mask)
    expected = scan.mask.TransformContinuousIndexToPhysicalPoint((start + (size - 1) / 2).tolist())
    image, layers = resampled(scan)
    middle = image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in image.GetSize()])
    np.testing.assert_allclose(middle, expected, rtol=0, atol=1e-3)
    inner, inner_size = roi_box(layers)
    beyond = image.GetSize() - inner - inner_size
    assert (inner >= 5).all() and (beyond >= 5).all()
    assert (inner <= 6).all() and (beyond <= 6).all()


def test_rounding_of_the_spacing_in_a_header_changes_nothing():
    scan = SCANS["thin slices"]

    def as_stored(volume):
        volume = sitk.Image(volume)
        volume.SetSpacing(
            [
                step * (1 + change)
                for step, change in zip(volume.GetSpacing(), (3e-8, -3e-8, 1e-9), strict=True)
            ]
        )
        return volume

    for ours, theirs in zip(resampled(changed(scan, as_stored)), resampled(scan), strict=True):
        np.testing.assert_array_equal(sitk.GetArrayFromImage(ours), sitk.GetArrayFromImage(theirs))


def test_a_spacing_that_is_kept_keeps_every_voxel():
    scan = synthetic_scan(size=(60, 56, 62), spacing=(1.0, 0.8, 1.0), radius_mm=(8, 7, 9))
    image, layers = resampled(scan, spacing=(1.0, 0.0, 1.0))
    (x, y, z), size = (np.array(v) for v in roi_box(scan.mask))
    window = tuple(slice(a - 5, a + n + 5) for a, n in zip((z, y, x), size[::-1], strict=True))
    for ours, theirs in zip((image, layers), (scan.image, scan.mask), strict=True):
        np.testing.assert_array_equal(sitk.GetArrayFromImage(ours), sitk.GetArrayFromImage(theirs)[window])
    assert image.GetSpacing() == scan.image.GetSpacing()


def test_at_the_edge_of_a_scan_the_box_ends_with_it():
    scan = SCANS["thin slices"]
    start, size = roi_box(scan.mask)
    first, last = start - [2, 0, 0], np.array(scan.mask.GetSize()) - start - size
    near = changed(scan, lambda volume: cut(volume, first.tolist(), last.tolist()))
    image, layers = resampled(near)
    whole_image, whole_layers = resampled(scan)
    assert set(np.unique(sitk.GetArrayFromImage(layers))) == set(range(7))
    offset = np.round(np.subtract(image.GetOrigin(), whole_image.GetOrigin())).astype(int)
    assert (offset == [4, 5, 5]).all()  # of 5 voxels beyond, what two old ones hold is left on one side
    same = whole_layers[tuple(slice(a, a + n) for a, n in zip(offset.tolist(), image.GetSize(), strict=True))]
    np.testing.assert_array_equal(sitk.GetArrayFromImage(layers), sitk.GetArrayFromImage(same))


def test_a_region_of_one_slice_is_not_resampled_across_it():
    scan = SCANS["thick slices"]
    single = scan.mask * 0
    middle = scan.mask.GetSize()[2] // 2
    single[:, :, middle : middle + 1] = scan.mask[:, :, middle : middle + 1]
    image, layers = resampled(Scan(scan.image, single))
    assert image.GetSpacing() == (1.0, 1.0, 3.0)
    assert roi_box(layers)[1][2] == 1
