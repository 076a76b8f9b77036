"""Noise, sharpness and voltage lie in the published ranges; another scanner shifts features."""

import pytest
from published_ranges import SITES, assert_within

from helpers.chapters import scanner_tests, virtual_evidence
from helpers.features.blocks import read_settings
from helpers.study.places import REPOSITORY


@pytest.mark.slow
def test_noise_power_sharpness_and_voltage():
    tested = {
        role: scanner_tests.scanner_physics(site, virtual_evidence.included(site)[0])
        for role, site in SITES.items()
    }
    assert_within(scanner_tests.physics_laws(tested))
    assert tested["development"].fwhm_mm > tested["external"].fwhm_mm + 0.1
    assert_within(
        scanner_tests.voltage_effect(SITES["development"], virtual_evidence.included(SITES["development"])[0])
    )


@pytest.mark.slow
def test_other_scanner_shifts_features_more_than_the_same_one():
    settings = read_settings(REPOSITORY / "tests" / "data" / "coarse.yml")
    home, away = SITES["development"], SITES["external"]
    pairs = scanner_tests.same_pixel_pairs(home, away, 4)
    shift = scanner_tests.scanner_shift([scanner_tests.rescan(home, away, *pair, settings) for pair in pairs])
    assert len(pairs) == 4
    shape = shift.index.str.startswith("original_shape")
    assert (shift.loc[shape, "same"] == 0).all()  # the mask is the same
    assert shift.loc[shape, "other"].abs().median() < 0.5  # thick slices hold a stepped outline
    assert shift["other"].abs().median() > 1.5 * shift["same"].abs().median()
