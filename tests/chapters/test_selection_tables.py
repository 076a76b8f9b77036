"""What chapter 04 shows of a selection is what the selection did."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from helpers.chapters import selection_tables
from helpers.learning.selection import SelectionSettings, rad_score, select_features


@pytest.fixture(scope="module")
def case():
    """60 patients, 20 features of which three matter, and the selection with SMOTE before and after it."""
    rng = np.random.default_rng(7)
    y = np.repeat([0, 1], [40, 20])
    values = rng.normal(size=(60, 20))
    values[:, :3] += y[:, None] * [1.2, 1.0, 0.8]
    names = [f"original_firstorder_F{i}" for i in range(20)]
    features = pd.DataFrame(values, columns=names, index=[f"P{i:02d}" for i in range(60)])
    icc = pd.Series(np.linspace(0.99, 0.70, 20), index=names)
    settings = SelectionSettings(folds=3, mrmr_features=10, smote="after")
    both = [
        select_features(features, y, icc, one, 1) for one in (settings, replace(settings, smote="before"))
    ]
    return features, y, icc, both


def test_the_funnel_only_narrows_from_all_features_to_the_selected(case):
    features, _, icc, (selection, _) = case
    funnel = selection_tables.funnel(selection)
    assert funnel["computed"].iloc[0] == features.shape[1]
    assert funnel.set_index("step").loc["after ICC", "computed"] == (icc > 0.80).sum()
    assert funnel["computed"].is_monotonic_decreasing
    assert funnel["computed"].iloc[-1] == len(selection.coefficients)


def test_two_orders_stand_side_by_side_and_share_features(case):
    *_, both = case
    table = selection_tables.funnels_by_smote(both)
    assert table.columns.tolist() == ["SMOTE after", "SMOTE before"]
    first, second = (set(one.coefficients.index) for one in both)
    assert selection_tables.shared(both) == len(first & second)


def test_the_table_of_selected_features_gives_back_the_rad_score(case):
    """Intercept and coefficients, means and SDs of the table alone make the score."""
    features, _, icc, (selection, _) = case
    frequency = pd.Series(0.5, index=features.columns)
    table = selection_tables.selected_features(selection, icc, frequency).set_index("feature")
    z = (features[table.index] - table["mean"]) / table["sd"]
    score = selection.lasso.intercept_ + (z * table["coefficient"]).sum(axis=1)
    np.testing.assert_allclose(score, rad_score(selection.as_dict(), features), rtol=1e-12)
    assert table["icc"].equals(icc[table.index].rename("icc").rename_axis("feature"))


def test_quartiles_are_those_of_each_set_and_outcome():
    scores = pd.DataFrame({"cohort": "training", "outcome": [0, 0, 0, 1, 1], "rad_score": [1, 2, 3, 5, 7]})
    table = selection_tables.rad_score_quartiles(scores, {0: "Alive", 1: "Died"})
    assert table.columns.tolist() == ["cohort", "outcome", "n", "25%", "median", "75%"]
    assert table.to_numpy()[:, 1:].tolist() == [
        ["Alive", 3, 1.5, 2, 2.5],
        ["Died", 2, 5.5, 6, 6.5],
    ]


def test_gaps_of_the_rad_score_are_in_sd_set_by_set():
    scores = pd.DataFrame({"cohort": ["training"] * 4 + ["internal"] * 4, "outcome": [0, 0, 1, 1] * 2})
    scores["rad_score"] = [0, 2, 4, 6, 0, 2, 1, 3]
    # The SD of two values that lie 2 apart is the root of 2.
    assert selection_tables.gaps_in_words(scores) == "2.83 SD (Training), 0.71 SD (Internal validation)"
    words = selection_tables.frequencies_in_words(pd.DataFrame({"frequency": [0.4, 0.95]}))
    assert words == {"frequency-low": "40", "frequency-high": "95"}
