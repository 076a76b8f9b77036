"""Protects the rule that a mask is moved to its image's grid only where headers leave no doubt."""

import numpy as np
import pytest
import SimpleITK as sitk
from synthetic_scan import OBLIQUE, synthetic_scan

from helpers.errors import StudyError
from helpers.imaging.grids import match_grid

SCAN = synthetic_scan(size=(40, 36, 50), radius_mm=(8, 7, 9))


def voxels(volume):
    return sitk.GetArrayFromImage(volume)


def altered(mask, spacing=None, origin=None, direction=None):
    copy = sitk.Image(mask)
    copy.SetSpacing(spacing or mask.GetSpacing())
    copy.SetOrigin(origin or mask.GetOrigin())
    copy.SetDirection(direction or mask.GetDirection())
    return copy


def moved(mask, voxels):
    """The same voxels, their header ``voxels`` (x, y, z) further."""
    return altered(mask, origin=mask.TransformContinuousIndexToPhysicalPoint(voxels))


REFUSED = {
    "its size.*one slice is off": lambda mask: mask[:, :, :-1],
    "its size is .*one slice": lambda mask: sitk.ConstantPad(mask, (0, 0, 0), (0, 0, 1)),
    "spacing is 0.7 x 0.7 x 0.51 mm, with the same size": lambda mask: altered(
        mask, spacing=(0.7, 0.7, 0.51)
    ),
    "origin differs by 1 voxel.* along z": lambda mask: moved(mask, (0.0, 0.0, 1.0)),
    "origin lies 0.50 voxels beside": lambda mask: moved(mask, (0.0, 0.0, 0.5)),
    "direction is turned": lambda mask: altered(mask, direction=OBLIQUE),
    "part of the region outside": lambda mask: moved(mask, (15.0, 0.0, 0.0))[:-2, :-2, :],
    "covers another space": lambda mask: moved(sitk.Expand(mask, (2, 2, 2)), (9.0, 0.0, 0.0)),
    "covers another space than": lambda mask: moved(sitk.Expand(mask, (2, 2, 2)), (0.0, -9.0, 0.0)),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_would_be_a_guess_is_refused_with_the_remedy(message):
    with pytest.raises(StudyError, match=f"{message}.*ITK-SNAP"):
        match_grid(REFUSED[message](SCAN.mask), SCAN.image)


def test_the_same_grid_is_taken_without_a_word():
    rounded = moved(SCAN.mask, (0.0, 0.001, 0.0))
    for mask in (SCAN.mask, rounded):
        matched, notes = match_grid(mask, SCAN.image)
        np.testing.assert_array_equal(voxels(matched), voxels(SCAN.mask))
        assert matched.GetOrigin() == SCAN.image.GetOrigin()
        assert notes == []


SAFE = {
    "another order of axes": (lambda mask: sitk.PermuteAxes(mask, (2, 0, 1)), "reordered"),
    "another orientation": (lambda mask: sitk.DICOMOrient(mask, "PIR"), "reordered"),
    "flipped with its header": (lambda mask: sitk.DICOMOrient(mask, "RAI"), "reordered"),
    "a box around the region": (lambda mask: mask[4:-3, 3:-2, 5:-6], "another box"),
    "more than the image": (lambda mask: sitk.ConstantPad(mask, (2, 2, 2), (2, 2, 2)), "another box"),
    "decimals cut off": (lambda mask: moved(mask, (0.06, 0.0, -0.06)), "rounded by up to 0.04 mm"),
}


@pytest.mark.parametrize("name", SAFE)
@pytest.mark.parametrize("direction", [None, OBLIQUE], ids=["upright", "oblique"])
def test_what_headers_explain_is_brought_to_the_grid_and_noted(name, direction):
    scan = synthetic_scan(size=(40, 36, 50), radius_mm=(8, 7, 9), direction=direction)
    change, note = SAFE[name]
    matched, notes = match_grid(change(scan.mask), scan.image)
    np.testing.assert_array_equal(voxels(matched), voxels(scan.mask))
    assert note in notes[0]
    assert matched.GetDirection() == scan.image.GetDirection()


def test_another_voxel_size_of_the_same_space_is_resampled_as_simpleitk_does():
    for factors in ((2, 2, 2), (1, 1, 3)):
        fine = sitk.Expand(SCAN.mask, factors, sitk.sitkNearestNeighbor)
        fine = sitk.DICOMOrient(fine, "RAS")
        matched, notes = match_grid(fine, SCAN.image)
        expected = sitk.Resample(fine, SCAN.image, sitk.Transform(), sitk.sitkNearestNeighbor)
        differing = np.count_nonzero(voxels(matched) != voxels(expected))
        assert differing <= 0.001 * np.count_nonzero(voxels(expected))  # halves may round either way
        assert "another patient or series" in notes[0]
    coarse = sitk.Shrink(SCAN.mask, (2, 2, 2))
    matched, _ = match_grid(coarse, SCAN.image)
    expected = voxels(sitk.Resample(coarse, SCAN.image, sitk.Transform(), sitk.sitkNearestNeighbor))
    overlap = np.count_nonzero((voxels(matched) == expected) & (expected > 0))
    assert overlap > 0.8 * np.count_nonzero(expected)


def test_a_format_that_drops_empty_slices_may_have_one_slice_less():
    matched, _ = match_grid(SCAN.mask[:, :, 1:], SCAN.image, cropped=True)
    np.testing.assert_array_equal(voxels(matched), voxels(SCAN.mask))
