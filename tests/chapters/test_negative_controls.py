"""The moved region lies in muscle, away from bone, with all layers; without muscle it is refused."""

import numpy as np
import pytest
import SimpleITK as sitk

from helpers.chapters.negative_controls import BONE_MARGIN_MM, muscle_scan
from helpers.errors import StudyError
from helpers.imaging.sources import Scan


def trunk(muscle_hu=50.0, spacing=(0.9, 0.9, 1.0)):
    """A vertebra of 180 HU in fat, a muscle block behind and left of it with a rib (600 HU) through it."""
    hu = np.full((60, 150, 150), -100.0)
    hu[:, 40:70, 60:90] = 180
    hu[:, 75:130, 90:145] = muscle_hu
    hu[:, 75:80, 90:145] = 600
    layers = np.zeros(hu.shape, np.uint8)
    for layer in range(6):
        layers[9 * layer + 2 : 9 * layer + 10, 45:65, 64:86] = layer + 1
    noise = np.random.default_rng(0).normal(0, 15, hu.shape)
    image, mask = sitk.GetImageFromArray((hu + noise).astype(np.int16)), sitk.GetImageFromArray(layers)
    for volume in (image, mask):
        volume.SetSpacing(spacing)
    return Scan(image, mask)


def test_region_moves_into_muscle_and_keeps_away_from_bone():
    moved = muscle_scan(trunk(), "P1")
    hu, layers = sitk.GetArrayFromImage(moved.image), sitk.GetArrayFromImage(moved.mask)
    inside = hu[layers > 0]
    assert abs(inside.mean() - 50) < 2 and inside.max() < 150
    assert set(np.unique(layers)) == set(range(7))
    rib = np.argwhere(hu > 400)
    gap = np.abs(np.argwhere(layers > 0)[:, 1].min() - rib[:, 1].max()) * 0.9
    assert gap > BONE_MARGIN_MM


def test_direction_of_the_image_does_not_matter():
    """Stored from left to right and from back to front: the same muscle is found."""
    scan = trunk()
    flipped = Scan(*(sitk.DICOMOrient(volume, "RAS") for volume in (scan.image, scan.mask)))
    first, second = (muscle_scan(one, "P1") for one in (scan, flipped))
    counts = [
        np.bincount(sitk.GetArrayFromImage(one.mask).ravel(), minlength=7)[1:] for one in (first, second)
    ]
    np.testing.assert_allclose(*counts, rtol=0.05)


def test_without_muscle_the_patient_is_refused():
    with pytest.raises(StudyError, match="P1: no place beside the spine"):
        muscle_scan(trunk(muscle_hu=-90), "P1")
