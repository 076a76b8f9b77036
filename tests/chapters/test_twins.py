"""Shares of features inside the twins' range, and the stored comparison with real scans."""

import numpy as np
import pandas as pd
import pytest

from helpers.chapters import twins
from helpers.features.names import feature_dictionary

NAMES = ["original_firstorder_Mean", "original_glcm_Id", "log-sigma-1-0-mm-3D_firstorder_Mean"]


def test_position_is_that_between_the_central_99_percent():
    made = pd.DataFrame({name: np.linspace(0, 200, 201) for name in NAMES})
    made["original_shape_Sphericity"] = 1.0
    real = pd.Series([1.0, 199.0, 300.0, 5.0], index=[*NAMES, "original_shape_Sphericity"])
    placed = twins.position(real, made)
    assert list(placed.index) == NAMES  # shape is left out
    np.testing.assert_allclose(placed, [0, 1, (300 - 1) / 198])
    assert twins.inside(placed.to_frame("a"))["a"].tolist() == [True, True, False]


def test_what_all_twins_share_is_inside_only_where_the_patient_shares_it():
    made = pd.DataFrame({name: np.full(10, 2.0) for name in NAMES[:2]})
    placed = twins.position(pd.Series([2.0, 3.0], index=NAMES[:2]), made)
    assert twins.inside(placed.to_frame("a"))["a"].tolist() == [True, False]


def test_shares_count_features_by_image_and_class():
    positions = pd.DataFrame(
        {"a": [0.5, 2.0, 0.1], "b": [0.5, 0.5, -1.0]}, index=pd.Index(NAMES, name="feature")
    )
    table = twins.shares(positions).set_index(["scan", "image_type", "feature_class"])
    assert table.loc[("a", "Original", "all"), "inside"] == 0.5
    assert table.loc[("b", "all", "firstorder")].tolist() == [2, 0.5]
    assert table.loc[("a", "all", "all"), "inside"] == pytest.approx(2 / 3)


def test_wrong_is_what_is_outside_everywhere_on_one_side():
    positions = pd.DataFrame(
        {"a": [2.0, 2.0, -1.0], "b": [3.0, -2.0, -3.0]}, index=pd.Index(NAMES, name="feature")
    )
    table = twins.wrong(positions)
    assert table["real_bone"].tolist() == ["higher", "lower"]
    assert table["feature"].tolist() == ["First-order Mean", "First-order Mean, LoG 1 mm"]


def test_stored_comparison_holds_every_feature_of_the_paper_but_shape():
    stored = twins.stored_twins()
    told = feature_dictionary(stored.positions.index)
    assert len(told) == 1674 and set(told["image_type"]) == set(twins.IMAGE_TYPES)
    assert list(stored.positions.columns) == list(stored.scans.index)
    assert (stored.scans["twins"] >= 20).all()
    newest = stored.history[stored.history["version"] == stored.history["version"].iloc[-1]]
    shares = twins.shares(stored.positions).query("feature_class == 'all'")
    together = newest.merge(shares, on=["scan", "image_type"], suffixes=("_stored", ""))
    assert len(together) == len(shares)
    np.testing.assert_allclose(together["inside_stored"], together["inside"], atol=1e-4)
