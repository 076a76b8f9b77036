"""Twins are scanned as asked for: voxels, noise, sharpness, and a region of the real one's size."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import yaml

from helpers.study.places import REPOSITORY
from helpers.virtual.patients import simulate_patients
from helpers.virtual.scanner import Scanner
from helpers.virtual.twins import Likeness, make_twin

PROTOCOL = yaml.safe_load((REPOSITORY / "data" / "virtual" / "protocol.yml").read_text(encoding="utf-8"))
PERSON = simulate_patients(PROTOCOL, "development", 40, 3).iloc[0]
THICK = Likeness(
    Scanner(
        **dict.fromkeys(["name", "manufacturer", "model", "kernel"], "test"),
        **{"kvp": 120.0, "ma": 0.0, "bias_hu": 0.0, "cupping_hu": 0.0},
        **{"pixel_mm": 1.5, "slice_mm": 3.0, "fwhm_mm": 1.5, "slice_fwhm_mm": 3.0, "noise_hu": 12.0},
    ),
    {"noise_streaks": 0.0, "noise_neighbour": 0.0},
    30_000.0,
    2.0,
    3.0,
)


def arrays(like, seed=0):
    image, mask = make_twin(PROTOCOL, PERSON, like, np.random.default_rng(seed))
    return image, sitk.GetArrayFromImage(image).astype(float), sitk.GetArrayFromImage(mask)


def test_voxels_layers_and_volume_are_those_asked_for():
    image, _, layers = arrays(THICK)
    assert image.GetSpacing() == (1.5, 1.5, 3.0) and image.GetPixelID() == sitk.sitkInt16
    assert set(np.unique(layers)) == set(range(7))
    # The reader's hand strays from day to day.
    assert (layers > 0).sum() * 1.5 * 1.5 * 3.0 == pytest.approx(30_000, rel=0.2)


def test_noise_has_the_level_asked_for():
    noisy, quiet = (replace(THICK, scanner=replace(THICK.scanner, noise_hu=sd)) for sd in (12.0, 1e-6))
    difference = arrays(noisy)[1] - arrays(quiet)[1]
    assert difference.std() == pytest.approx(12, rel=0.1)


def test_thicker_slices_leave_less_of_the_texture():
    quiet = replace(THICK.scanner, noise_hu=1e-6)
    changes = []
    for thickness in (1.0, 6.0):
        _, hu, layers = arrays(replace(THICK, scanner=replace(quiet, slice_fwhm_mm=thickness)))
        both = (layers[1:] > 0) & (layers[:-1] > 0)
        changes.append(np.abs(np.diff(hu, axis=0))[both].mean())
    assert changes[1] < 0.9 * changes[0]
