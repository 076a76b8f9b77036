"""Cutting and storing move features on PyRadiomics' grid, and not at all on the region's."""

import numpy as np
import pandas as pd
import pytest
from published_ranges import SITES

from helpers.chapters import stored_scans, virtual_evidence
from helpers.features.blocks import read_settings
from helpers.study.places import REPOSITORY

FEATURES = ["original_glcm_Contrast", "original_firstorder_Entropy"]


@pytest.fixture(scope="module")
def measured():
    site = SITES["development"]
    settings = read_settings(REPOSITORY / "tests" / "data" / "coarse.yml")
    return stored_scans.stored_features(site, virtual_evidence.included(site)[:2], settings, 1)


def test_the_same_scan_has_the_same_features_on_the_region_s_grid_only(measured):
    for tables in measured:
        assert list(tables["region"].index) == list(stored_scans.WAYS)
        assert (tables["region"] == tables["region"].iloc[0]).all(axis=None)
        moved = tables["volume"].iloc[1:] != tables["volume"].iloc[0]
        assert (moved.mean(axis=1) > 0.8).all()


def test_shifts_are_told_in_sds_between_patients(measured):
    first = pd.concat([tables["volume"].loc[[stored_scans.WHOLE]] for tables in measured])
    features = first.reset_index(drop=True).assign(patient_id=["a", "b"])
    mean, sd = features[FEATURES].mean().tolist(), features[FEATURES].std().tolist()
    selection = {"features": FEATURES, "intercept": 0.5, "coefficients": [2.0, 0.0], "mean": mean, "sd": sd}
    table = stored_scans.storage_shift(measured, selection, features).set_index(["grid", "stored"])
    assert (table.loc["region"] == 0).all(axis=None)
    for way in list(stored_scans.WAYS)[1:]:
        # The score is twice the first feature's z-score, so their shifts in SDs are the same.
        by_hand = [
            abs(
                tables["volume"].loc[way, FEATURES[0]] - tables["volume"].loc[stored_scans.WHOLE, FEATURES[0]]
            )
            for tables in measured
        ]
        assert table.loc[("volume", way), "rad_score_shift"] == pytest.approx(max(by_hand) / sd[0])
        assert 0 < table.loc[("volume", way), "moved_percent"] <= 100
    words = stored_scans.in_words(table.reset_index(), 2)
    assert (words["region-shift"], words["stored-patients"]) == ("0.00", "2")
    assert float(words["volume-shift"]) == pytest.approx(
        np.max(table.loc["volume", "rad_score_shift"]), abs=5e-3
    )
