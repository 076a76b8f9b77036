"""What is measured in a scan is what was put into it."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import yaml
from scipy.ndimage import gaussian_filter

from helpers.chapters import scan_measures
from helpers.imaging.sources import Scan
from helpers.study.places import REPOSITORY
from helpers.virtual import scanner
from helpers.virtual.shapes import Grid

PROTOCOL = yaml.safe_load((REPOSITORY / "data" / "virtual" / "protocol.yml").read_text(encoding="utf-8"))
NUMBERS = PROTOCOL["scanner"]
MACHINE = scanner.Scanner(
    **dict.fromkeys(["name", "manufacturer", "model", "kernel"], "test"),
    **{"kvp": 120.0, "ma": 0.0, "bias_hu": 0.0, "cupping_hu": 0.0},
    **{"pixel_mm": 0.8, "slice_mm": 5.0, "fwhm_mm": 1.4, "slice_fwhm_mm": 5.0, "noise_hu": 12.0},
)
SPACING = np.array([5.0, 0.8, 0.8])


def scanned(fwhm=1.4, streaks=0.5, neighbour=0.15):
    """Soft tissue around a bone of 30 mm, scanned with known noise, and the inside of the bone."""
    grid = Grid(0.0, 0.0, 0.0, 0.8, 0.8, 5.0, 160, 160, 12)
    y, x = 0.8 * (np.indices((160, 160)) - 80)
    radius = np.hypot(y, x)
    volume = np.broadcast_to(
        np.where(radius < 15, 150.0, 40.0) + 300 * (np.abs(radius - 15) < 0.8), (12, 160, 160)
    )
    settings = NUMBERS | {"noise_streaks": streaks, "noise_neighbour": neighbour}
    machine = replace(MACHINE, fwhm_mm=fwhm)
    hu = scanner.expose(volume.astype(np.float32), machine, grid, settings, np.random.default_rng(1))
    region = np.broadcast_to(radius < 12, hu.shape) & (np.abs(np.arange(12) - 5.5) < 3)[:, None, None]
    return hu.astype(float), region


def test_noise_is_that_of_the_soft_tissue():
    noise = scan_measures.soft_tissue_noise(*scanned(), SPACING)
    assert noise.sd == pytest.approx(12, rel=0.08)
    # Weights 0.15, 1, 0.15 of independent slices.
    assert noise.along == pytest.approx(0.3 / 1.045, abs=0.06)


@pytest.mark.parametrize("fwhm", [1.1, 1.7])
def test_sharpness_comes_back_from_the_noise(fwhm):
    noise = scan_measures.soft_tissue_noise(*scanned(fwhm), SPACING)
    seen = scan_measures.noise_filter(noise, SPACING, NUMBERS)
    assert seen.fwhm_mm == pytest.approx(fwhm, rel=0.12)
    assert seen.texture["noise_streaks"] == pytest.approx(0.5, abs=0.2)
    assert seen.texture["noise_neighbour"] == pytest.approx(0.15, abs=0.06)


def test_slice_profile_follows_from_the_likeness_of_slices():
    # A Gaussian profile of FWHM 5 mm correlates noise 5 mm apart by exp(-d^2 / 4 s^2), s = 5 / 2.3548.
    noise = scan_measures.Noise(12, 0.5, 0.5, float(np.exp(-(2.3548**2) / 4)))
    assert scan_measures.noise_filter(noise, SPACING, NUMBERS).slice_fwhm_mm == pytest.approx(5, rel=1e-3)


def test_side_depth_is_the_way_to_the_outer_side_of_the_cortex():
    hu, region = scanned()  # the region ends at 12 mm, the cortex at 15.8 mm
    blurred = np.stack([gaussian_filter(plane, 0.75) for plane in hu])
    assert scan_measures.side_depth(blurred, region, SPACING) == pytest.approx(3.8, abs=0.6)


@pytest.mark.parametrize("deep", [0, 1])
def test_face_depth_is_the_way_to_the_end_plates(deep):
    hu, region = scanned()
    outermost = np.flatnonzero(region.any(axis=(1, 2)))[[0, -1]]
    for plate in outermost + [-1 - deep, 1 + deep]:
        hu[plate] += 150
    # The middle of the plate's slice is half a slice beyond the outline; each slice between is a whole one.
    assert scan_measures.face_depth(hu, region, SPACING) == pytest.approx((deep + 0.5) * 5, abs=0.5)


def test_scans_are_turned_upright():
    hu = np.zeros((4, 5, 6), np.int16)
    hu[3, 1, 2] = 100  # high up, in front, at the right
    image = sitk.GetImageFromArray(hu)
    image.SetSpacing((1.0, 2.0, 3.0))
    mask = sitk.Cast(image > 0, sitk.sitkUInt8)
    turned = Scan(*(sitk.DICOMOrient(volume, "RAI") for volume in (image, mask)))
    found, region, spacing = scan_measures.upright(turned)
    np.testing.assert_array_equal(found, hu)
    assert region[3, 1, 2] and region.sum() == 1
    np.testing.assert_array_equal(spacing, [3, 2, 1])
