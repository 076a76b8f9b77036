"""Protects the identity of the compiled B-spline with ITK's, where a last bit decides about a whole HU."""

import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from radiomics import imageoperations
from radiomics.featureextractor import RadiomicsFeatureExtractor
from synthetic_scan import OBLIQUE, PAPER, SETTINGS, synthetic_scan

from helpers.features import extraction
from helpers.features.blocks import Block
from helpers.features.engine import resampling
from helpers.imaging import boxes
from helpers.study.places import REPOSITORY
from helpers.virtual import VirtualSite

SETTING = {"resampledPixelSpacing": [1, 1, 1], "interpolator": "sitkBSpline", "padDistance": 5, "label": 1}
INNER = {"size": (70, 64, 84), "spacing": (0.7, 0.65, 0.5)}


def resampled(image, layers, spacing=(1.0, 1.0, 1.0)):
    return resampling.resample_roi(
        image, layers, boxes.roi_box(layers), np.array(spacing), sitk.sitkBSpline, 5
    )


def assert_equals_pyradiomics(image, layers):
    ours = resampled(image, layers)
    theirs = imageoperations.resampleImage(image, layers > 0, **SETTING)
    for our, their in zip((ours[0], ours[1] > 0), theirs, strict=True):
        np.testing.assert_array_equal(sitk.GetArrayFromImage(our), sitk.GetArrayFromImage(their))
        assert our.GetOrigin() == their.GetOrigin()


def with_voxels(scan, change):
    voxels = sitk.GetArrayFromImage(scan.image)
    change(voxels)
    image = sitk.GetImageFromArray(voxels)
    image.CopyInformation(scan.image)
    return image, scan.mask


def saturate(voxels):
    """A metal screw beside the bone and no signal outside a circle: plains, where rounding alone decides."""
    voxels[:, :20] = 3071
    voxels[:, :, 50:] = -1024


@pytest.fixture
def no_itk(monkeypatch):
    def only_labels(image, grid, interpolator):
        assert interpolator == sitk.sitkNearestNeighbor, "ITK's spline was used"
        return sitk.Resample(image, grid, sitk.Transform(), interpolator, 0, image.GetPixelID())

    monkeypatch.setattr(resampling, "_by_itk", only_labels)


@pytest.mark.parametrize(
    "grid",
    [
        INNER,
        {"size": (70, 64, 84), "spacing": (0.6, 0.6, 0.6)},  # new voxels on old ones
        {"size": (180, 170, 190), "spacing": (0.41, 0.39, 0.5), "origin": (0.123, -7.77, 1033.3)},
        INNER | {"direction": (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)},
        {"size": (70, 64, 26), "spacing": (0.8046875, 0.8046875, 5.0), "radius_mm": (15, 12, 40)},
    ],
    ids=["thin slices", "0.6 mm", "large scan", "flipped", "thick slices"],
)
def test_compiled_spline_equals_pyradiomics_bit_by_bit(grid, no_itk):
    scan = synthetic_scan(**grid)
    assert_equals_pyradiomics(scan.image, scan.mask)


def test_plains_of_equal_values_are_rounded_as_itk_rounds_them(no_itk):
    scan = synthetic_scan(**INNER)
    assert_equals_pyradiomics(*with_voxels(scan, saturate))


def test_mask_voxels_half_way_between_two_fall_as_in_the_whole_scan():
    """Found on a virtual patient: a cropped mask has a rounded origin, and 46 voxels fell elsewhere."""
    pixel = 0.595703125  # 305 / 512: every 305th new voxel lies half-way
    scan = synthetic_scan(
        size=(64, 512, 84), spacing=(pixel, pixel, 0.5), origin=(-30.1, 33.7, -51.6), radius_mm=(11, 32, 12)
    )
    layers = sitk.GetArrayFromImage(scan.mask)
    layers[np.random.default_rng(0).random(layers.shape) < 0.3] = 0
    mask = sitk.GetImageFromArray(layers)
    mask.CopyInformation(scan.mask)
    assert_equals_pyradiomics(scan.image, mask)


@pytest.mark.parametrize(
    "grid",
    [
        INNER | {"direction": OBLIQUE},
        {"size": (40, 34, 54), "spacing": (0.7, 0.7, 0.5)},  # the box ends where the scan ends
        {"size": (70, 64, 16), "spacing": (0.8, 0.8, 5.0), "radius_mm": (15, 12, 25)},
    ],
    ids=["oblique", "at the edge", "few slices"],
)
def test_itk_does_what_is_not_covered(grid, monkeypatch):
    monkeypatch.setattr(resampling, "_coefficients", None)
    scan = synthetic_scan(**grid)
    assert_equals_pyradiomics(scan.image, scan.mask)


def test_coefficients_of_the_box_are_those_of_the_whole_scan():
    image = sitk.Cast(synthetic_scan(size=(150, 140, 160)).image, sitk.sitkFloat64)
    whole = sitk.GetArrayFromImage(sitk.BSplineDecomposition(image, 3))
    first, stop = np.array([60, 55, 50]), np.array([90, 85, 100])
    ours = resampling._coefficients(sitk.GetArrayFromImage(image), first, stop)
    np.testing.assert_array_equal(ours, whole[50:100, 55:85, 60:90])


def test_box_of_labels():
    layers = sitk.Image(20, 30, 40, sitk.sitkUInt8)
    layers[3:7, 10:11, 0:40] = 6
    start, size = boxes.roi_box(layers)
    assert (start.tolist(), size.tolist()) == ([3, 10, 0], [4, 1, 40])


def virtual_patient():
    site = VirtualSite(REPOSITORY / "data" / "virtual" / "protocol.yml", "development", 8, seed=3)
    return site.acquire(site.screened().query("allocation != ''")["patient_id"].iloc[0])


def real_patient(image, mask):
    folder = Path(os.environ.get("RADBOOK_REAL_DATA", "not set")) / "ct"
    if not folder.is_dir():
        pytest.skip("RADBOOK_REAL_DATA is not set")
    image, mask = (sitk.ReadImage(str(folder / name)) for name in (image, mask))
    return sitk.Cast(image, sitk.sitkInt16), mask > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "patient",
    [
        virtual_patient,
        partial(
            real_patient,
            "crlm1006_GE/crlm1006_ct.nii.gz",
            "crlm1006_GE/crlm1006_trabecular_approx_mask.nii.gz",
        ),
        partial(
            real_patient,
            "tptbox_L3/sub-ct_label-22_ct.nii.gz",
            "tptbox_L3/sub-ct_trabecular_L2L3L4_mask.nii.gz",
        ),
    ],
    ids=["virtual", "real, 5 mm slices", "real, 1.5 mm, other axes"],
)
def test_all_features_from_the_crop_equal_pyradiomics_on_the_whole_scan(patient):
    image, layers = patient()
    ours = extraction.extract(Block(*resampled(image, sitk.Cast(layers, sitk.sitkUInt8))), SETTINGS)
    theirs = RadiomicsFeatureExtractor(str(PAPER)).execute(image, layers > 0)
    theirs = {name: float(value) for name, value in theirs.items() if not name.startswith("diagnostics")}
    assert list(ours) == list(theirs)
    assert len(ours) == 1688
    np.testing.assert_allclose(list(ours.values()), list(theirs.values()), rtol=1e-9, atol=0)
