"""Protects the signs that voxels are HU and slices one series, on volumes of known tissue and noise."""

import numpy as np
import pytest
import SimpleITK as sitk

from helpers.imaging.tissues import slice_noise, tissue_peaks

RNG = np.random.default_rng(5)


def volume(hu):
    return sitk.GetImageFromArray(np.round(hu).astype(np.int16))


def mixture(shares, noise=30, size=(40, 80, 80)):
    """Voxels of tissues (HU: share) with noise."""
    tissue = RNG.choice(list(shares), size, p=list(shares.values()))
    return tissue + RNG.normal(0, noise, size)


BODY = mixture({-1000: 0.2, -850: 0.1, -100: 0.25, 50: 0.4, 300: 0.05})


@pytest.mark.parametrize(
    ("change", "fat", "soft"),
    [
        (lambda hu: hu, -100, 50),
        (lambda hu: hu + 50, -50, 100),
        (lambda hu: hu + 1024, 24, 174),  # the lowest peak above lung is air itself
        (lambda hu: 2 * (hu + 1024) - 1024, 824, 1124),
        (lambda hu: 2 * hu, -200, 100),
    ],
)
def test_fat_and_soft_tissue_are_found_where_they_were_put(change, fat, soft):
    found = tissue_peaks(volume(change(BODY)))
    assert found["fat_hu"] == pytest.approx(fat, abs=6)
    assert found["soft_hu"] == pytest.approx(soft, abs=6)


def test_a_scan_without_fat_says_nothing_of_it():
    found = tissue_peaks(volume(mixture({40: 1.0}, noise=20)))
    assert np.isnan(found["fat_hu"])
    assert found["soft_hu"] == pytest.approx(40, abs=6)


def slices(noise):
    """One volume of slices whose noise has the given SDs, and a region in all of them."""
    hu = 50 + RNG.normal(0, 1, (len(noise), 60, 60)) * np.asarray(noise)[:, None, None]
    region = np.zeros(hu.shape, np.uint8)
    region[:, 20:40, 20:40] = 1
    return volume(hu), sitk.GetImageFromArray(region)


@pytest.mark.parametrize(
    ("noise", "alternates", "jumps"),
    [
        ([20] * 24, 1.0, 1.0),
        ([20, 40] * 12, 2.0, 2 ** (1 / 3)),
        ([20] * 12 + [40] * 12, 1.0, 2.0),
        (list(np.geomspace(20, 40, 24)), 1.0, 2 ** (3 / 23)),
    ],
    ids=["one series", "in turn", "one after the other", "slowly rising"],
)
def test_noise_tells_slices_of_two_series(noise, alternates, jumps):
    found = slice_noise(*slices(noise))
    assert found["noise_alternates"] == pytest.approx(alternates, rel=0.08)
    assert found["noise_jumps"] == pytest.approx(jumps, rel=0.1)


def test_few_slices_say_nothing():
    assert all(np.isnan(ratio) for ratio in slice_noise(*slices([20] * 5)).values())
