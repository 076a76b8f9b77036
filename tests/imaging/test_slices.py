"""Protects pictures of a scan: the right side, the right way round, the right size, in any orientation."""

import numpy as np
import pytest
import SimpleITK as sitk

from helpers.imaging.slices import Reach, brightest, sampled_cut

REACH = Reach(6, 10, 5, 9)
# Where the patient's right, front and head are in each picture: a corner, by row and column.
CORNERS = {"axial": ("front", "right"), "sagittal": ("head", "front"), "coronal": ("head", "right")}


def scan(direction=None):
    """HU that tell where a voxel lies: 100 x + 10 y + z (mm, LPS)."""
    image = sitk.Image((30, 34, 40), sitk.sitkInt16)
    image.SetSpacing((1.0, 1.0, 1.0))
    image.SetDirection(direction or np.eye(3).ravel().tolist())
    image.SetOrigin((-np.array(image.TransformIndexToPhysicalPoint((15, 17, 20)))).tolist())
    index = np.stack(np.indices((40, 34, 30))[::-1], axis=-1)
    place = index @ np.array(image.GetDirection()).reshape(3, 3).T + image.GetOrigin()
    filled = sitk.GetImageFromArray(np.rint(place @ (100, 10, 1)).astype(np.int16))
    filled.CopyInformation(image)
    return filled


def axes(plane):
    """Positions (mm, LPS) of rows and columns of a picture through (1, 2, 3), in pixels of 1 mm."""
    across = np.arange(-REACH.left + 0.5, REACH.right)
    down = np.arange(-REACH.up + 0.5, REACH.down)
    return {
        "axial": (2 + down, 1 + across),
        "sagittal": (3 - down, 2 + across),
        "coronal": (3 - down, 1 + across),
    }[plane]


@pytest.mark.parametrize("direction", [None, (-1, 0, 0, 0, -1, 0, 0, 0, 1), (0, 0, -1, 1, 0, 0, 0, -1, 0)])
@pytest.mark.parametrize("plane", CORNERS)
def test_pixels_are_where_the_patient_is(plane, direction):
    image = scan(direction)
    view = sampled_cut(image, image > 0, plane, np.array([1.0, 2, 3]), REACH, 1.0)
    rows, columns = axes(plane)
    weights = {"axial": (10, 100, 3), "sagittal": (1, 10, 100), "coronal": (1, 100, 20)}[plane]
    expected = weights[0] * rows[:, None] + weights[1] * columns + weights[2]
    np.testing.assert_allclose(view.hu, expected, atol=1)
    assert view.layers.shape == view.hu.shape


def test_outside_the_scan_is_air():
    image = scan()
    view = sampled_cut(image, image > 0, "axial", np.zeros(3), Reach(60, 60, 60, 60), 2.0)
    assert view.hu[0, 0] == -1024 and view.layers[0, 0] == 0


def test_a_slab_keeps_the_brightest_of_its_slices():
    image = scan()
    slab = brightest(image, "coronal", np.array([1.0, 2, 3]), REACH, 1.0, range(-4, 9, 2))
    last = sampled_cut(image, image, "coronal", np.array([1.0, 10, 3]), REACH, 1.0)  # y grows to the back
    np.testing.assert_array_equal(slab, last.hu)
